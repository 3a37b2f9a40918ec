"""The list of answers in the browser: filters, pages, and the bar that changes an answer."""

from __future__ import annotations

import param

from . import HERE, script
from .messenger import Messenger


class HistoryList(Messenger):
    """Asks for pages of the log and shows them; the browser's side is in ``history.js``.

    Messages to the browser: ``lines`` (a page of the log), ``changed`` (load it again). Messages from the
    browser are handed to `on_message`: ``load``, ``undo``, ``redo``, ``undo_one``, ``open``, ``work``, and
    ``decide`` where the page has no labelling surface that keeps answers until they are stored.
    """

    dark = param.Boolean(default=False, doc="Whether the page's theme is dark.")

    _esm = script("elements", "outbox", "history")
    _stylesheets = [HERE / "history.css"]  # noqa: RUF012 (Panel's own form)
