"""The maps: the whole pool on pairs of axes, linked; what is selected on one is selected everywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
from numpy.typing import NDArray

from ...data.errors import InputError
from .. import projections
from ..components.map_bar import MapBar
from ..jobs import Job
from ..page import Page
from ..session import LabellingSession
from .map_axes import UMAP, Axes, is_projection
from .map_colours import CLASS, DENSITY, PREDICTED, choices, kind_of
from .map_panel import LAYERS, MapPanel
from .marks import SMALL
from .picking import MODES, REPLACE, combined, inverted, mode_of
from .raster import BOX, LASSO, MOVE, POLYGON

MOST_MAPS = 3
THE_MAP = "the map"
SETTING = "maps"


class MapView(pn.viewable.Viewer):
    """Linked maps: tap opens the nearest item; lasso, box and polygon select on the full data.

    A map is made when it is first asked for; one that is closed is hidden until another is wanted.
    """

    title = "Map"

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self.session: LabellingSession = page.session
        self.axes = Axes(self.session)
        self.tool, self.mode = LASSO, REPLACE
        self.corners = 0
        self._is_past = page.at_label is not None
        self.job_text = ""
        self._job: Job | None = None
        self._coming: MapPanel | None = None  # a new map that the browser does not have yet
        stored = _stored(self.session.workspace.settings.get(SETTING))
        self.layers = {name: bool(stored["layers"].get(name, True)) for name in LAYERS}
        self.bar = MapBar(self._receive, sizing_mode="stretch_width", margin=0)
        self.note = pn.pane.HTML("", sizing_mode="stretch_width", margin=(0, 10), styles=SMALL)
        self.panels = self._make_panels(stored["panels"])
        self.maps = pn.Row(
            *(panel.box for panel in self.panels), sizing_mode="stretch_both", margin=0, styles={"min-height": "0"}
        )
        self._follow()
        for panel in self.panels:
            panel.recolour()
        self._show_controls()
        page.when_shown(self._load)

    def __panel__(self) -> pn.viewable.Viewable:
        return pmui.Column(self.bar, self.maps, self.note, sizing_mode="stretch_both", margin=0)

    @property
    def shown(self) -> list[MapPanel]:
        """The maps on the page."""
        return [panel for panel in self.panels if panel.is_shown]

    @property
    def n_shown(self) -> int:
        """How many maps are on the page."""
        return len(self.shown)

    def _make_panels(self, stored: list[dict[str, str]]) -> list[MapPanel]:
        usual = {"x": self.axes.usual[0], "y": self.axes.usual[1], "colour": DENSITY}
        colours = {value for value, _, _ in choices(self.session)}
        panels = []
        for number, kept in enumerate(stored or [{}], start=1):
            choice = dict(usual)
            names = (kept.get("x"), kept.get("y"))
            if all(name in self.axes.names and self.axes.is_ready((name,)) for name in names):
                choice.update(x=str(names[0]), y=str(names[1]))
            if kept.get("colour") in colours:
                choice["colour"] = str(kept["colour"])
            panels.append(MapPanel(self, number, choice))
        return panels

    def _follow(self) -> None:
        """Redraw what changes, each map its own layers."""
        page, session = self.page, self.session
        page.react(self._recolour, "dark")
        page.react(self._draw_selection, "selection")
        page.react(lambda: self._each(MapPanel.draw_current), "current")
        page.react(self._time_changed, "at_label")
        page.watch(session, lambda: self._each(MapPanel.draw_labelled), "committed", "taxonomy_revision")
        page.watch(session, lambda: self._each(MapPanel.draw_queue), "queue")
        page.watch(session, self._round_ended, "report")
        page.watch(session, self._classes_changed, "taxonomy_revision")
        page.watch(session.scores, self._scores_changed, "model", "unlike", "why")

    def _load(self) -> None:
        self._each(MapPanel.show_layers)
        self._each(MapPanel.load_axes)
        self._write_note()

    def _each(self, work: Callable[[MapPanel], None]) -> None:
        for panel in self.shown:
            work(panel)

    # ---- what changes ----------------------------------------------------------------------------

    def _recolour(self) -> None:
        for panel in self.panels:
            panel.recolour()
        self._show_controls()

    def _draw_selection(self) -> None:
        self._each(MapPanel.draw_selection)
        self._show_controls()

    def _time_changed(self) -> None:
        self._each(MapPanel.draw_labelled)
        if self._is_past != (self.page.at_label is not None):
            self._is_past = not self._is_past
            self._each(MapPanel.draw_anchors)

    def _round_ended(self) -> None:
        self._each(MapPanel.draw_anchors)
        self._recolour_where(lambda colour: kind_of(colour) is not None or colour == CLASS)

    def _scores_changed(self) -> None:
        self._recolour_where(lambda colour: kind_of(colour) is not None)

    def _classes_changed(self) -> None:
        self._recolour_where(lambda colour: colour in (CLASS, PREDICTED))
        self._each(MapPanel.show_head)

    def _recolour_where(self, applies: Callable[[str], bool]) -> None:
        for panel in self.shown:
            if applies(panel.choice["colour"]):
                panel.load_colours()

    # ---- selecting -------------------------------------------------------------------------------

    def select(self, rows: NDArray[np.int64], modifiers: Mapping[str, bool] | None) -> None:
        """Take what a gesture on a map encloses."""
        self._combine(rows, mode_of(modifiers, self.mode))

    def _combine(self, rows: NDArray[np.int64], mode: str) -> None:
        before, name, n_items = self.page.selection, self.page.selection_name, self._n_items
        joined = mode != REPLACE and len(before) and name not in ("", THE_MAP)

        def take(after: NDArray[np.int64]) -> None:
            if mode != REPLACE and self.page.selection is not before:
                self._combine(rows, mode)  # another gesture was quicker: this one adds to what it made
            else:
                self._take(after, f"{name}, and the map" if joined else THE_MAP)

        self.page.in_background(lambda: combined(before, rows, mode, n_items), take)

    def _take(self, rows: NDArray[np.int64], name: str) -> None:
        self.page.param.update(selection=rows, selection_name=name if len(rows) else "")

    def _invert(self) -> None:
        before, name, n_items = self.page.selection, self.page.selection_name, self._n_items

        def take(rows: NDArray[np.int64]) -> None:
            if self.page.selection is not before:
                self._invert()
            else:
                self._take(rows, f"all but {name}" if name else "the whole pool")

        self.page.in_background(lambda: inverted(before, n_items), take)

    @property
    def _n_items(self) -> int:
        return int(self.session.workspace.table.n_rows)

    def show_corners(self, n: int) -> None:
        """Say how far the polygon is that is being drawn."""
        self.corners = n
        self._show_controls()

    # ---- controls --------------------------------------------------------------------------------

    def _receive(self, message: dict[str, Any]) -> None:
        value = str(message.get("value"))
        actions: dict[str, Callable[[], None]] = {
            "tool": lambda: self._set_tool(value),
            "mode": lambda: self._set_mode(value),
            "layer": lambda: self._set_layer(str(message.get("name")), on=bool(message.get("on"))),
            "invert": self._invert,
            "clear": self.page.finder.clear,
            "reset": lambda: self._each(lambda panel: panel.scatter.show_all()),
            "add": self._add_map,
            "close-polygon": lambda: self._each(lambda panel: panel.scatter.close_outline()),
            "drop-polygon": lambda: self._each(lambda panel: panel.scatter.drop_outline()),
        }
        action = actions.get(str(message.get("type")))
        if action is not None:
            self.page.hop(action)

    def _set_tool(self, tool: str) -> None:
        if tool not in (MOVE, LASSO, BOX, POLYGON):
            return
        self.tool = tool
        for panel in self.panels:
            panel.scatter.set_tool(tool)
        self._show_controls()

    def _set_mode(self, mode: str) -> None:
        if mode in MODES:
            self.mode = mode
            self._show_controls()

    def _set_layer(self, name: str, *, on: bool) -> None:
        if name not in self.layers:
            return
        self.layers[name] = on
        self._each(MapPanel.show_layers)
        self._show_controls()
        self.remember()

    def _show_controls(self) -> None:
        self.bar.show(
            {
                "tool": self.tool,
                "mode": self.mode,
                "layers": [{"name": name, "text": LAYERS[name], "on": on} for name, on in self.layers.items()],
                "maps": self.n_shown,
                "most": MOST_MAPS,
                "corners": self.corners,
                "selected": len(self.page.selection),
                "dark": self.page.dark,
            }
        )
        for panel in self.panels:
            panel.show_head()
        self._write_note()

    # ---- several maps ----------------------------------------------------------------------------

    def _add_map(self) -> None:
        if self.n_shown == MOST_MAPS:
            return
        choice = self.shown[-1].choice
        panel = next((panel for panel in self.panels if not panel.is_shown), None)
        if panel is not None:
            panel.choice.update(choice)
            self._show_map(panel)
        elif self._coming is None:
            self._coming = panel = MapPanel(self, len(self.panels) + 1, choice)
            panel.scatter.is_shown = False
            panel.recolour()
            panel.head.when_there = lambda: self.page.hop(self._take_map)
            self.maps.append(panel.box)

    def _take_map(self) -> None:
        """Draw a map that the browser has now: what is changed of its parts before may overtake the map itself."""
        panel, self._coming = self._coming, None
        if panel is not None:
            panel.recolour()
            panel.scatter.set_tool(self.tool)
            self.panels.append(panel)
            self._show_map(panel)

    def _show_map(self, panel: MapPanel) -> None:
        panel.set_shown(True)
        panel.show_layers()
        self._show_controls()
        self.remember()

    def close_map(self, panel: MapPanel) -> None:
        """Take a map off the page; the last one stays."""
        if self.n_shown > 1:
            panel.set_shown(False)
            self.axes.forget({one.choice[axis] for one in self.shown for axis in ("x", "y")})
            self._show_controls()
            self.remember()

    def remember(self) -> None:
        """Keep which maps are shown, and how, in the workspace."""
        workspace = self.session.workspace
        workspace.settings[SETTING] = {
            "panels": [dict(panel.choice) for panel in self.shown],
            "layers": dict(self.layers),
        }
        self._write_note()
        self.page.in_background(workspace.save, lambda _: None)

    # ---- projections -----------------------------------------------------------------------------

    def begin_projection(self) -> None:
        """Have the UMAP made, or wait with the page that has it made."""
        if self._job is not None:
            return
        try:
            job = projections.begin(self.session, self.axes.umap)
        except InputError as error:
            self._give_up(str(error))
            return
        self._job = job
        self.page.watch(job, self._follow_job, "share", "text", "state")
        self._follow_job()

    def cancel_projection(self) -> None:
        """Stop the UMAP; maps that wait for it show what they showed before."""
        if self._job is not None:
            self.page.in_background(self._job.cancel, lambda _: None)

    def _follow_job(self) -> None:
        job = self._job
        if job is None:
            return
        self.job_text = f"{job.text or 'starting UMAP'} · {job.share:.0%}"
        if job.state == "running":
            self._each(MapPanel.show_head)
            return
        self._job = None
        self.job_text = ""
        if job.state == "done":
            self._each(lambda panel: panel.load_axes() if self._shows_umap(panel) else None)
            self._show_controls()
        else:
            self._give_up(job.error or "the UMAP was cancelled")

    def _give_up(self, why: str) -> None:
        """Bring maps that wait for a projection back to the usual axes."""
        self.page.tell(why, kind="warning")
        for panel in self.shown:
            if self._shows_umap(panel):
                panel.choice.update(x=self.axes.usual[0], y=self.axes.usual[1])
                panel.load_axes()
        self._show_controls()
        self.remember()

    def _shows_umap(self, panel: MapPanel) -> bool:
        return any(panel.choice[axis] in UMAP for axis in ("x", "y"))

    # ---- words -----------------------------------------------------------------------------------

    def _write_note(self) -> None:
        parts = [f"{self._n_items:,} items"]
        if len(self.page.selection):
            parts.append(f"<b>{len(self.page.selection):,} selected</b>")
        if self.tool == POLYGON:
            parts.append(
                f"polygon: {self.corners} corners, a double tap closes it" if self.corners else "tap the corners"
            )
        if any(is_projection(panel.choice[axis]) for panel in self.shown for axis in ("x", "y")):
            parts.append("distances on a projection are not real distances")
        self.note.object = f'<div role="status" data-testid="map-note">{" · ".join(parts)}</div>'


def _stored(content: Any) -> dict[str, Any]:
    """What the workspace remembers of the maps; a file that a user has edited may hold anything."""
    content = content if isinstance(content, dict) else {}
    panels = content.get("panels")
    panels = [p for p in panels if isinstance(p, dict)] if isinstance(panels, list) else []
    layers = content.get("layers")
    return {"panels": panels[:MOST_MAPS], "layers": layers if isinstance(layers, dict) else {}}
