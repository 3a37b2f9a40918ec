"""The neighbours of all labelled items as the subpool of any other strategy (SEALS)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .base import Brief, QueryStrategy, rarest_class
from .retrieval import Index, Metric
from .subpools import Subpool, Subpooled
from .uncertainty import Margin

CHUNK = 128


class Seals(Subpooled):
    """Asks another strategy, but only among the nearest items of *all* labelled ones (Coleman et al., AAAI 2022).

    The candidates are the union of the `n_neighbors` nearest unlabelled items of each labelled item.
    When there are more than `subpool_size`, neighbours of members of the classes that are looked for
    come first, then those of the items that were labelled last; of these, the nearest ones.

    Parameters
    ----------
    base
        The strategy that is asked; margin sampling by default.
    metric
        See `Subpooled`.
    classes
        The classes looked for; the one with the fewest labels by default.

    Examples
    --------
    >>> Seals(Margin()).n_neighbors
    100
    """

    name = "seals"
    label = "Neighbours (SEALS)"
    description = (
        "Another strategy, among the neighbours of all labelled items only: looks further as labels come in."
    )

    def __init__(
        self,
        base: QueryStrategy | None = None,
        n_neighbors: int = 100,
        subpool_size: int = 10_000,
        metric: Metric = "euclidean",
        classes: Sequence[Any] | None = None,
        index: Index | None = None,
    ) -> None:
        super().__init__(Margin() if base is None else base, metric, index)
        self.n_neighbors = n_neighbors
        self.subpool_size = subpool_size
        self.classes = classes

    @classmethod
    def from_brief(cls, brief: Brief) -> Seals:
        """In the metric of the pool, for the classes that are looked for."""
        return cls(metric=brief.metric, classes=brief.wanted or None)

    def subpool(self, X_training: Any, y_training: Any, X_pool: Any, rng: np.random.Generator) -> Subpool:
        """Choose the candidates; takes O(n_labels · n_items) distances until there are `subpool_size`."""
        X, y = np.asarray(X_training), np.asarray(y_training)
        wanted = np.isin(y, list(self.classes or ()))
        if not wanted.any():
            wanted = y == rarest_class(y)
        nearness = np.full(len(X_pool), np.inf)
        found: list[NDArray[np.int64]] = []
        anchors: list[NDArray[np.int64]] = []
        n_found = 0
        for group in (np.flatnonzero(wanted)[::-1], np.flatnonzero(~wanted)[::-1]):
            for start in range(0, len(group), CHUNK):
                if n_found >= self.subpool_size:
                    break
                chunk = group[start : start + CHUNK]
                distances, positions = self.nearest(X_pool, X[chunk], self.n_neighbors)
                # The first neighbour of each comes before the second of any.
                in_turn = positions.T.ravel()
                in_turn = in_turn[np.sort(np.unique(in_turn, return_index=True)[1])]
                fresh = in_turn[np.isinf(nearness[in_turn])]
                np.minimum.at(nearness, positions.ravel(), distances.ravel())
                found.append(fresh)
                n_found += len(fresh)
                anchors.append(chunk)
        kept = np.concatenate(found)[: self.subpool_size]
        similarity = np.asarray(self.similarity(nearness[kept]), np.float64)
        return Subpool(kept, similarity, np.concatenate(anchors))
