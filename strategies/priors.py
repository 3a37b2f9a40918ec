"""Class priors, the prevalence of the pool, and the correction of probabilities from one to the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..later import Later
from .audit import SealedAudit
from .base import Queries, QueryStrategy, class_labels, generator
from .labels import Labels
from .rows import predict_proba

optimize = Later("scipy.optimize")
special = Later("scipy.special")
stats = Later("scipy.stats")

MIN_AUDITED = 50  # answers from which on the audit tells the prevalence
MATCH_SAMPLE = 50_000
SWEEPS = 100
WIDEST = 40.0  # offsets are sought in ± this, on the logit scale
TOLERANCE = 1e-10


class Correction(StrEnum):
    """How probabilities are moved from the prior of the fit to the prevalence of the pool."""

    NONE = "none"
    RATIO = "ratio"
    MATCHED = "matched"
    AUDIT = "audit"


# ---- priors and prevalence --------------------------------------------------------------------------


def class_prior(y: ArrayLike, n_classes: int, weights: ArrayLike | None = None) -> NDArray[np.float64]:
    """Shares of the classes among the labels of a fit, ``(n_classes,)``.

    Parameters
    ----------
    y
        Class indices, ``(n_labels,)``.
    weights
        Weights of the fit, ``(n_labels,)``; one each by default.
    """
    counts = np.bincount(np.asarray(y, np.int64), weights=weights, minlength=n_classes).astype(np.float64)
    return counts / max(counts.sum(), 1e-300)


@dataclass(frozen=True)
class Prevalence:
    """Shares of the classes in the pool, each ``(n_classes,)``: point, and limits of a 95 % interval."""

    point: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def prevalence_from_audit(audit: SealedAudit, labels: Labels, n_items: int) -> Prevalence:
    """Prevalence from the answers of the sealed audit, and the labels that are known anyway.

    The answers speak for the items that nobody else has asked for. Point: posterior mean under a
    Dirichlet(½, …, ½) prior, with the weights' effective counts; limits: with equal weights the Jeffreys
    interval Beta(k + ½, n − k + ½) of each class, else the gamma limits of Fay and Feuer (1997).
    """
    n_classes, answers = labels.n_classes, audit.answers
    judged = answers.classes >= 0
    n_known = np.bincount(np.r_[labels.classes, answers.classes[answers.reached & judged]], minlength=n_classes)
    rest = float(n_items - len(labels.rows) - len(labels.excluded) - answers.reached.sum())
    inside = audit.in_sample & ~answers.reached
    classes, weights = answers.classes[inside], 1.0 / audit.inclusion[inside]
    total, n_effective = weights.sum(), weights.sum() ** 2 / max((weights**2).sum(), 1e-300)
    shares = np.bincount(classes[classes >= 0], weights[classes >= 0], minlength=n_classes) / max(total, 1e-300)
    point = (n_effective * shares + 0.5) / (n_effective + 0.5 * n_classes)
    if np.allclose(weights, weights[:1]):
        counts = shares * len(weights)
        low, high = (stats.beta.ppf(q, counts + 0.5, len(weights) - counts + 0.5) for q in (0.025, 0.975))
        low, high = np.where(counts == 0, 0.0, low), np.where(counts == len(weights), 1.0, high)
    else:
        low, high = _gamma_limits(classes, weights, n_classes, max(rest, 1.0))
    return Prevalence(*((n_known + rest * share) / n_items for share in (point, low, high)))


def _gamma_limits(
    classes: NDArray[np.int64], weights: NDArray[np.float64], n_classes: int, rest: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Limits of the shares of the classes among the `rest`, exact quantiles of the gamma draws."""
    low, high = np.zeros(n_classes), np.ones(n_classes)
    largest = float(weights.max())
    for c in range(n_classes):
        w = weights[classes == c]
        y, v = w.sum(), (w**2).sum()
        if y > 0:
            low[c] = stats.gamma.ppf(0.025, y * y / v, scale=v / y) / rest
        above, spread = y + largest, v + largest**2
        high[c] = min(stats.gamma.ppf(0.975, above**2 / spread, scale=spread / above) / rest, 1.0)
    return low, high


def prevalence_from_ranges(ranges: Sequence[tuple[int, float, float]], others: NDArray[np.float64]) -> Prevalence:
    """Prevalence from the user's own ranges: their geometric means; the other classes share the rest.

    Parameters
    ----------
    ranges
        Class index, low and high share of each class that the user spoke of.
    others
        Shares by which the remaining classes divide the rest, ``(n_classes,)``.

    Raises
    ------
    ValueError
        When the ranges leave nothing for the other classes.
    """
    point, low, high = (np.full(len(others), np.nan) for _ in range(3))
    for index, least, most in ranges:
        point[index], low[index], high[index] = np.sqrt(least * most), least, most
    free = np.isnan(point)
    left = 1.0 - np.nansum(point)
    if left < -1e-9 and free.any():
        raise ValueError("the prevalences given add up to more than 100 %: lower one of them")
    weights = np.where(free, np.maximum(others, 1e-12), 0.0)
    point = np.where(free, max(left, 1e-9) * weights / max(weights.sum(), 1e-300), point)
    return Prevalence(point / point.sum(), low, high)


