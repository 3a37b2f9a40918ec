"""Anchor-based subpools around any other strategy (AnchorAL)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..later import Later
from .base import Brief, QueryStrategy
from .retrieval import Index, Metric
from .subpools import Subpool, Subpooled
from .uncertainty import Margin

cluster = Later("sklearn.cluster")


class Anchors(Subpooled):
    """Asks another strategy, but only among the neighbours of labelled items (Lesci & Vlachos, 2024).

    In every call: of each class, at most `n_anchors` labelled items are anchors (all when there are
    fewer, else chosen by k-means++); the `n_neighbors` nearest items of each anchor are retrieved; the
    score of an item is its mean similarity to the anchors that retrieved it; the best `subpool_size`
    are the subpool.

    Parameters
    ----------
    base
        The strategy that is asked; margin sampling by default.
    metric, index
        See `Subpooled`.

    Examples
    --------
    >>> Anchors(Margin()).n_neighbors
    50
    """

    name = "anchors"
    label = "Anchors"
    description = (
        "Another strategy, among the neighbours of labelled items only (AnchorAL): affords a strong model on a "
        "large pool, but does not look elsewhere."
    )

    def __init__(
        self,
        base: QueryStrategy | None = None,
        n_anchors: int = 10,
        n_neighbors: int = 50,
        subpool_size: int = 1000,
        metric: Metric = "euclidean",
        index: Index | None = None,
    ) -> None:
        super().__init__(Margin() if base is None else base, metric, index)
        self.n_anchors = n_anchors
        self.n_neighbors = n_neighbors
        self.subpool_size = subpool_size

    @classmethod
    def from_brief(cls, brief: Brief) -> Anchors:
        """In the metric of the pool."""
        return cls(metric=brief.metric)

    def subpool(self, X_training: Any, y_training: Any, X_pool: Any, rng: np.random.Generator) -> Subpool:
        """Choose the candidates, most similar to their anchors first; touches the whole pool."""
        X = np.asarray(X_training)
        anchors = self._choose_anchors(X, np.asarray(y_training), rng)
        distances, positions = self.nearest(X_pool, X[anchors], self.n_neighbors)
        found, inverse = np.unique(positions.ravel(), return_inverse=True)
        total = np.bincount(inverse.ravel(), weights=self.similarity(distances).ravel())
        mean = total / np.bincount(inverse.ravel())
        best = np.argsort(-mean, kind="stable")[: self.subpool_size]
        return Subpool(found[best].astype(np.int64), mean[best], anchors)

    def _choose_anchors(
        self, X: NDArray[np.floating], y: NDArray[Any], rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Places of the anchors among the labelled items."""
        chosen = []
        for label in np.unique(y):
            members = np.flatnonzero(y == label)
            if len(members) > self.n_anchors:
                seed = int(rng.integers(2**31))
                members = members[cluster.kmeans_plusplus(X[members], self.n_anchors, random_state=seed)[1]]
            chosen.append(members)
        return np.concatenate(chosen)
