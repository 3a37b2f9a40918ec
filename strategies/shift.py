"""Whether two sets of items are alike: domain classifier, Fréchet distance, score histograms, prevalences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..later import Later
from .crossval import fit_quietly

stats = Later("scipy.stats")
decomposition = Later("sklearn.decomposition")
linear_model = Later("sklearn.linear_model")
model_selection = Later("sklearn.model_selection")
pipeline = Later("sklearn.pipeline")
preprocessing = Later("sklearn.preprocessing")

MOST_ROWS = 20_000
MOST_VALUES = 2**21  # of each side: what a hundred fits can go through in seconds
LEAST_ROWS = 20
FOLDS = 5
MOST_AXES = 32
BINS = 10


# ---- a classifier that tells the two apart ----------------------------------------------------------


@dataclass(frozen=True)
class DomainTest:
    """How well a classifier tells new items from the reference, and the chance of that where they are alike.

    `auroc` is 0.5 where it cannot; `p_value` is one-sided. `n_reference` and `n_new` are the rows used.
    """

    auroc: float
    p_value: float
    n_reference: int
    n_new: int


def domain_auroc(reference: Any, new: Any, rng: np.random.Generator, n_permutations: int = 20) -> DomainTest:
    """AUROC of a logistic regression on standardised features that tells new rows from reference rows.

    Every row is scored by a model that has not seen it (5 folds), and ranks are compared within folds. The
    p-value places the AUROC among those of permuted sides by Student's t, as one more draw of a normal
    distribution: a Mann–Whitney test would ignore that folds share rows, and reject 12 % of samples that are
    alike where it should 5 %.

    Parameters
    ----------
    reference, new
        Arrays or `Rows`, ``(n_reference, n_features)`` and ``(n_new, n_features)``; of each at most 20,000
        rows are drawn, fewer of wide matrices.
    n_permutations
        How many; at least two.

    Raises
    ------
    ValueError
        When a side has fewer than 20 rows.
    """
    first, second = sample_rows(reference, rng), sample_rows(new, rng)
    least = min(len(first), len(second))
    if least < LEAST_ROWS:
        raise ValueError(f"one side has {least} rows: it takes at least {LEAST_ROWS} to tell two sides apart")
    X = np.concatenate([first, second]).astype(np.float64)
    is_new = np.arange(len(X)) >= len(first)
    observed = _validated_auroc(X, is_new, rng)
    null = np.array([_validated_auroc(X, rng.permutation(is_new), rng) for _ in range(n_permutations)])
    spread = float(null.std(ddof=1)) * np.sqrt(1 + 1 / n_permutations)
    t = (observed - null.mean()) / spread if spread > 0 else 0.0
    return DomainTest(observed, float(stats.t.sf(t, n_permutations - 1)), len(first), len(second))


def _validated_auroc(X: NDArray[np.float64], is_new: NDArray[np.bool_], rng: np.random.Generator) -> float:
    """The cross-validated AUROC: pairs in the right order, of all pairs within a fold."""
    folds = model_selection.StratifiedKFold(FOLDS, shuffle=True, random_state=int(rng.integers(2**31)))
    wins, pairs = 0.0, 0
    for train, test in folds.split(X, is_new):
        scaler, classifier = preprocessing.StandardScaler(), linear_model.LogisticRegression(max_iter=200)
        model = pipeline.make_pipeline(scaler, classifier)
        scores = fit_quietly(model, X[train], is_new[train]).decision_function(X[test])
        n_new = int(is_new[test].sum())
        n_pairs = n_new * (len(test) - n_new)
        wins, pairs = wins + float(aurocs(scores[:, None], is_new[test])[0]) * n_pairs, pairs + n_pairs
    return wins / pairs


def aurocs(X: NDArray[np.floating], is_member: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of pairs in which a member has the larger value, ties counting half, by column, ``(n_features,)``."""
    n_members, n_others = int(is_member.sum()), int((~is_member).sum())
    sums = stats.rankdata(X, axis=0)[is_member].sum(axis=0)
    return np.asarray((sums - n_members * (n_members + 1) / 2) / (n_members * n_others))


