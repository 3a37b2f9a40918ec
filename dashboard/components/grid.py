"""The grid in the browser: many small cards, their marks, and the keys that change them."""

from __future__ import annotations

import param

from . import HERE, script
from .messenger import Messenger


class Grid(Messenger):
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
