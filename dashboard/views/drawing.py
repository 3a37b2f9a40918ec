"""A chart as plain data, and as a picture that the browser stretches: lines in SVG, words and marks over it.

Bokeh's figures break the page when a tab that holds one is shown again, and have no text alternative; a
chart that nobody zooms needs neither.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import NamedTuple

from .marks import MARKS, on_ground
from .raster import DARK, LIGHT, Theme

REFERENCE = "reference"  # the colour of lines to compare with: the ink of the theme
FAINT = "faint"
DASHES = {"solid": "none", "dashed": "6 4", "dotted": "2 3"}
CHARACTERS = {mark.marker: mark.character for mark in MARKS}
SIDE = 1000  # of the picture before it is stretched
SMALLEST_NAMED = 7  # pixels from which on a mark has its shape


class Line(NamedTuple):
    """A line through points; NaN breaks it."""

    x: Sequence[float]
    y: Sequence[float]
    colour: str
    width: float = 2.0
    dash: str = "solid"


class Band(NamedTuple):
    """The ground between two limits over x."""

    x: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    colour: str


class Point(NamedTuple):
    """A mark with words for who points at it."""

    x: float
    y: float
    colour: str
    marker: str
    size: float
    tip: str


class Whisker(NamedTuple):
    """A straight line between two limits."""

    x: tuple[float, float]
    y: tuple[float, float]
    colour: str


class Words(NamedTuple):
    """Words just above a place of the chart, which they begin or end at."""

    x: float
    y: float
    text: str
    ends: bool = False


@dataclass(frozen=True)
class Axis:
    """One axis: its words, what it spans, and its ticks by place; round numbers without any."""

    label: str
    span: tuple[float, float]
    ticks: Mapping[float, str] = field(default_factory=dict)

    @property
    def places(self) -> dict[float, str]:
        """The ticks within the span, with their words."""
        low, high = self.span
        ticks = self.ticks or {tick: f"{tick:,.6g}" for tick in round_ticks(low, high)}
        return {tick: text for tick, text in ticks.items() if low <= tick <= high}


@dataclass(frozen=True)
class Drawing:
    """What a chart shows, in its own coordinates.

    `text` says the same in words for those who cannot see it, or why there is nothing to see.
    """

    x: Axis
    y: Axis
    text: str
    lines: tuple[Line, ...] = ()
    bands: tuple[Band, ...] = ()
    points: tuple[Point, ...] = ()
    whiskers: tuple[Whisker, ...] = ()
    words: tuple[Words, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether it shows nothing but its axes."""
        return not (self.lines or self.bands or self.points or self.whiskers)


