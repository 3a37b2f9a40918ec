"""The loop with a known answer, which tells how many labels a strategy would have needed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..later import Later
from .audit import Answers, Rates, SealedAudit, Stage, permanent_numbers
from .measures import FEW, Total, Totals, measures
from .pool import Pool
from .queries import AUDIT
from .retrieval import unit
from .rounds import Labels, Round, RoundSettings, run_round
from .rows import predict_proba
from .scoring import is_rest

cluster = Later("sklearn.cluster")
sklearn_metrics = Later("sklearn.metrics")

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
        the record before (see `labels_to`); ``messages`` of the round. With an audit and a model, also
        ``estimates`` of the wanted classes with their limits, and ``truth``, by class the true value of each
        measure.

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
    state = _State(truth, n_classes, _start_rows(truth, start, n_labels, rng), settings.audit_share, seed)
    records: list[dict[str, Any]] = []
    n_told = 0
    while True:
        labels, audit = state.labels(), state.audit
        result = run_round(pool, labels, settings, rng, audit)
        n_left = n_labels - state.n_labels
        measured = measure_rounds or not (n_left and len(result.queries.rows))
        precision, f1 = _measures(result.estimator if measured else None, X_test, y_test, truth.wanted)
        records.append(
            _counts(truth, state, n_told)
            | {
                "average_precision": precision,
                "f1": f1,
                "seconds_fit": result.seconds["fit"],
                "seconds_query": result.seconds["query"],
                "messages": list(result.messages),
            }
            | _honesty(result, audit, labels, y)
        )
        if on_round is not None:
            on_round(records[-1])
        n_told = state.n_labels
        if not state.answer(result, n_left, len(records) - 1):
            return records


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
    means = cluster.KMeans(n_clusters, n_init=4, random_state=int(rng.integers(2**31)))
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


# ---- the loop ---------------------------------------------------------------------------------------


class _State:
    """What has been labelled so far: for the strategies, and for the audit where there is one."""

    def __init__(
        self, truth: _Truth, n_classes: int, rows: NDArray[np.int64], audit_share: float, seed: int
    ) -> None:
        self.y, self.n_classes = truth.y, n_classes
        self.rows = rows
        self.arms: tuple[str, ...] = (START_ARM,) * len(rows)
        self.rounds = np.full(len(rows), -1, np.int64)
        self.in_order = rows  # the labels of the audit among the others
        self.order_arms = self.arms
        self.audit: SealedAudit | None = None
        if audit_share:
            numbers = permanent_numbers(np.arange(len(truth.y), dtype=np.uint64), seed)
            self.audit = SealedAudit(numbers, (Stage(Rates.uniform(len(truth.y))),))

    @property
    def n_labels(self) -> int:
        return len(self.in_order)

    def labels(self) -> Labels:
        """What the strategies know."""
        nothing = np.empty(0, np.int64)
        return Labels(self.rows, self.y[self.rows], nothing, self.n_classes, self.arms, self.rounds)

    def answer(self, result: Round, n_left: int, number: int) -> bool:
        """Give the true class of what a round asks, as far as the budget goes; false when nothing was asked."""
        queries = result.queries
        shown = np.flatnonzero(~queries.sealed)[: max(n_left, 0)]
        if not len(shown):
            return False
        asked = queries.first(int(shown[-1]) + 1)
        is_audit = np.array([arm == AUDIT for arm in asked.strategy], bool)
        own = ~is_audit & ~asked.sealed
        arms = np.array(asked.strategy, object)
        self._take_audit(result, asked.rows[is_audit], asked.rows[asked.sealed])
        self.rows = np.r_[self.rows, asked.rows[own]]
        self.arms += tuple(arms[own].tolist())
        self.rounds = np.r_[self.rounds, np.full(int(own.sum()), number, np.int64)]
        self.in_order = np.r_[self.in_order, asked.rows[~asked.sealed]]
        self.order_arms += tuple(arms[~asked.sealed].tolist())
        return True

    def _take_audit(self, result: Round, rows: NDArray[np.int64], hits: NDArray[np.int64]) -> None:
        """Answer the audit's questions; what a strategy has asked of its items is reached."""
        if self.audit is None:
            return
        stages = self.audit.stages
        if result.next_rates is not None:
            last = stages[-1]
            reach = self.audit.beside(self.labels()).reach
            stages = (*stages[:-1], Stage(last.rates, reach), Stage(result.next_rates))
        before = self.audit.answers
        answers = Answers(
            np.r_[before.rows, rows],
            np.r_[before.classes, self.y[rows]],
            np.r_[before.reached | np.isin(before.rows, hits), np.zeros(len(rows), bool)],
        )
        self.audit = SealedAudit(self.audit.numbers, stages, answers)


