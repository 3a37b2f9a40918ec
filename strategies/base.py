"""What a query strategy is, and how scores become queries."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from .labels import Labels
from .landscape import Landscape
from .retrieval import Metric
from .rows import predict_proba

Queries = tuple[NDArray[np.int64], NDArray[np.float64]]


@dataclass(frozen=True)
class Brief:
    """What a round tells a strategy when it is made; one that is made by hand does without.

    Parameters
    ----------
    wanted
        The classes that are looked for.
    metric
        In which items are near each other.
    n_left
        How many labels will still be given, where that is known.
    landscape
        What is known of the pool without labels.
    labels
        What has been labelled so far, and by which strategy it was asked.
    shares
        The user's own shares of the arms of a mixture; empty where the mixture chooses.
    """

    wanted: tuple[int, ...] = ()
    metric: Metric = "euclidean"
    n_left: int | None = None
    landscape: Landscape | None = None
    labels: Labels | None = None
    shares: tuple[tuple[str, float], ...] = ()


class QueryStrategy(ABC):
    """A callable in modAL's convention: ``strategy(learner, X_pool, n_instances=1) -> (positions, scores)``.

    `learner` has ``predict_proba``, and ``X_training`` and ``y_training`` as modAL's ActiveLearner has.
    Positions in X_pool come best first, with their scores, higher being better. Always the pair: modAL
    calls a strategy twice that returns positions only. A strategy that needs no model only reads
    ``X_training`` and ``y_training``, which may then hold one class, or nothing; where it needs a member,
    they must hold an item of a class that is looked for.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    description: ClassVar[str]
    needs_model: ClassVar[bool] = True
    needs_member: ClassVar[bool] = False

    @classmethod
    def from_brief(cls, brief: Brief) -> Self:
        """The strategy as a round uses it."""
        return cls()

    @abstractmethod
    def __call__(
        self,
        learner: Any,
        X_pool: Any,
        n_instances: int = 1,
        random_state: np.random.Generator | None = None,
    ) -> Queries:
        """Choose up to `n_instances` positions of X_pool ``(n_items, n_features)``."""


class WantedStrategy(QueryStrategy):
    """A strategy for the classes that are looked for.

    Parameters
    ----------
    classes
        These classes; the least frequent class of ``learner.y_training`` by default.
    """

    def __init__(self, classes: Sequence[Any] | None = None) -> None:
        self.classes = classes

    @classmethod
    def from_brief(cls, brief: Brief) -> Self:
        """For the classes that the round looks for."""
        return cls(brief.wanted or None)


class ScoringStrategy(QueryStrategy):
    """A strategy that scores every item from its class probabilities and takes the best."""

    @abstractmethod
    def score(self, probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
        """Scores ``(n_items,)`` of class probabilities ``(n_items, n_classes)``; higher is asked first."""

    def __call__(
        self,
        learner: Any,
        X_pool: Any,
        n_instances: int = 1,
        random_state: np.random.Generator | None = None,
    ) -> Queries:
        """Choose the items with the highest scores, ties at random; touches the whole pool."""
        scores = self.score(predict_proba(learner, X_pool))
        best = take_best(scores, n_instances, generator(random_state))
        return best, scores[best]


class RandomSampling(QueryStrategy):
    """Items drawn uniformly without replacement."""

    name = "random"
    label = "Random"
    description = "Any items: finds rare ones slowly, but shows how common each class is."
    needs_model = False

    def __call__(
        self,
        learner: Any,
        X_pool: Any,
        n_instances: int = 1,
        random_state: np.random.Generator | None = None,
    ) -> Queries:
        """Draw up to `n_instances` positions; the scores are all zero."""
        n_items = len(X_pool)
        drawn = generator(random_state).choice(n_items, size=min(n_instances, n_items), replace=False)
        return drawn.astype(np.int64), np.zeros(len(drawn))


def generator(random_state: np.random.Generator | None) -> np.random.Generator:
    """The generator given, or a fresh one; one generator is handed down, so that no two draws repeat."""
    return np.random.default_rng() if random_state is None else random_state


def take_best(scores: NDArray[np.floating], n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Positions of the n highest scores, best first; ties in random order, NaN last.

    Takes O(n_items) plus sorting the n best: only scores that tie with the last one are shuffled.
    """
    values = np.nan_to_num(np.asarray(scores, np.float64), nan=-np.inf, posinf=np.inf, neginf=-np.inf)
    n = min(n, len(values))
    if n == 0:
        return np.empty(0, np.int64)
    cut = np.partition(values, len(values) - n)[len(values) - n]
    above = np.flatnonzero(values > cut)
    tied = np.flatnonzero(values == cut)
    chosen = np.concatenate([above, rng.choice(tied, n - len(above), replace=False)])
    chosen = rng.permutation(chosen)
    return chosen[np.argsort(-values[chosen], kind="stable")].astype(np.int64)


def class_labels(learner: Any) -> NDArray[Any]:
    """The classes of the columns of ``learner.predict_proba``."""
    classes = getattr(learner, "classes_", None)
    return np.asarray(learner.estimator.classes_ if classes is None else classes)


def labelled_items(learner: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """The items that a learner was fitted to, ``(n_labels, n_features)``, and their classes ``(n_labels,)``.

    Of a committee, which keeps none itself, what its members were fitted to, each item once. Both are
    empty where nothing is known.
    """
    members = getattr(learner, "learner_list", None)
    if members is not None:
        known = [pair for pair in map(labelled_items, members) if len(pair[1])]
        if not known:
            return np.empty((0, 0)), np.empty(0)
        X, y = (np.concatenate(part) for part in zip(*known, strict=True))
        codes = np.unique(y, return_inverse=True)[1]
        once = np.sort(np.unique(np.column_stack([X, codes]), axis=0, return_index=True)[1])
        return X[once], y[once]
    items, classes = getattr(learner, "X_training", None), getattr(learner, "y_training", None)
    if items is None or classes is None or not len(classes):
        return np.empty((0, 0)), np.empty(0)
    return np.asarray(items), np.asarray(classes)


def rarest_class(y: NDArray[Any]) -> Any:
    """The class with the fewest labels in y ``(n_labels,)``, the first of them where several have; not empty."""
    classes, counts = np.unique(y, return_counts=True)
    return classes[counts.argmin()]


def wanted_columns(learner: Any, wanted: Sequence[Any] | None = None) -> list[int]:
    """The columns of ``learner.predict_proba`` of the classes that are looked for, in their order.

    Classes that the learner does not know are passed over; when none is left, it is the column of the
    class with the fewest labels, or the last one where there is no label.
    """
    known = class_labels(learner)
    columns = [int(np.flatnonzero(known == c)[0]) for c in wanted or () if (known == c).any()]
    if columns:
        return list(dict.fromkeys(columns))
    y = labelled_items(learner)[1]
    y = y[np.isin(y, known)]
    return [int(np.flatnonzero(known == rarest_class(y))[0])] if len(y) else [len(known) - 1]


def take_turns(rankings: Sequence[Queries], n: int) -> Queries:
    """The n first of several rankings that take turns, each item once.

    Parameters
    ----------
    rankings
        Positions and scores, best first; each has the n best of its kind, or all items.
    """
    chosen: dict[int, float] = {}
    for place in range(max((len(positions) for positions, _ in rankings), default=0)):
        for positions, scores in rankings:
            if place < len(positions) and len(chosen) < n:
                chosen.setdefault(int(positions[place]), float(scores[place]))
    return np.array(list(chosen), np.int64), np.array(list(chosen.values()), np.float64)
