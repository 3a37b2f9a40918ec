"""Builds a page's places from the layout in use, and takes what the user changes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import panel as pn

from ..data.errors import InputError
from ..layouts.schema import ALONE, LayoutError, Node
from ..layouts.tree import add, close, closed, move, open_tab, places, takes_tabs
from .arrangement import Arrangement, written
from .components.arranger import Arranger
from .components.places import Place, Split
from .page import Page

CARD = "item"  # the view that cannot be closed, and that focus mode leaves
COMMAND_VIEWS = {"guideline": "guidelines", "grid": "grid"}  # commands that bring a tab to the front


class FloorPlan:
    """The places of one page.

    Sizes change in the browser alone. When views come, go or move, the change is kept and the page is loaded
    anew with the same item on the card: plots that are put into a page being shown may not build.

    The views of tabs are made when their tab is opened for the first time, and those of the tabs that are open
    from the start when the browser has the page: the card does not wait for them.

    Parameters
    ----------
    titles
        What each view is called, by name.
    make
        Makes a view, by its name.
    """

    def __init__(
        self, page: Page, arrangement: Arrangement, titles: Mapping[str, str], make: Callable[[str], Any]
    ) -> None:
        self.page = page
        self.arrangement = arrangement
        self.titles = titles
        self.root = arrangement.layout.root
        self.arranger = Arranger(self._on_arranger, align="center")
        self._make = make
        self._views: dict[str, pn.viewable.Viewable] = {}
        self._place_of: dict[str, Place] = {}  # of the views in tabs
        self._tab_before: dict[str, str] = {}
        page.react(self._show_wanted, "wanted_view")
        page.react(self._follow_command, "command")

    def build(self) -> pn.viewable.Viewable:
        """The places with the views in them."""
        self._show_menu()
        return self._part(self.root, ())

    def view(self, name: str) -> pn.viewable.Viewable:
        """A view of the page; made now if it is not there yet."""
        if name not in self._views:
            self._views[name] = pn.panel(self._make(name))
        return self._views[name]

    # ---- saved views -------------------------------------------------------------------------------

    def text(self) -> str:
        """The layout of this page with the tabs that are open on it, for `take`."""
        layout = self.arrangement.layout
        return written(replace(layout, root=self._with_open_tabs(layout.root)))

    def take(self, text: str) -> bool:
        """Use a layout, and keep that; whether the page has to be loaded anew to show it.

        Raises
        ------
        LayoutError, ValueError
            When the text is no layout, or not of the views that there are.
        """
        layout, before = self.arrangement.read(text), self.arrangement.layout.root
        self.arrangement.use(layout)
        if closed(layout.root) != closed(before) or layout.root.views() != self.root.views():
            return True
        for place in places(layout.root):
            name = place.open or place.views()[0]
            if name in self._place_of:
                self._open(name)
        self._show_menu()
        return False

    def _with_open_tabs(self, root: Node) -> Node:
        for place in self._place_of.values():
            if place.open_view in root.views():
                root = open_tab(root, place.open_view)
        return root

    # ---- building ----------------------------------------------------------------------------------

    def _part(self, node: Node, path: tuple[int, ...]) -> pn.viewable.Viewable:
        if node.kind in ("view", "tabs"):
            return self._place(node)
        total = sum(child.size for child in node.children)
        names = [child.views() for child in node.children]
        return Split(
            lambda sizes: self.arrangement.resize(path, sizes),
            parts=[self._part(child, (*path, i)) for i, child in enumerate(node.children)],
            sizes=[100.0 * child.size / total for child in node.children],
            names=[self._words(inside) for inside in names],
            axis=node.kind,
            card=next((i for i, inside in enumerate(names) if CARD in inside), -1),
            sizing_mode="stretch_both",
            margin=0,
        )

    def _place(self, node: Node) -> Place:
        inside = node.views()
        others = [place for place in places(self.root) if place is not node]
        is_lone = node.kind == "view"
        place = Place(
            self._on_place,
            body=self.view(node.view) if is_lone else pn.Column(sizing_mode="stretch_both", margin=0),
            has_tabs=not is_lone,
            views=[self._named(name) | {"alone": name in ALONE, "closable": name != CARD} for name in inside],
            others=[
                {
                    "name": place.views()[0],
                    "title": self._words(place.views()),
                    "tabs": takes_tabs(place),
                }
                for place in others
            ],
            addable=[self._named(name) for name in self.titles if name not in self.root.views()],
            sizing_mode="stretch_both",
            margin=0,
        )
        if not is_lone:
            self._place_of |= dict.fromkeys(inside, place)
            first = node.open or inside[0]
            # With the page, not after it: what comes later can be overtaken by updates of its own parts.
            place.open(first, self.view(first))
        return place

    def _words(self, names: list[str]) -> str:
        """What a place with these views is called."""
        return ", ".join(self.titles[name] for name in names[:3]) + (" …" if len(names) > 3 else "")

    def _named(self, name: str) -> dict[str, Any]:
        return {"name": name, "title": self.titles[name]}

    # ---- what the user does ------------------------------------------------------------------------

    def _open(self, name: str) -> None:
        """Open the tab of a view, and keep that."""
        place = self._place_of[name]
        if name == place.open_view:
            return
        place.open(name, self.view(name))
        root = self.arrangement.layout.root
        if name in root.views():
            self.arrangement.change(open_tab(root, name))

    def _show_wanted(self) -> None:
        name = self.page.wanted_view[0]
        if name in self._place_of:
            self._open(name)
        elif name not in self.root.views():
            self.page.tell(
                f"{self.titles[name]} is not in this layout: add it with 'Arrange views' in the Layout menu."
            )

    def _follow_command(self) -> None:
        """Bring the tab that a command is about to the front, and the one before it the second time."""
        name = COMMAND_VIEWS.get(self.page.command[0])
        if name not in self._place_of:
            if name is not None and name not in self.root.views():
                self.page.show_view(name)
            return
        place = self._place_of[name]
        if place.open_view == name:
            self._open(self._tab_before.get(name) or place.views[0]["name"])
        else:
            self._tab_before[name] = place.open_view
            self._open(name)

    def _on_place(self, message: dict[str, Any]) -> None:
        kind = message.get("type")
        root, view = self.arrangement.layout.root, str(message.get("view"))
        to, side = str(message.get("to") or ""), str(message.get("side") or "")
        known = root.views()
        if kind == "open" and view in self._place_of:
            self.page.hop(lambda: self._open(view))
        elif kind == "add" and view in self.titles and view not in known and to in known:
            self._rebuild(add(root, view, to))
        elif kind == "close" and view in known and view != CARD:
            self._rebuild(close(root, view))
        elif kind == "move" and view in known and to in known:
            self._rebuild(move(root, view, to, side))
        else:
            self.page.tell("Another tab has changed the layout: reload the page.")

    def _on_arranger(self, message: dict[str, Any]) -> None:
        kind, name = message.get("type"), str(message.get("name") or "")
        try:
            if kind == "hello" and isinstance(message.get("row"), int):
                self._reopen(message["row"], as_asked=message.get("as_asked") is True)
            elif kind == "choose":
                self.arrangement.choose(name)
                self.reload()
            elif kind == "save":
                self.arrangement.save(name)
                self.page.tell(f"The layout is saved as '{name}'.")
                self._show_menu()
            elif kind == "delete":
                self.arrangement.delete(name)
                self.page.tell(f"The layout '{name}' is deleted.")
                self._show_menu()
        except (InputError, LayoutError) as error:
            self.page.tell(str(error), kind="error")

    def _rebuild(self, root: Node) -> None:
        self.arrangement.change(root)
        self.reload()

    def reload(self) -> None:
        """Load the page anew with the same item on the card."""
        self.page.hop(self.arranger.reload)

    def _reopen(self, row: int, *, as_asked: bool) -> None:
        if 0 <= row < self.page.session.workspace.table.n_rows:
            self.page.open(row, as_asked=as_asked)

    def _show_menu(self) -> None:
        arrangement = self.arrangement
        self.arranger.show_layouts(arrangement.layout.name, arrangement.shipped(), arrangement.yours())