def prevalence_in_force(
    labels: Labels,
    n_items: int,
    ranges: Sequence[tuple[int, float, float]],
    audit: SealedAudit | None,
    others: NDArray[np.float64],
) -> tuple[Prevalence, str]:
    """The prevalence and where it comes from: the user's own ranges, the audit, or nowhere.

    Parameters
    ----------
    labels, n_items
        What is labelled, of how many items.
    ranges
        The user's own: class index, low and high share.
    audit
        It takes 50 answers to estimate the prevalence from it.
    others
        Shares by which classes without a range divide the rest while there is no audit, ``(n_classes,)``.
    """
    n, n_audited = labels.n_classes, 0 if audit is None else int(audit.in_sample.sum())
    measured: Prevalence | None = None
    if audit is not None and n_audited >= MIN_AUDITED:
        measured = prevalence_from_audit(audit, labels, n_items)
    given = tuple(entry for entry in ranges if entry[0] < n)
    if given:
        base = np.nan_to_num(others, nan=1.0 / n) if measured is None else measured.point
        return prevalence_from_ranges(given, base), "given by you"
    if measured is not None:
        return measured, f"from {n_audited:,} audited items"
    unknown = Prevalence(*(np.full(n, np.nan) for _ in range(3)))
    return unknown, f"unknown ({n_audited} of {MIN_AUDITED} audited items; give your own guess until then)"


# ---- corrections ------------------------------------------------------------------------------------


def prior_ratio(probabilities: ArrayLike, prior: ArrayLike, prevalence: ArrayLike) -> NDArray[np.float64]:
    """Probabilities under another class prior, ``(n_items, n_classes)``.

    ``p'_k = p_k ρ_k / Σ_j p_j ρ_j`` with ``ρ = prevalence / prior`` (Elkan, 2001; Saerens et al., 2002).
    Exact when the labels were chosen by their class; too strong when they were chosen by the features.

    Examples
    --------
    >>> prior_ratio([[0.5, 0.5]], [0.5, 0.5], [0.99, 0.01]).round(4)
    array([[0.99, 0.01]])
    """
    return shift(np.asarray(probabilities, np.float64), ratio_offsets(prior, prevalence))


def ratio_offsets(prior: ArrayLike, prevalence: ArrayLike) -> NDArray[np.float64]:
    """``log(prevalence / prior)``: the intercepts that King & Zeng (2001) correct by, ``(n_classes,)``."""
    return np.log(np.maximum(prevalence, 1e-12)) - np.log(np.maximum(prior, 1e-12))


def shift(probabilities: NDArray[np.float64], offsets: ArrayLike, scale: ArrayLike = 1.0) -> NDArray[np.float64]:
    """Log-probabilities times a scale plus offsets, normalised again, ``(n_items, n_classes)``."""
    moved = np.log(np.maximum(probabilities, 1e-300)) * np.asarray(scale) + np.asarray(offsets)
    return special.softmax(moved, axis=1)


def soften(probabilities: NDArray[np.floating], n_labels: int) -> NDArray[np.float64]:
    """Keep probabilities off 0 and 1: a forest's 0 could never be corrected.

    ``(p + ε) / (1 + K ε)`` with ``ε = 1 / (2 n_labels + 4)``: unlike cutting at ε it keeps the order of all items.
    """
    least = 1.0 / (2 * n_labels + 4)
    return (probabilities.astype(np.float64) + least) / (1.0 + probabilities.shape[1] * least)


def match_offsets(probabilities: ArrayLike, prevalence: ArrayLike) -> NDArray[np.float64]:
    """Offsets with which the mean probability of each class equals its prevalence, ``(n_classes,)``.

    Two classes: the root of ``mean σ(z + b) = π`` by Brent's method; more: iterative proportional
    fitting. It assumes nothing about how the labels were chosen.

    Parameters
    ----------
    probabilities
        ``(n_items, n_classes)``, all above zero; a uniform sample of the pool.
    prevalence
        ``(n_classes,)``, above zero, adding up to one.
    """
    p, target = np.asarray(probabilities, np.float64), np.asarray(prevalence, np.float64)
    if p.shape[1] == 2:
        z = special.logit(np.clip(p[:, 1], 1e-300, 1 - 1e-16))

        def excess(b: float) -> float:
            return float(special.expit(z + b).mean() - target[1])

        if excess(-WIDEST) < 0 < excess(WIDEST):
            return np.array([0.0, float(optimize.brentq(excess, -WIDEST, WIDEST, xtol=1e-9))])
    offsets = np.zeros(p.shape[1])
    logs = np.log(np.maximum(p, 1e-300))
    for _ in range(SWEEPS):
        means = special.softmax(logs + offsets, axis=1).mean(axis=0)
        step = np.log(np.maximum(target, 1e-12)) - np.log(np.maximum(means, 1e-300))
        offsets = np.clip(offsets + step, -WIDEST, WIDEST)
        if np.abs(means - target).max() < TOLERANCE:
            break
    return offsets - offsets[0]


