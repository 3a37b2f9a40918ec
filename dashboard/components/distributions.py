"""Histograms, bars and the class balance in the browser, where ranges and bars are chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import param
from panel.custom import JSComponent

from . import HERE, script


class Charts(JSComponent):
    """Shows the charts of columns; the server counts.

    Messages to the browser hold what has changed: ``charts`` (name, edges or labels, pool, selected, wanted,
    note, range or places), ``balance``, ``chips``, ``choices``, ``chosen``, ``n_selected``. Messages from it
    go to `on_message`: ``hello``, ``range``, ``bar``, ``class``, ``remove``, ``clear``, ``choose``.
    """

    dark = param.Boolean(default=False, doc="Whether the page's theme is dark.")

    _esm = script("elements", "popup", "distributions")
    _stylesheets = [HERE / "listing.css", HERE / "distributions.css"]  # noqa: RUF012 (Panel's own form)

    def __init__(self, on_message: Callable[[dict[str, Any]], None], **params: Any) -> None:
        super().__init__(**params)
        self._on_message = on_message

    def send(self, message: dict[str, Any]) -> None:
        """Send a message to the browser; call it with the document's lock held."""
        self._send_msg(message)

    def _handle_msg(self, data: Any) -> None:
        if isinstance(data, dict):
            self._on_message(data)
