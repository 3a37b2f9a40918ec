"""The process in which models are fitted and pools are scored, and its handle in the page's process."""

from __future__ import annotations

import contextlib
import itertools
import logging
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from ..data.audits import stage_path, store_codes
from ..data.errors import InputError
from ..data.workspace import Workspace
from ..strategies.audit import Rates, SealedAudit, Stage, permanent_numbers
from ..strategies.pool import Pool, pca_plane
from ..strategies.rounds import Labels, Round, RoundSettings, re_estimate, run_round
from .audits import AuditFiles, AuditTask, NewStage
from .checks import checks_report, run_checks
from .frozen import Drawing, Frame, Frozen, certified, model_facts
from .pool_scores import CLUSTER, MODEL, Judge, ScoreFiles, write_clusters, write_model_scores, write_unlike
from .stopping import StopTask, stopping_report

log = logging.getLogger(__name__)

Progress = Callable[[float, str], None]

# One thread is fastest for small fits, and leaves a core to the page.
THREADS = 1
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
NICENESS = 5
PLANE_FILE = "plane.npy"


class WorkerStoppedError(RuntimeError):
    """The worker process ended in the middle of a task."""


@dataclass(frozen=True)
class RoundTask:
    """What the worker needs for one round: the labels as of now, the settings, the seed, and its number."""

    labels: Labels
    settings: RoundSettings
    seed: int
    audit: AuditTask | None = None
    stop: StopTask | None = None
    number: int = 0


@dataclass(frozen=True)
class RoundResult:
    """What comes back of a round: itself, the audit's next stage where there is one, and how far one is."""

    round: Round
    stage: NewStage | None
    stopping: dict[str, Any] | None


