"""What the worker process is asked for: shown while it is under way, and cancelled in one way."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import param

from ..data.errors import WorkCancelledError
from .worker import Progress

if TYPE_CHECKING:
    from .session import LabellingSession

# What the tasks are called where they are shown. Others take a moment, or are shown elsewhere.
TITLES = {
    "round": "Round",
    "plan_campaign": "Plan of a campaign",
    "draw_campaign": "Questions of a campaign",
    "checks": "Checks",
}


class Task(param.Parameterized):
    """One piece of work of the worker, as `Job` is one of a process of its own.

    The parameters change in threads.
    """

    title = param.String(default="", constant=True, doc="What is being done, in a few words.")
    share = param.Number(default=None, bounds=(0, 1), allow_None=True, doc="Share done, None if unknown.")
    text = param.String(default="", doc="What is being done just now.")
    is_cancellable = param.Boolean(default=True, doc="Whether `cancel` does something.")

    def __init__(self, title: str, session: LabellingSession, **values: Any) -> None:
        super().__init__(title=title, **values)
        self._session = session
        self.future: Future[Any] | None = None

    def cancel(self) -> None:
        """End the work, see `Worker.cancel`."""
        if self.future is not None and self.is_cancellable:
            self.param.update(is_cancellable=False, text="being cancelled …")
            self._session.worker.cancel(self.future)

    def follow(self, share: float, text: str) -> None:
        """Show how far it is."""
        if self.is_cancellable:
            self.param.update(share=min(max(float(share), 0.0), 1.0), text=text)


class Tasks(param.Parameterized):
    """The tasks of a session's worker that are shown.

    The parameters change in threads. `said` is a sentence about the newest work that was cancelled, and a number
    by which it differs from the one before.
    """

    running = param.Parameter(default=(), doc="Tuple of the tasks that have not ended.")
    said = param.Tuple(default=("", 0), length=2, doc="A sentence, and its number.")

    def __init__(self, session: LabellingSession) -> None:
        super().__init__()
        self._session = session
        self._lock = threading.RLock()

    def submit(self, task: str, *arguments: Any, title: str = "", progress: Progress | None = None) -> Future[Any]:
        """Hand in a task as `Worker.submit` does, and show it until it ends."""
        worker, title = self._session.worker, title or TITLES.get(task, "")
        if not title:
            return worker.submit(task, *arguments, progress=progress)
        shown = Task(title, self._session, text="waits for what is under way" if self.running else "")

        def follow(share: float, text: str) -> None:
            shown.follow(share, text)
            if progress is not None:
                progress(share, text)

        shown.future = worker.submit(task, *arguments, progress=follow)
        self._add(shown)
        shown.future.add_done_callback(lambda done: self._ended(shown, done, is_round=task == "round"))
        return shown.future

    @contextlib.contextmanager
    def shown(self, title: str, text: str) -> Iterator[None]:
        """Show work of the page's own process, which cannot be cancelled; for any thread."""
        task = Task(title, self._session, text=text, is_cancellable=False)
        self._add(task)
        try:
            yield
        finally:
            self._forget(task)

    def say(self, text: str) -> None:
        """Have all pages say a sentence."""
        self.said = (text, self.said[1] + 1)

    def _add(self, task: Task) -> None:
        with self._lock:
            self.running = (*self.running, task)

    def _forget(self, task: Task) -> None:
        with self._lock:
            self.running = tuple(other for other in self.running if other is not task)

    def _ended(self, task: Task, done: Future[Any], *, is_round: bool) -> None:
        self._forget(task)
        if isinstance(done.exception(), WorkCancelledError) and not is_round:  # the loop says more of those
            self.say(f"{task.title}: cancelled. It can be started again.")
