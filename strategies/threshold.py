"""The threshold that separates a class on the line of its scores, searched from both sides."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .base import (
    Queries,
    WantedStrategy,
    class_labels,
    generator,
    labelled_items,
    take_best,
    take_turns,
    wanted_columns,
)
from .rows import predict_proba


def separating_threshold(scores: ArrayLike, members: ArrayLike) -> float:
    """The threshold with the fewest non-members above it and members below it.

    A threshold can lie anywhere between two neighbouring scores, and between the ends of the line, 0 and
    1, and the scores next to them. Of several gaps that are equally good it is the middle one, the upper
    one of two, and of a gap its middle. Takes O(n_labels log n_labels).

    Parameters
    ----------
    scores
        Of the labelled items, from 0 to 1, ``(n_labels,)``.
    members
        Whether each is a member, ``(n_labels,)``.

    Examples
    --------
    >>> separating_threshold([0.1, 0.2, 0.6, 0.9], [False, False, True, True])
    0.4
    """
    belongs = np.asarray(members, bool)
    line, place = np.unique(np.asarray(scores, np.float64), return_inverse=True)
    inside = np.bincount(place, weights=belongs, minlength=len(line))
    outside = np.bincount(place, weights=~belongs, minlength=len(line))
    # Gap g lies below line[g]: members below it are wrong, and so are the non-members above it.
    wrong = np.r_[0.0, np.cumsum(inside)] + np.r_[np.cumsum(outside[::-1])[::-1], 0.0]
    best = np.flatnonzero(wrong == wrong.min())
    gap = best[len(best) // 2]
    ends = np.r_[0.0, line, 1.0]
    return float((ends[gap] + ends[gap + 1]) / 2)


class Direct(WantedStrategy):
    """The items next to the separating threshold of each class that is looked for, above and below in turn.

    The threshold is the best one for the labels (`separating_threshold`), not the ½ that margin sampling
    takes for granted: where one class is rare, ½ lies far inside the common one. After the second stage
    of DIRECT (Nuggehalli et al., ICML 2025), which does for a noisy line what GALAXY (Zhang et al., ICML
    2022) does for a clean one; labels come in batches here, so the first stage, a bisection of the gap
    label by label, is its middle. Labelled items are scored by the learner that was fitted to them.
    Several classes take turns.

    Parameters
    ----------
    classes
        The classes looked for; the least frequent class of ``learner.y_training`` by default.
    """

    name = "direct"
    label = "Both sides of the threshold"
    description = "Items next to the score that best separates the labelled members of a class from the others."

    def __call__(
        self,
        learner: Any,
        X_pool: Any,
        n_instances: int = 1,
        random_state: np.random.Generator | None = None,
    ) -> Queries:
        """Choose the nearest ones; the score is minus the distance to the threshold; touches the whole pool."""
        rng = generator(random_state)
        if not len(X_pool):
            return np.empty(0, np.int64), np.empty(0)
        X, y = labelled_items(learner)
        pool, known = predict_proba(learner, X_pool), class_labels(learner)
        labelled = predict_proba(learner, X) if len(y) else np.empty((0, len(known)))
        rankings = []
        for column in wanted_columns(learner, self.classes):
            threshold = separating_threshold(labelled[:, column], y == known[column])
            rankings.append(_around(pool[:, column], threshold, n_instances, rng))
        return take_turns(rankings, n_instances)


def _around(scores: NDArray[np.floating], threshold: float, n: int, rng: np.random.Generator) -> Queries:
    """The n items nearest to the threshold on each side of it, above and below in turn."""
    closeness = -np.abs(scores.astype(np.float64) - threshold)
    sides = []
    for side in (scores >= threshold, scores < threshold):
        where = np.flatnonzero(side)
        nearest = where[take_best(closeness[where], n, rng)]
        sides.append((nearest, closeness[nearest]))
    return take_turns(sides, n)
