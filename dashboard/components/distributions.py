"""Histograms, bars and the class balance in the browser, where ranges and bars are chosen."""

from __future__ import annotations

import param

from . import HERE, script
from .messenger import Messenger


class Charts(Messenger):
    """Shows the charts of columns; the server counts.

    Messages to the browser hold what has changed: ``charts`` (name, edges or labels, pool, selected, wanted,
    note, range or places), ``balance``, ``chips``, ``choices``, ``chosen``, ``n_selected``. Messages from it
    go to `on_message`: ``hello``, ``range``, ``bar``, ``class``, ``remove``, ``clear``, ``choose``.
    """

    dark = param.Boolean(default=False, doc="Whether the page's theme is dark.")

    _esm = script("elements", "popup", "distributions")
    _stylesheets = [HERE / "listing.css", HERE / "distributions.css"]  # noqa: RUF012 (Panel's own form)
