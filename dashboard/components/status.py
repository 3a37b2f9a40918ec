"""The badges of the top bar: saved, round, found so far."""

from __future__ import annotations

from typing import Any

from panel.custom import JSComponent

from . import HERE


class Status(JSComponent):
    """Badges of the top bar; whether all is saved comes from the labelling surface in the same page."""

    _esm = HERE / "status.js"
    _stylesheets = [HERE / "status.css"]  # noqa: RUF012 (Panel's own form)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._state: dict[str, Any] = {}

    def show(
        self, *, round_text: str = "", running: bool = False, found: str = "", stop: str = "", pace: str = ""
    ) -> None:
        """Show which round ranked the queue, whether one is under way, what is found, how surely and how fast."""
        self._state = {"round": round_text, "running": running, "found": found, "stop": stop, "pace": pace}
        self._send_msg(self._state)

    def _handle_msg(self, data: Any) -> None:
        """The browser has made the badges: tell it what they say."""
        self._send_msg(self._state)
