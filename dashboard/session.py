"""The loop as a running thing: what is asked, what was answered, and the rounds in the background."""

from __future__ import annotations

import contextlib
import getpass
import logging
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import param

from ..data.bulk import label_events, step_events
from ..data.campaigns import CampaignRecord
from ..data.errors import InputError
from ..data.events import CLASS_ACTIONS, LATER, PROPAGATED, STEPS
from ..data.guidelines import Guideline
from ..data.labels import Action, Event, LogState, new_event_id
from ..data.roles import Roles
from ..data.roundlog import RoundRecord
from ..data.workspace import Workspace
from ..strategies.nearest_items import Nearest
from ..strategies.rounds import Labels, RoundSettings
from .audits import Auditor
from .bulk import Bulker
from .campaigns import Campaigner, Hooks
from .cards import CardRunner
from .distances import keep_metric
from .jobs import Jobs
from .log_columns import LogColumns
from .pace_meter import PaceMeter
from .pool_scores import PoolScores
from .queue import SEALED, Queued, queue_of, random_queue, records_of, restored, skipped_queue
from .reasons import AUDIT, CAMPAIGN, DUPLICATE, OPENED, PURITY, array_columns
from .stopping import StopTask, stop_task
from .taxonomy_editing import EXTENT_SINCE, Change, TakeBack, alters_models, change_classes, suggested_anew
from .training import labels_of
from .twins import Twins
from .worker import Progress, RoundResult, RoundTask, Worker, WorkerStoppedError

log = logging.getLogger(__name__)

# The page must never run dry while a round is under way.
MIN_QUEUE = 20
RETRAIN_EVERY = 5
CANCELLED = "The preparation was cancelled; nothing is lost: start again when you like."
MOST_PROPAGATED = 100_000  # labels in one transaction
LONGEST_ID = 64
DECISIONS = (Action.LABEL, Action.SKIP, Action.UNSURE, Action.FLAG, Action.DEFER, Action.NOTE)


@dataclass(frozen=True)
class Commit:
    """What one durable change did: its events, and the rows whose state changed."""

    events: tuple[Event, ...]
    rows: tuple[int, ...]


