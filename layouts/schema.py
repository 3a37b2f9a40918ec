"""Reads a layout file: a tree of rows, columns and tabs with the names of views at its leaves."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
CONTAINERS = ("row", "column", "tabs")
LARGEST_SIZE = 100


class LayoutError(ValueError):
    """A layout that cannot be used, in one sentence that names the file and what to change."""


@dataclass(frozen=True)
class Node:
    """One place of a layout.

    ``kind`` is ``view`` (then `view` names it) or ``row``, ``column``, ``tabs`` (then `children` are
    inside it, in order); `size` is its share of the space among its siblings.
    """

    kind: str
    view: str = ""
    children: tuple[Node, ...] = field(default=())
    size: float = 1.0

    def views(self) -> list[str]:
        """The names of all views in it, in order."""
        if self.kind == "view":
            return [self.view]
        return [name for child in self.children for name in child.views()]


@dataclass(frozen=True)
class Layout:
    """Which views stand where."""

    name: str
    description: str
    root: Node


def layout_names() -> list[str]:
    """Names of the layouts that come with rareloop."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


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
    return _layout(content, path, views)


def _layout(content: Any, path: Path, views: Collection[str]) -> Layout:
    if not isinstance(content, dict) or "arrange" not in content:
        raise LayoutError(f"the layout {path} needs an entry 'arrange' with a row, column, tabs or view")
    unknown = set(content) - {"name", "description", "arrange"}
    if unknown:
        raise LayoutError(f"the layout {path} has an unknown entry '{sorted(map(str, unknown))[0]}'")
    root = _node(content["arrange"], path, views)
    names = root.views()
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise LayoutError(f"the layout {path} shows the view '{twice}' twice: once is enough")
    return Layout(str(content.get("name", path.stem)), str(content.get("description", "")), root)


def _node(content: Any, path: Path, views: Collection[str]) -> Node:
    if isinstance(content, str):
        content = {"view": content}
    if not isinstance(content, dict):
        raise LayoutError(f"the layout {path} has {content!r} where a view, row, column or tabs belongs")
    kinds = [key for key in content if key != "size"]
    if len(kinds) != 1 or kinds[0] not in ("view", *CONTAINERS):
        given = ", ".join(map(str, kinds)) or "nothing"
        raise LayoutError(f"the layout {path} needs exactly one of view, row, column, tabs at each place: {given}")
    kind, size = kinds[0], content.get("size", 1)
    if isinstance(size, bool) or not isinstance(size, int | float) or not 0 < size <= LARGEST_SIZE:
        raise LayoutError(f"the layout {path} has the size {size!r}: it must be a number up to {LARGEST_SIZE}")
    if kind == "view":
        if content["view"] not in views:
            known = ", ".join(sorted(views))
            raise LayoutError(f"the layout {path} names the view '{content['view']}'; there are {known}")
        return Node("view", view=content["view"], size=float(size))
    children = content[kind]
    if not isinstance(children, list) or not children:
        raise LayoutError(f"the layout {path} has a {kind} without a list of what is inside")
    return Node(kind, children=tuple(_node(c, path, views) for c in children), size=float(size))
