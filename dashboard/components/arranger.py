"""The top bar's buttons for the layout: choose, save, delete, arrange, and the card alone."""

from __future__ import annotations

from typing import Any

from . import HERE, script
from .messenger import Shower


class Arranger(Shower):
    """A menu of layouts and a switch for focus mode, which stays in the browser.

    Parameters
    ----------
    on_message
        Called with what the user does: ``type`` is hello (after `reload` with the `row` that was shown, and
        whether it was ``as_asked``), choose, save or delete (with a `name`).
    """

    _esm = script("elements", "menu", "connection", "arranger")
    _stylesheets = [HERE / "arranger.css", HERE / "menu.css"]  # noqa: RUF012 (Panel's own form)

    _state = {"type": "state", "shown": False, "current": "", "shipped": [], "yours": []}  # noqa: RUF012

    def show_layouts(self, current: str, shipped: list[dict[str, str]], yours: list[dict[str, str]]) -> None:
        """Show the buttons with the layouts that there are, each a ``name`` and ``description``."""
        self.show(self._state | {"shown": True, "current": current, "shipped": shipped, "yours": yours})

    def reload(self) -> None:
        """Load the page anew; it says in its hello which item was shown."""
        self.send({"type": "reload"})

    def _handle_msg(self, data: Any) -> None:
        super()._handle_msg(data)
        if isinstance(data, dict) and data.get("type") == "hello":
            self._on_message(data)
