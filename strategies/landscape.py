"""What is known of a pool without any label: how isolated items are, how density changes, which cells it has."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest

from .retrieval import Metric, unit
from .rows import Rows, blocks

FOREST_SAMPLE = 20_000
CONTRAST_SAMPLE = 20_000
CELL_SAMPLE = 50_000
SCORED_SAMPLE = 100_000
MAX_AXES = 50
NEAR, FAR = 5, 50


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
        values = np.asarray(self.X[rows], np.float32)
        return unit(values) if self.metric == "cosine" else values

    @cached_property
    def isolation(self) -> NDArray[np.float64]:
        """How isolated each of `rows` is, by a forest (Liu et al., 2008): higher is more unlike the others."""
        fitted = self._draw(self.rows, FOREST_SAMPLE)
        forest = IsolationForest(random_state=0).fit(self.values(fitted))
        scores = np.empty(len(self.rows))
        for piece, values in blocks(Rows(self.X, self.rows)):
            scores[piece] = -forest.score_samples(unit(values) if self.metric == "cosine" else values)
        return scores