class LabellingSession(param.Parameterized):
    """One workspace being labelled, shared by every page that shows it.

    Answers go through one writer thread, so they are stored in the order in which they came; rounds
    run in the worker process. The parameters change in those threads: whoever watches them must hop
    to a thread of its own.

    Parameters
    ----------
    workspace
        The opened workspace; the session holds its lock until `close`.
    annotator
        Whose answers these are; the name of the operating system's user by default.
    """

    phase = param.Selector(
        default="setup", objects=["setup", "preparing", "labelling"], doc="What the page shows."
    )
    progress = param.Tuple(default=(0.0, ""), length=2, doc="Share done and what is being done.")
    problem = param.String(default="", doc="Why the last background work failed, one sentence, or empty.")
    queue = param.Parameter(default=(), doc="Tuple of Queued, in the order in which they are shown.")
    round_running = param.Boolean(default=False, doc="Whether a round is under way.")
    report = param.Dict(default={}, doc="The newest round's report.")
    duplicates = param.Parameter(
        default=(), doc="Tuple of (row, class index): unlabelled items whose labelled twins agree on a class."
    )
    committed = param.Parameter(default=None, doc="The newest Commit.")
    keys_revision = param.Integer(default=0, doc="Counts changes of the keys.")
    taxonomy_revision = param.Integer(default=0, doc="Counts changes of the classes.")
    guideline_revision = param.Integer(default=0, doc="Counts new versions of the guidelines.")
    estimates = param.Dict(default={}, doc="The newest estimates for the pool; empty where there are none.")
    stopping = param.Dict(default={}, doc="How far the search for the wanted classes is; empty before a round.")
    campaign = param.Dict(default={}, doc="The campaign under way, see Campaigner.status; empty without one.")

    def __init__(self, workspace: Workspace, annotator: str | None = None) -> None:
        super().__init__()
        self.workspace = workspace
        self.annotator = annotator or getpass.getuser()
        self.worker = Worker(workspace.folder)
        self.jobs = Jobs()
        self.scores = PoolScores(self)
        self.reports: list[dict[str, Any]] = []
        self.card: CardRunner | None = None  # the user's own
        self.columns = LogColumns(workspace)
        self.pace = PaceMeter(workspace, self.columns, self.annotator)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="label log")
        self._lock = threading.RLock()
        self._asked_by: dict[int, Queued] = {}
        self.auditor = Auditor(workspace)
        hooks = Hooks(lambda: self.worker, self._task, self._show_campaign, self._campaign_ended, self._complain)
        self.campaigner = Campaigner(workspace, self._writer, hooks)
        self.bulker = Bulker(self)
        self._held_back: tuple[tuple[int, int], ...] = ()  # what the newest round says of equal items
        self._nearest: Nearest | None = None
        self._cancelled = False  # whether the user has broken off the preparation
        self._unseen = 0  # decisions that no round has seen
        self._round_again = False
        self._closed = False

    @param.depends("queue", watch=True)
    def _remember_queue(self) -> None:
        self._asked_by |= {queued.row: queued for queued in self.queue}

    # ---- life ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin where the workspace stands: ask for its roles, prepare it, or go on labelling."""
        self.worker.start()
        if self.workspace.is_ready:
            self._writer.submit(self._guarded, self._begin)
        elif self.workspace.is_confirmed:
            self.prepare()

    def confirm(
        self,
        roles: Roles,
        classes: Sequence[str],
        wanted: Sequence[str] = (),
        infinite: str = "error",
        metric: str | None = None,
    ) -> None:
        """Take the roles, classes and metric that the user confirmed, then prepare the pool.

        Without a metric, it is the usual one for the features.

        Raises
        ------
        InputError
            When the roles do not fit the table; nothing is changed then.
        """
        self.workspace.confirm(roles, classes, wanted=wanted, infinite=infinite)
        keep_metric(self.workspace, metric)
        self.prepare()

    def prepare(self) -> None:
        """Build the features in the worker; the phase becomes ``labelling`` when they are there."""
        self.problem = ""
        self._cancelled = False
        self.progress = (0.0, "reading the table")
        self.phase = "preparing"
        future = self.worker.submit("prepare", progress=self._show_progress)
        future.add_done_callback(self._prepared)

    def cancel_preparing(self) -> None:
        """Break off the preparation; what was chosen stays, and the page asks for it again."""
        if self.phase == "preparing":
            self._cancelled = True
            self.worker.stop()

    def close(self) -> None:
        """Store what is under way, end the worker and release the workspace."""
        self._closed = True
        self.jobs.close()
        self._writer.shutdown(wait=True)
        self.worker.close()
        self.workspace.close()

    def _show_progress(self, share: float, text: str) -> None:
        self.progress = (share, text)

    def _prepared(self, future: Future[Any]) -> None:
        if self._closed:
            return
        error = future.exception()
        if error is None:
            self._writer.submit(self._guarded, self._begin)
            return
        if not isinstance(error, InputError) and not self._cancelled:
            log.error("preparing %s failed: %s", self.workspace.folder, error)
        self.problem = CANCELLED if self._cancelled else str(error)
        self.workspace.unconfirm()
        self.phase = "setup"

    def _begin(self) -> None:
        self.workspace.reload()
        self._twins = Twins(self.workspace.features)
        self.reports = [record.report | {"round": record.number} for record in self.workspace.rounds.records()]
        self.auditor.begin(self.settings.audit_share)
        self.campaigner.restore()
        self._restore_queue()
        self.report = dict(self.reports[-1]) if self.reports else {}
        self.estimates = self.report.get("estimates") or {}
        self.stopping = self.report.get("stopping") or {}
        self.campaign = self.campaigner.status()
        self.phase = "labelling"
        self.campaigner.finish_if_over()
        self._start_round()

    def _later(self, work: Callable[[], None]) -> None:
        """Have the writer thread do what the worker's answer asks for, unless the session is being closed."""
        with contextlib.suppress(RuntimeError):  # the writer takes nothing more
            if not self._closed:
                self._writer.submit(self._guarded, work)

    def _guarded(self, work: Callable[[], None]) -> None:
        """Run in the writer thread; what goes wrong is shown, never swallowed."""
        try:
            work()
        except Exception as error:
            log.exception("background work failed")
            self.problem = str(error)

    # ---- what is known ---------------------------------------------------------------------------

    @property
    def state(self) -> LogState:
        """The label log, folded."""
        return self.workspace.log.state()

    @property
    def settings(self) -> RoundSettings:
        """The settings of the next round, with the wanted classes of the taxonomy."""
        taxonomy = self.workspace.taxonomy
        wanted = tuple(i for i, c in enumerate(taxonomy) if c.wanted)
        settings = RoundSettings.from_dict(dict(self.workspace.settings.get("round") or {}))
        ranges = tuple(r for r in settings.prevalence if r[0] < len(taxonomy) and taxonomy[r[0]].is_learnt)
        return replace(settings, wanted=wanted, prevalence=ranges, unexplained=self._unexplained)

    @property
    def _unexplained(self) -> tuple[int, ...]:
        return array_columns(self.workspace.feature_report) if self.workspace.is_ready else ()

    @property
    def retrain_every(self) -> int:
        """After how many decisions the next round starts."""
        return int(self.workspace.settings.get("retrain_every", RETRAIN_EVERY))

    @property
    def nearest(self) -> Nearest:
        """Exact search over the features, one for all pages; it touches the whole pool, so use it in threads."""
        features = self.workspace.features
        if self._nearest is None or self._nearest.X is not features:
            self._nearest = Nearest(features)
        return self._nearest

    @property
    def guideline(self) -> int | None:
        """The version of the guidelines in force, None where there are none."""
        return self.workspace.guidelines.newest

    def item_state(self, row: int) -> dict[str, Any]:
        """The current answer on an item as ``{"status", "label", "note"}``; empty when there is none."""
        item_id = self.workspace.ids.text(row)
        state = self.state.items.get(item_id)
        if state is None:
            note = self.state.notes.get(item_id)
            return {"note": note} if note else {}
        return {"status": state.status, "label": state.label, "note": self.state.notes.get(item_id)}

    def asked(self, row: int) -> Queued | None:
        """The query through which an item was asked last in this run; None when it was not."""
        return self._asked_by.get(row)

    @property
    def asked_by(self) -> Mapping[int, Queued]:
        """The query through which each item was asked last in this run, by row."""
        return self._asked_by

    def found(self) -> dict[str, int]:
        """Labels per class in the order in which classes are shown, those without any included."""
        counts = self.state.counts
        return {c.name: counts.get(c.name, 0) for _, c in self.workspace.taxonomy.shown}

    # ---- answers ---------------------------------------------------------------------------------

    def decide(self, decisions: Sequence[Mapping[str, Any]]) -> Future[Commit]:
        """Store decisions in one transaction.

        Parameters
        ----------
        decisions
            Each has ``event_id``, ``row``, ``action`` (label, skip, unsure, flag, defer, note), and where they
            apply ``label`` (a class name), ``note``, ``dwell_ms``, ``input``, ``suggestion_shown``, ``bulk`` (the
            step that they are given, and undone, in), and ``round``: the round whose queue showed the item.

        Returns
        -------
        Future
            Done when the decisions are durable. Fails with `InputError` when one is not valid (none
            is stored then), and with OSError when the disk refuses.
        """
        return self._writer.submit(self._decide, [dict(d) for d in decisions])

    def undo(self, event_id: str | None = None) -> Future[Commit]:
        """Undo the annotator's newest decision; the commit has no events when there is none.

        Labels that were propagated together are undone together, and brought back together by `redo`.
        """
        return self._writer.submit(self._step, Action.UNDO, event_id)

    def redo(self, event_id: str | None = None) -> Future[Commit]:
        """Redo what was undone last; the commit has no events when there is nothing."""
        return self._writer.submit(self._step, Action.REDO, event_id)

    def undo_answer(self, target: str, event_id: str | None = None) -> Future[Commit]:
        """Undo one answer or note, whoever gave it and whatever has been answered since.

        The commit has no events when it was undone before. The future fails with `InputError` when there is
        no such answer.
        """
        return self._writer.submit(self._undo_answer, target, event_id or new_event_id())

    def propagate_duplicates(self) -> Future[Commit]:
        """Label items like the labelled ones that have exactly their features, in one transaction.

        Items whose labelled twins disagree are left out, and so is what goes beyond 100,000 items. The
        commit has no events when there is nothing to label.
        """
        return self._writer.submit(self._propagate)

    def afterwards(self, work: Callable[[], Any]) -> Future[Any]:
        """Run `work` in the writer thread: when all that was answered so far is stored, and nothing changes."""
        return self._writer.submit(work)

    def in_turn_of_answers(self, work: Callable[[], Sequence[Event]]) -> Future[Commit]:
        """Run `work`, which stores answers, in the writer thread, and tell the pages of them."""
        return self._writer.submit(lambda: self._committed(work()))

    def _decide(self, decisions: list[dict[str, Any]]) -> Commit:
        made = [self._event(d) for d in decisions]
        opened = [event.item_id for event, d in zip(made, decisions, strict=True) if d.get("round") is None]
        self.auditor.record_reached(opened)
        return self._committed(self.workspace.log.append(made))

    def _step(self, action: Action, event_id: str | None) -> Commit:
        """Take back, or bring back, the newest decision, or all that were given in one step with it."""
        labels, state, new_id = self.workspace.log, self.state, event_id or new_event_id()
        is_undo = action == Action.UNDO
        newest = state.undoable(self.annotator) if is_undo else state.redoable(self.annotator)
        batch = [] if newest is None or state.has(new_id) else state.batch_of(newest, undone=not is_undo)
        if len(batch) < 2:
            event = (labels.undo if is_undo else labels.redo)(self.annotator, event_id=new_id)
            return self._committed([] if event is None else [event])
        return self._committed(labels.append(step_events(action, batch, self.annotator, new_id)))

    def _undo_answer(self, target: str, event_id: str) -> Commit:
        if not self.state.has(target):
            raise InputError(f"there is no answer {target[:40]!r} to undo: reload the page")
        if self.state.is_undone(target):
            return self._committed([])
        answer = self.state.event(target)
        if answer.action in CLASS_ACTIONS:
            return Commit(tuple(self._change_classes([TakeBack(target)])), ())
        step = step_events(Action.UNDO, [answer], self.annotator, event_id)
        return self._committed(self.workspace.log.append(step))

    def _propagate(self) -> Commit:
        pairs = self._agreeing()[:MOST_PROPAGATED]
        names = self.workspace.taxonomy.names
        texts = self.workspace.ids.texts([row for row, _ in pairs])
        first = Event(
            "", Action.LABEL, "", self.annotator, datetime.now(UTC), input=PROPAGATED, strategy=DUPLICATE
        )
        events = label_events(first, texts, [names[index] for _, index in pairs])
        return self._committed(self.workspace.log.append(events) if events else [])

    def _agreeing(self) -> tuple[tuple[int, int], ...]:
        """Items that can be labelled like their twins: not answered, and the twins agree as of now."""
        if not self._held_back or self.campaigner.is_under_way:
            return ()
        labels = self.labels()
        items = self.state.items
        texts = self.workspace.ids.texts([row for row, _ in self._held_back])
        pairs = [pair for pair, text in zip(self._held_back, texts, strict=True) if text not in items]
        offered = {place for place, _ in self.workspace.taxonomy.offered}
        return tuple(
            pair for pair in self._twins.classes(pairs, labels.rows, labels.classes) if pair[1] in offered
        )

    def _event(self, decision: dict[str, Any]) -> Event:
        row, label = decision.get("row"), decision.get("label")
        if not isinstance(row, int) or not 0 <= row < self.workspace.table.n_rows:
            raise InputError(f"there is no row {row} in {self.workspace.source.name}: reload the page")
        action = decision.get("action")
        if action not in DECISIONS:
            raise InputError(f"{action!r} is not something that can be said of an item: reload the page")
        if action == Action.LABEL:
            label = self.state.classes.now(str(label))  # a page may not know yet that it was renamed
            if label not in {c.name for _, c in self.workspace.taxonomy.offered}:
                raise InputError(f"the class {label!r} does not exist (any more): reload the page and label again")
        item_id = self.workspace.ids.text(row)
        asked = self._asked(row, item_id, decision.get("round"))
        dwell = decision.get("dwell_ms")
        return Event(
            event_id=str(decision.get("event_id") or new_event_id()),
            action=Action(action),
            item_id=item_id,
            label=label if action == Action.LABEL else None,
            note=decision.get("note"),
            target=None,
            annotator=self.annotator,
            created_at=datetime.now(UTC),
            dwell_ms=int(dwell) if isinstance(dwell, int | float) and math.isfinite(dwell) else None,
            input=str(decision.get("input") or "api"),
            guideline=self.guideline,
            suggestion_shown=shown if isinstance(shown := decision.get("suggestion_shown"), bool) else None,
            bulk=str(decision["bulk"])[:LONGEST_ID] if decision.get("bulk") else None,
            **asked,
        )

    def _asked(self, row: int, item_id: str, number: int | None) -> dict[str, Any]:
        """How the item came to be asked: by the queue of a round, as it was before, or looked up by the user.

        A page may still show an item of an earlier round than the queue's: `number` is the one it shows.
        """
        if self.bulker.is_drawn(row):
            return {"round": None, "strategy": PURITY, "probability": None}
        queued = self._asked_by.get(row)
        if queued is not None and number is not None:
            return {
                "round": queued.round,
                "strategy": queued.strategy,
                "probability": queued.probability,
                "suggested": queued.suggested,
                "suggested_probability": queued.suggested_probability,
            }
        before = self.state.items.get(item_id)
        if before is not None:
            return {
                "round": before.event.round,
                "strategy": before.event.strategy,
                "probability": before.event.probability,
            }
        return {"round": None, "strategy": OPENED, "probability": None}

    def _committed(self, events: Sequence[Event]) -> Commit:
        """Tell the pages, and start a round when there is enough that is new."""
        found = self.workspace.ids.rows([e.item_id for e in events if e.item_id]).tolist()
        commit = Commit(tuple(events), tuple(dict.fromkeys(found)))
        if not events:
            return commit
        rows = set(commit.rows)
        self.auditor.record_passed(asked for row in rows if (asked := self.asked(row)) is not None)
        with self._lock:
            changed = any(e.action != Action.NOTE for e in events)
            if changed:
                self.queue = tuple(q for q in self.queue if q.row not in rows)
                self.duplicates = tuple(pair for pair in self.duplicates if pair[0] not in rows)
                self._unseen += len(events)
        self.committed = commit
        if self.campaigner.record is not None:
            self.campaigner.follow()
        elif self._round_is_due():
            self._start_round()
        elif any(e.strategy == AUDIT or e.action in STEPS for e in events):
            self._start_estimates()
        return commit

    def _is_decided(self, row: int) -> bool:
        return self.workspace.ids.text(row) in self.state.items

    def _was_answered(self, row: int) -> bool:
        """Whether an item was decided, and not because a campaign had drawn it."""
        item = self.state.items.get(self.workspace.ids.text(row))
        return item is not None and item.event.strategy != CAMPAIGN

    # ---- rounds ----------------------------------------------------------------------------------

    def update_settings(self, **changes: Any) -> None:
        """Change settings of the rounds and start a round with them.

        Raises
        ------
        InputError
            When a value is not allowed; nothing is changed then.
        """
        retrain = changes.pop("retrain_every", None)
        try:
            settings = RoundSettings.from_dict(self.settings.to_dict() | changes)
        except ValueError as error:
            raise InputError(str(error)) from error
        stored = settings.to_dict()
        del stored["wanted"], stored["unexplained"]  # known from the classes and the features
        self.workspace.settings["round"] = stored
        if retrain is not None:
            if int(retrain) < 1:
                raise InputError("a round can start after 1 label at the earliest")
            self.workspace.settings["retrain_every"] = int(retrain)
        self.workspace.save()
        if changes:
            self.start_round()

    def keep(self, **settings: Any) -> Future[None]:
        """Store settings that no round depends on, in the writer thread: a slow disk holds up no page."""
        self.workspace.settings.update(settings)
        return self._writer.submit(self._guarded, self.workspace.save)

    def change_classes(self, changes: Sequence[Change | TakeBack]) -> Future[list[Event]]:
        """Store changes of the classes in one transaction, and go on with the classes as they are then.

        Returns
        -------
        Future
            The events. Fails with `InputError` when a change cannot be, or would alter the campaign under way;
            nothing is stored then.
        """
        return self._writer.submit(self._change_classes, list(changes))

    def _change_classes(self, changes: Sequence[Change | TakeBack]) -> list[Event]:
        stored = change_classes(self.workspace, changes, self.annotator, self.campaigner.is_under_way)
        with self._lock:
            self.queue = suggested_anew(self.queue, self.state.classes, self.workspace.taxonomy)
        self.duplicates = self._agreeing()
        self.taxonomy_revision += 1
        self.committed = Commit((), ())  # whoever shows labels shows them anew
        if any(alters_models(change) for change in changes):
            self._start_round()
        return stored

    def write_guideline(self, text: str) -> Future[Guideline]:
        """Store a new version of the guidelines; fails as `Guidelines.add` does."""
        return self._writer.submit(self._write_guideline, text)

    def _write_guideline(self, text: str) -> Guideline:
        made = self.workspace.guidelines.add(text, self.annotator)
        self.guideline_revision += 1
        return made

    def ask_no_more(self, rows: Sequence[int]) -> None:
        """Take items out of the queue, which are asked otherwise."""
        gone = set(rows)
        with self._lock:
            self.queue = tuple(q for q in self.queue if q.row not in gone)

    def add_class(self, name: str) -> Future[list[Event]]:
        """Add a class; fails as `change_classes` does."""
        return self.change_classes([Change(Action.CLASS_ADD, name)])

    def set_wanted(self, names: Sequence[str]) -> Future[list[Event]]:
        """Say which classes are the ones looked for, and start a round that looks for them."""
        return self.change_classes(
            [
                Change(Action.CLASS_CHANGE, c.name, {"wanted": c.name in names})
                for _, c in self.workspace.taxonomy.offered
                if c.wanted != (c.name in names)
            ]
        )

    def start_round(self) -> None:
        """Start a round now, or right after the one under way."""
        if self.phase == "labelling" and not self._closed:
            self._writer.submit(self._guarded, self._start_round)

    def _round_is_due(self) -> bool:
        if len(self.queue) < MIN_QUEUE:
            return True
        # The second class makes a model possible: that is not waited for.
        is_first_model = len(self.state.counts) > 1 and not self.report.get("has_model")
        return self._unseen >= (1 if is_first_model else self.retrain_every)

    def _start_round(self) -> None:
        """Hand the labels as of now to the worker; runs in the writer thread, where they cannot change."""
        with self._lock:
            if self.round_running or self.campaigner.is_under_way:
                self._round_again = True
                return
            self._round_again = False
            self._unseen = 0
        if self.auditor.audit is None:
            self.auditor.begin(self.settings.audit_share)
        task = self._task()
        try:
            future = self.worker.submit("round", task)
        except WorkerStoppedError as error:
            self.problem = f"{error}; labels are kept, and the next one starts it again"
            return
        self.round_running = True
        future.add_done_callback(lambda done: self._round_done(done, task.number, task))

    def _task(self) -> RoundTask:
        """What the next round needs as of now; for the writer thread, where the labels cannot change."""
        number = self.workspace.rounds.next_number()
        session_seed = int(self.workspace.settings.get("seed", 0))
        seed = int(np.random.SeedSequence((session_seed, number)).generate_state(1)[0])
        return RoundTask(self.labels(), self.settings, seed, self.auditor.task(), self._stop_task(), number)

    def labels(self) -> Labels:
        """The labels that models learn from as arrays, in the order in which they were given."""
        return labels_of(self.state, self.workspace, self.auditor.audit)

    def all_labels(self) -> Labels:
        """All labels as arrays, those included that the audit has sealed or whose class is retired."""
        return labels_of(self.state, self.workspace, retired=True)

    # ---- the audit -------------------------------------------------------------------------------

    def unseal(self) -> Future[None]:
        """Release the sealed answers to training, and begin a new audit; the round log keeps earlier estimates."""
        return self._writer.submit(self._unseal)

    def _unseal(self) -> None:
        self.auditor.unseal()
        self._start_round()

    def _start_estimates(self) -> None:
        """Estimate anew with the model of the newest round, after the audit has got another answer."""
        task = self.auditor.task()
        if task is None or self.round_running or self.campaigner.is_under_way:
            return
        try:
            future = self.worker.submit("estimate", self.labels(), task, self._stop_task())
        except WorkerStoppedError:
            return  # the next round estimates
        future.add_done_callback(lambda done: self._later(lambda: self._take_estimates(done)))

    def _take_estimates(self, future: Future[dict[str, Any]]) -> None:
        if future.exception() is not None or self.round_running:
            return
        self.stopping = future.result()["stopping"]
        self.estimates = future.result()["estimates"] or self.estimates

    def _stop_task(self) -> StopTask:
        wanted = {i: c.name for i, c in enumerate(self.workspace.taxonomy) if c.wanted}
        audit = self.auditor.audit
        number = None if audit is None else audit.number
        since = {int(place): first for place, first in self.workspace.settings.get(EXTENT_SINCE, {}).items()}
        return stop_task(wanted, self.settings.target, self.reports, number, since)

    # ---- campaigns -------------------------------------------------------------------------------

    def plan_campaign(self, sizes: Sequence[int], progress: Progress | None = None) -> Future[dict[str, Any]]:
        """What audit campaigns of several sizes can be expected to tell, see `frozen.Frame.plan`."""
        return self.campaigner.plan(sizes, progress)

    def begin_campaign(self, n: int, progress: Progress | None = None) -> Future[dict[str, Any]]:
        """Freeze the model and ask n questions drawn at random, see `Campaigner.begin`."""
        return self.campaigner.begin(n, progress)

    def end_campaign(self) -> Future[dict[str, Any] | None]:
        """End the campaign with the answers so far; the result is its certificate, None without an answer."""
        return self.campaigner.end()

    def certificates(self) -> list[CampaignRecord]:
        """The campaigns that have a certificate, the newest first."""
        return [r for r in reversed(self.workspace.campaigns.records()) if r.certificate is not None]

    def _show_campaign(self) -> None:
        self.duplicates = ()  # no answer of a campaign is given without a look
        self.campaign = self.campaigner.status()
        self.queue = self.campaigner.queue()

    def _campaign_ended(self, reached: Sequence[str]) -> None:
        """Go on with rounds after a campaign, or without one that could not be drawn."""
        self.auditor.record_reached(reached, CAMPAIGN)
        if self.campaign:
            self.problem = ""
            self._restore_queue()
            self.campaign = {}
            self._round_again = True
        if self._round_again:
            self._start_round()

    def _complain(self, text: str) -> None:
        self.problem = text

    def _round_done(self, future: Future[RoundResult], number: int, task: RoundTask) -> None:
        self._later(lambda: self._accept_round(future, number, task))

    def _accept_round(self, future: Future[RoundResult], number: int, task: RoundTask) -> None:
        self.round_running = False
        error = future.exception()
        if error is not None:
            log.error("round %d failed: %s", number, error)
            self.problem = f"round {number} failed ({error}); labels are kept, and the next one starts it again"
            if len(self.queue) < MIN_QUEUE and not self.campaigner.is_under_way:
                self.queue = self._random_queue()
            return
        done = future.result()
        result = done.round
        self.problem = ""
        if done.stage is not None:
            self.auditor.open_stage(done.stage)
        queued = queue_of(result, number, self.workspace)
        has_model = bool(np.isfinite(result.class_prior).any())
        report = result.report() | {"has_model": has_model, "stopping": done.stopping}
        self._record(number, task, report, queued)
        self.reports.append(report | {"round": number})
        with self._lock:
            fresh = self._open_ones(queued)
            later = skipped_queue(self.workspace, self.state, number, result.n_labels, 2 * MIN_QUEUE)
            self.queue = self.campaigner.queue() or fresh or later
        self._held_back = result.duplicates
        self.duplicates = self._agreeing()
        self.report = report | {"round": number}
        self.estimates = report.get("estimates") or {}
        self.stopping = report["stopping"] or {}
        if self._round_again or (self._unseen and self._round_is_due() and fresh):
            self._start_round()

    def _record(self, number: int, task: RoundTask, report: dict[str, Any], queued: tuple[Queued, ...]) -> None:
        """Keep what the round was and asked; a disk that refuses must not stop the loop."""
        record = RoundRecord(
            number=number,
            created_at=datetime.now(UTC),
            n_labels=report["n_labels"],
            seed=task.seed,
            settings=task.settings.to_dict(),
            report=report,
            queries=records_of(queued, self.workspace),
        )
        try:
            self.workspace.rounds.add(record)
        except Exception as error:
            log.exception("round %d could not be recorded", number)
            self.problem = f"round {number} could not be recorded: {error}"

    # ---- the queue before a round, and when nothing is left ---------------------------------------

    def _restore_queue(self) -> None:
        """The queue of the newest round, without what has been decided since, or random items."""
        if self.campaigner.record is not None:
            self.queue = self.campaigner.queue()
            return
        newest = self.workspace.rounds.newest()
        asked = () if newest is None else restored(newest, self.workspace)
        known = self._open_ones(asked)
        # What was passed over while the server ran, and not recorded before it was stopped.
        self.auditor.record_passed(q for q in asked if q.selection != SEALED and self._was_answered(q.row))
        self.queue = known if len(known) >= MIN_QUEUE else self._random_queue()

    def _open_ones(self, asked: Sequence[Queued]) -> tuple[Queued, ...]:
        """The questions of a round that are still to be answered; the audit asks again what was put off."""
        return tuple(
            q
            for q in self.auditor.without_sealed(asked)
            if not (self._is_decided(q.row) or self.bulker.is_drawn(q.row))
            or (q.strategy == AUDIT and self._is_put_off(q.row))
        )

    def _is_put_off(self, row: int) -> bool:
        return self.item_state(row).get("status") in LATER

    def _random_queue(self) -> tuple[Queued, ...]:
        """Uniformly drawn items, so that the first one is there at once."""
        return self._open_ones(random_queue(self.workspace, self.state, self.auditor.has_sealed, 2 * MIN_QUEUE))
