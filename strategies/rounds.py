"""One turn of the loop as a pure function: pool + labels + settings + generator → `Round`."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..later import Later
from .asking import Asker
from .audit import Answers, Rates, SealedAudit
from .base import Brief, Queries, class_labels
from .classifiers import classifier_spec
from .crossval import cross_validate
from .duplicates import Duplicates, askable
from .fitted import Fitted
from .labels import Labels
from .pool import Pool
from .priors import Correction, Prevalence, class_prior, prevalence_in_force
from .queries import QueryList
from .reasons import Reason, explain
from .retrieval import Metric
from .rows import RememberingLearner, Rows, packed
from .scoring import Scoring, make_scoring, shown_model, stage_rates
from .settings import RoundSettings
from .steps import Progress, Steps, tell_nobody

if TYPE_CHECKING:
    from modAL.models import ActiveLearner

models = Later("modAL.models")

__all__ = ["Fitted", "Labels", "QueryList", "Round", "RoundSettings", "fit_model", "re_estimate", "run_round"]


@dataclass
class Round:
    """What one round found and asks.

    Arrays over classes have shape ``(n_classes,)`` and NaN where a value is unknown. `shown_probabilities`
    is ``(n_queries, n_classes)`` after the correction in force. `retrieval` says how the neighbours of a
    subpool were found, and what share of them; `anchors` are the rows of the labelled items whose neighbours they
    are, int64, sorted, by class, empty without a subpool. `reasons` has one entry a query. `arms`
    says of each arm its ``share`` of the queries, and how many labels it ``asked`` for and wanted items
    it ``found`` so far. `duplicates` are pairs of an unlabelled row and a labelled row with the same
    features: they are not asked. `audit` says how far the sealed audit has got, and `estimates` what it
    says of the pool (see `estimates.Estimates.report`), None without a model or an audit; `next_rates` are
    there when the audit's next stage is due; `scoring` makes estimates anew. `estimator` is None before two
    classes have a label.
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
    audit: dict[str, Any] | None = None
    estimates: dict[str, Any] | None = None
    anchors: dict[int, NDArray[np.int64]] = field(default_factory=dict)
    reasons: tuple[Reason, ...] = ()
    next_rates: Rates | None = field(default=None, repr=False)
    scoring: Scoring | None = field(default=None, repr=False)
    estimator: Any = field(default=None, repr=False)

    def report(self) -> dict[str, Any]:
        """What a page or a log shows, as JSON-able values: without queries and estimator."""
        hidden = (
            "queries", "shown_probabilities", "reasons", "duplicates", "next_rates", "scoring", "estimator",
            "anchors",
        )  # fmt: skip
        values = {f: getattr(self, f) for f in self.__dataclass_fields__ if f not in hidden}
        return {
            name: [float(v) if np.isfinite(v) else None for v in value] if isinstance(value, np.ndarray) else value
            for name, value in values.items()
        } | {
            "messages": list(self.messages),
            "n_duplicates": len(self.duplicates),
            "anchors": {str(c): packed(rows) for c, rows in self.anchors.items()},
        }


def run_round(
    pool: Pool,
    labels: Labels,
    settings: RoundSettings,
    rng: np.random.Generator,
    audit: SealedAudit | None = None,
    progress: Progress = tell_nobody,
) -> Round:
    """Fit, choose what to ask next, and measure; the same arguments give the same round.

    Before two classes have a label there is no model, and a strategy that needs one leaves the floor to
    `auto`, which explores. A strategy that fails is named in the messages, and the round is random
    instead. Touches the whole pool, or what `anchors` leaves of it.

    Parameters
    ----------
    rng
        The only source of chance.
    audit
        The sealed audit with its answers. Its items stay candidates of the strategies: what those would ask
        of them comes back marked as sealed.
    progress
        Called between the steps, and before each block of the pool that is scored, with the share of the work
        done and what is being done. See `Steps` for how it can end the round.
    """
    steps = Steps(progress)
    steps.begin(0.0, 0.05, "looking up what is open")
    return _Turn(pool, labels, settings, rng, audit, steps).run()


def fit_model(
    pool: Pool,
    labels: Labels,
    settings: RoundSettings,
    rng: np.random.Generator,
    audit: SealedAudit | None = None,
) -> Fitted:
    """The model that `run_round` with the same arguments has, without asking or scoring the pool.

    Raises
    ------
    ValueError
        When there is no model: fewer than two classes have a label, or the classifier cannot be fitted.
    """
    return _Turn(pool, labels, settings, rng, audit).fitted()


def re_estimate(scoring: Scoring, labels: Labels, audit: SealedAudit) -> dict[str, Any]:
    """The report of the estimates with the model of a round, after more answers than it knew; no new fit."""
    audit = audit.beside(labels)
    return scoring.estimates(audit, labels, _fixed_rng(audit)).report()


