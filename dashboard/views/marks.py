"""What views share for the eye: the sign of each class (a shape beside its colour), sizes of text."""

from __future__ import annotations

import colorsys
import functools
from typing import NamedTuple

SMALL = {"font-size": "13px"}


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

ANCHOR = Mark("□", "square")  # a frame around the mark of the item's class
ANCHOR_COLOURS = ("#8250df", "#d2a8ff")  # on a light page, on a dark one


RAISED_ON_DARK = "#1f242b"  # the lightest of the dark theme's grounds: what is seen there is seen on the others
LEAST_CONTRAST = 3.0  # of what is no text, WCAG 1.4.11


def mark(index: int) -> Mark:
    """The mark of the class with this place in the taxonomy; shapes repeat after eight."""
    return MARKS[index % len(MARKS)]


@functools.cache
def on_ground(colour: str, dark: bool) -> str:
    """A class's colour as it is shown on the ground of a theme.

    Parameters
    ----------
    colour
        As ``#rrggbb``; anything else is given back.
    dark
        Whether the ground is dark.

    Returns
    -------
    str
        The colour itself, or on a dark ground the darkest of its hue that stands out 3 : 1 from it.
    """
    if not dark or len(colour) != 7 or contrast(colour, RAISED_ON_DARK) >= LEAST_CONTRAST:
        return colour
    hue, lightness, saturation = colorsys.rgb_to_hls(*_parts(colour))
    while contrast(colour, RAISED_ON_DARK) < LEAST_CONTRAST:
        lightness = min(lightness + 0.01, 1.0)
        rgb = colorsys.hls_to_rgb(hue, lightness, saturation)
        colour = "#" + "".join(f"{round(255 * part):02x}" for part in rgb)
    return colour


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours ``#rrggbb``, from 1 to 21, as WCAG 2 defines it."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in _parts(colour)]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _parts(colour: str) -> list[float]:
    """Red, green and blue, from 0 to 1."""
    return [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]


def scroller(html: str, name: str) -> str:
    """A part of the page that scrolls in its place, which the keyboard reaches and a screen reader names."""
    return (
        f'<div tabindex="0" role="region" aria-label="{name}" '
        f'style="position:absolute;inset:0;overflow:auto;padding:0 10px">{html}</div>'
    )
