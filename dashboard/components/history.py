"""The list of answers in the browser: filters, pages, and the bar that changes an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import param
from panel.custom import JSComponent

from . import HERE, script


class HistoryList(JSComponent):
    """Asks for pages of the log and shows them; the browser's side is in ``history.js``.

    Messages to the browser: ``lines`` (a page of the log), ``changed`` (load it again). Messages from the
    browser are handed to `on_message`: ``load``, ``undo``, ``redo``, ``undo_one``, ``open``, ``work``, and
    ``decide`` where the page has no labelling surface that keeps answers until they are stored.
    """

    dark = param.Boolean(default=False, doc="Whether the page's theme is dark.")

    _esm = script("elements", "outbox", "history")
    _stylesheets = [HERE / "history.css"]  # noqa: RUF012 (Panel's own form)

    def __init__(self, on_message: Callable[[dict[str, Any]], None], **params: Any) -> None:
        super().__init__(**params)
        self._on_message = on_message

    def send(self, message: dict[str, Any]) -> None:
        """Send a message to the browser; call it with the document's lock held."""
        self._send_msg(message)

    def _handle_msg(self, data: Any) -> None:
        if isinstance(data, dict):
            self._on_message(data)
