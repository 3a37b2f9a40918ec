"""A list of queries, and how the proposals of several arms become one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class QueryList:
    """The queries of a round in the order in which they are asked.

    `rows` int64, `strategy` the arm that proposed each, `probability` its selection probability (NaN
    where the arm's choice was deterministic), `score` (NaN where there is none), `rank` from 0,
    `arm_probability` the probability with which its place in the list went to that arm.
    """

    rows: NDArray[np.int64]
    strategy: tuple[str, ...]
    probability: NDArray[np.float64]
    score: NDArray[np.float64]
    arm_probability: NDArray[np.float64]

    @property
    def rank(self) -> NDArray[np.int64]:
        """Places in the list, from 0."""
        return np.arange(len(self.rows))


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
