"""What was answered, newest first; undo, redo, and opening an item again."""

from __future__ import annotations

from typing import Any

import pandas as pd
import panel as pn
import panel_material_ui as pmui

from ...data.events import CLASS_ACTIONS, STEPS, Event, LogState
from ..page import Page
from ..session import Commit, LabellingSession
from .marks import COMPACT_TABLE, SMALL

MOST_LISTED = 500
COLUMNS = ["item", "answer", "when (UTC)", "by", "round", "strategy", "seconds", "note"]


class HistoryView(pn.viewable.Viewer):
    """The newest events of the label log; a click opens the item so that its answer can be changed."""

    title = "History"

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self.session: LabellingSession = page.session
        self.undo = pmui.Button(label="Undo (z)", size="small", variant="outlined")
        self.redo = pmui.Button(label="Redo (Z)", size="small", variant="outlined")
        self.undo.on_click(lambda _: page.deliver(self.session.undo(), self._stepped))
        self.redo.on_click(lambda _: page.deliver(self.session.redo(), self._stepped))
        self.note = pn.pane.HTML("", margin=(8, 10), sizing_mode="stretch_width", styles=SMALL)
        self.table = pn.widgets.Tabulator(
            pd.DataFrame(columns=COLUMNS),
            disabled=True,
            show_index=False,
            pagination="remote",
            page_size=50,
            layout="fit_data_stretch",
            sizing_mode="stretch_both",
            min_height=120,
            theme="simple",
            stylesheets=[COMPACT_TABLE],
        )
        self.table.on_click(self._clicked)
        page.watch(self.session, self._load, "committed")
        self._load()

    def __panel__(self) -> pn.viewable.Viewable:
        buttons = pmui.Row(self.undo, self.redo, self.note, sizing_mode="stretch_width")
        return pmui.Column(buttons, self.table, sizing_mode="stretch_both")

    def _load(self) -> None:
        self.page.in_background(self._frame, self._take)

    def _take(self, frame: pd.DataFrame) -> None:
        self.table.value = frame
        state = self.session.state
        self.undo.disabled = state.undoable(self.session.annotator) is None
        self.redo.disabled = state.redoable(self.session.annotator) is None
        self.note.object = "Click a line to open its item and change the answer; undone answers stay in the log."

    def _frame(self) -> pd.DataFrame:
        events = self.session.workspace.log.events(newest_first=True, limit=MOST_LISTED)
        state = self.session.state
        lines = [
            (
                event.item_id,
                answer_words(event, state),
                event.created_at.strftime("%Y-%m-%d %H:%M:%S"),
                event.annotator,
                "" if event.round is None else str(event.round),
                event.strategy or "",
                "" if event.dwell_ms is None else f"{event.dwell_ms / 1000:.1f}",
                (event.note if event.item_id else "") or "",
            )
            for event in events
        ]
        return pd.DataFrame(lines, columns=COLUMNS)

    def _stepped(self, commit: Commit) -> None:
        if len(commit.rows) == 1:
            self.page.open(commit.rows[0])

    def _clicked(self, event: Any) -> None:
        item_id = str(self.table.value["item"].iloc[event.row])
        if item_id:  # changes of classes are of no item
            self.page.open(self.session.workspace.ids.row(item_id))


def answer_words(event: Event, state: LogState) -> str:
    """What an event said; a class by its name of now, with the one it had then where that was another."""
    if event.action in CLASS_ACTIONS:
        return f"{event.action.value.replace('_', ' ')}: {event.label}"
    now = state.class_of(event) if event.action not in STEPS else event.label
    if now is None or now == event.label:
        return event.label or event.action.value
    return f"{now} (then {event.label})"
