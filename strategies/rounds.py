"""One turn of the loop as a pure function: pool + labels + settings + generator → `Round`."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from modAL.models import ActiveLearner
from numpy.typing import NDArray

from .anchors import Anchors
from .base import Brief, Queries, QueryStrategy, RandomSampling
from .classifiers import classifier_spec
from .crossval import cross_validate
from .diversity import Diverse, Quotas
from .duplicates import Duplicates, askable
from .labels import Labels
from .mixture import Auto, Proposals
from .pool import Pool
from .priors import (
    Correction,
    class_prior,
    correct,
    prevalence_in_force,
)
from .queries import QueryList
from .reasons import Reason, explain
from .registry import STRATEGIES, make_strategy
from .retrieval import Index, Metric
from .rows import Rows
from .seals import Seals
from .settings import RoundSettings
from .subpools import Subpooled

__all__ = ["Labels", "QueryList", "Round", "RoundSettings", "run_round"]

RANDOM_SUBPOOL = 2_000


@dataclass
class Round:
    """What one round found and asks.

    Arrays over classes have shape ``(n_classes,)`` and NaN where a value is unknown. `shown_probabilities`
    is ``(n_queries, n_classes)`` after the correction in force. `retrieval` says how the neighbours of a
    subpool were found, and what share of them. `reasons` has one entry a query. `arms`
    says of each arm its ``share`` of the queries, and how many labels it ``asked`` for and wanted items
    it ``found`` so far. `duplicates` are pairs of an unlabelled row and a labelled row with the same
    features: they are not asked. `estimator` is None before two classes have a label.
    """

    queries: QueryList
    shown_probabilities: NDArray[np.float64]
    class_prior: NDArray[np.float64]
    prevalence: NDArray[np.float64]
    prevalence_low: NDArray[np.float64]
    prevalence_high: NDArray[np.float64]
    prevalence_source: str
    correction: str
    query_correction: str
    n_labels: int
    n_available: int
    n_scored: int
    subpool_size: int | None
    retrieval: str | None
    arms: list[dict[str, Any]]
    duplicates: Duplicates
    metrics: list[dict[str, Any]]
    messages: tuple[str, ...]
    seconds: dict[str, float]
    reasons: tuple[Reason, ...] = ()
    estimator: Any = field(default=None, repr=False)

    def report(self) -> dict[str, Any]:
        """What a page or a log shows, as JSON-able values: without queries and estimator."""
        hidden = ("queries", "shown_probabilities", "reasons", "duplicates", "estimator")
        values = {f: getattr(self, f) for f in self.__dataclass_fields__ if f not in hidden}
        return {
            name: [float(v) if np.isfinite(v) else None for v in value] if isinstance(value, np.ndarray) else value
            for name, value in values.items()
        } | {"messages": list(self.messages), "n_duplicates": len(self.duplicates)}


def run_round(pool: Pool, labels: Labels, settings: RoundSettings, rng: np.random.Generator) -> Round:
    """Fit, choose what to ask next, and measure; the same arguments give the same round.

    Before two classes have a label there is no model, and a strategy that needs one leaves the floor to
    `auto`, which explores. A strategy that fails is named in the messages, and the round is random
    instead. Touches the whole pool, or what `anchors` leaves of it.

    Parameters
    ----------
    rng
        The only source of chance.
    """
    return _Turn(pool, labels, settings, rng).run()


class _Clock:
    """Seconds by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {"fit": 0.0, "query": 0.0, "metrics": 0.0}

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[name] += time.perf_counter() - began


@dataclass(frozen=True)
class Untrained:
    """What strategies that need no model are asked with: the labels, ``(n_labels, ...)``, in one class or none."""

    X_training: NDArray[np.float32]
    y_training: NDArray[np.int64]


