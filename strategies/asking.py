"""What a round asks: the strategy of the settings with what is put around it, and the audit's questions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .anchors import Anchors
from .audit import SealedAudit, due_places
from .base import Brief, QueryStrategy, RandomSampling, class_labels
from .classifiers import classifier_spec
from .diversity import Diverse, Quotas
from .labels import Labels
from .mixture import Auto, Proposals
from .pool import Pool
from .priors import Correction, correct
from .queries import QueryList, with_audit
from .registry import STRATEGIES, make_strategy
from .retrieval import Index
from .rows import RememberingLearner, Rows
from .seals import Seals
from .settings import RoundSettings
from .steps import Steps
from .subpools import Subpooled

RANDOM_SUBPOOL = 2_000
MOST_SEALED = 10  # sealed items for which a round has room beside those that it shows


@dataclass(frozen=True)
class Untrained:
    """What strategies that need no model are asked with: the labels, ``(n_labels, ...)``, in one class or none."""

    X_training: NDArray[np.float32]
    y_training: NDArray[np.int64]


@dataclass
class Asker:
    """Makes the queries of one round.

    Parameters
    ----------
    rows
        What the strategies choose from, int64: items without an answer that they know of.
    sealed
        Rows whose answer the audit has.
    taken
        Further rows that are not asked: what the audit has, and the strategies have reached or the user put off.
    n_labels
        Answers so far, those of the audit included.
    prevalence
        Shares of the classes in the pool, ``(n_classes,)``; None where they are not known.
    messages
        Where it says what went wrong.
    steps
        Told how far an index of the pool is that is made first.

    Attributes
    ----------
    shares
        Of the arms, after `queries`.
    n_scored, subpool_size, retrieval, query_correction
        How the strategy scored the pool.
    anchors
        Rows of the labelled items whose neighbours were the subpool, int64, sorted, by class; empty without any.
    """

    pool: Pool
    labels: Labels
    settings: RoundSettings
    rng: np.random.Generator
    audit: SealedAudit | None
    rows: NDArray[np.int64]
    sealed: NDArray[np.int64]
    taken: tuple[NDArray[np.int64], ...]
    n_labels: int
    brief: Brief
    prevalence: NDArray[np.float64] | None
    messages: list[str]
    steps: Steps = field(default_factory=Steps)
    shares: dict[str, float] = field(default_factory=dict)
    n_scored: int = 0
    subpool_size: int | None = None
    retrieval: str | None = None
    anchors: dict[int, NDArray[np.int64]] = field(default_factory=dict)
    query_correction: Correction = Correction.NONE

    def __post_init__(self) -> None:
        self.X = np.asarray(self.pool.X[self.labels.rows])
        self.candidates = Rows(self.pool.X, self.rows)
        self.spec = classifier_spec(self.settings.classifier)
        self.n_scored = len(self.rows)

    def queries(self, learner: RememberingLearner | None) -> QueryList:
        """The queries of the round in the order in which they are asked; touches the whole pool."""
        n, places = self._places()
        n_own = n - len(places)
        own = self._own_queries(learner, n_own)
        if self.audit is None or not len(places):
            return own
        questions, inclusion = self.audit.questions(n + len(places))
        mine, also_asked = self._assigned(own, questions, places)
        own = replace(own, sealed=own.sealed | np.isin(own.rows, also_asked))
        return with_audit(own, questions[mine], inclusion[mine], places)

    @staticmethod
    def _assigned(
        own: QueryList, questions: NDArray[np.int64], places: NDArray[np.int64]
    ) -> tuple[list[int], list[int]]:
        """Which questions of the audit stand at its places, and rows of those that the strategies ask later on.

        What a strategy asks before needs no question. What it asks after has its answer by then, as any item
        that is sealed: whether it counts as asked by the strategy must not depend on the audit.
        """
        shown = own.rows[~own.sealed].tolist()
        at = {row: place for place, row in enumerate(shown)}
        mine: list[int] = []
        also_asked: list[int] = []
        for index, row in enumerate(questions.tolist()):
            if len(mine) == len(places):
                break
            n_before = int(places[len(mine)]) - len(mine)
            if at.get(row, len(shown)) < n_before:
                continue
            mine.append(index)
            also_asked += [row] if row in at else []
        return mine, also_asked

    def _places(self) -> tuple[int, NDArray[np.int64]]:
        """How many queries there will be, and the places of the audit's among them."""
        n = min(self.settings.n_queries, len(self.rows))
        if self.audit is None:
            return n, np.empty(0, np.int64)
        n_audited = len(self.audit.answers.rows)
        seed = int(self.audit.numbers[0] * 2**53)  # of this audit, and the same in every round
        return n, due_places(self.n_labels, n_audited, n, self.settings.audit_share, seed)

    def _own_queries(self, learner: RememberingLearner | None, n: int) -> QueryList:
        """What the strategies ask: n items without an answer, and the sealed ones that they would ask as well."""
        n_more = min(n + min(len(self.sealed), MOST_SEALED), len(self.rows))
        chosen = self._ask(learner, 0 if self.settings.strategy == RandomSampling.name else n_more)
        if not self.shares:
            self.shares = {RandomSampling.name: 1.0}
        # Random items speak for all that have no label, duplicates of labelled ones included.
        taken = (self.labels.rows, self.labels.excluded, *self.taken)
        rest = self.pool.available(*taken, self.rows[chosen.positions])
        n_drawn = min(n_more - len(chosen.positions), len(rest))
        drawn = self.rng.choice(rest, n_drawn, replace=False)
        rows = np.r_[self.rows[chosen.positions], drawn]
        names = (*chosen.arms, *[RandomSampling.name] * n_drawn)
        sealed = np.isin(rows, self.sealed)
        queries = QueryList(
            rows,
            names,
            np.r_[chosen.probability, np.full(n_drawn, n_drawn / max(len(rest), 1))],
            np.r_[chosen.scores, np.full(n_drawn, np.nan)],
            np.array([self.shares.get(name, 1.0) for name in names]),
            sealed,
        )
        return queries.first(int(np.searchsorted(np.cumsum(~sealed), n)) + 1) if n else queries.first(0)

    def _ask(self, learner: RememberingLearner | None, n: int) -> Proposals:
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

    def _proposals(self, learner: RememberingLearner | None, n: int) -> Proposals:
        asked: Any = Untrained(self.X, self.labels.classes) if learner is None else self._corrected(learner)
        strategy, name = self._strategy(learner)
        if isinstance(strategy, Auto):
            self.shares, proposals = strategy.propose(asked, self.candidates, n, self.rng)
            return proposals
        self.shares = {name: 1.0}
        positions, scores = strategy(asked, self.candidates, n_instances=n, random_state=self.rng)
        if isinstance(strategy, Subpooled):
            self.subpool_size = self.n_scored = len(strategy.last_subpool.positions)
            self._keep_anchors(strategy.last_subpool.anchors)
        inside = ~np.isneginf(scores)  # what a strategy filled up at random is drawn, and named so, by the round
        positions, scores = positions[inside], scores[inside]
        n = len(positions)
        return Proposals(positions, scores, (name,) * n, np.ones(n), np.full(n, np.nan))

    def _corrected(self, learner: RememberingLearner) -> Any:
        """The learner with the probabilities that are queried."""
        correction = Correction(self.settings.query_correction)
        if not self._is_ours:
            return learner.learner
        if self.prevalence is None or correction == Correction.NONE:
            return learner
        self.query_correction = correction
        prevalence = self.prevalence[class_labels(learner)]
        return correct(learner, self.candidates, correction, prevalence, self.rng)

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

    def _strategy(self, learner: RememberingLearner | None) -> tuple[Any, str]:
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
        index = self.pool.index(self.brief.metric, self.steps.part)
        self.retrieval = index.note
        return index

    def _subpool(self) -> NDArray[np.int64]:
        """What a slow model scores for `auto`: the neighbours of anchors, and random items."""
        near = self._anchors().subpool(self.X, self.labels.classes, self.candidates, self.rng)
        self._keep_anchors(near.anchors)
        others = self.rng.choice(len(self.rows), min(RANDOM_SUBPOOL, len(self.rows)), replace=False)
        positions = np.union1d(near.positions, others)
        self.subpool_size = self.n_scored = len(positions)
        return positions

    def _keep_anchors(self, places: NDArray[np.int64]) -> None:
        rows, classes = self.labels.rows[places], self.labels.classes[places]
        self.anchors = {int(c): np.unique(rows[classes == c]) for c in np.unique(classes)}

    def arms(self) -> list[dict[str, Any]]:
        """Each arm with its share of the queries, and what it asked for and found so far."""
        counts = self.labels.by_arm(self.settings.wanted)
        return [
            {"arm": arm, "share": share, "asked": counts.get(arm, (0, 0))[0], "found": counts.get(arm, (0, 0))[1]}
            for arm, share in self.shares.items()
        ]
