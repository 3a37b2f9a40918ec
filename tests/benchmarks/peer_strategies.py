"""Query strategies of modAL, scikit-activeml and small-text, called from their own packages."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rareloop.strategies.retrieval import Metric
from sklearn.base import clone
from sklearn.ensemble import BaggingClassifier

N_MEMBERS = 5
N_TURNS = 5


@dataclass(frozen=True)
class Setting:
    """What a peer is told when it is made: how items are near, how many classes there are, a seed."""

    metric: Metric
    n_classes: int
    seed: int


class Peer(ABC):
    """A strategy of another package, in modAL's convention: ``peer(learner, X_pool, n_instances)``.

    It keeps the rows in one order from call to call, because the packages know items by their row: those
    that could be asked when it was first called, then those that had a label.

    Attributes
    ----------
    X
        Float32 ``(n_items, n_features)``.
    free, labelled
        Rows of X, int64: those that can be asked, in the order of the pool, and those with a label, in the
        order of the labels.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.X = np.empty((0, 0), np.float32)
        self.asked = np.empty(0, np.int64)

    def follow(self, learner: Any, X_pool: Any) -> None:
        """Take note of what was labelled since the last call; raises RuntimeError if it was not what was asked."""
        pool, known = np.asarray(X_pool, np.float32), np.asarray(learner.X_training, np.float32)
        if not len(self.X):
            self.X = np.vstack([pool, known])
            self.free = np.arange(len(pool))
            self.labelled = np.arange(len(pool), len(self.X))
        else:
            answered = self.asked[: max(len(known) - len(self.labelled), 0)]  # the last batch is cut short
            self.labelled = np.r_[self.labelled, answered]
            self.free = np.setdiff1d(self.free, answered)
        self.asked = np.empty(0, np.int64)
        if len(self.free) != len(pool) or not np.array_equal(self.X[self.labelled], known):
            raise RuntimeError("other items were labelled than those that were asked")

    def __call__(self, learner: Any, X_pool: Any, n_instances: int = 1) -> NDArray[np.int64]:
        """Positions in X_pool."""
        self.follow(learner, X_pool)
        self.asked = np.asarray(self.choose(learner, n_instances), np.int64)
        return np.searchsorted(self.free, self.asked)

    @abstractmethod
    def choose(self, learner: Any, n: int) -> NDArray[np.integer]:
        """Rows of X that are asked."""


class ModalPeer(Peer):
    """A function of ``modAL.uncertainty``."""

    def __init__(self, setting: Setting, function: str) -> None:
        import modAL.uncertainty

        super().__init__(setting)
        self.function: Callable[..., Any] = getattr(modAL.uncertainty, function)

    def choose(self, learner: Any, n: int) -> NDArray[np.integer]:
        """Ask the function, with a copy of the items that are left, as its users make one each round."""
        return self.free[self.function(learner, self.X[self.free], n_instances=n)[0]]


class ActivemlPeer(Peer):
    """A class of ``skactiveml.pool``; `takes` is the argument that it takes a classifier by, if it does."""

    def __init__(self, setting: Setting, strategy: str, takes: str | None = "clf", **options: Any) -> None:
        import skactiveml.pool

        super().__init__(setting)
        self.strategy = getattr(skactiveml.pool, strategy)(random_state=setting.seed, **options)
        self.takes = takes

    def choose(self, learner: Any, n: int) -> NDArray[np.integer]:
        """Ask the strategy, with the classifier that is fitted."""
        from skactiveml.classifier import SklearnClassifier

        y = np.full(len(self.X), np.nan)
        y[self.labelled] = learner.y_training
        classes = np.unique(y[self.labelled])
        given: dict[str, Any] = {}
        if self.takes == "clf":
            given = {"clf": SklearnClassifier(learner.estimator, classes=classes), "fit_clf": False}
        elif self.takes == "ensemble":
            members = BaggingClassifier(clone(learner.estimator), N_MEMBERS, random_state=self.setting.seed)
            given = {"ensemble": SklearnClassifier(members, classes=classes)}
        return self.strategy.query(X=self.X, y=y, batch_size=n, **given)


def small_text_classifier(estimator: Any, n_classes: int) -> Any:
    """Their wrapper of a scikit-learn classifier, whose embedding of an item is its features."""
    import small_text

    class Embedded(small_text.SklearnClassifier, small_text.EmbeddingMixin):
        def embed(self, data_set: Any, return_proba: bool = False, pbar: Any = None) -> Any:
            return (data_set.x, self.predict_proba(data_set)) if return_proba else data_set.x

    return Embedded(estimator, n_classes)