class _Desk:
    """What the worker process keeps between tasks: the workspace and its pool, opened once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._pool: Pool | None = None
        self._audits: AuditFiles | None = None
        self._scoring: Any = None  # what estimates need of the newest round's model
        self._frozen: Frozen | None = None  # what campaigns need of it
        self._judge: Judge | None = None  # what maps need of it

    @property
    def audits(self) -> AuditFiles:
        """The arrays of the workspace's audits."""
        if self._audits is None:
            self._audits = AuditFiles(Workspace.open(self.folder))
        return self._audits

    @property
    def pool(self) -> Pool:
        """The pool over the workspace's feature matrix."""
        if self._pool is None:
            self._pool = Pool(Workspace.open(self.folder).features)
        return self._pool

    def prepare(self, progress: Progress) -> None:
        """Build the features and the map's plane; touches the whole table."""
        workspace = Workspace.open(self.folder)
        workspace.prepare(progress=lambda share, text: progress(0.8 * share, text))
        target = plane_path(workspace)
        if not target.exists():
            progress(0.85, "placing the items on the map")
            plane, _ = pca_plane(workspace.features, np.random.default_rng(0))
            partial = target.with_suffix(".partial.npy")
            np.save(partial, plane)
            partial.replace(target)
        workspace.log.close()
        progress(1.0, "ready")

    def round(self, progress: Progress, task: RoundTask) -> RoundResult:
        """Run one round; touches the whole pool."""
        audit = None if task.audit is None else self.audits.sealed_audit(task.audit)
        result = run_round(self.pool, task.labels, task.settings, np.random.default_rng(task.seed), audit)
        self._scoring = result.scoring
        self._freeze(result, task.number)
        self._judge = Judge.of(self.pool, result, task.labels, task.settings, task.number)
        stage = self._new_stage(task, result)
        # The page shows numbers; the fitted model and what belongs to it stay here.
        result.estimator = result.scoring = result.next_rates = None
        number = None if task.audit is None else task.audit.number
        stopping = (
            None if task.stop is None else stopping_report(task.stop, audit, number, task.labels, result.estimates)
        )
        return RoundResult(result, stage, stopping)

    def _new_stage(self, task: RoundTask, result: Round) -> NewStage | None:
        """Keep the rates of a new stage of the audit in a file, before anything is asked by them."""
        if task.audit is None or result.audit is None or result.next_rates is None:
            return None
        path = stage_path(self.folder, task.audit.number, len(task.audit.stages))
        store_codes(path, result.next_rates.codes)
        levels = tuple(float(level) for level in result.next_rates.levels)
        return NewStage(task.audit.number, float(result.audit["reach"]), levels, path.name)

    def estimate(self, progress: Progress, labels: Labels, task: AuditTask, stop: StopTask) -> dict[str, Any]:
        """Estimates and statements with the model of the newest round and new answers; touches the whole pool."""
        audit = self.audits.sealed_audit(task)
        estimates = None if self._scoring is None else re_estimate(self._scoring, labels, audit)
        return {"estimates": estimates, "stopping": stopping_report(stop, audit, task.number, labels, estimates)}

    def scores(self, progress: Progress, kind: str, names: tuple[str, ...]) -> ScoreFiles:
        """Write what maps and rules know of every item, by the newest round; touches the whole pool."""
        folder = self.folder / "cache" / "scores"
        if kind == MODEL:
            return write_model_scores(folder, self._judge, names, progress)
        if kind == CLUSTER:
            return write_clusters(folder, self._judge, self.pool, progress)
        return write_unlike(folder, self._judge, self.pool)

    # ---- campaigns -------------------------------------------------------------------------------

    def plan_campaign(
        self, progress: Progress, task: RoundTask, names: Sequence[str], sizes: Sequence[int]
    ) -> dict[str, Any]:
        """What campaigns of several sizes would tell of the newest round's model; may score the whole pool."""
        return self._frame(progress, task, names)[1].plan(sizes)

    def draw_campaign(
        self, progress: Progress, task: RoundTask, names: Sequence[str], n: int, seed: int
    ) -> tuple[Drawing, dict[str, Any]]:
        """The questions of a campaign about the newest round's model, and what is frozen of it."""
        frozen, frame = self._frame(progress, task, names)
        return frame.draw(n, seed), model_facts(frozen, names)

    def certify(self, progress: Progress, *arguments: Any) -> dict[str, Any]:
        """The certificate of a campaign, see `frozen.certified`."""
        return certified(*arguments)

    def _freeze(self, result: Round, number: int) -> None:
        scoring = result.scoring
        self._frozen = None if scoring is None else Frozen(scoring, number, result.prevalence, result.n_labels)

    def _frame(self, progress: Progress, task: RoundTask, names: Sequence[str]) -> tuple[Frozen, Frame]:
        if not task.settings.wanted:
            raise InputError("no class is looked for: choose one in the Strategy tab first")
        audit = None if task.audit is None else self.audits.sealed_audit(task.audit)
        if audit is None:
            numbers = permanent_numbers(self.audits.workspace.ids.keys(), task.seed)
            audit = SealedAudit(numbers, (Stage(Rates.uniform(len(numbers))),))
        if self._frozen is None or self._frozen.wanted != task.settings.wanted:
            progress(0.0, "fitting the model")
            result = run_round(self.pool, task.labels, task.settings, np.random.default_rng(task.seed), audit)
            self._freeze(result, 0)
        if self._frozen is None:
            raise InputError("there is no model yet: label items of at least two classes first")
        return self._frozen, self._frozen.frame(task.labels, audit, names, progress)

    def checks(self, progress: Progress) -> dict[str, Any]:
        """Run the checks; touches the whole pool."""
        workspace = Workspace.open(self.folder)
        try:
            return checks_report(workspace, run_checks(workspace, self.pool, progress))
        finally:
            workspace.close()


def plane_path(workspace: Workspace) -> Path:
    """Where the two principal components of the pool are cached, float32 ``(n_items, 2)``."""
    return workspace.folder / "cache" / PLANE_FILE


def _work(connection: Connection, folder: Path) -> None:
    """Answer tasks until the other end closes; runs in the worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to handle
    is_nice = not hasattr(os, "nice")
    desk = _Desk(folder)
    asked: queue.SimpleQueue[tuple[int, str, tuple[Any, ...]] | None] = queue.SimpleQueue()
    threading.Thread(target=_take_in, args=(connection, asked), daemon=True).start()
    while (given := asked.get()) is not None:
        number, task, arguments = given
        if task != "prepare" and not is_nice:  # all wait for the preparation, nobody for what follows it
            os.nice(NICENESS)
            is_nice = True

        def report(share: float, text: str, number: int = number) -> None:
            connection.send((number, "progress", (share, text)))

        try:
            answer = (number, "done", getattr(desk, task)(report, *arguments))
        except InputError as error:
            answer = (number, "refused", str(error))
        except Exception as error:
            log.exception("the task %r failed", task)
            answer = (number, "failed", f"{type(error).__name__}: {error}")
        try:
            connection.send(answer)
        except OSError:
            return


def _take_in(connection: Connection, asked: queue.SimpleQueue[Any]) -> None:
    """Take tasks in while another is under way: whoever hands in a large one must not wait until that is done."""
    with contextlib.suppress(EOFError, OSError):
        while True:
            asked.put(connection.recv())
    asked.put(None)


@contextlib.contextmanager
def capped_threads() -> Iterator[None]:
    """Let a process started inside see capped thread pools; the libraries read these at import."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(THREADS)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


