"""The loop with a known answer, which tells how many labels a strategy would have needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, f1_score

from .pool import Pool
from .rounds import Labels, Round, RoundSettings, run_round
from .rows import predict_proba

Start = Literal["warm", "cold"]
WARM_WANTED = 5
WARM_TOTAL = 100


def simulate(
    X: NDArray[np.float32],
    y: NDArray[np.int64],
    X_test: NDArray[np.float32],
    y_test: NDArray[np.int64],
    *,
    settings: RoundSettings,
    n_labels: int,
    batch: int,
    seed: int,
    wanted: Sequence[int],
    start: Start = "warm",
    on_round: Callable[[dict[str, Any]], None] | None = None,
) -> list[dict[str, Any]]:
    """Label a pool by its true classes until the budget is spent.

    Parameters
    ----------
    X, y
        The pool, ``(n_items, n_features)``, and the true classes, ``(n_items,)``.
    X_test, y_test
        Rows held out, for the measures.
    settings
        Of the rounds; `wanted` and `n_queries` are set here.
    n_labels, batch
        The budget, and how many labels lie between two rounds.
    wanted
        The classes that are looked for.
    start
        ``warm``: 5 wanted items and random ones up to 100 labels, or half of the budget where that is
        less; ``cold``: none.
    on_round
        Called with each record.

    Returns
    -------
    list of dict
        One a round: ``n_labels``, ``n_found`` (wanted items labelled), ``n_total`` (in the pool),
        ``average_precision`` and ``f1`` on the rows held out (means over the wanted classes, NaN without
        a model), ``seconds_fit``, ``seconds_query``.
    """
    rng = np.random.default_rng(seed)
    pool = Pool(X)
    settings = replace(settings, wanted=tuple(int(c) for c in wanted), n_queries=batch, budget=n_labels)
    n_classes = int(max(y.max(), y_test.max() if len(y_test) else 0)) + 1
    rows = _start_rows(y, wanted, start, n_labels, rng)
    uniform = np.zeros(len(rows), bool)
    records: list[dict[str, Any]] = []
    while True:
        labels = Labels(rows, y[rows], uniform, np.empty(0, np.int64), n_classes)
        result = run_round(pool, labels, settings, rng)
        records.append(_record(result, labels, y, X_test, y_test, wanted))
        if on_round is not None:
            on_round(records[-1])
        n_left = min(n_labels - len(rows), batch)
        asked = result.queries.rows[:n_left]
        if not len(asked):
            return records
        rows = np.r_[rows, asked]
        uniform = np.r_[uniform, np.array([s == "random" for s in result.queries.strategy[:n_left]], bool)]


def _start_rows(
    y: NDArray[np.int64], wanted: Sequence[int], start: Start, n_labels: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    if start == "cold":
        return np.empty(0, np.int64)
    members = [rng.permutation(np.flatnonzero(y == c)) for c in wanted]
    each = max(WARM_WANTED // max(len(members), 1), 1)
    first = np.concatenate([rows[:each] for rows in members]) if members else np.empty(0, np.int64)
    total = min(WARM_TOTAL, max(n_labels // 2, len(first)))
    others = np.setdiff1d(np.arange(len(y)), first)
    drawn = rng.choice(others, min(max(total - len(first), 0), len(others)), replace=False)
    return np.r_[first, drawn].astype(np.int64)


def _record(
    result: Round,
    labels: Labels,
    y: NDArray[np.int64],
    X_test: NDArray[np.float32],
    y_test: NDArray[np.int64],
    wanted: Sequence[int],
) -> dict[str, Any]:
    precision, f1 = _measures(result.estimator, X_test, y_test, wanted)
    return {
        "n_labels": len(labels.rows),
        "n_found": int(np.isin(labels.classes, wanted).sum()),
        "n_total": int(np.isin(y, wanted).sum()),
        "average_precision": precision,
        "f1": f1,
        "seconds_fit": result.seconds["fit"],
        "seconds_query": result.seconds["query"],
    }


def _measures(
    estimator: Any, X_test: NDArray[np.float32], y_test: NDArray[np.int64], wanted: Sequence[int]
) -> tuple[float, float]:
    """Mean average precision and F1 over the wanted classes that occur among the rows held out."""
    present = [c for c in wanted if (y_test == c).any()]
    if estimator is None or not present:
        return float("nan"), float("nan")
    probabilities = predict_proba(estimator, X_test)
    classes = estimator.classes_
    predicted = classes[probabilities.argmax(axis=1)]
    precisions, f1s = [], []
    for c in present:
        column = np.flatnonzero(classes == c)
        score = probabilities[:, column[0]] if len(column) else np.zeros(len(y_test))
        precisions.append(average_precision_score(y_test == c, score))
        f1s.append(f1_score(y_test == c, predicted == c, zero_division=0))
    return float(np.mean(precisions)), float(np.mean(f1s))
