"""The handle, in the page's process, of the process in which models are fitted and pools are scored."""

from __future__ import annotations

import contextlib
import itertools
import logging
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.errors import InputError
from ..data.workspace import Workspace
from ..later import import_all

if TYPE_CHECKING:  # the page's process has no need of models
    from ..strategies.rounds import Labels, Round, RoundSettings
    from .audits import AuditTask, NewStage
    from .stopping import StopTask

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


def plane_path(workspace: Workspace) -> Path:
    """Where the two principal components of the pool are cached, float32 ``(n_items, 2)``."""
    return workspace.folder / "cache" / PLANE_FILE


def _work(connection: Connection, folder: Path) -> None:
    """Answer tasks until the other end closes; runs in the worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to handle
    is_nice = not hasattr(os, "nice")
    from .desk import Desk  # only that process imports what models need

    desk = Desk(folder)
    asked: queue.SimpleQueue[tuple[int, str, tuple[Any, ...]] | None] = queue.SimpleQueue()
    threading.Thread(target=_take_in, args=(connection, asked), daemon=True).start()
    if asked.empty():
        import_all()  # the first round need not wait for it
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
