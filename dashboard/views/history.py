"""What was answered, newest first: filtered, changed in place, undone one by one, and gone through again."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import panel as pn

from ...data.events import CLASS_ACTIONS, STATUS, Event
from ...data.log_state import LogState
from ..components.history import HistoryList
from ..history import Query, events_of, in_force, standing_of
from ..page import Page
from ..reasons import plain_name
from ..session import Commit, LabellingSession
from ..taxonomy_editing import words
from .item import class_list

MOST_LINES = 200


class HistoryView(pn.viewable.Viewer):
    """The label log as a list; every change of an answer is a further event of it."""

    title = "History"

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self.session: LabellingSession = page.session
        self.list = HistoryList(self._on_message, dark=page.dark, sizing_mode="stretch_both", min_height=120)
        page.react(lambda: setattr(self.list, "dark", page.dark), "dark")
        page.watch(self.session, lambda: self.list.send({"type": "changed"}), "committed", "taxonomy_revision")

    def __panel__(self) -> pn.viewable.Viewable:
        return self.list

    def _on_message(self, message: dict[str, Any]) -> None:
        kind, row = message.get("type"), message.get("row")
        query = Query.from_dict(message.get("query") or {})
        if kind == "load":
            self._load(query, message)
        elif kind == "undo":
            self._step(self.session.undo(annotator=self.page.annotator))
        elif kind == "redo":
            self._step(self.session.redo(annotator=self.page.annotator))
        elif kind == "undo_one":
            undone = self.session.undo_answer(str(message.get("target")), annotator=self.page.annotator)
            self.page.deliver(undone, lambda commit: None)
        elif kind == "decide":
            decisions = [message.get("decision") or {}]
            decided = self.session.decide(decisions, annotator=self.page.annotator)
            self.page.deliver(decided, lambda commit: None)
        elif kind == "open" and isinstance(row, int) and row >= 0:
            self.page.open(row)
        elif kind == "work":
            self.page.in_background(lambda: self._rows(query), self._work_through)

    def _load(self, query: Query, message: dict[str, Any]) -> None:
        offset = max(0, int(message.get("offset") or 0))
        limit = min(MOST_LINES, max(1, int(message.get("limit") or MOST_LINES)))
        facts = {"type": "lines", "number": message.get("number")}
        self.page.in_background(
            lambda: self._listed(query, offset, limit), lambda listed: self.list.send(facts | listed)
        )

    def _listed(self, query: Query, offset: int, limit: int) -> dict[str, Any]:
        """One page of lines, and what there is to choose from."""
        workspace, state = self.session.workspace, self.session.state
        events, total = events_of(workspace, query, offset, limit)
        if not events and total:  # answers have gone from the list meanwhile
            offset = (total - 1) // limit * limit
            events, total = events_of(workspace, query, offset, limit)
        rows = workspace.ids.find([event.item_id for event in events])
        return {
            "lines": [line_of(event, int(row), state) for event, row in zip(events, rows, strict=True)],
            "total": total,
            "offset": offset,
            "classes": class_list(self.session, self.page.dark),
            "shown": [c.name for _, c in workspace.taxonomy.shown],
            "annotators": workspace.log.known("annotator"),
            "strategies": [[name, plain_name(name)] for name in workspace.log.known("strategy")],
            "undoable": state.undoable(self.page.annotator) is not None,
            "redoable": state.redoable(self.page.annotator) is not None,
        }

    def _rows(self, query: Query) -> list[int]:
        """The rows of the answers in force that a query lists, the one given first before others."""
        texts = [event.item_id for event in reversed(in_force(self.session.state, query))]
        return [int(row) for row in self.session.workspace.ids.find(texts) if row >= 0]

    def _work_through(self, rows: list[int]) -> None:
        if rows:
            self.page.work_through(rows, "deferred items")

    def _step(self, future: Future[Commit]) -> None:
        def open_it(commit: Commit) -> None:
            if len(commit.rows) == 1:
                self.page.open(commit.rows[0])

        self.page.deliver(future, open_it)


def line_of(event: Event, row: int, state: LogState) -> dict[str, Any]:
    """An event as the browser lists it; a class by its name of now, with that of then where it was another."""
    is_label = STATUS.get(event.action) == "labelled"
    return {
        "event_id": event.event_id,
        "row": row,
        "item": event.item_id,
        "action": event.action.value,
        "label": state.class_of(event) if is_label else event.label,
        "is_label": is_label,
        "answer": _answer(event, state) if is_label else _other(event),
        "now": standing_of(event, state),
        "when": event.created_at.strftime("%Y-%m-%d %H:%M:%S"),
        "by": event.annotator,
        "strategy": plain_name(event.strategy) if event.strategy else "",
        "seconds": "" if event.dwell_ms is None else f"{event.dwell_ms / 1000:.1f}",
        "note": (event.note if event.item_id else "") or "",
        "item_note": state.notes.get(event.item_id, ""),
    }


def _answer(event: Event, state: LogState) -> str:
    now = state.class_of(event) or ""
    return now if now == event.label else f"{now} (then {event.label})"


def _other(event: Event) -> str:
    if event.action in CLASS_ACTIONS:
        return f"class {words(event)}"
    return f"{event.action.value} {event.label or ''}"
