"""Curves of the audit with their limits: precision and recall, ranking, reliability; finds over labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..later import Later

stats = Later("scipy.stats")

MOST_POINTS = 60
MOST_GROUPS = 64  # members of the audit are put together to this many steps for the draws of a ranking
RANKING_DRAWS = 1_000
LEAST_PROBABILITY = 1e-4  # where the bins of the reliability curve begin
BINS = 10

Limits = tuple[float, float, float]


def effective_number(weights: ArrayLike) -> float:
    """``(Σ w)² / Σ w²``: how many equally weighted items tell as much (Kish, 1965); 0 for none."""
    w = np.asarray(weights, np.float64)
    return float(w.sum() ** 2 / (w**2).sum()) if len(w) else 0.0


def effective_limits(
    share: ArrayLike, n_effective: ArrayLike, confidence: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Limits of weighted shares by their effective numbers, as arrays of the shape of `share`.

    Clopper–Pearson's with numbers that need not be whole (Korn & Graubard, 1998); 0 and 1 where the
    effective number is 0.
    """
    p, n = np.broadcast_arrays(np.nan_to_num(np.asarray(share, np.float64)), np.asarray(n_effective, np.float64))
    found, tail = p * n, (1 - confidence) / 2
    some, not_all = found > 1e-12, n - found > 1e-12
    low = np.where(some, stats.beta.ppf(tail, np.where(some, found, 1.0), n - found + 1), 0.0)
    high = np.where(not_all, stats.beta.ppf(1 - tail, found + 1, np.where(not_all, n - found, 1.0)), 1.0)
    return low, high


# ---- precision and recall ---------------------------------------------------------------------------


def precision_recall(
    probability: ArrayLike, is_member: ArrayLike, weights: ArrayLike, n_points: int = MOST_POINTS
) -> dict[str, list[float]]:
    """Precision over recall in the rest of the pool, with pointwise 95 % limits of the precision.

    Both corners of every step are there, or as many as `n_points` leave room for; the recall grows. All
    lists are empty where no member has been audited.

    Parameters
    ----------
    probability, is_member
        Of the class, and whether it is the true one, ``(n_audit,)``.
    weights
        1 / inclusion probability, ``(n_audit,)``.

    Returns
    -------
    dict
        ``recall``, ``precision``, ``low``, ``high``, ``threshold``: lists of equal length.
    """
    p, member, w = _columns(probability, is_member, weights)
    if not member.any():
        return {name: [] for name in ("recall", "precision", "low", "high", "threshold")}
    order = np.argsort(-p, kind="stable")
    last = np.r_[np.flatnonzero(np.diff(p[order])), len(p) - 1]
    tp, all_w, squares = (np.cumsum(x[order])[last] for x in (w * member, w, w**2))
    rises = np.flatnonzero(np.diff(np.r_[0.0, tp]) > 0)
    corners = np.union1d(rises, rises[1:] - 1)
    kept = corners[np.unique(np.linspace(0, len(corners) - 1, min(n_points, len(corners))).round().astype(int))]
    precision = tp[kept] / all_w[kept]
    low, high = effective_limits(precision, all_w[kept] ** 2 / squares[kept])
    columns = (tp[kept] / tp[-1], precision, low, high, p[order][last][kept])
    names = ("recall", "precision", "low", "high", "threshold")
    return {name: [float(x) for x in column] for name, column in zip(names, columns, strict=True)}


