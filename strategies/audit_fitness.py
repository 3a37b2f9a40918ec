"""Whether the audit can be trusted: rules over what it was answered, each with a verdict and a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from .fitness import Finding, Verdict, counted, listed
from .shift import prevalence_difference

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Audited:
    """What the audit was answered, in the order of the answers.

    `rows` and `classes` are int64 ``(n,)``, classes −1 where none could be said; `inclusion` are inclusion
    probabilities, NaN where unknown; `trained` has the rows that models are fitted to, int64.
    """

    rows: NDArray[np.int64]
    classes: NDArray[np.int64]
    inclusion: NDArray[np.float64]
    trained: NDArray[np.int64]


def _nothing(rule: str) -> Finding:
    return Finding(rule, Verdict.OPEN, "No item has been audited yet.", {"audited": 0})


def independence(audited: Audited) -> Finding:
    """Whether no audited item was trained on."""
    rule, n_audited = "audit independence", len(audited.rows)
    if not n_audited:
        return _nothing(rule)
    n = int(np.isin(audited.rows, audited.trained).sum())
    details = {"audited": n_audited, "trained_on": n}
    if n:
        items = counted(n, "audited item was", "audited items were")
        text = f"{items} trained on: the audit's numbers are too good, and not to be reported."
        return Finding(rule, Verdict.FAIL, text, details)
    return Finding(rule, Verdict.PASS, "No audited item is among the training labels.", details)


def duplicates(groups: NDArray[np.int32], is_audited: NDArray[np.bool_]) -> Finding:
    """Whether audited items have equals among the training labels.

    Parameters
    ----------
    groups
        What `near_groups` says of the audited and the training rows together, ``(n_rows,)``.
    is_audited
        Which of them are audited, bool ``(n_rows,)``.
    """
    rule, n_audited = "audit duplicates", int(is_audited.sum())
    if not n_audited:
        return _nothing(rule)
    trained = np.unique(groups[~is_audited & (groups >= 0)])
    n = int(np.isin(groups[is_audited], trained).sum())
    details = {"audited": n_audited, "with_equals": n}
    if n:
        items = counted(n_audited, "audited item")
        text = f"{n:,} of {items} equal a training label: if the table repeats objects, remove the copies."
        return Finding(rule, Verdict.WARN, text, details)
    return Finding(rule, Verdict.PASS, "No audited item equals a training label.", details)


def propensities(audited: Audited) -> Finding:
    """Whether the inclusion probability of every audited item is known."""
    rule, n_audited = "propensities", len(audited.rows)
    if not n_audited:
        return _nothing(rule)
    n = n_audited - int(_is_known(audited).sum())
    details = {"audited": n_audited, "unknown": n}
    if n:
        items = counted(n_audited, "audited item")
        text = f"{n:,} of {items} without an inclusion probability: estimates must leave them out."
        return Finding(rule, Verdict.FAIL, text, details)
    text = "The inclusion probability of every audited item is known."
    return Finding(rule, Verdict.PASS, text, details)


def _is_known(audited: Audited) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        return np.asarray((audited.inclusion > 0) & (audited.inclusion <= 1))


def prior_by_period(
    audited: Audited, is_later: NDArray[np.bool_], names: Sequence[str], periods: tuple[str, str], least: int = 20
) -> Finding:
    """Whether classes are as frequent among the audited items of a later period as in an earlier one.

    Warns where an interval of a difference excludes zero; all classes together do so by chance in at most
    5 % of audits (Bonferroni).

    Parameters
    ----------
    is_later
        Which answers are of the later period, bool ``(n,)``.
    names
        Names of the classes.
    periods
        The two periods in words, the earlier first.
    least
        How many audited items each period needs.
    """
    rule, usable = "prior by period", _is_known(audited)
    later, classes = is_later[usable], audited.classes[usable]
    n_later = int(later.sum())
    fewest = min(n_later, len(later) - n_later)
    if fewest < least:
        text = f"It takes {least} audited items in each of {periods[0]} and {periods[1]}; one has {fewest}."
        return Finding(rule, Verdict.OPEN, text, {"earlier": len(later) - n_later, "later": n_later})
    weights, confidence = 1 / audited.inclusion[usable], 1 - (1 - CONFIDENCE) / len(names)
    found = {
        name: prevalence_difference(classes == index, weights, later, confidence)
        for index, name in enumerate(names)
    }
    differing = [name for name, entry in found.items() if entry.low > 0 or entry.high < 0]
    details = {
        "earlier": len(later) - n_later, "later": n_later, "periods": list(periods), "confidence": confidence,
        "differences": {name: asdict(entry) for name, entry in found.items()},
    }  # fmt: skip
    if differing:
        text = (
            f"{listed(differing)}: another prevalence in {periods[1]} than in {periods[0]}. Ask whether the items "
            "or the way of labelling changed, and report the periods apart."
        )
        return Finding(rule, Verdict.WARN, text, details)
    text = f"Prevalences in {periods[1]} agree with those in {periods[0]}."
    return Finding(rule, Verdict.PASS, text, details)
