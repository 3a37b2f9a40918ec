"""The controls of the maps in the browser: one bar for all of them, and one line above each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from panel.custom import JSComponent

from . import HERE, script

Receive = Callable[[dict[str, Any]], None]


class _Controls(JSComponent):
    """Shows a state that it is sent, and hands what the user does to `on_message`.

    The state is a message: a property that changes while the page is being built can be lost.
    """

    __abstract = True

    def __init__(self, on_message: Receive, **params: Any) -> None:
        super().__init__(**params)
        self._on_message = on_message
        self._state: dict[str, Any] = {}

    def show(self, state: dict[str, Any]) -> None:
        """Show a state; call it with the document's lock held."""
        if state != self._state:
            self._state = state
            self._send_msg(state)

    def _handle_msg(self, data: Any) -> None:
        if not isinstance(data, dict):
            return
        if data.get("type") == "hello":
            self._send_msg(self._state)
        else:
            self._on_message(data)


class MapBar(_Controls):
    """The bar above all maps.

    Messages from the browser have a ``type``: ``tool``, ``mode`` (``value``), ``layer`` (``name``, ``on``),
    ``invert``, ``clear``, ``reset``, ``add``, ``close-polygon`` and ``drop-polygon``.
    """

    _esm = script("elements", "map_lift", "map_bar")
    _stylesheets = [HERE / "map_bar.css"]  # noqa: RUF012 (Panel's own form)


class MapHead(_Controls):
    """The line above one map.

    Messages from the browser have a ``type``: ``choose`` (``what``, ``value``), ``cancel`` and ``close``.
    """

    _esm = script("elements", "map_lift", "map_head")
    _stylesheets = [HERE / "map_bar.css"]  # noqa: RUF012 (Panel's own form)
