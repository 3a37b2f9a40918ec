"""The labelling surface in the browser: item card, class buttons, keys and unsaved answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import param
from panel.custom import JSComponent

from . import HERE, script


class Labeller(JSComponent):
    """Shows prefetched items and sends what is decided; the browser's side is in ``labeller.js`` and ``card.js``.

    Messages to the browser have a ``type``: ``queue`` (the entries in their order), ``show`` (one entry
    now), ``ahead`` (entries before the queue), ``back`` (from the history to the queue), ``saved`` and
    ``refused`` (event ids), ``gone`` (rows decided elsewhere), ``key_set`` (problem with a new key, or empty),
    ``progress``; each may carry ``items`` (card contents), ``counts``, ``n_labels`` and ``n_duplicates``.
    Messages from the browser are handed to `on_message`: ``hello``, ``decide``, ``undo``, ``redo``, ``walk``,
    ``current``, ``open``, ``propagate``, ``key`` (a command of another view), ``set_key``, ``reset_keys``.

    Other components of the page give answers by the event ``rareloop:decide`` of the window, see ``outbox.js``.
    """

    classes = param.List(
        default=[], item_type=dict, doc="name, key, colour, shape, wanted, definition of each class."
    )
    commands = param.List(default=[], item_type=dict, doc="name, key, default, what of each command.")
    storage = param.String(default="", doc="Names the workspace in the browser's local storage.")
    dark = param.Boolean(default=False, doc="Whether the page's theme is dark.")
    exhausted = param.Boolean(default=False, doc="Whether nothing is left to ask.")

    _esm = script("elements", "outbox", "card", "keys", "labeller")
    _stylesheets = [HERE / "labeller.css"]  # noqa: RUF012 (Panel's own form)

    def __init__(self, on_message: Callable[[dict[str, Any]], None], **params: Any) -> None:
        super().__init__(**params)
        self._on_message = on_message

    def send(self, message: dict[str, Any]) -> None:
        """Send a message to the browser; call it with the document's lock held."""
        self._send_msg(message)

    def _handle_msg(self, data: Any) -> None:
        if isinstance(data, dict):
            self._on_message(data)
