"""Whether labels, features and audit are fit for use: rules over arrays, each with a verdict and a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..later import Later
from .priors import Correction
from .shift import DomainTest, FrechetComparison, Stability, aurocs

stats = Later("scipy.stats")

LEAST_LABELS = 10
LEAST_ROWS = 20
GIVES_AWAY = 0.995
IN_ORDER = 0.99
SOME_MISSING, MOST_MISSING = 0.05, 0.5
LEAST_COVERED = 0.5  # of what as many labels would cover if they were drawn at random
SURE = 0.01  # the p-value below which a shift is believed
SHIFTED, FAR_SHIFTED, UNSTABLE = 0.6, 0.8, 0.25  # AUROCs of the domain classifier, and the stability index
MOST_NAMED = 5
COLUMNS_AT_A_TIME = 64


class Verdict(StrEnum):
    """What a rule says: ``open`` where there is nothing yet that it could look at."""

    PASS = "pass"  # noqa: S105 (no password)
    WARN = "warn"
    FAIL = "fail"
    OPEN = "open"


@dataclass(frozen=True)
class Finding:
    """What one rule found: its name, the verdict, one sentence, and the numbers behind it, JSON-able."""

    rule: str
    verdict: Verdict
    text: str
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The finding as plain values."""
        return {
            "rule": self.rule,
            "verdict": self.verdict.value,
            "text": self.text,
            "details": dict(self.details),
        }


def listed(names: Sequence[str]) -> str:
    """Names in quotation marks, the first five of them."""
    shown = ", ".join(f"'{name}'" for name in names[:MOST_NAMED])
    more = len(names) - MOST_NAMED
    return f"{shown} and {more:,} more" if more > 0 else shown


