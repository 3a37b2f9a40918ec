"""The table of items in the browser."""

from __future__ import annotations

import param

from . import HERE, script
from .messenger import Messenger


class Listing(Messenger):
    """Shows one page of rows; sorting and paging are asked of the server.

    Messages to the browser hold what has changed of the list: ``columns`` (key, title, number), ``rows`` (row,
    cells), ``total``, ``page``, ``n_pages``, ``sort``, ``current``, ``note``, ``views``, ``can_save``, ``k``,
    ``n_selected``; or the ``type`` ``exported``. Messages from it go to `on_message`: ``hello``, ``page``,
    ``sort``, ``open``, ``similar``, ``export``, ``view``.
    """

    dark = param.Boolean(default=False, doc="Whether the page's theme is dark.")

    _esm = script("elements", "popup", "listing")
    _stylesheets = [HERE / "listing.css"]  # noqa: RUF012 (Panel's own form)