def _fixed_rng(audit: SealedAudit) -> np.random.Generator:
    """The same for the same answers, so that limits do not flicker."""
    return np.random.default_rng(len(audit.answers.rows))


class _Clock:
    """Seconds by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {"fit": 0.0, "query": 0.0, "metrics": 0.0}

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[name] += time.perf_counter() - began


class _Turn:
    """One round, step by step."""

    def __init__(
        self,
        pool: Pool,
        labels: Labels,
        settings: RoundSettings,
        rng: np.random.Generator,
        audit: SealedAudit | None,
        steps: Steps | None = None,
    ) -> None:
        self.pool, self.labels, self.settings, self.rng = pool, labels, settings, rng
        self.steps = steps or Steps()
        self.correcting_rng = rng.spawn(1)[0]  # of its own: the model does not depend on what is asked
        self.audit = None if audit is None else audit.beside(labels)
        answers = Answers() if self.audit is None else self.audit.answers
        self.sealed = answers.rows[~answers.reached]
        self.n_labels = len(labels.rows) + int((answers.classes >= 0).sum())
        self.clock = _Clock()
        self.messages: list[str] = []
        self.spec = classifier_spec(settings.classifier)
        self.X = np.asarray(pool.X[labels.rows])
        self.taken = (answers.rows[answers.reached], answers.skipped)
        self.rows, self.duplicates = askable(pool, labels, *self.taken)
        self.candidates = Rows(pool.X, self.rows)
        self.scoring: Scoring | None = None
        self.estimates: dict[str, Any] | None = None
        self.next_rates: Rates | None = None
        metric: Metric = settings.metric  # type: ignore[assignment]
        self.brief = Brief(
            settings.wanted,
            metric,
            settings.n_left(self.n_labels),
            pool.landscape(metric),
            labels,
            settings.shares,
        )

    def run(self) -> Round:
        """Fit, query, show, measure."""
        labels, n_classes = self.labels, self.labels.n_classes
        if not len(self.rows):
            self.messages.append("every item has an answer: nothing is left to ask")
        self.steps.begin(0.05, 0.2, "fitting the model")
        with self.clock.measure("fit"):
            fitted = self._fit()
        learner: Any = None if fitted is None else RememberingLearner(fitted, self.pool.X, self.steps)
        prior = np.full(n_classes, np.nan) if learner is None else class_prior(labels.classes, n_classes)
        prevalence, source = self._prevalence(prior)
        asker = Asker(
            self.pool, self.labels, self.settings, self.rng, self.audit, self.rows, self.sealed, self.taken,
            self.n_labels, self.brief, self.known_prevalence, self.messages, self.steps,
        )  # fmt: skip
        self.steps.begin(0.2, 0.6, "choosing what to ask next")
        with self.clock.measure("query"):
            queries = asker.queries(learner)
            self.steps.begin(0.6, 0.7, "predicting what is asked")
            model = self._model(learner)
            shown = self._shown(model, queries)
            reasons = self._reasons(queries)
        with self.clock.measure("metrics"):
            metrics = [] if learner is None else self._metrics()
            self._estimate(learner, model)
        self.steps.finish()
        return Round(
            queries=queries,
            shown_probabilities=shown,
            class_prior=prior,
            prevalence=prevalence.point,
            prevalence_low=prevalence.low,
            prevalence_high=prevalence.high,
            prevalence_source=source,
            correction=str(getattr(model, "prior_state", Correction.NONE)),
            query_correction=asker.query_correction.value,
            n_labels=self.n_labels,
            n_available=len(self.rows),
            n_scored=asker.n_scored,
            subpool_size=asker.subpool_size,
            retrieval=asker.retrieval,
            arms=asker.arms(),
            duplicates=self.duplicates,
            metrics=metrics,
            messages=tuple(self.messages),
            seconds=self.clock.seconds,
            audit=self._audit_report(),
            estimates=self.estimates,
            next_rates=self.next_rates,
            scoring=self.scoring,
            anchors=asker.anchors,
            reasons=reasons,
            estimator=None if learner is None else learner.estimator,
        )

    def fitted(self) -> Fitted:
        """The model alone; where every item has an answer, too."""
        labels = self.labels
        if len(np.unique(labels.classes)) < 2:
            raise ValueError("there is no model yet: label items of at least two classes first")
        learner = self._fitted_learner()
        if learner is None:
            raise ValueError(self.messages[-1])
        prevalence, source = self._prevalence(class_prior(labels.classes, labels.n_classes))
        if not len(self.rows):
            self.candidates = Rows(self.pool.X)
        model = self._model(learner)
        fitted = Fitted.of(model, prevalence.point, source, self.messages)
        if self.audit is None:
            return fitted
        scoring = make_scoring(self.pool, learner, labels, self.audit, self.settings, model, scores_all=False)
        return fitted.with_thresholds(scoring.thresholds.values, scoring.thresholds.sources)

    def _prevalence(self, prior: NDArray[np.float64]) -> tuple[Prevalence, str]:
        """The prevalence in force, and where it comes from."""
        prevalence, source = prevalence_in_force(
            self.labels, self.pool.n_items, self.settings.prevalence, self.audit, prior
        )
        self.known_prevalence = prevalence.point if np.isfinite(prevalence.point).all() else None
        return prevalence, source

    def _fit(self) -> ActiveLearner | None:
        """A fresh modAL learner on the labels; None before two classes have one, or where it cannot be fitted."""
        if len(np.unique(self.labels.classes)) < 2 or not len(self.rows):
            return None
        return self._fitted_learner()

    def _fitted_learner(self) -> ActiveLearner | None:
        """The learner, or None with a message."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # few labels always give some
                return models.ActiveLearner(
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

    def _reasons(self, queries: QueryList) -> tuple[Reason, ...]:
        landscape = self.pool.landscape(self.brief.metric)
        return explain(landscape, queries.rows, self.labels.rows, self.labels.classes, self.settings.unexplained)

    # ---- what is shown ---------------------------------------------------------------------------

    def _model(self, learner: Any) -> Any:
        """The learner with the probabilities that are shown; the learner itself where that fails."""
        if learner is None:
            return None
        known, settings = self.known_prevalence, self.settings
        prevalence = None if known is None else known[class_labels(learner)]
        correction = Correction(settings.correction)
        try:
            return shown_model(
                learner,
                self.candidates,
                correction,
                prevalence,
                self.audit,
                self.pool,
                settings.wanted,
                self.correcting_rng,
            )
        except Exception as error:
            self.messages.append(f"the probabilities could not be corrected ({type(error).__name__}: {error})")
            return learner

    def _shown(self, model: Any, queries: QueryList) -> NDArray[np.float64]:
        """Probabilities of the queries after the correction in force, NaN without a model."""
        shown = np.zeros((len(queries.rows), self.labels.n_classes))
        if model is None:
            return np.full_like(shown, np.nan)
        try:
            if len(queries.rows):
                shown[:, class_labels(model)] = model.predict_proba(self.pool.X[queries.rows])
        except Exception as error:
            self.messages.append(f"the probabilities could not be predicted ({type(error).__name__}: {error})")
            return np.full_like(shown, np.nan)
        return shown

    # ---- what is known of the pool ---------------------------------------------------------------

    def _estimate(self, learner: Any, model: Any) -> None:
        """Score the pool, and let the audit say how good that is; a message where it fails."""
        if self.audit is None or learner is None:
            return
        self.steps.begin(0.85, 1.0, "estimating what the pool holds")
        scores_all = self.spec.fast or self.pool.n_items <= self.settings.anchors_above
        try:
            self.scoring = make_scoring(
                self.pool, learner, self.labels, self.audit, self.settings, model, scores_all
            )
            self.estimates = self.scoring.estimates(self.audit, self.labels, _fixed_rng(self.audit)).report()
            if self.audit.next_stage_is_due and self.settings.wanted:
                self.next_rates = stage_rates(self.pool, learner, self.labels, self.settings.wanted, self.rng)
        except Exception as error:
            self.messages.append(f"the pool could not be estimated ({type(error).__name__}: {error})")

    def _audit_report(self) -> dict[str, Any] | None:
        if self.audit is None:
            return None
        answers = self.audit.answers
        members = answers.classes[answers.classes >= 0]
        return {
            "n_answered": len(answers.rows),
            "n_in_sample": int(self.audit.in_sample.sum()),
            "n_hits": int(answers.reached.sum()),
            "n_unjudged": int((answers.classes < 0).sum()),
            "n_skipped": len(answers.skipped),
            "n_members": np.bincount(members, minlength=self.labels.n_classes).tolist(),
            "reach": self.audit.reach if np.isfinite(self.audit.reach) else None,
            "stage": len(self.audit.stages) - 1,
        }

    def _metrics(self) -> list[dict[str, Any]]:
        if not self.settings.cross_validate:
            return []
        self.steps.begin(0.7, 0.85, "measuring the model on the labels")
        seed = int(self.rng.integers(2**31))

        def make() -> Any:
            self.steps.pause()
            return self.spec.make(seed)

        try:
            return cross_validate(make, self.X, self.labels.classes, self.labels.n_classes, self.rng)
        except Exception as error:
            self.messages.append(f"the labels could not be cross-validated ({type(error).__name__}: {error})")
            return []
