"""What a layout is built of: rows and columns with handles between their places, and the places."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel as pn
import param
from panel.custom import Child, Children

from . import HERE, script
from .messenger import Component, Shower


class Split(Component):
    """Places in a row or a column; the handles between them change their sizes in the browser alone.

    Parameters
    ----------
    on_sizes
        Called with the sizes, per cent, after the user has changed them.
    """

    parts = Children(doc="What stands in the row or column, in order.")
    sizes = param.List(default=[], item_type=float, doc="Per cent of each part.")
    names = param.List(default=[], item_type=str, doc="What each part is called.")
    axis = param.Selector(default="row", objects=["row", "column"], doc="Beside or below each other.")
    card = param.Integer(default=-1, doc="The part with the item card, which focus mode leaves; -1 for none.")

    _esm = script("elements", "split")
    _stylesheets = [HERE / "split.css"]  # noqa: RUF012 (Panel's own form)

    def __init__(self, on_sizes: Callable[[list[float]], None], **params: Any) -> None:
        super().__init__(**params)
        self._on_sizes = on_sizes

    def _handle_msg(self, data: Any) -> None:
        sizes = data.get("sizes") if isinstance(data, dict) else None
        if isinstance(sizes, list) and all(isinstance(size, int | float) for size in sizes):
            self._on_sizes([float(size) for size in sizes])


class Place(Shower):
    """One place with the views in it, and the menus that move, close and add views.

    Parameters
    ----------
    on_message
        Called with what the user chose: ``type`` (open, move, close, add), ``view``, and where they apply ``to``
        (a view of the place that is meant) and ``side`` (left, right, above, below, or empty for a tab).
    """

    body = Child(doc="The view, or a column for the one of the views whose tab is open.")
    has_tabs = param.Boolean(default=False, doc="Whether the place has tabs.")
    views = param.List(default=[], item_type=dict, doc="name, title, alone, closable of each view in it.")
    others = param.List(default=[], item_type=dict, doc="name, title, tabs of the other places.")
    addable = param.List(default=[], item_type=dict, doc="name, title of views that are not in the layout.")

    open_view = ""  # the one that is in its tab; empty before the first is

    _esm = script("elements", "menu", "tabs", "place")
    _stylesheets = [HERE / "place.css", HERE / "tabs.css", HERE / "menu.css"]  # noqa: RUF012 (Panel's own form)

    def open(self, name: str, view: pn.viewable.Viewable) -> None:
        """Show a view in its tab; call it with the document's lock held."""
        self.open_view = name
        self.body[:] = [view]
        self.show({"open": name})