def counted(n: int, one: str, many: str | None = None) -> str:
    """A number with its noun: "1 label", "1,234 labels"."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


# ---- labels -----------------------------------------------------------------------------------------


def class_counts(counts: ArrayLike, names: Sequence[str], least: int = LEAST_LABELS) -> Finding:
    """Whether every class has enough labels: fails with fewer than two classes, warns below `least`.

    Parameters
    ----------
    counts
        Labels of each class, ``(n_classes,)``.
    names
        Names of the classes.
    """
    n = np.asarray(counts, np.int64)
    details = {"labels": dict(zip(names, n.tolist(), strict=True)), "least": least}
    if (n > 0).sum() < 2:
        text = (
            f"Labels are in {int((n > 0).sum())} of {len(n)} classes, and a model needs two: label some of each."
        )
        return Finding("class counts", Verdict.FAIL, text, details)
    few = [name for name, count in zip(names, n, strict=True) if count < least]
    if few:
        text = f"Fewer than {least} labels: {listed(few)}. Label more of them, or merge them with other classes."
        return Finding("class counts", Verdict.WARN, text, details)
    return Finding("class counts", Verdict.PASS, f"Every class has at least {least} labels.", details)


def conflicts(groups: NDArray[np.int32], classes: NDArray[np.int64]) -> Finding:
    """Whether labelled items that are the same have the same class.

    Parameters
    ----------
    groups
        What `near_groups` says of the labelled rows, ``(n_labels,)``.
    classes
        Their classes, ``(n_labels,)``.
    """
    same = groups >= 0
    pairs = np.unique(np.column_stack([groups[same], classes[same]]), axis=0)
    n_classes = np.bincount(pairs[:, 0], minlength=1)
    n_groups, n_split = int((n_classes > 0).sum()), int((n_classes > 1).sum())
    details = {"groups": n_groups, "conflicting": n_split}
    if n_split:
        text = (
            f"{counted(n_split, 'group')} of items with the same features "
            f"{'has' if n_split == 1 else 'have'} labels of several classes: look at them again."
        )
        return Finding("conflicting duplicates", Verdict.WARN, text, details)
    return Finding(
        "conflicting duplicates", Verdict.PASS, "No labels contradict each other on equal items.", details
    )


# ---- features ---------------------------------------------------------------------------------------


def leaks(
    X: NDArray[np.floating], labels: NDArray[np.int64], features: Sequence[str], names: Sequence[str]
) -> Finding:
    """Whether a single feature separates a class from the others, as the label itself in disguise would.

    Parameters
    ----------
    X
        Features of labelled items, ``(n_labels, n_features)``.
    labels
        Their classes, ``(n_labels,)``. Classes below ten labels, or with fewer than ten others, are left out:
        in so few, some feature separates by chance.
    features, names
        Names of the features and of the classes.
    """
    n = np.bincount(labels, minlength=len(names))
    usable = np.flatnonzero((n >= LEAST_LABELS) & (len(labels) - n >= LEAST_LABELS))
    if not len(usable):
        text = f"No class has {LEAST_LABELS} labels, and {LEAST_LABELS} others, to look for leaks with yet."
        return Finding("leaks", Verdict.OPEN, text)
    found: list[dict[str, Any]] = []
    for start in range(0, X.shape[1], COLUMNS_AT_A_TIME):
        block = np.asarray(X[:, start : start + COLUMNS_AT_A_TIME], np.float64)
        for c in usable.tolist():
            values = aurocs(block, labels == c)
            for column in np.flatnonzero(np.maximum(values, 1 - values) > GIVES_AWAY):
                auroc = float(max(values[column], 1 - values[column]))
                found.append({"feature": features[start + int(column)], "class": names[c], "auroc": auroc})
    details = {"above": GIVES_AWAY, "found": found}
    if found:
        which = listed(list(dict.fromkeys(entry["feature"] for entry in found)))
        text = f"A single feature gives a class away: {which}. Leave it out if it was made from the label."
        return Finding("leaks", Verdict.WARN, text, details)
    return Finding("leaks", Verdict.PASS, "No single feature gives a class away.", details)


def constants(is_constant: NDArray[np.bool_], features: Sequence[str], in_arrays: Sequence[int] = ()) -> Finding:
    """Whether a feature has one value for all items.

    Parameters
    ----------
    is_constant
        Bool ``(n_features,)``.
    in_arrays
        Features that are values of arrays, such as pixels of an edge: they are counted, and do no harm.
    """
    single = np.setdiff1d(np.flatnonzero(is_constant), np.asarray(in_arrays, np.int64))
    which = [features[column] for column in single]
    details: dict[str, Any] = {"features": which, "in_arrays": int(is_constant.sum()) - len(which)}
    if which:
        text = f"Constant, so of no use to a model: {listed(which)}. Leave these features out."
        return Finding("constant features", Verdict.WARN, text, details)
    n = details["in_arrays"]
    text = f"Every feature varies, but for {counted(n, 'value')} of arrays." if n else "Every feature varies."
    return Finding("constant features", Verdict.PASS, text, details)


def missing(shares: Mapping[str, float]) -> Finding:
    """Whether features lack many values: warns above 5 %, fails above half.

    Parameters
    ----------
    shares
        Share of missing values by feature.
    """
    some = sorted((name for name, share in shares.items() if share > SOME_MISSING), key=lambda n: -shares[n])
    details = {"shares": {name: float(share) for name, share in shares.items()}}
    if not some:
        text = f"No feature lacks more than {100 * SOME_MISSING:.0f} % of its values."
        return Finding("missing values", Verdict.PASS, text, details)
    most = 100 * shares[some[0]]
    verdict = Verdict.FAIL if shares[some[0]] > MOST_MISSING else Verdict.WARN
    text = f"Many values are missing in {listed(some)} (up to {most:.0f} %): leave out what is mostly guessed."
    return Finding("missing values", verdict, text, details)


def names_rows(values: NDArray[np.float64]) -> bool:
    """Whether numbers in the order of the table look like identifiers: whole, all different, and a sequence.

    A sequence rises or falls from row to row, or uses more than half of the numbers in its range.

    Parameters
    ----------
    values
        ``(n_items,)``; of fewer than 20 nothing is said.

    Examples
    --------
    >>> names_rows(np.arange(100.0)), names_rows(np.arange(100.0) ** 0.5)
    (True, False)
    """
    if len(values) < LEAST_ROWS or not np.isfinite(values).all() or (values != np.round(values)).any():
        return False
    steps = np.diff(values)
    if (steps > 0).all() or (steps < 0).all():
        return True
    ordered = np.sort(values)
    return bool((np.diff(ordered) > 0).all() and ordered[-1] - ordered[0] < 2 * len(values))


def follows_order(values: NDArray[np.float64]) -> float:
    """Absolute rank correlation of numbers with the order of the table; zero where they do not vary."""
    known = np.isfinite(values)
    if known.sum() < LEAST_ROWS or np.ptp(values[known]) == 0:
        return 0.0
    return abs(float(stats.spearmanr(np.flatnonzero(known), values[known]).statistic))


def identifiers(which: Sequence[str]) -> Finding:
    """The finding on features that look like identifiers (see `names_rows`), by name."""
    if which:
        text = f"Looks like an identifier, not a measurement: {listed(which)}. Leave it out of the features."
        return Finding("identifiers", Verdict.WARN, text, {"features": list(which)})
    return Finding("identifiers", Verdict.PASS, "No feature looks like an identifier.", {"features": []})


def time_order(in_order: Mapping[str, float], dates: Sequence[str]) -> Finding:
    """Whether a feature is a date or follows the order of the table, so that a model learns when, not what.

    Parameters
    ----------
    in_order
        What `follows_order` says of each feature.
    dates
        Features that are dates.
    """
    ordered = [name for name, correlation in in_order.items() if correlation > IN_ORDER and name not in dates]
    details = {"dates": list(dates), "in_order": ordered}
    both = [*dates, *ordered]
    if both:
        text = f"A date, or follows the order of the table: {listed(both)}. Leave it out: it tells when, not what."
        return Finding("time order", Verdict.WARN, text, details)
    return Finding("time order", Verdict.PASS, "No feature is a date or follows the order of the table.", details)


# ---- coverage ---------------------------------------------------------------------------------------


def coverage(
    pool_cells: NDArray[np.int64], label_cells: NDArray[np.int64], n_cells: int, least: int = 1
) -> Finding:
    """How much of the pool lies in cells with at least `least` labels.

    Labels that a strategy chose cover less than ones drawn at random, and should: a warning is given where
    it is less than half of what is expected of as many random ones.

    Parameters
    ----------
    pool_cells, label_cells
        Cells of the items of the pool, or a sample of it, and of the labelled ones, int64.
    """
    shares = np.bincount(pool_cells, minlength=n_cells) / max(len(pool_cells), 1)
    counts, n = np.bincount(label_cells, minlength=n_cells), len(label_cells)
    is_covered = counts >= least
    covered = float(shares[is_covered].sum())
    expected = float((shares * stats.binom.sf(least - 1, n, shares)).sum())
    filled = shares > 0
    details = {
        "cells": int(filled.sum()), "covered_cells": int((filled & is_covered).sum()), "least": least,
        "share": covered, "expected_at_random": expected,
    }  # fmt: skip
    if not n:
        return Finding("coverage", Verdict.OPEN, "There is no label yet that could cover the pool.", details)
    text = (
        f"{details['covered_cells']:,} of {counted(int(filled.sum()), 'cell')} have {counted(least, 'label')} or "
        f"more; they hold {100 * covered:.0f} % of the pool (random labels: {100 * expected:.0f} %)"
    )
    if covered < LEAST_COVERED * expected:
        return Finding("coverage", Verdict.WARN, f"{text}: let coverage or random ask more.", details)
    return Finding("coverage", Verdict.PASS, f"{text}.", details)


# ---- priors -----------------------------------------------------------------------------------------


def prior_state(
    correction: str, prevalence: ArrayLike | None, low: ArrayLike | None, high: ArrayLike | None
) -> Finding:
    """Whether the correction in force and the prevalence that it corrects to agree.

    Parameters
    ----------
    correction
        Which correction was in force, see `priors.Correction`.
    prevalence, low, high
        Shares of the classes in the pool and their limits, ``(n_classes,)``, NaN or None where unknown.
    """
    rule, details = "prior state", {"correction": correction}
    if correction not in list(Correction):
        text = f"The correction '{correction}' is not known: choose one on the Strategy tab."
        return Finding(rule, Verdict.FAIL, text, details)
    if correction == Correction.NONE:
        return Finding(
            rule, Verdict.PASS, "Probabilities are shown as the model says, without a correction.", details
        )
    point, least, most = (np.asarray([np.nan] if v is None else v, np.float64) for v in (prevalence, low, high))
    whole = bool(np.isfinite(point).all()) and abs(point.sum() - 1) < 1e-6 and (point >= 0).all()
    outside = (point < least - 1e-9) | (point > most + 1e-9) if len(least) == len(point) == len(most) else [False]
    if not whole or np.any(outside):
        why = (
            "lies outside of its own limits: mend the shares on the Strategy tab"
            if whole
            else "is not known for all classes: run a round again"
        )
        text = f"Probabilities are corrected ({correction}), but the prevalence {why}."
        return Finding(rule, Verdict.FAIL, text, details)
    text = f"Probabilities are corrected once ({correction}), to a prevalence that is known."
    return Finding(rule, Verdict.PASS, text, details)


# ---- new rows ---------------------------------------------------------------------------------------


def new_rows(domain: DomainTest, frechet: FrechetComparison, scores: Stability | None) -> Finding:
    """Whether rows that were added to the table are unlike those before.

    A shift counts where it is both sure (p < 0.01) and large: many rows make any difference sure. The
    Fréchet distance is too noisy to judge by and is told beside.

    Parameters
    ----------
    domain, frechet
        Of the new rows against the old ones.
    scores
        Of the model's scores; None without a model.
    """
    is_sure = domain.p_value < SURE
    moved = scores is not None and scores.p_value < SURE and scores.psi > UNSTABLE
    details = {"domain": asdict(domain), "frechet": asdict(frechet), "scores": asdict(scores) if scores else None}
    text = (
        f"A classifier tells new rows from old ones with AUROC {domain.auroc:.2f} (p = {domain.p_value:.2g}); "
        f"Fréchet distance {frechet.distance:.2g}, among old ones {frechet.null:.2g}"
    )
    if scores is not None:
        text += f"; stability index of the scores {scores.psi:.2f}"
    if is_sure and domain.auroc > FAR_SHIFTED:
        text = f"New rows are another population. {text}: treat them as a pool of their own."
        return Finding("new rows", Verdict.FAIL, text, details)
    if moved or (is_sure and domain.auroc > SHIFTED):
        return Finding("new rows", Verdict.WARN, f"New rows differ. {text}: audit some of them.", details)
    return Finding("new rows", Verdict.PASS, f"{text}.", details)