def round_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten between two numbers, at most so many and at least two."""
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(step for k in (1, 2, 5, 10, 20) if (high - low) / (step := k * power) < most)
    return [k * step for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


# ---- picture ----------------------------------------------------------------------------------------


def picture(drawing: Drawing, dark: bool) -> str:
    """A drawing as HTML that fills the place it is put into, with its words as the text alternative."""
    frame = _Frame(drawing, DARK if dark else LIGHT)
    return (
        f'<div role="img" aria-label="{escape(drawing.text)}" data-testid="chart" style="'
        f"position:absolute;inset:0;display:grid;font-size:12px;"
        f"grid-template:minmax(0,1fr) 18px 18px / 18px auto minmax(0,1fr);"
        f'font-variant-numeric:tabular-nums;line-height:1;padding:8px 14px 0 6px;color:{frame.theme.ink}">'
        f'<div data-axis="y" style="grid-area:1/1;writing-mode:vertical-rl;transform:rotate(180deg);'
        f'text-align:center;white-space:nowrap">{escape(drawing.y.label)}</div>'
        f'<div style="grid-area:1/2;position:relative;margin-right:6px">{frame.y_ticks()}</div>'
        f'<div style="grid-area:1/3;position:relative;border:solid {frame.theme.line};border-width:0 0 1px 1px">'
        f"{frame.lines()}{frame.points()}{frame.words()}</div>"
        f'<div style="grid-area:2/3;position:relative">{frame.x_ticks()}</div>'
        f'<div data-axis="x" style="grid-area:3/3;text-align:center">{escape(drawing.x.label)}</div></div>'
    )


class _Frame:
    """Places of a drawing in shares of its frame, and its parts as HTML."""

    def __init__(self, drawing: Drawing, theme: Theme) -> None:
        self.drawing, self.theme = drawing, theme
        self.inks = {REFERENCE: theme.ink, FAINT: theme.line}

    def across(self, x: float) -> float:
        """The share of the width left of a place."""
        low, high = self.drawing.x.span
        return (x - low) / (high - low)

    def down(self, y: float) -> float:
        """The share of the height above a place."""
        low, high = self.drawing.y.span
        return (high - y) / (high - low)

    def colour(self, name: str) -> str:
        """A colour of the theme or of a class."""
        return escape(self.inks.get(name) or on_ground(name, self.theme is DARK))

    def lines(self) -> str:
        """Grid, bands, lines and whiskers, cut off at the frame."""
        drawing = self.drawing
        grid = [
            *(self._path([x, x], drawing.y.span, FAINT, 1) for x in drawing.x.places),
            *(self._path(drawing.x.span, [y, y], FAINT, 1) for y in drawing.y.places),
        ]
        bands = [
            f'<path d="{self._d([*band.x, *reversed(band.x)], [*band.low, *reversed(band.high)])}Z" '
            f'fill="{self.colour(band.colour)}" fill-opacity="0.2"/>'
            for band in drawing.bands
        ]
        lines = [self._path(line.x, line.y, line.colour, line.width, line.dash) for line in drawing.lines]
        whiskers = [self._path(whisker.x, whisker.y, whisker.colour, 1.5) for whisker in drawing.whiskers]
        return (
            f'<svg viewBox="0 0 {SIDE} {SIDE}" preserveAspectRatio="none" aria-hidden="true" '
            f'style="position:absolute;inset:0;width:100%;height:100%;overflow:hidden">'
            f"{''.join([*grid, *bands, *lines, *whiskers])}</svg>"
        )

    def _path(self, x: Sequence[float], y: Sequence[float], colour: str, width: float, dash: str = "solid") -> str:
        return (
            f'<path d="{self._d(x, y)}" fill="none" stroke="{self.colour(colour)}" stroke-width="{width:g}" '
            f'stroke-dasharray="{DASHES[dash]}" vector-effect="non-scaling-stroke"/>'
        )

    def _d(self, x: Sequence[float], y: Sequence[float]) -> str:
        """The places as a path, begun anew after what is not known."""
        steps, pen = [], "M"
        for one, other in zip(x, y, strict=True):
            if math.isnan(other):
                pen = "M"
                continue
            steps.append(f"{pen}{SIDE * self.across(one):.1f} {SIDE * self.down(other):.1f}")
            pen = "L"
        return "".join(steps)

    def points(self) -> str:
        """Marks of classes, and dots for small points, with their words as tool tips."""
        return "".join(self._point(point) for point in self.drawing.points)

    def _point(self, point: Point) -> str:
        colour, at = self.colour(point.colour), self._at(point.x, point.y)
        shape = CHARACTERS[point.marker] if point.size >= SMALLEST_NAMED else ""
        look = f"color:{colour};font-size:{1.9 * point.size:g}px"
        if not shape:
            radius = point.size / 2
            look = (
                f"width:9px;height:9px;background:radial-gradient(circle,{colour} {radius:g}px,transparent "
                f"{radius + 0.5:g}px)"
            )
        return (
            f'<span title="{escape(point.tip)}" style="{at};transform:translate(-50%,-50%);{look}">{shape}</span>'
        )

    def words(self) -> str:
        """Words over the lines."""
        return "".join(
            f'<span style="{self._at(one.x, one.y)};transform:translate({"-100%" if one.ends else "0"},-110%);'
            f'white-space:pre">{escape(one.text)}</span>'
            for one in self.drawing.words
        )

    def _at(self, x: float, y: float) -> str:
        return f"position:absolute;left:{100 * self.across(x):.2f}%;top:{100 * self.down(y):.2f}%"

    def x_ticks(self) -> str:
        """Numbers or names below the frame."""
        return "".join(
            f'<span style="position:absolute;top:5px;left:{100 * self.across(place):.2f}%;'
            f'transform:translateX(-50%);white-space:nowrap">{escape(text)}</span>'
            for place, text in self.drawing.x.places.items()
        )

    def y_ticks(self) -> str:
        """Numbers or names beside the frame, and the longest one unseen, for it gives them their room."""
        places = self.drawing.y.places
        longest = max(places.values(), key=len, default="")
        return f'<span style="visibility:hidden">{escape(longest)}</span>' + "".join(
            f'<span style="position:absolute;right:0;top:{100 * self.down(place):.2f}%;'
            f'transform:translateY(-50%);white-space:nowrap">{escape(text)}</span>'
            for place, text in places.items()
        )
