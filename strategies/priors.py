"""Class priors, the prevalence of the pool, and the correction of probabilities from one to the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit, softmax
from scipy.stats import beta

from .base import Queries, QueryStrategy, class_labels, generator
from .labels import Labels
from .rows import predict_proba

MATCH_SAMPLE = 50_000
SWEEPS = 100
WIDEST = 40.0  # offsets are sought in ± this, on the logit scale
TOLERANCE = 1e-10


class Correction(StrEnum):
    """How probabilities are moved from the prior of the fit to the prevalence of the pool."""

    NONE = "none"
    RATIO = "ratio"
    MATCHED = "matched"


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


def prevalence_from_uniform(classes: ArrayLike, n_classes: int, n_known: ArrayLike, n_items: int) -> Prevalence:
    """Prevalence from labels of uniformly drawn items, and the labels that are known anyway.

    The uniform labels speak for the items whose class is not known otherwise. Point: posterior mean
    under a Dirichlet(½, …, ½) prior; limits: Jeffreys interval Beta(k + ½, n − k + ½) of each class.

    Parameters
    ----------
    classes
        Class indices of the uniformly drawn items, ``(n_uniform,)``.
    n_known
        Number of items of each class whose label came otherwise, ``(n_classes,)``.
    n_items
        Number of items in the pool.
    """
    counts = np.bincount(np.asarray(classes, np.int64), minlength=n_classes).astype(np.float64)
    known, total = np.asarray(n_known, np.float64), counts.sum()
    rest = max(n_items - known.sum(), 0.0)
    low = beta.ppf(0.025, counts + 0.5, total - counts + 0.5)
    high = beta.ppf(0.975, counts + 0.5, total - counts + 0.5)
    low, high = np.where(counts == 0, 0.0, low), np.where(counts == total, 1.0, high)
    point = (counts + 0.5) / (total + 0.5 * n_classes)
    return Prevalence(*((known + rest * share) / n_items for share in (point, low, high)))


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
    min_uniform: int,
    others: NDArray[np.float64],
) -> tuple[Prevalence, str]:
    """The prevalence and where it comes from: the user's own ranges, random labels, or nowhere.

    Parameters
    ----------
    labels, n_items
        What is labelled, of how many items.
    ranges
        The user's own: class index, low and high share.
    min_uniform
        How many uniformly drawn labels it takes to estimate the prevalence from them.
    others
        Shares by which classes without a range divide the rest while there are no such labels, ``(n_classes,)``.
    """
    n, n_uniform = labels.n_classes, int(labels.uniform.sum())
    measured: Prevalence | None = None
    if n_uniform >= min_uniform:
        known = np.bincount(labels.classes[~labels.uniform], minlength=n)
        measured = prevalence_from_uniform(labels.classes[labels.uniform], n, known, n_items)
    given = tuple(entry for entry in ranges if entry[0] < n)
    if given:
        base = np.nan_to_num(others, nan=1.0 / n) if measured is None else measured.point
        return prevalence_from_ranges(given, base), "given by you"
    if measured is not None:
        return measured, f"from {n_uniform:,} labels drawn at random"
    unknown = Prevalence(*(np.full(n, np.nan) for _ in range(3)))
    return unknown, f"unknown ({n_uniform} of {min_uniform} random labels; give your own guess until then)"


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


def shift(probabilities: NDArray[np.float64], offsets: ArrayLike) -> NDArray[np.float64]:
    """Add offsets to log-probabilities and normalise again, ``(n_items, n_classes)``."""
    return softmax(np.log(np.maximum(probabilities, 1e-300)) + np.asarray(offsets), axis=1)


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
        z = logit(np.clip(p[:, 1], 1e-300, 1 - 1e-16))

        def excess(b: float) -> float:
            return float(expit(z + b).mean() - target[1])

        if excess(-WIDEST) < 0 < excess(WIDEST):
            return np.array([0.0, float(brentq(excess, -WIDEST, WIDEST, xtol=1e-9))])
    offsets = np.zeros(p.shape[1])
    logs = np.log(np.maximum(p, 1e-300))
    for _ in range(SWEEPS):
        means = softmax(logs + offsets, axis=1).mean(axis=0)
        step = np.log(np.maximum(target, 1e-12)) - np.log(np.maximum(means, 1e-300))
        offsets = np.clip(offsets + step, -WIDEST, WIDEST)
        if np.abs(means - target).max() < TOLERANCE:
            break
    return offsets - offsets[0]


class CorrectedLearner:
    """A learner whose probabilities are moved by offsets, once.

    Parameters
    ----------
    learner
        Has ``predict_proba``; its ``X_training`` and ``y_training`` are passed on.
    offsets
        ``(n_classes,)``, added to the log-probabilities.
    state
        Which correction the offsets are of; kept as ``prior_state``.

    Raises
    ------
    ValueError
        When the learner is corrected already: a correction holds for raw probabilities only.
    """

    def __init__(self, learner: Any, offsets: ArrayLike, state: Correction) -> None:
        if getattr(learner, "prior_state", Correction.NONE) != Correction.NONE:
            raise ValueError(f"the learner is corrected already ({learner.prior_state}): correct the raw one")
        self.learner = learner
        self.offsets = np.asarray(offsets, np.float64)
        self.prior_state = state
        self.X_training = getattr(learner, "X_training", None)
        self.y_training = getattr(learner, "y_training", None)
        self.classes_ = class_labels(learner)

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Corrected probabilities, ``(n_items, n_classes)``."""
        raw = soften(self.learner.predict_proba(X), len(self.y_training if self.y_training is not None else ()))
        return shift(raw, self.offsets)

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
    return CorrectedLearner(learner, match_offsets(raw, target), correction)


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
