"""The audit campaign: a stratified random sample of the rest of the pool, for numbers in a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .intervals import N_DRAWS, Interval, beta_binomial_draws, fiducial_draws
from .measures import Total, Totals, measures
from .strata import NO_CLASS, Strata, allocate, shares_of

PLANNED = ("precision", "recall", "f1", "prevalence", "completeness", "purity")
N_AUDITS, MIN_AUDITS, N_PLAN_DRAWS = 40, 10, 500  # made up for a plan: of one class, of each of many


# ---- what a campaign will tell ----------------------------------------------------------------------


def expected_widths(
    strata: Strata,
    prevalence: ArrayLike,
    sizes: Sequence[int],
    n_found: Sequence[int],
    n_items: int,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """What campaigns of several sizes would tell if the model's probabilities were right; JSON-able.

    Answers are made up from the mean probabilities of the strata, many times, and the limits averaged.
    Members where no wanted class is predicted are taken to be of each in proportion to its prevalence; what
    is wrongly predicted as one class is taken to be of another one as often as any item.

    Parameters
    ----------
    prevalence
        Shares of the wanted classes in the pool, in the order of `strata.wanted`.
    sizes
        Numbers of answers to compare.
    n_found
        Labelled members of each wanted class.

    Returns
    -------
    list of dict
        One a size: `labels` (at most the items there are), `allocation` by stratum, and `classes`, each with
        `class` and the expected ``[low, high]`` of every measure in `PLANNED`, None where there will be none.
    """
    anywhere = np.atleast_1d(np.asarray(prevalence, np.float64))
    shares = shares_of(anywhere)
    n_audits = max(N_AUDITS // max(len(strata.wanted), 1), MIN_AUDITS)
    plans = []
    for m in sizes:
        drawn = allocate(strata, m, prevalence)
        classes = []
        for k, c in enumerate(strata.wanted):
            own = strata.predicted == c
            missed = np.where(
                strata.predicted == NO_CLASS, strata.member * shares[k], (1 - strata.member) * anywhere[k]
            )
            p = np.clip(np.where(own, strata.member, missed), 0.0, 1.0)
            found = rng.binomial(drawn, p, (n_audits, len(drawn)))
            audits = [
                _measures(strata.sizes, own, drawn, one, n_found[k], n_items, False, rng, n_draws=N_PLAN_DRAWS)
                for one in found
            ]
            classes.append({"class": c} | {name: _mean_limits([a[name] for a in audits]) for name in PLANNED})
        plans.append({"labels": int(drawn.sum()), "allocation": drawn.tolist(), "classes": classes})
    return plans


def _mean_limits(intervals: Sequence[Interval]) -> list[float | None]:
    limits = np.array([[one.low, one.high] for one in intervals])
    return [None, None] if np.isnan(limits).any() else limits.mean(axis=0).tolist()


# ---- the sample, and what it says -------------------------------------------------------------------


@dataclass(frozen=True)
class Drawn:
    """The questions of a campaign in the order in which they are asked.

    `positions` int64 ``(n,)`` in the rest of the pool, `strata` int64 ``(n,)``, and `inclusion` float64
    ``(n,)``, the probabilities with which they were drawn.
    """

    positions: NDArray[np.int64]
    strata: NDArray[np.int64]
    inclusion: NDArray[np.float64]


def draw(strata: Strata, allocation: NDArray[np.int64], rng: np.random.Generator) -> Drawn:
    """A simple random sample of each stratum, all of them in one random order.

    Since the order is random, the answers of a stratum are a simple random sample of it after any number of
    questions.

    Parameters
    ----------
    allocation
        Answers of each stratum, ``(n_strata,)``.
    """
    order = rng.permutation(len(strata.codes))  # its first rows of a stratum are a random sample of it
    codes = strata.codes[order]
    chosen = [order[codes == h][:n] for h, n in enumerate(allocation)]
    positions = rng.permutation(np.concatenate([*chosen, np.empty(0, np.int64)]))
    of = strata.codes[positions].astype(np.int64)
    return Drawn(positions, of, allocation[of] / strata.sizes[of])


@dataclass(frozen=True)
class Tally:
    """The answers of a campaign by stratum.

    `asked`, `answered` and `unjudged` (answered, but with no class) int64 ``(n_strata,)``; `found` int64
    ``(n_strata, n_classes)``.
    """

    asked: NDArray[np.int64]
    answered: NDArray[np.int64]
    unjudged: NDArray[np.int64]
    found: NDArray[np.int64]

    @classmethod
    def of(cls, drawn: Sequence[int], answers: Sequence[int], n_strata: int, n_classes: int) -> Tally:
        """Count answers.

        Parameters
        ----------
        drawn
            The stratum of each question in their order.
        answers
            Class indices of the questions answered so far, in the same order; −1 where none could be given.
        """
        strata, classes = np.asarray(drawn, np.int64), np.asarray(answers, np.int64)
        of = strata[: len(classes)]
        judged = classes >= 0
        found = np.zeros((n_strata, n_classes), np.int64)
        np.add.at(found, (of[judged], classes[judged]), 1)
        return cls(
            np.bincount(strata, minlength=n_strata),
            np.bincount(of, minlength=n_strata),
            np.bincount(of[~judged], minlength=n_strata),
            found,
        )


def campaign_measures(
    sizes: NDArray[np.int64],
    predicted: NDArray[np.int64],
    tally: Tally,
    wanted: int,
    n_found: int,
    n_items: int,
    guarantee: bool,
    rng: np.random.Generator,
    beta: float = 1.0,
) -> dict[str, Interval]:
    """What the answers say of one class, see `measures.measures`.

    Items that could not be judged are members of no class. Where a stratum has no answer, none or all of it
    may be members: limits are known then, points are not (NaN). The usual limits are not those of plain
    Jeffreys draws in every stratum, which cover .72 to .89 where few members lie outside the prediction; see
    `_usual_draws`.

    Parameters
    ----------
    sizes, predicted
        Of the strata, see `Strata`.
    tally
        The answers so far.
    wanted
        The class.
    n_found, n_items
        Labelled members, and all items.
    guarantee
        Limits that hold whatever the truth is (Clopper and Pearson, 1934), instead of the usual ones.
    beta
        How many times as much recall weighs as precision in F-beta.

    Raises
    ------
    ValueError
        Where a stratum has more answers than items, or more members than answers.
    """
    if (tally.found.sum(axis=1) + tally.unjudged > tally.answered).any():
        raise ValueError("a stratum has more classes than answers")
    return _measures(
        sizes, predicted == wanted, tally.answered, tally.found[:, wanted], n_found, n_items, guarantee, rng, beta
    )


def _measures(
    sizes: NDArray[np.int64],
    own: NDArray[np.bool_],
    answered: NDArray[np.int64],
    found: NDArray[np.int64],
    n_found: int,
    n_items: int,
    guarantee: bool,
    rng: np.random.Generator,
    beta: float = 1.0,
    n_draws: int = N_DRAWS,
) -> dict[str, Interval]:
    """The measures of a class that is predicted in its `own` strata."""
    if guarantee:
        lower, upper = fiducial_draws(found, answered, sizes, rng, n_draws)
    else:
        lower, upper = _usual_draws(sizes, own, answered, found, rng, n_draws)
    lower[:, answered == 0], upper[:, answered == 0] = 0, sizes[answered == 0]
    points = np.where(answered > 0, sizes * (found / np.maximum(answered, 1)), np.nan)
    tp, fn = (
        Total(float(points[part].sum()), lower[:, part].sum(axis=1), upper[:, part].sum(axis=1))
        for part in (own, ~own)
    )
    n_predicted, n_rest = int(sizes[own].sum()), int(sizes.sum())
    totals = Totals(tp, fn, tp.minus(n_predicted), n_predicted, int(found.sum()))
    result = measures(totals, n_found, n_rest, n_items, beta)
    if n_predicted and np.isnan(points).any():
        result["recall"] = Interval(float("nan"), result["recall"].low, result["recall"].high)
    return result


def _usual_draws(
    sizes: NDArray[np.int64],
    own: NDArray[np.bool_],
    answered: NDArray[np.int64],
    found: NDArray[np.int64],
    rng: np.random.Generator,
    n_draws: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Lower and upper draws: Jeffreys' prior where the class is predicted, and once for all other strata.

    The half a member of the prior in each of many strata with hardly any members would add up to a number
    that recall hangs on. So the strata without the prediction have one half between them, where it weighs
    most, in the upper draws alone; compare the one member more of Fay and Feuer (1997).
    """
    others = np.flatnonzero(~own)
    order = np.argsort(sizes[others] / np.maximum(answered[others], 1), kind="stable")
    with_prior = np.r_[np.flatnonzero(own), others[order[-1:]]]
    lower = np.zeros((n_draws, len(sizes)), np.int64)
    lower[:, others] = fiducial_draws(found[others], answered[others], sizes[others], rng, n_draws)[0]
    upper = lower.copy()
    upper[:, with_prior] = beta_binomial_draws(
        found[with_prior], answered[with_prior], sizes[with_prior], rng, n_draws
    )
    lower[:, own] = upper[:, own]
    return lower, upper
