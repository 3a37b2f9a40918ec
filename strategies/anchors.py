"""Anchor-based subpools around any other strategy (AnchorAL)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import kmeans_plusplus

from .base import Brief, Queries, QueryStrategy, generator
from .retrieval import Metric, nearest
from .rows import view
from .uncertainty import Margin


@dataclass(frozen=True)
class Subpool:
    """The candidates that are scored: positions in the pool, most similar to the anchors first."""

    positions: NDArray[np.int64]
    similarity: NDArray[np.float64]
    n_anchors: int


class Anchors(QueryStrategy):
    """Asks another strategy, but only among the neighbours of labelled items (Lesci & Vlachos, 2024).

    In every call: of each class, at most `n_anchors` labelled items are anchors (all when there are
    fewer, else chosen by k-means++); the `n_neighbors` nearest items of each anchor are retrieved; the
    score of an item is its mean similarity to the anchors that retrieved it; the best `subpool_size`
    are the subpool.

    Parameters
    ----------
    base
        The strategy that is asked.
    metric
        Euclidean, with similarity ``1 / (1 + distance)``, or cosine, with ``1 − distance``.

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
    ) -> None:
        self.base = Margin() if base is None else base
        self.n_anchors = n_anchors
        self.n_neighbors = n_neighbors
        self.subpool_size = subpool_size
        self.metric: Metric = metric

    @classmethod
    def from_brief(cls, brief: Brief) -> Anchors:
        """In the metric of the pool."""
        return cls(metric=brief.metric)

    def subpool(self, X_training: Any, y_training: Any, X_pool: Any, rng: np.random.Generator) -> Subpool:
        """Choose the candidates; touches the whole pool.

        Parameters
        ----------
        X_training, y_training
            The labelled items, ``(n_labels, n_features)``, and their classes, ``(n_labels,)``.
        X_pool
            The items that can be asked, ``(n_items, n_features)``.
        """
        anchors = self._choose_anchors(np.asarray(X_training), np.asarray(y_training), rng)
        distances, positions = nearest(X_pool, anchors, self.n_neighbors, self.metric)
        similarity = 1.0 - distances if self.metric == "cosine" else 1.0 / (1.0 + distances)
        found, inverse = np.unique(positions.ravel(), return_inverse=True)
        mean = np.bincount(inverse.ravel(), weights=similarity.ravel()) / np.bincount(inverse.ravel())
        best = np.argsort(-mean, kind="stable")[: self.subpool_size]
        return Subpool(found[best].astype(np.int64), mean[best], len(anchors))

    def _choose_anchors(
        self, X: NDArray[np.floating], y: NDArray[Any], rng: np.random.Generator
    ) -> NDArray[np.floating]:
        chosen = []
        for label in np.unique(y):
            members = X[y == label]
            if len(members) > self.n_anchors:
                seed = int(rng.integers(2**31))
                members = kmeans_plusplus(np.ascontiguousarray(members), self.n_anchors, random_state=seed)[0]
            chosen.append(members)
        return np.concatenate(chosen)

    def __call__(
        self,
        learner: Any,
        X_pool: Any,
        n_instances: int = 1,
        random_state: np.random.Generator | None = None,
    ) -> Queries:
        """Choose from the subpool; what it cannot fill is drawn at random, with the score −inf."""
        rng = generator(random_state)
        subpool = self.subpool(learner.X_training, learner.y_training, X_pool, rng)
        self.last_subpool_size = len(subpool.positions)
        n = min(n_instances, len(X_pool))
        within, scores = self.base(
            learner, view(X_pool, subpool.positions), min(n, len(subpool.positions)), random_state=rng
        )
        positions = subpool.positions[within]
        if len(positions) < n:
            rest = np.setdiff1d(np.arange(len(X_pool)), positions)
            filler = rng.choice(rest, n - len(positions), replace=False)
            positions = np.r_[positions, filler]
            scores = np.r_[scores, np.full(len(filler), -np.inf)]
        return positions.astype(np.int64), np.asarray(scores, np.float64)
