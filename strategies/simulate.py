"""The loop with a known answer, which tells how many labels a strategy would have needed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import average_precision_score, f1_score

from .pool import Pool
from .retrieval import unit
from .rounds import Labels, RoundSettings, run_round
from .rows import predict_proba

Start = Literal["warm", "cold", "biased"]
START_WANTED = 5
START_TOTAL = 100
START_ARM = "start"
MAX_CLUSTERS = 4


def simulate(
    X: NDArray[np.float32] | Pool,
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
    parts: NDArray[np.int64] | None = None,
    measure_rounds: bool = True,
    on_round: Callable[[dict[str, Any]], None] | None = None,
) -> list[dict[str, Any]]:
    """Label a pool by its true classes until the budget is spent.

    The labels to start from depend on the seed and the metric, but on no other setting, so that runs of
    one seed can be compared in pairs.

    Parameters
    ----------
    X, y
        The pool, ``(n_items, n_features)``, and the true classes, ``(n_items,)``. A `Pool` keeps what it
        has learnt of itself for further simulations.
    X_test, y_test
        Rows held out, for the measures.
    settings
        Of the rounds; `wanted`, `n_queries` and `budget` are set here.
    n_labels, batch
        The budget, and how many labels lie between two rounds.
    wanted
        The classes that are looked for.
    start
        ``warm``: 5 wanted items and random ones up to 100 labels, or half of the budget where that is
        less; ``cold``: none; ``biased``: 5 wanted items that all come from one part of what is looked
        for, and items that are not wanted up to the same total. That part is drawn by the seed when
        `parts` are given; it is the most frequent class when several are wanted; and the largest of at
        most 4 k-means clusters of the wanted items otherwise.
    parts
        The sub-cluster of each item, ``(n_items,)``, −1 where it is not wanted. Without them, the parts
        are the wanted classes when there are several, and the clusters of a biased start.
    measure_rounds
        Whether every round is measured on the rows held out, or the last one only.
    on_round
        Called with each record.

    Returns
    -------
    list of dict
        One a round, JSON-able: ``n_labels``; ``n_items`` (in the pool); ``n_found`` (wanted items
        labelled) of ``n_total``; ``n_parts_found`` of ``n_parts`` (0 where there are no parts);
        ``average_precision`` and ``f1`` on the rows held out (means over the wanted classes, NaN without
        a model, or where the round is not measured); ``seconds_fit`` and ``seconds_query``; ``arms``, for
        each arm how many labels it has asked so far and how many of those were wanted, with ``start`` for
        the first ones; ``hits``, the places, from 1, of the wanted items in the order of labelling since
        the record before (see `labels_to`); ``messages`` of the round.

    Raises
    ------
    ValueError
        When the start is not known or impossible, or `parts` do not fit.
    """
    rng = np.random.default_rng(seed)
    pool = X if isinstance(X, Pool) else Pool(X)
    settings = replace(settings, wanted=tuple(int(c) for c in wanted), n_queries=batch, budget=n_labels)
    truth = _known_truth(pool.X, y, settings, start, parts, rng)
    n_classes = int(max(y.max(), y_test.max() if len(y_test) else 0)) + 1
    rows = _start_rows(truth, start, n_labels, rng)
    arms = (START_ARM,) * len(rows)
    rounds = np.full(len(rows), -1, np.int64)
    records: list[dict[str, Any]] = []
    n_told = 0
    while True:
        uniform = np.array([arm == "random" for arm in arms], bool)
        labels = Labels(rows, y[rows], uniform, np.empty(0, np.int64), n_classes, arms, rounds)
        result = run_round(pool, labels, settings, rng)
        asked = result.queries.rows[: n_labels - len(rows)]
        measured = measure_rounds or not len(asked)
        precision, f1 = _measures(result.estimator if measured else None, X_test, y_test, truth.wanted)
        records.append(
            _counts(truth, labels, n_told)
            | {
                "average_precision": precision,
                "f1": f1,
                "seconds_fit": result.seconds["fit"],
                "seconds_query": result.seconds["query"],
                "messages": list(result.messages),
            }
        )
        if on_round is not None:
            on_round(records[-1])
        n_told = len(rows)
        if not len(asked):
            return records
        arms += result.queries.strategy[: len(asked)]
        rounds = np.r_[rounds, np.full(len(asked), len(records) - 1, np.int64)]
        rows = np.r_[rows, asked]


def labels_to(hits: Sequence[int], n_total: int, share: float) -> float:
    """How many labels it took to find a share of the wanted items, from the exact order of labels.

    Parameters
    ----------
    hits
        The places, from 1, of the wanted items among the labels, ascending: the ``hits`` of all records
        of a run, one after the other.
    n_total
        How many wanted items there are.
    share
        From 0 to 1, rounded up to whole items; 0 asks for the first one.

    Returns
    -------
    float
        Infinity when the run ended before (the number is censored: more than the budget).

    Raises
    ------
    ValueError
        When the share does not lie between 0 and 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share is {share!r}: it must lie between 0 and 1")
    needed = max(math.ceil(share * n_total - 1e-9), 1)  # .55 of 100 is 55 items, whatever floats say
    return float(hits[needed - 1]) if needed <= len(hits) else math.inf


