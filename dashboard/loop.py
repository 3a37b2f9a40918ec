"""The rounds of a session: when one starts, what it gets, and what becomes of its result."""

from __future__ import annotations

import logging
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.errors import InputError, WorkCancelledError
from ..data.roundlog import RoundRecord
from ..data.workspace import Workspace
from ..strategies.rounds import RoundSettings
from .questions import MIN_QUEUE
from .queue import Queued, records_of
from .stopping import StopTask, stop_task
from .taxonomy_editing import EXTENT_SINCE
from .training import round_settings
from .worker import RoundResult, RoundTask, WorkerStoppedError

if TYPE_CHECKING:
    from .session import LabellingSession

log = logging.getLogger(__name__)

RETRAIN_EVERY = 5


# ---- settings ---------------------------------------------------------------------------------------


def retrain_every(workspace: Workspace) -> int:
    """After how many decisions the next round starts."""
    return int(workspace.settings.get("retrain_every", RETRAIN_EVERY))


def store_settings(workspace: Workspace, changes: dict[str, Any]) -> bool:
    """Keep changed settings of the rounds; returns whether the next round may turn out otherwise.

    Raises
    ------
    InputError
        When a value is not allowed; nothing is changed then.
    """
    of_rounds = {name: value for name, value in changes.items() if name != "retrain_every"}
    try:
        settings = RoundSettings.from_dict(round_settings(workspace).to_dict() | of_rounds)
    except ValueError as error:
        raise InputError(str(error)) from error
    retrain = changes.get("retrain_every")
    if retrain is not None and int(retrain) < 1:
        raise InputError("a round can start after 1 label at the earliest")
    stored = settings.to_dict()
    del stored["wanted"], stored["unexplained"]  # known from the classes and the features
    workspace.settings["round"] = stored
    if retrain is not None:
        workspace.settings["retrain_every"] = int(retrain)
    workspace.save()
    return bool(of_rounds)


# ---- rounds -----------------------------------------------------------------------------------------


