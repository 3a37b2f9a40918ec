"""Steps in which many items are answered, or their answers taken back, at once: their events."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from .events import Action, Event, Step, made, new_event_id, new_event_ids


def label_events(first: Event, item_ids: Sequence[str], labels: Sequence[str]) -> Step:
    """One label an item, all of one step, so that one undo takes them back.

    Parameters
    ----------
    first
        What they have in common: annotator, time, input, strategy.
    item_ids, labels
        The items with the name of the class of each.
    """
    common = replace(first, action=Action.LABEL, bulk=first.bulk or new_event_id()).__dict__
    own = zip(new_event_ids(len(item_ids)), item_ids, labels, strict=True)
    events: list[Event] = []
    with uncollected():
        for event_id, item_id, label in own:
            values = common.copy()  # keeps the keys that all share: much faster than `|`
            values["event_id"], values["item_id"], values["label"] = event_id, item_id, label
            events.append(made(values))
        return Step(events, ("event_id", "item_id", "label"))


def step_events(action: Action, batch: Sequence[Event], annotator: str, event_id: str) -> Step:
    """The undo, or redo, of all the answers of one step; the first event has the id given."""
    common = Event(event_id, action, "", annotator, datetime.now(UTC), input="key").__dict__
    ids = [event_id, *new_event_ids(len(batch) - 1)]
    order = batch if action == Action.REDO else batch[::-1]
    events: list[Event] = []
    with uncollected():
        for new_id, answer in zip(ids, map(vars, order), strict=True):
            values = common.copy()
            values["event_id"], values["target"] = new_id, answer["event_id"]
            values["item_id"], values["label"], values["bulk"] = answer["item_id"], answer["label"], answer["bulk"]
            events.append(made(values))
        return Step(events, ("event_id", "item_id", "label", "target", "bulk"))


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


def set_aside() -> None:
    """Leave all that there is now out of later searches for garbage, which hold up every thread.

    The events of a log are no garbage, and millions of them take seconds to look through. What else there is
    may become garbage later: call `look_through` when something large ends.
    """
    gc.freeze()


def look_through() -> None:
    """Have the next full search for garbage look at everything again."""
    gc.unfreeze()
