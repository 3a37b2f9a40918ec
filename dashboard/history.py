"""What was answered, for those who look back: lists of events, and the answer before or after another one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa

from ..data.event_rows import EVENTS
from ..data.events import LABELS, STATUS, Action, Event
from ..data.log_state import ItemState, LogState
from ..data.workspace import Workspace
from .session import LabellingSession

SHOWN = ("all", "force", "deferred", "changed", "notes")
LONGEST_TEXT = 200


@dataclass(frozen=True)
class Query:
    """Which events of the log are listed.

    `shown` is one of `SHOWN`: all, answers in force, items put aside for a second look, answers that changed
    an earlier one, notes. The others narrow it where they are not empty: `answer` is an action or, after
    ``"class:"``, the name that a class has now; `text` is part of the item's id or the note.
    """

    shown: str = "all"
    answer: str = ""
    annotator: str = ""
    strategy: str = ""
    text: str = ""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Query:
        """A query from what a browser sends; what it does not know is passed over."""
        known = {f.name: str(values.get(f.name) or "")[:LONGEST_TEXT] for f in fields(cls)}
        return cls(**known | {"shown": known["shown"] if known["shown"] in SHOWN else "all"})

    def condition(self, state: LogState) -> sa.ColumnElement[bool]:
        """The events of the table that it lists; for ``force`` and ``deferred`` see `takes`."""
        conditions: list[sa.ColumnElement[bool]] = [sa.true()]
        if self.shown == "changed":
            conditions.append(EVENTS.c.action == Action.RELABEL.value)
        if self.shown == "notes":
            conditions.append(EVENTS.c.note.is_not(None) & (EVENTS.c.note != ""))
        if self.answer.startswith("class:"):
            conditions.append(_is_of_class(self.answer[6:], state))
        elif self.answer:
            conditions.append(EVENTS.c.action == self.answer)
        if self.annotator:
            conditions.append(EVENTS.c.annotator == self.annotator)
        if self.strategy:
            conditions.append(EVENTS.c.strategy == self.strategy)
        if self.text:
            is_in_id = EVENTS.c.item_id.icontains(self.text, autoescape=True)
            conditions.append(is_in_id | EVENTS.c.note.icontains(self.text, autoescape=True))
        return sa.and_(*conditions)

    def takes(self, item: ItemState) -> bool:
        """Whether an answer in force is listed."""
        text, event = self.text.casefold(), item.event
        return (
            (self.shown != "deferred" or event.action == Action.DEFER)
            and self.answer in ("", event.action.value, f"class:{item.label}")
            and self.annotator in ("", event.annotator)
            and self.strategy in ("", event.strategy)
            and (text in event.item_id.casefold() or text in (event.note or "").casefold())
        )


def _is_of_class(name: str, state: LogState) -> sa.ColumnElement[bool]:
    """Labels of a class, by its name of now, whatever it was called when they were given."""
    if not state.classes.have_moved:
        return (EVENTS.c.label == name) & EVENTS.c.action.in_([action.value for action in LABELS])
    # One parameter, however many labels there are.
    places = sa.func.json_each(json.dumps(state.labels_of(name))).table_valued("value")
    return EVENTS.c.seq.in_(sa.select(places.c.value))


def in_force(state: LogState, query: Query) -> list[Event]:
    """The answers in force that a query lists, the newest first."""
    taken = [item.event for item in list(state.items.values()) if query.takes(item)]
    return sorted(taken, key=lambda event: event.seq, reverse=True)


def events_of(workspace: Workspace, query: Query, offset: int, limit: int) -> tuple[list[Event], int]:
    """One page of the events that a query lists, the newest first, and how many there are in all."""
    log = workspace.log
    if query.shown in ("force", "deferred"):
        found = in_force(log.state(), query)
        return found[offset : offset + limit], len(found)
    condition = query.condition(log.state())
    page = log.events(newest_first=True, limit=limit, offset=offset, where=condition)
    return page, log.count(condition)


def standing_of(event: Event, state: LogState) -> str:
    """What has become of an event, in a word or two; empty where it is what counts."""
    if event.action in (Action.UNDO, Action.REDO):
        return ""
    if state.is_undone(event.event_id):
        return "undone"
    item = state.items.get(event.item_id)
    if event.action not in STATUS or item is None or item.event.event_id == event.event_id:
        return ""
    return f"now {item.label or item.status}"


def answer_beside(session: LabellingSession, row: int | None, annotator: str, *, back: bool) -> int | None:
    """The row of the annotator's answer before, or after, the one on an item.

    Parameters
    ----------
    row
        An item; where the annotator has no answer in force on it, it stands after the newest one.
    back
        Whether to look for the answer given before, or the one after.

    Returns
    -------
    int or None
        The row of an item with an answer in force; None when there is none in that direction.
    """
    ids = session.workspace.ids
    item_id = None if row is None else ids.text(row)
    here = None if item_id is None else session.state.items.get(item_id)
    is_behind = here is None or here.event.annotator != annotator
    later: str | None = None
    for event in session.state.standing(annotator):
        if is_behind:
            return int(ids.find([event.item_id])[0]) if back else None
        if event.item_id == item_id:
            if not back:
                break
            is_behind = True
        else:
            later = event.item_id
    return None if back or is_behind or later is None else int(ids.find([later])[0])
