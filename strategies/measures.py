"""Measures of one class for the pool, from draws of its totals in what has not been labelled."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .intervals import UNKNOWN, Interval

FEW = 10  # audited members below which the median of the draws is shown for recall: the ratio is biased upwards
MEASURES = (
    "prevalence", "total", "left", "precision", "recall", "f1", "f_beta", "completeness", "purity",
)  # fmt: skip


@dataclass(frozen=True)
class Total:
    """An estimated number of items: the point, and draws whose quantiles are its lower and upper limits.

    Draws from one posterior are given twice, so that measures of several totals use them jointly.
    """

    point: float
    lower: NDArray[np.floating] | NDArray[np.int64]
    upper: NDArray[np.floating] | NDArray[np.int64]

    @classmethod
    def known(cls, value: float) -> Total:
        """A number that is known."""
        draws = np.full(1, float(value))
        return cls(float(value), draws, draws)

    def minus(self, known: float) -> Total:
        """What is left of a known number, never below zero."""
        return Total(
            max(known - self.point, 0.0), np.maximum(known - self.upper, 0), np.maximum(known - self.lower, 0)
        )


@dataclass(frozen=True)
class Totals:
    """The totals of one class among the items that have not been labelled.

    `tp` are the members that the model predicts, `fn` those that it misses, `fp` what it predicts wrongly;
    `n_predicted` is how many it predicts, None where that is not known; `n_members` is how many members the
    sample holds.
    """

    tp: Total
    fn: Total
    fp: Total
    n_predicted: int | None
    n_members: int


def measures(
    totals: Totals, n_found: int, n_rest: int, n_items: int, beta: float = 1.0, confidence: float = 0.95
) -> dict[str, Interval]:
    """What can be said of a class, by name, see `MEASURES`.

    The model on the rest of the pool: precision, recall, F1, F-beta. The pool: prevalence, total, and left
    (members without a label). The catalogue as delivered, labels with the model's word for the rest:
    completeness and purity. Every measure rises in some totals and falls in the others, so that its limits
    come from the lower draws of the ones and the upper draws of the others.

    Parameters
    ----------
    n_found
        Labelled members.
    n_rest, n_items
        Items without a label, and all items.
    beta
        How many times as much recall weighs as precision in F-beta.
    """
    tail = 100 * (1 - confidence) / 2
    tp, fn, fp = totals.tp, totals.fn, totals.fp
    nothing_predicted = totals.n_predicted == 0

    def f(weight: float) -> Interval:
        b = weight**2
        return _limits(
            _share((1 + b) * tp.point, (1 + b) * tp.point + b * fn.point + fp.point),
            _share((1 + b) * tp.lower, (1 + b) * tp.lower + b * fn.upper + fp.upper),
            _share((1 + b) * tp.upper, (1 + b) * tp.upper + b * fn.lower + fp.lower),
            tail,
        )

    left = _limits(tp.point + fn.point, tp.lower + fn.lower, tp.upper + fn.upper, tail)
    left = Interval(*(min(value, float(n_rest)) for value in (left.point, left.low, left.high)))
    recall = _limits(
        _share(tp.point, tp.point + fn.point), _share(tp.lower, tp.lower + fn.upper),
        _share(tp.upper, tp.upper + fn.lower), tail,
    )  # fmt: skip
    if totals.n_members < FEW and not nothing_predicted:
        middle = np.r_[_share(tp.lower, tp.lower + fn.upper), _share(tp.upper, tp.upper + fn.lower)]
        recall = Interval(_quantile(middle, 50.0), recall.low, recall.high)
    return {
        "prevalence": Interval(*((n_found + value) / n_items for value in (left.point, left.low, left.high))),
        "total": Interval(*(n_found + value for value in (left.point, left.low, left.high))),
        "left": left,
        "precision": UNKNOWN if nothing_predicted else _precision(tp, fp, 0, tail),
        "recall": _recall_of_nothing(left) if nothing_predicted else recall,
        "f1": f(1.0),
        "f_beta": f(beta),
        "completeness": _limits(
            _share(n_found + tp.point, n_found + tp.point + fn.point),
            _share(n_found + tp.lower, n_found + tp.lower + fn.upper),
            _share(n_found + tp.upper, n_found + tp.upper + fn.lower),
            tail,
        ),
        "purity": _precision(tp, fp, n_found, tail),
    }


def _recall_of_nothing(left: Interval) -> Interval:
    """Where nothing is predicted: zero if members are left for certain, else not known."""
    return Interval(0.0, 0.0, 0.0) if left.low > 0 else UNKNOWN


def _precision(tp: Total, fp: Total, n_found: int, tail: float) -> Interval:
    """The share of members among what is called a member; labelled ones are certain."""
    return _limits(
        _share(n_found + tp.point, n_found + tp.point + fp.point),
        _share(n_found + tp.lower, n_found + tp.lower + fp.upper),
        _share(n_found + tp.upper, n_found + tp.upper + fp.lower),
        tail,
    )


def _share(part: ArrayLike, whole: ArrayLike) -> NDArray[np.float64]:
    """A ratio, NaN where there is nothing."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), np.nan)


def _limits(point: ArrayLike, lower: ArrayLike, upper: ArrayLike, tail: float) -> Interval:
    return Interval(float(np.asarray(point)), _quantile(lower, tail, 0.0), _quantile(upper, 100 - tail, 1.0))


def _quantile(draws: ArrayLike, per_cent: float, otherwise: float = math.nan) -> float:
    """A quantile of the draws in which there is something to measure; `otherwise` where there never is."""
    values = np.asarray(draws, np.float64)
    values = values[np.isfinite(values)]
    return float(np.percentile(values, per_cent)) if len(values) else otherwise
