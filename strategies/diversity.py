"""Batches that do not ask the same thing twice: wrappers that choose among the candidates of another strategy."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .base import Queries, QueryStrategy, generator
from .retrieval import Metric, unit


class Chosen(QueryStrategy):
    """Asks another strategy for more than it needs, and chooses a batch among that.

    What a subpool was filled up with, at the score −inf, is chosen only when nothing else is left.

    Parameters
    ----------
    base
        The strategy that is asked.
    factor
        How many candidates it is asked for, times the size of the batch; at least 1.

    Raises
    ------
    ValueError
        When `factor` is below 1.
    """

    def __init__(self, base: QueryStrategy, factor: float = 3) -> None:
        if not factor >= 1:
            raise ValueError(f"factor is {factor}: it must be at least 1, to choose from a whole batch")
        self.base = base
        self.factor = factor

    @abstractmethod
    def choose(
        self, X_pool: Any, candidates: NDArray[np.int64], n: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Which `n` of the candidates, as places in `candidates`, each once.

        Parameters
        ----------
        candidates
            Positions in X_pool, best first; more than `n`.
        """

    def __call__(
        self,
        learner: Any,
        X_pool: Any,
        n_instances: int = 1,
        random_state: np.random.Generator | None = None,
    ) -> Queries:
        """Choose a batch; costs what the base strategy costs, and the choice among its candidates."""
        rng = generator(random_state)
        n = min(n_instances, len(X_pool))
        n_candidates = min(int(np.ceil(self.factor * n)), len(X_pool))
        positions, scores = self.base(learner, X_pool, n_candidates, random_state=rng)
        n_real = max(int(np.sum(~np.isneginf(scores))), n)
        positions, scores = positions[:n_real], scores[:n_real]
        if len(positions) <= n:
            return positions, scores
        places = self.choose(X_pool, positions, n, rng)
        return positions[places], scores[places]


class Diverse(Chosen):
    """A batch that is spread out, drawn from the candidates of another strategy as k-means++ draws its centres.

    The best candidate is always chosen. Each further one is drawn with a probability proportional to its
    weight times its squared distance to the nearest one chosen so far (D² sampling, Arthur &
    Vassilvitskii, 2007); the weight falls in a straight line from the best candidate to the last one.
    They come in the order in which they are drawn, so that the first few of a batch are spread out too.
    When all that is left has been chosen before, as far as the features tell, the best of it follow.

    Parameters
    ----------
    base, factor
        See `Chosen`.
    metric
        With the cosine, distances are between directions.
    """

    name = "diverse"
    label = "Diverse"
    description = "Another strategy, with batches that are spread out."

    def __init__(self, base: QueryStrategy, factor: float = 3, metric: Metric = "euclidean") -> None:
        super().__init__(base, factor)
        self.metric: Metric = metric

    def choose(
        self, X_pool: Any, candidates: NDArray[np.int64], n: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Draw them; takes O(n · n_candidates · n_features)."""
        values = np.asarray(X_pool[candidates], np.float32)
        if self.metric == "cosine":
            values = unit(values)
        weights = 1.0 - np.arange(len(candidates)) / len(candidates)
        taken = np.zeros(len(candidates), bool)
        squared = np.full(len(candidates), np.inf)
        drawn = [0]
        while True:
            taken[drawn[-1]] = True
            gap = values - values[drawn[-1]]
            squared = np.minimum(squared, np.einsum("ij,ij->i", gap, gap, dtype=np.float64))
            chance = np.where(taken, 0.0, weights * squared)
            if len(drawn) == n or not chance.sum() > 0:
                break
            drawn.append(int(rng.choice(len(candidates), p=chance / chance.sum())))
        rest = np.flatnonzero(~taken)[: n - len(drawn)]
        return np.r_[np.array(drawn, np.int64), rest]


class Quotas(Chosen):
    """The best candidates of another strategy, of which no cell of a clustering may have more than a share.

    When the candidates cannot fill the batch so, the best of those left out follow.

    Parameters
    ----------
    base, factor
        See `Chosen`.
    cells
        The cell of each item of the pool, an integer array ``(n_items,)``, or a function from rows of it
        ``(n, n_features)`` to their cells, such as ``MiniBatchKMeans(...).fit(X).predict``.
    share
        Of the batch, that one cell may have at most; above 0, and one item at least.

    Raises
    ------
    ValueError
        When `share` is not above 0 and at most 1; in a call, when `cells` does not fit the pool.
    """

    name = "quotas"
    label = "Quotas"
    description = "Another strategy, with batches of which no cell of the pool has more than a share."

    def __init__(
        self,
        base: QueryStrategy,
        cells: ArrayLike | Callable[[Any], ArrayLike],
        share: float = 0.6,
        factor: float = 3,
    ) -> None:
        super().__init__(base, factor)
        if not 0 < share <= 1:
            raise ValueError(f"share is {share}: it must be above 0 and at most 1")
        self.cells = cells
        self.share = share

    def choose(
        self, X_pool: Any, candidates: NDArray[np.int64], n: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """The best ones within the quotas, then the best of the others."""
        cells = self._cells_of(X_pool, candidates)
        allowed = max(int(self.share * n + 1e-9), 1)
        # The place of each candidate within its own cell, from 0.
        order = np.argsort(cells, kind="stable")
        starts = np.r_[0, np.flatnonzero(np.diff(cells[order])) + 1]
        earlier = np.empty(len(cells), np.int64)
        earlier[order] = np.arange(len(cells)) - np.repeat(starts, np.diff(np.r_[starts, len(cells)]))
        within = earlier < allowed
        return np.r_[np.flatnonzero(within), np.flatnonzero(~within)][:n]

    def _cells_of(self, X_pool: Any, candidates: NDArray[np.int64]) -> NDArray[Any]:
        if callable(self.cells):
            cells = np.asarray(self.cells(X_pool[candidates]))
            if cells.shape != candidates.shape:
                raise ValueError(f"cells returned shape {cells.shape} for {len(candidates):,} items: one each")
            return np.unique(cells, return_inverse=True)[1]
        cells = np.asarray(self.cells)
        if cells.shape != (len(X_pool),):
            raise ValueError(
                f"cells has shape {cells.shape}: it must name a cell for each of {len(X_pool):,} items"
            )
        return np.unique(cells[candidates], return_inverse=True)[1]
