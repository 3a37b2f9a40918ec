"""Changes of a layout: views moved, split off, added and closed; each gives a new tree.

A place is a leaf of the tree: a view by itself, or tabs. It is named by any of the views that are in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .schema import ALONE, Node

SIDES = {"left": ("row", 0), "right": ("row", 1), "above": ("column", 0), "below": ("column", 1)}


def places(root: Node) -> list[Node]:
    """The places of a layout, in reading order."""
    if root.kind in ("view", "tabs"):
        return [root]
    return [place for child in root.children for place in places(child)]


def takes_tabs(place: Node) -> bool:
    """Whether other views can be put beside those of a place, as tabs."""
    return not any(name in ALONE for name in place.views())


def close(root: Node, view: str) -> Node:
    """The layout without a view; places and rows that have become needless go with it.

    Raises
    ------
    ValueError
        When nothing would be left.
    """
    left = _without(root, view)
    if left is None:
        raise ValueError("a layout needs at least one view")
    return left


def add(root: Node, view: str, beside: str) -> Node:
    """The layout with a new view, as an open tab of the place in which `beside` is.

    Where that place takes no tabs, the view gets a place of its own to its right.
    """
    place = _place_of(root, beside)
    if not takes_tabs(place) or view in ALONE:
        return split(root, view, beside, "right")
    children = place.children if place.kind == "tabs" else (Node("view", view=place.view),)
    return _replaced(root, place, Node("tabs", "", (*children, Node("view", view=view)), place.size, view))


def split(root: Node, view: str, beside: str, side: str) -> Node:
    """The layout with a new view in a place of its own at one side of the place in which `beside` is.

    Parameters
    ----------
    side
        One of left, right, above, below.
    """
    place = _place_of(root, beside)
    kind, at = SIDES[side]
    pair = [replace(place, size=1.0)]
    pair.insert(at, Node("view", view=view))
    return _flat(_replaced(root, place, Node(kind, children=tuple(pair), size=place.size)))


def move(root: Node, view: str, beside: str, side: str = "") -> Node:
    """The layout with a view taken to the place in which `beside` is: as a tab, or at one of its sides."""
    if view == beside:
        others = [name for name in _place_of(root, view).views() if name != view]
        if not others:
            return root
        beside = others[0]
    rest = close(root, view)
    return split(rest, view, beside, side) if side else add(rest, view, beside)


def resize(root: Node, path: Sequence[int], sizes: Sequence[float]) -> Node:
    """The layout with other sizes inside the row or column at `path`, its way from the root by child numbers.

    The layout itself where there is no such row or column, or it has another number of children.
    """
    if root.kind not in ("row", "column") or (path and not 0 <= path[0] < len(root.children)):
        return root
    if path:
        changed = resize(root.children[path[0]], path[1:], sizes)
        return replace(root, children=(*root.children[: path[0]], changed, *root.children[path[0] + 1 :]))
    if len(sizes) != len(root.children) or not all(0 < size < float("inf") for size in sizes):
        return root
    unit = sum(sizes) / 100
    children = (
        replace(child, size=max(size / unit, 0.1)) for child, size in zip(root.children, sizes, strict=True)
    )
    return replace(root, children=tuple(children))


def open_tab(root: Node, view: str) -> Node:
    """The layout with the tab of a view open."""
    place = _place_of(root, view)
    return root if place.kind == "view" else _replaced(root, place, replace(place, open=view))


def closed(root: Node) -> Node:
    """The layout without what a page can change by itself: which tabs are open."""
    return replace(root, open="", children=tuple(closed(child) for child in root.children))


def _place_of(root: Node, view: str) -> Node:
    place = next((place for place in places(root) if view in place.views()), None)
    if place is None:
        raise ValueError(f"the layout has no view '{view}'")
    return place


def _replaced(root: Node, old: Node, new: Node) -> Node:
    if root is old:
        return new
    return replace(root, children=tuple(_replaced(child, old, new) for child in root.children))


def _without(node: Node, view: str) -> Node | None:
    """The node without a view; None where nothing is left, its only child where one is left."""
    if node.kind == "view":
        return None if node.view == view else node
    children = [child for one in node.children if (child := _without(one, view)) is not None]
    if len(children) < 2:
        return replace(children[0], size=node.size) if children else None
    return _flat(replace(node, children=tuple(children), open="" if node.open == view else node.open))


def _flat(node: Node) -> Node:
    """The node with rows in rows, and columns in columns, made one."""
    if node.kind not in ("row", "column"):
        return node
    children: list[Node] = []
    for child in map(_flat, node.children):
        if child.kind != node.kind:
            children.append(child)
            continue
        unit = child.size / sum(inner.size for inner in child.children)
        children += [replace(inner, size=inner.size * unit) for inner in child.children]
    return replace(node, children=tuple(children))
