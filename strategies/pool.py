"""The pool: all items as feature vectors, which of them can be asked, and a plane of it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .duplicates import equal_rows
from .landscape import Landscape
from .retrieval import Index, Metric, make_index
from .rows import blocks
from .steps import Progress, tell_nobody

PLANE_SAMPLE = 100_000


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
        self._landscapes: dict[Metric, Landscape] = {}
        self._indices: dict[Metric, Index] = {}

    def landscape(self, metric: Metric = "euclidean") -> Landscape:
        """What is known of the pool without labels; kept, so that it is worked out once."""
        return self._landscapes.setdefault(metric, Landscape(self.X, metric))

    def index(self, metric: Metric = "euclidean", progress: Progress = tell_nobody) -> Index:
        """What finds the nearest items: exact, or an index above a size; kept. Touches the whole pool.

        `progress` is told how far an index is that is made now, and may break it off; the next call begins anew.
        """
        if metric not in self._indices:
            self._indices[metric] = make_index(self.X, metric, progress=progress)
        return self._indices[metric]

    @cached_property
    def equals(self) -> NDArray[np.int32] | None:
        """The group of equal rows of each row, see `equal_rows`; touches the whole pool, once."""
        return equal_rows(self.X)

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