def sample_rows(X: Any, rng: np.random.Generator) -> NDArray[np.float32]:
    """At most 20,000 rows of an array or `Rows`, fewer where it has many columns, drawn without replacement."""
    most = min(MOST_ROWS, max(MOST_VALUES // max(X.shape[1], 1), LEAST_ROWS))
    if len(X) <= most:
        return np.asarray(X[:], np.float32)
    return np.asarray(X[np.sort(rng.choice(len(X), most, replace=False))], np.float32)


# ---- Fréchet distance -------------------------------------------------------------------------------


@dataclass(frozen=True)
class FrechetComparison:
    """The Fréchet distance of two samples of one size, and what it is between samples of the reference.

    `low` and `high` are limits of a 95 % bootstrap interval, its bias removed. `null` and `null_high` are the
    mean and the 95 % quantile between two samples of the same size, both from the reference: the distance is
    never zero, so that it means something only beside these.
    """

    distance: float
    low: float
    high: float
    null: float
    null_high: float
    n_axes: int
    n_each: int


def gaussian_frechet(
    mean: NDArray[np.float64],
    covariance: NDArray[np.float64],
    other_mean: NDArray[np.float64],
    other_covariance: NDArray[np.float64],
) -> float:
    """Squared Fréchet distance of two normal distributions: ``‖μ₁−μ₂‖² + tr(Σ₁+Σ₂−2(Σ₁Σ₂)^½)``.

    (Dowson & Landau, 1982.) Means ``(n_axes,)``, covariances ``(n_axes, n_axes)``.
    """
    # Σ₁Σ₂ has the eigenvalues of the symmetric Σ₁^½ Σ₂ Σ₁^½, which are real and not negative.
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ other_covariance @ root), 0)).sum()
    apart = float(np.square(mean - other_mean).sum())
    return max(apart + float(np.trace(covariance) + np.trace(other_covariance) - 2 * shared), 0.0)