class SmallTextPeer(Peer):
    """A query strategy of small-text; those that need randomness take it from numpy's global generator."""

    def __init__(self, setting: Setting, make: Callable[[Any, Setting], Any]) -> None:
        import small_text

        super().__init__(setting)
        self.strategy = make(small_text, setting)
        self.dataset: Any = None

    def choose(self, learner: Any, n: int) -> NDArray[np.integer]:
        """Ask the strategy, with the classifier that is fitted."""
        import small_text

        if self.dataset is None:
            nothing = np.full(len(self.X), small_text.LABEL_UNLABELED)
            self.dataset = small_text.SklearnDataset(self.X, nothing, np.arange(self.setting.n_classes))
        classifier = small_text_classifier(learner.estimator, self.setting.n_classes)
        y = np.asarray(learner.y_training)
        return self.strategy.query(classifier, self.dataset, self.free, self.labelled, y, n=n)


def _by_name(name: str) -> Callable[[Any, Setting], Any]:
    return lambda package, setting: getattr(package, name)()


def _embedding(name: str) -> Callable[[Any, Setting], Any]:
    return lambda package, setting: getattr(package, name)(normalize=setting.metric == "cosine")


def _around_margin(name: str, **options: Any) -> Callable[[Any, Setting], Any]:
    return lambda package, setting: getattr(package, name)(
        package.BreakingTies(), normalize=setting.metric == "cosine", **options
    )


def _discriminative(package: Any, setting: Setting) -> Any:
    from sklearn.linear_model import LogisticRegression

    factory = package.SklearnClassifierFactory(LogisticRegression(max_iter=1000), 2)
    return package.DiscriminativeActiveLearning(factory, N_TURNS, pbar=None)


@dataclass(frozen=True)
class PeerSpec:
    """A peer on offer.

    Parameters
    ----------
    name
        On the command line and in the tables.
    packages
        Modules that must be installed.
    make
        What makes it for one run.
    scores_pool
        Whether it scores each item of the pool once and takes the best, as uncertainty sampling does.
    largest
        Pools beyond it are left out: the time or memory of the strategy grows with the square.
    """

    name: str
    packages: tuple[str, ...]
    make: Callable[[Setting], Peer]
    scores_pool: bool = False
    largest: int = sys.maxsize

    @property
    def missing(self) -> tuple[str, ...]:
        """Modules that are not installed."""
        return tuple(package for package in self.packages if find_spec(package) is None)


def _modal(function: str) -> PeerSpec:
    name = f"modAL {function.removesuffix('_sampling')}"
    return PeerSpec(name, ("modAL",), partial(ModalPeer, function=function), scores_pool=True)


def _activeml(
    name: str, strategy: str, *, scores_pool: bool = False, largest: int = sys.maxsize, **options: Any
) -> PeerSpec:
    make = partial(ActivemlPeer, strategy=strategy, **options)
    return PeerSpec(f"scikit-activeml {name}", ("skactiveml",), make, scores_pool, largest)


def _small_text(
    name: str, make: Callable[[Any, Setting], Any], *, scores_pool: bool = False, largest: int = sys.maxsize,
    also: tuple[str, ...] = (),
) -> PeerSpec:  # fmt: skip
    packages = ("small_text", *also)
    return PeerSpec(f"small-text {name}", packages, partial(SmallTextPeer, make=make), scores_pool, largest)


PEERS: dict[str, PeerSpec] = {
    spec.name: spec
    for spec in (
        _modal("uncertainty_sampling"),
        _modal("margin_sampling"),
        _modal("entropy_sampling"),
        _activeml("margin", "UncertaintySampling", scores_pool=True, method="margin_sampling"),
        _activeml("entropy", "UncertaintySampling", scores_pool=True, method="entropy"),
        _activeml("QueryByCommittee", "QueryByCommittee", takes="ensemble"),
        _activeml("CoreSet", "CoreSet", takes=None, largest=50_000),
        _activeml("TypiClust", "TypiClust", takes=None, largest=50_000),
        _activeml("ProbCover", "ProbCover", takes=None, largest=15_000),
        _activeml("Badge", "Badge", largest=50_000),
        _small_text("LeastConfidence", _by_name("LeastConfidence"), scores_pool=True),
        _small_text("BreakingTies", _by_name("BreakingTies"), scores_pool=True),
        _small_text("PredictionEntropy", _by_name("PredictionEntropy"), scores_pool=True),
        _small_text("GreedyCoreset", _embedding("GreedyCoreset"), largest=20_000),
        _small_text("LightweightCoreset", _embedding("LightweightCoreset")),
        _small_text("EmbeddingKMeans", _embedding("EmbeddingKMeans")),
        _small_text("Discriminative", _discriminative),
        _small_text("SEALS", _around_margin("SEALS", k=50), also=("hnswlib",)),
        _small_text("AnchorSubsampling", _around_margin("AnchorSubsampling"), also=("hnswlib",)),
    )
}
