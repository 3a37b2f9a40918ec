"""Opening saved views: by the table's menu, or by the page's address, which any browser can be given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import panel as pn

from ..data.errors import InputError
from ..layouts.schema import LayoutError
from .saved_views import LAYOUT, MAPS, SavedViews

if TYPE_CHECKING:
    from .page import Page


class ViewLinks:
    """Shows saved views on one page, and keeps the address bar at the one that is shown.

    Parameters
    ----------
    page
        Its ``list_sort`` is set, and what it finds; its ``places`` show the layout.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.saved = SavedViews(page.session.workspace, page.annotator)

    def open_address(self) -> None:
        """Show the view that the page's address asks for, if any."""
        location = pn.state.location
        name = "" if location is None else str(location.query_params.get("view", ""))
        if name:
            self.open(name, is_start=True)

    def open(self, name: str, *, is_start: bool = False) -> None:
        """Show a saved view; the page is loaded anew where other views are in it, or its maps have other axes."""
        try:
            view = self.saved.get(name)
        except InputError as error:
            self.page.complain(error)
            return
        set_address(name)
        has_layout = bool(view.get(LAYOUT)) and self.page.places is not None
        if self._takes_reload(view):
            self._reload(is_start)
            return
        self.page.list_sort = (str(view["sort"].get("key", "")), bool(view["sort"].get("ascending", True)))
        if view["source"]:
            self.page.finder.find(view["source"], is_listed=not has_layout)
        else:
            self.page.finder.clear()
        if not has_layout:
            self.page.show_view("table")

    def _takes_reload(self, view: dict[str, Any]) -> bool:
        """Take the layout and axes of a view; whether the page has to be built anew for them."""
        settings, is_other = self.page.session.workspace.settings, False
        if view.get(LAYOUT) and self.page.places is not None:
            try:
                is_other = self.page.places.take(view[LAYOUT])
            except (LayoutError, ValueError, RecursionError) as error:
                reason = f"The layout of the view cannot be shown any more, this is the present one: {error}."
                self.page.tell(reason, kind="warning")
        if MAPS in view and view[MAPS] != settings.get(MAPS):
            settings[MAPS] = view[MAPS]
            is_other = True
        return is_other and pn.state.location is not None

    def _reload(self, is_start: bool) -> None:
        if self.page.places is not None and not is_start:
            self.page.places.reload()  # with the same item on the card
        elif pn.state.location is not None:
            pn.state.location.reload = True


def set_address(name: str) -> None:
    """Have the page's address ask for a view."""
    if pn.state.location is not None:
        pn.state.location.update_query(view=name)
