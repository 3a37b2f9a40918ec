"""The play button of the time machine, with its speed."""

from __future__ import annotations

from . import HERE, script
from .messenger import Shower


class Player(Shower):
    """Plays a log of `end` entries in about 20 s, in ten steps where the browser is asked for little motion.

    The browser keeps the time, so that a slow server leaves frames out. Its messages are ``go`` with the entry
    `n` to show; at the end it stops by itself.
    """

    _esm = script("elements", "player")
    _stylesheets = [HERE / "player.css"]  # noqa: RUF012 (Panel's own form)

    _state = {"at": 0, "end": 0, "past": False, "dark": False}  # noqa: RUF012

    def show_place(self, *, at: int, end: int, is_past: bool, dark: bool) -> None:
        """Say where in the log the page is."""
        self.show({"at": at, "end": end, "past": is_past, "dark": dark})

    def pause(self) -> None:
        """Stop playing; the page stays where it is."""
        self.send({"type": "pause"})
