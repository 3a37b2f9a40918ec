"""What the model of a round says of the whole pool, and what the audit says of the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .audit import Rates, SealedAudit, model_rates
from .base import class_labels
from .calibration import Thresholds, calibrate, choose_thresholds, cross_calibrated, no_thresholds
from .estimates import Estimates, estimate
from .labels import Labels
from .pool import Pool
from .priors import CorrectedLearner, Correction, correct, shift, soften
from .rows import Rows, predict_proba
from .settings import RoundSettings
from .totals import AuditSample, Rest

EXPECTED_F1 = 0.5  # for which the rates of the audit are best
FIRST_K = 100  # rows of which precision and recall at k tell, where no budget is set


def sample_of(audit: SealedAudit) -> AuditSample:
    """The answers of the audit that speak for the rest of the pool: those that the learner has not reached."""
    inside = audit.in_sample & ~audit.answers.reached
    rows = audit.answers.rows[inside]
    return AuditSample(
        rows,
        audit.answers.classes[inside],
        audit.inclusion[inside],
        audit.numbers[rows],
        int(audit.answers.reached.sum()),
    )


def is_rest(audit: SealedAudit, labels: Labels) -> NDArray[np.bool_]:
    """Which items the learner has not reached, bool ``(n_items,)``; what could not be judged is reached, too."""
    rest = np.ones(len(audit.numbers), bool)
    rest[labels.rows] = False
    rest[labels.excluded] = False
    rest[audit.answers.rows[audit.answers.reached]] = False
    return rest


def n_reached(audit: SealedAudit, labels: Labels) -> NDArray[np.int64]:
    """Members of each class among what the learner has reached, ``(n_classes,)``."""
    hits = audit.answers.classes[audit.answers.reached]
    return np.bincount(np.r_[labels.classes, hits[hits >= 0]], minlength=labels.n_classes)


@dataclass
class Scoring:
    """The model of a round on the pool, kept so that estimates can be made anew after one more answer.

    `probabilities` are corrected as they are shown, float64 ``(n_items, n_classes)``; None where the model is
    too slow to score the whole pool in each round, and is asked for the audited rows. `decided` and `crossed`
    are the predicted classes, uint8 ``(n_items,)``, by the thresholds in force and by those of the other half
    of the audit.
    """

    pool: Pool
    model: Any
    state: Correction
    n_classes: int
    settings: RoundSettings
    probabilities: NDArray[np.floating] | None
    thresholds: Thresholds
    decided: NDArray[np.uint8] | None
    crossed: NDArray[np.uint8] | None
    k: int
    cutoffs: NDArray[np.float64] | None

    def of_rows(self, rows: NDArray[np.int64]) -> NDArray[np.floating]:
        """Probabilities of some rows as they are shown, ``(n, n_classes)``."""
        if self.probabilities is not None:
            return self.probabilities[rows]
        if not len(rows):
            return np.empty((0, self.n_classes))
        return _placed(self.model, self.model.predict_proba(self.pool.X[rows]), self.n_classes)

    def rest(self, audit: SealedAudit, labels: Labels) -> Rest:
        """What is known of the rest of the pool as of now; touches the whole pool."""
        inside, n_found = is_rest(audit, labels), n_reached(audit, labels)
        known = Rest(int(inside.sum()), self.pool.n_items, n_found)
        if self.decided is None or self.crossed is None or self.probabilities is None:
            return known
        predicted, crossed = (
            np.bincount(decided[inside], minlength=self.n_classes) for decided in (self.decided, self.crossed)
        )
        n_first = np.empty(0, np.int64)
        if self.cutoffs is not None:
            n_first = np.array(
                [int((self.probabilities[inside, c] >= cut).sum()) for c, cut in enumerate(self.cutoffs)]
            )
        return Rest(known.n_rest, known.n_items, n_found, predicted, crossed, self.k, self.cutoffs, n_first)

    def estimates(self, audit: SealedAudit, labels: Labels, rng: np.random.Generator) -> Estimates:
        """The estimates as of now, with the model, its thresholds and its calibration as they are."""
        sample, settings = sample_of(audit), self.settings
        probabilities = self.of_rows(sample.rows)
        calibrated = None
        if self.state == Correction.AUDIT:
            calibrated = self._cross_calibrated(sample)
        return estimate(
            sample,
            probabilities,
            self.rest(audit, labels),
            rng=rng,
            thresholds=self.thresholds,
            wanted=settings.wanted,
            beta=settings.beta,
            guarantee=settings.guarantee,
            calibrated=calibrated,
        )

    def _cross_calibrated(self, sample: AuditSample) -> NDArray[np.float64] | None:
        """Probabilities for an honest reliability curve: each half calibrated on the other."""
        model = self.model
        if not isinstance(model, CorrectedLearner) or not len(sample.rows):
            return None
        raw = soften(predict_proba(model.learner, self.pool.X[sample.rows]), model.n_labels)
        placed = np.asarray(_placed(model, raw, self.n_classes), np.float64)
        return cross_calibrated(placed, sample.classes, sample.weights, sample.numbers, self.settings.wanted)


def make_scoring(
    pool: Pool,
    learner: Any,
    labels: Labels,
    audit: SealedAudit,
    settings: RoundSettings,
    model: Any,
    scores_all: bool,
) -> Scoring:
    """Score the pool with the model of a round, and set the thresholds by the audit.

    Parameters
    ----------
    learner
        Uncorrected; one that remembers its predictions of the pool makes scoring it cheap.
    model
        The learner as its probabilities are shown.
    scores_all
        Whether the model is fast enough to score the whole pool.
    """
    sample, n_classes = sample_of(audit), labels.n_classes
    state = getattr(model, "prior_state", Correction.NONE)
    k = min(settings.n_left(len(labels.rows)) or FIRST_K, max(pool.n_items - len(labels.rows), 0))
    undecided = no_thresholds(n_classes)
    scoring = Scoring(pool, model, state, n_classes, settings, None, undecided, None, None, k, None)
    if scores_all:
        scoring.probabilities = _placed(model, _corrected(model, learner, Rows(pool.X)), n_classes)
    scoring.thresholds = choose_thresholds(
        scoring.of_rows(sample.rows),
        sample.classes,
        sample.weights,
        sample.numbers,
        dict.fromkeys(settings.wanted, settings.threshold_objective()),
    )
    if scoring.probabilities is not None:
        scoring.decided = scoring.thresholds.decide(scoring.probabilities).astype(np.uint8)
        scoring.crossed = scoring.thresholds.decide_crossed(scoring.probabilities, audit.numbers).astype(np.uint8)
        inside = is_rest(audit, labels)
        if 0 < k <= int(inside.sum()):
            rest = scoring.probabilities[inside]
            scoring.cutoffs = np.partition(rest, len(rest) - k, axis=0)[len(rest) - k].astype(np.float64)
    return scoring


def stage_rates(
    pool: Pool, learner: Any, labels: Labels, wanted: tuple[int, ...], rng: np.random.Generator
) -> Rates:
    """Rates of the audit's next stage by the model of a round; touches the whole pool.

    No answer of the audit has a part in them: if what an item is changed its chance to be in the sample,
    totals would be biased. So the probabilities are not matched to the audited prevalence, but to the
    members that the labels hold, the least that there are; the rates change little with that.

    Parameters
    ----------
    learner
        Uncorrected.
    wanted
        Classes that are looked for, at least one.
    """
    columns, everything = class_labels(learner).astype(np.int64), Rows(pool.X)
    n_found = np.bincount(labels.classes, minlength=labels.n_classes).astype(np.float64)
    is_wanted = np.isin(np.arange(labels.n_classes), wanted)
    least = np.where(is_wanted, n_found / pool.n_items, 0.0)
    others = np.where(is_wanted, 0.0, n_found)
    guess = least + (1.0 - least.sum()) * others / max(float(others.sum()), 1.0)
    model = correct(learner, everything, Correction.MATCHED, guess[columns], rng)
    p = _placed(model, _corrected(model, learner, everything), labels.n_classes)
    predicted = columns[predict_proba(learner, everything).argmax(axis=1)]
    return model_rates(p[:, list(wanted)].max(axis=1), np.isin(predicted, wanted), EXPECTED_F1)


def shown_model(
    learner: Any,
    candidates: Any,
    correction: Correction,
    prevalence: NDArray[np.float64] | None,
    audit: SealedAudit | None,
    pool: Pool,
    wanted: tuple[int, ...],
    rng: np.random.Generator,
) -> Any:
    """The learner with the probabilities that are shown: calibrated on the audit, matched, or as they are.

    Parameters
    ----------
    candidates
        The pool, or most of it.
    prevalence
        Shares of the learner's own classes; None where they are not known.
    """
    sample = None if audit is None else sample_of(audit)
    if correction == Correction.AUDIT and sample is not None and len(sample.rows):
        fitted = calibrate(learner, pool.X[sample.rows], sample.classes, sample.weights, wanted)
        if fitted is not None:
            return fitted
    if prevalence is None or correction == Correction.NONE:
        return learner
    return correct(learner, candidates, correction, prevalence, rng)


def _corrected(model: Any, learner: Any, X: Any) -> NDArray[np.floating]:
    """What the model says of rows that the learner may have predicted already."""
    raw = predict_proba(learner, X)
    if not isinstance(model, CorrectedLearner):
        return raw
    return shift(soften(raw, model.n_labels), model.offsets, model.scale)


def _placed(model: Any, probabilities: NDArray[np.floating], n_classes: int) -> NDArray[np.floating]:
    """Columns by class of the taxonomy; a class that the model does not know is never likely."""
    classes = class_labels(model).astype(np.int64)
    if len(classes) == n_classes:
        return probabilities
    out = np.zeros((len(probabilities), n_classes), probabilities.dtype)
    out[:, classes] = probabilities
    return out
