"""The top bar's buttons for the layout: choose, save, delete, arrange, and the card alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from panel.custom import JSComponent

from . import HERE, script


class Arranger(JSComponent):
    """A menu of layouts and a switch for focus mode, which stays in the browser.

    Parameters
    ----------
    on_message
        Called with what the user does: ``type`` is hello (after `reload` with the `row` that was shown, and
        whether it was ``as_asked``), choose, save or delete (with a `name`).
    """

    _esm = script("elements", "menu", "arranger")
    _stylesheets = [HERE / "arranger.css", HERE / "menu.css"]  # noqa: RUF012 (Panel's own form)

    def __init__(self, on_message: Callable[[dict[str, Any]], None], **params: Any) -> None:
        super().__init__(**params)
        self._on_message = on_message
        self._state: dict[str, Any] = {"type": "state", "shown": False, "current": "", "shipped": [], "yours": []}

    def show(self, current: str, shipped: list[dict[str, str]], yours: list[dict[str, str]]) -> None:
        """Show the buttons with the layouts that there are, each a ``name`` and ``description``."""
        self._state = self._state | {"shown": True, "current": current, "shipped": shipped, "yours": yours}
        self._send_msg(self._state)

    def reload(self) -> None:
        """Load the page anew; it says in its hello which item was shown."""
        self._send_msg({"type": "reload"})

    def _handle_msg(self, data: Any) -> None:
        if not isinstance(data, dict):
            return
        if data.get("type") == "hello":  # the browser has made the buttons: tell it what they say
            self._send_msg(self._state)
        self._on_message(data)
