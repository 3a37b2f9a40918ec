"""Reads and writes layout files: a tree of rows, columns and tabs with the names of views at its leaves.

A layout is a YAML file with three entries, of which ``arrange`` is needed::

    name: mine                     # text; the file's name without it
    description: What it is for.   # text
    arrange: PLACE

A PLACE is the name of a view, or a mapping with exactly one of these and its options:

=============================  ======================================================================
``view: NAME``                 one view
``row: [PLACE, ...]``          places beside each other, from left to right
``column: [PLACE, ...]``       places below each other, from top to bottom
``tabs: [NAME, ...]``          views of which one is seen at a time; ``open: NAME`` says which at first
``size: NUMBER``               with any of them: its share of the space among its neighbours, above 0 and
                               up to 100 (1 without it)
=============================  ======================================================================

Every view stands in a layout at most once, and a view that needs a place of its own (the map) in no tabs.
What does not follow this is refused with one sentence that names the file and the place in it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
CONTAINERS = ("row", "column", "tabs")
LARGEST_SIZE = 100
DEEPEST = 12  # levels of rows and columns; a hand-made file needs three
ALONE = ("map",)  # a plot that is taken from the page and put back does not build again


class LayoutError(ValueError):
    """A layout that cannot be used, in one sentence that names the file, the place, and what to change."""


@dataclass(frozen=True)
class Node:
    """One place of a layout.

    ``kind`` is ``view`` (then `view` names it) or ``row``, ``column``, ``tabs`` (then `children` are
    inside it, in order); `size` is its share of the space among its siblings, `open` the view of the tab that
    is seen at first, empty for the first one.
    """

    kind: str
    view: str = ""
    children: tuple[Node, ...] = field(default=())
    size: float = 1.0
    open: str = ""

    def views(self) -> list[str]:
        """The names of all views in it, in order."""
        if self.kind == "view":
            return [self.view]
        return [name for child in self.children for name in child.views()]

    def to_dict(self) -> dict[str, Any]:
        """The place as it stands in a file."""
        content: dict[str, Any] = {}
        if self.kind == "view":
            content["view"] = self.view
        elif self.kind == "tabs":
            content["tabs"] = [child.view for child in self.children]
        else:
            content[self.kind] = [child.to_dict() for child in self.children]
        if self.open:
            content["open"] = self.open
        return content | ({"size": round(self.size, 3)} if self.size != 1 else {})


@dataclass(frozen=True)
class Layout:
    """Which views stand where."""

    name: str
    description: str
    root: Node

    def to_dict(self) -> dict[str, Any]:
        """The layout as it stands in a file."""
        return {"name": self.name, "description": self.description, "arrange": self.root.to_dict()}


def layout_names(folder: Path = FOLDER) -> list[str]:
    """Names of the layouts in a folder, by default of those that come with rareloop."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def load_layout(name_or_path: str | Path, views: Collection[str]) -> Layout:
    """Read a layout by name, or from a file of the user's.

    Parameters
    ----------
    name_or_path
        A name of `layout_names`, or the path of a YAML file.
    views
        The names of the views that exist.

    Raises
    ------
    LayoutError
        When there is no such layout, the file is no YAML, or it does not follow the schema.
    """
    named = FOLDER / f"{name_or_path}.yaml"
    path = named if str(name_or_path) in layout_names() else Path(name_or_path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(layout_names())
        raise LayoutError(f"there is no layout '{name_or_path}': name a YAML file or one of {known}") from None
    except OSError as error:
        raise LayoutError(f"the layout {path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise LayoutError(f"the layout {path} is no valid YAML: {' '.join(str(error).split())}") from error
    except RecursionError:
        raise LayoutError(f"the layout {path} is nested too deeply: use at most {DEEPEST} levels") from None
    return check_layout(content, path, views)


def check_layout(content: Any, source: str | Path, views: Collection[str]) -> Layout:
    """The layout that a file's content stands for.

    Parameters
    ----------
    content
        What YAML has read.
    source
        The file, for the sentence of the error; its stem is the name of a layout without one.
    views
        The names of the views that exist.

    Raises
    ------
    LayoutError
        When it does not follow the schema.
    """
    if not isinstance(content, dict) or "arrange" not in content:
        raise LayoutError(f"the layout {source} needs an entry 'arrange' with a row, column, tabs or view")
    unknown = [key for key in content if key not in ("name", "description", "arrange")]
    if unknown:
        raise LayoutError(
            f"the layout {source} has an unknown entry '{unknown[0]}': it can have name, description, arrange"
        )
    for key in ("name", "description"):
        if not isinstance(content.get(key, ""), str):
            raise LayoutError(f"the layout {source} has {content[key]!r} as '{key}': it must be text")
    root = _Reader(source, views).node(content["arrange"], "arrange", 0)
    return Layout(content.get("name") or Path(source).stem, content.get("description", ""), root)


class _Reader:
    """Checks the places of one file; a place is named by its way from ``arrange``, for example arrange.row[2]."""

    def __init__(self, source: str | Path, views: Collection[str]) -> None:
        self.source, self.views = source, views
        self._seen: dict[str, str] = {}

    def node(self, content: Any, place: str, depth: int) -> Node:
        """One place with all that is inside."""
        if depth > DEEPEST:
            raise self._error(place, f"is nested too deeply: use at most {DEEPEST} levels")
        if isinstance(content, str):
            content = {"view": content}
        if not isinstance(content, dict):
            raise self._error(place, f"has {content!r} where a view, row, column or tabs belongs")
        kind, size = self._kind(content, place), self._size(content, place)
        if kind == "view":
            return Node("view", view=self._view(content["view"], place), size=size)
        inside = content[kind]
        if not isinstance(inside, list) or not inside:
            raise self._error(place, f"has a {kind} without a list of what is inside")
        children = [self.node(one, f"{place}.{kind}[{i}]", depth + 1) for i, one in enumerate(inside, 1)]
        if kind != "tabs":
            return Node(kind, children=tuple(children), size=size)
        return Node(
            "tabs", children=tuple(self._tabs(children, place)), size=size, open=self._open(content, place)
        )

    def _kind(self, content: dict[Any, Any], place: str) -> str:
        unknown = [key for key in content if key not in ("view", *CONTAINERS, "size", "open")]
        if unknown:
            raise self._error(place, f"has an unknown key '{unknown[0]}'")
        kinds = [key for key in content if key in ("view", *CONTAINERS)]
        if len(kinds) != 1:
            given = ", ".join(kinds) or "nothing"
            raise self._error(place, f"needs exactly one of view, row, column, tabs: {given}")
        return str(kinds[0])

    def _size(self, content: dict[Any, Any], place: str) -> float:
        size = content.get("size", 1)
        if isinstance(size, bool) or not isinstance(size, int | float) or not 0 < size <= LARGEST_SIZE:
            raise self._error(
                place, f"has the size {size!r}: it must be a number above 0 and up to {LARGEST_SIZE}"
            )
        return float(size)

    def _view(self, name: Any, place: str) -> str:
        if not isinstance(name, str) or name not in self.views:
            known = ", ".join(sorted(self.views))
            raise self._error(place, f"names the view '{name}'; there are {known}")
        if name in self._seen:
            raise self._error(place, f"shows the view '{name}' twice, first at {self._seen[name]}: once is enough")
        self._seen[name] = place
        return name

    def _tabs(self, children: list[Node], place: str) -> list[Node]:
        for i, child in enumerate(children, 1):
            if child.kind != "view":
                raise self._error(
                    f"{place}.tabs[{i}]", f"has a {child.kind} in tabs: only names of views belong there"
                )
            if child.view in ALONE and len(children) > 1:
                raise self._error(
                    f"{place}.tabs[{i}]", f"has the view '{child.view}' in tabs: it needs a place of its own"
                )
        return children

    def _open(self, content: dict[Any, Any], place: str) -> str:
        name = content.get("open", "")
        if name and name not in content["tabs"]:
            raise self._error(place, f"opens the tab '{name}', which it does not have")
        return str(name)

    def _error(self, place: str, what: str) -> LayoutError:
        return LayoutError(f"the layout {self.source}, at {place}, {what}")
