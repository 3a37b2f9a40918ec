"""Which points of a map a gesture means: in a box or a drawn line, or near a tap; and how selections add up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...later import Later

shapely = Later("shapely")
ndimage = Later("scipy.ndimage")

View = tuple[float, float, float, float]
Rows = NDArray[np.int64]

REPLACE, ADD, SUBTRACT = "replace", "add", "subtract"
MODES = (REPLACE, ADD, SUBTRACT)
MANY_POINTS = 50_000  # from which on cells pay
CELLS = 128


def in_box(x: NDArray[np.float32], y: NDArray[np.float32], x0: float, x1: float, y0: float, y1: float) -> Rows:
    """Positions of the points in a box, its edges included, in order; touches all points."""
    return np.flatnonzero((x >= x0) & (x <= x1) & (y >= y0) & (y <= y1))


def inside(x: NDArray[np.float32], y: NDArray[np.float32], geometry: Mapping[str, Any]) -> Rows:
    """Positions of the points inside a box or a closed line, in order; touches all points.

    Parameters
    ----------
    x, y
        Float32 ``(n_items,)``; a point with a missing coordinate is never inside.
    geometry
        As Bokeh tells it: ``type`` ``rect`` with ``x0``, ``x1``, ``y0``, ``y1``, or ``poly`` with the corners
        ``x`` and ``y``. A line that crosses itself encloses what its loops enclose.
    """
    if geometry["type"] == "rect":
        x0, x1 = sorted(float(geometry[name]) for name in ("x0", "x1"))
        y0, y1 = sorted(float(geometry[name]) for name in ("y0", "y1"))
        return in_box(x, y, x0, x1, y0, y1)
    px, py = np.asarray(geometry["x"], float), np.asarray(geometry["y"], float)
    if len(px) < 3:
        return np.empty(0, np.int64)
    shape = shapely.make_valid(shapely.Polygon(np.column_stack([px, py])))
    shapely.prepare(shape)
    near = in_box(x, y, px.min(), px.max(), py.min(), py.max())
    if len(near) < MANY_POINTS:
        return near[shapely.contains_xy(shape, x[near], y[near])]
    return near[_within(shape, x[near], y[near])]


def _within(shape: Any, x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.bool_]:
    """As ``contains_xy``, where only points in cells that the line crosses are looked at one by one."""
    x0, y0, x1, y1 = shape.bounds
    if not (x1 > x0 and y1 > y0):
        return shapely.contains_xy(shape, x, y)
    edges_x, edges_y = np.linspace(x0, x1, CELLS + 1), np.linspace(y0, y1, CELLS + 1)
    boxes = shapely.box(edges_x[None, :-1], edges_y[:-1, None], edges_x[None, 1:], edges_y[1:, None])
    line = shapely.boundary(shape)
    shapely.prepare(line)
    crossed = shapely.intersects(line, boxes)
    # Cells are widened by rounding: a neighbour of a crossed one may be crossed, too.
    crossed = ndimage.grey_dilation(crossed.astype(np.uint8), size=3).astype(bool)
    state = np.where(crossed, 2, shapely.contains_xy(shape, *_middles(edges_x, edges_y))).astype(np.uint8)
    column = np.minimum(((x - np.float32(x0)) * np.float32(CELLS / (x1 - x0))).astype(np.int32), CELLS - 1)
    row = np.minimum(((y - np.float32(y0)) * np.float32(CELLS / (y1 - y0))).astype(np.int32), CELLS - 1)
    found = state[np.maximum(row, 0), np.maximum(column, 0)]
    unsure = np.flatnonzero(found == 2)
    result = found == 1
    result[unsure] = shapely.contains_xy(shape, x[unsure], y[unsure])
    return result


def _middles(edges_x: NDArray[np.float64], edges_y: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    return np.meshgrid((edges_x[1:] + edges_x[:-1]) / 2, (edges_y[1:] + edges_y[:-1]) / 2)


def nearest(
    x: NDArray[np.float32], y: NDArray[np.float32], place: tuple[float, float], reach: tuple[float, float]
) -> int | None:
    """The point nearest to a place, None when there is none within reach; touches all points.

    Parameters
    ----------
    reach
        How far a point may be, across and up in units of the data: the half axes of an ellipse.
    """
    (px, py), (across, up) = place, reach
    near = in_box(x, y, px - across, px + across, py - up, py + up)
    if not len(near):
        return None
    distance = ((x[near].astype(float) - px) / across) ** 2 + ((y[near].astype(float) - py) / up) ** 2
    best = int(np.argmin(distance))
    return int(near[best]) if distance[best] <= 1 else None


def combined(selection: Rows, rows: Rows, mode: str, n_items: int) -> Rows:
    """A selection after a gesture, sorted and without doubles; touches one byte an item.

    Parameters
    ----------
    mode
        ``replace``, ``add`` or ``subtract``.
    """
    if mode == REPLACE:
        return rows
    mask = np.zeros(n_items, bool)
    mask[selection] = True
    mask[rows] = mode == ADD
    return np.flatnonzero(mask)


def inverted(selection: Rows, n_items: int) -> Rows:
    """All other rows, in order."""
    mask = np.ones(n_items, bool)
    mask[selection] = False
    return np.flatnonzero(mask)


def mode_of(modifiers: Mapping[str, bool] | None, chosen: str) -> str:
    """What a gesture does: Shift adds, Alt subtracts, else as chosen."""
    modifiers = modifiers or {}
    if modifiers.get("alt"):
        return SUBTRACT
    return ADD if modifiers.get("shift") else chosen
