"""The loop as a running thing: what is asked, what was answered, and the rounds in the background."""

from __future__ import annotations

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

from ..data.errors import InputError
from ..data.events import PROPAGATED
from ..data.labels import Action, Event, LogState, new_event_id
from ..data.roles import Roles
from ..data.roundlog import RoundRecord
from ..data.workspace import Workspace
from ..strategies.rounds import Labels, Round, RoundSettings
from .distances import keep_metric
from .queue import Queued, queue_of, records_of, restored
from .reasons import DUPLICATE, OPENED, SKIPPED, array_columns
from .training import RANDOM, labels_of
from .twins import Twins
from .worker import RoundTask, Worker, WorkerStoppedError

log = logging.getLogger(__name__)

# The page must never run dry while a round is under way.
MIN_QUEUE = 20
RETRAIN_EVERY = 5
MOST_PROPAGATED = 100_000  # labels in one transaction
DECISIONS = (Action.LABEL, Action.SKIP, Action.UNSURE, Action.FLAG, Action.NOTE)


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
    taxonomy_revision = param.Integer(default=0, doc="Counts changes of the classes.")

    def __init__(self, workspace: Workspace, annotator: str | None = None) -> None:
        super().__init__()
        self.workspace = workspace
        self.annotator = annotator or getpass.getuser()
        self.worker = Worker(workspace.folder)
        self.reports: list[dict[str, Any]] = []
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="label log")
        self._lock = threading.RLock()
        self._asked_by: dict[int, Queued] = {}
        self._held_back: tuple[tuple[int, int], ...] = ()  # what the newest round says of equal items
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
        self.progress = (0.0, "reading the table")
        self.phase = "preparing"
        future = self.worker.submit("prepare", progress=self._show_progress)
        future.add_done_callback(self._prepared)

    def close(self) -> None:
        """Store what is under way, end the worker and release the workspace."""
        self._closed = True
        self._writer.shutdown(wait=True)
        self.worker.close()
        self.workspace.close()

    def _show_progress(self, share: float, text: str) -> None:
        self.progress = (share, text)

    def _prepared(self, future: Future[Any]) -> None:
        error = future.exception()
        if error is None:
            self._writer.submit(self._guarded, self._begin)
            return
        if not isinstance(error, InputError):
            log.error("preparing %s failed: %s", self.workspace.folder, error)
        self.problem = str(error)
        self.workspace.unconfirm()
        self.phase = "setup"

    def _begin(self) -> None:
        self.workspace.reload()
        self._twins = Twins(self.workspace.features)
        self.reports = [record.report | {"round": record.number} for record in self.workspace.rounds.records()]
        self._restore_queue()
        self.report = dict(self.reports[-1]) if self.reports else {}
        self.phase = "labelling"
        self._start_round()

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
        wanted = tuple(i for i, c in enumerate(self.workspace.taxonomy) if c.wanted)
        stored = self.workspace.settings.get("round") or {}
        return replace(RoundSettings.from_dict(dict(stored)), wanted=wanted, unexplained=self._unexplained)

    @property
    def _unexplained(self) -> tuple[int, ...]:
        return array_columns(self.workspace.feature_report) if self.workspace.is_ready else ()

    @property
    def retrain_every(self) -> int:
        """After how many decisions the next round starts."""
        return int(self.workspace.settings.get("retrain_every", RETRAIN_EVERY))

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

    def found(self) -> dict[str, int]:
        """Labels per class in the order of the taxonomy, classes without any included."""
        counts = self.state.counts
        return {c.name: counts.get(c.name, 0) for c in self.workspace.taxonomy}

    # ---- answers ---------------------------------------------------------------------------------

    def decide(self, decisions: Sequence[Mapping[str, Any]]) -> Future[Commit]:
        """Store decisions in one transaction.

        Parameters
        ----------
        decisions
            Each has ``event_id``, ``row``, ``action`` (label, skip, unsure, flag, note), and where they
            apply ``label`` (a class name), ``note``, ``dwell_ms``, ``input``, and ``round``: the round whose
            queue showed the item.

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

    def propagate_duplicates(self) -> Future[Commit]:
        """Label items like the labelled ones that have exactly their features, in one transaction.

        Items whose labelled twins disagree are left out, and so is what goes beyond 100,000 items. The
        commit has no events when there is nothing to label.
        """
        return self._writer.submit(self._propagate)

    def _decide(self, decisions: list[dict[str, Any]]) -> Commit:
        events = self.workspace.log.append([self._event(d) for d in decisions])
        return self._committed(events)

    def _step(self, action: Action, event_id: str | None) -> Commit:
        """Take back, or bring back, the newest decision, or all that were given in one step with it."""
        labels, state, new_id = self.workspace.log, self.state, event_id or new_event_id()
        is_undo = action == Action.UNDO
        newest = state.undoable(self.annotator) if is_undo else state.redoable(self.annotator)
        batch = [] if newest is None or state.has(new_id) else state.batch_of(newest, undone=not is_undo)
        if len(batch) < 2:
            event = (labels.undo if is_undo else labels.redo)(self.annotator, event_id=new_id)
            return self._committed([] if event is None else [event])
        now = datetime.now(UTC)
        steps = [
            Event(
                new_event_id(),
                action,
                e.item_id,
                self.annotator,
                now,
                label=e.label,
                target=e.event_id,
                input="key",
            )
            for e in (reversed(batch) if is_undo else batch)
        ]
        steps[0] = replace(steps[0], event_id=new_id)
        return self._committed(labels.append(steps))

    def _propagate(self) -> Commit:
        pairs, now = self._agreeing()[:MOST_PROPAGATED], datetime.now(UTC)
        names = self.workspace.taxonomy.names
        texts = self.workspace.ids.texts([row for row, _ in pairs])
        events = [
            Event(new_event_id(), Action.LABEL, text, self.annotator, now, label=names[index], input=PROPAGATED,
                  strategy=DUPLICATE)
            for text, (_, index) in zip(texts, pairs, strict=True)
        ]  # fmt: skip
        return self._committed(self.workspace.log.append(events) if events else [])

    def _agreeing(self) -> tuple[tuple[int, int], ...]:
        """Items that can be labelled like their twins: not answered, and the twins agree as of now."""
        if not self._held_back:
            return ()
        labels = self.labels()
        answered = set(labels.excluded.tolist())
        pairs = [pair for pair in self._held_back if pair[0] not in answered]
        return tuple(self._twins.classes(pairs, labels.rows, labels.classes))

    def _event(self, decision: dict[str, Any]) -> Event:
        row, label = decision.get("row"), decision.get("label")
        if not isinstance(row, int) or not 0 <= row < self.workspace.table.n_rows:
            raise InputError(f"there is no row {row} in {self.workspace.source.name}: reload the page")
        action = decision.get("action")
        if action not in DECISIONS:
            raise InputError(f"{action!r} is not something that can be said of an item: reload the page")
        if action == Action.LABEL and label not in self.workspace.taxonomy.names:
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
            **asked,
        )

    def _asked(self, row: int, item_id: str, number: int | None) -> dict[str, Any]:
        """How the item came to be asked: by the queue of a round, as it was before, or looked up by the user.

        A page may still show an item of an earlier round than the queue's: `number` is the one it shows.
        """
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
        found = self.workspace.ids.rows([e.item_id for e in events]).tolist()
        commit = Commit(tuple(events), tuple(dict.fromkeys(found)))
        if not events:
            return commit
        rows = set(commit.rows)
        with self._lock:
            changed = any(e.action != Action.NOTE for e in events)
            if changed:
                self.queue = tuple(q for q in self.queue if q.row not in rows)
                self.duplicates = tuple(pair for pair in self.duplicates if pair[0] not in rows)
                self._unseen += len(events)
        self.committed = commit
        if self._round_is_due():
            self._start_round()
        return commit

    def _is_decided(self, row: int) -> bool:
        return self.workspace.ids.text(row) in self.state.items

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

    def add_class(self, name: str) -> None:
        """Add a class to the taxonomy.

        Raises
        ------
        InputError
            When the name is empty or taken.
        """
        self.workspace.taxonomy.add(name)
        self.workspace.save()
        self.taxonomy_revision += 1

    def set_wanted(self, names: Sequence[str]) -> None:
        """Say which classes are the ones looked for, and start a round that looks for them."""
        for label_class in self.workspace.taxonomy:
            label_class.wanted = label_class.name in names
        self.workspace.save()
        self.taxonomy_revision += 1
        self.start_round()

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
            if self.round_running:
                self._round_again = True
                return
            self._round_again = False
            self._unseen = 0
        number = self.workspace.rounds.next_number()
        session_seed = int(self.workspace.settings.get("seed", 0))
        seed = int(np.random.SeedSequence((session_seed, number)).generate_state(1)[0])
        task = RoundTask(self.labels(), self.settings, seed)
        try:
            future = self.worker.submit("round", task)
        except WorkerStoppedError as error:
            self.problem = f"{error}; labels are kept, and the next one starts it again"
            return
        self.round_running = True
        future.add_done_callback(lambda done: self._round_done(done, number, task))

    def labels(self) -> Labels:
        """The current labels as arrays, in the order in which they were given."""
        return labels_of(self.state, self.workspace)

    def _round_done(self, future: Future[Round], number: int, task: RoundTask) -> None:
        if self._closed:
            return
        self._writer.submit(self._guarded, lambda: self._accept_round(future, number, task))

    def _accept_round(self, future: Future[Round], number: int, task: RoundTask) -> None:
        self.round_running = False
        error = future.exception()
        if error is not None:
            log.error("round %d failed: %s", number, error)
            self.problem = f"round {number} failed ({error}); labels are kept, and the next one starts it again"
            if len(self.queue) < MIN_QUEUE:
                self.queue = self._random_queue()
            return
        result = future.result()
        self.problem = ""
        queued = queue_of(result, number, self.workspace)
        report = result.report() | {"has_model": bool(np.isfinite(result.class_prior).any())}
        self._record(number, task, report, queued)
        self.reports.append(report | {"round": number})
        with self._lock:
            fresh = tuple(q for q in queued if not self._is_decided(q.row))
            self.queue = fresh or self._skipped_queue(number, result.n_labels)
        self._held_back = result.duplicates
        self.duplicates = self._agreeing()
        self.report = report | {"round": number}
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
        newest = self.workspace.rounds.newest()
        known = () if newest is None else restored(newest, self.workspace)
        known = tuple(q for q in known if not self._is_decided(q.row))
        self.queue = known if len(known) >= MIN_QUEUE else self._random_queue()

    def _random_queue(self) -> tuple[Queued, ...]:
        """Uniformly drawn items, so that the first one is there at once."""
        n_items = self.workspace.table.n_rows
        rng = np.random.default_rng((int(self.workspace.settings.get("seed", 0)), len(self.state.items)))
        drawn = rng.choice(n_items, size=min(2 * MIN_QUEUE, n_items), replace=False)
        rows = [int(row) for row in drawn if not self._is_decided(int(row))]
        n_left = max(n_items - len(self.state.items), 1)
        number, n_labels = self.workspace.rounds.next_number() - 1, self.state.n_labelled
        chance = len(rows) / n_left
        return tuple(
            Queued(row, number, RANDOM, rank, n_labels, probability=chance, selection="random")
            for rank, row in enumerate(rows)
        )

    def _skipped_queue(self, number: int, n_labels: int) -> tuple[Queued, ...]:
        """Skipped means later: when nothing else is left, they come back."""
        skipped = [i for i, item in self.state.items.items() if item.status == "skipped"]
        rows = self.workspace.ids.rows(skipped[: 2 * MIN_QUEUE])
        return tuple(
            Queued(int(row), number, SKIPPED, rank, n_labels, selection="deterministic")
            for rank, row in enumerate(rows)
        )
