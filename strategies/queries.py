"""A list of queries, and how the proposals of several arms become one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

AUDIT = "audit"  # the name of what asks the questions of the sealed audit


@dataclass(frozen=True)
class QueryList:
    """The queries of a round in the order in which they are asked.

    `rows` int64, `strategy` the arm that proposed each, `probability` its selection probability (NaN
    where the arm's choice was deterministic; of a question of the audit, its inclusion probability),
    `score` (NaN where there is none), `rank` from 0, `arm_probability` the probability with which its place
    in the list went to that arm. `sealed` marks items whose answer the audit has: they are not shown.
    """

    rows: NDArray[np.int64]
    strategy: tuple[str, ...]
    probability: NDArray[np.float64]
    score: NDArray[np.float64]
    arm_probability: NDArray[np.float64]
    sealed: NDArray[np.bool_]

    @property
    def rank(self) -> NDArray[np.int64]:
        """Places in the list, from 0."""
        return np.arange(len(self.rows))

    def first(self, n: int) -> QueryList:
        """The first n queries."""
        return QueryList(*(getattr(self, f.name)[:n] for f in fields(self)))


def with_audit(
    learner: QueryList, questions: NDArray[np.int64], inclusion: NDArray[np.float64], places: NDArray[np.int64]
) -> QueryList:
    """The learner's queries with questions of the audit among them.

    Parameters
    ----------
    learner
        What the strategies ask, in their order.
    questions, inclusion
        Rows that the audit asks, int64 ``(n_questions,)``, and their inclusion probabilities.
    places
        Where they stand among the queries that are shown, ascending; where the list ends before, at its end.
    """
    visible = np.cumsum(~learner.sealed) - 1  # the place of each query among the learner's that are shown
    # The k-th question stands before the learner's query of this number.
    before = places[: len(questions)] - np.arange(min(len(places), len(questions)))
    at = np.searchsorted(visible, before, side="left")

    def mixed(own: NDArray[Any], audit: NDArray[Any]) -> NDArray[Any]:
        return np.insert(own, at, audit[: len(at)])

    n = len(questions)
    return QueryList(
        mixed(learner.rows, questions),
        tuple(mixed(np.array(learner.strategy, object), np.full(n, AUDIT, object)).tolist()),
        mixed(learner.probability, inclusion),
        mixed(learner.score, np.full(n, np.nan)),
        mixed(learner.arm_probability, np.ones(n)),
        mixed(learner.sealed, np.zeros(n, bool)),
    )


def draw_arms(shares: Mapping[str, float], n: int, rng: np.random.Generator) -> list[str]:
    """The arm of each of n places: each place goes to an arm with the probability of its share.

    A Kronecker sequence with a random start (Weyl, 1916): any run of places holds each arm about as often
    as its share says, so that a queue of which only the beginning is used is mixed as well.

    Parameters
    ----------
    shares
        By arm, above zero, adding up to one.
    """
    names = list(shares)
    edges = np.cumsum(np.fromiter(shares.values(), float, len(names)))
    # Multiples of the golden ratio are spread evenly over every run of places.
    points = (rng.random() + np.arange(n) * 0.6180339887498949) % 1.0
    return [names[min(int(np.searchsorted(edges, point, side="right")), len(names) - 1)] for point in points]
