"""The model of a round by itself: a classifier, how its probabilities are corrected, and its thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .base import class_labels
from .calibration import decide
from .priors import CorrectedLearner, Correction, shift, soften


@dataclass(frozen=True)
class Fitted:
    """A model that needs no pool any more.

    Parameters
    ----------
    estimator
        A fitted classifier with ``predict_proba``.
    classes
        The places of its classes, in the order of its probabilities, int64 ``(n_known,)``: those with labels.
    n_labels
        Labels of the fit.
    correction
        How its probabilities are corrected.
    offsets, scale
        Of the log-probabilities, float64 ``(n_known,)`` each; None where they are not corrected.
    thresholds
        From which probability on a class is predicted, ``(n_known,)``; NaN where it has none.
    threshold_sources
        Why each is what it is, in words.
    prevalence
        Shares of the classes in the pool that the correction goes by, ``(n_known,)``; NaN where not known.
    prevalence_source
        Where they come from, in words.
    messages
        What did not work, in sentences.
    """

    estimator: Any
    classes: NDArray[np.int64]
    n_labels: int
    correction: Correction
    offsets: NDArray[np.float64] | None
    scale: NDArray[np.float64] | None
    thresholds: NDArray[np.float64]
    threshold_sources: tuple[str, ...]
    prevalence: NDArray[np.float64]
    prevalence_source: str
    messages: tuple[str, ...] = ()

    @classmethod
    def of(cls, model: Any, prevalence: NDArray[np.float64], source: str, messages: Sequence[str]) -> Fitted:
        """A modAL learner as its probabilities are shown, without thresholds.

        Parameters
        ----------
        model
            The learner, or a `CorrectedLearner` around it.
        prevalence
            Of all classes of the taxonomy.
        """
        classes = class_labels(model).astype(np.int64)
        corrected = isinstance(model, CorrectedLearner)
        learner = model.learner if corrected else model
        return cls(
            estimator=learner.estimator,
            classes=classes,
            n_labels=len(learner.y_training),
            correction=model.prior_state if corrected else Correction.NONE,
            offsets=model.offsets if corrected else None,
            scale=np.broadcast_to(model.scale, len(classes)) if corrected else None,
            thresholds=np.full(len(classes), np.nan),
            threshold_sources=("the largest probability",) * len(classes),
            prevalence=prevalence[classes],
            prevalence_source=source,
            messages=tuple(messages),
        )

    def with_thresholds(self, values: NDArray[np.float64], sources: Sequence[str]) -> Fitted:
        """The same with the thresholds of all classes of the taxonomy."""
        chosen = tuple(sources[c] for c in self.classes)
        return replace(self, thresholds=values[self.classes], threshold_sources=chosen)

    def probabilities(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Probabilities as rounds show them, ``(n_items, n_known)``, of features ``(n_items, n_features)``."""
        if not len(X):
            return np.empty((0, len(self.classes)))
        raw = np.asarray(self.estimator.predict_proba(X))
        if self.offsets is None or self.scale is None:
            return raw.astype(np.float64)
        return shift(soften(raw, self.n_labels), self.offsets, self.scale)

    def decide(self, probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
        """The predicted classes as positions in `classes`, ``(n_items,)``."""
        return decide(probabilities, self.thresholds)
