"""The sealed audit: a random sample that grows with known inclusion probabilities, whatever the models do."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .labels import Labels

FIRST_STAGE = 50  # answers after which the audit turns to where the model matters; each later stage doubles it
UNIFORM_SHARE = 0.4  # of the later stages: a defence against models that are wrong and sure of it
BINS_PER_DOUBLING = 2  # of the rank, on each side of the prediction
PUT_OFF = 5  # answers after which a question that was put off comes back
CATCH_UP = 2  # an audit that is behind asks every second question at most
EMPTY = np.empty(0, np.int64)


def permanent_numbers(keys: NDArray[np.uint64], seed: int) -> NDArray[np.float64]:
    """A number in [0, 1) for each item, uniform and independent, that depends on its key and the seed alone.

    Permanent random numbers (Ohlsson, 1995), by two rounds of the finaliser of splitmix64 (Steele, Lea &
    Flood, 2014).

    Parameters
    ----------
    keys
        Uint64 ``(n_items,)``, all different.
    """
    start = _mixed(np.array([seed % 2**64], np.uint64))[0]
    return np.asarray((_mixed(_mixed(keys ^ start)) >> np.uint64(11)) * 2.0**-53, np.float64)


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = values + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


# ---- rates ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rates:
    """Relative inclusion rates of all items, adding up to one.

    `codes` uint8 ``(n_items,)`` are the levels of the rows, `levels` ``(n_levels,)`` the rates.
    """

    codes: NDArray[np.uint8]
    levels: NDArray[np.float64]

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """The rates of some rows."""
        return self.levels[self.codes[rows]]

    @classmethod
    def uniform(cls, n_items: int) -> Rates:
        """The same rate for every item."""
        codes = np.broadcast_to(np.uint8(0), (n_items,))  # no memory
        return cls(codes, np.array([1.0 / n_items]))


def model_rates(member: NDArray[np.floating], predicted: NDArray[np.bool_], f1: float) -> Rates:
    """Rates that sharpen estimates of precision, recall and F1: four tenths uniform, the rest by the model.

    What a model's part should be for the least variance of F is known (Sawade, Landwehr & Scheffer, 2010;
    Marchant & Rubinstein, OASIS, 2017): √((2 − F)² p + F² (1 − p)) where the class is predicted, F √p
    elsewhere. It is averaged within bins of the ranking that double in size with the distance from where the
    prediction changes, so that few levels say it all. Sorts the whole pool.

    Parameters
    ----------
    member
        Probability that each item is of a class that is looked for, ``(n_items,)``.
    predicted
        Whether such a class is predicted, bool ``(n_items,)``.
    f1
        What F1 is at present; taken as at least .1 and at most .9.
    """
    p, f = np.clip(np.asarray(member, np.float64), 0.0, 1.0), min(max(f1, 0.1), 0.9)
    best = np.where(predicted, np.sqrt((2 - f) ** 2 * p + f**2 * (1 - p)), f * np.sqrt(p))
    codes, first = np.empty(len(p), np.uint8), 0
    for rows, sign in ((np.flatnonzero(predicted), 1), (np.flatnonzero(~predicted), -1)):
        order = rows[np.argsort(sign * p[rows], kind="stable")]  # from the prediction's edge outwards
        bins = (BINS_PER_DOUBLING * np.log2(np.arange(len(order)) + 1.0)).astype(np.int64)
        used, places = np.unique(bins, return_inverse=True)
        codes[order] = first + places
        first += len(used)
    sizes = np.bincount(codes, minlength=first).astype(np.float64)
    if not best.any():
        best[:] = 1.0
    part = np.bincount(codes, weights=best, minlength=first) / sizes / best.sum()
    return Rates(codes, UNIFORM_SHARE / len(p) + (1 - UNIFORM_SHARE) * part)


# ---- the ladder -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stage:
    """One stage: its rates, and how far it reached when the next one was opened, NaN while it is open."""

    rates: Rates
    reach: float = np.nan


@dataclass(frozen=True)
class Answers:
    """What the audit has been answered.

    `rows` int64 and `classes` int64 ``(n_answers,)``, the class −1 where none could be given; `reached` bool
    ``(n_answers,)``, true where the learner has asked for the item since (a hit); `skipped` int64, items
    whose answer was put off.
    """

    rows: NDArray[np.int64] = field(default_factory=lambda: EMPTY)
    classes: NDArray[np.int64] = field(default_factory=lambda: EMPTY)
    reached: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, bool))
    skipped: NDArray[np.int64] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True)
class SealedAudit:
    """A sample whose inclusion probabilities are known at any moment.

    In a stage with the rates g, items are asked in the order of ``u / g``, u being their permanent random
    numbers (order sampling; Ohlsson, 1995). The reach of a stage is the least ``u / g`` of an item that is
    still to be asked; an item is in the sample when u is below ``π = max min(1, reach · g)`` over the
    stages, and totals with the weights 1 / π are unbiased at any moment (Duffield, Lund & Thorup, 2007). An
    answer that was taken back lowers the reach until it is given again.

    Parameters
    ----------
    numbers
        Permanent random numbers, ``(n_items,)``.
    stages
        The last one is open.
    answers
        So far.
    settled
        Int64: items that need no question, for they were labelled or set aside otherwise.
    """

    numbers: NDArray[np.float64]
    stages: tuple[Stage, ...]
    answers: Answers = field(default_factory=Answers)
    settled: NDArray[np.int64] = field(default_factory=lambda: EMPTY)

    def beside(self, labels: Labels) -> SealedAudit:
        """The same audit beside labels: what those have settled needs no question."""
        return replace(self, settled=np.r_[labels.rows, labels.excluded])

    @cached_property
    def _is_pending(self) -> NDArray[np.bool_]:
        pending = np.ones(len(self.numbers), bool)
        pending[self.settled] = False
        pending[self.answers.rows] = False
        return pending

    def _ranks(self, stage: Stage) -> NDArray[np.float64]:
        """``u / g`` of all items; infinite where there is nothing to ask."""
        ranks = self.numbers / stage.rates.levels[stage.rates.codes]
        ranks[~self._is_pending] = np.inf
        return ranks

    @cached_property
    def reaches(self) -> tuple[float, ...]:
        """The reach of each stage as of now; touches the whole pool."""
        least = (float(self._ranks(stage).min(initial=np.inf)) for stage in self.stages)
        return tuple(
            now if np.isnan(stage.reach) else min(now, stage.reach)
            for stage, now in zip(self.stages, least, strict=True)
        )

    @property
    def reach(self) -> float:
        """The reach of the open stage."""
        return self.reaches[-1]

    def inclusion_of(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """The inclusion probabilities π of some rows as of now."""
        pi = np.zeros(len(rows))
        for stage, reach in zip(self.stages, self.reaches, strict=True):
            pi = np.maximum(pi, np.minimum(1.0, reach * stage.rates.of(rows)))
        return pi

    @cached_property
    def inclusion(self) -> NDArray[np.float64]:
        """The inclusion probabilities of the answered items, ``(n_answers,)``; 0 for those not in the sample."""
        pi = self.inclusion_of(self.answers.rows)
        return np.where(self.numbers[self.answers.rows] < pi, pi, 0.0)

    @property
    def in_sample(self) -> NDArray[np.bool_]:
        """Which answers belong to the sample as of now: all but those given ahead of a question before."""
        return self.inclusion > 0

    @property
    def brings_back(self) -> bool:
        """Whether questions that were put off are due again: after every fifth answer that waits for theirs.

        Until a question has its answer, answers to later ones do not count.
        """
        n_waiting = len(self.answers.rows) - int(self.in_sample.sum())
        return n_waiting > 0 and n_waiting % PUT_OFF == 0

    def questions(self, n: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The next n questions in their order, fewer where there are no more; touches the whole pool.

        Returns
        -------
        rows : int64 ``(n_questions,)``
        inclusion : float64 ``(n_questions,)``
            The inclusion probability of each once it and those before it are answered.
        """
        ranks = self._ranks(self.stages[-1])
        if not self.brings_back:
            ranks[self.answers.skipped] = np.inf
        frozen = np.zeros(len(ranks))
        for stage in self.stages[:-1]:
            np.maximum(frozen, np.minimum(1.0, stage.reach * stage.rates.levels[stage.rates.codes]), out=frozen)
        again = (self.numbers < frozen) & np.isfinite(ranks)
        ranks[again] = -1.0  # an answer that was taken back comes first
        open_ones = int(np.isfinite(ranks).sum())
        n = min(n, open_ones)
        wanted = min(n + 1, len(ranks))
        first = np.argpartition(ranks, wanted - 1)[:wanted]
        first = first[np.lexsort((self.numbers[first], ranks[first]))].astype(np.int64)
        rows = first[:n]
        following = np.r_[ranks[first[1 : n + 1]], np.inf][:n]
        reached = np.minimum(1.0, following * self.stages[-1].rates.of(rows))
        return rows, np.maximum(frozen[rows], reached)

    @property
    def next_stage_is_due(self) -> bool:
        """Whether the rates had better be made anew."""
        return int(self.in_sample.sum()) >= FIRST_STAGE * 2 ** (len(self.stages) - 1)


def due_places(n_labels: int, n_audited: int, n_queries: int, share: float, seed: int) -> NDArray[np.int64]:
    """The places of a queue at which questions of the audit stand, int64, ascending.

    The k-th question is due at label ``(k + V) / share``, with V in [0, 1) by a hash of k and the seed: a
    queue that is replaced has them where the old one had them. An audit that is behind catches up.

    Parameters
    ----------
    n_labels, n_audited
        Answers so far, and how many of them the audit asked for.
    n_queries
        Length of the queue.
    share
        Of the answers, for the audit; 0 for none.
    """
    if share <= 0:
        return EMPTY
    numbers = np.arange(n_audited, n_audited + n_queries, dtype=np.uint64)
    due = np.floor((numbers + permanent_numbers(numbers, seed)) / share - n_labels)
    gap = CATCH_UP if share < 1 / CATCH_UP else 1
    places: list[int] = []
    for place in due.tolist():
        at = max(int(place), places[-1] + gap if places else 0)
        if at >= n_queries:
            break
        places.append(at)
    return np.array(places, np.int64)
