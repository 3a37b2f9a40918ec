"""Covering the pool: strategies that ask in the parts of which least is labelled."""

from __future__ import annotations

import heapq

import numpy as np

from ..later import Later
from .base import Queries
from .exploration import Explorer, Scene

stats = Later("scipy.stats")


class Coverage(Explorer):
    """Items of k-means cells in which least is labelled, the most isolated cells first."""

    name = "coverage"
    label = "Coverage"
    description = "Regions of the pool of which nothing is labelled, the sparsest first."

    def explore(self, scene: Scene, n: int, rng: np.random.Generator) -> Queries:
        """One random item of each cell in turn; the score is minus the labels that the cell has then."""
        landscape = scene.landscape
        labelled = np.bincount(landscape.cell_of(scene.labelled), minlength=landscape.cells.n_clusters)
        order = stats.rankdata(-landscape.cell_isolation, method="ordinal")
        turns = [(int(labelled[c]), int(order[c]), c) for c in range(len(order))]
        heapq.heapify(turns)
        members: dict[int, list[int]] = {}
        chosen: list[int] = []
        scores: list[float] = []
        while turns and len(chosen) < n:
            turn, rank, c = heapq.heappop(turns)
            if c not in members:
                members[c] = rng.permutation(scene.find(landscape.cell_members(c))[0]).tolist()
            if members[c]:
                chosen.append(members[c].pop())
                scores.append(-float(turn))
                heapq.heappush(turns, (turn + 1, rank, c))
        return np.array(chosen, np.int64), np.array(scores)


class ProbCover(Explorer):
    """Items whose surroundings hold most that is near no labelled item (ProbCover, Yehuda et al., 2022).

    Greedy maximum coverage by balls over the sketch of the pool. The radius is the median distance to the
    20th neighbour, so that a ball holds some tens of items; the paper's choice needs the number of classes.
    """

    name = "probcover"
    label = "Coverage by balls (ProbCover)"
    description = "Typical items of dense parts of the pool near which nothing is labelled."

    def explore(self, scene: Scene, n: int, rng: np.random.Generator) -> Queries:
        """The centres of the fullest balls in turn; the score is how many items each newly covers."""
        landscape = scene.landscape
        balls = landscape.balls
        uncovered = landscape.reach(scene.labelled, "labelled", "sketch") > landscape.ball_radius
        positions, places = scene.find(landscape.sketch_rows)
        position_of = np.full(len(uncovered), -1)
        position_of[places] = positions
        gains = (balls @ uncovered.astype(np.float64)) + 1e-6 * rng.random(len(uncovered))
        gains[position_of < 0] = -np.inf
        chosen: list[int] = []
        scores: list[float] = []
        while len(chosen) < min(n, len(places)):
            best = int(gains.argmax())
            chosen.append(best)
            scores.append(float(round(gains[best])))
            inside = balls.indices[balls.indptr[best] : balls.indptr[best + 1]]
            fresh = inside[uncovered[inside]]
            uncovered[fresh] = False
            np.subtract.at(gains, balls[fresh].indices, 1.0)
            gains[best] = -np.inf
        return position_of[np.array(chosen, np.int64)], np.array(scores)


class TypiClust(Explorer):
    """The most typical item of the largest cells of which least is labelled (TypiClust, Hacohen et al., 2022).

    Typical is what has near neighbours. The cells are the 300 of the landscape, not as many as there are
    labels, so that they need not be made anew in every round.
    """

    name = "typiclust"
    label = "Typical items (TypiClust)"
    description = "The most typical item of each large part of the pool of which nothing is labelled."

    def explore(self, scene: Scene, n: int, rng: np.random.Generator) -> Queries:
        """One item a cell in turn; the score is minus the labels that the cell has then."""
        landscape = scene.landscape
        cell = landscape.cells.predict(landscape.sketch)
        sizes = np.bincount(cell, minlength=landscape.cells.n_clusters)
        labelled = np.bincount(landscape.cell_of(scene.labelled), minlength=len(sizes))
        positions, places = scene.find(landscape.sketch_rows)
        shuffled = rng.permutation(len(places))
        shuffled = shuffled[np.argsort(landscape.sparsity[places[shuffled]], kind="stable")]
        mine = cell[places[shuffled]]
        by_cell = np.argsort(mine, kind="stable")
        starts = np.searchsorted(mine[by_cell], mine[by_cell])
        turn = np.empty(len(mine), np.int64)
        turn[by_cell] = labelled[mine[by_cell]] + np.arange(len(mine)) - starts
        best = np.lexsort((-sizes[mine], turn))[:n]
        return positions[shuffled[best]], -turn[best].astype(np.float64)
