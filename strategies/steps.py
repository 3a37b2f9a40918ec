"""How far work of several steps is, told to whoever waits for it, who may break it off then."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[float, str], None]


def tell_nobody(share: float, text: str) -> None:
    """Take a report of progress and do nothing."""


class Steps:
    """Tells how far work of several steps is; each step has a stretch of the whole.

    Parameters
    ----------
    progress
        Called with the share done (0 to 1) and what is being done. What it raises ends the work: an exception that
        is no `Exception` gets past the handlers that keep a round alive when a strategy fails.
    """

    def __init__(self, progress: Progress = tell_nobody) -> None:
        self._progress = progress
        self._start, self._end, self._share, self._text = 0.0, 1.0, 0.0, ""

    def begin(self, start: float, end: float, text: str) -> None:
        """Begin a step that takes the whole from one share to another."""
        self._start, self._end, self._share, self._text = start, end, start, text
        self.pause()

    def within(self, share: float) -> None:
        """Tell which share of the step is done; what is done twice does not take it back."""
        done = self._start + min(max(share, 0.0), 1.0) * (self._end - self._start)
        self._share = max(self._share, done)
        self.pause()

    def pause(self) -> None:
        """Tell the same again: a point at which the work may be broken off."""
        self._progress(self._share, self._text)

    def part(self, share: float, text: str) -> None:
        """As `within`, for a part that has words of its own."""
        own, self._text = self._text, text
        try:
            self.within(share)
        finally:
            self._text = own

    def finish(self) -> None:
        """Tell nobody from now on: what is kept of the work must not report for it."""
        self._progress = tell_nobody
