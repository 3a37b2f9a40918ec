"""One map: its figure, what is drawn over the points, its axes and its colour."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
from bokeh.models import ColumnDataSource, Scatter
from numpy.typing import NDArray

from ...data.errors import InputError
from ..anchors import anchor_rows
from ..components.map_bar import MapHead
from ..page import Page
from ..session import LabellingSession
from ..time_machine import labels_at
from .map_axes import is_projection, partner
from .map_colours import CLASS, DENSITY, Coloured, choices, coloured, kind_of
from .map_legend import Entry, Legend
from .marks import ANCHOR, ANCHOR_COLOURS, SMALL, mark, on_ground
from .raster import DARK, LIGHT, Handlers, RasterScatter

if TYPE_CHECKING:
    from .map import MapView

MOST_LABELLED = 20_000  # glyphs; the newest ones are drawn
MOST_QUEUED = 50
HIDDEN = "position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)"
LABELLED, QUEUED, SELECTED, CURRENT, ANCHORS = "labelled", "queued", "selected", "current", "anchors"
LAYERS = {
    LABELLED: "labelled items",
    QUEUED: "the next of the queue",
    SELECTED: "the selection",
    CURRENT: "the item on the card",
    ANCHORS: "anchors of the round",
}


class MapPanel:
    """A map among others: they share selection, layers and tools, and each has its own axes and colour.

    Parameters
    ----------
    board
        The maps of the page.
    number
        Of this map, from 1.
    choice
        ``x``, ``y`` and ``colour``.
    """

    def __init__(self, board: MapView, number: int, choice: Mapping[str, str]) -> None:
        self.board = board
        self.page: Page = board.page
        self.session: LabellingSession = board.session
        self.number = number
        self.choice = dict(choice)
        self.legend = Legend("density")
        self.x = self.y = np.empty(0, np.float32)
        self._loads = self._colours = self._labellings = 0
        self._coloured_by = ""
        handlers = Handlers(board.select, self.page.open, self._write, board.show_corners)
        self.scatter = RasterScatter(self.page, f"map {number}", handlers)
        self._add_overlays()
        self.head = MapHead(self._receive, sizing_mode="stretch_width", margin=0)
        self.note = pn.pane.HTML("", sizing_mode="stretch_width", margin=(0, 10), styles=SMALL)
        self.box = pmui.Column(
            self.head,
            pn.pane.Bokeh(self.scatter.figure, sizing_mode="stretch_both", min_height=120, margin=0),
            self.note,
            sizing_mode="stretch_both",
            margin=0,
            styles={"min-width": "0", "min-height": "0"},
        )

    @property
    def is_shown(self) -> bool:
        """Whether the map is on the page."""
        return self.scatter.is_shown

    def set_shown(self, shown: bool) -> None:
        """Put the map on the page, or take it away."""
        self.scatter.is_shown = self.box.visible = shown
        if shown:
            self.load_axes()
        else:
            self.x = self.y = np.empty(0, np.float32)  # the points of a large pool need not be kept
            self._coloured_by = ""
            self.scatter.set_colouring(None)
            self.scatter.set_points(self.x, self.y, ("", ""))

    # ---- axes ------------------------------------------------------------------------------------

    def load_axes(self) -> None:
        """Read what the axes show, then draw; a projection that is not there yet is begun."""
        self._loads += 1
        turn, names = self._loads, (self.choice["x"], self.choice["y"])
        if not self.board.axes.is_ready(names):
            self.board.begin_projection()
            return
        self.page.in_background(
            lambda: tuple(self.board.axes.values(name) for name in names),
            lambda values: self._take_axes(turn, names, values),
        )

    def _take_axes(
        self, turn: int, names: tuple[str, str], values: tuple[NDArray[np.float32], NDArray[np.float32]]
    ) -> None:
        if turn != self._loads or not self.is_shown:
            return  # chosen anew while these were read
        self.x, self.y = values
        self.scatter.set_points(*values, names)
        self.scatter.chosen = self.page.selection if self.board.layers[SELECTED] else self.page.selection[:0]
        self.draw_labelled()
        self.draw_queue()
        self.draw_current()
        self.draw_anchors()
        if self._coloured_by != self.choice["colour"]:
            self.load_colours()
        self._write()

    # ---- colours ---------------------------------------------------------------------------------

    def load_colours(self) -> None:
        """Work out the colours; the map stays as it is until they are there."""
        if not self.is_shown:
            return
        self._colours += 1
        turn, choice = self._colours, self.choice["colour"]
        kind = kind_of(choice)
        if kind is not None:
            self.session.scores.renew(kind)
        self.page.in_background(lambda: self._coloured(choice), lambda found: self._take_colours(turn, found))

    def _coloured(self, choice: str) -> Coloured:
        try:
            return coloured(self.session, choice)
        except InputError as error:
            return Coloured(None, Legend(choice.partition(": ")[2] or choice, note=str(error)))

    def _take_colours(self, turn: int, found: Coloured) -> None:
        if turn != self._colours or not self.is_shown:
            return
        self.legend, self._coloured_by = found.legend, self.choice["colour"]
        if found.colouring is not None or self.scatter.colouring is not None:
            self.scatter.set_colouring(found.colouring)
        self._write()

    # ---- layers ----------------------------------------------------------------------------------

    def _add_overlays(self) -> None:
        plot = self.scatter.figure
        self.queued = ColumnDataSource({"x": [], "y": []})
        self.labelled = ColumnDataSource({"x": [], "y": [], "colour": [], "marker": [], "size": []})
        self.current = ColumnDataSource({"x": [], "y": []})
        self.anchored = ColumnDataSource({"x": [], "y": []})
        at = {"x": "x", "y": "y"}
        queue = plot.add_glyph(self.queued, Scatter(**at, size=7, fill_alpha=0, line_width=1.2))
        labelled = plot.add_glyph(
            self.labelled, Scatter(**at, size="size", marker="marker", fill_color="colour", line_width=0.8)
        )
        anchors = plot.add_glyph(
            self.anchored, Scatter(**at, size=17, marker=ANCHOR.marker, fill_alpha=0, line_width=1.8)
        )
        halo = plot.add_glyph(self.current, Scatter(**at, size=22, fill_alpha=0, line_width=5))
        ring = plot.add_glyph(self.current, Scatter(**at, size=22, fill_alpha=0, line_width=2))
        self._glyphs = {QUEUED: (queue,), LABELLED: (labelled,), CURRENT: (halo, ring), ANCHORS: (anchors,)}

    def recolour(self) -> None:
        """Take the theme of the page."""
        theme = DARK if self.page.dark else LIGHT
        self.scatter.set_theme(theme)
        self._glyphs[QUEUED][0].glyph.line_color = theme.chosen[1]
        self._glyphs[LABELLED][0].glyph.line_color = theme.ground
        self._glyphs[ANCHORS][0].glyph.line_color = ANCHOR_COLOURS[self.page.dark]
        halo, ring = self._glyphs[CURRENT]
        halo.glyph.line_color, ring.glyph.line_color = theme.ground, theme.ink
        self.draw_labelled()
        self._write()

    def show_layers(self) -> None:
        """Draw the layers that are switched on."""
        for name, glyphs in self._glyphs.items():
            for glyph in glyphs:
                glyph.visible = self.board.layers[name]
        self.draw_anchors()
        self.draw_selection()

    def draw_selection(self) -> None:
        """Set the selected items off from the others."""
        if not self.is_shown:
            return
        rows = self.page.selection if self.board.layers[SELECTED] else self.page.selection[:0]
        self.scatter.set_chosen(rows)
        self._write()

    def draw_labelled(self) -> None:
        """Draw labelled items in the colour and shape of their class."""
        if self.is_shown:
            self._labellings += 1
            turn = self._labellings
            self.page.in_background(
                lambda: self._labelled_points() if turn == self._labellings else None, self._take_labelled
            )
            self._write()

    def _take_labelled(self, data: dict[str, Any] | None) -> None:
        if data is not None:  # while a log is played, only the newest place is drawn
            self.labelled.data = data

    def _labelled_points(self) -> dict[str, Any]:
        x, y = self.x, self.y
        rows, classes = (values[-MOST_LABELLED:] for values in labels_at(self.page))
        taxonomy = list(self.session.workspace.taxonomy)
        rare_last = np.argsort([taxonomy[c].wanted for c in classes], kind="stable")
        rows, classes = rows[rare_last][: len(x)], classes[rare_last][: len(x)]
        return {
            "x": x[rows] if len(x) else x,
            "y": y[rows] if len(y) else y,
            "colour": [on_ground(taxonomy[c].colour, self.page.dark) for c in classes],
            "marker": [mark(int(c)).marker for c in classes],
            "size": [12 if taxonomy[c].wanted else 8 for c in classes],
        }

    def draw_queue(self) -> None:
        """Ring the items that are asked next."""
        self.queued.data = self._at(np.array([q.row for q in self.session.queue[:MOST_QUEUED]], dtype=np.int64))

    def draw_anchors(self) -> None:
        """Frame the labelled items from which the newest round drew neighbours."""
        if self.is_shown:
            self.anchored.data = self._at(self._anchors())
            self._write()

    def _anchors(self) -> NDArray[np.int64]:
        """Their rows; none while the page is back in time, since these are of now."""
        rows = anchor_rows(self.session.report)
        is_drawn = self.board.layers[ANCHORS] and self.page.at_label is None
        return rows[rows < self.session.workspace.table.n_rows] if is_drawn else rows[:0]

    def draw_current(self) -> None:
        """Ring the item on the card."""
        row = self.page.current
        self.current.data = self._at(np.array([] if row is None else [row], dtype=np.int64))

    def _at(self, rows: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
        rows = rows if len(self.x) else rows[:0]
        return {"x": self.x[rows], "y": self.y[rows]}

    # ---- controls --------------------------------------------------------------------------------

    def show_head(self) -> None:
        """Tell the line above the map what it offers."""
        colours: dict[str, list[tuple[str, str]]] = {}
        for value, text, group in choices(self.session):
            colours.setdefault(group, []).append((value, text))
        self.head.show(
            {
                "number": self.number,
                "axes": self.board.axes.groups(),
                "colours": [[group, options] for group, options in colours.items()],
                "closable": self.board.n_shown > 1,
                "dark": self.page.dark,
                "job": self.board.job_text if self._waits() else "",
                **self.choice,
            }
        )

    def _waits(self) -> bool:
        return not self.board.axes.is_ready((self.choice["x"], self.choice["y"]))

    def _receive(self, message: dict[str, Any]) -> None:
        actions: dict[str, Callable[[], None]] = {
            "choose": lambda: self._choose(str(message.get("what")), str(message.get("value"))),
            "cancel": self.board.cancel_projection,
            "close": lambda: self.board.close_map(self),
        }
        action = actions.get(str(message.get("type")))
        if action is not None:
            self.page.hop(action)

    def _choose(self, what: str, value: str) -> None:
        if what not in self.choice:
            return
        if what != "colour" and (refusal := self.board.axes.refusal(value)):
            self.page.tell(refusal, kind="warning")
            self.head.show({})
            self.show_head()
            return
        self.choice[what] = value
        if what == "colour":
            if (kind := kind_of(value)) is not None:
                self.session.scores.ask_again(kind)
            self.load_colours()
        else:
            other = "y" if what == "x" else "x"
            if is_projection(value) and is_projection(self.choice[other]):
                self.choice[other] = partner(value)  # two projections do not go together
            self.load_axes()
        self.show_head()
        self.board.remember()

    # ---- words -----------------------------------------------------------------------------------

    def _write(self) -> None:
        """Say below the map what its colours mean, and for those who do not see it what it shows."""
        if not self.is_shown:
            return
        legend = self._legend()
        x0, x1, y0, y1 = self.scatter.view
        left_out = len(self.x) - self.scatter.n_drawn
        words = (
            f"Map {self.number}: {self.scatter.n_drawn:,} items, "
            f"{self.choice['x']} across from {x0:.4g} to {x1:.4g}, "
            f"{self.choice['y']} up from {y0:.4g} to {y1:.4g}; {legend.words()}; "
            f"{len(self.page.selection):,} selected."
        )
        parts = [legend.html(dark=self.page.dark)]
        if left_out:
            parts.append(f"<span>{left_out:,} without a value on these axes</span>")
        self.note.object = (
            f'<div>{"".join(parts)}<div role="img" data-testid="map-words" aria-label="{escape(words)}" '
            f'style="{HIDDEN}">{escape(words)}</div></div>'
        )

    def _legend(self) -> Legend:
        """The legend, with the frame of anchors where there are some."""
        legend, n = self._legend_of_colours(), len(self._anchors())
        if not n:
            return legend
        return replace(
            legend, entries=(Entry(ANCHOR_COLOURS, f"anchors {n:,}", ANCHOR.character), *legend.entries)
        )

    def _legend_of_colours(self) -> Legend:
        """What the colours mean; with the density, it names the shapes of the labelled items too."""
        if self.choice["colour"] not in (DENSITY, CLASS) or self.legend.title != "density":
            return self.legend
        found = self.session.found() if self.board.layers[LABELLED] else {}
        entries = tuple(
            Entry((c.colour, on_ground(c.colour, dark=True)), f"{c.name} {found[c.name]:,}", mark(i).character)
            for i, c in enumerate(self.session.workspace.taxonomy)
            if found.get(c.name)
        )
        return Legend(self.legend.title, entries, note=self.legend.note)
