"""Who has the page open, and which questions each page holds, so that no item is asked by two pages at once."""

from __future__ import annotations

import math
import threading
import time
import unicodedata
from collections.abc import Callable, Collection, Sequence

import param

from ..data.errors import InputError
from .queue import Queued

LOOK_AHEAD = 8  # questions that a page holds that is not alone
IN_FLIGHT = 3  # of those dealt before, which its browser may show until it has got the new ones
IDLE_SECONDS = 600  # after which a page holds nothing
LONGEST_NAME = 60


def checked_name(user: str) -> str:
    """The name under which a visitor logged in, as the annotator of their answers.

    Raises
    ------
    InputError
        When it is empty or too long, or has characters that cannot be seen.
    """
    name = unicodedata.normalize("NFC", user).strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise InputError(
            "the name with which you logged in cannot be that of an annotator: log in again with 1 to "
            f"{LONGEST_NAME} letters, digits, spaces and signs"
        )
    return name


class Visitor:
    """One page that is open: whose it is, and the rows that it holds.

    Parameters
    ----------
    annotator
        Whose answers it gives.
    is_there
        Whether a browser still shows it.
    """

    def __init__(self, annotator: str, is_there: Callable[[], bool] = lambda: True) -> None:
        self.annotator = annotator
        self.is_there = is_there
        self.seen = time.monotonic()  # when something was done in it
        self.current: int | None = None
        self.dealt: tuple[int, ...] = ()
        self.in_flight: tuple[int, ...] = ()
        self.laid_out: tuple[int, ...] = ()

    @property
    def held(self) -> set[int]:
        """The rows that other pages must not ask."""
        if time.monotonic() - self.seen > IDLE_SECONDS:
            return set()
        shown = () if self.current is None else (self.current,)
        return {*shown, *self.dealt, *self.in_flight, *self.laid_out}

    @property
    def coming(self) -> tuple[int, ...]:
        """The dealt rows after the one on the card."""
        return self.dealt[self.dealt.index(self.current) + 1 :] if self.current in self.dealt else self.dealt


class Visitors(param.Parameterized):
    """The open pages of one session, and how the queue is dealt to them; for any thread.

    A page that is alone gets the whole queue. Where there are several, each gets the first questions that no other
    one holds.
    """

    revision = param.Integer(
        default=0, doc="Counts how often pages came or went, or others must hold other items."
    )

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.RLock()
        self._here: list[Visitor] = []

    def enter(self, visitor: Visitor) -> None:
        """Count a page as open; the others give up what they hold beyond the next few questions.

        One that has lost its connection does not count until it is back: it is told of changes like the others.
        """
        with self._lock:
            if visitor in self._here or not visitor.is_there():
                return
            for other in self._others(visitor):
                other.dealt, other.in_flight = other.coming[:LOOK_AHEAD], ()
            self._here = [*self._here, visitor]
            self.revision += 1

    def leave(self, visitor: Visitor) -> None:
        """Free what a page holds that is closed."""
        with self._lock:
            if visitor in self._here:
                self._here = [other for other in self._here if other is not visitor]
                self.revision += 1

    @property
    def names(self) -> list[str]:
        """Who is here, each once, in alphabetical order."""
        with self._lock:
            return sorted({visitor.annotator for visitor in self._here if visitor.is_there()})

    def look_at(self, visitor: Visitor, row: int | None) -> None:
        """Note which item a page has on its card."""
        with self._lock:
            self.enter(visitor)
            visitor.current, visitor.seen = row, time.monotonic()
            if any(row in other.dealt for other in self._others(visitor)):
                self.revision += 1

    def deal(self, visitor: Visitor, queue: Sequence[Queued]) -> tuple[Queued, ...]:
        """The questions that a page shows next, which it holds from now on."""
        with self._lock:
            self.enter(visitor)  # one that was cut off, and is back
            free, n = self._free(visitor, queue)
            dealt = free if n is None else free[: min(n, LOOK_AHEAD)]
            visitor.in_flight = visitor.coming[:IN_FLIGHT]
            visitor.dealt = tuple(queued.row for queued in dealt)
        return dealt

    def lay_out(
        self, visitor: Visitor, queue: Sequence[Queued], exclude: Collection[int], most: int
    ) -> list[Queued]:
        """At most so many questions that a page shows side by side, which it holds until it shows others.

        Parameters
        ----------
        exclude
            Rows that are not to be among them.
        """
        with self._lock:
            self.enter(visitor)
            free, n = self._free(visitor, [queued for queued in queue if queued.row not in exclude])
            shown = free[: most if n is None else min(n, most)]
            visitor.laid_out, visitor.seen = tuple(queued.row for queued in shown), time.monotonic()
        return list(shown)

    def _free(self, visitor: Visitor, queue: Sequence[Queued]) -> tuple[tuple[Queued, ...], int | None]:
        """What no other page holds, and how many of them are a page's share; None for all."""
        others = self._others(visitor)
        taken = set().union(*(other.held for other in others))
        free = tuple(queued for queued in queue if queued.row not in taken)
        return free, math.ceil(len(free) / (1 + len(others))) if others else None

    def _others(self, visitor: Visitor) -> list[Visitor]:
        self._here = [one for one in self._here if one is visitor or one.is_there()]
        return [one for one in self._here if one is not visitor]