def _columns(
    probability: ArrayLike, is_member: ArrayLike, weights: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
    return np.asarray(probability, np.float64), np.asarray(is_member, bool), np.asarray(weights, np.float64)


# ---- ranking ----------------------------------------------------------------------------------------


def ranking(
    probability: ArrayLike,
    is_member: ArrayLike,
    weights: ArrayLike,
    rng: np.random.Generator,
    n_draws: int = RANKING_DRAWS,
    pseudo: float = 1.0,
) -> tuple[Limits, Limits]:
    """Average precision and area under the ROC curve in the rest of the pool: point and 95 % limits of each.

    A member of the audit stands for as many members of the pool as its weight says, half of them before it;
    ties are halved too. For the limits the weights of members and of what lies between them are drawn from
    gamma distributions; a pseudo item of the largest weight is put where it does most harm (the lower
    limit: a member at the end, another item at the head) or most good (a member at the head). For equal
    weights and the ROC area this is Gaffke's (2005) limit of the mean of bounded values; for 0 or 1 values
    it is Clopper–Pearson's. It holds from one member on, and is then nearly as wide as can be.

    Parameters
    ----------
    probability, is_member, weights
        As in `precision_recall`, ``(n_audit,)``.
    pseudo
        Shape of the pseudo items: 1 for limits that hold, ½ for narrower ones.

    Returns
    -------
    (average precision, ROC area), NaN without an audited member or without any other item.
    """
    p, member, w = _columns(probability, is_member, weights)
    if not member.any() or member.all():
        return (math.nan,) * 3, (math.nan,) * 3
    points = _areas(*(sums[None] for sums in _steps(p, member, w, np.inf).sums))
    steps = _steps(p, member, w, MOST_GROUPS)
    head = float(w[p >= p[member].max()].max())
    # A member after all others adds to neither area but by being one more of them.
    end = float(w.max()) * rng.gamma(pseudo, size=n_draws)
    drawn = _drawn(steps, rng, n_draws, pseudo, head=0.0, other=head)
    known = drawn[0].sum(axis=1)
    lower = [area * known / (known + end) for area in _areas(*drawn)]
    upper = _areas(*_drawn(steps, rng, n_draws, pseudo, head=head, other=0.0))
    average, area = (
        (float(at[0]), float(min(np.quantile(low, 0.025), at[0])), float(max(np.quantile(high, 0.975), at[0])))
        for at, low, high in zip(points, lower, upper, strict=True)
    )
    return average, area


@dataclass(frozen=True)
class _Steps:
    """A ranking in steps of members: sums of weights, and of their squares.

    Each a triple: members of a step ``(n,)``; others between it and the step before, with those after the
    last step at the end ``(n + 1,)``; others in the step itself ``(n,)``.
    """

    sums: tuple[NDArray[Any], ...]
    squares: tuple[NDArray[Any], ...]


def _steps(p: NDArray[np.float64], member: NDArray[np.bool_], w: NDArray[np.float64], most: float) -> _Steps:
    """One step for every score that members have, or `most` of them with neighbouring scores together."""
    scores = np.unique(p[member])[::-1]
    groups = np.array_split(scores, int(min(most, len(scores))))
    highest, lowest = (np.array([group[end] for group in groups]) for end in (0, -1))
    n = len(groups)
    step = np.searchsorted(-lowest, -p, side="left")
    tied = ~member & (step < n) & (p <= highest[np.minimum(step, n - 1)])
    kinds = ((member, n), (~member & ~tied, n + 1), (tied, n))
    sums = tuple(np.bincount(step[kind], weights=w[kind], minlength=size) for kind, size in kinds)
    squares = tuple(np.bincount(step[kind], weights=w[kind] ** 2, minlength=size) for kind, size in kinds)
    return _Steps(sums, squares)


def _areas(
    members: NDArray[np.float64], between: NDArray[np.float64], tied: NDArray[np.float64]
) -> tuple[NDArray[np.float64], ...]:
    """Average precision and ROC area of weighted steps, ``(n_draws,)`` each."""
    found = np.cumsum(members, axis=1) - members / 2
    passed = np.cumsum(between[:, :-1] + tied, axis=1) - tied / 2
    others, total = between.sum(axis=1) + tied.sum(axis=1), members.sum(axis=1)
    precision = found / np.maximum(found + passed, 1e-300)
    before = passed / np.maximum(others, 1e-300)[:, None]
    shares = members / np.maximum(total, 1e-300)[:, None]
    return tuple(np.minimum((shares * x).sum(axis=1), 1.0) for x in (precision, 1 - before))


def _drawn(
    steps: _Steps, rng: np.random.Generator, n_draws: int, pseudo: float, *, head: float, other: float
) -> tuple[NDArray[np.float64], ...]:
    """Draws of the steps, headed by pseudo items of these weights: a member, and after it another item."""
    members, between, tied = (
        _gammas(sums, squares, rng, n_draws) for sums, squares in zip(steps.sums, steps.squares, strict=True)
    )
    first, before = (weight * rng.gamma(pseudo, size=(n_draws, 1)) for weight in (head, other))
    nothing = np.zeros((n_draws, 1))
    return (
        np.hstack([first, members]),
        np.hstack([nothing, between[:, :1] + before, between[:, 1:]]),
        np.hstack([nothing, tied]),
    )


def _gammas(
    sums: NDArray[np.float64], squares: NDArray[np.float64], rng: np.random.Generator, n_draws: int
) -> NDArray[np.float64]:
    """Gamma draws with these means and variances, ``(n_draws, n)``; 0 where there is nothing."""
    some = sums > 0
    out = np.zeros((n_draws, len(sums)))
    shape, scale = sums[some] ** 2 / squares[some], squares[some] / sums[some]
    out[:, some] = scale * rng.standard_gamma(shape, (n_draws, int(some.sum())))
    return out


# ---- reliability ------------------------------------------------------------------------------------


def reliability(
    probability: ArrayLike, is_member: ArrayLike, weights: ArrayLike, n_bins: int = BINS
) -> dict[str, list[Any]]:
    """What is predicted and what is observed, in bins of equal width in the logarithm of the probability.

    Parameters
    ----------
    probability, is_member, weights
        As in `precision_recall`, ``(n_audit,)``.

    Returns
    -------
    dict
        ``edges`` (n_bins + 1, from 0 to 1), and by bin ``n`` audited items, weighted means ``predicted`` and
        ``observed`` and the 95 % limits ``low`` and ``high`` of the latter; None in empty bins.
    """
    p, member, w = _columns(probability, is_member, weights)
    edges = np.r_[0.0, np.geomspace(LEAST_PROBABILITY, 1.0, n_bins)]
    place = np.clip(np.searchsorted(edges, p, side="right") - 1, 0, n_bins - 1)
    n, all_w, squares, found, mean = (
        np.bincount(place, weights=x, minlength=n_bins) for x in (np.ones(len(p)), w, w**2, w * member, w * p)
    )
    some = n > 0
    safe = np.where(some, all_w, 1.0)
    low, high = effective_limits(found / safe, np.where(some, all_w**2 / np.where(some, squares, 1.0), 0.0))
    columns = {"predicted": mean / safe, "observed": found / safe, "low": low, "high": high}
    values = {
        name: [float(x) if there else None for x, there in zip(column, some, strict=True)]
        for name, column in columns.items()
    }
    return {"edges": [float(x) for x in edges], **values, "n": [int(x) for x in n]}


# ---- finds over labels ------------------------------------------------------------------------------


def discovery(
    found: ArrayLike, n_items: int, totals: Sequence[float] = (math.nan,) * 3, n_points: int = 200
) -> dict[str, list[Any]]:
    """Finds over labels, with the lines of a random and of a perfect search.

    Parameters
    ----------
    found
        Whether each label was a member, in the order of labelling, ``(n_labels,)``.
    n_items
        Items in the pool.
    totals
        How many members it has: point and limits; NaN where that is not known.
    n_points
        The most points; the first and the last label are always there.

    Returns
    -------
    dict
        ``labels`` and ``found``; ``random``, ``random_low``, ``random_high`` and ``perfect``, None where the
        total is not known. All lists of equal length.
    """
    hits = np.r_[0, np.cumsum(np.asarray(found, bool))]
    at = np.unique(np.linspace(0, len(hits) - 1, min(n_points, len(hits))).round().astype(int))
    out: dict[str, list[Any]] = {"labels": at.tolist(), "found": hits[at].tolist()}
    for name, total in zip(("random", "random_low", "random_high"), totals, strict=True):
        out[name] = [None if math.isnan(total) else float(total / n_items * k) for k in at]
    out["perfect"] = [None if math.isnan(totals[0]) else float(min(k, totals[0])) for k in at]
    return out


def cost_per_find(found: ArrayLike, window: int = 50) -> dict[str, list[Any]]:
    """How many labels a find took, in windows of labels one after the other; the last one may be shorter.

    Parameters
    ----------
    found
        As in `discovery`, ``(n_labels,)``.

    Returns
    -------
    dict
        By window: ``labels`` (its last), ``n``, ``found``, ``share`` with its 95 % limits of Wilson ``low`` and
        ``high``, and ``labels_per_find``, None where nothing was found.
    """
    hits = np.asarray(found, bool)
    starts = np.arange(0, len(hits), window)
    ends = np.minimum(starts + window, len(hits))
    k = np.array([int(hits[a:b].sum()) for a, b in zip(starts, ends, strict=True)], np.int64)
    n = ends - starts
    z2 = stats.norm.ppf(0.975) ** 2
    share = k / np.maximum(n, 1)
    middle = (k + z2 / 2) / (n + z2)
    spread = np.sqrt(z2) * np.sqrt(n * share * (1 - share) + z2 / 4) / (n + z2)
    return {
        "labels": ends.tolist(),
        "n": n.tolist(),
        "found": k.tolist(),
        "share": share.tolist(),
        "low": np.maximum(middle - spread, 0).tolist(),
        "high": np.minimum(middle + spread, 1).tolist(),
        "labels_per_find": [float(m / j) if j else None for j, m in zip(k, n, strict=True)],
    }
