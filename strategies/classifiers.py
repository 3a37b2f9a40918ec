"""The classifiers on offer, and the user's own."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..later import Later

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    from .shrinkage import ShrinkageLDA

sklearn_base = Later("sklearn.base")
ensemble = Later("sklearn.ensemble")
linear_model = Later("sklearn.linear_model")
shrinkage = Later(f"{__package__}.shrinkage")


@dataclass(frozen=True)
class ClassifierSpec:
    """A classifier on offer; `make` takes a seed, `fast` says that scoring a whole pool is cheap."""

    name: str
    label: str
    description: str
    make: Callable[[int], Any]
    fast: bool


def __getattr__(name: str) -> Any:
    if name == "ShrinkageLDA":  # files of models know it under the name of this module
        return shrinkage.ShrinkageLDA
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _logistic(seed: int) -> LogisticRegression:
    # Not class-balanced: balanced fits find far fewer rare items when their boundary is queried.
    return linear_model.LogisticRegression(max_iter=1000, random_state=seed)


def _forest(seed: int) -> RandomForestClassifier:
    return ensemble.RandomForestClassifier(n_estimators=100, min_samples_leaf=1, n_jobs=1, random_state=seed)


def _boosting(seed: int) -> HistGradientBoostingClassifier:
    # Few labels: no validation split, and leaves that a handful of rare items can fill.
    return ensemble.HistGradientBoostingClassifier(early_stopping=False, min_samples_leaf=3, random_state=seed)


def _lda(seed: int) -> ShrinkageLDA:
    return shrinkage.ShrinkageLDA(solver="lsqr", shrinkage="auto")


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
        fresh = sklearn_base.clone(estimator)
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
