"""What the events alone say of an item: the same for a workspace and for a package that is replayed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

import pyarrow as pa

from ..events import IMPORTED, PROPAGATED, Action, Event
from ..log_state import LogState
from .columns import ANSWER, EVENT_COLUMNS, EVENTS, schema_of

TABLE = "table"  # the annotator, and the input, of labels that came with the table
BULK = "bulk"  # the input, and the `query_strategy`, of labels that a selection got in one step
DUPLICATE = "duplicate"  # as `query_strategy`
LONGEST_LOOK = 300_000  # ms; who looks longer has gone away
FURTHER = tuple(f.name for f in fields(Event) if f.name not in EVENT_COLUMNS)
EVENT_SCHEMA = schema_of(EVENTS)
FACTS = tuple(c.name for c in ANSWER)


class Pseudonyms:
    """What annotators are called in a package: a1, a2, ... by their first event, or their names.

    Parameters
    ----------
    events
        All events, in their order.
    named
        Whether names are handed over.
    """

    def __init__(self, events: Iterable[Event], named: bool) -> None:
        self.names: dict[str, str] = {TABLE: TABLE}
        for event in events:
            if event.annotator not in self.names:
                self.names[event.annotator] = event.annotator if named else f"a{len(self.names)}"

    def __getitem__(self, annotator: str) -> str:
        return self.names[annotator]

    def __len__(self) -> int:
        return len(self.names) - 1


# ---- events as rows, and back -----------------------------------------------------------------------


def events_table(events: Sequence[Event], names: Pseudonyms, with_notes: bool) -> pa.Table:
    """Events as rows of ``label_events.parquet``."""
    rows = [event.__dict__ for event in events]
    columns = {column.name: [row[name] for row in rows] for name, column in EVENT_COLUMNS.items()}
    columns["more"] = [_further(row) for row in rows] if FURTHER else [None] * len(rows)
    columns["action"] = [action.value for action in columns["action"]]
    columns["annotator"] = [names[annotator] for annotator in columns["annotator"]]
    if not with_notes:  # what concerns classes is no note on an item
        pairs = zip(columns["note"], columns["item_id"], strict=True)
        columns["note"] = [None if item_id else note for note, item_id in pairs]
    return pa.table(columns, schema=EVENT_SCHEMA)


def _further(row: Mapping[str, Any]) -> str | None:
    """What an event says beyond the columns, as JSON."""
    further = {name: row[name] for name in FURTHER if row[name] is not None}
    return json.dumps(further, sort_keys=True, default=str) if further else None


def events_from(table: pa.Table) -> list[Event]:
    """The events of ``label_events.parquet``; raises ValueError, TypeError or KeyError where they are none."""
    events = []
    for row in table.to_pylist():
        values = {name: row[column.name] for name, column in EVENT_COLUMNS.items()}
        values["action"] = Action(values["action"])
        further = json.loads(row["more"]) if row["more"] else {}
        events.append(Event(**values, **{name: further[name] for name in FURTHER if name in further}))
    return events


# ---- what holds of an item --------------------------------------------------------------------------


def looked(event: Event) -> bool:
    """Whether an annotator looked at the very item for this answer."""
    return event.input not in (TABLE, PROPAGATED, BULK, IMPORTED)


def newest_by_annotator(state: LogState, item_id: str) -> dict[str, str]:
    """The newest class that each annotator who looked at an item gave it."""
    said = ((e, state.class_of(e)) for e in state.answers_to(item_id) if looked(e))
    return {event.annotator: label for event, label in said if label is not None}


def reason_unresolved(state: LogState, item_id: str) -> str | None:
    """Why an item has no label that others can use: unsure, flagged, conflict; None where nothing speaks so."""
    item = state.items.get(item_id)
    if item is None or item.status in ("unsure", "flagged"):
        return item.status if item is not None else None
    if item.status == "labelled" and len(set(newest_by_annotator(state, item_id).values())) > 1:
        return "conflict"
    return None


def answered_items(state: LogState) -> tuple[list[str], list[str]]:
    """Items with a label that stands, and items that are unresolved; in the order of their first answer."""
    labelled, unresolved = [], []
    for item_id, item in state.items.items():
        if not item_id:  # events that concern classes
            continue
        if reason_unresolved(state, item_id) is not None:
            unresolved.append(item_id)
        elif item.status == "labelled":
            labelled.append(item_id)
    return labelled, unresolved


def facts_of(state: LogState, item_id: str, names: Mapping[str, str] | Pseudonyms) -> dict[str, Any]:
    """The columns `label` and `ANSWER` of an item, as the events say."""
    item = state.items[item_id]
    event, said = item.event, newest_by_annotator(state, item_id)
    label = item.label
    if label is None:
        label = next((state.class_of(e) for e in reversed(state.answers_to(item_id)) if e.label), None)
    n_alike = sum(each == label for each in said.values())
    return {
        "label": label,
        "label_status": "unseen" if not said else "single" if len(said) == 1 else "consensus",
        "label_source": label_source(event, label),
        "annotator": names[event.annotator],
        "n_annotators": len(said),
        "agreement": n_alike / len(said) if len(said) > 1 else None,
        "labelled_at": event.created_at,
        "n_events": state.n_events_of(item_id),
        "dwell_ms": None if event.dwell_ms is None else min(event.dwell_ms, LONGEST_LOOK),
        "query_strategy": event.strategy,
        "query_round": event.round,
        "suggested_label": event.suggested,
        "suggested_confidence": event.suggested_probability,
        "suggestion_shown": event.suggestion_shown,
        "model_version": f"round-{event.round}" if event.suggested is not None and event.round else None,
        "bulk_id": event.bulk,
        "guideline_version": event.guideline,
        "note": state.notes.get(item_id),
    }


def label_source(event: Event, label: str | None) -> str:
    """How a label was given, one of `columns.SOURCES`."""
    if event.input in (TABLE, IMPORTED):
        return "imported"
    if event.input == PROPAGATED or event.strategy == DUPLICATE:
        return "rule"
    if event.input == BULK:
        return "bulk"
    accepted = event.suggestion_shown is True and event.suggested is not None and event.suggested == label
    return "accepted_suggestion" if accepted else "manual"


def newest_moment(events: Sequence[Event]) -> datetime:
    """When the newest event was made: the moment of which a package speaks."""
    return max(event.created_at for event in events)
