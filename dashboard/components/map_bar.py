"""The controls of the maps in the browser: one bar for all of them, and one line above each."""

from __future__ import annotations

from . import HERE, script
from .messenger import Shower


class MapBar(Shower):
    """The bar above all maps.

    Messages from the browser have a ``type``: ``tool``, ``mode`` (``value``), ``layer`` (``name``, ``on``),
    ``invert``, ``clear``, ``reset``, ``add``, ``close-polygon`` and ``drop-polygon``.
    """

    _esm = script("elements", "map_lift", "map_bar")
    _stylesheets = [HERE / "map_bar.css"]  # noqa: RUF012 (Panel's own form)


class MapHead(Shower):
    """The line above one map.

    Messages from the browser have a ``type``: ``choose`` (``what``, ``value``), ``cancel`` and ``close``.
    """

    _esm = script("elements", "map_lift", "map_head")
    _stylesheets = [HERE / "map_bar.css"]  # noqa: RUF012 (Panel's own form)
