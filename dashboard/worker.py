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
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.errors import InputError, WorkCancelledError
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
NICENESS = 10
PLANE_FILE = "plane.npy"
CANCEL = "cancel"  # in the place of a task: that of this number is to end
GRACE = 3.0  # s in which a task that was cancelled must end by itself
REPORT_EVERY = 0.1  # s between two reports of progress in the same words


class WorkerStoppedError(RuntimeError):
    """The worker process ended in the middle of a task."""


class _Cancelled(BaseException):
    """Ends a task in the worker process; no `Exception`, which a round takes for the failure of a strategy."""


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


def _work(connection: Connection, folder: Path, is_prepared: bool) -> None:
    """Answer tasks until the other end closes; runs in the worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to handle
    is_nice = is_prepared  # all wait for the preparation, nobody for what follows it
    if is_nice:
        be_nice()
    from .desk import Desk  # only that process imports what models need

    desk = Desk(folder)
    asked: queue.SimpleQueue[tuple[int, str, tuple[Any, ...]] | None] = queue.SimpleQueue()
    cancelled: set[int] = set()
    threading.Thread(target=_take_in, args=(connection, asked, cancelled), daemon=True).start()
    if asked.empty():
        import_all()  # the first round need not wait for it
    while (given := asked.get()) is not None:
        number, task, arguments = given
        if task != "prepare" and not is_nice:
            be_nice()
            is_nice = True

        report = _reporter(connection, number, cancelled)
        try:
            _check(number, cancelled)
            answer = (number, "done", getattr(desk, task)(report, *arguments))
        except _Cancelled:
            answer = (number, "cancelled", None)
        except InputError as error:
            answer = (number, "refused", str(error))
        except Exception as error:
            log.exception("the task %r failed", task)
            answer = (number, "failed", f"{type(error).__name__}: {error}")
        try:
            connection.send(answer)
        except OSError:
            return


def be_nice() -> None:
    """Leave the processor to the page when both want it."""
    if hasattr(os, "nice"):  # not on Windows
        os.nice(NICENESS)


def _take_in(connection: Connection, asked: queue.SimpleQueue[Any], cancelled: set[int]) -> None:
    """Take tasks in while another is under way: whoever hands in a large one must not wait until that is done."""
    with contextlib.suppress(EOFError, OSError):
        while True:
            given = connection.recv()
            if given[1] == CANCEL:
                cancelled.add(given[0])
            else:
                asked.put(given)
    asked.put(None)


def _check(number: int, cancelled: set[int]) -> None:
    if number in cancelled:
        raise _Cancelled


def _reporter(connection: Connection, number: int, cancelled: set[int]) -> Progress:
    """What a task calls: it tells the page, or ends the task that was cancelled; calling it often costs little."""
    told, said = 0.0, ""

    def report(share: float, text: str) -> None:
        nonlocal told, said
        _check(number, cancelled)
        now = time.monotonic()
        if text != said or now - told >= REPORT_EVERY:
            told, said = now, text
            try:
                connection.send((number, "progress", (share, text)))
            except OSError:  # nobody waits for it any more: the page's process has gone
                raise _Cancelled from None

    return report


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


@dataclass
class _Asked:
    """A task that has not been answered: over which connection it was handed in, and who waits for it."""

    connection: Connection
    task: str
    arguments: tuple[Any, ...]
    future: Future[Any]
    progress: Progress | None
    is_cancelled: bool = False


class Worker:
    """A process beside the server that prepares a workspace and runs its rounds, one task at a time.

    Parameters
    ----------
    folder
        The workspace. The process opens it by itself, so nothing large is ever sent.
    is_prepared
        Whether the workspace is: the process leaves the processor to the page from its start then.

    Notes
    -----
    When the process dies (killed, out of memory) the tasks under way fail with
    `WorkerStoppedError`, and the next task starts a new process.
    """

    def __init__(self, folder: Path, *, is_prepared: bool = False) -> None:
        self.folder = folder
        self.is_prepared = is_prepared
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._waiting: dict[int, _Asked] = {}
        self._killed: Connection | None = None  # that of a process that had to be killed to cancel a task
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
            Fails with `InputError` for bad input, `WorkCancelledError` when it was cancelled, `WorkerStoppedError`
            when the process died, and RuntimeError for anything else.
        """
        future: Future[Any] = Future()
        with self._lock:
            is_sent = self._send(next(self._numbers), task, arguments, future, progress)
        if not is_sent:
            future.set_exception(WorkerStoppedError("the model's process cannot be reached"))
        return future

    def _send(
        self, number: int, task: str, arguments: tuple[Any, ...], future: Future[Any], progress: Progress | None
    ) -> bool:
        for _ in range(2):  # a process that died unnoticed is replaced once
            connection = self._ensure()
            self._waiting[number] = _Asked(connection, task, arguments, future, progress)
            try:
                connection.send((number, task, arguments))
                return True
            except OSError:
                del self._waiting[number]
                self._process = self._connection = None
        return False

    def cancel(self, future: Future[Any]) -> None:
        """End a task: its future fails with `WorkCancelledError`; nothing happens when it is done already.

        A task ends where it tells its progress next. One that does not within three seconds, as in the midst of a
        fit or of a strategy of the user's own, takes the process with it: tasks that wait behind it are handed to
        the next one, which makes the newest model again when one of them needs it.
        """
        with self._lock:
            number = next((n for n, asked in self._waiting.items() if asked.future is future), None)
            if number is None or self._waiting[number].is_cancelled:
                return
            asked = self._waiting[number]
            asked.is_cancelled = True
            with contextlib.suppress(OSError):  # its process is gone: `_fail` ends it
                asked.connection.send((number, CANCEL, ()))
            is_under_way = number == self._first(asked.connection)
            if is_under_way:
                self._give_grace(number)
        if not is_under_way:
            _settle(future, WorkCancelledError())

    def _first(self, connection: Connection) -> int | None:
        """The task that a process works at: they are done in turn."""
        return min((n for n, asked in self._waiting.items() if asked.connection is connection), default=None)

    def _give_grace(self, number: int) -> None:
        timer = threading.Timer(GRACE, self._kill, (number,))
        timer.daemon = True
        timer.start()

    def _kill(self, number: int) -> None:
        """Kill the process if a task that was cancelled has still not ended."""
        with self._lock:
            asked, process = self._waiting.get(number), self._process
            if asked is None or process is None or asked.connection is not self._connection:
                return
            self._killed = asked.connection
        process.kill()

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
        arguments = (theirs, self.folder, self.is_prepared)
        process = context.Process(target=_work, args=arguments, name="rareloop worker", daemon=True)
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
            except (EOFError, OSError, TypeError):  # the last: closed while it was being read
                break
            self._answer(number, kind, content)
        self._fail(connection)

    def _answer(self, number: int, kind: str, content: Any) -> None:
        with self._lock:
            asked = self._waiting.get(number) if kind == "progress" else self._waiting.pop(number, None)
            following = None if asked is None else self._first(asked.connection)
            if kind != "progress" and following is not None and self._waiting[following].is_cancelled:
                self._give_grace(following)
        if asked is None:
            return
        if kind == "progress":
            if asked.progress is not None and not asked.is_cancelled:
                asked.progress(*content)
        elif kind == "done":
            _settle(asked.future, content)
        elif kind == "cancelled":
            _settle(asked.future, WorkCancelledError())
        elif kind == "refused":
            _settle(asked.future, InputError(content))
        else:
            _settle(asked.future, RuntimeError(content))

    def _fail(self, connection: Connection) -> None:
        """Fail what was asked over a connection that has ended; a newer process has its own.

        Where it was ended to cancel a task, the others are handed in again.
        """
        failed: list[tuple[Future[Any], Exception]] = []
        with self._lock:
            if self._connection is connection:
                self._process = self._connection = None
            lost = [number for number, asked in self._waiting.items() if asked.connection is connection]
            for number, asked in [(number, self._waiting.pop(number)) for number in sorted(lost)]:
                if asked.is_cancelled:
                    failed.append((asked.future, WorkCancelledError()))
                elif self._killed is not connection or not self._is_sent_again(number, asked):
                    failed.append((asked.future, WorkerStoppedError("the model's process stopped")))
        for future, error in failed:
            _settle(future, error)

    def _is_sent_again(self, number: int, asked: _Asked) -> bool:
        try:
            return self._send(number, asked.task, asked.arguments, asked.future, asked.progress)
        except WorkerStoppedError:  # closed meanwhile
            return False


def _settle(future: Future[Any], outcome: Any) -> None:
    """Give a future its result or error, unless it has one: a task that waited is cancelled at once."""
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