class _Turn:
    """One round, step by step."""

    def __init__(self, pool: Pool, labels: Labels, settings: RoundSettings, rng: np.random.Generator) -> None:
        self.pool, self.labels, self.settings, self.rng = pool, labels, settings, rng
        self.clock = _Clock()
        self.messages: list[str] = []
        self.spec = classifier_spec(settings.classifier)
        self.X = np.asarray(pool.X[labels.rows])
        self.rows, self.duplicates = askable(pool, labels)
        self.candidates = Rows(pool.X, self.rows)
        self.subpool_size: int | None = None
        self.n_scored = len(self.rows)
        self.query_correction = Correction.NONE
        self.retrieval: str | None = None
        self.shares: dict[str, float] = {}
        metric: Metric = settings.metric  # type: ignore[assignment]
        self.brief = Brief(
            settings.wanted,
            metric,
            settings.n_left(len(labels.rows)),
            pool.landscape(metric),
            labels,
            settings.shares,
        )

    def run(self) -> Round:
        """Fit, query, show, measure."""
        labels, n_classes = self.labels, self.labels.n_classes
        if not len(self.rows):
            self.messages.append("every item has an answer: nothing is left to ask")
        with self.clock.measure("fit"):
            learner = self._fit()
        unknown = np.full(n_classes, np.nan)
        prior = unknown if learner is None else class_prior(labels.classes, n_classes)
        prevalence, source = prevalence_in_force(
            labels, self.pool.n_items, self.settings.prevalence, self.settings.min_uniform, prior
        )
        self.known_prevalence = prevalence.point if np.isfinite(prevalence.point).all() else None
        with self.clock.measure("query"):
            queries = self._queries(learner)
            shown, correction = self._shown(learner, queries)
            reasons = self._reasons(queries)
        with self.clock.measure("metrics"):
            metrics = [] if learner is None else self._metrics()
        return Round(
            queries=queries,
            shown_probabilities=shown,
            class_prior=prior,
            prevalence=prevalence.point,
            prevalence_low=prevalence.low,
            prevalence_high=prevalence.high,
            prevalence_source=source,
            correction=correction,
            query_correction=self.query_correction.value,
            n_labels=len(labels.rows),
            n_available=len(self.rows),
            n_scored=self.n_scored,
            subpool_size=self.subpool_size,
            retrieval=self.retrieval,
            arms=self._arms(),
            duplicates=self.duplicates,
            metrics=metrics,
            messages=tuple(self.messages),
            seconds=self.clock.seconds,
            reasons=reasons,
            estimator=None if learner is None else learner.estimator,
        )

    def _fit(self) -> ActiveLearner | None:
        """A fresh modAL learner on the labels; None before two classes have one, or where it cannot be fitted."""
        if len(np.unique(self.labels.classes)) < 2 or not len(self.rows):
            return None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # few labels always give some
                return ActiveLearner(
                    estimator=self.spec.make(int(self.rng.integers(2**31))),
                    query_strategy=self._nothing,
                    X_training=self.X,
                    y_training=self.labels.classes,
                )
        except Exception as error:
            reason = f"classifier {self.settings.classifier} could not be fitted ({type(error).__name__}: {error})"
            self.messages.append(f"{reason}; the items of this round come from strategies that need no model")
            return None

    @staticmethod
    def _nothing(*_: Any) -> Queries:
        """The learner's own query strategy: rounds ask theirs."""
        return np.empty(0, np.int64), np.empty(0)

    def _in_force(self, correction: str) -> Correction:
        """A correction needs a prevalence."""
        return Correction.NONE if self.known_prevalence is None else Correction(correction)

    def _prevalence_of(self, learner: ActiveLearner) -> NDArray[np.float64]:
        """The prevalence of the classes that the learner has seen."""
        return self.known_prevalence[learner.estimator.classes_]  # type: ignore[index]

    # ---- queries ---------------------------------------------------------------------------------

    def _queries(self, learner: ActiveLearner | None) -> QueryList:
        n = min(self.settings.n_queries, len(self.rows))
        random_share = 1.0 if self.settings.strategy == RandomSampling.name else self.settings.random_share
        n_random = round(random_share * n)
        chosen = self._ask(learner, n - n_random)
        self.shares = {arm: (1 - random_share) * share for arm, share in self.shares.items()}
        if random_share or not self.shares:
            own = self.shares.get(RandomSampling.name, 0.0)
            self.shares[RandomSampling.name] = own + (random_share if self.shares else 1.0)
        n_random = n - len(chosen.positions)
        # Random items speak for all that have no label, duplicates of labelled ones included.
        rest = self.pool.available(self.labels.rows, self.labels.excluded, self.rows[chosen.positions])
        drawn = self.rng.choice(rest, n_random, replace=False)
        return self._interleaved(chosen, drawn, n_random / max(len(rest), 1))

    def _interleaved(self, chosen: Proposals, drawn: NDArray[np.int64], chance: float) -> QueryList:
        """Random items at random places among the others."""
        n = len(chosen.positions) + len(drawn)
        is_random = np.zeros(n, bool)
        is_random[self.rng.choice(n, len(drawn), replace=False)] = True
        rows, arms = np.empty(n, np.int64), np.full(n, RandomSampling.name, dtype=object)
        score, probability = np.full(n, np.nan), np.full(n, chance)
        rows[~is_random], rows[is_random] = self.rows[chosen.positions], drawn
        score[~is_random], probability[~is_random] = chosen.scores, chosen.probability
        arms[~is_random] = chosen.arms
        names = tuple(str(arm) for arm in arms)
        share = np.array([self.shares.get(name, 1.0) for name in names])
        return QueryList(rows, names, probability, score, share)

    def _ask(self, learner: ActiveLearner | None, n: int) -> Proposals:
        """What the strategy proposes; nothing, and a message, when it fails."""
        nothing = Proposals(np.empty(0, np.int64), np.empty(0), (), np.empty(0), np.empty(0))
        if n == 0:
            self.n_scored = 0
            return nothing
        try:
            proposals = self._proposals(learner, n)
        except Exception as error:
            self.messages.append(f"{error}; the items of this round are random")
            self.shares = {}
            return nothing
        if len(proposals.positions) < n:
            name = self.settings.strategy
            self.messages.append(
                f"strategy {name} chose {len(proposals.positions)} of {n} items; the others are random"
            )
        return proposals

    def _proposals(self, learner: ActiveLearner | None, n: int) -> Proposals:
        asked: Any = Untrained(self.X, self.labels.classes) if learner is None else self._corrected(learner)
        strategy, name = self._strategy(learner)
        if isinstance(strategy, Auto):
            self.shares, proposals = strategy.propose(asked, self.candidates, n, self.rng)
            return proposals
        self.shares = {name: 1.0}
        positions, scores = strategy(asked, self.candidates, n_instances=n, random_state=self.rng)
        if isinstance(strategy, Subpooled):
            self.subpool_size = self.n_scored = strategy.last_subpool_size
        inside = ~np.isneginf(scores)  # what a strategy filled up at random is drawn, and named so, by the round
        positions, scores = positions[inside], scores[inside]
        n = len(positions)
        return Proposals(positions, scores, (name,) * n, np.ones(n), np.full(n, np.nan))

    def _corrected(self, learner: ActiveLearner) -> Any:
        """The learner with the probabilities that are queried."""
        correction = self._in_force(self.settings.query_correction)
        if correction == Correction.NONE or not self._is_ours:
            return learner
        self.query_correction = correction
        return correct(learner, self.candidates, correction, self._prevalence_of(learner), self.rng)

    @property
    def _is_ours(self) -> bool:
        """Whether the strategy goes by probabilities and is ours: a foreign one gets the learner as it is."""
        strategy = STRATEGIES.get(self._name)
        return strategy is not None and (strategy.needs_model or strategy is Auto)

    @property
    def _wrapper(self) -> type[Subpooled] | None:
        strategy = STRATEGIES.get(self.settings.strategy)
        return strategy if strategy is not None and issubclass(strategy, Subpooled) else None

    @property
    def _name(self) -> str:
        """The strategy that chooses, whatever is put around it."""
        return self.settings.base if self._wrapper is not None else self.settings.strategy

    def _strategy(self, learner: ActiveLearner | None) -> tuple[Any, str]:
        """The strategy of the settings, with a subpool around it where there is one, and the name of its queries.

        One that lacks the model or the member that it needs leaves the floor to `auto`.
        """
        settings, name = self.settings, self._name
        strategy: Any = make_strategy(name, self.brief)
        is_ours = isinstance(strategy, QueryStrategy)
        has_member = np.isin(self.labels.classes, settings.wanted).any() or not settings.wanted
        if (learner is None and (not is_ours or strategy.needs_model)) or (
            is_ours and strategy.needs_member and not (has_member and len(self.labels.rows))
        ):
            return Auto(self.brief), Auto.name
        if isinstance(strategy, Auto):
            narrowed = self._is_too_large or self._wrapper is not None
            subpool = self._subpool() if narrowed and learner is not None else None
            return Auto(self.brief, subpool, self._spread), name
        if is_ours and name != RandomSampling.name:
            strategy = self._spread(strategy)
        if self._wrapper is Seals:
            index = self._index()
            seals = Seals(strategy, metric=index.metric, classes=settings.wanted or None, index=index)
            return seals, f"seals: {name}"
        if self._wrapper is Anchors or (self._is_too_large and (not is_ours or STRATEGIES[name].needs_model)):
            return self._anchors(strategy), f"anchors: {name}"
        return strategy, name

    @property
    def _is_too_large(self) -> bool:
        """Whether a slow model had better not score all of the pool."""
        return len(self.rows) > self.settings.anchors_above and not self.spec.fast

    def _spread(self, strategy: QueryStrategy) -> QueryStrategy:
        """The strategy with the diversity and the quota of the settings."""
        if self.settings.diverse:
            strategy = Diverse(strategy, metric=self.brief.metric)
        if self.settings.quota == 1:
            return strategy
        cells = self.pool.landscape(self.brief.metric).cell_of
        return Quotas(strategy, lambda X: cells(np.asarray(X)), self.settings.quota)

    def _anchors(self, strategy: Any = None) -> Anchors:
        settings = self.settings
        return Anchors(
            strategy,
            settings.n_anchors,
            settings.n_neighbors,
            settings.subpool_size,
            self.brief.metric,
            self._index(),
        )

    def _index(self) -> Index:
        index = self.pool.index(self.brief.metric)
        self.retrieval = index.note
        return index

    def _subpool(self) -> NDArray[np.int64]:
        """What a slow model scores for `auto`: the neighbours of anchors, and random items."""
        near = self._anchors().subpool(self.X, self.labels.classes, self.candidates, self.rng).positions
        others = self.rng.choice(len(self.rows), min(RANDOM_SUBPOOL, len(self.rows)), replace=False)
        positions = np.union1d(near, others)
        self.subpool_size = self.n_scored = len(positions)
        return positions

    def _arms(self) -> list[dict[str, Any]]:
        """Each arm with its share of the queries, and what it asked for and found so far."""
        counts = self.labels.by_arm(self.settings.wanted)
        return [
            {"arm": arm, "share": share, "asked": counts.get(arm, (0, 0))[0], "found": counts.get(arm, (0, 0))[1]}
            for arm, share in self.shares.items()
        ]

    def _reasons(self, queries: QueryList) -> tuple[Reason, ...]:
        landscape = self.pool.landscape(self.brief.metric)
        return explain(landscape, queries.rows, self.labels.rows, self.labels.classes, self.settings.unexplained)

    # ---- what is shown ---------------------------------------------------------------------------

    def _shown(self, learner: ActiveLearner | None, queries: QueryList) -> tuple[NDArray[np.float64], str]:
        """Probabilities of the queries after the correction for showing, and which one is in force."""
        shown = np.zeros((len(queries.rows), self.labels.n_classes))
        if learner is None:
            return np.full_like(shown, np.nan), Correction.NONE.value
        try:
            return self._predicted(learner, queries, shown)
        except Exception as error:
            self.messages.append(f"the probabilities could not be predicted ({type(error).__name__}: {error})")
            return np.full_like(shown, np.nan), Correction.NONE.value

    def _predicted(
        self, learner: ActiveLearner, queries: QueryList, shown: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], str]:
        correction = self._in_force(self.settings.correction)
        model: Any = learner
        if correction != Correction.NONE:
            model = correct(learner, self.candidates, correction, self._prevalence_of(learner), self.rng)
        if len(queries.rows):
            shown[:, learner.estimator.classes_] = model.predict_proba(self.pool.X[queries.rows])
        return shown, correction.value

    def _metrics(self) -> list[dict[str, Any]]:
        if not self.settings.cross_validate:
            return []
        seed = int(self.rng.integers(2**31))
        try:
            return cross_validate(
                lambda: self.spec.make(seed), self.X, self.labels.classes, self.labels.n_classes, self.rng
            )
        except Exception as error:
            self.messages.append(f"the labels could not be cross-validated ({type(error).__name__}: {error})")
            return []
