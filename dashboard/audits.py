"""The sealed audit of a workspace: what is sealed, what has been answered, and what the worker needs of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..data.audits import FOLDER, AuditRecord, StageRecord
from ..data.events import LATER
from ..data.log_state import ItemState, LogState
from ..data.workspace import Workspace
from ..strategies.audit import Answers, Rates, SealedAudit, Stage, permanent_numbers
from .queue import SEALED, Queued
from .reasons import AUDIT, BULK, CAMPAIGN, OPENED

UNJUDGED = -1


@dataclass(frozen=True)
class AuditTask:
    """An audit as it is sent to the worker: its number and seed, the records of its stages, and its answers."""

    number: int
    seed: int
    stages: tuple[StageRecord, ...]
    answers: Answers


@dataclass(frozen=True)
class NewStage:
    """A stage of an audit that a round has made: the reach of the one before, its levels, and its file."""

    audit: int
    reach: float
    levels: tuple[float, ...]
    file: str


class Auditor:
    """The audit under way in one session: what it seals, and which sealed items the learner has asked for.

    Attributes
    ----------
    audit
        The audit, or None where there has never been one.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.audit: AuditRecord | None = None
        self._passed_over: tuple[Queued, ...] = ()  # sealed items that the round of the queue would have asked

    def begin(self, share: float) -> None:
        """Go on with the audit; it begins where there is none, and again where table or files have changed.

        A repeated audit has the same permanent random numbers, so that what is answered already counts again.
        """
        audits, n_items = self.workspace.audits, self.workspace.table.n_rows
        current = audits.current()
        if current is None:
            self.audit = audits.begin(_seed(self.workspace, 1), n_items) if share else None
        elif current.n_items == n_items and all(_is_whole(self.workspace, stage) for stage in current.stages):
            self.audit = current
        else:
            self.audit = audits.begin(current.seed, n_items, current.sealed_since)

    def unseal(self) -> None:
        """Release all sealed answers to training, and begin a new audit with other random numbers."""
        number = 1 if self.audit is None else self.audit.number + 1
        self.audit = self.workspace.audits.begin(_seed(self.workspace, number), self.workspace.table.n_rows)
        self._passed_over = ()

    def open_stage(self, stage: NewStage) -> None:
        """Go on by the rates that a round has made, unless the audit has begun anew meanwhile."""
        if self.audit is not None and stage.audit == self.audit.number:
            self.workspace.audits.open_stage(stage.audit, stage.reach, stage.levels, stage.file)
            self.audit = self.workspace.audits.current()

    def task(self) -> AuditTask | None:
        """The audit as of now, as the worker takes it."""
        return task_of(self.workspace, self.workspace.log.state(), self.audit)

    # ---- hits ------------------------------------------------------------------------------------

    def has_sealed(self, row: int) -> bool:
        """Whether the audit has the answer of an item, of which the learner must not know."""
        return self._seals(self.workspace.ids.text(row))

    def _seals(self, item_id: str) -> bool:
        state = self.workspace.log.state()
        item = state.items.get(item_id)
        return item is not None and is_sealed(item, state, self.audit)

    def without_sealed(self, asked: Sequence[Queued]) -> tuple[Queued, ...]:
        """The questions of a round that can be shown; the sealed items among them are remembered."""
        self._passed_over = tuple(q for q in asked if q.selection == SEALED)
        return tuple(q for q in asked if q.selection != SEALED)

    def record_passed(self, answered: Iterable[Queued]) -> None:
        """Record sealed items as hits once a question that stood after them in the same queue is answered.

        Questions of a campaign say nothing of the queue that they are asked instead of.
        """
        if self.audit is None or not self._passed_over:
            return
        number = self._passed_over[0].round
        farthest = max((q.rank for q in answered if q.round == number and q.strategy != CAMPAIGN), default=-1)
        hits = [q for q in self._passed_over if q.rank < farthest]
        for strategy in {q.strategy for q in hits}:
            texts = self.workspace.ids.texts([q.row for q in hits if q.strategy == strategy])
            self.workspace.audits.add_hits(self.audit.number, texts, strategy, number)
        self._passed_over = tuple(q for q in self._passed_over if q.rank >= farthest)

    def record_swept(self, item_ids: Iterable[str]) -> None:
        """Record items that the audit is about to ask as hits of a bulk step that leaves them to it."""
        if self.audit is not None:
            self.workspace.audits.add_hits(self.audit.number, list(item_ids), BULK)

    def record_reached(self, item_ids: Iterable[str], asked_by: str = OPENED) -> None:
        """Record sealed items as hits that the user came upon by themselves, or a campaign has drawn."""
        if self.audit is not None:
            state = self.workspace.log.state()
            answered = [item_id for item_id in item_ids if item_id in state.items]
            sealed = [i for i in answered if is_sealed(state.items[i], state, self.audit)]
            self.workspace.audits.add_hits(self.audit.number, sealed, asked_by)


def _seed(workspace: Workspace, number: int) -> int:
    session_seed = int(workspace.settings.get("seed", 0))
    return int(np.random.SeedSequence((session_seed, number)).generate_state(1)[0])


def _is_whole(workspace: Workspace, stage: StageRecord) -> bool:
    if stage.file is None:
        return True
    try:
        codes = np.load(workspace.folder / FOLDER / stage.file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError):
        return False
    return codes.shape == (workspace.table.n_rows,) and codes.dtype == np.uint8


