"""Intervals for proportions and totals that hold with few members, too."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..later import Later

stats = Later("scipy.stats")

N_DRAWS = 4_000
FINITE = 0.05  # the share of a population from which on it matters that it is finite


@dataclass(frozen=True)
class Interval:
    """A point and the limits of its interval, NaN where they are unknown."""

    point: float
    low: float
    high: float

    def to_list(self) -> list[float | None]:
        """Point, low and high as JSON-able values, None where they are unknown."""
        return [float(v) if math.isfinite(v) else None for v in (self.point, self.low, self.high)]


UNKNOWN = Interval(math.nan, math.nan, math.nan)


# ---- draws of totals --------------------------------------------------------------------------------


def beta_binomial_draws(
    found: ArrayLike, drawn: ArrayLike, sizes: ArrayLike, rng: np.random.Generator, n_draws: int = N_DRAWS
) -> NDArray[np.int64]:
    """Members of each stratum, drawn from the posterior of a simple random sample, ``(n_draws, n_strata)``.

    Jeffreys prior: θ ~ Beta(k + ½, n − k + ½); what was not drawn is k + Binomial(N − n, θ) (Ericson,
    1969).

    Parameters
    ----------
    found, drawn, sizes
        Members found, items drawn, and items in each stratum, ``(n_strata,)``. A stratum of which nothing
        was drawn has the prior.
    """
    k, n, size = _strata(found, drawn, sizes)
    shares = rng.beta(k + 0.5, n - k + 0.5, (n_draws, len(k)))
    return k + rng.binomial(size - n, shares)


def fiducial_draws(
    found: ArrayLike, drawn: ArrayLike, sizes: ArrayLike, rng: np.random.Generator, n_draws: int = N_DRAWS
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Lower and upper draws of the members of each stratum, after Clopper and Pearson (1934).

    Quantiles of the lower ones are lower limits, those of the upper ones upper limits, that hold whatever
    the truth is. Parameters as in `beta_binomial_draws`; each ``(n_draws, n_strata)``.
    """
    k, n, size = _strata(found, drawn, sizes)
    shape = (n_draws, len(k))
    low = np.where(k > 0, rng.beta(np.maximum(k, 0.5), n - k + 1.0, shape), 0.0)
    high = np.where(k < n, rng.beta(k + 1.0, np.maximum(n - k, 0.5), shape), 1.0)
    return k + rng.binomial(size - n, low), k + rng.binomial(size - n, high)


def _strata(found: ArrayLike, drawn: ArrayLike, sizes: ArrayLike) -> tuple[NDArray[np.int64], ...]:
    k, n, size = (np.atleast_1d(np.asarray(values, np.int64)) for values in (found, drawn, sizes))
    if (k < 0).any() or (k > n).any() or (n > size).any():
        raise ValueError("each stratum needs 0 <= found <= drawn <= size")
    return k, n, size


def gamma_draws(
    weights: ArrayLike, largest: float, rng: np.random.Generator, n_draws: int = N_DRAWS
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper draws of a total that is estimated by a sum of weights, each ``(n_draws,)``.

    Fay and Feuer (1997): gamma distributions with the moments of the weighted Poisson sum; the upper one
    allows for one more member with the largest weight that there could be. Conservative.

    Parameters
    ----------
    weights
        Of the members in the sample, ``(n_members,)``; may be empty.
    largest
        The largest weight that a member could have had.
    """
    w = np.asarray(weights, np.float64)
    total, squares = float(w.sum()), float((w**2).sum())
    low = rng.gamma(total**2 / squares, squares / total, n_draws) if total > 0 else np.zeros(n_draws)
    if not largest > 0:
        return low, low.copy()
    above, spread = total + largest, squares + largest**2
    return low, rng.gamma(above**2 / spread, spread / above, n_draws)


# ---- single proportions -----------------------------------------------------------------------------


def proportion(found: int, drawn: int, size: int | None = None, confidence: float = 0.95) -> Interval:
    """A proportion with limits that hold whatever the truth is.

    Clopper and Pearson (1934); from 5 % of a finite population on, its hypergeometric counterpart.

    Parameters
    ----------
    found, drawn
        Members among the items drawn.
    size
        Items in the population, where it is finite.
    """
    if not drawn:
        return Interval(math.nan, 0.0, 1.0)
    tail = (1 - confidence) / 2
    if size is not None and drawn / size > FINITE:
        least, most = _hypergeometric_limits(found, drawn, size, tail)
        return Interval(found / drawn, least / size, most / size)
    low = float(stats.beta.ppf(tail, found, drawn - found + 1)) if found else 0.0
    high = float(stats.beta.ppf(1 - tail, found + 1, drawn - found)) if found < drawn else 1.0
    return Interval(found / drawn, low, high)


def _hypergeometric_limits(found: int, drawn: int, size: int, tail: float) -> tuple[int, int]:
    """The least and the most members of the population that the sample does not speak against."""
    members = np.arange(found, size - (drawn - found) + 1)
    # Both tails are monotone in the number of members, so that the limits are found by bisection.
    least = _first(members, lambda m: stats.hypergeom.sf(found - 1, size, m, drawn) > tail)
    beyond = _first(members, lambda m: not stats.hypergeom.cdf(found, size, m, drawn) > tail)
    return int(members[least]), int(members[beyond - 1])


def _first(values: NDArray[np.int64], is_true: Callable[[int], bool]) -> int:
    """The first index from which on a monotone condition holds; the length where it never does."""
    low, high = 0, len(values)
    while low < high:
        middle = (low + high) // 2
        if is_true(int(values[middle])):
            high = middle
        else:
            low = middle + 1
    return low


def wilson(found: float, drawn: float, confidence: float = 0.95) -> Interval:
    """A proportion with Wilson's (1927) score limits, for display; counts may be effective ones."""
    if not drawn > 0:
        return Interval(math.nan, 0.0, 1.0)
    z, share = float(stats.norm.ppf((1 + confidence) / 2)), found / drawn
    centre = (share + z**2 / (2 * drawn)) / (1 + z**2 / drawn)
    half = z * math.sqrt(share * (1 - share) / drawn + z**2 / (4 * drawn**2)) / (1 + z**2 / drawn)
    low, high = max(centre - half, 0.0), min(centre + half, 1.0)
    return Interval(share, low if found else 0.0, high if found < drawn else 1.0)


def newcombe(found_a: int, drawn_a: int, found_b: int, drawn_b: int, confidence: float = 0.95) -> Interval:
    """The difference of two independent proportions, a − b, with Newcombe's (1998) hybrid score limits.

    Parameters
    ----------
    found_a, drawn_a, found_b, drawn_b
        Members and items drawn of each; without items, nothing is known of that proportion.
    """
    a, b = wilson(found_a, drawn_a, confidence), wilson(found_b, drawn_b, confidence)
    if not (drawn_a and drawn_b):
        return Interval(math.nan, -1.0, 1.0)
    difference = a.point - b.point
    low = difference - math.hypot(a.point - a.low, b.high - b.point)
    high = difference + math.hypot(a.high - a.point, b.point - b.low)
    return Interval(difference, max(low, -1.0), min(high, 1.0))
