"""Disagreement of a committee: bootstrap members of the learner, or a committee of modAL's."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..later import Later
from .base import Queries, QueryStrategy, class_labels, generator, labelled_items, take_best
from .priors import CorrectedLearner
from .rows import RememberingLearner, blocks, view

if TYPE_CHECKING:
    from modAL.models import ActiveLearner

models = Later("modAL.models")
bases = Later("modAL.models.base")
special = Later("scipy.special")
sklearn_base = Later("sklearn.base")

SCORED_SAMPLE = 50_000

Disagreement = Literal["bald", "vote_entropy"]


class BootstrapCommittee(QueryStrategy):
    """The items about which classifiers disagree that were fitted to bootstraps of the labels.

    Members are clones of the learner's estimator. A bootstrap is drawn within each class, so that each
    keeps every class, with as many labels of it. Where the learner is a committee of modAL's, its own
    members are asked. Where the learner is corrected to a prevalence, so is each member. At most 50,000
    items are scored, drawn at random: scoring a part of the pool costs next to nothing in quality
    (BaaL, Atighehchian et al., 2020).

    Parameters
    ----------
    n_members
        How many bootstraps.
    disagreement
        ``bald``: the mutual information of class and member, in nats, ``H(mean p) − mean H(p)`` (Houlsby
        et al., 2011); ``vote_entropy``: the entropy of the members' votes, in nats (Dagan & Engelson, 1995).

    Raises
    ------
    ValueError
        When there is no member, or no such disagreement.
    """

    name = "committee"
    label = "Committee (BALD)"
    description = "Items about which classifiers disagree that were fitted to resampled labels, by what they know."

    def __init__(self, n_members: int = 8, disagreement: Disagreement = "bald") -> None:
        if n_members < 1:
            raise ValueError(f"n_members is {n_members}: a committee needs at least one member")
        if disagreement not in get_args(Disagreement):
            allowed = ", ".join(get_args(Disagreement))
            raise ValueError(f"disagreement is {disagreement!r}: it must be one of {allowed}")
        self.n_members = n_members
        self.disagreement: Disagreement = disagreement

    def __call__(
        self,
        learner: Any,
        X_pool: Any,
        n_instances: int = 1,
        random_state: np.random.Generator | None = None,
    ) -> Queries:
        """Choose where disagreement is largest, ties at random; scores at most 50,000 items, or `n_instances`."""
        rng = generator(random_state)
        subset = np.arange(len(X_pool))
        n_scored = max(SCORED_SAMPLE, n_instances)
        if len(subset) > n_scored:
            subset = np.sort(rng.choice(len(subset), n_scored, replace=False))
        scores = self.score(learner, view(X_pool, subset), rng)
        best = take_best(scores, n_instances, rng)
        return subset[best], scores[best]

    def score(self, learner: Any, X: Any, rng: np.random.Generator) -> NDArray[np.float64]:
        """Disagreement about each row of X, ``(n_items,)``, in nats; fits the members, and scores all rows."""
        members = self._members(learner, rng)
        classes = class_labels(learner)
        scores = np.empty(len(X))
        for piece, values in blocks(X):
            total = np.zeros((len(values), len(classes)))
            within = np.zeros(len(values))
            for member in members:
                p = np.zeros_like(total)
                p[:, np.searchsorted(classes, class_labels(member))] = member.predict_proba(values)
                if self.disagreement == "vote_entropy":
                    p = np.eye(len(classes))[p.argmax(axis=1)]
                total += p
                within += special.entr(p).sum(axis=1)  # zero for votes
            scores[piece] = special.entr(total / len(members)).sum(axis=1) - within / len(members)
        return np.maximum(scores, 0.0)

    def _members(self, learner: Any, rng: np.random.Generator) -> list[Any]:
        inner = learner
        while isinstance(inner, CorrectedLearner | RememberingLearner):
            inner = inner.learner
        members = list(inner.learner_list) if hasattr(inner, "learner_list") else self._fitted(inner, rng)
        if not isinstance(learner, CorrectedLearner):
            return members
        columns = [np.searchsorted(learner.classes_, class_labels(member)) for member in members]
        return [
            CorrectedLearner(member, learner.offsets[known], learner.prior_state, learner.scale)
            for member, known in zip(members, columns, strict=True)
        ]

    def _fitted(self, learner: Any, rng: np.random.Generator) -> list[ActiveLearner]:
        estimator = learner.estimator if isinstance(learner, bases.BaseLearner) else learner
        X, y = labelled_items(learner)
        members = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # few labels always give some
            for _ in range(self.n_members):
                rows, fresh = stratified_bootstrap(y, rng), sklearn_base.clone(estimator)
                seeds = [k for k in fresh.get_params() if k == "random_state" or k.endswith("__random_state")]
                fresh.set_params(**{key: int(rng.integers(2**31)) for key in seeds})
                members.append(models.ActiveLearner(fresh, X_training=X[rows], y_training=y[rows]))
        return members


class VoteEntropy(BootstrapCommittee):
    """The items about which the votes of a bootstrap committee are split most evenly."""

    name = "vote_entropy"
    label = "Committee (votes)"
    description = "Items about which the votes of classifiers are split that were fitted to resampled labels."

    def __init__(self, n_members: int = 8) -> None:
        super().__init__(n_members, "vote_entropy")


def stratified_bootstrap(y: NDArray[Any], rng: np.random.Generator) -> NDArray[np.int64]:
    """Positions drawn with replacement within each class, as many as the class has, int64 ``(n_labels,)``."""
    drawn = np.empty(len(y), np.int64)
    for label in np.unique(y):
        members = np.flatnonzero(y == label)
        drawn[members] = rng.choice(members, len(members))
    return drawn
