"""Looking where nothing is known yet: strategies that need no model, and no label."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .base import Brief, Queries, QueryStrategy, generator
from .landscape import Landscape
from .retrieval import Metric
from .rows import Rows


class Scene:
    """The candidates of one call as the landscape sees them, and what is labelled.

    `rows` are the candidates' rows in the pool, or None where they are the pool themselves; `labelled` are
    the vectors of the labelled items, ``(n_labels, n_features)``.
    """

    def __init__(self, landscape: Landscape | None, metric: Metric, learner: Any, X_pool: Any) -> None:
        training = getattr(learner, "X_training", None)
        self.labelled = np.empty((0, X_pool.shape[1]), np.float32) if training is None else np.asarray(training)
        self.rows: NDArray[np.int64] | None = None
        self._order: NDArray[np.int64] | None = None
        if landscape is not None and isinstance(X_pool, Rows):
            self.landscape, self.rows = landscape, X_pool.index
            # A subpool comes in an order of its own.
            if self.rows is not None and (np.diff(self.rows) <= 0).any():
                self._order = np.argsort(self.rows, kind="stable")
        else:
            self.landscape = Landscape(np.asarray(X_pool, np.float32), metric)

    def find(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Of some rows of the pool, in order: the positions of those that are candidates, and their places."""
        if self.rows is None:
            return rows, np.arange(len(rows))
        ordered = self.rows if self._order is None else self.rows[self._order]
        where = np.minimum(np.searchsorted(ordered, rows), len(ordered) - 1)
        places = np.flatnonzero(ordered[where] == rows)
        found = where[places]
        return (found if self._order is None else self._order[found]), places

    def reach(self, vectors: NDArray[np.float32], what: str) -> NDArray[np.float32]:
        """The distance of each candidate to the nearest of some vectors; touches the whole pool."""
        distance = self.landscape.reach(vectors, what)
        return distance if self.rows is None else distance[self.rows]


class Explorer(QueryStrategy):
    """A strategy that goes by the landscape of the pool: what is known of it without any label.

    Parameters
    ----------
    metric
        In which items are near each other.
    landscape
        The pool's, where it is known already; else it is made of the candidates in every call.
    """

    needs_model = False

    def __init__(self, metric: Metric = "euclidean", landscape: Landscape | None = None) -> None:
        self.metric: Metric = metric
        self.landscape = landscape

    @classmethod
    def from_brief(cls, brief: Brief) -> Self:
        """With the landscape of the pool."""
        return cls(brief.metric, brief.landscape)

    def __call__(
        self,
        learner: Any,
        X_pool: Any,
        n_instances: int = 1,
        random_state: np.random.Generator | None = None,
    ) -> Queries:
        """Choose among the candidates that the landscape speaks of; others at random, with score −inf."""
        rng = generator(random_state)
        n = min(n_instances, len(X_pool))
        if not n:
            return np.empty(0, np.int64), np.empty(0)
        scene = Scene(self.landscape, self.metric, learner, X_pool)
        positions, scores = self.explore(scene, n, rng)
        if len(positions) < n:
            rest = np.setdiff1d(np.arange(len(X_pool)), positions)
            filler = rng.choice(rest, n - len(positions), replace=False)
            positions, scores = np.r_[positions, filler], np.r_[scores, np.full(len(filler), -np.inf)]
        return positions.astype(np.int64), scores

    @abstractmethod
    def explore(self, scene: Scene, n: int, rng: np.random.Generator) -> Queries:
        """Positions among the candidates, best first, and their scores; at most n."""


class Lookout(Explorer):
    """Items that stand apart from the whole pool: isolated, and in sparse places.

    The sum of two ranks: isolation by a forest (Liu et al., 2008), and the distance to the 20th
    neighbour. An item among the 50 nearest of a labelled one, or of a better one, has to wait.
    """

    name = "lookout"
    label = "Look-out"
    description = "Items that stand apart from the whole pool, each from another place."

    def explore(self, scene: Scene, n: int, rng: np.random.Generator) -> Queries:
        """The best items, none near a labelled item or a better one."""
        landscape = scene.landscape
        score = self.score(landscape)
        positions, places = scene.find(landscape.sketch_rows)
        position_of = np.full(len(score), -1)
        position_of[places] = positions
        taken = position_of < 0
        for vector in scene.labelled:
            taken[landscape.neighbourhood(vector).places] = True
        # Scores lie so far apart that this only shuffles ties.
        order = np.argsort(-(score + 1e-12 * rng.random(len(score))), kind="stable")
        waiting = taken.copy()
        chosen: list[int] = []
        for place in order[~taken[order]]:
            if len(chosen) == n:
                break
            if not waiting[place]:
                chosen.append(int(place))
                waiting[landscape.neighbourhood(landscape.X[landscape.sketch_rows[place]]).places] = True
        if len(chosen) < n:  # all others are near one of these: they follow all the same
            rest = order[(position_of[order] >= 0) & ~np.isin(order, chosen)]
            chosen += rest[: n - len(chosen)].tolist()
        picked = np.array(chosen, np.int64)
        return position_of[picked], score[picked]

    def score(self, landscape: Landscape) -> NDArray[np.float64]:
        """How far each item of the sketch stands apart, 0 to 2."""
        return landscape.apartness


class Contrast(Lookout):
    """Items in sparser places than their own neighbours are: the edges and the odd ones of dense regions.

    By a local outlier factor (Breunig et al., 2000); near items wait as in the look-out.
    """

    name = "contrast"
    label = "Local contrast"
    description = "Items that stand apart from their own neighbourhood."

    def score(self, landscape: Landscape) -> NDArray[np.float64]:
        """The local outlier factor of each item of the sketch."""
        return landscape.contrast


class Unlike(Explorer):
    """Items far from everything that is labelled, each also far from the ones before it.

    The farthest-first traversal (Gonzalez, 1985; as core-set, Sener & Savarese, 2018).
    """

    name = "unlike"
    label = "Unlike anything labelled"
    description = "Items far from everything that has a label: classes that nobody has named yet."

    def explore(self, scene: Scene, n: int, rng: np.random.Generator) -> Queries:
        """The farthest items; the score is the distance, in the axes of the landscape's sketch."""
        landscape = scene.landscape
        positions, places = scene.find(landscape.sketch_rows)
        candidates = landscape.sketch[places]
        norms = np.einsum("ij,ij->i", candidates, candidates)
        distance = landscape.reach(scene.labelled, "labelled", "sketch")[places]
        chosen: list[int] = []
        scores: list[float] = []
        while len(chosen) < min(n, len(places)):
            best = int(rng.integers(len(places))) if np.isinf(distance).all() else int(distance.argmax())
            chosen.append(best)
            scores.append(float(distance[best]))
            squared = norms + norms[best] - 2 * (candidates @ candidates[best])
            distance = np.minimum(distance, np.sqrt(np.maximum(squared, 0)))
            distance[best] = -1.0
        return positions[np.array(chosen, np.int64)], np.nan_to_num(np.array(scores), posinf=0.0)
