"""Why an item is asked: its nearest labelled items of each class, and the features in which it is unusual."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .landscape import Landscape
from .retrieval import nearest

MOST_UNUSUAL = 3
UNUSUAL_FROM = 2.0  # robust standard deviations


@dataclass(frozen=True)
class Neighbour:
    """The labelled item of one class that is nearest: its class index, its row, and the distance."""

    class_index: int
    row: int
    distance: float


@dataclass(frozen=True)
class Unusual:
    """A feature in which an item is unusual: its column, and how far from the median in robust sd."""

    feature: int
    deviation: float


@dataclass(frozen=True)
class Reason:
    """What speaks about one query: neighbours nearest first, features most unusual first."""

    neighbours: tuple[Neighbour, ...]
    unusual: tuple[Unusual, ...]


def explain(
    landscape: Landscape,
    rows: NDArray[np.int64],
    labelled: NDArray[np.int64],
    classes: NDArray[np.int64],
    unexplained: Sequence[int] = (),
) -> tuple[Reason, ...]:
    """Reasons for some rows, in their order.

    Parameters
    ----------
    landscape
        Of the pool; its metric measures the distances, in the space of the features.
    rows
        The queries, int64 ``(n_queries,)``.
    labelled, classes
        The labelled rows and their class indices, ``(n_labels,)``.
    unexplained
        Columns that are never named as unusual.
    """
    vectors = landscape.values(rows)
    near = [
        (int(c), *_nearest_of(landscape, vectors, labelled[classes == c])) for c in np.unique(classes) if len(rows)
    ]
    unusual = _unusual(landscape, rows, np.array(unexplained, np.int64))
    reasons = []
    for i in range(len(rows)):
        neighbours = [Neighbour(c, int(where[i]), float(distance[i])) for c, where, distance in near]
        reasons.append(Reason(tuple(sorted(neighbours, key=lambda n: n.distance)), unusual[i]))
    return tuple(reasons)


def _nearest_of(landscape: Landscape, vectors: NDArray[np.float32], members: NDArray[np.int64]) -> Any:
    distances, positions = nearest(landscape.values(members), vectors, 1, landscape.metric)
    return members[positions[:, 0]], distances[:, 0]


def _unusual(
    landscape: Landscape, rows: NDArray[np.int64], unexplained: NDArray[np.int64]
) -> list[tuple[Unusual, ...]]:
    centre, spread = landscape.centre_and_spread
    deviations = (np.asarray(landscape.X[rows], np.float64) - centre) / spread
    deviations[:, unexplained] = 0.0
    order = np.argsort(-np.abs(deviations), axis=1, kind="stable")[:, :MOST_UNUSUAL]
    return [
        tuple(Unusual(int(j), float(deviations[i, j])) for j in order[i] if abs(deviations[i, j]) >= UNUSUAL_FROM)
        for i in range(len(rows))
    ]
