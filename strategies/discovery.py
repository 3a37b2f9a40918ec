"""Finding more members of the classes that are looked for: the most likely ones, and those like the known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .base import (
    Brief,
    Queries,
    QueryStrategy,
    WantedStrategy,
    class_labels,
    generator,
    labelled_items,
    rarest_class,
    take_best,
    wanted_columns,
)
from .exploration import Scene
from .landscape import Landscape
from .retrieval import Metric
from .rows import predict_proba


class Top(WantedStrategy):
    """The most likely members of the classes that are looked for.

    Several classes share the effort by need: an item's probability of a class counts ``1 / √(1 + n)`` of
    it, n being the labels that the class has, so that a rarer one is not drowned.

    Parameters
    ----------
    classes
        The classes looked for; the least frequent class of ``learner.y_training`` by default. Classes
        that the learner does not know yet are passed over.
    """

    name = "top"
    label = "Most likely rare"
    description = "The most likely members of the classes that are looked for."

    def __call__(
        self,
        learner: Any,
        X_pool: Any,
        n_instances: int = 1,
        random_state: np.random.Generator | None = None,
    ) -> Queries:
        """Choose the best, by probability and need; the score is the probability; touches the whole pool."""
        rng = generator(random_state)
        probabilities = predict_proba(learner, X_pool)
        columns = wanted_columns(learner, self.classes)
        known, y = class_labels(learner), labelled_items(learner)[1]
        counts = np.array([np.count_nonzero(y == known[column]) for column in columns])
        return _by_need(probabilities[:, columns], 1.0 / np.sqrt(1.0 + counts), n_instances, rng)


def _by_need(
    probabilities: NDArray[np.floating], need: NDArray[np.float64], n: int, rng: np.random.Generator
) -> Queries:
    """The best of each column, in the order of probability times need ``(n_columns,)``; each item once."""
    rankings = [take_best(column, n, rng) for column in probabilities.T]
    items = np.concatenate(rankings)
    columns = np.repeat(np.arange(len(rankings)), [len(ranking) for ranking in rankings])
    likely = probabilities[items, columns].astype(np.float64)
    order = np.argsort(-np.nan_to_num(likely * need[columns], nan=-np.inf), kind="stable")
    first = np.sort(np.unique(items[order], return_index=True)[1])[:n]
    return items[order][first], likely[order][first]


class Similar(QueryStrategy):
    """More like these: items near a labelled member of the classes that are looked for.

    One nearest neighbour against the others: the score is ``d₋ / (d₊ + d₋)``, with the distances to the
    nearest labelled item of the classes looked for and of the others; without others, ``−d₊``. Distances
    are those of the landscape: in 50 principal axes above 64 features, to at most 500 labelled items of each kind.

    Parameters
    ----------
    classes
        The classes looked for; the least frequent class of ``learner.y_training`` by default.
    metric
        Of the distances.
    landscape
        The pool's, which remembers distances; else one is made of the candidates in every call.
    """

    name = "similar"
    label = "More like these"
    description = "Items near the labelled members of the classes that are looked for: works from the first one."
    needs_model = False
    needs_member = True

    def __init__(
        self,
        classes: Sequence[Any] | None = None,
        metric: Metric = "euclidean",
        landscape: Landscape | None = None,
    ) -> None:
        self.classes = classes
        self.metric: Metric = metric
        self.landscape = landscape

    @classmethod
    def from_brief(cls, brief: Brief) -> Similar:
        """For the classes that are looked for, with the landscape of the pool."""
        return cls(brief.wanted or None, brief.metric, brief.landscape)

    def __call__(
        self,
        learner: Any,
        X_pool: Any,
        n_instances: int = 1,
        random_state: np.random.Generator | None = None,
    ) -> Queries:
        """Choose the items with the highest scores; random ones, with score −inf, without a member."""
        rng = generator(random_state)
        X, y = labelled_items(learner)
        classes = list(self.classes) if self.classes is not None else [rarest_class(y)] if len(y) else []
        member = np.isin(y, classes)
        scores = np.full(len(X_pool), -np.inf)
        if member.any() and len(X_pool):
            scene = Scene(self.landscape, self.metric, learner, X_pool)
            near = scene.reach(X[member], "members")
            far = scene.reach(X[~member], "others")
            scores = far / np.maximum(near + far, 1e-12) if not member.all() else -near
        best = take_best(scores, n_instances, rng)
        return best, np.asarray(scores[best], np.float64)
