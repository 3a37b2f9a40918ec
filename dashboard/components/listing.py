"""The table of items in the browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import param
from panel.custom import JSComponent

from . import HERE, script


class Listing(JSComponent):
    """Shows one page of rows; sorting and paging are asked of the server.

    Messages to the browser hold what has changed of the list: ``columns`` (key, title, number), ``rows`` (row,
    cells), ``total``, ``page``, ``n_pages``, ``sort``, ``current``, ``note``, ``views``, ``can_save``, ``k``,
    ``n_selected``; or the ``type`` ``exported``. Messages from it go to `on_message`: ``hello``, ``page``,
    ``sort``, ``open``, ``similar``, ``export``, ``view``.
    """

    dark = param.Boolean(default=False, doc="Whether the page's theme is dark.")

    _esm = script("elements", "popup", "listing")
    _stylesheets = [HERE / "listing.css"]  # noqa: RUF012 (Panel's own form)

    def __init__(self, on_message: Callable[[dict[str, Any]], None], **params: Any) -> None:
        super().__init__(**params)
        self._on_message = on_message

    def send(self, message: dict[str, Any]) -> None:
        """Send a message to the browser; call it with the document's lock held."""
        self._send_msg(message)

    def _handle_msg(self, data: Any) -> None:
        if isinstance(data, dict):
            self._on_message(data)
