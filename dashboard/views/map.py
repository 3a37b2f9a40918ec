"""The map: the whole pool on two axes, with what is labelled, queued, selected and on the card."""

from __future__ import annotations

from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
from bokeh.models import ColumnDataSource
from numpy.typing import NDArray

from ..page import Page
from ..session import LabellingSession
from ..time_machine import labels_at
from ..worker import plane_path
from .marks import SMALL, mark
from .raster import DARK, LIGHT, RasterScatter

PLANE = ("principal component 1", "principal component 2")
MOST_LABELLED = 20_000  # glyphs; the newest ones are drawn


class MapView(pn.viewable.Viewer):
    """A linked map: tap opens the nearest item, lasso and box select on the full data."""

    title = "Map"

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self.session: LabellingSession = page.session
        self.scatter = RasterScatter(page, on_select=self._select, on_tap=page.open)
        self._add_overlays()
        axes = self._axis_names()
        self.x_axis = pmui.Select(label="Across", options=axes, value=axes[0], size="small", width=190)
        self.y_axis = pmui.Select(label="Up", options=axes, value=axes[1], size="small", width=190)
        self.clear = pmui.Button(label="Clear selection", size="small", variant="outlined", visible=False)
        self.note = pn.pane.HTML("", sizing_mode="stretch_width", margin=(0, 10), styles=SMALL)
        self.x_axis.param.watch(lambda _: self._load_axes(), "value")
        self.y_axis.param.watch(lambda _: self._load_axes(), "value")
        self.clear.on_click(lambda _: page.param.update(selection=np.empty(0, np.int64), selection_name=""))
        page.react(self._recolour, "dark")
        page.react(self._draw_selection, "selection")
        page.react(self._draw_current, "current")
        page.react(self._draw_labelled, "at_label")
        page.watch(self.session, self._draw_labelled, "committed", "taxonomy_revision")
        page.watch(self.session, self._draw_queue, "queue")
        self._recolour()
        page.when_shown(self._load_axes)

    def __panel__(self) -> pn.viewable.Viewable:
        controls = pmui.Row(self.x_axis, self.y_axis, self.clear, sizing_mode="stretch_width")
        return pmui.Column(
            controls,
            pn.pane.Bokeh(self.scatter.figure, sizing_mode="stretch_both", min_height=180),
            self.note,
            sizing_mode="stretch_both",
        )

    # ---- axes ------------------------------------------------------------------------------------

    def _axis_names(self) -> list[str]:
        """Columns that can be an axis: the plane when there is one, then numeric columns."""
        roles, table = self.session.workspace.roles, self.session.workspace.table
        numeric = [name for name in table.names if table.is_number(name) and name != roles.id]
        if roles.label_use != "ignore":
            numeric = [name for name in numeric if name != roles.label]
        preferred = [name for name in (*roles.shown, *roles.features) if name in numeric]
        columns = list(dict.fromkeys([*preferred, *numeric]))
        plane = list(PLANE) if plane_path(self.session.workspace).exists() else []
        return plane + columns or ["row number", "row number "]

    def _load_axes(self) -> None:
        names = (self.x_axis.value, self.y_axis.value)
        self.page.in_background(
            lambda: (self._values(names[0]), self._values(names[1])),
            lambda values: self._take_axes(names, values),
        )

    def _values(self, name: str) -> NDArray[np.float32]:
        if name in PLANE:
            plane = np.load(plane_path(self.session.workspace), mmap_mode="r")
            return np.ascontiguousarray(plane[:, PLANE.index(name)])
        if name.startswith("row number"):
            return np.arange(self.session.workspace.table.n_rows, dtype=np.float32)
        return self.session.workspace.table.floats(name)

    def _take_axes(self, names: tuple[str, str], values: tuple[NDArray[np.float32], NDArray[np.float32]]) -> None:
        if names != (self.x_axis.value, self.y_axis.value):
            return  # chosen anew while these were read
        self.x, self.y = values
        self.scatter.set_points(*values, names)
        self._draw_labelled()
        self._draw_queue()
        self._draw_current()
        self._write_note()

    # ---- layers ----------------------------------------------------------------------------------

    def _add_overlays(self) -> None:
        plot = self.scatter.figure
        self.x = self.y = np.empty(0, np.float32)
        self.queued = ColumnDataSource({"x": [], "y": []})
        self.labelled = ColumnDataSource({"x": [], "y": [], "colour": [], "marker": [], "size": []})
        self.current = ColumnDataSource({"x": [], "y": []})
        self._queue_glyph = plot.scatter("x", "y", source=self.queued, size=7, fill_alpha=0, line_width=1.2)
        plot.scatter(
            "x", "y", source=self.labelled, size="size", marker="marker", fill_color="colour",
            line_color="#ffffff", line_width=0.6,
        )  # fmt: skip
        halo = plot.scatter("x", "y", source=self.current, size=22, fill_alpha=0, line_width=5)
        ring = plot.scatter("x", "y", source=self.current, size=22, fill_alpha=0, line_width=2)
        self._rings = (halo, ring)

    def _recolour(self) -> None:
        theme = DARK if self.page.dark else LIGHT
        self.scatter.set_theme(theme)
        self._queue_glyph.glyph.line_color = theme.chosen[1]
        halo, ring = self._rings
        halo.glyph.line_color, ring.glyph.line_color = theme.ground, theme.ink

    def _draw_labelled(self) -> None:
        self.page.in_background(self._labelled_points, lambda data: setattr(self.labelled, "data", data))

    def _labelled_points(self) -> dict[str, Any]:
        rows, classes = (values[-MOST_LABELLED:] for values in labels_at(self.page))
        taxonomy = list(self.session.workspace.taxonomy)
        rare_last = np.argsort([taxonomy[c].wanted for c in classes], kind="stable")
        rows, classes = rows[rare_last], classes[rare_last]
        return {
            "x": self.x[rows] if len(self.x) else np.empty(0),
            "y": self.y[rows] if len(self.y) else np.empty(0),
            "colour": [taxonomy[c].colour for c in classes] if len(self.x) else [],
            "marker": [mark(int(c)).marker for c in classes] if len(self.x) else [],
            "size": [12 if taxonomy[c].wanted else 8 for c in classes] if len(self.x) else [],
        }

    def _draw_queue(self) -> None:
        rows = np.array([q.row for q in self.session.queue[:50]], dtype=np.int64)
        self.queued.data = self._at(rows)

    def _draw_current(self) -> None:
        row = self.page.current
        self.current.data = self._at(np.array([] if row is None else [row], dtype=np.int64))

    def _draw_selection(self) -> None:
        self.scatter.set_chosen(self.page.selection)
        self.clear.visible = bool(len(self.page.selection))
        self._write_note()

    def _at(self, rows: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
        rows = rows if len(self.x) else rows[:0]
        return {"x": self.x[rows], "y": self.y[rows]}

    # ---- selecting -------------------------------------------------------------------------------

    def _select(self, rows: NDArray[np.int64]) -> None:
        self.page.param.update(selection=rows, selection_name="the map")

    def _write_note(self) -> None:
        n_items = self.session.workspace.table.n_rows
        left_out = n_items - self.scatter.n_drawn
        parts = [f"{n_items:,} items"]
        if left_out:
            parts.append(f"{left_out:,} without a value on these axes")
        if len(self.page.selection):
            parts.append(f"<b>{len(self.page.selection):,} selected</b>")
        if self.x_axis.value in PLANE:
            parts.append("distances on a projection are not real distances")
        self.note.object = f'<div role="status" data-testid="map-note">{" · ".join(parts)}</div>'
