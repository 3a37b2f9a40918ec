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
from .discovery import cold_start
from .pool import Pool
from .priors import (
    Correction,
    Prevalence,
    PriorCorrected,
    class_prior,
    correct,
    prevalence_from_ranges,
    prevalence_from_uniform,
)
from .registry import make_strategy
from .retrieval import Metric
from .rows import Rows
from .settings import RoundSettings

__all__ = ["Labels", "QueryList", "Round", "RoundSettings", "run_round"]


@dataclass(frozen=True)
class Labels:
    """What the log says: labelled rows with their classes, and rows that must not be asked.

    In the order in which they were labelled: `rows` and `classes` are int64 ``(n_labels,)``, classes
    being indices into the taxonomy; `uniform` is bool ``(n_labels,)``, true where the item was drawn at
    random; `arms` are the strategies that asked, and `rounds`, int64, the rounds in which they did (−1
    where there was none); both may be left empty. `excluded` is int64: skipped, unsure, flagged.
    """

    rows: NDArray[np.int64]
    classes: NDArray[np.int64]
    uniform: NDArray[np.bool_]
    excluded: NDArray[np.int64]
    n_classes: int
    arms: tuple[str, ...] = ()
    rounds: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))


@dataclass(frozen=True)
class QueryList:
    """The queries of a round in the order in which they are asked.

    `rows` int64, `strategy` the arm that proposed each, `probability` its selection probability (NaN
    where the choice was deterministic), `score` (NaN where there is none), `rank` from 0.
    """

    rows: NDArray[np.int64]
    strategy: tuple[str, ...]
    probability: NDArray[np.float64]
    score: NDArray[np.float64]

    @property
    def rank(self) -> NDArray[np.int64]:
        """Places in the list, from 0."""
        return np.arange(len(self.rows))


@dataclass
class Round:
    """What one round found and asks.

    Arrays over classes have shape ``(n_classes,)`` and NaN where a value is unknown. `shown_probabilities`
    is ``(n_queries, n_classes)`` after the correction in force. `estimator` is None before two classes
    have a label.
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
    metrics: list[dict[str, Any]]
    messages: tuple[str, ...]
    seconds: dict[str, float]
    estimator: Any = field(default=None, repr=False)

    def report(self) -> dict[str, Any]:
        """What a page or a log shows, as JSON-able values: without queries and estimator."""
        hidden = ("queries", "shown_probabilities", "estimator")
        values = {f: getattr(self, f) for f in self.__dataclass_fields__ if f not in hidden}
        return {
            name: [float(v) if np.isfinite(v) else None for v in value] if isinstance(value, np.ndarray) else value
            for name, value in values.items()
        } | {"messages": list(self.messages)}


def run_round(pool: Pool, labels: Labels, settings: RoundSettings, rng: np.random.Generator) -> Round:
    """Fit, choose what to ask next, and measure; the same arguments give the same round.

    Before two classes have a label there is no model, and the queries come from a cold start. A strategy
    that fails is named in the messages, and the round is random instead. Touches the whole pool, or what
    `anchors` leaves of it.

    Parameters
    ----------
    rng
        The only source of chance.
    """
    rows = pool.available(labels.rows, labels.excluded)
    if len(np.unique(labels.classes)) < 2 or not len(rows):
        return _round_without_model(pool, labels, settings, rows, rng)
    turn = _Turn(pool, labels, settings, rows, rng)
    try:
        learner = turn.fit()
    except Exception as error:
        reason = f"classifier {settings.classifier} could not be fitted ({type(error).__name__}: {error})"
        message = f"{reason}; the items of this round come from the cold start"
        return _round_without_model(pool, labels, settings, rows, rng, (message,))
    return turn.run(learner)


class _Clock:
    """Seconds by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {"fit": 0.0, "query": 0.0, "metrics": 0.0}

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[name] += time.perf_counter() - began


