"""The labelling surface in the browser: item card, class buttons, keys and unsaved answers."""

from __future__ import annotations

import param

from . import HERE, script
from .messenger import Messenger


class Labeller(Messenger):
    """Shows prefetched items and sends what is decided; the browser's side is in ``labeller.js`` and ``card.js``.

    Messages to the browser have a ``type``: ``queue`` (the entries in their order), ``show`` (one entry
    now), ``ahead`` (entries before the queue), ``back`` (from the history to the queue), ``saved`` and
    ``refused`` (event ids), ``gone`` (rows decided elsewhere), ``key_set`` and ``card_set`` (what is wrong with a
    new key or card, or empty), ``card_tried`` (what links become), ``progress``, ``near`` (the nearest items of a
    row), ``card``; each may carry ``card`` (what all cards have in
    common), ``items`` (card contents as JSON), ``counts``, ``n_labels`` and ``n_duplicates``. Messages from the
    browser are handed to `on_message`: ``hello``, ``decide``, ``undo``, ``redo``, ``walk``, ``current``,
    ``open``, ``propagate``, ``key`` (a command of another view), ``set_key``, ``reset_keys``, ``card``,
    ``card_try``.

    Other components of the page give answers by the event ``rareloop:decide`` of the window, see ``outbox.js``.
    """

    classes = param.List(
        default=[], item_type=dict, doc="name, key, colour, shape, wanted, definition of each class."
    )
    commands = param.List(default=[], item_type=dict, doc="name, key, default, what of each command.")
    storage = param.String(default="", doc="Names the workspace in the browser's local storage.")
    dark = param.Boolean(default=False, doc="Whether the page's theme is dark.")
    exhausted = param.Boolean(default=False, doc="Whether nothing is left to ask.")

    _esm = script("elements", "outbox", "plots", "card_menu", "card", "keys", "labeller")
    _stylesheets = [HERE / "labeller.css", HERE / "card.css"]  # noqa: RUF012 (Panel's own form)