class Worker:
    """A process beside the server that prepares a workspace and runs its rounds, one task at a time.

    Parameters
    ----------
    folder
        The workspace. The process opens it by itself, so nothing large is ever sent.

    Notes
    -----
    When the process dies (killed, out of memory) the tasks under way fail with
    `WorkerStoppedError`, and the next task starts a new process.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._waiting: dict[int, tuple[Connection, Future[Any], Progress | None]] = {}
        self._process: multiprocessing.process.BaseProcess | None = None
        self._connection: Connection | None = None
        self._closed = False

    def start(self) -> None:
        """Start the process if it is not running, so that its imports are done when the first task comes."""
        with self._lock:
            self._ensure()

    def submit(self, task: str, *arguments: Any, progress: Progress | None = None) -> Future[Any]:
        """Hand in a task.

        Parameters
        ----------
        task
            ``"prepare"``, ``"round"``, ``"checks"``, or another task of the desk.
        progress
            Called from another thread with the share done (0 to 1) and what is being done.

        Returns
        -------
        Future
            Fails with `InputError` for bad input, `WorkerStoppedError` when the process died, and
            RuntimeError for anything else.
        """
        future: Future[Any] = Future()
        with self._lock:
            number = next(self._numbers)
            for _ in range(2):  # a process that died unnoticed is replaced once
                connection = self._ensure()
                self._waiting[number] = (connection, future, progress)
                try:
                    connection.send((number, task, arguments))
                    return future
                except OSError:
                    del self._waiting[number]
                    self._process = self._connection = None
        future.set_exception(WorkerStoppedError("the model's process cannot be reached"))
        return future

    def stop(self) -> None:
        """Kill the process: tasks under way fail with `WorkerStoppedError`, and the next one starts another."""
        with self._lock:
            process = self._process
        if process is not None:
            process.kill()

    def close(self) -> None:
        """End the process; tasks under way fail."""
        with self._lock:
            self._closed = True
            process, connection = self._process, self._connection
            self._process = self._connection = None
        if connection is not None:
            connection.close()
        if process is not None:
            process.terminate()
            process.join(timeout=5)

    def _ensure(self) -> Connection:
        if self._closed:
            raise WorkerStoppedError("the worker is closed")
        if self._process is not None and self._process.is_alive() and self._connection is not None:
            return self._connection
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, self.folder), name="rareloop worker", daemon=True)
        with capped_threads():
            process.start()
        theirs.close()
        self._process, self._connection = process, ours
        threading.Thread(target=self._listen, args=(ours,), name="worker answers", daemon=True).start()
        return ours

    def _listen(self, connection: Connection) -> None:
        while True:
            try:
                number, kind, content = connection.recv()
            except (EOFError, OSError):
                break
            self._answer(number, kind, content)
        self._fail(connection)

    def _answer(self, number: int, kind: str, content: Any) -> None:
        with self._lock:
            entry = self._waiting.get(number) if kind == "progress" else self._waiting.pop(number, None)
        if entry is None:
            return
        _, future, progress = entry
        if kind == "progress":
            if progress is not None:
                progress(*content)
        elif kind == "done":
            future.set_result(content)
        elif kind == "refused":
            future.set_exception(InputError(content))
        else:
            future.set_exception(RuntimeError(content))

    def _fail(self, connection: Connection) -> None:
        """Fail what was asked over a connection that has ended; a newer process has its own."""
        with self._lock:
            if self._connection is connection:
                self._process = self._connection = None
            lost = [number for number, entry in self._waiting.items() if entry[0] is connection]
            futures = [self._waiting.pop(number)[1] for number in lost]
        for future in futures:
            future.set_exception(WorkerStoppedError("the model's process stopped"))
