"""Finding members of rare classes: the most likely ones, and where to look before there is a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest

from .base import Brief, Queries, QueryStrategy, class_labels, generator, take_best
from .rows import Rows, blocks, predict_proba, view

FOREST_SAMPLE = 20_000
SCORED_SAMPLE = 100_000


class Top(QueryStrategy):
    """The most likely members of the classes that are looked for.

    Several classes take turns, each by its own ranking, so that a rarer one is not drowned.

    Parameters
    ----------
    classes
        The classes looked for; the least frequent class of ``learner.y_training`` by default. Classes
        that the learner does not know yet are passed over.
    """

    name = "top"
    label = "Most likely rare"
    description = "The most likely members of the classes that are looked for, in turn."

    def __init__(self, classes: Sequence[Any] | None = None) -> None:
        self.classes = classes

    @classmethod
    def from_brief(cls, brief: Brief) -> Top:
        """For the classes that are looked for."""
        return cls(brief.wanted or None)

    def __call__(
        self,
        learner: Any,
        X_pool: Any,
        n_instances: int = 1,
        random_state: np.random.Generator | None = None,
    ) -> Queries:
        """Choose the best of each class in turn; the score is the probability; touches the whole pool."""
        rng = generator(random_state)
        known = class_labels(learner)
        probabilities = predict_proba(learner, X_pool)
        columns = [int(np.flatnonzero(known == c)[0]) for c in self.classes or () if (known == c).any()]
        if not columns:
            columns = [_rarest_column(learner, known)]
        rankings = [take_best(probabilities[:, column], n_instances, rng) for column in columns]
        chosen: dict[int, float] = {}
        for place in range(min(n_instances, len(X_pool))):
            for column, ranking in zip(columns, rankings, strict=True):
                if len(chosen) < n_instances:
                    chosen.setdefault(int(ranking[place]), float(probabilities[ranking[place], column]))
        return np.array(list(chosen), np.int64), np.array(list(chosen.values()))


def _rarest_column(learner: Any, known: NDArray[Any]) -> int:
    y = np.asarray(getattr(learner, "y_training", ()))
    if not len(y):
        return len(known) - 1
    counts = np.array([np.count_nonzero(y == c) for c in known])
    return int(np.where(counts > 0, counts, len(y) + 1).argmin())


@dataclass(frozen=True)
class ColdQueries:
    """Queries made without a model: positions in the pool, the arm of each, and its probability.

    `probability` is the selection probability of a uniformly drawn item and NaN for the others.
    """

    positions: NDArray[np.int64]
    arms: tuple[str, ...]
    probability: NDArray[np.float64]
    scores: NDArray[np.float64]


def cold_start(X_pool: Rows, n: int, rng: np.random.Generator) -> ColdQueries:
    """Where to look without a model: half isolation forest (Liu et al., 2008), half uniform, mixed.

    The forest is fitted to at most 20,000 rows and scores a random subset of at most 100,000, so that
    the cost does not grow with the pool.

    Parameters
    ----------
    X_pool
        The items that can be asked, ``(n_items, n_features)``.
    n
        How many; all items when there are fewer.
    """
    n = min(n, len(X_pool))
    n_uniform = n // 2 if n < len(X_pool) else n
    uniform = rng.choice(len(X_pool), size=n_uniform, replace=False).astype(np.int64)
    positions, scores = _most_isolated(X_pool, n - n_uniform, uniform, rng)
    order = rng.permutation(n)
    arms = np.array(["isolation forest"] * len(positions) + ["random"] * n_uniform, dtype=object)
    chance = n_uniform / max(len(X_pool), 1)
    probability = np.r_[np.full(len(positions), np.nan), np.full(n_uniform, chance)]
    # The forest's own order is kept: its best come first among the places that it gets.
    places = np.sort(order[: len(positions)])
    mixed = np.empty(n, np.int64)
    mixed[places] = np.arange(len(positions))
    mixed[np.setdiff1d(np.arange(n), places)] = np.arange(len(positions), n)
    return ColdQueries(
        np.r_[positions, uniform][mixed],
        tuple(str(arm) for arm in arms[mixed]),
        probability[mixed],
        np.r_[scores, np.zeros(n_uniform)][mixed],
    )


def _most_isolated(
    X_pool: Rows, n: int, taken: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The n items of a random subset that an isolation forest finds most isolated."""
    if n == 0:
        return np.empty(0, np.int64), np.empty(0)
    n_items = len(X_pool)
    subset = np.arange(n_items)
    if n_items > SCORED_SAMPLE:
        subset = np.sort(rng.choice(n_items, SCORED_SAMPLE, replace=False))
    fitted = subset if len(subset) <= FOREST_SAMPLE else rng.choice(subset, FOREST_SAMPLE, replace=False)
    forest = IsolationForest(random_state=int(rng.integers(2**31))).fit(X_pool[np.sort(fitted)])
    scores = np.empty(len(subset))
    for piece, values in blocks(view(X_pool, subset)):
        scores[piece] = -forest.score_samples(values)
    scores[np.isin(subset, taken)] = -np.inf
    best = take_best(scores, n, rng)
    return subset[best].astype(np.int64), scores[best]