def _round_without_model(
    pool: Pool, labels: Labels, settings: RoundSettings, rows: NDArray[np.int64], rng: np.random.Generator,
    messages: tuple[str, ...] = (),
) -> Round:  # fmt: skip
    clock = _Clock()
    if not len(rows):
        messages = (*messages, "every item has an answer: nothing is left to ask")
    with clock.measure("query"):
        cold = cold_start(Rows(pool.X, rows), settings.n_queries, rng)
    queries = QueryList(rows[cold.positions], cold.arms, cold.probability, cold.scores)
    unknown = np.full(labels.n_classes, np.nan)
    prevalence, source = _prevalence(pool, labels, settings, unknown)
    return Round(
        queries=queries,
        shown_probabilities=np.full((len(queries.rows), labels.n_classes), np.nan),
        class_prior=unknown,
        prevalence=prevalence.point,
        prevalence_low=prevalence.low,
        prevalence_high=prevalence.high,
        prevalence_source=source,
        correction=Correction.NONE.value,
        query_correction=Correction.NONE.value,
        n_labels=len(labels.rows),
        n_available=len(rows),
        n_scored=min(len(rows), 100_000),
        subpool_size=None,
        metrics=[],
        messages=messages,
        seconds=clock.seconds,
    )


def _prevalence(
    pool: Pool, labels: Labels, settings: RoundSettings, others: NDArray[np.float64]
) -> tuple[Prevalence, str]:
    """The prevalence in force and where it comes from: the user, random labels, or nowhere."""
    n = labels.n_classes
    unknown = Prevalence(*(np.full(n, np.nan) for _ in range(3)))
    n_uniform = int(labels.uniform.sum())
    measured = unknown
    if n_uniform >= settings.min_uniform:
        known = np.bincount(labels.classes[~labels.uniform], minlength=n)
        measured = prevalence_from_uniform(labels.classes[labels.uniform], n, known, pool.n_items)
    given = tuple(entry for entry in settings.prevalence if entry[0] < n)
    if given:
        base = measured.point if n_uniform >= settings.min_uniform else np.nan_to_num(others, nan=1.0 / n)
        return prevalence_from_ranges(given, base), "given by you"
    if n_uniform >= settings.min_uniform:
        return measured, f"from {n_uniform:,} labels drawn at random"
    return (
        unknown,
        f"unknown ({n_uniform} of {settings.min_uniform} random labels; give your own guess until then)",
    )


