"""Thresholds and probabilities set by the audit: from when a class is predicted, and how likely it is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..later import Later
from .base import class_labels
from .priors import CorrectedLearner, Correction, shift, soften

optimize = Later("scipy.optimize")
special = Later("scipy.special")

MIN_MEMBERS = 10  # audited members of a class from which on its threshold, and the calibration, are fitted
RIDGE = 2.0  # times the mean weight, on the squared distance of the slope from one
HALF_BITS = 2.0**32

Kind = Literal["f1", "cost", "precision", "recall", "none"]


@dataclass(frozen=True)
class Objective:
    """What the threshold of a class is chosen for.

    Parameters
    ----------
    kind
        `f1`: the largest F-beta; `cost`: the smallest cost; `precision` and `recall`: a target that must be
        reached; `none`: no threshold, the largest probability decides.
    value
        Of `cost`: what a missed member costs, in wrongly predicted items; of `precision` and `recall`: the
        target, above 0 and at most 1.
    beta
        Of `f1`: how many times as much recall weighs as precision.

    Raises
    ------
    ValueError
        Naming what is not allowed.
    """

    kind: Kind = "f1"
    value: float = math.nan
    beta: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"there is no objective '{self.kind}': choose {', '.join(get_args(Kind))}")
        if self.kind == "cost" and not 0 < self.value < math.inf:
            raise ValueError(f"the cost of a missed member is {self.value!r}: it must be a number above 0")
        if self.kind in ("precision", "recall") and not 0 < self.value <= 1:
            raise ValueError(f"the target {self.kind} is {self.value!r}: it must be above 0 and at most 1")
        if not 0 < self.beta < math.inf:
            raise ValueError(f"beta is {self.beta!r}: it must be a number above 0")

    def __str__(self) -> str:
        """The objective in words."""
        if self.kind == "cost":
            return f"the smallest cost, a missed member costing {self.value:g} wrongly predicted items"
        if self.kind in ("precision", "recall"):
            return f"a {self.kind} of {100 * self.value:g} %"
        if self.kind == "none":
            return "the largest probability"
        return "the best F1" if self.beta == 1 else f"the best F-beta, beta = {self.beta:g}"


@dataclass(frozen=True)
class Threshold:
    """From which probability on a class is predicted (NaN: the largest probability decides), and why."""

    value: float
    source: str


@dataclass(frozen=True)
class Thresholds:
    """The thresholds of all classes.

    Parameters
    ----------
    values
        ``(n_classes,)``, NaN where a class has none: midway, in log-odds, between those of both halves.
    crossed
        ``(2, n_classes)``: for the rows of half h (see `half_of`), those chosen on the other half alone, so
        that what they are measured on had no part in choosing them.
    sources
        Why each is what it is, in words.
    """

    values: NDArray[np.float64]
    crossed: NDArray[np.float64]
    sources: tuple[str, ...]

    def decide(self, probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
        """The predicted classes ``(n,)`` of probabilities ``(n, n_classes)``."""
        return decide(probabilities, self.values)

    def decide_crossed(
        self, probabilities: NDArray[np.floating], numbers: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """The same with the thresholds of the other half; `numbers` are the permanent ones of the rows."""
        if np.array_equal(self.crossed[0], self.crossed[1], equal_nan=True):
            return decide(probabilities, self.crossed[0])
        first, second = (decide(probabilities, thresholds) for thresholds in self.crossed)
        return np.where(half_of(numbers) == 0, first, second)


def no_thresholds(n_classes: int, source: str = "the largest probability") -> Thresholds:
    """The largest probability decides everywhere."""
    return Thresholds(np.full(n_classes, np.nan), np.full((2, n_classes), np.nan), (source,) * n_classes)


def half_of(numbers: ArrayLike) -> NDArray[np.int64]:
    """The half, 0 or 1, of rows by their permanent random numbers ``(n,)`` in [0, 1).

    A binary digit far behind the point: it says nothing about whether a row is in the audit, and stays what
    it is however far the audit grows, so that frozen thresholds are never measured on what chose them.
    """
    return (np.asarray(numbers, np.float64) * HALF_BITS).astype(np.int64) & 1


# ---- decisions --------------------------------------------------------------------------------------


def decide(probabilities: NDArray[np.floating], thresholds: ArrayLike) -> NDArray[np.int64]:
    """Predicted classes ``(n,)``.

    Where classes reach their thresholds, that with the largest ``p / t``: with a wrong prediction costing
    one, ``p / t − 1`` is what predicting it gains. Elsewhere, the likeliest of the classes without one; where
    all classes have one, the largest ``p / t``.

    Parameters
    ----------
    probabilities
        ``(n, n_classes)``.
    thresholds
        ``(n_classes,)``, NaN where a class has none.
    """
    t = np.asarray(thresholds, np.float64)
    free = np.isnan(t)
    if free.all():
        return probabilities.argmax(axis=1).astype(np.int64)
    ratio = probabilities / np.where(free, np.inf, np.maximum(t, 1e-300))
    reached = (probabilities >= t) & ~free
    otherwise = np.where(free, probabilities, -1.0) if free.any() else ratio
    best = np.where(reached, ratio, -1.0)
    return np.where(reached.any(axis=1), best.argmax(axis=1), otherwise.argmax(axis=1)).astype(np.int64)


def choose_threshold(
    probability: ArrayLike,
    is_member: ArrayLike,
    weights: ArrayLike,
    objective: Objective,
    min_members: int = MIN_MEMBERS,
) -> Threshold:
    """The threshold of a class that serves an objective best on the audit.

    It stands midway, in log-odds, between two audited items. Ties go to the larger threshold.

    Parameters
    ----------
    probability, is_member
        Of the class, and whether it is the true one, ``(n,)`` each.
    weights
        1 / inclusion probability, ``(n,)``.
    min_members
        With fewer audited members there is no threshold.
    """
    if objective.kind == "none":
        return Threshold(math.nan, str(objective))
    p, member = np.asarray(probability, np.float64), np.asarray(is_member, bool)
    n_members = int(member.sum())
    if n_members < max(min_members, 1):
        so_far = f"until {min_members} members have been audited ({n_members} so far)"
        return Threshold(math.nan, f"the largest probability, {so_far}")
    places, tp, predicted, total = _cuts(p, member, np.asarray(weights, np.float64))
    best, met = _best_cut(tp, predicted, total, objective)
    value = _midway(places[best], places[best + 1] if best + 1 < len(places) else 0.0)
    source = f"{objective} on {n_members} audited members"
    if not met:
        source = f"the best {objective.kind} there is on {n_members} audited members: none reaches {objective}"
    return Threshold(value, source)


def _cuts(
    p: NDArray[np.float64], member: NDArray[np.bool_], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float]:
    """Distinct probabilities, largest first; weighted members and items from each on; all members."""
    order = np.argsort(-p, kind="stable")
    last = np.r_[np.flatnonzero(np.diff(p[order])), len(p) - 1]
    tp = np.cumsum(weights[order] * member[order])
    return p[order][last], tp[last], np.cumsum(weights[order])[last], float(tp[-1])


def _best_cut(
    tp: NDArray[np.float64], predicted: NDArray[np.float64], total: float, objective: Objective
) -> tuple[int, bool]:
    """The place of the best cut, and whether it reaches the target."""
    if objective.kind == "cost":
        return int(np.argmin(objective.value * (total - tp) + predicted - tp)), True
    if objective.kind == "f1":
        squared = objective.beta**2
        return int(np.argmax((1 + squared) * tp / (predicted + squared * total))), True
    least = objective.value * (1 - 1e-12)
    if objective.kind == "recall":
        return int(np.argmax(tp / total >= least)), True
    reaching = np.flatnonzero(tp / predicted >= least)
    return (int(reaching[-1]), True) if len(reaching) else (int(np.argmax(tp / predicted)), False)


def _midway(one: float, other: float) -> float:
    """A probability midway in log-odds, at most the larger one."""
    middle = special.expit(special.logit(np.clip([one, other], 1e-9, 1 - 1e-9)).mean())
    return float(min(middle, max(one, other)))


def choose_thresholds(
    probabilities: NDArray[np.floating],
    classes: NDArray[np.int64],
    weights: NDArray[np.float64],
    numbers: NDArray[np.float64],
    objectives: Mapping[int, Objective],
    min_members: int = MIN_MEMBERS,
) -> Thresholds:
    """The thresholds of all classes: midway between the best of either half of the audit.

    What is measured with the thresholds of the other half then holds for the threshold in force, which lies
    between them, far better than for the best one of the whole audit.

    Parameters
    ----------
    probabilities
        Of the audited rows, ``(n, n_classes)``.
    classes
        Their true classes, ``(n,)``; −1 is no class.
    weights, numbers
        1 / inclusion probability, and permanent random numbers, ``(n,)``.
    objectives
        By class; classes that are not named have no threshold.
    """
    out = no_thresholds(probabilities.shape[1])
    sources = list(out.sources)
    half = half_of(numbers)
    for c, objective in objectives.items():
        columns = (probabilities[:, c], classes == c, weights)
        chosen = choose_threshold(*columns, objective, min_members)
        out.values[c], sources[c] = chosen.value, chosen.source
        if math.isnan(chosen.value):
            continue
        for h in (0, 1):
            other = [column[half != h] for column in columns]
            alone = choose_threshold(other[0], other[1], other[2], objective, 1).value
            out.crossed[h, c] = chosen.value if math.isnan(alone) else alone
        out.values[c] = _midway(*out.crossed[:, c])
    return Thresholds(out.values, out.crossed, tuple(sources))


# ---- probabilities ----------------------------------------------------------------------------------


def platt(
    scores: ArrayLike, is_member: ArrayLike, weights: ArrayLike, min_each: int = MIN_MEMBERS
) -> tuple[float, float] | None:
    """Slope a and intercept b with which ``σ(a z + b)`` fits the audit best.

    The weighted log-likelihood less ``λ (a − 1)²``, λ being twice the mean weight, is maximised: few audited
    items move the slope little (Platt, 1999).

    Parameters
    ----------
    scores
        Log-odds z of the class, ``(n,)``.
    is_member, weights
        Whether the class is the true one, and 1 / inclusion probability, ``(n,)`` each.

    Returns
    -------
    (a, b), or None with fewer than `min_each` members or others, or where the slope would not be positive:
    no correction may turn the ranking round.
    """
    z, member = np.asarray(scores, np.float64), np.asarray(is_member, bool)
    if min(member.sum(), (~member).sum()) < min_each:
        return None
    logs = np.column_stack([np.zeros(len(z)), z])
    slope, intercept = _scaled(logs, member.astype(np.int64), np.asarray(weights, np.float64), [1])
    return (slope, intercept) if slope > 0 else None


def audit_correction(
    probabilities: NDArray[np.floating],
    classes: NDArray[np.int64],
    weights: NDArray[np.float64],
    wanted: Sequence[int],
    min_each: int = MIN_MEMBERS,
) -> tuple[float, NDArray[np.float64]] | None:
    """Scale, and offsets ``(n_classes,)``, of log-probabilities that fit the audit best.

    With two classes it is `platt`; with more, one scale and an offset a class. Classes with fewer than
    `min_each` audited members share the offset of the commonest one.

    Parameters
    ----------
    probabilities
        Of the audited rows, above zero, not corrected otherwise, ``(n, n_classes)``.
    classes
        Their true classes, ``(n,)``; rows of no class (−1) are left out.
    weights
        1 / inclusion probability, ``(n,)``.
    wanted
        Classes that must all have `min_each` audited members, as must what is not wanted.

    Returns
    -------
    None where there are too few, or where the scale would not be positive.
    """
    judged = classes >= 0
    p, y, w = probabilities[judged], classes[judged], weights[judged]
    counts = np.bincount(y, minlength=p.shape[1])
    others = counts.sum() - counts[list(wanted)].sum()
    if not len(wanted) or min(*counts[list(wanted)], others) < min_each:
        return None
    free = [int(c) for c in np.flatnonzero(counts >= min_each) if c != counts.argmax()]
    scale, *fitted = _scaled(np.log(np.maximum(p, 1e-300)), y, w, free)
    if scale <= 0:
        return None
    offsets = np.zeros(p.shape[1])
    offsets[free] = fitted
    return scale, offsets


def _scaled(
    logs: NDArray[np.float64], y: NDArray[np.int64], weights: NDArray[np.float64], free: Sequence[int]
) -> list[float]:
    """The scale, and the offsets of the free classes, by penalised maximum likelihood."""
    w = weights / weights.mean()
    logs = logs - logs.max(axis=1, keepdims=True)
    design = np.zeros((*logs.shape, 1 + len(free)))
    design[:, :, 0] = logs
    for j, c in enumerate(free):
        design[:, c, 1 + j] = 1.0
    rows = np.arange(len(y))
    ridge = np.zeros(1 + len(free))
    ridge[0] = 2 * RIDGE

    def loss(theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        p = special.softmax(design @ theta, axis=1)
        value = -(w * np.log(np.maximum(p[rows, y], 1e-300))).sum() + RIDGE * (theta[0] - 1) ** 2
        p[rows, y] -= 1.0
        gradient = np.einsum("n,nk,nkd->d", w, p, design, optimize=True)
        gradient[0] += 2 * RIDGE * (theta[0] - 1)
        return float(value), gradient

    def curvature(theta: NDArray[np.float64]) -> NDArray[np.float64]:
        p = special.softmax(design @ theta, axis=1)
        mean = np.einsum("nk,nkd->nd", p, design)
        second = np.einsum("n,nk,nkd,nke->de", w, p, design, design, optimize=True)
        return second - np.einsum("n,nd,ne->de", w, mean, mean) + np.diag(ridge + 1e-9)

    start = np.zeros(1 + len(free))
    start[0] = 1.0
    found = optimize.minimize(loss, start, jac=True, hess=curvature, method="trust-exact", options={"gtol": 1e-8})
    return [float(value) for value in found.x]


def cross_calibrated(
    probabilities: NDArray[np.floating],
    classes: NDArray[np.int64],
    weights: NDArray[np.float64],
    numbers: NDArray[np.float64],
    wanted: Sequence[int],
) -> NDArray[np.float64]:
    """Probabilities of the audited rows, each calibrated on the other half of the audit, ``(n, n_classes)``.

    For a reliability curve that is honest about `audit_correction`; rows whose other half is too small to
    calibrate on keep what they have. Parameters as there, `numbers` being the permanent ones.
    """
    half = half_of(numbers)
    out = np.array(probabilities, np.float64)
    for h in (0, 1):
        other = half != h
        fitted = audit_correction(probabilities[other], classes[other], weights[other], wanted, MIN_MEMBERS // 2)
        if fitted is not None:
            out[~other] = shift(out[~other], fitted[1], fitted[0])
    return out


def calibrate(
    learner: Any,
    X_audit: Any,
    classes: NDArray[np.int64],
    weights: NDArray[np.float64],
    wanted: Sequence[int],
    min_each: int = MIN_MEMBERS,
) -> CorrectedLearner | None:
    """The learner with probabilities calibrated on the audit; None where the audit is too small for it.

    Parameters
    ----------
    X_audit
        The audited rows, ``(n, n_features)``.
    classes, weights, wanted, min_each
        As in `audit_correction`, in classes as the learner's labels have them.

    Raises
    ------
    ValueError
        When the learner is corrected already.
    """
    known = class_labels(learner)
    columns = {int(c): k for k, c in enumerate(known)}
    if not set(wanted) <= set(columns):
        return None
    y = np.array([columns.get(int(c), -1) for c in classes], np.int64)
    trained = getattr(learner, "y_training", None)
    raw = soften(np.asarray(learner.predict_proba(X_audit)), len(trained if trained is not None else ()))
    fitted = audit_correction(raw, y, weights, [columns[int(c)] for c in wanted], min_each)
    if fitted is None:
        return None
    return CorrectedLearner(learner, fitted[1], Correction.AUDIT, fitted[0])
