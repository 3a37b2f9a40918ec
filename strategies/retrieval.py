"""The nearest rows of vectors, by exact search or by an index."""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .rows import Rows, blocks
from .steps import Progress, tell_nobody

Metric = Literal["euclidean", "cosine"]
Neighbours = tuple[NDArray[np.float32], NDArray[np.int64]]

#: Up to here the 50 nearest of 10 vectors take exact search about 0.2 s at 64 features, on one core.
INDEX_ABOVE = 2_000_000
#: Among fewer than this share of the rows, neighbours lie in more cells than recall was measured with.
EXACT_SHARE = 0.1
RECALL_TARGET = 0.95
RECALL_NEIGHBORS = 50
RECALL_QUERIES = 100
TRAINING_PER_CELL = 50
TRAINING_TURNS = 10
MAKING = "making the index of the pool"


def nearest(X: Any, vectors: ArrayLike, k: int, metric: Metric = "euclidean") -> Neighbours:
    """The k nearest rows of each vector, by exact search in blocks; touches all rows of X.

    Parameters
    ----------
    X
        An array or `Rows`, ``(n_items, n_features)``.
    vectors
        ``(n_vectors, n_features)``.
    k
        How many; all rows when there are fewer.
    metric
        Euclidean distance, or one minus the cosine.

    Returns
    -------
    distances : float32 ``(n_vectors, k)``
        Nearest first.
    positions : int64 ``(n_vectors, k)``
        Positions in X.
    """
    queries = np.atleast_2d(np.asarray(vectors, np.float32))
    k = min(k, len(X))
    best = np.full((len(queries), 0), np.inf, np.float32)
    where = np.zeros((len(queries), 0), np.int64)
    for piece, values in blocks(X):
        squared = distances_to(queries, np.asarray(values, np.float32), metric)
        kept = min(k, squared.shape[1])
        near = np.argpartition(squared, kept - 1, axis=1)[:, :kept]
        best = np.concatenate([best, np.take_along_axis(squared, near, axis=1)], axis=1)
        where = np.concatenate([where, near + piece.start], axis=1)
        if best.shape[1] > k:
            keep = np.argpartition(best, k - 1, axis=1)[:, :k]
            best, where = np.take_along_axis(best, keep, axis=1), np.take_along_axis(where, keep, axis=1)
    order = np.lexsort((where, best), axis=1)
    best, where = np.take_along_axis(best, order, axis=1), np.take_along_axis(where, order, axis=1)
    return (np.sqrt(best) if metric == "euclidean" else best), where


def distances_to(queries: NDArray[np.float32], values: NDArray[np.float32], metric: Metric) -> NDArray[np.float32]:
    """Squared Euclidean distances, or one minus the cosine, ``(n_queries, n_values)``."""
    if metric == "cosine":
        return 1 - unit(queries) @ unit(values).T
    squared = np.einsum("ij,ij->i", values, values)[None, :] - 2 * (queries @ values.T)
    squared += np.einsum("ij,ij->i", queries, queries)[:, None]
    return np.maximum(squared, 0, out=squared)


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The vectors at length one; zero stays zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    norms[norms == 0] = 1
    return vectors / norms


class Index(ABC):
    """Finds the nearest rows of one matrix, again and again.

    Parameters
    ----------
    X
        Float32 ``(n_items, n_features)``, in memory or memory-mapped.
    metric
        Euclidean distance, or one minus the cosine.
    """

    def __init__(self, X: NDArray[np.float32], metric: Metric = "euclidean") -> None:
        self.X = X
        self.metric: Metric = metric

    @abstractmethod
    def nearest(self, vectors: ArrayLike, k: int, rows: NDArray[np.int64] | None = None) -> Neighbours:
        """The k nearest rows of each vector among some rows, as the function `nearest` of `Rows` has them.

        Parameters
        ----------
        vectors
            ``(n_vectors, n_features)``.
        k
            How many; all rows when there are fewer.
        rows
            Rows of X that may be found, int64 ``(n_rows,)``, in order, or None for all of them.

        Returns
        -------
        distances : float32 ``(n_vectors, k)``
            Nearest first.
        positions : int64 ``(n_vectors, k)``
            Positions in `rows`.
        """

    def recall(
        self, k: int = RECALL_NEIGHBORS, n_queries: int = RECALL_QUERIES, rng: np.random.Generator | None = None
    ) -> float:
        """Share of the true k nearest rows that are found, over items drawn at random; touches all rows."""
        queries = self._draw(n_queries, np.random.default_rng(0) if rng is None else rng)
        return overlap(nearest(self.X, queries, k, self.metric)[1], self.nearest(queries, k)[1])

    def _draw(self, n: int, rng: np.random.Generator) -> NDArray[np.float32]:
        rows = np.sort(rng.choice(len(self.X), min(n, len(self.X)), replace=False))
        return np.asarray(self.X[rows], np.float32)

    @property
    @abstractmethod
    def note(self) -> str:
        """What the search misses, in a few words."""


class ExactIndex(Index):
    """Exact search in blocks: nothing to build; every search touches all rows."""

    def nearest(self, vectors: ArrayLike, k: int, rows: NDArray[np.int64] | None = None) -> Neighbours:
        """See `Index.nearest`; the very numbers of the function `nearest`."""
        return nearest(self.X if rows is None else Rows(self.X, rows), vectors, k, self.metric)

    @property
    def note(self) -> str:
        """Nothing is missed."""
        return "exact search"


