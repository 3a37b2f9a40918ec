"""Uncertainty sampling: margin, entropy, least confidence, in the probabilities that the learner gives.

Wrap one in `priors.PriorCorrected` to sample around the boundary of another class prior.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .base import ScoringStrategy


class Margin(ScoringStrategy):
    """Smallest difference between the two most likely classes (Scheffer et al., 2001).

    Examples
    --------
    >>> import numpy as np
    >>> Margin().score(np.array([[0.5, 0.4, 0.1], [0.9, 0.05, 0.05]])).round(2)
    array([-0.1 , -0.85])
    """

    name = "margin"
    label = "Margin"
    description = "Items between the two most likely classes: sharpens the boundary."

    def score(self, probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
        """Minus the margin; zero when there is one class only."""
        if probabilities.shape[1] < 2:
            return np.zeros(len(probabilities))
        top = np.partition(probabilities, -2, axis=1)[:, -2:].astype(np.float64)
        return top[:, 0] - top[:, 1]


class Entropy(ScoringStrategy):
    """Largest entropy of the class probabilities (Shannon, 1948), in nats."""

    name = "entropy"
    label = "Entropy"
    description = "Items about which the model is least sure, over all classes."

    def score(self, probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
        """The entropy, between 0 and the logarithm of the number of classes."""
        p = probabilities.astype(np.float64)
        return -np.sum(p * np.log(np.where(p > 0, p, 1.0)), axis=1)


class LeastConfidence(ScoringStrategy):
    """Smallest probability of the most likely class (Lewis & Gale, 1994)."""

    name = "least_confidence"
    label = "Least confidence"
    description = "Items whose most likely class is least likely."

    def score(self, probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
        """One minus the probability of the most likely class."""
        return 1.0 - probabilities.max(axis=1).astype(np.float64)
