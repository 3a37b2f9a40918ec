"""The pool: all items as feature vectors, read in blocks; neighbours, probabilities and a plane of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Metric = Literal["euclidean", "cosine"]
BLOCK = 65_536
PLANE_SAMPLE = 100_000


class Rows:
    """Chosen rows of a matrix as an array-like that is read when it is needed.

    Parameters
    ----------
    matrix
        Float32 ``(n_items, n_features)``, in memory or memory-mapped.
    index
        The rows, int64 ``(n_rows,)``, or None for all of them.

    Notes
    -----
    `numpy.asarray` makes a copy of all rows, so scikit-learn and modAL's own strategies can take it.
    """

    ndim = 2

    def __init__(self, matrix: NDArray[np.float32], index: NDArray[np.int64] | None = None) -> None:
        self.matrix = matrix
        self.index = index

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of features."""
        return (len(self), int(self.matrix.shape[1]))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the matrix."""
        return self.matrix.dtype

    def __len__(self) -> int:
        return len(self.matrix if self.index is None else self.index)

    def __getitem__(self, key: Any) -> NDArray[np.float32]:
        return np.asarray(self.matrix[key] if self.index is None else self.matrix[self.index[key]])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self[:], dtype=dtype)


def blocks(X: Any, size: int = BLOCK) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Go through the rows of an array or `Rows` in pieces of at most `size`; touches all of them."""
    for start in range(0, len(X), size):
        piece = slice(start, min(start + size, len(X)))
        yield piece, X[piece]


def predict_proba(learner: Any, X: Any) -> NDArray[np.float32]:
    """Class probabilities, float32 ``(n_items, n_classes)``, predicted in blocks; touches all rows of X."""
    result: NDArray[np.float32] | None = None
    for piece, values in blocks(X):
        part = learner.predict_proba(values)
        if result is None:
            result = np.empty((len(X), part.shape[1]), np.float32)
        result[piece] = part
    return np.empty((0, 0), np.float32) if result is None else result


def nearest(
    X: Any, vectors: ArrayLike, k: int, metric: Metric = "euclidean"
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
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
        squared = _distances(queries, np.asarray(values, np.float32), metric)
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


def _distances(queries: NDArray[np.float32], values: NDArray[np.float32], metric: Metric) -> NDArray[np.float32]:
    """Squared Euclidean distances, or one minus the cosine, ``(n_queries, n_values)``."""
    if metric == "cosine":
        return 1 - _unit(queries) @ _unit(values).T
    squared = np.einsum("ij,ij->i", values, values)[None, :] - 2 * (queries @ values.T)
    squared += np.einsum("ij,ij->i", queries, queries)[:, None]
    return np.maximum(squared, 0, out=squared)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    norms[norms == 0] = 1
    return vectors / norms


class Pool:
    """All items that can be labelled, as feature vectors.

    Parameters
    ----------
    X
        Float32 ``(n_items, n_features)``, in memory or memory-mapped; never written to.
    """

    def __init__(self, X: NDArray[np.float32]) -> None:
        if X.ndim != 2 or not X.shape[0] or not X.shape[1]:
            raise ValueError(f"a pool needs items and features, not an array of shape {X.shape}")
        self.X = X

    @property
    def n_items(self) -> int:
        """Number of items."""
        return int(self.X.shape[0])

    @property
    def n_features(self) -> int:
        """Number of features."""
        return int(self.X.shape[1])

    def available(self, *taken: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows that are in none of the arrays given, int64, in order; touches the whole pool."""
        free = np.ones(self.n_items, bool)
        for rows in taken:
            free[rows] = False
        return np.flatnonzero(free)


def pca_plane(X: Any, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """The first two principal components of the pool; touches the whole pool.

    Parameters
    ----------
    X
        An array or `Rows`, ``(n_items, n_features)``; above 100,000 rows the axes come from a sample.

    Returns
    -------
    plane : float32 ``(n_items, 2)``
        With one feature, the second column is zero.
    explained : float64 ``(2,)``
        Shares of the variance.
    """
    n_items, n_features = X.shape
    rows = np.arange(n_items)
    if n_items > PLANE_SAMPLE:
        rows = np.sort(rng.choice(n_items, PLANE_SAMPLE, replace=False))
    sample = np.asarray(X[rows], np.float64)
    mean = sample.mean(axis=0)
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(sample - mean, rowvar=False)))
    axes = np.zeros((n_features, 2))
    n_axes = min(2, n_features)
    axes[:, :n_axes] = vectors[:, ::-1][:, :n_axes]
    # The sign of a component is arbitrary: make its largest loading positive, so that maps agree.
    axes *= np.where(axes[np.abs(axes).argmax(axis=0), [0, 1]] < 0, -1, 1)
    plane = np.empty((n_items, 2), np.float32)
    for piece, part in blocks(X):
        plane[piece] = (part - mean) @ axes
    explained = np.zeros(2)
    explained[:n_axes] = values[::-1][:n_axes] / max(values.sum(), 1e-300)
    return plane, explained
