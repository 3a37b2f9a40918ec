"""Strategies around another one that let it see a part of the pool only."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .base import Queries, QueryStrategy, generator, labelled_items
from .retrieval import Index, Metric, Neighbours, nearest
from .rows import Rows, view


@dataclass(frozen=True)
class Subpool:
    """The candidates that are scored: positions in the pool, the ones that matter most first.

    `similarity` is how near each is to the labelled items that retrieved it; `anchors` are the places of these
    among the labelled items, int64 ``(n_anchors,)``.
    """

    positions: NDArray[np.int64]
    similarity: NDArray[np.float64]
    anchors: NDArray[np.int64]

    @property
    def n_anchors(self) -> int:
        """How many labelled items retrieved the candidates."""
        return len(self.anchors)


NOTHING = Subpool(np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64))


class Subpooled(QueryStrategy):
    """Asks another strategy, but only about a part of the pool that the labelled items choose.

    Parameters
    ----------
    base
        The strategy that is asked.
    metric
        Euclidean, with similarity ``1 / (1 + distance)``, or cosine, with ``1 − distance``.
    index
        Of the pool, in the same metric; exact search without one.
    """

    #: The candidates of the last call, and the labelled items that retrieved them.
    last_subpool: Subpool = NOTHING

    def __init__(self, base: QueryStrategy, metric: Metric = "euclidean", index: Index | None = None) -> None:
        self.base = base
        self.metric: Metric = metric
        self.index = index

    @abstractmethod
    def subpool(self, X_training: Any, y_training: Any, X_pool: Any, rng: np.random.Generator) -> Subpool:
        """Choose the candidates; touches the whole pool.

        Parameters
        ----------
        X_training, y_training
            The labelled items, ``(n_labels, n_features)``, and their classes, ``(n_labels,)``; at least one.
        X_pool
            The items that can be asked, ``(n_items, n_features)``.
        """

    def nearest(self, X_pool: Any, vectors: NDArray[Any], k: int) -> Neighbours:
        """The k candidates nearest to each vector: distances and positions; see `retrieval.nearest`."""
        if self.index is not None and isinstance(X_pool, Rows) and X_pool.matrix is self.index.X:
            return self.index.nearest(vectors, k, X_pool.index)
        return nearest(X_pool, vectors, k, self.metric)

    def similarity(self, distances: NDArray[np.floating]) -> NDArray[np.floating]:
        """Similarities of distances in the metric, of the same shape."""
        return 1.0 - distances if self.metric == "cosine" else 1.0 / (1.0 + distances)

    def __call__(
        self,
        learner: Any,
        X_pool: Any,
        n_instances: int = 1,
        random_state: np.random.Generator | None = None,
    ) -> Queries:
        """Choose from the subpool; what it cannot fill is drawn at random, with the score −inf."""
        rng = generator(random_state)
        X, y = labelled_items(learner)
        subpool = self.subpool(X, y, X_pool, rng) if len(y) and len(X_pool) else NOTHING
        self.last_subpool = subpool
        n = min(n_instances, len(X_pool))
        positions, scores = subpool.positions, np.empty(0)
        if len(positions):
            within, scores = self.base(learner, view(X_pool, positions), min(n, len(positions)), random_state=rng)
            positions = positions[within]
        if len(positions) < n:
            rest = np.setdiff1d(np.arange(len(X_pool)), positions)
            filler = rng.choice(rest, n - len(positions), replace=False)
            positions = np.r_[positions, filler]
            scores = np.r_[scores, np.full(len(filler), -np.inf)]
        return positions.astype(np.int64), np.asarray(scores, np.float64)