def _counts(truth: _Truth, state: _State, n_told: int) -> dict[str, Any]:
    """What the labels hold, and at which places the wanted ones after the first `n_told` came."""
    found = truth.is_wanted[state.in_order]
    parts = truth.parts[state.in_order]
    arms: dict[str, list[int]] = {}
    for arm, hit in zip(state.order_arms, found.tolist(), strict=True):
        count = arms.setdefault(arm, [0, 0])
        count[0] += 1
        count[1] += hit
    return {
        "n_labels": state.n_labels,
        "n_items": len(truth.y),
        "n_found": int(found.sum()),
        "n_total": int(truth.is_wanted.sum()),
        "n_parts_found": len(np.unique(parts[parts >= 0])),
        "n_parts": len(np.unique(truth.parts[truth.parts >= 0])),
        "arms": arms,
        "hits": (np.flatnonzero(found[n_told:]) + n_told + 1).tolist(),
    }


def _honesty(result: Round, audit: SealedAudit | None, labels: Labels, y: NDArray[np.int64]) -> dict[str, Any]:
    """The estimates of the wanted classes with their limits, and the true values of the same measures."""
    if audit is None or result.scoring is None or result.estimates is None:
        return {}
    scoring, wanted = result.scoring, result.scoring.settings.wanted
    rest = is_rest(audit, labels)
    p = scoring.probabilities
    p = scoring.of_rows(np.arange(len(y))) if p is None else p
    decided = scoring.thresholds.decide(p)
    true = {str(c): _true_measures(p[:, c], decided == c, y == c, rest, scoring.settings.beta) for c in wanted}
    kept = [entry for entry in result.estimates["classes"] if entry["class"] in wanted]
    known = {
        name: value for name, value in result.estimates.items() if name not in ("classes", "curves", "confusion")
    }
    return {"estimates": known | {"classes": kept}, "truth": true}


def _true_measures(
    p: NDArray[np.floating], predicted: NDArray[np.bool_], member: NDArray[np.bool_],
    rest: NDArray[np.bool_], beta: float,
) -> dict[str, float | None]:  # fmt: skip
    tp, fn, fp = (
        int((rest & cell).sum()) for cell in (member & predicted, member & ~predicted, ~member & predicted)
    )
    totals = Totals(Total.known(tp), Total.known(fn), Total.known(fp), tp + fp, FEW)
    known = measures(totals, int((member & ~rest).sum()), int(rest.sum()), len(member), beta)
    out = {name: interval.to_list()[0] for name, interval in known.items()}
    both = 0 < tp + fn < int(rest.sum())
    out["ap"] = float(sklearn_metrics.average_precision_score(member[rest], p[rest])) if both else None
    out["auroc"] = float(sklearn_metrics.roc_auc_score(member[rest], p[rest])) if both else None
    return out


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
        precisions.append(sklearn_metrics.average_precision_score(y_test == c, score))
        f1s.append(sklearn_metrics.f1_score(y_test == c, predicted == c, zero_division=0))
    return float(np.mean(precisions)), float(np.mean(f1s))
