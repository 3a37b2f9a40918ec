"""The sign of each class: a shape beside its colour, the same on buttons, maps and charts."""

from __future__ import annotations

from typing import NamedTuple


class Mark(NamedTuple):
    """A shape as a character for text and as a Bokeh marker for plots."""

    character: str
    marker: str


MARKS = (
    Mark("●", "circle"),
    Mark("■", "square"),
    Mark("▲", "triangle"),
    Mark("◆", "diamond"),
    Mark("▼", "inverted_triangle"),
    Mark("★", "star"),
    Mark("⬢", "hex"),
    Mark("✚", "plus"),
)


def mark(index: int) -> Mark:
    """The mark of the class with this place in the taxonomy; shapes repeat after eight."""
    return MARKS[index % len(MARKS)]
