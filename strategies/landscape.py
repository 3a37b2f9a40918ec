"""What is known of a pool without any label: how isolated items are, how density changes, which cells it has."""

from __future__ import annotations

from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..later import Later
from .retrieval import Metric, distances_to, unit
from .rows import Rows, blocks
from .steps import Progress, tell_nobody

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.decomposition import PCA

sparse = Later("scipy.sparse")
stats = Later("scipy.stats")
cluster = Later("sklearn.cluster")
decomposition = Later("sklearn.decomposition")
ensemble = Later("sklearn.ensemble")
neighbors = Later("sklearn.neighbors")

CELL_SAMPLE = 100_000
SKETCH_SAMPLE = 20_000
MAX_AXES, PROJECTED_ABOVE = 50, 64
KEPT_BYTES = 2**30
MOST_REACHED = 500
NEAR_BLOCK = 16_384
REGION, AROUND, MOST_IN_BALL = 20, 50, 200
MOST_CELLS, LEAST_CELL = 300, 10


class Neighbourhood(NamedTuple):
    """Places in the sketch around an item, nearest first, and the distance to the 20th."""

    places: NDArray[np.int64]
    radius: float


class Landscape:
    """Facts about a pool that do not change with the labels; each is worked out once, when first asked for.

    Distances are measured in 50 principal axes where there are more than 64 features. Most facts hold for
    a sketch of at most 20,000 items, drawn at random, so that their cost does not grow with the pool.
    They depend on nothing but the matrix.

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
        self._reached: dict[tuple[str, str], tuple[set[bytes], NDArray[np.float32]]] = {}

    def _draw(self, n: int) -> NDArray[np.int64]:
        rows = np.arange(len(self.X))
        return rows if len(rows) <= n else np.sort(np.random.default_rng(0).choice(rows, n, replace=False))

    def values(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors of some rows, brought to unit length where the metric is the cosine."""
        return self._measured(np.asarray(self.X[rows], np.float32))

    def _measured(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        return unit(vectors) if self.metric == "cosine" else vectors

    @cached_property
    def centre_and_spread(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Median and robust standard deviation (1.4826 MAD) of each feature, over the sketch.

        Where more than half of the items share a value, the spread is the standard deviation; a constant
        feature has spread one, so that no item is unusual in it.
        """
        sample = np.asarray(self.X[self.sketch_rows], np.float64)
        centre = np.median(sample, axis=0)
        spread = 1.4826 * np.median(np.abs(sample - centre), axis=0)
        spread = np.where(spread > 0, spread, sample.std(axis=0))
        return centre, np.where(spread > 0, spread, 1.0)

    # ---- axes in which distances are cheap -------------------------------------------------------

    @cached_property
    def sketch_rows(self) -> NDArray[np.int64]:
        """The rows of the sketch, at most 20,000, in order."""
        return self._draw(SKETCH_SAMPLE)

    @cached_property
    def _axes(self) -> PCA | None:
        """The principal axes of the sketch; None where the features are few enough as they are."""
        values = self.values(self.sketch_rows)
        if values.shape[1] <= PROJECTED_ABOVE or len(values) <= MAX_AXES:
            return None
        return decomposition.PCA(MAX_AXES, svd_solver="randomized", random_state=0).fit(values)

    def project(self, vectors: ArrayLike) -> NDArray[np.float32]:
        """Vectors of the pool's features in the axes, float32 ``(n_vectors, n_axes)``."""
        values = self._measured(np.atleast_2d(np.asarray(vectors, np.float32)))
        return values if self._axes is None else self._axes.transform(values).astype(np.float32)

    @cached_property
    def sketch(self) -> NDArray[np.float32]:
        """The items of the sketch in the axes."""
        return self.project(self.X[self.sketch_rows])

    @cached_property
    def _projected(self) -> NDArray[np.float32] | None:
        """All items in the axes, where they are other than the features and fit into a gigabyte."""
        same = self._axes is None and self.metric == "euclidean"
        if same or len(self.X) * self.sketch.shape[1] * 4 > KEPT_BYTES:
            return None
        result = np.empty((len(self.X), self.sketch.shape[1]), np.float32)
        for piece, values in blocks(self.X):
            result[piece] = self.project(values)
        return result

    def reach(
        self,
        vectors: NDArray[np.float32],
        what: str,
        over: Literal["pool", "sketch"] = "pool",
        progress: Progress = tell_nobody,
    ) -> NDArray[np.float32]:
        """The distance of every item to the nearest of some vectors; infinite without any.

        What is known of vectors that were there before is kept, so that only new ones cost. Of more than
        500, a fixed half, quarter, ... of all vectors is taken, so that which are depends on nothing else.

        Parameters
        ----------
        what
            Names the set of vectors, which grows from call to call.
        over
            The whole pool, ``(n_items,)``, which is touched then, or its sketch.
        progress
            Told before each block of items, with the share done.
        """
        n_items = len(self.X) if over == "pool" else len(self.sketch)
        keys = {vector.tobytes(): vector for vector in np.asarray(vectors, np.float32)}
        chosen = _thinned(list(keys))
        known, distance = self._reached.get((what, over), (set(), np.empty(0, np.float32)))
        if not known or not known <= set(chosen):
            known, distance = set(), np.full(n_items, np.inf, np.float32)
        fresh = [keys[key] for key in chosen if key not in known]
        if fresh:
            distance = np.minimum(distance, self._distances(self.project(np.stack(fresh)), over, progress))
        self._reached[what, over] = (set(chosen), distance)
        return distance

    def places_of(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Vectors in the axes, those that `reach` goes by: each once, a fixed part of more than 500."""
        keys = {vector.tobytes(): vector for vector in np.asarray(vectors, np.float32)}
        return self.project(np.stack([keys[key] for key in _thinned(list(keys))]))

    def distance_to(self, places: NDArray[np.float32], items: NDArray[np.float32]) -> NDArray[np.float32]:
        """The distance ``(n_items,)`` of items, of the pool or not, to the nearest of some places in the axes."""
        result = np.empty(len(items), np.float32)
        for piece, values in blocks(items, NEAR_BLOCK):
            result[piece] = np.sqrt(distances_to(places, self.project(values), "euclidean").min(axis=0))
        return result

    def _distances(self, places: NDArray[np.float32], over: str, progress: Progress) -> NDArray[np.float32]:
        """The distance of every item to the nearest of some places in the axes."""
        items = self.sketch if over == "sketch" else self.X if self._projected is None else self._projected
        result = np.empty(len(items), np.float32)
        for piece, values in blocks(items):
            progress(piece.start / len(items), f"{piece.start:,} of {len(items):,} items")
            there = self.project(values) if items is self.X else values
            result[piece] = np.sqrt(distances_to(places, there, "euclidean").min(axis=0))
        return result

    # ---- how items lie among the others ----------------------------------------------------------

    @cached_property
    def isolation(self) -> NDArray[np.float64]:
        """How isolated each item of the sketch is, by a forest (Liu et al., 2008): higher is more alone."""
        values = self.values(self.sketch_rows)
        return -ensemble.IsolationForest(random_state=0).fit(values).score_samples(values)

    @cached_property
    def _neighbours(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Distances and places of the nearest items of each item of the sketch, itself left out."""
        n_neighbours = min(REGION, len(self.sketch) - 1)
        if n_neighbours < 1:
            return np.zeros((len(self.sketch), 1)), np.zeros((len(self.sketch), 1), np.int64)
        return neighbors.NearestNeighbors(n_neighbors=n_neighbours).fit(self.sketch).kneighbors()

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
        least = np.quantile(self.sparsity, 0.01)
        ones = np.ones(len(self.sparsity))
        return np.divide(np.maximum(self.sparsity, least), np.maximum(around, least), out=ones, where=around > 0)

    @cached_property
    def ball_radius(self) -> float:
        """The median distance to the 20th neighbour."""
        return float(np.median(self.sparsity))

    @cached_property
    def balls(self) -> csr_matrix:
        """Which items of the sketch lie within `ball_radius` of each, itself included; at most 200 each."""
        n_neighbours = min(MOST_IN_BALL, len(self.sketch))
        index = neighbors.NearestNeighbors(n_neighbors=n_neighbours).fit(self.sketch)
        distances, near = index.kneighbors(self.sketch)
        inside = distances <= max(self.ball_radius, 1e-12)
        rows = np.repeat(np.arange(len(near)), n_neighbours)[inside.ravel()]
        shape = (len(near), len(near))
        ones = sparse.csr_matrix((np.ones(len(rows)), (rows, near.ravel()[inside.ravel()])), shape=shape)
        # Of the many items of a full ball only the nearest are listed: make the relation mutual again.
        return ones.maximum(ones.T).tocsr()

    @cached_property
    def apartness(self) -> NDArray[np.float64]:
        """The sum of the ranks in isolation and in sparsity of each item of the sketch, 0 to 2."""
        ranks = [stats.rankdata(values) for values in (self.isolation, self.sparsity)]
        return np.sum(ranks, axis=0) / len(self.sketch)

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

    # ---- cells -----------------------------------------------------------------------------------

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """The rows of which the cell is known, at most 100,000, in order."""
        return self._draw(CELL_SAMPLE)

    @cached_property
    def cells(self) -> MiniBatchKMeans:
        """300 k-means cells of the sketch, fewer where they would hold less than ten items each."""
        n_cells = int(np.clip(len(self.sketch) // LEAST_CELL, 1, MOST_CELLS))
        return cluster.MiniBatchKMeans(n_cells, n_init=1, batch_size=4096, random_state=0).fit(self.sketch)

    def cell_of(self, vectors: NDArray[np.float32]) -> NDArray[np.int64]:
        """The cells in which some vectors lie."""
        if not len(vectors):
            return np.empty(0, np.int64)
        return self.cells.predict(self.project(vectors)).astype(np.int64)

    @cached_property
    def cell(self) -> NDArray[np.int64]:
        """The cell of each of `rows`."""
        cells = np.empty(len(self.rows), np.int64)
        for piece, values in blocks(Rows(self.X, self.rows)):
            cells[piece] = self.cell_of(values)
        return cells

    @cached_property
    def _cell_order(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """`rows` by their cells, and where each cell begins among them."""
        order = np.argsort(self.cell, kind="stable")
        return self.rows[order], np.searchsorted(self.cell[order], np.arange(self.cells.n_clusters + 1))

    def cell_members(self, cell: int) -> NDArray[np.int64]:
        """Those of `rows` that lie in a cell, in order."""
        rows, starts = self._cell_order
        return rows[starts[cell] : starts[cell + 1]]

    @cached_property
    def cell_isolation(self) -> NDArray[np.float64]:
        """The mean isolation of the items of each cell; minus infinity for an empty one."""
        cell = self.cells.predict(self.sketch)
        sizes = np.bincount(cell, minlength=self.cells.n_clusters)
        sums = np.bincount(cell, weights=self.isolation, minlength=len(sizes))
        return np.where(sizes > 0, sums / np.maximum(sizes, 1), -np.inf)


def _thinned(keys: list[bytes]) -> list[bytes]:
    """Those of at most 500: all, or the ones whose hash lies in the first half, quarter, ... of its range.

    While more come in, the ones taken only grow, until they are halved.
    """
    if len(keys) <= MOST_REACHED:
        return keys
    hashes = {key: int.from_bytes(blake2b(key, digest_size=8).digest(), "big") for key in keys}
    limit = 2**64
    while len(keys) > MOST_REACHED:
        limit //= 2
        keys = [key for key in keys if hashes[key] < limit]
    return keys
