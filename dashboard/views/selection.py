"""The selected items as a list; a click opens one on the card."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import panel as pn
import panel_material_ui as pmui

from ..items import format_value
from ..page import Page
from ..session import LabellingSession
from .marks import COMPACT_TABLE, SMALL

MOST_LISTED = 5_000
PAGE_SIZE = 50
MOST_COLUMNS = 8


class SelectionView(pn.viewable.Viewer):
    """Lists the rows of ``page.selection`` with their answers."""

    title = "Selection"

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self.session: LabellingSession = page.session
        self.note = pn.pane.HTML("", sizing_mode="stretch_width", margin=(5, 10), styles=SMALL)
        self.table = pn.widgets.Tabulator(
            self._frame(np.empty(0, np.int64)),
            disabled=True,
            show_index=False,
            hidden_columns=["row"],
            pagination="remote",
            page_size=PAGE_SIZE,
            layout="fit_data_stretch",
            sizing_mode="stretch_both",
            min_height=120,
            theme="simple",
            stylesheets=[COMPACT_TABLE],
        )
        self.table.on_click(self._clicked)
        page.react(self._load, "selection")
        page.watch(self.session, self._load, "committed")
        self._load()

    def __panel__(self) -> pn.viewable.Viewable:
        return pmui.Column(self.note, self.table, sizing_mode="stretch_both")

    def _load(self) -> None:
        rows = self.page.selection
        if not len(rows):
            self.note.object = "Draw a lasso or a box on the map: the items inside are listed here."
        self.table.visible = bool(len(rows))
        self.page.in_background(lambda: self._frame(rows[:MOST_LISTED]), lambda f: self._take(f, len(rows)))

    def _take(self, frame: pd.DataFrame, n_selected: int) -> None:
        if not n_selected:
            return
        answered = int((frame["answer"] != "").sum())
        cut = f" The first {len(frame):,} are listed." if n_selected > len(frame) else ""
        self.note.object = (
            f'<div role="status" data-testid="selection-note"><b>{n_selected:,} items</b> from '
            f"{self.page.selection_name or 'the map'}, {answered:,} of the listed answered.{cut} "
            "Click one to open it.</div>"
        )
        self.table.value = frame

    def _frame(self, rows: np.ndarray) -> pd.DataFrame:
        """One line an item: row, id, answer, and the first shown columns as text."""
        workspace = self.session.workspace
        shown = [name for name in workspace.roles.shown if name != workspace.roles.image][:MOST_COLUMNS]
        values = workspace.table.take(rows, shown).to_pydict() if shown else {}
        states = [self.session.item_state(int(row)) for row in rows]
        frame = {
            "row": rows,
            "item": workspace.ids.texts(rows),
            "answer": [state.get("label") or state.get("status") or "" for state in states],
        }
        taken = set(frame)
        for name in shown:
            frame[name if name not in taken else f"{name} (table)"] = [format_value(v) for v in values[name]]
        return pd.DataFrame(frame)

    def _clicked(self, event: Any) -> None:
        self.page.open(int(self.table.value["row"].iloc[event.row]))
