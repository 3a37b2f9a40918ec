"""Named views of one annotator: what was looked for, how it was sorted, the layout, and the axes of the maps."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from ..data.errors import InputError
from ..data.workspace import Workspace

LONGEST_NAME = 60
MOST_VIEWS = 200
SETTING, MAPS, LAYOUT = "views", "maps", "layout"


class SavedViews:
    """The views that one annotator has saved in a workspace; a view is a rule or filters, not their rows.

    Parameters
    ----------
    workspace
        Its settings keep them, under ``views``.
    annotator
        Whose they are.
    """

    def __init__(self, workspace: Workspace, annotator: str) -> None:
        self.workspace = workspace
        self.annotator = annotator

    @property
    def _views(self) -> dict[str, Any]:
        return dict(dict(self.workspace.settings.get(SETTING) or {}).get(self.annotator) or {})

    @property
    def names(self) -> list[str]:
        """Their names, in the order of the alphabet."""
        return sorted(self._views, key=str.casefold)

    def get(self, name: str) -> dict[str, Any]:
        """What was kept of a view; raises InputError when there is none of that name."""
        views = self._views
        if name not in views:
            known = f"there are {', '.join(self.names[:10])}" if views else "none is saved yet"
            raise InputError(f"there is no view named '{name[:LONGEST_NAME]}': {known}")
        return deepcopy(dict(views[name]))

    def save(self, name: str, source: Mapping[str, Any], sort: Mapping[str, Any], layout: str = "") -> None:
        """Keep a view with the axes that the maps have now; one of the same name is replaced.

        Parameters
        ----------
        layout
            Which views stand where, and which tabs are open, as `FloorPlan.text` tells it.

        Raises
        ------
        InputError
            When the name is empty or too long, or there are too many views.
        """
        name, views = _checked(name), self._views
        if name not in views and len(views) >= MOST_VIEWS:
            raise InputError(f"there are {MOST_VIEWS} views already: delete one first")
        view: dict[str, Any] = {"source": dict(source), "sort": dict(sort)}
        maps = self.workspace.settings.get(MAPS)
        view |= {LAYOUT: layout} if layout else {}
        self._keep({**views, name: view | ({MAPS: deepcopy(maps)} if maps else {})})

    def rename(self, name: str, new: str) -> None:
        """Give a view another name; raises InputError when that is taken, or there is no such view."""
        view, new, views = self.get(name), _checked(new), self._views
        if new != name and new in views:
            raise InputError(f"there is a view named '{new}' already: choose another name")
        del views[name]
        self._keep({**views, new: view})

    def delete(self, name: str) -> None:
        """Forget a view; raises InputError when there is none of that name."""
        self.get(name)
        self._keep({other: view for other, view in self._views.items() if other != name})

    def _keep(self, views: dict[str, Any]) -> None:
        everyone = dict(self.workspace.settings.get(SETTING) or {})
        self.workspace.settings[SETTING] = {**everyone, self.annotator: views}
        self.workspace.save()


def _checked(name: str) -> str:
    name = " ".join(name.split())
    if not name:
        raise InputError("a view needs a name: write one")
    if len(name) > LONGEST_NAME:
        raise InputError(f"the name '{name[:20]}…' has more than {LONGEST_NAME} characters: shorten it")
    return name
