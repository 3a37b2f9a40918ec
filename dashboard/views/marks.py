"""What views share for the eye: the sign of each class (a shape beside its colour), sizes of text."""

from __future__ import annotations

from typing import NamedTuple

SMALL = {"font-size": "13px"}
COMPACT_TABLE = """
:host .tabulator { font-size: 13px; }
:host .tabulator-row .tabulator-cell { padding: 3px 8px; }
:host .tabulator .tabulator-header .tabulator-col-content { padding: 3px 8px; }
:host .tabulator-row { min-height: 24px; cursor: pointer; }
"""


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
