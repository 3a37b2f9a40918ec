"""A classifier of linear discriminants for very few labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis


class ShrinkageLDA(LinearDiscriminantAnalysis):
    """Linear discriminants with Ledoit and Wolf's shrinkage, which also fit one label a class.

    With no class of two labels there is no scatter to learn: the classes then have unit covariance, that
    of standardised features, so that the nearest class is the most likely one.
    """

    __module__ = f"{__package__}.classifiers"  # its place in files of models, which stay readable

    def fit(self, X: NDArray[np.floating], y: NDArray[Any]) -> ShrinkageLDA:
        """Fit to ``(n_labels, n_features)`` and classes ``(n_labels,)``."""
        values, classes = np.asarray(X, np.float64), np.asarray(y)
        if len(classes) <= len(np.unique(classes)):
            n_features = values.shape[1]
            # Each item, moved by ± sqrt(n_features) along each axis, has exactly unit covariance.
            steps = np.sqrt(n_features) * np.concatenate([np.eye(n_features), -np.eye(n_features)])
            values = (values[:, None, :] + steps[None]).reshape(-1, n_features)
            classes = np.repeat(classes, len(steps))
        return super().fit(values, classes)
