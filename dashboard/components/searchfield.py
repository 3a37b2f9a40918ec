"""The search field of the top bar."""

from __future__ import annotations

from typing import Any

from ..page import Page
from . import HERE, script
from .messenger import Component


class SearchField(Component):
    """Hands what is searched to the page's finder; the key ``/`` goes there."""

    _esm = script("elements", "searchfield")
    _stylesheets = [HERE / "searchfield.css"]  # noqa: RUF012 (Panel's own form)

    def __init__(self, page: Page, **params: Any) -> None:
        super().__init__(**params)
        self._page = page
        page.react(self._obey, "command")
        page.react(self._show_source, "selection")

    def _obey(self) -> None:
        if self._page.command[0] == "search":
            self._send_msg({"focus": True})

    def _show_source(self) -> None:
        """The field says by what the selection was found, and nothing where it comes from elsewhere."""
        found = self._page.finder.shown
        source = {} if found is None else found.source
        self._send_msg({"text": str(source.get("rule") or source.get("value") or "")})

    def _handle_msg(self, data: Any) -> None:
        kind = data.get("type") if isinstance(data, dict) else None
        if kind == "search":
            self._page.finder.search(str(data.get("text", "")))
        elif kind == "clear":
            self._page.hop(self._page.finder.clear)
