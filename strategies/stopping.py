"""What share of a class has been found, with what confidence, and what it would cost to know better."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..later import Later
from .intervals import Interval, proportion, wilson

stats = Later("scipy.stats")

FIRST_LOOK = 50  # audit answers before anything is said
NEXT_LOOK = 1.5  # times as many answers at the next look
MOST_ANSWERS = 1_000_000_000
ROUNDING = 1e-9


# ---- looks at the audit -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Look:
    """What the sealed audit says of one class at one moment.

    An answer that is not in the sample as of now (`SealedAudit.in_sample`) counts as if there were no label.

    Parameters
    ----------
    n_found
        Labelled members, those that the audit has found included.
    weights
        1 / π of the audited members that the learner has not reached, one or more each.
    equal
        Whether all items have had the same inclusion probability, that is, the audit has one stage.
    n_audited
        Audited items that the learner has not reached, members or not.
    n_rest
        Items without any label.
    largest
        The largest weight that a member among them could have had; it matters for unequal weights only.

    Raises
    ------
    ValueError
        When there are more members than items, or a weight below one.
    """

    n_found: int
    weights: tuple[float, ...]
    equal: bool
    n_audited: int
    n_rest: int
    largest: float = 1.0

    def __post_init__(self) -> None:
        if not len(self.weights) <= min(self.n_audited, self.n_found) or self.n_rest < 0:
            raise ValueError("audited members must be among the audited items and among the labelled members")
        if any(weight < 1 - ROUNDING for weight in self.weights):
            raise ValueError("weights are 1 / π, so that none is below one")

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; `from_dict` makes the same look of it."""
        return {**asdict(self), "weights": list(self.weights)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Look:
        """A look from what `to_dict` has made."""
        return cls(**{**values, "weights": tuple(values["weights"])})

    @property
    def n_members(self) -> int:
        """Audited members that the learner has not reached."""
        return len(self.weights)


def due(n_audited: int, history: Sequence[Look]) -> bool:
    """Whether it is time for a look: after 50 audited items, then whenever there are half as many more.

    The moment must not depend on what the answers were, only on how many there are.
    """
    return n_audited >= _next_look(history[-1].n_audited if history else None)


def _next_look(n_audited: int | None) -> int:
    return FIRST_LOOK if n_audited is None else max(math.ceil(NEXT_LOOK * n_audited), n_audited + 1)


def _spent(n_looks: int, alpha: float) -> float:
    """What the next look may spend; all looks together spend alpha, however many there are."""
    return alpha / ((n_looks + 1) * (n_looks + 2))


@lru_cache(maxsize=4_096)  # the looks of the past are read again and again
def remaining(look: Look, tail: float) -> Interval:
    """Members without a label, with limits that are each wrong with a probability of at most `tail`.

    Equal weights: the limits of Clopper and Pearson, or hypergeometric ones. Otherwise those of Fay and
    Feuer (1997) for a sum of weights w. With the moments of what is not in the sample, mean Σ(w − 1) and
    variance Σw(w − 1), and one more member of the largest weight for the upper limit: weights of w − 1 alone
    give too low a limit where much of the pool has been audited.
    """
    if not look.n_rest:
        return Interval(0.0, 0.0, 0.0)
    k, n = look.n_members, look.n_audited
    if look.equal:
        size = n + look.n_rest
        limits = proportion(k, n, size, 1 - 2 * tail)
        point = k * look.n_rest / n if n else math.nan
        low = float(math.ceil(limits.low * size - ROUNDING) - k)
        high = float(math.floor(limits.high * size + ROUNDING) - k)
    else:
        w = np.asarray(look.weights, np.float64)
        point = float((w - 1).sum())
        low = _gamma(tail, w.sum(), (w**2).sum()) - k
        high = _gamma(1 - tail, point + look.largest, (w * (w - 1)).sum() + look.largest**2)
    return Interval(*(float(min(max(value, 0.0), look.n_rest)) for value in (point, low, high)))


def _gamma(probability: float, mean: float, variance: float) -> float:
    """A quantile of the gamma distribution with these moments."""
    return float(stats.gamma.ppf(probability, mean**2 / variance, scale=variance / mean)) if mean > 0 else 0.0


# ---- the share found --------------------------------------------------------------------------------


@dataclass(frozen=True)
class ShareFound:
    """How much of a class has been found.

    `total`, `left` and `share` have 95 % limits (``1 - alpha``) that hold for one look. `certain` is a lower
    limit of the share that holds at all times together, so that one may stop at it.
    """

    n_found: int
    n_members: int  # audited members that the learner has not reached
    n_rest: int
    total: Interval
    left: Interval
    share: Interval
    certain: float
    confidence: float


def share_found(history: Sequence[Look], now: Look, alpha: float = 0.05) -> ShareFound:
    """The share of a class that has been found, as of now.

    The j-th look spends α / (j (j + 1)) on an upper limit of what was left. From then on no more can be left
    than that limit less what was found since, so that `certain` takes the best of all looks. The chance that
    it is ever above the true share is at most α, however often one reads it. It does not allow for answers
    that were changed: a wrong non-member that is corrected counts as a find.

    Parameters
    ----------
    history
        The looks that were `due`, in their order, the present one included where it is.
    now
        The present state, whether a look is due or not.
    """
    left = remaining(now, alpha / 2)
    total = Interval(*(now.n_found + value for value in (left.point, left.low, left.high)))
    point, low, high = (_share(now.n_found, value, now.n_rest) for value in (left.point, left.high, left.low))
    share = Interval(point, low if math.isfinite(low) else 0.0, high if math.isfinite(high) else 1.0)
    most = float(now.n_rest)
    for place, look in enumerate(history):
        limit = remaining(look, _spent(place, alpha)).high
        most = min(most, max(limit - (now.n_found - look.n_found), 0.0))
    certain = _share(now.n_found, most, now.n_rest)
    certain = certain if math.isfinite(certain) else 0.0
    return ShareFound(now.n_found, now.n_members, now.n_rest, total, left, share, certain, 1 - alpha)


def _share(n_found: float, left: float, n_rest: int) -> float:
    """The share found; NaN for nothing found of nothing, unless all items have a label."""
    if not n_rest:
        return 1.0
    return n_found / (n_found + left) if n_found + left > 0 else math.nan


# ---- a certificate in two phases --------------------------------------------------------------------


def certify(
    n_found: int, n_drawn: int, n_members: int, n_rest: int, target: float, alpha: float = 0.05, looks: int = 3
) -> tuple[float, int | None]:
    """Test the hypothesis that less than the target share was found before a random sample was drawn.

    After Callaghan and Müller-Hansen (2020), with the sample drawn from what the search has left over.

    Parameters
    ----------
    n_found
        Members labelled when the sample was begun.
    n_drawn, n_members
        Items of the sample that have been answered, in random order, and the members among them.
    n_rest
        Items without a label when the sample was begun.
    target
        Share in (0, 1].
    looks
        How often the p-value may be read; each look may spend ``alpha / looks``.

    Returns
    -------
    p : float
        It is certified where p is below ``alpha / looks``.
    needed : int or None
        Further items to draw, if none of them is a member; None where so many were missed that it cannot be.

    Raises
    ------
    ValueError
        When the counts contradict each other, or the target is no share.
    """
    if not 0 <= n_members <= n_drawn <= n_rest or not 0 < target <= 1:
        raise ValueError("a certificate needs 0 <= n_members <= n_drawn <= n_rest and a target in (0, 1]")
    missed = math.floor(n_found / target + ROUNDING) + 1 - n_found

    def p_value(n: int) -> float:
        return float(stats.hypergeom.cdf(n_members, n_rest, missed, n)) if missed <= n_rest else 0.0

    p, level = p_value(n_drawn), alpha / looks
    if p < level:
        return p, 0
    if n_members >= missed:
        return p, None
    low, high = n_drawn, n_rest
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if p_value(middle) < level else (middle, high)
    return p, high - n_drawn


# ---- what more would cost ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Pace:
    """Finds among the last queries: finds per label, and labels per find (infinite where unknown)."""

    n_queries: int
    n_found: int
    finds: Interval
    labels: Interval


def labels_per_find(found: ArrayLike, window: int = 50) -> Pace:
    """How fast members are found now, with Wilson's limits.

    Parameters
    ----------
    found
        Bool ``(n_queries,)``, in the order of the answers: whether each query was a member. Questions of the
        audit are left out.
    window
        How many of the last queries count.
    """
    last = np.asarray(found, bool)[-window:]
    n_found = int(last.sum())
    finds = wilson(n_found, len(last))
    point, low, high = (
        1 / value if value > ROUNDING else math.inf for value in (finds.point, finds.high, finds.low)
    )
    return Pace(len(last), n_found, finds, Interval(point, low, high))


def audit_needed(prevalence: float, recall: float, half_width: float = 0.1, confidence: float = 0.95) -> int:
    """Answers of a uniform audit with which a recall is known to ± `half_width`.

    That needs z² R (1 − R) / h² audited members.
    """
    z = float(stats.norm.ppf((1 + confidence) / 2))
    return _capped(z**2 * recall * (1 - recall) / half_width**2, prevalence)


def audit_to_guarantee(prevalence: float, target: float, n_missed: int = 0, confidence: float = 0.95) -> int:
    """Answers of a uniform audit that guarantee a recall, when `n_missed` missed members turn up among them.

    With none: 3 / (π (1 − R)), the rule of three.
    """
    return _capped(float(stats.gamma.ppf(confidence, n_missed + 1)), prevalence * (1 - target))


def _capped(n_members: float, rate: float) -> int:
    """How many items hold so many members; at most a number beyond all pools."""
    return math.ceil(min(n_members / rate, MOST_ANSWERS)) if rate > 0 else MOST_ANSWERS


@dataclass(frozen=True)
class MoreAnswers:
    """Further audit answers that it takes: for limits of ±10 points, and to be certain of the target.

    The second if the audit meets no further member that was not found. None where it cannot be said.
    """

    to_narrow: int | None
    to_certify: int | None


def more_answers(
    history: Sequence[Look], now: Look, target: float, alpha: float = 0.05, half_width: float = 0.1
) -> MoreAnswers:
    """What the audit would have to grow by, if nothing else happened; parameters as in `share_found`."""
    share = share_found(history, now, alpha)
    return MoreAnswers(_to_narrow(share, now, half_width), _to_certify(history, now, share, target, alpha))


def _to_narrow(share: ShareFound, now: Look, half_width: float) -> int | None:
    wide = (share.share.high - share.share.low) / (2 * half_width)
    if wide <= 1:
        return 0
    if not (now.n_members and now.n_found):
        return None
    prevalence = share.total.point / (share.n_found - now.n_members + now.n_audited + now.n_rest)
    planned = audit_needed(prevalence, share.share.point, half_width, share.confidence) - now.n_audited
    return min(max(planned, math.ceil(now.n_audited * (wide**2 - 1))), now.n_rest)


def _to_certify(history: Sequence[Look], now: Look, share: ShareFound, target: float, alpha: float) -> int | None:
    """Go through the looks to come; unequal weights shrink as the audit grows."""
    if share.certain >= target:
        return 0
    if not now.n_found:
        return None
    n_looks, n_audited = len(history), history[-1].n_audited if history else None
    while True:
        n_audited = max(_next_look(n_audited), now.n_audited)
        more = n_audited - now.n_audited
        if more >= now.n_rest:
            return now.n_rest
        grown = now.n_audited / n_audited
        weights = tuple(max(weight * grown, 1.0) for weight in now.weights)
        largest = max(now.largest * grown, 1.0)
        look = Look(now.n_found, weights, now.equal, n_audited, now.n_rest - more, largest)
        if now.n_found / (now.n_found + remaining(look, _spent(n_looks, alpha)).high) >= target:
            return more
        n_looks += 1
