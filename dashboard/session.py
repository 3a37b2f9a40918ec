"""The loop as a running thing: what is asked, what was answered, and the rounds in the background."""

from __future__ import annotations

import contextlib
import getpass
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import param

from ..data.bulk import set_aside, uncollected
from ..data.campaigns import CampaignRecord
from ..data.events import CLASS_ACTIONS, STEPS
from ..data.guidelines import Guideline
from ..data.labels import Action, Event, LogState, new_event_id
from ..data.roles import Roles
from ..data.workspace import Workspace
from ..strategies.nearest_items import Nearest
from ..strategies.rounds import Labels, RoundSettings
from .answers import Answers, Commit, Duplicates
from .audits import Auditor
from .bulk import Bulker
from .campaigns import Campaigner, Hooks
from .cards import CardRunner
from .distances import keep_metric
from .jobs import Jobs
from .log_columns import LogColumns
from .loop import Loop, retrain_every, store_settings
from .pace_meter import PaceMeter
from .packages import Packages
from .pool_scores import PoolScores
from .preparation import Preparation
from .questions import Questions
from .queue import Queued
from .reasons import AUDIT, CAMPAIGN
from .tasks import Tasks
from .taxonomy_editing import Change, TakeBack, alters_models, change_classes, suggested_anew
from .training import labels_of, round_settings
from .visitors import Visitors
from .worker import Progress, Worker

log = logging.getLogger(__name__)