class CorrectedLearner:
    """A learner whose probabilities are moved by offsets and perhaps a scale, once.

    Parameters
    ----------
    learner
        Has ``predict_proba``; its ``X_training`` and ``y_training`` are passed on.
    offsets
        ``(n_classes,)``, added to the log-probabilities.
    state
        Which correction the offsets are of; kept as ``prior_state``.
    scale
        By which the log-probabilities are multiplied first, for all classes or ``(n_classes,)``.

    Raises
    ------
    ValueError
        When the learner is corrected already: a correction holds for raw probabilities only.
    """

    def __init__(self, learner: Any, offsets: ArrayLike, state: Correction, scale: ArrayLike = 1.0) -> None:
        if getattr(learner, "prior_state", Correction.NONE) != Correction.NONE:
            raise ValueError(f"the learner is corrected already ({learner.prior_state}): correct the raw one")
        self.learner = learner
        self.offsets = np.asarray(offsets, np.float64)
        self.scale = np.asarray(scale, np.float64)
        self.prior_state = state
        self.X_training = getattr(learner, "X_training", None)
        self.y_training = getattr(learner, "y_training", None)
        self.classes_ = class_labels(learner)

    @property
    def n_labels(self) -> int:
        """Labels of the fit, 0 where they are not known."""
        return 0 if self.y_training is None else len(self.y_training)

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Corrected probabilities, ``(n_items, n_classes)``."""
        raw = soften(self.learner.predict_proba(X), self.n_labels)
        return shift(raw, self.offsets, self.scale)

    def predict(self, X: Any) -> NDArray[Any]:
        """The most likely class after the correction, ``(n_items,)``."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def correct(
    learner: Any, X_pool: Any, correction: Correction, prevalence: ArrayLike, rng: np.random.Generator
) -> Any:
    """The learner under a correction; the learner itself when there is none.

    Parameters
    ----------
    X_pool
        The pool; `matched` predicts a uniform sample of at most 50,000 of its rows.
    correction
        `audit` stands here for what holds until the audit can calibrate (`calibration.calibrate`): `matched`.
    prevalence
        Shares of the learner's own classes, in their order, ``(n_learner_classes,)``; brought to sum one.
    """
    if correction == Correction.NONE:
        return learner
    target = np.maximum(np.asarray(prevalence, np.float64), 1e-9)
    target = target / target.sum()
    y = np.searchsorted(class_labels(learner), learner.y_training)
    if correction == Correction.RATIO:
        return CorrectedLearner(learner, ratio_offsets(class_prior(y, len(target)), target), correction)
    rows = np.arange(len(X_pool))
    if len(rows) > MATCH_SAMPLE:
        rows = np.sort(rng.choice(len(rows), MATCH_SAMPLE, replace=False))
    raw = soften(predict_proba(learner, X_pool[rows]), len(y))
    return CorrectedLearner(learner, match_offsets(raw, target), Correction.MATCHED)


class PriorCorrected(QueryStrategy):
    """Another strategy, asked with probabilities that are corrected to the prevalence of the pool.

    Parameters
    ----------
    base
        The strategy.
    prevalence
        Shares in the pool of the learner's classes, in their order, ``(n_classes,)``.
    correction
        `ratio` or `matched`.
    """

    name = "prior_corrected"
    label = "Prior-corrected"
    description = "Another strategy, with probabilities corrected to the prevalence of the pool."

    def __init__(
        self, base: QueryStrategy, prevalence: ArrayLike, correction: Correction | str = Correction.MATCHED
    ) -> None:
        self.base = base
        self.prevalence = prevalence
        self.correction = Correction(correction)

    def __call__(
        self,
        learner: Any,
        X_pool: Any,
        n_instances: int = 1,
        random_state: np.random.Generator | None = None,
    ) -> Queries:
        """Correct the learner, then ask the base strategy; touches the whole pool."""
        rng = generator(random_state)
        corrected = correct(learner, X_pool, self.correction, self.prevalence, rng)
        return self.base(corrected, X_pool, n_instances, random_state=rng)
