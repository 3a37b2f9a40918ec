"""A scatter of millions of points: an image shaded on the server under small layers of real glyphs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import datashader as ds
import datashader.transfer_functions as tf
import numpy as np
import pandas as pd
import shapely
from bokeh.core.property.descriptors import UnsetValueError
from bokeh.events import Reset, SelectionGeometry, Tap
from bokeh.models import (
    BoxSelectTool,
    ColumnDataSource,
    LassoSelectTool,
    PanTool,
    ResetTool,
    SaveTool,
    WheelZoomTool,
)
from bokeh.plotting import figure
from numpy.typing import NDArray

from ..page import THREADS, Page

View = tuple[float, float, float, float]
PADDING = 0.03
TAP_RADIUS = 12  # pixels
SIZES = (200, 1600)  # of the raster's sides, pixels
FIRST_SIZE = (600, 400)
FEW_POINTS = ((3_000, 2), (30_000, 1))  # up to so many points in view, each is drawn so many pixels wider


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


class RasterScatter:
    """Draws the pool as an image; zooming redraws it in a thread, the latest view wins.

    Parameters
    ----------
    page
        Whose document the figure belongs to.
    on_select
        Called with the rows, int64 (n_selected,), inside a lasso or box, in this page's thread.
    on_tap
        Called with the row nearest to a tap.

    Notes
    -----
    Ranges are watched property by property: Bokeh's ``RangesUpdate`` comes half a second after the last
    step of the wheel.
    """

    def __init__(
        self, page: Page, on_select: Callable[[NDArray[np.int64]], None], on_tap: Callable[[int], None]
    ) -> None:
        self.page = page
        self.on_select = on_select
        self.on_tap = on_tap
        self.frame = pd.DataFrame({"x": np.empty(0, "f4"), "y": np.empty(0, "f4")})
        self.chosen: NDArray[np.int64] = np.empty(0, np.int64)
        self.full: View = (0.0, 1.0, 0.0, 1.0)
        self.theme = LIGHT
        self.n_drawn = 0
        self._lock = threading.Lock()
        self._busy = self._again = self._flush_due = False
        self.figure = self._build_figure()

    # ---- set-up ----------------------------------------------------------------------------------

    def _build_figure(self) -> figure:
        plot = figure(
            x_range=(0.0, 1.0),
            y_range=(0.0, 1.0),
            tools=[],
            output_backend="canvas",
            sizing_mode="stretch_both",
            min_height=180,
            toolbar_location="above",
        )
        wheel, lasso = WheelZoomTool(), LassoSelectTool(continuous=False)
        plot.add_tools(PanTool(), wheel, BoxSelectTool(continuous=False), lasso, ResetTool(), SaveTool())
        plot.toolbar.active_scroll = wheel
        plot.toolbar.active_drag = lasso
        plot.toolbar.logo = None
        plot.grid.visible = False
        self.image = ColumnDataSource({"image": [], "x": [], "y": [], "dw": [], "dh": []})
        plot.image_rgba("image", x="x", y="y", dw="dw", dh="dh", source=self.image)
        for axis_range in (plot.x_range, plot.y_range):
            axis_range.on_change("start", self._on_change)
            axis_range.on_change("end", self._on_change)
        plot.on_change("inner_width", self._on_change)
        plot.on_change("inner_height", self._on_change)
        plot.on_event(SelectionGeometry, self._on_geometry)
        plot.on_event(Tap, self._on_tap_event)
        plot.on_event(Reset, lambda _: self._show_all())
        return plot

    def set_points(self, x: NDArray[np.float32], y: NDArray[np.float32], names: tuple[str, str]) -> None:
        """Take new coordinates, each float32 (n_items,); rows with a missing one are not drawn."""
        self.frame = pd.DataFrame({"x": np.ascontiguousarray(x, "f4"), "y": np.ascontiguousarray(y, "f4")})
        self.n_drawn = int((np.isfinite(x) & np.isfinite(y)).sum())
        self.figure.xaxis.axis_label, self.figure.yaxis.axis_label = names
        self.full = (*_extent(self.frame["x"].to_numpy()), *_extent(self.frame["y"].to_numpy()))
        self._show_all()

    def _show_all(self) -> None:
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
        for axis in plot.axis:
            axis.update(
                axis_line_color=theme.line, major_tick_line_color=theme.line, minor_tick_line_color=None,
                major_label_text_color=theme.ink, axis_label_text_color=theme.ink,
            )  # fmt: skip
        self.redraw()

    def set_chosen(self, rows: NDArray[np.int64]) -> None:
        """Draw these rows in the colour of the selection."""
        self.chosen = rows
        self.redraw()

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
        with self._lock:
            self._again = True
            if self._busy:
                return
            self._busy = True
        THREADS.submit(self._work)

    def _work(self) -> None:
        try:
            while True:
                with self._lock:
                    if not self._again:
                        self._busy = False
                        return
                    self._again = False
                view = self.view
                image = self._shade(view)
                self.page.hop(partial(self._put, image, view))
        except Exception as error:
            with self._lock:
                self._busy = False
            self.page.hop(partial(self.page.complain, error))

    def _put(self, image: NDArray[np.uint32], view: View) -> None:
        x0, x1, y0, y1 = view
        self.image.data = {"image": [image], "x": [x0], "y": [y0], "dw": [x1 - x0], "dh": [y1 - y0]}

    def _shade(self, view: View) -> NDArray[np.uint32]:
        x0, x1, y0, y1 = view
        width, height = self._pixels()
        canvas = ds.Canvas(width, height, x_range=(x0, x1), y_range=(y0, y1))
        layers = [self._layer(canvas, self.frame, self.theme.points)]
        if len(self.chosen):
            layers.append(self._layer(canvas, self.frame.iloc[self.chosen], self.theme.chosen))
        return (tf.stack(*layers) if len(layers) > 1 else layers[0]).to_numpy()

    def _pixels(self) -> tuple[int, int]:
        """Width and height of the raster: those of the figure once the browser has told them."""
        try:
            size = (self.figure.inner_width, self.figure.inner_height)
        except UnsetValueError:
            size = FIRST_SIZE
        return tuple(int(np.clip(side, *SIZES)) for side in size)  # type: ignore[return-value]

    @staticmethod
    def _layer(canvas: ds.Canvas, frame: pd.DataFrame, colours: tuple[str, str]) -> tf.Image:
        """Points as pixels, the darker or brighter the more there are; few points are drawn larger."""
        counts = canvas.points(frame, "x", "y", ds.count())
        n_points = int(counts.sum())
        if n_points > FEW_POINTS[-1][0]:
            return tf.shade(counts, cmap=list(colours), how="eq_hist", min_alpha=200)
        image = tf.shade(counts, cmap=[colours[1]], min_alpha=170)
        return tf.spread(image, px=next(px for most, px in FEW_POINTS if n_points <= most))

    # ---- picking ---------------------------------------------------------------------------------

    def _on_geometry(self, event: SelectionGeometry) -> None:
        if event.final:
            geometry = dict(event.geometry)
            self.page.in_background(lambda: self._inside(geometry), self.on_select)

    def _inside(self, geometry: dict[str, object]) -> NDArray[np.int64]:
        """Rows inside a box or lasso, on the full data."""
        x, y = self.frame["x"].to_numpy(), self.frame["y"].to_numpy()
        if geometry["type"] == "rect":
            corners = [float(geometry[name]) for name in ("x0", "x1", "y0", "y1")]  # type: ignore[arg-type]
            return _in_box(x, y, *corners)
        px, py = np.asarray(geometry["x"], float), np.asarray(geometry["y"], float)
        if len(px) < 3:
            return np.empty(0, np.int64)
        shape = shapely.make_valid(shapely.Polygon(np.column_stack([px, py])))
        shapely.prepare(shape)
        near = _in_box(x, y, px.min(), px.max(), py.min(), py.max())
        return near[shapely.contains_xy(shape, x[near], y[near])]

    def _on_tap_event(self, event: Tap) -> None:
        self.page.in_background(lambda: self._nearest(event.x, event.y), self._tapped)

    def _nearest(self, x: float, y: float) -> int | None:
        """The row whose point is nearest on the screen, or None when none is close."""
        if not len(self.frame):
            return None
        x0, x1, y0, y1 = self.view
        width, height = self._pixels()
        across, up = width / (x1 - x0), height / (y1 - y0)
        distance = ((self.frame["x"].to_numpy() - x) * across) ** 2
        distance += ((self.frame["y"].to_numpy() - y) * up) ** 2
        row = int(np.argmin(np.nan_to_num(distance, nan=np.inf)))
        return row if distance[row] <= TAP_RADIUS**2 else None

    def _tapped(self, row: int | None) -> None:
        if row is not None:
            self.on_tap(row)


def _in_box(
    x: NDArray[np.float32], y: NDArray[np.float32], x0: float, x1: float, y0: float, y1: float
) -> NDArray[np.int64]:
    return np.flatnonzero((x >= x0) & (x <= x1) & (y >= y0) & (y <= y1))


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
    frame = pd.DataFrame({"x": np.array([0.0, 1.0], "f4"), "y": np.array([0.0, 1.0], "f4")})
    canvas = ds.Canvas(SIZES[0], SIZES[0], x_range=(0, 1), y_range=(0, 1))
    layers = [RasterScatter._layer(canvas, frame, colours) for colours in (LIGHT.points, LIGHT.chosen)]
    tf.stack(*layers)
