"""The classifiers on offer, and the user's own."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression


@dataclass(frozen=True)
class ClassifierSpec:
    """A classifier on offer; `make` takes a seed, `fast` says that scoring a whole pool is cheap."""

    name: str
    label: str
    description: str
    make: Callable[[int], Any]
    fast: bool


class ShrinkageLDA(LinearDiscriminantAnalysis):
    """Linear discriminants with Ledoit and Wolf's shrinkage, which also fit one label a class.

    With no class of two labels there is no scatter to learn: the classes then have unit covariance, that
    of standardised features, so that the nearest class is the most likely one.
    """

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


def _logistic(seed: int) -> LogisticRegression:
    # Not class-balanced: balanced fits find far fewer rare items when their boundary is queried.
    return LogisticRegression(max_iter=1000, random_state=seed)


def _forest(seed: int) -> RandomForestClassifier:
    return RandomForestClassifier(n_estimators=100, min_samples_leaf=1, n_jobs=1, random_state=seed)


def _boosting(seed: int) -> HistGradientBoostingClassifier:
    # Few labels: no validation split, and leaves that a handful of rare items can fill.
    return HistGradientBoostingClassifier(early_stopping=False, min_samples_leaf=3, random_state=seed)


def _lda(seed: int) -> ShrinkageLDA:
    return ShrinkageLDA(solver="lsqr", shrinkage="auto")


CLASSIFIERS: dict[str, ClassifierSpec] = {
    spec.name: spec
    for spec in (
        ClassifierSpec("logistic", "Logistic regression", "Linear, fast, good with embeddings.", _logistic, True),
        ClassifierSpec("forest", "Random forest", "100 trees: curved boundaries, slow to score.", _forest, False),
        ClassifierSpec(
            "boosting", "Gradient boosting", "Histogram boosting: strong with many labels.", _boosting, False
        ),
        ClassifierSpec(
            "lda", "Shrinkage LDA", "Gaussian classes of one shape; steady with few labels.", _lda, True
        ),
    )
}


def classifier_spec(name: str) -> ClassifierSpec:
    """A classifier by its name, or the user's own by ``module:object``.

    Raises
    ------
    ValueError
        When there is none of that name, or the object is no classifier with ``predict_proba``.
    """
    if name in CLASSIFIERS:
        return CLASSIFIERS[name]
    if ":" not in name:
        known = ", ".join(CLASSIFIERS)
        raise ValueError(f"there is no classifier '{name}': choose {known}, or module:object of your own")
    estimator = load_classifier(name)

    def make(seed: int) -> Any:
        fresh = clone(estimator)
        if "random_state" in fresh.get_params():
            fresh.set_params(random_state=seed)
        return fresh

    return ClassifierSpec(name, name, "A classifier of your own.", make, False)


def load_classifier(name: str) -> Any:
    """The estimator that ``module:object`` names: an instance, a class, or a function that makes one.

    Raises
    ------
    ValueError
        When it cannot be imported, or has no ``fit`` and ``predict_proba``.
    """
    estimator = load_object(name, "classifier")
    if isinstance(estimator, type) or not hasattr(estimator, "fit"):
        try:
            estimator = estimator()
        except Exception as error:
            raise ValueError(
                f"the classifier {name} could not be made: {type(error).__name__}: {error}"
            ) from error
    if not hasattr(estimator, "fit") or not hasattr(estimator, "predict_proba"):
        raise ValueError(
            f"the classifier {name} has no fit and predict_proba: name a scikit-learn classifier that has"
        )
    if not hasattr(estimator, "get_params"):
        raise ValueError(f"the classifier {name} has no get_params: derive it from sklearn.base.BaseEstimator")
    return estimator


def load_object(name: str, what: str) -> Any:
    """Import what ``module:object`` names; raises ValueError that names the missing part."""
    module_name, _, attribute = name.partition(":")
    try:
        target = importlib.import_module(module_name)
    except Exception as error:
        raise ValueError(f"the {what} {name} cannot be imported: {type(error).__name__}: {error}") from error
    for part in attribute.split("."):
        if not hasattr(target, part):
            raise ValueError(f"the {what} {name} does not exist: the module {module_name} has no '{attribute}'")
        target = getattr(target, part)
    return target