class _Turn:
    """One round with a model, step by step."""

    def __init__(
        self,
        pool: Pool,
        labels: Labels,
        settings: RoundSettings,
        rows: NDArray[np.int64],
        rng: np.random.Generator,
    ) -> None:
        self.pool, self.labels, self.settings, self.rows, self.rng = pool, labels, settings, rows, rng
        self.clock = _Clock()
        self.messages: list[str] = []
        self.spec = classifier_spec(settings.classifier)
        self.X = np.asarray(pool.X[labels.rows])
        self.candidates = Rows(pool.X, rows)
        self.subpool_size: int | None = None
        self.n_scored = len(rows)
        self.query_correction = Correction.NONE
        metric: Metric = settings.metric  # type: ignore[assignment]
        self.brief = Brief(settings.wanted, metric, settings.n_left(len(labels.rows)), pool.landscape(metric))

    def fit(self) -> ActiveLearner:
        """The learner on the labels."""
        with self.clock.measure("fit"):
            return self._learner()

    def run(self, learner: ActiveLearner) -> Round:
        """Query, show, measure."""
        labels = self.labels
        prior = class_prior(labels.classes, labels.n_classes)
        prevalence, source = _prevalence(self.pool, labels, self.settings, prior)
        self.known_prevalence = prevalence.point if np.isfinite(prevalence.point).all() else None
        with self.clock.measure("query"):
            queries = self._queries(learner)
            shown, correction = self._shown(learner, queries)
        with self.clock.measure("metrics"):
            metrics = self._metrics()
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
            metrics=metrics,
            messages=tuple(self.messages),
            seconds=self.clock.seconds,
            estimator=learner.estimator,
        )

    def _learner(self) -> ActiveLearner:
        """A fresh modAL learner on the labels; `teach` is never called."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # few labels always give some
            return ActiveLearner(
                estimator=self.spec.make(int(self.rng.integers(2**31))),
                query_strategy=self._nothing,
                X_training=self.X,
                y_training=self.labels.classes,
            )

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

    def _queries(self, learner: ActiveLearner) -> QueryList:
        n = min(self.settings.n_queries, len(self.rows))
        n_random = n if self.settings.strategy == RandomSampling.name else round(self.settings.random_share * n)
        positions, scores, name = self._ask(learner, n - n_random)
        n_random = n - len(positions)
        rest = np.setdiff1d(np.arange(len(self.rows)), positions, assume_unique=True)
        drawn = self.rng.choice(rest, n_random, replace=False)
        chance = n_random / max(len(rest), 1)
        return self._interleaved(positions, scores, name, drawn, chance)

    def _interleaved(
        self, positions: NDArray[np.int64], scores: NDArray[np.float64], name: str, drawn: NDArray[np.int64],
        chance: float,
    ) -> QueryList:  # fmt: skip
        """Random items at random places among the ranked ones."""
        n = len(positions) + len(drawn)
        is_random = np.zeros(n, bool)
        is_random[self.rng.choice(n, len(drawn), replace=False)] = True
        rows, score, probability = np.empty(n, np.int64), np.full(n, np.nan), np.full(n, np.nan)
        rows[~is_random], rows[is_random] = self.rows[positions], self.rows[drawn]
        score[~is_random] = scores
        probability[is_random] = chance
        strategy = tuple(RandomSampling.name if random else name for random in is_random)
        return QueryList(rows, strategy, probability, score)

    def _ask(self, learner: ActiveLearner, n: int) -> tuple[NDArray[np.int64], NDArray[np.float64], str]:
        """Positions and scores from the strategy; nothing, and a message, when it fails."""
        nothing = (np.empty(0, np.int64), np.empty(0), RandomSampling.name)
        if n == 0:
            self.n_scored = 0
            return nothing
        try:
            strategy, name = self._strategy(learner)
            positions, scores = strategy(learner, self.candidates, n_instances=n, random_state=self.rng)
        except Exception as error:
            self.messages.append(f"{error}; the items of this round are random")
            return nothing
        if isinstance(strategy, Anchors):
            self.subpool_size = self.n_scored = strategy.last_subpool_size
            inside = scores > -np.inf  # what the subpool could not fill is drawn, and named, as random below
            positions, scores = positions[inside], scores[inside]
        if len(positions) < n:
            self.messages.append(f"strategy {name} chose {len(positions)} of {n} items; the others are random")
        return positions, scores, name

    def _strategy(self, learner: ActiveLearner) -> tuple[Any, str]:
        """The strategy of the settings, with correction and anchors around it, and the name of its queries."""
        settings = self.settings
        by_anchors = settings.strategy == Anchors.name
        name = settings.base if by_anchors else settings.strategy
        strategy: Any = make_strategy(name, self.brief)
        correction = self._in_force(settings.query_correction)
        if correction != Correction.NONE and isinstance(strategy, QueryStrategy):
            self.query_correction = correction
            strategy = PriorCorrected(strategy, self._prevalence_of(learner), correction)
        too_large = len(self.rows) > settings.anchors_above and not self.spec.fast
        if by_anchors or (too_large and name != RandomSampling.name):
            anchors = Anchors(
                strategy, settings.n_anchors, settings.n_neighbors, settings.subpool_size,
                settings.metric,  # type: ignore[arg-type]
            )  # fmt: skip
            return anchors, f"anchors: {name}"
        return strategy, name

    # ---- what is shown ---------------------------------------------------------------------------

    def _shown(self, learner: ActiveLearner, queries: QueryList) -> tuple[NDArray[np.float64], str]:
        """Probabilities of the queries after the correction for showing, and which one is in force."""
        shown = np.zeros((len(queries.rows), self.labels.n_classes))
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
