"""A scatter of millions of points: an image shaded on the server under small layers of real glyphs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from bokeh.core.property.descriptors import UnsetValueError
from bokeh.events import DoubleTap, PanStart, Reset, SelectionGeometry, Tap
from bokeh.models import (
    BoxSelectTool,
    ColumnDataSource,
    ImageRGBA,
    LassoSelectTool,
    Line,
    PanTool,
    ResetTool,
    Scatter,
    WheelZoomTool,
)
from bokeh.plotting import figure
from numpy.typing import NDArray

from ...later import Later
from ..latest import Latest
from ..page import THREADS, Page
from .picking import View, inside, nearest

if TYPE_CHECKING:
    import datashader as ds
    import datashader.transfer_functions as tf
    import pandas as pd
else:
    ds, tf, pd = Later("datashader"), Later("datashader.transfer_functions"), Later("pandas")

PADDING = 0.03
TAP_RADIUS = 12  # pixels
SIZES = (120, 1600)  # of the raster's sides, pixels
FIRST_SIZE = (600, 400)
FEW_POINTS = ((3_000, 2), (30_000, 1))  # up to so many points in view, each is drawn so many pixels wider
MOVE, LASSO, BOX, POLYGON = "move", "lasso", "box", "polygon"


@dataclass(frozen=True)
class Theme:
    """Colours of the figure in one theme."""

    ground: str
    ink: str
    line: str
    points: tuple[str, str]  # where they are few, and where they are many
    chosen: tuple[str, str]


LIGHT = Theme("#ffffff", "#24292f", "#d0d7de", ("#bcc4cc", "#59636e"), ("#7fb0f5", "#0b57d0"))
DARK = Theme("#121212", "#e6edf3", "#3d444d", ("#3f4751", "#a3aeb9"), ("#2f6fcf", "#8ab4f8"))


@dataclass(frozen=True)
class Colouring:
    """Which colour each point has.

    `levels` float32 ``(n_items,)`` are places in a palette, NaN where a point has no value; where several
    points share a pixel, the pixel has the largest of their levels, or their `mean`. `palettes` are the
    colours for a light and for a dark page, uint8 ``(n_colours, 3)``.
    """

    levels: NDArray[np.float32]
    palettes: tuple[NDArray[np.uint8], NDArray[np.uint8]]
    is_mean: bool = False

    @cached_property
    def has_gaps(self) -> bool:
        """Whether points are without a value."""
        return bool(np.isnan(self.levels).any())


@dataclass
class Handlers:
    """What a scatter calls, in the page's thread with the document's lock.

    `select` gets the positions inside a gesture, int64, and its modifiers; `tap` the position nearest to a
    tap; `drawn` is called after each new image; `outline` gets the number of a polygon's corners.
    """

    select: Callable[[NDArray[np.int64], Mapping[str, bool] | None], None]
    tap: Callable[[int], None]
    drawn: Callable[[], None]
    outline: Callable[[int], None]


class RasterScatter:
    """Draws the pool as an image; zooming redraws it in a thread, the latest view wins.

    Parameters
    ----------
    page
        Whose document the figure belongs to.
    name
        Of the figure, so that it can be told from others.
    handlers
        What is told of gestures.

    Notes
    -----
    Ranges are watched property by property: Bokeh's ``RangesUpdate`` comes half a second after the last
    step of the wheel. Polygons are made of taps: Bokeh's own tool for them ends with a long press or Enter,
    a key of the card, and taps would open items beside it.
    """

    def __init__(self, page: Page, name: str, handlers: Handlers) -> None:
        self.page = page
        self.handlers = handlers
        self.points = {"x": np.empty(0, np.float32), "y": np.empty(0, np.float32)}
        self.chosen: NDArray[np.int64] = np.empty(0, np.int64)
        self.colouring: Colouring | None = None
        self.full: View = (0.0, 1.0, 0.0, 1.0)
        self.theme = LIGHT
        self.is_shown = True
        self.n_drawn = 0
        self.modifiers: Mapping[str, bool] | None = None
        self._corners: list[tuple[float, float]] = []
        self._drawing = Latest(self._draw, THREADS, lambda error: page.hop(partial(page.complain, error)))
        self._flush_due = False
        self.figure = self._build_figure(name)
        self.tool = LASSO

    # ---- set-up ----------------------------------------------------------------------------------

    def _build_figure(self, name: str) -> figure:
        plot = figure(
            name=name,
            x_range=(0.0, 1.0),
            y_range=(0.0, 1.0),
            tools=[],
            output_backend="canvas",
            sizing_mode="stretch_both",
            min_height=120,
            toolbar_location=None,
        )
        # The glyphs are no part of the selection: the browser must not dim them.
        self._tools = {
            MOVE: PanTool(),
            LASSO: LassoSelectTool(continuous=False, renderers=[]),
            BOX: BoxSelectTool(continuous=False, renderers=[]),
        }
        wheel = WheelZoomTool()
        plot.add_tools(*self._tools.values(), wheel, ResetTool())
        plot.toolbar.active_scroll = wheel
        plot.toolbar.active_drag = self._tools[LASSO]
        plot.grid.visible = False
        self.image = ColumnDataSource({"image": [], "x": [], "y": [], "dw": [], "dh": []})
        # Glyphs of its own making come without the copies for selections, which there are none of here.
        plot.add_glyph(self.image, ImageRGBA(image="image", x="x", y="y", dw="dw", dh="dh"))
        self.outline = ColumnDataSource({"x": [], "y": []})
        self._outline_glyphs = (
            plot.add_glyph(self.outline, Line(x="x", y="y", line_width=2, line_dash="dashed"), level="overlay"),
            plot.add_glyph(self.outline, Scatter(x="x", y="y", size=7), level="overlay"),
        )
        for axis_range in (plot.x_range, plot.y_range):
            axis_range.on_change("start", self._on_change)
            axis_range.on_change("end", self._on_change)
        plot.on_change("inner_width", self._on_change)
        plot.on_change("inner_height", self._on_change)
        plot.on_event(PanStart, self._on_drag)
        plot.on_event(SelectionGeometry, self._on_geometry)
        plot.on_event(Tap, self._on_tap)
        plot.on_event(DoubleTap, self._on_double_tap)
        plot.on_event(Reset, lambda _: self.show_all())
        return plot

    def set_points(self, x: NDArray[np.float32], y: NDArray[np.float32], names: tuple[str, str]) -> None:
        """Take new coordinates, each float32 (n_items,); rows with a missing one are not drawn."""
        self._set_columns(x, y)
        self.n_drawn = int((np.isfinite(x) & np.isfinite(y)).sum())
        self.figure.xaxis.axis_label, self.figure.yaxis.axis_label = names
        self.full = (*_extent(x), *_extent(y))
        self.show_all()

    def _set_columns(self, x: NDArray[np.float32], y: NDArray[np.float32]) -> None:
        columns = {"x": np.ascontiguousarray(x, "f4"), "y": np.ascontiguousarray(y, "f4")}
        if self.colouring is not None and len(self.colouring.levels) == len(x):
            columns["level"] = self.colouring.levels
        self.points = columns

    def show_all(self) -> None:
        """Zoom out to all points."""
        x0, x1, y0, y1 = self.full
        x_range, y_range = self.figure.x_range, self.figure.y_range
        x_range.update(start=x0, end=x1, reset_start=x0, reset_end=x1)
        y_range.update(start=y0, end=y1, reset_start=y0, reset_end=y1)
        self.redraw()

    def set_theme(self, theme: Theme) -> None:
        """Colour the figure and the image for a light or dark page."""
        self.theme = theme
        plot = self.figure
        plot.background_fill_color = plot.border_fill_color = theme.ground
        plot.outline_line_color = theme.line
        line, corners = self._outline_glyphs
        line.glyph.line_color = corners.glyph.line_color = corners.glyph.fill_color = theme.ink
        for axis in plot.axis:
            axis.update(
                axis_line_color=theme.line, major_tick_line_color=theme.line, minor_tick_line_color=None,
                major_label_text_color=theme.ink, axis_label_text_color=theme.ink,
            )  # fmt: skip
        self.redraw()

    def set_chosen(self, rows: NDArray[np.int64]) -> None:
        """Set these rows off from the others: in the colour of the selection, or by greying the others."""
        self.chosen = rows
        self.redraw()

    def set_colouring(self, colouring: Colouring | None) -> None:
        """Colour the points; None for their density."""
        self.colouring = colouring
        self._set_columns(self.points["x"], self.points["y"])
        self.redraw()

    def set_tool(self, tool: str) -> None:
        """Choose what dragging does: move, lasso, box; with polygon, it moves and taps set corners."""
        self.tool = tool
        self.drop_outline()
        self.figure.toolbar.active_drag = self._tools[MOVE if tool == POLYGON else tool]

    # ---- drawing ---------------------------------------------------------------------------------

    @property
    def view(self) -> View:
        """What the figure shows now: x from, x to, y from, y to."""
        x, y = self.figure.x_range, self.figure.y_range
        return (float(x.start), float(x.end), float(y.start), float(y.end))

    def _on_change(self, attr: str, old: object, new: object) -> None:
        if self._flush_due:
            return
        self._flush_due = True  # one step of the wheel sets four numbers: act once, after all of them
        self.page.hop(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        self.redraw()

    def redraw(self) -> None:
        """Ask for a new image; never more than one raster is under way, and the latest view wins."""
        if self.is_shown and len(self.points["x"]):  # a page is sent before there are points
            self._drawing.ask()

    def _draw(self) -> None:
        view = self.view
        image = self.shade(view)
        self.page.hop(partial(self._put, image, view))

    def _put(self, image: NDArray[np.uint32], view: View) -> None:
        x0, x1, y0, y1 = view
        self.image.data = {"image": [image], "x": [x0], "y": [y0], "dw": [x1 - x0], "dh": [y1 - y0]}
        self.handlers.drawn()

    def shade(self, view: View) -> NDArray[np.uint32]:
        """The image of a view, RGBA in uint32 ``(height, width)``; touches all points."""
        x0, x1, y0, y1 = view
        canvas = ds.Canvas(*self._pixels(), x_range=(x0, x1), y_range=(y0, y1))
        frame = pd.DataFrame(self.points, copy=False)
        chosen, colouring, theme = self.chosen, self.colouring, self.theme
        chosen = chosen if len(frame) else chosen[:0]  # there may be a selection before there are points
        if "level" not in frame or colouring is None:
            layers = [density_layer(canvas, frame, theme.points)]
            if len(chosen):
                layers.append(density_layer(canvas, frame.iloc[chosen], theme.chosen))
        else:
            palette = colouring.palettes[theme is DARK]
            coloured = frame.iloc[chosen] if len(chosen) else frame
            layers = [coloured_layer(canvas, coloured, palette, colouring.is_mean)]
            if len(chosen) or colouring.has_gaps:
                layers.insert(0, density_layer(canvas, frame, (theme.points[0],) * 2))
        return (tf.stack(*layers) if len(layers) > 1 else layers[0]).to_numpy()  # noqa: PD013 (not of pandas)

    def _pixels(self) -> tuple[int, int]:
        """Width and height of the raster: those of the figure once the browser has told them."""
        try:
            size = (self.figure.inner_width, self.figure.inner_height)
        except UnsetValueError:
            size = FIRST_SIZE
        return tuple(int(np.clip(side, *SIZES)) for side in size)  # type: ignore[return-value]

    # ---- gestures --------------------------------------------------------------------------------

    def _on_drag(self, event: PanStart) -> None:
        """Remember the keys that are held: the geometry that follows does not tell them."""
        self.modifiers = event.modifiers

    def _on_geometry(self, event: SelectionGeometry) -> None:
        if event.final:
            self._select(dict(event.geometry), self.modifiers)

    def _select(self, geometry: dict[str, Any], modifiers: Mapping[str, bool] | None) -> None:
        x, y = self.points["x"], self.points["y"]
        self.page.in_background(lambda: inside(x, y, geometry), lambda rows: self.handlers.select(rows, modifiers))

    def _on_tap(self, event: Tap) -> None:
        if self.tool == POLYGON:
            self.modifiers = event.modifiers
            self._set_corners([*self._corners, (event.x, event.y)])
            return
        place = (event.x, event.y)
        self.page.in_background(lambda: self._nearest(*place), self._tapped)

    def _on_double_tap(self, event: DoubleTap) -> None:
        """The second tap of two ends a polygon; the first one has set its last corner."""
        if self.tool == POLYGON:
            self.close_outline()

    def _set_corners(self, corners: list[tuple[float, float]]) -> None:
        self._corners = corners
        closed = [*corners, corners[0]] if len(corners) > 2 else corners
        self.outline.data = {"x": [x for x, _ in closed], "y": [y for _, y in closed]}
        self.handlers.outline(len(corners))

    def close_outline(self) -> None:
        """Select what is inside the polygon; one of fewer than three corners is dropped."""
        corners = self._corners
        self.drop_outline()
        if len(corners) > 2:
            px, py = zip(*corners, strict=True)
            self._select({"type": "poly", "x": px, "y": py}, self.modifiers)

    def drop_outline(self) -> None:
        """Forget the polygon that is being drawn."""
        if self._corners:
            self._set_corners([])

    def _nearest(self, x: float, y: float) -> int | None:
        """The row whose point is nearest on the screen, or None when none is close."""
        x0, x1, y0, y1 = self.view
        width, height = self._pixels()
        reach = (TAP_RADIUS * (x1 - x0) / width, TAP_RADIUS * (y1 - y0) / height)
        return nearest(self.points["x"], self.points["y"], (x, y), reach)

    def _tapped(self, row: int | None) -> None:
        if row is not None:
            self.handlers.tap(row)


def density_layer(canvas: ds.Canvas, frame: pd.DataFrame, colours: tuple[str, str]) -> tf.Image:
    """Points as pixels, the darker or brighter the more there are; few points are drawn larger."""
    counts = canvas.points(frame, "x", "y", ds.count())
    n_points = int(counts.sum())
    if n_points > FEW_POINTS[-1][0]:
        return tf.shade(counts, cmap=list(colours), how="eq_hist", min_alpha=200)
    return _spread(tf.shade(counts, cmap=[colours[1]], min_alpha=170), n_points)


def coloured_layer(canvas: ds.Canvas, frame: pd.DataFrame, palette: NDArray[np.uint8], is_mean: bool) -> tf.Image:
    """Points in the colours of a palette ``(n_colours, 3)``: of the largest, or mean, level in a pixel."""
    levels = canvas.points(frame, "x", "y", (ds.mean if is_mean else ds.max)("level"))
    values = levels.to_numpy()
    known = np.isfinite(values)
    place = np.rint(np.where(known, values, 0)).astype(np.intp)
    rgba = np.zeros((*values.shape, 4), np.uint8)
    rgba[..., :3] = palette[np.clip(place, 0, len(palette) - 1)]
    rgba[..., 3] = np.where(known, 255, 0)
    image = tf.Image(rgba.view(np.uint32)[..., 0], coords=levels.coords, dims=levels.dims)
    return _spread(image, int(known.sum()))


def _spread(image: tf.Image, n_points: int) -> tf.Image:
    pixels = next((px for most, px in FEW_POINTS if n_points <= most), 0)
    return tf.spread(image, px=pixels) if pixels else image


def _extent(values: NDArray[np.float32]) -> tuple[float, float]:
    """The range of the finite values with a margin; never of width zero."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return (0.0, 1.0)
    low, high = float(finite.min()), float(finite.max())
    margin = (high - low) * PADDING or 0.5
    return (low - margin, high + margin)


def warm_up() -> None:
    """Compile the rasters once, which takes seconds, before anybody waits for them."""
    places = np.array([0.0, 1.0], "f4")
    frame = pd.DataFrame({"x": places, "y": places, "level": places})
    canvas = ds.Canvas(SIZES[0], SIZES[0], x_range=(0, 1), y_range=(0, 1))
    palette = np.zeros((2, 3), np.uint8)
    layers = [density_layer(canvas, frame, LIGHT.points), density_layer(canvas, frame, LIGHT.chosen)]
    layers += [coloured_layer(canvas, frame, palette, is_mean) for is_mean in (False, True)]
    tf.stack(*layers)  # noqa: PD013