# ---- what is known ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Truth:
    """The answers: what is wanted, and which part of it each item belongs to (−1 for none)."""

    wanted: tuple[int, ...]
    y: NDArray[np.int64]
    is_wanted: NDArray[np.bool_]
    parts: NDArray[np.int64]
    first_part: int | None


def _known_truth(
    X: NDArray[np.float32], y: NDArray[np.int64], settings: RoundSettings, start: Start,
    parts: NDArray[np.int64] | None, rng: np.random.Generator,
) -> _Truth:  # fmt: skip
    if start not in get_args(Start):
        raise ValueError(f"there is no start '{start}': choose {', '.join(get_args(Start))}")
    is_wanted = np.isin(y, settings.wanted)
    if start == "biased" and not is_wanted.any():
        raise ValueError("a biased start needs wanted items, and the pool has none: choose another start")
    first: int | None = None
    if parts is not None:
        if parts.shape != y.shape:
            raise ValueError(f"parts have the shape {parts.shape} instead of {y.shape}: give one for each item")
        known = np.where(is_wanted, parts, -1).astype(np.int64)
        if start == "biased":
            if not (known >= 0).any():
                raise ValueError("a biased start needs parts, and no wanted item has one: correct parts")
            first = int(rng.choice(np.unique(known[known >= 0])))
    elif len(settings.wanted) > 1:
        known = np.where(is_wanted, y, -1)
        first = int(np.bincount(known[is_wanted]).argmax()) if is_wanted.any() else None
    elif start == "biased":
        known = np.full(len(y), -1, np.int64)
        known[is_wanted] = _clusters(X[is_wanted], settings.metric, rng)
        first = int(np.bincount(known[is_wanted]).argmax())
    else:
        known = np.full(len(y), -1, np.int64)
    return _Truth(settings.wanted, y, is_wanted, known, first)


def _clusters(X: NDArray[np.float32], metric: str, rng: np.random.Generator) -> NDArray[np.int64]:
    """Clusters of the wanted items: few enough for the largest one to hold those of a start."""
    vectors = unit(X) if metric == "cosine" else X
    n_clusters = min(MAX_CLUSTERS, max(len(X) // START_WANTED, 1), len(np.unique(vectors, axis=0)))
    means = KMeans(n_clusters, n_init=4, random_state=int(rng.integers(2**31)))
    return means.fit_predict(vectors).astype(np.int64)


def _start_rows(truth: _Truth, start: Start, n_labels: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Wanted items first, then the others."""
    if start == "cold":
        return np.empty(0, np.int64)
    if start == "biased":
        members = rng.permutation(np.flatnonzero(truth.parts == truth.first_part))
        first = members[:START_WANTED]
        others = np.flatnonzero(~truth.is_wanted)
    else:
        by_class = [rng.permutation(np.flatnonzero(truth.y == c)) for c in truth.wanted]
        each = max(START_WANTED // max(len(by_class), 1), 1)
        first = np.concatenate([rows[:each] for rows in by_class]) if by_class else np.empty(0, np.int64)
        others = np.setdiff1d(np.arange(len(truth.y)), first)
    total = min(START_TOTAL, max(n_labels // 2, len(first)))
    drawn = rng.choice(others, min(max(total - len(first), 0), len(others)), replace=False)
    return np.r_[first, drawn][:n_labels].astype(np.int64)


# ---- one round --------------------------------------------------------------------------------------


def _counts(truth: _Truth, labels: Labels, n_told: int) -> dict[str, Any]:
    """What the labels hold, and at which places the wanted ones after the first `n_told` came."""
    found = truth.is_wanted[labels.rows]
    parts = truth.parts[labels.rows]
    arms: dict[str, list[int]] = {}
    for arm, hit in zip(labels.arms, found.tolist(), strict=True):
        count = arms.setdefault(arm, [0, 0])
        count[0] += 1
        count[1] += hit
    return {
        "n_labels": len(labels.rows),
        "n_items": len(truth.y),
        "n_found": int(found.sum()),
        "n_total": int(truth.is_wanted.sum()),
        "n_parts_found": len(np.unique(parts[parts >= 0])),
        "n_parts": len(np.unique(truth.parts[truth.parts >= 0])),
        "arms": arms,
        "hits": (np.flatnonzero(found[n_told:]) + n_told + 1).tolist(),
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
