"""Members of rare classes whose scores the common classes hold down."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..later import Later
from .base import (
    Queries,
    WantedStrategy,
    class_labels,
    generator,
    labelled_items,
    take_best,
    take_turns,
    wanted_columns,
)
from .priors import soften
from .rows import predict_proba

stats = Later("scipy.stats")
covariance = Later("sklearn.covariance")

MAD_TO_SD = 1.4826  # of a normal distribution


class Tail(WantedStrategy):
    """The items that are unlike the common classes in what the model says of all classes, leaning to a rare one.

    Inspired by Singh et al. (2022, arXiv 2112.07835), not a reproduction: they, too, lift the activations
    of tail classes, which skewed training subdues, and put a one-class model on them. Here the
    activations are log-probabilities, each class standardised by its median and median absolute deviation
    over the pool; how far an item lies from the labelled items of the other classes is their Mahalanobis
    distance, with Ledoit and Wolf's covariance; the score is that distance times the rank, from 0 to 1,
    of the item's standardised activation of the class that is looked for. Several classes take turns.

    Parameters
    ----------
    classes
        The classes looked for; the least frequent class of ``learner.y_training`` by default.
    """

    name = "tail"
    label = "Subdued rare classes"
    description = "Items whose scores, put on one scale, are unlike the common classes and lean to a rare one."

    def __call__(
        self,
        learner: Any,
        X_pool: Any,
        n_instances: int = 1,
        random_state: np.random.Generator | None = None,
    ) -> Queries:
        """Choose the highest scores, ties at random; touches the whole pool."""
        rng = generator(random_state)
        if not len(X_pool):
            return np.empty(0, np.int64), np.empty(0)
        X, y = labelled_items(learner)
        known = class_labels(learner)
        columns = wanted_columns(learner, self.classes)
        common = ~np.isin(y, known[columns])
        pool = np.log(soften(predict_proba(learner, X_pool), len(y)))
        centre, scale = centre_and_scale(pool)
        pool = (pool - centre) / scale
        majority = np.empty((0, len(known)))
        if common.any():
            majority = (np.log(soften(predict_proba(learner, X[common]), len(y))) - centre) / scale
        distance = distance_from(majority, pool)
        rankings = []
        for column in columns:
            scores = distance * stats.rankdata(pool[:, column]) / len(pool)
            best = take_best(scores, n_instances, rng)
            rankings.append((best, scores[best]))
        return take_turns(rankings, n_instances)


def centre_and_scale(activations: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Median and spread of each column, ``(n_columns,)`` each.

    The spread is the median absolute deviation, as a standard deviation; where that is zero it is the
    standard deviation itself, and 1 for a constant.
    """
    centre = np.median(activations, axis=0)
    spread = MAD_TO_SD * np.median(np.abs(activations - centre), axis=0)
    spread = np.where(spread > 0, spread, activations.std(axis=0))
    return centre, np.where(spread > 0, spread, 1.0)


def distance_from(reference: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mahalanobis distance of each row of values from the reference, ``(n_values,)``.

    With fewer than two reference rows, or rows that are all alike, the covariance is one; with none, the
    distance is from zero.
    """
    if len(reference) > 1 and np.ptp(reference, axis=0).any():
        return np.sqrt(np.maximum(covariance.LedoitWolf().fit(reference).mahalanobis(values), 0.0))
    return np.linalg.norm(values - (reference[0] if len(reference) else 0.0), axis=1)
