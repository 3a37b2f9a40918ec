"""How good the model is on the rest of the pool, and how much is left there, from the sealed audit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .calibration import Thresholds, no_thresholds
from .curves import effective_number, precision_recall, ranking, reliability
from .intervals import N_DRAWS, UNKNOWN, Interval
from .measures import FEW, MEASURES, measures
from .totals import AuditSample, Draws, Rest

NEED_PREDICTED = ("precision", "purity", "f1", "f_beta")  # have no point while no predicted item was audited

OF_THE_THRESHOLD = (*NEED_PREDICTED, "recall", "completeness")


@dataclass(frozen=True)
class ClassEstimate:
    """The estimates of one class.

    `measures` has prevalence, total, left, precision, recall, f1, f_beta, completeness and purity; `at_k` the
    precision and recall of the `k` rows of the rest with the largest probability, where they are known;
    `n_members` are audited members in the rest, `n_effective` how many equally weighted ones they are worth.
    """

    index: int
    n_found: int
    n_members: int
    n_predicted: int | None
    threshold: float
    threshold_source: str
    measures: dict[str, Interval]
    average_precision: Interval
    roc_area: Interval
    k: int
    at_k: tuple[Interval, Interval] | None
    n_effective: float
    note: str | None

    def report(self) -> dict[str, Any]:
        """As plain values, intervals as [point, low, high]."""
        at = None
        if self.at_k is not None:
            at = {"k": self.k, "precision": self.at_k[0].to_list(), "recall": self.at_k[1].to_list()}
        return {
            "class": self.index,
            "n_found": self.n_found,
            "n_members": self.n_members,
            "n_predicted": self.n_predicted,
            "threshold": None if math.isnan(self.threshold) else self.threshold,
            "threshold_source": self.threshold_source,
            **{name: interval.to_list() for name, interval in self.measures.items()},
            "ap": self.average_precision.to_list(),
            "auroc": self.roc_area.to_list(),
            "precision_at": at,
            "n_effective": self.n_effective,
            "note": self.note,
        }


@dataclass(frozen=True)
class Estimates:
    """The estimates of all classes, the confusion of the rest, and the curves of the wanted classes."""

    n_items: int
    n_rest: int
    n_audit: int
    n_hits: int
    n_unjudged: int
    method: str
    guarantee: bool
    classes: tuple[ClassEstimate, ...]
    confusion: NDArray[np.float64]
    curves: dict[int, dict[str, Any]]

    def report(self) -> dict[str, Any]:
        """As plain values that JSON can hold; None is what cannot be said."""
        return {
            "n_items": self.n_items,
            "n_rest": self.n_rest,
            "n_audit": self.n_audit,
            "n_hits": self.n_hits,
            "n_unjudged": self.n_unjudged,
            "method": self.method,
            "guarantee": self.guarantee,
            "classes": [estimate.report() for estimate in self.classes],
            "confusion": self.confusion.tolist(),
            "curves": {str(c): curve for c, curve in self.curves.items()},
        }


def estimate(
    sample: AuditSample,
    probabilities: NDArray[np.floating],
    rest: Rest,
    *,
    rng: np.random.Generator,
    thresholds: Thresholds | None = None,
    wanted: Sequence[int] = (),
    beta: float = 1.0,
    guarantee: bool = False,
    calibrated: NDArray[np.floating] | None = None,
    n_draws: int = N_DRAWS,
) -> Estimates:
    """Everything the audit says about the rest of the pool and the pool, one class against the others.

    How totals are drawn is told by `totals.Draws`. Where thresholds were chosen on the audit, points come from
    what had no part in choosing (`Thresholds.decide_crossed`), and limits also hold what the threshold in force
    has on the whole audit: it is neither half's.

    Parameters
    ----------
    probabilities
        Of the sample's rows, ``(n, n_classes)``, as `thresholds` and `rest` have them.
    thresholds
        In force; the largest probability decides by default.
    wanted
        Classes that get curves.
    beta
        Of `f_beta`.
    calibrated
        What the reliability curve is drawn of where that is not `probabilities`, ``(n, n_classes)``: for
        probabilities calibrated on the audit those of `calibration.cross_calibrated`.

    Raises
    ------
    ValueError
        When the shapes do not fit, or fewer rows are said to be predicted than the audit has seen.
    """
    n, n_classes = len(sample.rows), len(rest.n_found)
    if probabilities.shape != (n, n_classes):
        raise ValueError(
            f"probabilities are {probabilities.shape}: one row is needed for each of {n} audited items, and one "
            f"column for each of {n_classes} classes"
        )
    chosen = thresholds or no_thresholds(n_classes)
    decided = chosen.decide_crossed(probabilities, sample.numbers)
    turn = _Turn(
        sample,
        rest,
        decided,
        chosen.decide(probabilities),
        Draws(sample, rest.n_rest, rng, guarantee, n_draws),
        beta,
    )
    classes = tuple(turn.of_class(c, probabilities[:, c], chosen) for c in range(n_classes))
    shown = probabilities if calibrated is None else calibrated
    return Estimates(
        n_items=rest.n_items,
        n_rest=rest.n_rest,
        n_audit=n,
        n_hits=sample.n_hits,
        n_unjudged=int((sample.classes < 0).sum()),
        method=turn.draws.method,
        guarantee=guarantee,
        classes=classes,
        confusion=confusion(sample, decided, rest),
        curves={int(c): turn.curves(c, probabilities[:, c], shown[:, c], classes[c]) for c in wanted},
    )


def confusion(sample: AuditSample, decided: NDArray[np.int64], rest: Rest) -> NDArray[np.float64]:
    """Estimated rows of the rest by true class (rows) and predicted class (columns), ``(n_classes, n_classes)``.

    Where the number of predicted rows is known, the audited ones are scaled to it. Rows that the audit could
    not judge are in no cell.

    Parameters
    ----------
    decided
        Predicted classes of the sample's rows, ``(n,)``.
    """
    n_classes = len(rest.n_found)
    sums, judged = np.zeros((n_classes, n_classes)), sample.classes >= 0
    np.add.at(sums, (sample.classes[judged], decided[judged]), sample.weights[judged])
    columns = np.bincount(decided, weights=sample.weights, minlength=n_classes)
    if rest.crossed is not None:
        return sums * np.where(columns > 0, rest.crossed / np.maximum(columns, 1e-300), 0.0)
    return sums * (rest.n_rest / max(columns.sum(), 1e-300))


# ---- one class --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Turn:
    """The estimates of one call, class by class.

    `decided` and `in_force` are the predicted classes of the sample's rows ``(n,)``, by the thresholds of the
    other half and by those in force.
    """

    sample: AuditSample
    rest: Rest
    decided: NDArray[np.int64]
    in_force: NDArray[np.int64]
    draws: Draws
    beta: float

    def of_class(self, c: int, probability: NDArray[np.floating], thresholds: Thresholds) -> ClassEstimate:
        """All estimates of class c."""
        rest, member, n_found = self.rest, self.sample.classes == c, int(self.rest.n_found[c])
        n_crossed = None if rest.crossed is None else int(rest.crossed[c])
        n_predicted = None if rest.n_predicted is None else int(rest.n_predicted[c])
        values = self._measures(member, self.decided == c, n_crossed, n_found)
        if not math.isnan(thresholds.values[c]) and (thresholds.crossed[:, c] != thresholds.values[c]).any():
            values = _joined(values, self._measures(member, self.in_force == c, n_predicted, n_found))
        pseudo = 1.0 if self.draws.guarantee else 0.5
        areas = ranking(probability, member, self.sample.weights, self.draws.rng, pseudo=pseudo)
        at_k = None
        if rest.cutoffs is not None:
            n_first = int(rest.n_first[c])
            first = self._measures(member, probability >= rest.cutoffs[c], n_first, n_found)
            at_k = first["precision"], first["recall"]
        return ClassEstimate(
            index=c,
            n_found=n_found,
            n_members=int(member.sum()),
            n_predicted=n_predicted,
            threshold=float(thresholds.values[c]),
            threshold_source=thresholds.sources[c],
            measures=values,
            average_precision=Interval(*areas[0]),
            roc_area=Interval(*areas[1]),
            k=rest.k,
            at_k=at_k,
            n_effective=effective_number(self.sample.weights[member]),
            note=self._note(int(member.sum()), values["left"], n_crossed),
        )

    def _measures(
        self, member: NDArray[np.bool_], predicted: NDArray[np.bool_], n_predicted: int | None, n_found: int
    ) -> dict[str, Interval]:
        rest = self.rest
        if not len(member) and rest.n_rest:
            return _unaudited(n_found, rest)
        totals = self.draws.totals(member, predicted, n_predicted)
        out = measures(totals, n_found, rest.n_rest, rest.n_items, self.beta)
        blind = () if predicted.any() or n_predicted == 0 else NEED_PREDICTED
        return {name: _inside(interval, name not in blind) for name, interval in out.items()}

    def curves(
        self, c: int, probability: NDArray[np.floating], shown: NDArray[np.floating], estimate: ClassEstimate
    ) -> dict[str, Any]:
        """The curves of class c, as plain values."""
        member, w = self.sample.classes == c, self.sample.weights
        curve = precision_recall(probability, member, w)
        base = estimate.measures["left"].point / max(self.rest.n_rest, 1)
        return {
            "pr": {name: curve[name] for name in ("recall", "precision", "low", "high")},
            "base_rate": None if math.isnan(base) else base,
            "reliability": reliability(shown, member, w),
        }

    def _note(self, n_members: int, left: Interval, n_predicted: int | None) -> str | None:
        """What a reader has to know before the numbers, in sentences."""
        n, n_rest = len(self.sample.rows), self.rest.n_rest
        if n_rest == 0:
            return "Every item has been labelled: nothing is left to estimate."
        if n == 0:
            return "No item has been audited yet: answer audit questions to learn how good the model is."
        parts = []
        if n_members == 0:
            share = 100 * left.high / n_rest
            parts.append(f"No member among {n:,} audited items: at most {share:.2g} % of the rest of the pool.")
        elif n_members < FEW:
            items = "member" if n_members == 1 else "members"
            parts.append(f"Only {n_members} {items} among {n:,} audited items: go by the limits.")
        if n_predicted == 0:
            parts.append("The model predicts no item of this class: it has no precision.")
        return " ".join(parts) or None


def _joined(values: dict[str, Interval], others: dict[str, Interval]) -> dict[str, Interval]:
    """The points of the first, with limits that hold the intervals of both."""
    return {
        name: Interval(
            of.point,
            float(np.fmin(of.low, others[name].low)),
            float(np.fmax(of.high, others[name].high)),
        )
        if name in OF_THE_THRESHOLD
        else of
        for name, of in values.items()
    }


def _inside(interval: Interval, has_point: bool) -> Interval:
    """The point within its limits: unbiased points of few items may lie beyond what is possible."""
    point = min(max(interval.point, interval.low), interval.high) if has_point else math.nan
    return Interval(point, interval.low, interval.high)


def _unaudited(n_found: int, rest: Rest) -> dict[str, Interval]:
    """What is known before the first answer: that between none and all of the rest are members."""
    out = dict.fromkeys(MEASURES, UNKNOWN)
    out["left"] = Interval(math.nan, 0.0, float(rest.n_rest))
    out["total"] = Interval(math.nan, float(n_found), float(n_found + rest.n_rest))
    out["prevalence"] = Interval(math.nan, n_found / rest.n_items, (n_found + rest.n_rest) / rest.n_items)
    return out
