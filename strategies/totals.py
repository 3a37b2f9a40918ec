"""Members of a class among the predicted and the other rows of the rest of the pool, drawn from the audit."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .calibration import Thresholds, no_thresholds
from .intervals import N_DRAWS, beta_binomial_draws, fiducial_draws
from .measures import Total, Totals

FEW_DRAWN = 5  # with fewer expected in it, the known size of a stratum does not help the point


@dataclass(frozen=True)
class AuditSample:
    """Answered rows of the audit that the learner has not reached.

    Parameters
    ----------
    rows, classes
        Int64 ``(n,)``; class −1 is an answer that is no class (unsure, flagged): a member of none.
    inclusion
        Inclusion probabilities as of now, above 0 and at most 1, ``(n,)``.
    numbers
        Permanent random numbers, ``(n,)``.
    n_hits
        How many more audited rows the learner has reached; their classes are among what is found.
    """

    rows: NDArray[np.int64]
    classes: NDArray[np.int64]
    inclusion: NDArray[np.float64]
    numbers: NDArray[np.float64]
    n_hits: int = 0

    @property
    def weights(self) -> NDArray[np.float64]:
        """For how many rows each stands, ``(n,)``."""
        return 1.0 / self.inclusion

    @property
    def is_uniform(self) -> bool:
        """Whether all had the same chance."""
        return len(self.rows) == 0 or float(np.ptp(self.inclusion)) <= 1e-9 * float(self.inclusion.max())


@dataclass(frozen=True)
class Rest:
    """What is known of the rest of the pool, all rows that the learner has not reached, without any answer.

    Parameters
    ----------
    n_rest, n_items
        Rows of the rest, and of the whole pool.
    n_found
        Members of each class outside the rest, ``(n_classes,)``.
    n_predicted
        Rows of the rest by predicted class, ``(n_classes,)``; None where only audited rows were scored.
    n_crossed
        The same with each row decided by the thresholds of the other half of the audit; None where that is
        `n_predicted`.
    k, cutoffs, n_first
        A number of rows; by class the k-th largest probability in the rest, and how many rows have that or
        more, ``(n_classes,)``: more than k where several rows share it. None and empty where it is not known.
    """

    n_rest: int
    n_items: int
    n_found: NDArray[np.int64]
    n_predicted: NDArray[np.int64] | None = None
    n_crossed: NDArray[np.int64] | None = None
    k: int = 0
    cutoffs: NDArray[np.float64] | None = None
    n_first: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    @property
    def crossed(self) -> NDArray[np.int64] | None:
        """Rows of the rest by predicted class, as the audit can measure them."""
        return self.n_predicted if self.n_crossed is None else self.n_crossed

    @classmethod
    def of(
        cls,
        probabilities: NDArray[np.floating],
        numbers: NDArray[np.float64],
        n_items: int,
        n_found: NDArray[np.int64],
        thresholds: Thresholds | None = None,
        k: int = 0,
    ) -> Rest:
        """The rest of a scored pool; touches all of it.

        Parameters
        ----------
        probabilities, numbers
            Of all rows of the rest, ``(n_rest, n_classes)``, and their permanent random numbers ``(n_rest,)``.
        """
        n_rest, n_classes = probabilities.shape
        chosen = thresholds or no_thresholds(n_classes)
        predicted, crossed = (
            np.bincount(classes, minlength=n_classes)
            for classes in (chosen.decide(probabilities), chosen.decide_crossed(probabilities, numbers))
        )
        known = cls(n_rest, n_items, np.asarray(n_found, np.int64), predicted, crossed)
        if not min(k, n_rest):
            return known
        cutoffs = np.partition(probabilities, n_rest - min(k, n_rest), axis=0)[n_rest - min(k, n_rest)]
        n_first = (probabilities >= cutoffs).sum(axis=0)
        return replace(known, k=min(k, n_rest), cutoffs=cutoffs.astype(np.float64), n_first=n_first)


@dataclass(frozen=True)
class Draws:
    """How totals are drawn from a sample.

    With equal inclusion probabilities the members of a stratum have their beta-binomial posterior (Jeffreys),
    or fiducial limits when those must hold (`guarantee`). With unequal ones they follow gamma distributions of
    weighted counts after Fay & Feuer (1997), see `_weighted`.
    """

    sample: AuditSample
    n_rest: int
    rng: np.random.Generator
    guarantee: bool = False
    n_draws: int = N_DRAWS

    @property
    def method(self) -> str:
        """The name of the method in force."""
        if not self.sample.is_uniform:
            return "gamma"
        return "guarantee" if self.guarantee else "beta-binomial"

    def totals(self, member: NDArray[np.bool_], predicted: NDArray[np.bool_], n_predicted: int | None) -> Totals:
        """Members and predicted rows of the rest, from what the audited rows are, ``(n,)`` each.

        Parameters
        ----------
        n_predicted
            Predicted rows of the rest; None where that is not known, and the audit has to tell.

        Raises
        ------
        ValueError
            When the number cannot be, by what the audit has seen.
        """
        n, n_members = len(member), int(member.sum())
        if n_predicted is None:
            every = np.ones(n, bool)
            cells = (member & predicted, member & ~predicted, ~member & predicted)
            tp, fn, fp = (self.total(cell, every, self.n_rest) for cell in cells)
            return Totals(tp, fn, fp, None, n_members)
        seen = int(predicted.sum())
        if not seen <= n_predicted <= self.n_rest - n + seen:
            raise ValueError(
                f"{n_predicted} of {self.n_rest} items are said to be predicted, but {seen} of the {n} "
                f"audited ones are: score the rest of the pool again"
            )
        tp = self.total(member & predicted, predicted, n_predicted)
        fn = self.total(member & ~predicted, ~predicted, self.n_rest - n_predicted)
        return Totals(tp, fn, tp.minus(n_predicted), n_predicted, n_members)

    def total(self, cell: NDArray[np.bool_], stratum: NDArray[np.bool_], size: int) -> Total:
        """The members of a stratum of `size` rows, from those in the audit.

        The lower draws are 0 where no member of it was audited, and the upper ones `size` where nothing else
        was (Brown, Cai & DasGupta, 2001): neither can be ruled out.
        """
        lower: NDArray[Any]
        upper: NDArray[Any]
        point = self._point(cell, stratum, size)
        n_found, n_drawn = int(cell.sum()), int(stratum.sum())
        if not self.sample.is_uniform:
            lower, upper = self._weighted(cell, stratum, size)
        elif self.guarantee:
            lower, upper = (x[:, 0] for x in fiducial_draws(n_found, n_drawn, size, self.rng, self.n_draws))
        else:
            lower = upper = beta_binomial_draws(n_found, n_drawn, size, self.rng, self.n_draws)[:, 0]
        lower = lower if n_found else np.zeros_like(lower)
        upper = upper if n_found < n_drawn else np.full_like(upper, size)
        return Total(point, lower, upper)

    def _point(self, cell: NDArray[np.bool_], stratum: NDArray[np.bool_], size: int) -> float:
        """Estimated members of a stratum: scaled to its size where enough of it is expected in the audit."""
        w = self.sample.weights
        expected = size * len(w) / max(self.n_rest, 1) if self.sample.is_uniform else int(stratum.sum())
        all_w = float(w[stratum].sum())
        if expected >= FEW_DRAWN and all_w > 0:
            return float(w[cell].sum()) * size / all_w
        return float(w[cell].sum())

    def _weighted(
        self, cell: NDArray[np.bool_], stratum: NDArray[np.bool_], size: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Members of a stratum from weighted counts of members and of others.

        An audited row speaks for ``w − 1`` others that were not audited. Those are shared out as gamma draws of
        both kinds are to each other, and drawn. With equal weights that is `beta_binomial_draws`, with half a
        pseudo item of the largest weight of either kind, or `fiducial_draws`, with a whole one for the limit
        it is against.
        """
        others_of = self.sample.weights - 1
        largest = float(others_of[stratum].max(initial=0.0))
        if largest <= 0:  # nothing of it was audited, or all that must be: the others are as rare as any
            largest = max(float(others_of.max(initial=0.0)), 1.0)
        known, unseen = int(cell.sum()), size - int(stratum.sum())
        members, others = others_of[cell], others_of[stratum & ~cell]
        if not self.guarantee:
            some, rest = self._gamma(members, largest, 0.5), self._gamma(others, largest, 0.5)
            draws = known + self.rng.binomial(unseen, some / (some + rest))
            return draws, draws
        few, many_others = self._gamma(members, largest, 0.0), self._gamma(others, largest, 1.0)
        many, few_others = self._gamma(members, largest, 1.0), self._gamma(others, largest, 0.0)
        lower = known + self.rng.binomial(unseen, few / (few + many_others))
        return lower, known + self.rng.binomial(unseen, many / (many + few_others))

    def _gamma(self, weights: NDArray[np.float64], largest: float, pseudo: float) -> NDArray[np.float64]:
        """Draws of a sum of weights and of a part of the largest one, with the moments of a Poisson sum."""
        mean = float(weights.sum()) + pseudo * largest
        variance = float((weights**2).sum()) + pseudo * largest**2
        if mean <= 0:
            return np.zeros(self.n_draws)
        return self.rng.gamma(mean**2 / variance, variance / mean, self.n_draws)
