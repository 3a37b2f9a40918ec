"""The badges of the top bar: saved, round, found so far."""

from __future__ import annotations

from collections.abc import Sequence

from . import HERE
from .messenger import Shower


class Status(Shower):
    """Badges of the top bar; whether all is saved comes from the labelling surface in the same page."""

    _esm = HERE / "status.js"
    _stylesheets = [HERE / "status.css"]  # noqa: RUF012 (Panel's own form)

    def show_badges(
        self,
        *,
        round_text: str = "",
        running: bool = False,
        found: str = "",
        stop: str = "",
        pace: str = "",
        annotator: str = "",
        here: Sequence[str] = (),
    ) -> None:
        """Show which round ranked the queue, whether one is under way, what is found, how surely and how fast.

        Parameters
        ----------
        annotator
            Whose page this is.
        here
            Who has a page open.
        """
        facts = {"round": round_text, "running": running, "found": found, "stop": stop, "pace": pace}
        self.show(facts | {"annotator": annotator, "here": list(here)})
