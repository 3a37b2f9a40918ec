"""Finding on one page: what is looked for in threads, and the newest result as the page's selection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from ..data.errors import InputError
from .pool_scores import NotScoredYetError
from .search import USUAL, Found, find, near_rows, search

if TYPE_CHECKING:
    from .page import Page

# Of their own: who searches does not wait for the pictures of the map.
THREADS = ThreadPoolExecutor(2, thread_name_prefix="finding")


class Finder:
    """Looks for items and shows what it found; a newer question makes the answer to an older one void.

    Parameters
    ----------
    page
        Its ``found`` and ``selection`` are set, its ``filters`` too.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.k = USUAL
        self.within: float | None = None  # how far similar items may be
        self._asked = self._answered = 0
        page.param.watch(lambda _: self._selected_elsewhere(), "selection")
        page.param.watch(lambda event: self._obey(*event.new), "command")

    @property
    def shown(self) -> Found | None:
        """What the page's selection was found by; None when it comes from elsewhere."""
        found = self.page.found
        return found if found is not None and found.rows is self.page.selection else None

    @property
    def is_asking(self) -> bool:
        """Whether an answer is still to come."""
        return self._answered != self._asked

    @property
    def rules(self) -> tuple[str, ...]:
        """The filters in force, as rules."""
        found = self.shown
        return () if found is None else tuple(found.source.get("filters", ()))

    def search(self, text: str) -> None:
        """Open the item of that id, or select what a rule or a value finds."""
        session = self.page.session
        self._ask(lambda old: search(session, session.nearest, text, as_scored=old), is_listed=True)

    def find(self, source: dict[str, Any], is_listed: bool = True) -> None:
        """Select what `search.find` finds; `is_listed` opens the table."""
        session = self.page.session
        self._ask(lambda old: find(session, session.nearest, source, as_scored=old), is_listed)

    def similar_to_item(self, row: int | None) -> None:
        """Select the items most like one."""
        if self._is_item(row):
            self.find({"similar": self.page.session.workspace.ids.text(row)} | self._how_many)

    def cluster_of_item(self, row: int | None) -> None:
        """Select the items of the cluster in which one lies."""
        if self._is_item(row):
            self.find({"cluster": self.page.session.workspace.ids.text(row)})

    def _is_item(self, row: int | None) -> TypeGuard[int]:
        if row is None:
            self.page.complain(InputError("no item is on the card: open one first"))
        return row is not None

    @property
    def _how_many(self) -> dict[str, Any]:
        return {"k": self.k} if self.within is None else {"within": self.within}

    def similar_to_selection(self) -> None:
        """Select the items nearest to the mean of the selection."""
        rows, name, shown = self.page.selection, self.page.selection_name or "the selection", self.shown
        if not len(rows):
            self.page.complain(InputError("nothing is selected: select items on the map, or search for some"))
            return
        how_many = self._how_many
        source = {"similar": shown.source} | how_many if shown is not None and shown.source else {}
        self._ask(
            lambda _: near_rows(
                self.page.session, self.page.session.nearest, rows, f"the mean of {name}", how_many, source
            ),
            is_listed=True,
        )

    def filter(self, rules: Sequence[str]) -> None:
        """Select the items for which all these rules hold; without any, end the filters."""
        if rules:
            self.find({"filters": list(rules)}, is_listed=False)
        else:
            self.clear()

    def clear(self) -> None:
        """Select nothing."""
        self._asked += 1
        self._answered = self._asked
        self.page.param.update(found=None, filters=None, selection=np.empty(0, np.int64), selection_name="")

    def _selected_elsewhere(self) -> None:
        """What is selected by hand is newer than what is still being looked for, and ends the filters."""
        if self.shown is not None:
            return
        self._asked += 1
        self._answered = self._asked
        self.page.param.update(found=None, filters=None)

    def _obey(self, name: str, row: int | None, _: int) -> None:
        if name == "similar":
            self.similar_to_item(self.page.current if row is None else row)

    def _ask(self, work: Callable[[bool], int | Found], is_listed: bool) -> None:
        """Have ``work(as_scored)`` done and its result shown, after the scores that it needs are made."""
        self._asked += 1
        self._work_on(self._asked, work, is_listed, as_scored=False)

    def _work_on(
        self, number: int, work: Callable[[bool], int | Found], is_listed: bool, *, as_scored: bool
    ) -> None:
        def guarded() -> int | Found | Exception:
            try:
                return work(as_scored)
            except Exception as error:
                return error

        def take(result: int | Found | Exception) -> None:
            if number != self._asked:
                return
            if isinstance(result, NotScoredYetError) and not as_scored:
                self.page.tell("The pool is being scored; what is found is shown when that is done.")
                wait = self.page.session.scores.wanted(result.kinds)
                wait.add_done_callback(lambda done: self.page.hop(lambda: scored(done.exception())))
                return
            self._answered = number
            if isinstance(result, Exception):
                self.page.complain(result)
            else:
                self._take(result, is_listed)

        def scored(error: BaseException | None) -> None:
            if isinstance(error, Exception):
                take(error)
            elif number == self._asked:
                self._work_on(number, work, is_listed, as_scored=True)

        self.page.deliver(THREADS.submit(guarded), take)

    def _take(self, result: int | Found, is_listed: bool) -> None:
        if not isinstance(result, Found):
            self.page.open(result)
            return
        if result.note:
            self.page.tell(result.note)
        mask = None
        if "filters" in result.source:
            mask = np.zeros(self.page.session.workspace.table.n_rows, bool)
            mask[result.rows] = True
        self.page.param.update(found=result, filters=mask, selection=result.rows, selection_name=result.name)
        if not len(result.rows):
            self.page.tell(f"{result.name[:1].upper()}{result.name[1:]} finds nothing.", kind="warning")
        elif is_listed:
            self.page.show_view("table")
