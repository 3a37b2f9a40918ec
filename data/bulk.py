"""Steps in which many items are answered, or their answers taken back, at once: their events."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from .events import Action, Event, made, new_event_id, new_event_ids


def label_events(first: Event, item_ids: Sequence[str], labels: Sequence[str]) -> list[Event]:
    """One label an item, all of one step, so that one undo takes them back.

    Parameters
    ----------
    first
        What they have in common: annotator, time, input, strategy.
    item_ids, labels
        The items with the name of the class of each.
    """
    common = replace(first, action=Action.LABEL, bulk=first.bulk or new_event_id()).__dict__
    with uncollected():
        return [
            made(common | {"event_id": event_id, "item_id": item_id, "label": label})
            for event_id, item_id, label in zip(new_event_ids(len(item_ids)), item_ids, labels, strict=True)
        ]


def step_events(action: Action, batch: Sequence[Event], annotator: str, event_id: str) -> list[Event]:
    """The undo, or redo, of all the answers of one step; the first event has the id given."""
    common = Event(event_id, action, "", annotator, datetime.now(UTC), input="key").__dict__
    ids = [event_id, *new_event_ids(len(batch) - 1)]
    order = batch if action == Action.REDO else batch[::-1]
    with uncollected():
        return [
            made(
                common
                | {"event_id": i, "item_id": e.item_id, "label": e.label, "target": e.event_id, "bulk": e.bulk}
            )
            for i, e in zip(ids, order, strict=True)
        ]


@contextmanager
def uncollected() -> Iterator[None]:
    """Of many new events none is garbage: looking for it among them takes longer than making them."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
