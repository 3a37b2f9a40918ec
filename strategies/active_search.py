"""Active search: find as many members of a class as possible with the labels that are left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..later import Later
from .base import Brief, Queries, QueryStrategy, generator, labelled_items, rarest_class
from .landscape import Landscape
from .retrieval import Metric, nearest, unit

if TYPE_CHECKING:
    from scipy.sparse import csr_array

sparse = Later("scipy.sparse")
neighbors = Later("sklearn.neighbors")

GRAPH_SIZE = 10_000
MAX_EVALUATED = 400
MAX_SIMULATED = 200
MAX_POSITIVES = 500
DEFAULT_BUDGET = 100


class ActiveSearch(QueryStrategy):
    """Asks so that the labels that are left find as many members as possible: efficient nonmyopic search.

    ENS (Jiang et al., ICML 2017) counts the members that an item promises to find: itself, and those
    among the best items that are left once its answer is known,
    ``f = p + p · S(p | member) + (1 − p) · S(p | no member)``, with S the sum of the highest
    probabilities of the others, as many as there are labels left after this one. With a large budget it
    looks where an answer tells most; with the last label it takes the most likely item. Probabilities
    come from the labelled ones among the k nearest items, ``p = (γ + members) / (1 + labelled)``, so an
    answer changes only the items that have the new one among their neighbours. A batch is chosen one by
    one as though the ones before were no members (sequential simulation with the pessimistic oracle,
    Jiang et al., NeurIPS 2018), which keeps it from asking one neighbourhood only. Needs no model.

    The cost is bounded: of a pool above 10,000 items, the neighbours of members and random items up to
    that number are the graph; at most 400 items are evaluated a step, those with the highest upper bounds
    of f, and no more than it takes to be sure; after 200 steps, or the budget, the most likely items
    follow.

    Parameters
    ----------
    classes
        The classes looked for, together; the least frequent class of ``learner.y_training`` by default.
    budget
        How many labels will still be given, this batch included.
    n_neighbors
        k, among labelled and unlabelled items.
    gamma
        γ, the probability of an item of which nothing is known: a guess of the prevalence.
    metric
        In which items are near each other.
    landscape
        Of the pool, in whose axes distances cost less than in many features.

    Raises
    ------
    ValueError
        When `budget` or `n_neighbors` is below 1, or `gamma` is not above 0 and at most 1.
    """

    name = "search"
    label = "Active search"
    description = "Plans ahead, to find as many members as possible with the labels that are left."
    needs_model = False

    def __init__(
        self,
        classes: Sequence[Any] | None = None,
        budget: int = DEFAULT_BUDGET,
        n_neighbors: int = 30,
        gamma: float = 0.01,
        metric: Metric = "euclidean",
        landscape: Landscape | None = None,
    ) -> None:
        for setting, value in (("budget", budget), ("n_neighbors", n_neighbors)):
            if value < 1:
                raise ValueError(f"{setting} is {value}: it must be at least 1")
        if not 0 < gamma <= 1:
            raise ValueError(f"gamma is {gamma}: it must be above 0 and at most 1, a guess of the prevalence")
        self.classes = classes
        self.budget = budget
        self.n_neighbors = n_neighbors
        self.gamma = gamma
        self.metric: Metric = metric
        self.landscape = landscape

    @classmethod
    def from_brief(cls, brief: Brief) -> ActiveSearch:
        """For the classes that are looked for, with the labels that are left, in the metric of the pool."""
        budget = DEFAULT_BUDGET if brief.n_left is None else brief.n_left
        return cls(brief.wanted or None, budget=budget, metric=brief.metric, landscape=brief.landscape)

    def __call__(
        self,
        learner: Any,
        X_pool: Any,
        n_instances: int = 1,
        random_state: np.random.Generator | None = None,
    ) -> Queries:
        """Choose a batch; the score is f; touches the whole pool where a member is known and it is large."""
        rng = generator(random_state)
        n = min(n_instances, len(X_pool))
        X, y = labelled_items(learner)
        members = self._members(y)
        subset = self._subset(X, members, X_pool, rng)
        state = self._state(X, members, X_pool[subset])
        places, scores = _batch(state, self.budget, min(n, len(subset)), rng)
        positions = subset[places]
        if len(positions) < n:
            rest = np.setdiff1d(np.arange(len(X_pool)), positions)
            drawn = rng.choice(rest, n - len(positions), replace=False)
            positions, scores = np.r_[positions, drawn], np.r_[scores, np.full(len(drawn), self.gamma)]
        return positions.astype(np.int64), scores

    def _members(self, y: NDArray[Any]) -> NDArray[np.bool_]:
        if not len(y):
            return np.empty(0, bool)
        return np.isin(y, list(self.classes) if self.classes else [rarest_class(y)])

    def _subset(
        self, X: NDArray[Any], members: NDArray[np.bool_], X_pool: Any, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """The items of the graph: neighbours of the newest members for up to one half, and random ones."""
        n_items = len(X_pool)
        if n_items <= GRAPH_SIZE:
            return np.arange(n_items)
        near = np.empty(0, np.int64)
        if members.any():
            newest = X[members][-MAX_POSITIVES:]
            each = max(GRAPH_SIZE // 2 // len(newest), 1)
            near = np.unique(nearest(X_pool, newest, each, self.metric)[1])
        others = np.setdiff1d(np.arange(n_items), near, assume_unique=True)
        drawn = rng.choice(others, GRAPH_SIZE - len(near), replace=False)
        return np.sort(np.r_[near, drawn])

    def _state(self, X: NDArray[Any], members: NDArray[np.bool_], values: NDArray[Any]) -> _State:
        """The graph over the items and the labelled ones, and what the labels say."""
        n_items = len(values)
        points = np.asarray(values, np.float32)
        if len(members):
            points = np.concatenate([points, np.asarray(X, np.float32)])
        if self.landscape is not None:
            points = self.landscape.project(points)
        elif self.metric == "cosine":
            points = unit(points)
        k = min(self.n_neighbors, len(points) - 1)
        if k < 1:
            neighbours = np.empty((len(points), 0), np.int64)
        else:
            index = neighbors.NearestNeighbors(n_neighbors=k, algorithm="brute").fit(points)
            neighbours = index.kneighbors(return_distance=False)
        mine = neighbours[:n_items]
        labelled = np.r_[np.zeros(n_items), np.ones(len(members))]
        found = np.r_[np.zeros(n_items), members.astype(np.float64)]
        row = np.repeat(np.arange(n_items), k)
        inside = mine.ravel() < n_items
        shape, ones = (n_items, n_items), np.ones(int(inside.sum()))
        reverse = sparse.csr_array((ones, (mine.ravel()[inside], row[inside])), shape=shape)
        return _State(
            reverse, self.gamma + found[mine].sum(axis=1), 1.0 + labelled[mine].sum(axis=1), np.ones(n_items, bool)
        )


@dataclass
class _State:
    """What is known of the items of a graph, ``(n_items,)`` each, p being ``top / bottom``.

    Row i of `reverse` holds the items that have i among their neighbours; `free` are the unlabelled ones.
    """

    reverse: csr_array
    top: NDArray[np.float64]
    bottom: NDArray[np.float64]
    free: NDArray[np.bool_]

    def touched(self, item: int) -> NDArray[np.int64]:
        """The unlabelled items whose probability changes with the label of this one."""
        items = self.reverse.indices[self.reverse.indptr[item] : self.reverse.indptr[item + 1]]
        return items[self.free[items]]

    def label(self, item: int) -> None:
        """The item is labelled, and no member."""
        self.bottom[self.touched(item)] += 1.0
        self.free[item] = False


def _batch(state: _State, budget: int, n: int, rng: np.random.Generator) -> Queries:
    """Places and values of f of n items: one by one while there is a budget, then the most likely ones."""
    places, values = np.empty(n, np.int64), np.empty(n)
    n_steps = min(n, budget, MAX_SIMULATED)
    for step in range(n_steps):
        places[step], values[step] = _best(state, budget - step - 1, rng)
        state.label(int(places[step]))
    left = np.flatnonzero(state.free)
    p = state.top[left] / state.bottom[left]
    order = rng.permutation(len(left))
    order = order[np.argsort(-p[order], kind="stable")][: n - n_steps]
    places[n_steps:], values[n_steps:] = left[order], p[order]
    return places, values


def _best(state: _State, n_after: int, rng: np.random.Generator) -> tuple[int, float]:
    """The unlabelled item with the highest f, and its f, when `n_after` labels follow.

    A label can lift the sum of the highest probabilities by no more than it lifts all of them together:
    that bounds f from above, and items are evaluated in the order of their bounds until none can do better.
    Of several with the same f, it is the one with the highest bound, as its answer tells most; then any.
    """
    items = rng.permutation(np.flatnonzero(state.free))
    p = state.top / state.bottom
    gain = np.where(state.free, (state.top + 1) / (state.bottom + 1) - p, 0.0)
    ranking = items[np.argsort(-p[items], kind="stable")]
    bound = p[items] * (1 + (state.reverse @ gain)[items]) + p[ranking[:n_after]].sum()
    places = np.full(len(p), len(p))
    places[ranking] = np.arange(len(ranking))
    best, value = -1, -np.inf
    for at in np.argsort(-bound, kind="stable")[:MAX_EVALUATED]:
        if bound[at] < value - 1e-9:
            break
        f = _value(state, int(items[at]), n_after, p, ranking, places)
        if f > value + 1e-12:
            best, value = int(items[at]), f
    return best, value


def _value(
    state: _State,
    item: int,
    n_after: int,
    p: NDArray[np.float64],
    ranking: NDArray[np.int64],
    places: NDArray[np.int64],
) -> float:
    """The members that an item promises, f: it and the `n_after` best items after it, as expected."""
    if n_after == 0:
        return float(p[item])
    touched = state.touched(item)
    # Enough of the ranking that n_after are left of it when the item and those it touches are taken out.
    head = ranking[: n_after + len(touched) + 1]
    stays = np.ones(len(head), bool)
    moved = np.r_[places[touched], places[item]]
    stays[moved[moved < len(head)]] = False
    unchanged = p[head[stays][:n_after]]
    top, bottom = state.top[touched], state.bottom[touched] + 1.0
    futures = (_sum_of_highest(np.r_[unchanged, (top + answer) / bottom], n_after) for answer in (1.0, 0.0))
    after_member, after_other = futures
    return float(p[item] * (1.0 + after_member) + (1.0 - p[item]) * after_other)


def _sum_of_highest(values: NDArray[np.float64], n: int) -> float:
    if len(values) > n:
        values = np.partition(values, len(values) - n)[len(values) - n :]
    return float(values.sum())