class FaissIndex(Index):
    """An inverted file of faiss (Sivic & Zisserman, 2003; Douze et al., 2024): about sqrt(n_items) cells.

    Building touches all rows, holds a copy of the matrix, and depends on nothing but the matrix. The number
    of cells that a search looks into is doubled until `target` of the true neighbours of items drawn at
    random are found. Among less than a tenth of the rows the search is exact.

    Parameters
    ----------
    X, metric
        See `Index`.
    target
        Share of the 50 nearest rows to be found.
    progress
        Told between the steps of making it, with the share done.

    Attributes
    ----------
    n_cells, n_probed
        How many cells there are, and how many a search looks into.
    measured_recall
        Share that was found when the index was built.

    Raises
    ------
    ImportError
        Without faiss, which the extra ``index`` installs.
    """

    def __init__(
        self,
        X: NDArray[np.float32],
        metric: Metric = "euclidean",
        target: float = RECALL_TARGET,
        progress: Progress = tell_nobody,
    ) -> None:
        import faiss  # optional

        super().__init__(X, metric)
        self.n_cells = max(int(np.sqrt(len(X))), 1)
        kind = faiss.METRIC_INNER_PRODUCT if metric == "cosine" else faiss.METRIC_L2
        self._file = faiss.index_factory(X.shape[1], f"IVF{self.n_cells},Flat", kind)
        self._file.cp.niter = TRAINING_TURNS
        progress(0.0, MAKING)
        self._file.train(self._ready(self._draw(TRAINING_PER_CELL * self.n_cells, np.random.default_rng(0))))
        for piece, values in blocks(X):
            progress(0.4 + 0.5 * piece.start / len(X), MAKING)
            self._file.add(self._ready(values))
        progress(0.9, MAKING)
        self.n_probed, self.measured_recall = self._tuned(target)

    def _ready(self, vectors: ArrayLike) -> NDArray[np.float32]:
        values = np.ascontiguousarray(np.atleast_2d(np.asarray(vectors, np.float32)))
        return unit(values) if self.metric == "cosine" else values

    def _tuned(self, target: float) -> tuple[int, float]:
        """The number of cells to look into, and the recall with it."""
        queries = self._draw(RECALL_QUERIES, np.random.default_rng(1))
        truth = nearest(self.X, queries, RECALL_NEIGHBORS, self.metric)[1]
        self.n_probed = 1
        while True:
            found = overlap(truth, self._search(queries, truth.shape[1], None)[1])
            if found >= target or self.n_probed == self.n_cells:
                return self.n_probed, found
            self.n_probed = min(2 * self.n_probed, self.n_cells)

    def _search(self, vectors: ArrayLike, k: int, rows: NDArray[np.int64] | None) -> Neighbours:
        """Distances and rows of X; −1 where the cells held too few."""
        import faiss

        selector = None
        if rows is not None:
            chosen = np.zeros(len(self.X), bool)
            chosen[rows] = True
            bits = np.packbits(chosen, bitorder="little")  # kept alive: the selector only points to it
            selector = faiss.IDSelectorBitmap(bits)
        parameters = faiss.SearchParametersIVF(sel=selector, nprobe=self.n_probed)
        values, found = self._file.search(self._ready(vectors), k, params=parameters)
        distances = 1 - values if self.metric == "cosine" else np.sqrt(np.maximum(values, 0))
        return distances.astype(np.float32), found.astype(np.int64)

    def nearest(self, vectors: ArrayLike, k: int, rows: NDArray[np.int64] | None = None) -> Neighbours:
        """See `Index.nearest`; vectors whose cells hold fewer than k of the rows are searched exactly."""
        exact = ExactIndex(self.X, self.metric)
        n_rows = len(self.X) if rows is None else len(rows)
        if n_rows < EXACT_SHARE * len(self.X):
            return exact.nearest(vectors, k, rows)
        queries = np.atleast_2d(np.asarray(vectors, np.float32))
        distances, found = self._search(queries, min(k, n_rows), rows)
        positions = found if rows is None else np.searchsorted(rows, found)
        short = (found < 0).any(axis=1)
        if short.any():
            distances[short], positions[short] = exact.nearest(queries[short], k, rows)
        order = np.lexsort((positions, distances), axis=1)
        return np.take_along_axis(distances, order, axis=1), np.take_along_axis(positions, order, axis=1)

    @property
    def note(self) -> str:
        """The recall that was measured."""
        return f"approximate search: {self.measured_recall:.0%} of the {RECALL_NEIGHBORS} nearest are found"


def make_index(
    X: NDArray[np.float32],
    metric: Metric = "euclidean",
    above: int = INDEX_ABOVE,
    *,
    progress: Progress = tell_nobody,
) -> Index:
    """Exact search, or for a matrix of more than `above` rows, where faiss is installed, an index.

    An index touches all rows when it is made, and holds a copy of the matrix.
    """
    if len(X) > above and find_spec("faiss") is not None:
        return FaissIndex(X, metric, progress=progress)
    return ExactIndex(X, metric)


def overlap(truth: NDArray[np.int64], found: NDArray[np.int64]) -> float:
    """Mean share of each row of `truth` ``(n, k)`` that is in the same row of `found`."""
    shares = [np.isin(wanted, got).mean() for wanted, got in zip(truth, found, strict=True)]
    return float(np.mean(shares))
