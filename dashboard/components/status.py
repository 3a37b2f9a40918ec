"""The badges of the top bar: saved, round, found so far."""

from __future__ import annotations

from . import HERE
from .messenger import Shower


class Status(Shower):
    """Badges of the top bar; whether all is saved comes from the labelling surface in the same page."""

    _esm = HERE / "status.js"
    _stylesheets = [HERE / "status.css"]  # noqa: RUF012 (Panel's own form)

    def show_badges(
        self, *, round_text: str = "", running: bool = False, found: str = "", stop: str = "", pace: str = ""
    ) -> None:
        """Show which round ranked the queue, whether one is under way, what is found, how surely and how fast."""
        self.show({"round": round_text, "running": running, "found": found, "stop": stop, "pace": pace})