def frechet_distance(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Squared Fréchet distance of the normal distributions fitted to two samples, ``(n_rows, n_axes)``."""
    return gaussian_frechet(*_moments(first), *_moments(second))


def _moments(sample: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    values = np.asarray(sample, np.float64)
    return values.mean(axis=0), np.atleast_2d(np.cov(values, rowvar=False))


def compare_frechet(
    reference: Any, new: Any, rng: np.random.Generator, n_draws: int = 200, n_null: int = 100
) -> FrechetComparison:
    """Fréchet distance of new rows to the reference in at most 32 principal axes of the reference.

    The axes come from a third of the reference, which is left out of the comparison: rows spread more along
    axes that were fitted to them. Both samples have one size, at most half of the other reference rows, as
    have those that the null is made of.

    Parameters
    ----------
    reference, new
        Arrays or `Rows`, ``(n_reference, n_features)`` and ``(n_new, n_features)``; of each at most 20,000
        rows are drawn, fewer of wide matrices.
    n_draws, n_null
        How many bootstrap samples, and how many pairs of samples of the reference.

    Raises
    ------
    ValueError
        When there are fewer than 20 new rows, or fewer than 60 of the reference.
    """
    first, second = sample_rows(reference, rng), sample_rows(new, rng)
    fitted, first = np.split(rng.permutation(first), [len(first) // 3])
    n_each = min(len(first) // 2, len(second))
    if n_each < LEAST_ROWS:
        raise ValueError(f"the smaller side has {n_each} rows to compare: it takes at least {LEAST_ROWS}")
    n_axes = min(MOST_AXES, first.shape[1], len(fitted) - 1)
    scale = preprocessing.StandardScaler().fit(fitted)
    axes = decomposition.PCA(n_axes, random_state=0).fit(scale.transform(fitted))
    first, second = (axes.transform(scale.transform(side)) for side in (first, second))
    one = first[:n_each]
    two = second[rng.choice(len(second), n_each, replace=False)]
    distance = frechet_distance(one, two)
    draws = np.array([
        frechet_distance(one[rng.integers(n_each, size=n_each)], two[rng.integers(n_each, size=n_each)])
        for _ in range(n_draws)
    ])  # fmt: skip
    # Drawing again adds as much noise as the samples have themselves, and noise only ever adds distance.
    low, high = np.quantile(draws, [0.025, 0.975]) - (draws.mean() - distance)
    null = np.empty(n_null)
    for draw in range(n_null):
        pair = rng.permutation(len(first))[: 2 * n_each]
        null[draw] = frechet_distance(first[pair[:n_each]], first[pair[n_each:]])
    limit = float(np.quantile(null, 0.95))
    return FrechetComparison(
        distance, max(float(low), 0.0), float(high), float(null.mean()), limit, n_axes, n_each
    )


# ---- histograms of scores ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Stability:
    """Population stability index of two samples of scores, and the chance of it where they are alike."""

    psi: float
    p_value: float
    n_bins: int


def population_stability(reference: ArrayLike, new: ArrayLike, n_bins: int = BINS) -> Stability:
    """Population stability index ``Σ (a−b) ln(a/b)`` of the shares of two samples in bins of equal content.

    The bins are quantiles of the reference, fewer where values are tied. For samples of one distribution,
    ``psi / (1/n + 1/m)`` is about chi-squared with ``bins − 1`` degrees of freedom (Yurdakul, 2018).

    Parameters
    ----------
    reference, new
        Scores, ``(n_reference,)`` and ``(n_new,)``, on any scale.
    """
    first, second = np.asarray(reference, np.float64), np.asarray(new, np.float64)
    edges = np.unique(np.quantile(first, np.arange(1, n_bins) / n_bins))
    counts = [np.bincount(np.searchsorted(edges, side), minlength=len(edges) + 1) for side in (first, second)]
    used = counts[0] + counts[1] > 0
    n = int(used.sum())
    if n < 2:
        return Stability(0.0, 1.0, n)
    # Half an item more in each bin: an empty one would make the index infinite.
    a, b = ((side[used] + 0.5) / (side.sum() + 0.5 * n) for side in counts)
    psi = float(((a - b) * np.log(a / b)).sum())
    return Stability(psi, float(stats.chi2.sf(psi / (1 / len(first) + 1 / len(second)), n - 1)), n)


# ---- prevalence by period ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Difference:
    """A difference of two shares: point, and limits of an interval."""

    point: float
    low: float
    high: float


def prevalence_difference(
    is_member: ArrayLike, weights: ArrayLike, is_later: ArrayLike, confidence: float = 0.95
) -> Difference:
    """How much more frequent a class is among later items, from a sample with known weights.

    The limits of the two shares, Wilson's where the weights are equal and Fay and Feuer's (1997) gamma ones
    where they are not, are combined by Newcombe's hybrid method (1998; MOVER, Zou & Donner, 2008).

    Parameters
    ----------
    is_member, is_later
        Whether an item is of the class and in the later period, bool ``(n_items,)``.
    weights
        One over the inclusion probability, ``(n_items,)``.

    Raises
    ------
    ValueError
        When a period has no item.

    Examples
    --------
    >>> difference = prevalence_difference([1, 0, 0, 0] * 2, np.ones(8), [0] * 4 + [1] * 4)
    >>> difference.point, round(difference.high, 2)
    (0.0, 0.49)
    """
    member, later = np.asarray(is_member, bool), np.asarray(is_later, bool)
    w = np.asarray(weights, np.float64)
    if later.all() or not later.any():
        raise ValueError("one period has no item: compare two that have some")
    early, late = (_share(member[part], w[part], confidence) for part in (~later, later))
    point = late.point - early.point
    low = point - np.hypot(late.point - late.low, early.high - early.point)
    high = point + np.hypot(late.high - late.point, early.point - early.low)
    return Difference(float(point), float(low), float(high))


def _share(member: NDArray[np.bool_], weights: NDArray[np.float64], confidence: float) -> Difference:
    """The weighted share of members with its limits."""
    tail, n = (1 - confidence) / 2, len(member)
    total, largest = weights.sum(), weights.max()
    found, squares = weights[member].sum(), np.square(weights[member]).sum()
    share = float(found / total)
    if np.isclose(weights.min(), largest, rtol=1e-9):
        z = float(stats.norm.isf(tail))
        centre, spread = share + z**2 / (2 * n), z * np.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
        low, high = (centre - spread) / (1 + z**2 / n), (centre + spread) / (1 + z**2 / n)
    else:
        low = squares / (2 * found) * stats.chi2.ppf(tail, 2 * found**2 / squares) / total if found > 0 else 0.0
        more, wider = found + largest, squares + largest**2
        high = wider / (2 * more) * stats.chi2.isf(tail, 2 * more**2 / wider) / total
    return Difference(share, max(float(low), 0.0), min(float(high), 1.0))
