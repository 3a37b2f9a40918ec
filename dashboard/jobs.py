"""Long work that a user starts and may stop: each job in a process of its own."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import param

from ..data.errors import InputError
from .worker import Progress, be_nice, capped_threads

log = logging.getLogger(__name__)

REPORT_EVERY = 0.1  # s between two reports of progress
GRACE = 5.0  # s in which a stopped process must be gone


class Job(param.Parameterized):
    """One piece of long work: how far it is, what came of it, and the way to stop it.

    The parameters change in threads: whoever watches them must hop to a thread of its own. When `state`
    leaves ``running``, `result` and `error` are there already.
    """

    title = param.String(default="", constant=True, doc="What is being done, in a few words.")
    share = param.Number(default=0.0, bounds=(0, 1), doc="Share done, 0 to 1.")
    text = param.String(default="", doc="What is being done just now.")
    state = param.Selector(default="running", objects=["running", "done", "failed", "cancelled"])
    result = param.Parameter(default=None, doc="What the function returned, once the state is done.")
    error = param.String(default="", doc="Why it failed, one sentence, or empty.")

    def __init__(self, title: str) -> None:
        super().__init__(title=title)
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._process: multiprocessing.process.BaseProcess | None = None

    def cancel(self) -> None:
        """Kill the process; nothing happens when the job has ended already.

        It is gone when the state changes, so that whoever is told can clear up after it.
        """
        with self._lock:
            if self.state == "running":
                self._kill()
                self._end("cancelled")

    def wait(self, timeout: float | None = None) -> str:
        """Wait until the job has ended, at most `timeout` seconds; returns its state."""
        self._ended.wait(timeout)
        return str(self.state)

    def _run(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        """Start the process; its answers are taken in a thread."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(
            target=_work, args=(theirs, function, arguments), name=f"rareloop {self.title}", daemon=True
        )
        with capped_threads():
            process.start()
        theirs.close()
        self._process = process
        threading.Thread(target=self._listen, args=(ours,), name="job answers", daemon=True).start()

    def _listen(self, connection: Connection) -> None:
        kind, content = "lost", None
        while kind in ("lost", "progress"):
            try:
                kind, content = connection.recv()
            except (EOFError, OSError):
                break
            if kind == "progress" and self.state == "running":
                share, text = content
                self.param.update(share=min(max(float(share), 0.0), 1.0), text=text)
        connection.close()
        if kind == "done":
            self._end("done", result=content, share=1.0)
        elif kind in ("refused", "failed"):
            self._end("failed", error=content)
        else:
            self._end("failed", error=f"{self.title} stopped: its process was killed, start it again")
        self._kill()

    def _end(self, state: str, **values: Any) -> bool:
        """Say how it ended, the first time only."""
        with self._lock:
            if self.state != "running":
                return False
            self.param.update(**values)
            self.state = state
        self._ended.set()
        return True

    def _kill(self) -> None:
        if self._process is not None and self._process.is_alive():
            self._process.kill()
            self._process.join(GRACE)


class Jobs(param.Parameterized):
    """The jobs of a session.

    Examples
    --------
    >>> job = Jobs().start("Counting", len, "abc")  # doctest: +SKIP
    """

    running = param.Parameter(default=(), doc="Tuple of the jobs that have not ended.")

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.RLock()
        self._closed = False

    def start(self, title: str, function: Callable[..., Any], *arguments: Any) -> Job:
        """Run ``function(progress, *arguments)`` in a process of its own.

        Parameters
        ----------
        title
            What is being done, in a few words.
        function
            Of a module, so that the process can import it. It calls ``progress(share, text)`` now and then;
            what it returns, and `arguments`, are sent between the processes: nothing large.

        Returns
        -------
        Job
            Failed from the start when the session is being closed.
        """
        job = Job(title)
        with self._lock:
            if self._closed:
                job._end("failed", error=f"{title} was not started: the session is being closed")
                return job
            job._run(function, arguments)
            self.running = (*self.running, job)
        job.param.watch(lambda _: self._forget(job), "state")
        if job.state != "running":
            self._forget(job)
        return job

    def close(self) -> None:
        """Cancel what is running; nothing can be started any more."""
        with self._lock:
            self._closed = True
            running = self.running
        for job in running:
            job.cancel()

    def _forget(self, job: Job) -> None:
        with self._lock:
            if job in self.running:
                self.running = tuple(other for other in self.running if other is not job)


def _work(connection: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """Run one function and send what comes of it; runs in the job's process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to handle
    be_nice()
    try:
        answer = ("done", function(_reporter(connection), *arguments))
    except InputError as error:
        answer = ("refused", str(error))
    except MemoryError:
        answer = ("failed", "there is not enough memory for this: close other programs, or take less of the table")
    except Exception as error:
        log.exception("a job failed")
        answer = ("failed", " ".join(f"{type(error).__name__}: {error}".split()))
    try:
        connection.send(answer)
    except OSError:
        return
    except Exception as error:  # what a function returns may be nothing that can be sent
        connection.send(("failed", f"the result cannot be sent: {error}"))


def _reporter(connection: Connection) -> Progress:
    """What the function calls; it costs nothing to call it often."""
    last = [0.0]

    def report(share: float, text: str) -> None:
        now = time.monotonic()
        if now - last[0] >= REPORT_EVERY:
            last[0] = now
            connection.send(("progress", (share, text)))

    return report
