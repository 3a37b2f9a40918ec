"""Notes of the top bar: work under way, the moment one is back in, and a break."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from panel.custom import JSComponent

from . import HERE, script


class TopBar(JSComponent):
    """A badge with what is being computed, and two notes that are there when they have something to say.

    Parameters
    ----------
    on_message
        Called with what the user does: ``type`` is cancel (with the `id` of the work), now, or dismiss.
    """

    _esm = script("elements", "topbar")
    _stylesheets = [HERE / "topbar.css"]  # noqa: RUF012 (Panel's own form)

    def __init__(self, on_message: Callable[[dict[str, Any]], None], **params: Any) -> None:
        super().__init__(**params)
        self._on_message = on_message
        self._state: dict[str, Any] = {"work": [], "past": "", "pause": ""}

    def show(self, **parts: Any) -> None:
        """Show other `work` (each: id, title, share or None, text, cancellable), `past` or `pause` (sentences)."""
        state = self._state | parts
        if state != self._state:
            self._state = state
            self._send_msg(state)

    def _handle_msg(self, data: Any) -> None:
        if not isinstance(data, dict):
            return
        if data.get("type") == "hello":  # the browser has made the bar: tell it what it says
            self._send_msg(self._state)
        else:
            self._on_message(data)
