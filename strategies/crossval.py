"""Per-class measures by cross-validation on the collected labels: for the learning curve, not for the pool."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..later import Later

metrics = Later("sklearn.metrics")
model_selection = Later("sklearn.model_selection")

MOST_FOLDS = 5


def cross_validate(
    make: Callable[[], Any],
    X: NDArray[np.floating],
    y: NDArray[np.int64],
    n_classes: int,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """Precision, recall and F1 of each class by out-of-fold predictions.

    Classes with one label are always in the training part and have no measures. These labels were chosen
    by a strategy: the measures say nothing about the pool.

    Parameters
    ----------
    make
        Makes a fresh estimator.
    X, y
        ``(n_labels, n_features)`` and class indices ``(n_labels,)``.

    Returns
    -------
    list of dict
        ``class``, ``n``, ``precision``, ``recall``, ``f1`` of every class; measures are None where they
        are impossible.
    """
    counts = np.bincount(y, minlength=n_classes)
    usable = np.flatnonzero(counts >= 2)
    empty = {"precision": None, "recall": None, "f1": None}
    if len(usable) < 2:
        return [{"class": c, "n": int(counts[c]), **empty} for c in range(n_classes)]
    tested = np.flatnonzero(np.isin(y, usable))
    always = np.setdiff1d(np.arange(len(y)), tested)
    predicted = np.full(len(y), -1)
    n_folds = int(min(MOST_FOLDS, counts[usable].min()))
    folds = model_selection.StratifiedKFold(n_folds, shuffle=True, random_state=int(rng.integers(2**31)))
    for train, test in folds.split(tested, y[tested]):
        fitted = fit_quietly(make(), X[np.r_[tested[train], always]], y[np.r_[tested[train], always]])
        predicted[tested[test]] = fitted.predict(X[tested[test]])
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        y[tested], predicted[tested], labels=np.arange(n_classes), zero_division=0
    )
    return [
        {"class": c, "n": int(counts[c])}
        | (
            {"precision": float(precision[c]), "recall": float(recall[c]), "f1": float(f1[c])}
            if c in usable
            else empty
        )
        for c in range(n_classes)
    ]


def fit_quietly(estimator: Any, X: NDArray[np.floating], y: NDArray[np.int64]) -> Any:
    """Fit without the warnings that few labels always give."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.fit(X, y)