class Loop:
    """Starts the rounds of one session and takes their results; for its writer thread.

    Attributes
    ----------
    reports
        Of all rounds, in their order.
    n_unseen
        Decisions since the newest round began.
    newest_task
        What the newest round was given that ended in this run, None before one has: with it, the worker can make
        its model again.
    """

    def __init__(self, session: LabellingSession) -> None:
        self._session = session
        self._workspace = session.workspace
        self._is_asked_for = False  # while none could be
        self.reports: list[dict[str, Any]] = []
        self.n_unseen = 0
        self.newest_task: RoundTask | None = None

    def restore(self) -> None:
        """Show what the rounds so far have said."""
        records = self._workspace.rounds.records()
        self.reports = [record.report | {"round": record.number} for record in records]
        self._show(dict(self.reports[-1]) if self.reports else {})

    def _show(self, report: dict[str, Any]) -> None:
        self._session.report = report
        self._session.estimates = report.get("estimates") or {}
        self._session.stopping = report.get("stopping") or {}

    # ---- when ------------------------------------------------------------------------------------

    def is_due(self) -> bool:
        """Whether enough is new, or the queue is short."""
        session = self._session
        if session.questions.is_short:
            return True
        return self.n_unseen >= self._n_enough

    @property
    def _n_enough(self) -> int:
        """After how many decisions a round starts."""
        session = self._session
        # The second class makes a model possible: that is not waited for.
        is_first_model = len(session.state.counts) > 1 and not session.report.get("has_model")
        return 1 if is_first_model else session.retrain_every

    def _n_until_due(self) -> int:
        """How many of the questions that wait can be decided until a round starts, at least one."""
        n_until_short = len(self._session.queue) - MIN_QUEUE + 1
        return max(1, min(self._n_enough - self.n_unseen, n_until_short))

    def start(self) -> None:
        """Hand the labels as of now to the worker, or as soon as the round under way is there."""
        session = self._session
        if session.round_running or session.campaigner.is_under_way:
            self._is_asked_for = True
            return
        self._is_asked_for = False
        self.n_unseen = 0
        if session.auditor.audit is None:
            session.auditor.begin(session.settings.audit_share)
        task = self.task()
        try:
            future = session.tasks.submit("round", task, title=f"Round {task.number}")
        except WorkerStoppedError as error:
            session.problem = f"{error}; labels are kept, and the next one starts it again"
            return
        session.round_running = True
        future.add_done_callback(lambda done: session.later(lambda: self._accept(done, task)))

    def start_what_waits(self) -> None:
        """Start the round that was asked for while none could be."""
        if self._is_asked_for:
            self.start()

    # ---- what it gets ----------------------------------------------------------------------------

    def task(self) -> RoundTask:
        """What the next round needs as of now."""
        session = self._session
        number = self._workspace.rounds.next_number()
        session_seed = int(self._workspace.settings.get("seed", 0))
        seed = int(np.random.SeedSequence((session_seed, number)).generate_state(1)[0])
        return RoundTask(
            session.labels(), session.settings, seed, session.auditor.task(), self._stop_task(), number
        )

    def _stop_task(self) -> StopTask:
        wanted = {i: c.name for i, c in enumerate(self._workspace.taxonomy) if c.wanted}
        audit = self._session.auditor.audit
        number = None if audit is None else audit.number
        since = {int(place): first for place, first in self._workspace.settings.get(EXTENT_SINCE, {}).items()}
        return stop_task(wanted, self._session.settings.target, self.reports, number, since)

    # ---- what becomes of it ----------------------------------------------------------------------

    def _accept(self, future: Future[RoundResult], task: RoundTask) -> None:
        session, number = self._session, task.number
        session.round_running = False
        error = future.exception()
        if isinstance(error, WorkCancelledError):
            self._go_on_without(number)
            return
        if error is not None:
            log.error("round %d failed: %s", number, error)
            session.problem = f"round {number} failed ({error}); labels are kept, and the next one starts it again"
            self._refill()
            return
        done = future.result()
        result = done.round
        session.problem = ""
        self.newest_task = task
        if done.stage is not None:
            session.auditor.open_stage(done.stage)
        queued = session.questions.of_round(result, number)
        has_model = bool(np.isfinite(result.class_prior).any())
        report = result.report() | {"has_model": has_model, "stopping": done.stopping}
        self._record(task, report, queued)
        has_fresh = session.questions.take_round(queued, number, result.n_labels)
        session.equal_items.take(result.duplicates)
        session.duplicates = session.equal_items.agreeing()
        self.reports.append(report | {"round": number})
        self._show(dict(self.reports[-1]))
        if self._is_asked_for or (self.n_unseen and self.is_due() and has_fresh):
            self.start()

    def _go_on_without(self, number: int) -> None:
        """Say when the round after a cancelled one starts; the questions stay as they are."""
        session = self._session
        self._refill()
        if self._is_asked_for:
            said = f"Round {number} cancelled; the one that was asked for meanwhile starts now."
            self.start()
        else:
            n = self._n_until_due()
            labels = "1 more label" if n == 1 else f"{n} more labels"
            if n > 1 and len(session.state.counts) < 2:
                labels += ", or the first of a second class"
            said = f"Round {number} cancelled; the next one starts after {labels}."
        session.problem = said
        session.tasks.say(said)

    def _refill(self) -> None:
        """Ask drawn items after the last ones, where no round has brought others."""
        if not self._session.campaigner.is_under_way:
            self._session.questions.fill_up()

    def _record(self, task: RoundTask, report: dict[str, Any], queued: tuple[Queued, ...]) -> None:
        """Keep what the round was and asked; a disk that refuses must not stop the loop."""
        record = RoundRecord(
            number=task.number,
            created_at=datetime.now(UTC),
            n_labels=report["n_labels"],
            seed=task.seed,
            settings=task.settings.to_dict(),
            report=report,
            queries=records_of(queued, self._workspace),
        )
        try:
            self._workspace.rounds.add(record)
        except Exception as error:
            log.exception("round %d could not be recorded", task.number)
            self._session.problem = f"round {task.number} could not be recorded: {error}"

    # ---- estimates between rounds ----------------------------------------------------------------

    def start_estimates(self) -> None:
        """Estimate anew with the model of the newest round, after the audit has got another answer."""
        session = self._session
        task = session.auditor.task()
        if task is None or session.round_running or session.campaigner.is_under_way:
            return
        try:
            future = session.worker.submit("estimate", session.labels(), task, self._stop_task(), self.newest_task)
        except WorkerStoppedError:
            return  # the next round estimates
        future.add_done_callback(lambda done: session.later(lambda: self._take_estimates(done)))

    def _take_estimates(self, future: Future[dict[str, Any]]) -> None:
        if future.exception() is not None or self._session.round_running:
            return
        self._session.stopping = future.result()["stopping"]
        self._session.estimates = future.result()["estimates"] or self._session.estimates
