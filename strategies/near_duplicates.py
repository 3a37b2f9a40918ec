"""Groups of items that are the same but for rounding: equal features, or nearly so."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..later import Later
from .duplicates import equal_rows

sparse = Later("scipy.sparse")
csgraph = Later("scipy.sparse.csgraph")
neighbors = Later("sklearn.neighbors")

NEAR = 1e-6  # of the median distance to the nearest neighbour
SAMPLE = 2_000


def near_groups(X: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.int32]:
    """The group of each row that has equals or near-equals, −1 for the others, int32 ``(n_rows,)``.

    Near are rows closer than 1e−6 of the median distance between nearest neighbours that differ, which is
    taken from 2,000 rows; chains of near rows are one group. Rows that are near in space are near along any
    direction, so that only neighbours along a random one are compared: cost grows as sorting does.

    Parameters
    ----------
    X
        Float32 ``(n_rows, n_features)``, in memory.

    Examples
    --------
    >>> near_groups(np.array([[1], [2], [1], [5]], np.float32), np.random.default_rng(0))
    array([ 0, -1,  0, -1], dtype=int32)
    """
    equal = equal_rows(X)
    kind = np.arange(len(X)) if equal is None else _kinds(equal)
    first = np.unique(kind, return_index=True)[1]
    pairs = _near_pairs(np.asarray(X[first], np.float64), rng)
    n = len(first)
    joined = sparse.coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    component = csgraph.connected_components(joined, directed=False)[1]
    place = np.empty(len(X), np.int64)
    place[first] = np.arange(n)
    group = component[np.searchsorted(np.unique(kind), kind)]
    sizes = np.bincount(group)
    numbers = np.where(sizes > 1, np.cumsum(sizes > 1) - 1, -1)
    return numbers[group].astype(np.int32)


def _kinds(equal: NDArray[np.int32]) -> NDArray[np.int64]:
    """A number for each row, the same for equal rows only."""
    alone = equal < 0
    return np.where(alone, int(equal.max()) + np.cumsum(alone), equal).astype(np.int64)


def _near_pairs(X: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Pairs of different rows that are near each other, int64 ``(n_pairs, 2)``."""
    if len(X) < 3:
        return np.empty((0, 2), np.int64)
    near = NEAR * _median_nearest(X, rng)
    direction = rng.normal(size=X.shape[1])
    along = X @ (direction / np.linalg.norm(direction))
    order = np.argsort(along, kind="stable")
    along, found = along[order], []
    for step in range(1, len(X)):
        close = np.flatnonzero(along[step:] - along[:-step] <= near)
        if not len(close):
            break
        left, right = order[close], order[close + step]
        same = np.linalg.norm(X[left] - X[right], axis=1) <= near
        found.append(np.column_stack([left[same], right[same]]))
    return np.concatenate(found) if found else np.empty((0, 2), np.int64)


def _median_nearest(X: NDArray[np.float64], rng: np.random.Generator) -> float:
    sample = X if len(X) <= SAMPLE else X[rng.choice(len(X), SAMPLE, replace=False)]
    return float(np.median(neighbors.NearestNeighbors(n_neighbors=2).fit(sample).kneighbors(sample)[0][:, 1]))
