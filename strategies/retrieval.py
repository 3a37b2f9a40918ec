"""The nearest rows of vectors."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .rows import blocks

Metric = Literal["euclidean", "cosine"]


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
