"""The items nearest to one, or to the mean of several, by exact search; the lengths of vectors are kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .retrieval import Metric
from .rows import blocks

FEWEST, MOST = 10, 1_000
SPARE = 64  # how many more are compared once again in double precision


@dataclass(frozen=True)
class Neighbours:
    """Items in the order of their distance: `rows` int64 ``(k,)``, `distances` float64 ``(k,)``."""

    rows: NDArray[np.int64]
    distances: NDArray[np.float64]


class Nearest:
    """Finds the nearest items by exact search; the lengths of all vectors are kept, four bytes an item.

    Parameters
    ----------
    X
        Float32 ``(n_items, n_features)``, in memory or memory-mapped.
    """

    def __init__(self, X: NDArray[np.float32]) -> None:
        self.X = X
        self._squares: NDArray[np.float32] | None = None

    def to(self, rows: NDArray[np.int64], k: int, metric: Metric = "euclidean") -> Neighbours:
        """The k items nearest to the mean of some rows, without these; touches all items.

        Parameters
        ----------
        rows
            One row or more, int64; for the cosine they count by their direction alone.
        k
            How many; all others when there are fewer.
        metric
            Euclidean distance, or one minus the cosine.
        """
        centre = self.centre(rows, metric)
        rough = self.rough(centre, metric)
        rough[rows] = np.inf
        n_found = min(k, len(self.X) - len(np.unique(rows)))
        n_compared = min(n_found + SPARE, len(self.X))
        near = np.argpartition(rough, n_compared - 1)[:n_compared]
        near = np.sort(near[np.isfinite(rough[near])])
        exact = self.exact(near, centre, metric)
        order = np.argsort(exact, kind="stable")[:n_found]
        return Neighbours(near[order].astype(np.int64), exact[order])

    def centre(self, rows: NDArray[np.int64], metric: Metric) -> NDArray[np.float64]:
        """The mean of some rows, float64 ``(n_features,)``; read in blocks."""
        total = np.zeros(self.X.shape[1])
        for _, part in blocks(np.asarray(rows)):
            values = np.asarray(self.X[part], np.float64)
            total += (_directions(values) if metric == "cosine" else values).sum(axis=0)
        return total / max(len(rows), 1)

    def rough(self, centre: NDArray[np.float64], metric: Metric) -> NDArray[np.float32]:
        """Numbers that order all items by distance, but for rounding, float32 ``(n_items,)``."""
        squares = self.squares
        query = centre.astype(np.float32)
        products = np.empty(len(self.X), np.float32)
        for piece, values in blocks(self.X):
            np.dot(values, query, out=products[piece])
        if metric == "euclidean":
            products *= -2
            products += squares
        else:
            np.divide(-products, np.sqrt(squares), out=products, where=squares > 0)
        return products

    @property
    def squares(self) -> NDArray[np.float32]:
        """The squared length of each vector, ``(n_items,)``; worked out once, over all items."""
        if self._squares is None:
            squares = np.empty(len(self.X), np.float32)
            for piece, values in blocks(self.X):
                np.einsum("ij,ij->i", values, values, out=squares[piece])
            self._squares = squares
        return self._squares

    def exact(self, near: NDArray[np.int64], centre: NDArray[np.float64], metric: Metric) -> NDArray[np.float64]:
        """The distances of some rows to a point, in double precision ``(n_rows,)``."""
        values = np.asarray(self.X[near], np.float64)
        if metric == "cosine":
            return 1 - _directions(values) @ _directions(centre[None, :])[0]
        return np.sqrt(((values - centre) ** 2).sum(axis=1))


def _directions(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths == 0, 1, lengths)
