"""The grid in the browser: many small cards, their marks, and the keys that change them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import param
from panel.custom import JSComponent

from . import HERE, script


class Grid(JSComponent):
    """Shows pages of items and hands their marks to the labelling surface; the browser's side is ``grid.js``.

    Messages to the browser: ``page`` (items), ``gone`` (rows answered elsewhere), ``undone`` (a step that was
    taken back), ``stale`` (there is another queue), ``selection`` (how many are selected), ``enter`` (take the
    keyboard). Messages from the browser are handed to `on_message`: ``load``, ``entered``, ``open``.
    """

    classes = param.List(
        default=[], item_type=dict, doc="name, key, colour, shape, wanted, definition of each class."
    )
    commands = param.List(default=[], item_type=dict, doc="name, key, default, what of each command.")
    dark = param.Boolean(default=False, doc="Whether the page's theme is dark.")

    _esm = script("elements", "outbox", "grid")
    _stylesheets = [HERE / "grid.css"]  # noqa: RUF012 (Panel's own form)

    def __init__(self, on_message: Callable[[dict[str, Any]], None], **params: Any) -> None:
        super().__init__(**params)
        self._on_message = on_message

    def send(self, message: dict[str, Any]) -> None:
        """Send a message to the browser; call it with the document's lock held."""
        self._send_msg(message)

    def _handle_msg(self, data: Any) -> None:
        if isinstance(data, dict):
            self._on_message(data)
