"""What is known of a pool without any label: how isolated items are, how density changes, which cells it has."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import NearestNeighbors

from .retrieval import Metric, distances_to, unit
from .rows import Rows, blocks

FOREST_SAMPLE = 20_000
SKETCH_SAMPLE = 20_000
CELL_SAMPLE = 50_000
SCORED_SAMPLE = 100_000
MAX_AXES = 50
REGION, AROUND = 20, 50
MOST_CELLS, LEAST_CELL = 300, 10


class Neighbourhood(NamedTuple):
    """Places in the sketch around an item, nearest first, and the distance to the 20th."""

    places: NDArray[np.int64]
    radius: float


class Landscape:
    """Facts about a pool that do not change with the labels; each is worked out once, when first asked for.

    The facts hold for `rows`: all rows of a pool of at most 100,000, else that many, drawn at random, so
    that the cost does not grow with the pool. They depend on nothing but the matrix.

    Parameters
    ----------
    X
        The matrix of the pool, float32 ``(n_items, n_features)``.
    metric
        In which items are near each other; for ``cosine``, items are brought to unit length.
    """

    def __init__(self, X: NDArray[np.float32], metric: Metric = "euclidean") -> None:
        self.X = X
        self.metric: Metric = metric
        self._neighbourhoods: dict[bytes, Neighbourhood] = {}
        self._reach: tuple[set[bytes], NDArray[np.float32]] = (set(), np.empty(0, np.float32))

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """The rows for which the facts hold, in order."""
        return self._draw(np.arange(len(self.X)), SCORED_SAMPLE)

    def _draw(self, rows: NDArray[np.int64], n: int) -> NDArray[np.int64]:
        if len(rows) <= n:
            return rows
        return np.sort(np.random.default_rng(0).choice(rows, n, replace=False))

    def values(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors of some rows, brought to unit length where the metric is the cosine."""
        return self._measured(np.asarray(self.X[rows], np.float32))

    def _measured(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        return unit(vectors) if self.metric == "cosine" else vectors

    @cached_property
    def centre_and_spread(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Median and robust standard deviation (1.4826 MAD) of each feature, over a sample of the pool.

        Where more than half of the items share a value, the spread is the standard deviation; a constant
        feature has spread one, so that no item is unusual in it.
        """
        sample = np.asarray(self.X[self._draw(self.rows, SKETCH_SAMPLE)], np.float64)
        centre = np.median(sample, axis=0)
        spread = 1.4826 * np.median(np.abs(sample - centre), axis=0)
        spread = np.where(spread > 0, spread, sample.std(axis=0))
        return centre, np.where(spread > 0, spread, 1.0)

    @cached_property
    def isolation(self) -> NDArray[np.float64]:
        """How isolated each of `rows` is, by a forest (Liu et al., 2008): higher is more unlike the others."""
        fitted = self._draw(self.rows, FOREST_SAMPLE)
        forest = IsolationForest(random_state=0).fit(self.values(fitted))
        scores = np.empty(len(self.rows))
        for piece, values in blocks(Rows(self.X, self.rows)):
            scores[piece] = -forest.score_samples(unit(values) if self.metric == "cosine" else values)
        return scores

    # ---- a sketch of the pool, in which distances are cheap ----------------------------------------

    @cached_property
    def sketch_rows(self) -> NDArray[np.int64]:
        """At most 20,000 of `rows`, in order."""
        return self._draw(self.rows, SKETCH_SAMPLE)

    @cached_property
    def _axes(self) -> PCA | None:
        """The principal axes of the sketch; None where the features are few enough as they are."""
        values = self.values(self.sketch_rows)
        if values.shape[1] <= MAX_AXES or len(values) <= MAX_AXES:
            return None
        return PCA(MAX_AXES, svd_solver="randomized", random_state=0).fit(values)

    def project(self, vectors: ArrayLike) -> NDArray[np.float32]:
        """Vectors of the pool's features in the axes of the sketch, float32 ``(n_vectors, n_axes)``."""
        values = self._measured(np.atleast_2d(np.asarray(vectors, np.float32)))
        return values if self._axes is None else self._axes.transform(values).astype(np.float32)

    @cached_property
    def sketch(self) -> NDArray[np.float32]:
        """`sketch_rows` in at most 50 principal axes."""
        return self.project(self.X[self.sketch_rows])

    @cached_property
    def _neighbours(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Distances and places of the nearest items of each item of the sketch, itself left out."""
        n_neighbours = min(REGION, len(self.sketch) - 1)
        if n_neighbours < 1:
            return np.zeros((len(self.sketch), 1)), np.zeros((len(self.sketch), 1), np.int64)
        return NearestNeighbors(n_neighbors=n_neighbours).fit(self.sketch).kneighbors()

    @cached_property
    def sparsity(self) -> NDArray[np.float64]:
        """The distance of each item of the sketch to its 20th neighbour: high where the pool is sparse."""
        return self._neighbours[0][:, -1].astype(np.float64)

    @cached_property
    def contrast(self) -> NDArray[np.float64]:
        """How much sparser it is around each item of the sketch than around its neighbours.

        A local outlier factor (Breunig et al., 2000) of plain distances to the 20th neighbour. Among
        duplicates, which have no distance, it is one.
        """
        around = self.sparsity[self._neighbours[1]].mean(axis=1)
        least = np.quantile(self.sparsity, 0.01) if len(self.sparsity) else 0.0
        return np.divide(
            np.maximum(self.sparsity, least), np.maximum(around, least),
            out=np.ones(len(self.sparsity)), where=around > 0,
        )  # fmt: skip

    def neighbourhood(self, vector: NDArray[np.float32]) -> Neighbourhood:
        """The items of the sketch around a vector; kept, so that it is worked out once."""
        key = np.asarray(vector, np.float32).tobytes()
        if key not in self._neighbourhoods:
            n = min(AROUND, len(self.sketch))
            squared = distances_to(self.project(vector), self.sketch, "euclidean")[0]
            near = np.argpartition(squared, n - 1)[:n]
            near = near[np.argsort(squared[near], kind="stable")]
            radius = float(np.sqrt(squared[near[min(REGION, n) - 1]]))
            self._neighbourhoods[key] = Neighbourhood(near, radius)
        return self._neighbourhoods[key]

    def distance_to(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """The distance of each item of the sketch to the nearest of some vectors; infinite without any.

        What is known of vectors that were there before is kept, so that only new ones cost.
        """
        keys = {np.asarray(vector, np.float32).tobytes(): vector for vector in vectors}
        known, distance = self._reach
        if not known <= keys.keys() or not known:
            known, distance = set(), np.full(len(self.sketch), np.inf, np.float32)
        fresh = [vector for key, vector in keys.items() if key not in known]
        for start in range(0, len(fresh), 256):
            squared = distances_to(self.project(np.stack(fresh[start : start + 256])), self.sketch, "euclidean")
            distance = np.minimum(distance, np.sqrt(squared.min(axis=0)))
        self._reach = (known | keys.keys(), distance)
        return distance

    # ---- cells -------------------------------------------------------------------------------------

    @cached_property
    def cells(self) -> MiniBatchKMeans:
        """300 k-means cells of the pool, fewer where they would hold less than ten items each."""
        fitted = self._draw(self.rows, CELL_SAMPLE)
        n_cells = int(np.clip(len(self.rows) // LEAST_CELL, 1, MOST_CELLS))
        return MiniBatchKMeans(n_cells, n_init=1, batch_size=4096, random_state=0).fit(self.values(fitted))

    @cached_property
    def cell(self) -> NDArray[np.int64]:
        """The cell of each of `rows`."""
        cells = np.empty(len(self.rows), np.int64)
        for piece, values in blocks(Rows(self.X, self.rows)):
            cells[piece] = self.cell_of(values)
        return cells

    def cell_of(self, vectors: NDArray[np.float32]) -> NDArray[np.int64]:
        """The cells in which some vectors lie."""
        if not len(vectors):
            return np.empty(0, np.int64)
        return self.cells.predict(self._measured(np.asarray(vectors, np.float32))).astype(np.int64)

    @cached_property
    def cell_isolation(self) -> NDArray[np.float64]:
        """The mean isolation of the items of each cell; minus infinity for an empty one."""
        sizes = np.bincount(self.cell, minlength=self.cells.n_clusters)
        sums = np.bincount(self.cell, weights=self.isolation, minlength=len(sizes))
        return np.where(sizes > 0, sums / np.maximum(sizes, 1), -np.inf)
