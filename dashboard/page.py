"""What one visitor's page knows: the item on its card, its selection, its theme; and how threads reach it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import panel as pn
import param

from ..data.bulk import look_through
from ..data.errors import InputError
from .finder import Finder
from .items import ItemCards
from .session import LabellingSession
from .visitors import Visitor

if TYPE_CHECKING:
    from .floor_plan import FloorPlan

log = logging.getLogger(__name__)

# Work of pages that must not hold up the server's loop: rasters, selections, exports.
THREADS = ThreadPoolExecutor(2, thread_name_prefix="page work")


class Page(param.Parameterized):
    """The state that the views of one page share.

    Everything here can be lost with the tab: what must last is in the workspace.

    Parameters
    ----------
    annotator
        Whose answers this page gives: who has logged in, and without a login the session's.
    """

    current = param.Integer(default=None, allow_None=True, doc="Row of the item on the card.")
    selection = param.Array(default=np.empty(0, np.int64), doc="Selected rows, int64 (n_selected,).")
    selection_name = param.String(default="", doc="Where the selection comes from, in words.")
    found = param.Parameter(default=None, doc="The Found whose rows were selected last by a search, or None.")
    filters = param.Parameter(
        default=None, doc="Which rows pass the filters, bool (n_rows,), or None without any."
    )
    list_sort = param.Parameter(default=("", True), doc="By which column the table lists, and whether ascending.")
    wanted_view = param.Parameter(default=None, doc="(name, counter): the view whose tab should be open.")
    dark = param.Boolean(default=False, doc="Whether the theme is dark.")
    command = param.Parameter(default=None, doc="(name, row, counter): what a key asks of another view.")
    worklist = param.Parameter(
        default=None, doc="(rows, words, counter): items to go through on the card before the queue."
    )
    at_label = param.Integer(default=None, allow_None=True, doc="Entries of the log that are shown; None for all.")
    wanted_row = param.Parameter(default=None, doc="(row, counter, as asked): the row that the card should show.")

    def __init__(self, session: LabellingSession, cards: ItemCards, annotator: str | None = None) -> None:
        super().__init__()
        self.session = session
        self.annotator = annotator or session.annotator
        self.pace = session.pace_of(self.annotator)
        self.cards = cards
        self.document = pn.state.curdoc
        self.is_served = self.document is not None and self.document.session_context is not None
        self.places: FloorPlan | None = None  # which views stand where, once there are some
        self._opened = 0
        self._unwatch: list[Callable[[], None]] = []
        self._ready_lock = threading.Lock()
        self._is_ready = not self.is_served
        self._waiting: dict[Callable[[], None], None] = {}  # what to do once the browser has the page, each once
        self.visitor = Visitor(self.annotator, self._is_there)
        self.param.watch(lambda event: session.visitors.look_at(self.visitor, event.new), "current")
        self.when_shown(self._become_ready)
        self.when_shown(lambda: session.visitors.enter(self.visitor))
        self.finder = Finder(self)

    def open(self, row: int, *, as_asked: bool = False) -> None:
        """Show an item on the card: as opened by the user, or as it was asked last, if it was."""
        self._opened += 1
        self.wanted_row = (int(row), self._opened, as_asked)

    def show_view(self, name: str) -> None:
        """Open the tab of a view."""
        self._opened += 1
        self.wanted_view = (name, self._opened)

    def work_through(self, rows: Sequence[int], words: str) -> None:
        """Show items on the card one after the other, before the queue goes on."""
        self._opened += 1
        self.worklist = (tuple(int(row) for row in rows), words, self._opened)

    def run(self, name: str, row: int | None) -> None:
        """Have the view that owns a command (similar, search, guideline, grid) carry it out."""
        self._opened += 1
        self.command = (name, row, self._opened)

    def hop(self, work: Callable[[], None]) -> None:
        """Run `work` with the document's lock held, from whatever thread; dropped when the page is gone."""
        if not self.is_served:
            work()
        elif self.document.session_context is not None:
            self.document.add_next_tick_callback(partial(self._guarded, work))

    def watch(self, owner: param.Parameterized, callback: Callable[..., None], *names: str) -> None:
        """Call ``callback()`` in this page whenever a parameter of a longer-lived object changes.

        What changes while the browser still builds the page is told once it has: a change of a model that the
        browser does not have yet is an error there, or is lost.
        """
        watcher = owner.param.watch(lambda *_: self._when_ready(callback), list(names))
        self._unwatch.append(lambda: owner.param.unwatch(watcher))

    def react(self, callback: Callable[[], None], *names: str) -> None:
        """Call ``callback()`` with the document's lock held whenever one of the page's own parameters changes.

        Panel runs the handlers of its components without the lock, which Bokeh's models need. As with `watch`, a
        page that is still being built is told afterwards.
        """
        self.param.watch(lambda *_: self._when_ready(callback), list(names))

    def _when_ready(self, work: Callable[[], None]) -> None:
        with self._ready_lock:
            if not self._is_ready:
                self._waiting[work] = None
                return
        self.hop(work)

    def _become_ready(self) -> None:
        with self._ready_lock:
            self._is_ready, waiting = True, list(self._waiting)
            self._waiting.clear()
        for work in waiting:
            self.hop(work)

    def when_shown(self, work: Callable[[], None]) -> None:
        """Run ``work()`` once the browser shows the page, so that it does not hold up what is seen first."""
        if self._is_ready:
            work()
        else:
            pn.state.onload(work)

    def in_background(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Run `work` in a thread, then ``then(result)`` in this page; errors become a notification."""
        self.deliver(THREADS.submit(work), then)

    def deliver(self, future: Future[Any], then: Callable[[Any], None]) -> None:
        """Hand the result of a future to ``then`` in this page; errors become a notification."""

        def done(finished: Future[Any]) -> None:
            error = finished.exception()
            if error is None:
                self.hop(lambda: then(finished.result()))
            else:
                self.hop(lambda: self.complain(error))

        future.add_done_callback(done)

    def complain(self, error: BaseException) -> None:
        """Tell the user what went wrong, in one sentence; what is not their doing goes to the log too."""
        if not isinstance(error, InputError):
            log.error("unexpected error in a page", exc_info=error)
        self.tell(str(error) or type(error).__name__, kind="error")

    def tell(self, text: str, kind: str = "info") -> None:
        """Show a notification in the corner of the page."""
        if pn.state.notifications is not None:
            pn.state.notifications.send(text, duration=3500 if kind == "info" else 8000, type=kind)

    def close(self) -> None:
        """Stop watching what outlives the page."""
        for unwatch in self._unwatch:
            unwatch()
        self._unwatch.clear()
        look_through()
        self.session.visitors.leave(self.visitor)

    def _is_there(self) -> bool:
        """Whether a browser shows this page; one that was closed is kept for a while, to be taken up again."""
        if not self.is_served:
            return True
        context = self.document.session_context
        return context is not None and context.session is not None and context.session.connection_count > 0

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            self.complain(error)