# ---- what is sealed ---------------------------------------------------------------------------------


def is_sealed(item: ItemState, state: LogState, audit: AuditRecord | None) -> bool:
    """Whether an item's answer belongs to the audit under way, so that no model may learn from it."""
    item_id = item.event.item_id
    if audit is None or (item.event.strategy != AUDIT and state.n_events_of(item_id) < 2):
        return False
    first = next((e for e in state.answers_to(item_id) if e.strategy == AUDIT), None)
    return first is not None and first.created_at >= audit.sealed_since


def sealed_items(state: LogState, audit: AuditRecord | None) -> dict[str, ItemState]:
    """The sealed items with their state, in the order of their first answer."""
    return {item_id: item for item_id, item in state.items.items() if is_sealed(item, state, audit)}


def current_audit(workspace: Workspace) -> AuditRecord | None:
    """The audit; where the table has got other rows since, as the next session will begin it again."""
    audit = workspace.audits.current()
    if audit is None or audit.n_items == workspace.table.n_rows:
        return audit
    return replace(audit, n_items=workspace.table.n_rows, stages=(StageRecord(0),))


def task_of(workspace: Workspace, state: LogState, audit: AuditRecord | None) -> AuditTask | None:
    """What the worker needs of the audit as of now."""
    if audit is None:
        return None
    sealed, hits = sealed_items(state, audit), workspace.audits.hits(audit.number)
    place = workspace.taxonomy.places
    answered = {item_id: item for item_id, item in sealed.items() if item.status not in LATER}
    classes = (place[str(item.label)] if item.status == "labelled" else UNJUDGED for item in answered.values())
    skipped = [item_id for item_id, item in sealed.items() if item.status in LATER]
    answers = Answers(
        rows=workspace.ids.rows(list(answered)),
        classes=np.fromiter(classes, np.int64, len(answered)),
        reached=np.fromiter((item_id in hits for item_id in answered), bool, len(answered)),
        skipped=workspace.ids.rows(skipped),
    )
    return AuditTask(audit.number, audit.seed, audit.stages, answers)


def n_disagreeing(state: LogState, audit: AuditRecord | None) -> int:
    """How many sealed items have answers in force by two annotators that differ."""
    n = 0
    for item_id in sealed_items(state, audit):
        newest = {e.annotator: (e.action if e.label is None else e.label) for e in state.answers_to(item_id)}
        n += len(set(newest.values())) > 1
    return n


@dataclass(frozen=True)
class AuditFacts:
    """What there is to say of an audit, for people.

    `members` are answers by class, in the order of the taxonomy, and `asked_for` those of them that a strategy
    has asked for since. `n_unjudged` answers were no class, `n_put_off` are to come, and on `n_differing` items
    two annotators do not agree.
    """

    sealed_since: datetime
    n_answered: int
    n_unjudged: int
    n_put_off: int
    n_differing: int
    members: dict[str, int]
    asked_for: dict[str, int]


def facts_of(workspace: Workspace, state: LogState, audit: AuditRecord | None) -> AuditFacts | None:
    """Count what an audit has been answered; None without an audit."""
    if audit is None:
        return None
    sealed, hits = sealed_items(state, audit), workspace.audits.hits_by(audit.number)
    by_strategy = {item_id for item_id, asked_by in hits.items() if asked_by not in (OPENED, CAMPAIGN, BULK)}
    labels = {item_id: item.label for item_id, item in sealed.items()}
    statuses = [item.status for item in sealed.values()]
    n_put_off = sum(statuses.count(status) for status in LATER)
    return AuditFacts(
        sealed_since=audit.sealed_since,
        n_answered=len(statuses) - n_put_off,
        n_unjudged=len(statuses) - n_put_off - statuses.count("labelled"),
        n_put_off=n_put_off,
        n_differing=n_disagreeing(state, audit),
        members={c: sum(label == c for label in labels.values()) for c in workspace.taxonomy.places},
        asked_for={
            c: sum(label == c and item_id in by_strategy for item_id, label in labels.items())
            for c in workspace.taxonomy.places
        },
    )


# ---- in the worker ----------------------------------------------------------------------------------


class AuditFiles:
    """The arrays of the audits of one workspace, opened once."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._codes: dict[str, NDArray[np.uint8]] = {}
        self._numbers: tuple[int, NDArray[np.float64]] | None = None

    def sealed_audit(self, task: AuditTask) -> SealedAudit:
        """The audit of a task with its arrays; the first call touches the whole table."""
        if self._numbers is None or self._numbers[0] != task.seed:
            self._numbers = (task.seed, permanent_numbers(self.workspace.ids.keys(), task.seed))
        stages = tuple(self._stage(record) for record in task.stages)
        return SealedAudit(self._numbers[1], stages, task.answers)

    def _stage(self, record: StageRecord) -> Stage:
        reach = np.nan if record.reach is None else record.reach
        if record.file is None:
            return Stage(Rates.uniform(self.workspace.table.n_rows), reach)
        if record.file not in self._codes:
            path: Path = self.workspace.folder / FOLDER / record.file
            self._codes[record.file] = np.load(path, mmap_mode="r", allow_pickle=False)
        return Stage(Rates(self._codes[record.file], np.array(record.levels)), reach)
