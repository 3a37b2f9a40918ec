"""The notes of the top bar: work under way, how far back in time the page is, and when a break is due."""

from __future__ import annotations

import weakref
from typing import Any

from ..components.topbar import TopBar
from ..jobs import Job
from ..page import Page
from ..session import LabellingSession
from ..tasks import Task


class WorkNotes:
    """Keeps the notes of one page's top bar up to date."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.session: LabellingSession = page.session
        self.bar = TopBar(self._on_message, align="center")
        self._watched: weakref.WeakSet[Job | Task] = weakref.WeakSet()
        self._dismissed = 0.0  # active seconds since the last break, when the note was dismissed
        page.watch(self.session.jobs, self._jobs_changed, "running")
        page.watch(self.session.tasks, self._jobs_changed, "running")
        page.watch(self.session.tasks, self._say, "said")
        page.watch(self.page.pace, self._show_break, "known")
        page.watch(self.session, self._show_past, "committed")
        page.react(self._show_past, "at_label")
        self._jobs_changed()
        self._show_break()

    # ---- work --------------------------------------------------------------------------------------

    def _jobs_changed(self) -> None:
        for one in (*self.session.jobs.running, *self.session.tasks.running):
            if one not in self._watched:
                self._watched.add(one)
                self.page.watch(one, self._show_work, "share", "text")
        self._show_work()

    def _say(self) -> None:
        self.page.tell(self.session.tasks.said[0])

    def _show_work(self) -> None:
        work: list[dict[str, Any]] = [
            {"id": str(id(job)), "title": job.title, "share": job.share, "text": job.text}
            | {"cancellable": True, "patient": False}
            for job in self.session.jobs.running
        ]
        work += [
            {"id": str(id(task)), "title": task.title, "share": task.share, "text": task.text}
            | {"cancellable": task.is_cancellable, "patient": True}
            for task in self.session.tasks.running
        ]
        self.bar.show_parts(work=work)

    # ---- time and breaks ---------------------------------------------------------------------------

    def _show_past(self) -> None:
        n = self.page.at_label
        text = "" if n is None else f"As of entry {n:,} of {self.session.state.n_events:,}"
        self.bar.show_parts(past=text)

    def _show_break(self) -> None:
        seconds, minutes = self.page.pace.known.since_break, self.page.pace.break_minutes
        self._dismissed = min(self._dismissed, seconds)  # a break has been taken since
        due = minutes > 0 and seconds - self._dismissed >= 60 * minutes
        self.bar.show_parts(pause=break_words(seconds) if due else "")

    # ---- what the user does ------------------------------------------------------------------------

    def _on_message(self, message: dict[str, Any]) -> None:
        kind = message.get("type")
        if kind == "cancel":
            for one in (*self.session.jobs.running, *self.session.tasks.running):
                if str(id(one)) == message.get("id"):
                    self.page.in_background(one.cancel, lambda _: None)
        elif kind == "now":
            self.page.at_label = None
        elif kind == "dismiss":
            self._dismissed = self.page.pace.known.since_break
            self.page.hop(self._show_break)


def break_words(seconds: float) -> str:
    """What the note says after so much work without a break."""
    return f"{seconds / 60:.0f} min without a break"