LARGE = 10_000  # events of a step after which the log is set aside from searches for garbage


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
        Whose answers are given in pages without a login; the name of the operating system's user by default.

    Notes
    -----
    Several people may label at the same time: what writes takes the name of the `annotator` who does it.
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
        self.worker = Worker(workspace.folder, is_prepared=workspace.is_ready)
        self.jobs = Jobs()
        self.tasks = Tasks(self)
        self.packages = Packages(self)
        self.scores = PoolScores(self)
        self.card: CardRunner | None = None  # the user's own
        self.columns = LogColumns(workspace)
        self.visitors = Visitors()
        self._began = time.time()
        self._paces: dict[str, PaceMeter] = {}
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="label log")
        self.auditor = Auditor(workspace)
        self.loop = Loop(self)
        hooks = Hooks(
            lambda: self.tasks, self.loop.task, self._show_campaign, self._campaign_ended, self._complain
        )
        self.campaigner = Campaigner(workspace, self._writer, hooks)
        self.bulker = Bulker(self)
        self.questions = Questions(self)
        self.equal_items = Duplicates(self)
        self._answers = Answers(self)
        self._preparation = Preparation(self)
        self._nearest: Nearest | None = None
        self.is_closed = False

    # ---- life ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin where the workspace stands: ask for its roles, prepare it, or go on labelling.

        A workspace that is ready is so at once: a page made before would be shown twice.
        """
        self.worker.start()
        if self.workspace.is_ready:
            self._writer.submit(self._guarded, self.begin).result()
        elif self.workspace.is_confirmed:
            self._preparation.start()

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
        self._preparation.start()

    def cancel_preparing(self) -> None:
        """Break off the preparation; what was chosen stays, and the page asks for it again."""
        self._preparation.cancel()

    def begin(self) -> None:
        """Go on where the prepared workspace stands; for the writer thread."""
        self.workspace.reload()
        self.auditor.begin(self.settings.audit_share)
        self.campaigner.restore()
        self.questions.restore()
        self.loop.restore()
        self.campaign = self.campaigner.status()
        self.phase = "labelling"
        self.campaigner.finish_if_over()
        self.loop.start()

    def close(self) -> None:
        """Store what is under way, end the worker and release the workspace."""
        self.is_closed = True
        self.jobs.close()
        self._writer.shutdown(wait=True)
        self.worker.close()
        self.workspace.close()

    # ---- the writer thread -----------------------------------------------------------------------

    def later(self, work: Callable[[], None]) -> None:
        """Have the writer thread do something, unless the session is being closed; errors are shown."""
        with contextlib.suppress(RuntimeError):  # the writer takes nothing more
            if not self.is_closed:
                self._writer.submit(self._guarded, work)

    def afterwards(self, work: Callable[[], Any]) -> Future[Any]:
        """Run `work` in the writer thread: when all that was answered so far is stored, and nothing changes."""
        return self._writer.submit(work)

    def in_turn_of_answers(self, work: Callable[[], Sequence[Event]]) -> Future[Commit]:
        """Run `work`, which stores answers, in the writer thread, and tell the pages of them."""

        def whole() -> Commit:
            with uncollected():
                commit = self._committed(work())
                if len(commit.events) >= LARGE:
                    set_aside()
                return commit

        return self._writer.submit(whole)

    def _guarded(self, work: Callable[[], None]) -> None:
        """Run in the writer thread; what goes wrong is shown, never swallowed."""
        try:
            work()
        except Exception as error:
            log.exception("background work failed")
            self.problem = str(error)

    def _complain(self, text: str) -> None:
        self.problem = text

    # ---- what is known ---------------------------------------------------------------------------

    @property
    def state(self) -> LogState:
        """The label log, folded."""
        return self.workspace.log.state()

    @property
    def settings(self) -> RoundSettings:
        """The settings of the next round, with the wanted classes of the taxonomy."""
        return round_settings(self.workspace)

    @property
    def retrain_every(self) -> int:
        """After how many decisions the next round starts."""
        return retrain_every(self.workspace)

    @property
    def reports(self) -> list[dict[str, Any]]:
        """The reports of all rounds, in their order."""
        return self.loop.reports

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
        return self.questions.asked_by.get(row)

    @property
    def asked_by(self) -> Mapping[int, Queued]:
        """The query through which each item was asked last in this run, by row."""
        return self.questions.asked_by

    def found(self) -> dict[str, int]:
        """Labels per class in the order in which classes are shown, those without any included."""
        counts = self.state.counts
        return {c.name: counts.get(c.name, 0) for _, c in self.workspace.taxonomy.shown}

    def pace_of(self, annotator: str) -> PaceMeter:
        """What counts somebody's pace, one for all their pages."""
        if annotator not in self._paces:
            self._paces[annotator] = PaceMeter(self.workspace, self.columns, annotator, self._began)
        return self._paces[annotator]

    def labels(self) -> Labels:
        """The labels that models learn from as arrays, in the order in which they were given."""
        return labels_of(self.state, self.workspace, self.auditor.audit)

    def all_labels(self) -> Labels:
        """All labels as arrays, those included that the audit has sealed or whose class is retired."""
        return labels_of(self.state, self.workspace, retired=True)

    # ---- answers ---------------------------------------------------------------------------------

    def decide(self, decisions: Sequence[Mapping[str, Any]], *, annotator: str) -> Future[Commit]:
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
        given = [dict(d) for d in decisions]
        return self.in_turn_of_answers(lambda: self._answers.decide(given, annotator))

    def undo(self, event_id: str | None = None, *, annotator: str) -> Future[Commit]:
        """Undo the annotator's newest decision; the commit has no events when there is none.

        Labels that were propagated together are undone together, and brought back together by `redo`.
        """
        return self.in_turn_of_answers(lambda: self._answers.step(Action.UNDO, event_id, annotator))

    def redo(self, event_id: str | None = None, *, annotator: str) -> Future[Commit]:
        """Redo what the annotator undid last; the commit has no events when there is nothing."""
        return self.in_turn_of_answers(lambda: self._answers.step(Action.REDO, event_id, annotator))

    def undo_answer(self, target: str, event_id: str | None = None, *, annotator: str) -> Future[Commit]:
        """Undo one answer or note, whoever gave it and whatever has been answered since.

        The commit has no events when it was undone before. The future fails with `InputError` when there is
        no such answer.
        """
        return self._writer.submit(self._undo_answer, target, event_id or new_event_id(), annotator)

    def _undo_answer(self, target: str, event_id: str, annotator: str) -> Commit:
        answer = self._answers.in_force(target)
        if answer is not None and answer.action in CLASS_ACTIONS:
            return Commit(tuple(self._change_classes([TakeBack(target)], annotator)), ())
        return self._committed([] if answer is None else self._answers.undo_answer(answer, event_id, annotator))

    def propagate_duplicates(self, *, annotator: str) -> Future[Commit]:
        """Label items like the labelled ones that have exactly their features, in one transaction.

        Items whose labelled twins disagree are left out, and so is what goes beyond 100,000 items. The
        commit has no events when there is nothing to label.
        """
        return self.in_turn_of_answers(lambda: self.equal_items.propagate(annotator))

    def _committed(self, events: Sequence[Event]) -> Commit:
        """Tell the pages, and start a round when there is enough that is new."""
        found = self.workspace.ids.rows([e.item_id for e in events if e.item_id]).tolist()
        commit = Commit(tuple(events), tuple(dict.fromkeys(found)))
        if not events:
            return commit
        rows = set(commit.rows)
        asked_by = self.asked_by
        self.auditor.record_passed(asked_by[row] for row in rows & asked_by.keys())
        if any(e.action != Action.NOTE for e in events):
            self.questions.drop(rows)
            self.duplicates = tuple(pair for pair in self.duplicates if pair[0] not in rows)
            self.loop.n_unseen += len(events)
        self.committed = commit
        if self.campaigner.record is not None:
            self.campaigner.follow()
        elif self.loop.is_due():
            self.loop.start()
        elif any(e.strategy == AUDIT or e.action in STEPS for e in events):
            self.loop.start_estimates()
        if self.round_running and self.campaigner.record is None:
            self.questions.fill_up()
        return commit

    # ---- settings, classes, guidelines -----------------------------------------------------------

    def update_settings(self, **changes: Any) -> None:
        """Change settings of the rounds and start a round with them.

        Raises
        ------
        InputError
            When a value is not allowed; nothing is changed then.
        """
        if store_settings(self.workspace, changes):
            self.start_round()

    def keep(self, **settings: Any) -> Future[None]:
        """Store settings that no round depends on, in the writer thread: a slow disk holds up no page."""
        self.workspace.settings.update(settings)
        return self._writer.submit(self._guarded, self.workspace.save)

    def change_classes(self, changes: Sequence[Change | TakeBack], *, annotator: str) -> Future[list[Event]]:
        """Store changes of the classes in one transaction, and go on with the classes as they are then.

        Returns
        -------
        Future
            The events. Fails with `InputError` when a change cannot be, or would alter the campaign under way;
            nothing is stored then.
        """
        return self._writer.submit(self._change_classes, list(changes), annotator)

    def _change_classes(self, changes: Sequence[Change | TakeBack], annotator: str) -> list[Event]:
        stored = change_classes(self.workspace, changes, annotator, self.campaigner.is_under_way)
        self.questions.change(lambda queue: suggested_anew(queue, self.state.classes, self.workspace.taxonomy))
        self.duplicates = self.equal_items.agreeing()
        self.taxonomy_revision += 1
        self.committed = Commit((), ())  # whoever shows labels shows them anew
        if any(alters_models(change) for change in changes):
            self.loop.start()
        return stored

    def add_class(self, name: str, *, annotator: str) -> Future[list[Event]]:
        """Add a class; fails as `change_classes` does."""
        return self.change_classes([Change(Action.CLASS_ADD, name)], annotator=annotator)

    def set_wanted(self, names: Sequence[str], *, annotator: str) -> Future[list[Event]]:
        """Say which classes are the ones looked for, and start a round that looks for them."""
        return self.change_classes(
            [
                Change(Action.CLASS_CHANGE, c.name, {"wanted": c.name in names})
                for _, c in self.workspace.taxonomy.offered
                if c.wanted != (c.name in names)
            ],
            annotator=annotator,
        )

    def write_guideline(self, text: str, *, annotator: str) -> Future[Guideline]:
        """Store a new version of the guidelines; fails as `Guidelines.add` does."""
        return self._writer.submit(self._write_guideline, text, annotator)

    def _write_guideline(self, text: str, annotator: str) -> Guideline:
        made = self.workspace.guidelines.add(text, annotator)
        self.guideline_revision += 1
        return made

    # ---- rounds, the audit -----------------------------------------------------------------------

    def start_round(self) -> None:
        """Start a round now, or right after the one under way."""
        if self.phase == "labelling":
            self.later(self.loop.start)

    def unseal(self) -> Future[None]:
        """Release the sealed answers to training, and begin a new audit; the round log keeps earlier estimates."""
        return self._writer.submit(self._unseal)

    def _unseal(self) -> None:
        self.auditor.unseal()
        self.loop.start()

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
        self.questions.replace(self.campaigner.queue())

    def _campaign_ended(self, reached: Sequence[str]) -> None:
        """Go on with rounds after a campaign, or without one that could not be drawn."""
        self.auditor.record_reached(reached, CAMPAIGN)
        if self.campaign:
            self.problem = ""
            self.questions.restore()
            self.campaign = {}
            self.loop.start()
        else:
            self.loop.start_what_waits()
