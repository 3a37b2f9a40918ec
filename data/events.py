"""What the label log says: its events."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import Any, Literal

import numpy as np

Status = Literal["labelled", "skipped", "unsure", "flagged", "deferred"]


class Action(StrEnum):
    """What an event says."""

    LABEL = "label"
    RELABEL = "relabel"
    UNDO = "undo"
    REDO = "redo"
    SKIP = "skip"
    UNSURE = "unsure"
    FLAG = "flag"
    DEFER = "defer"
    NOTE = "note"
    CLASS_ADD = "class_add"
    CLASS_RENAME = "class_rename"
    CLASS_MERGE = "class_merge"
    CLASS_SPLIT = "class_split"
    CLASS_RETIRE = "class_retire"
    CLASS_RESTORE = "class_restore"
    CLASS_CHANGE = "class_change"

    __hash__ = str.__hash__  # that of Enum is a function in Python, which takes longer than all else of a look-up


LABELS = (Action.LABEL, Action.RELABEL)
STATUS: dict[Action, Status] = {
    Action.LABEL: "labelled",
    Action.RELABEL: "labelled",
    Action.SKIP: "skipped",
    Action.UNSURE: "unsure",
    Action.FLAG: "flagged",
    Action.DEFER: "deferred",
}
LATER: tuple[Status, ...] = ("skipped", "deferred")  # not answered: asked again when nothing else is left
STEPS = (Action.UNDO, Action.REDO)
CLASS_ACTIONS = frozenset(action for action in Action if action.value.startswith("class_"))
MANY = 100  # events that are taken as one step
PROPAGATED = "propagated"  # the `input` of labels that were given to many items in one step
IMPORTED = "imported"  # the `input`, and the `strategy`, of labels that a file brought


@dataclass(frozen=True)
class Event:
    """One line of the label log.

    `event_id` is made by whoever sends the event, so that sending it twice stores it once. `target` is
    the event that an undo takes back or a redo brings again. `created_at` is UTC. `probability` is the
    selection probability where it is known; `suggestion_shown` says whether the annotator saw the suggestion
    (None: not known). `bulk` names the step in which many items got their label, `guideline` is the version
    of the guidelines in force. `seq` is given by the log: the order of the events.

    Events about classes are of no item (`item_id` is empty): `label` is the class as it was called before, and
    `note` the rest as JSON, see `class_event`.
    """

    event_id: str
    action: Action
    item_id: str
    annotator: str
    created_at: datetime
    label: str | None = None
    note: str | None = None
    target: str | None = None
    dwell_ms: int | None = None
    input: str = "api"
    round: int | None = None
    strategy: str | None = None
    probability: float | None = None
    suggested: str | None = None
    suggested_probability: float | None = None
    suggestion_shown: bool | None = None
    bulk: str | None = None
    guideline: int | None = None
    seq: int = 0


def new_event_id() -> str:
    """A UUIDv7 as text: ids sort by the millisecond in which they were made (RFC 9562, section 5.7)."""
    value = (time.time_ns() // 1_000_000) << 80 | 0x7 << 76 | secrets.randbits(12) << 64
    value |= 0b10 << 62 | secrets.randbits(62)
    digits = f"{value:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def class_event(
    action: Action, name: str, annotator: str, moment: datetime, facts: Mapping[str, Any] | None = None
) -> Event:
    """An event about a class.

    Parameters
    ----------
    name
        The class as it is called before; the new name for CLASS_ADD.
    facts
        ``to`` (the new name), ``into`` (the class merged into, or the classes split into), ``at_once`` (of a
        split: models learn no more from the old class), or the new values of `Taxonomy.change`.
    """
    note = json.dumps(dict(facts), ensure_ascii=False, separators=(",", ":")) if facts else None
    return Event(new_event_id(), action, "", annotator, moment, label=name, note=note)


def new_event_ids(n: int) -> list[str]:
    """Ids as of `new_event_id`, made at once and in ascending order: the log takes in sorted ones faster."""
    numbers = np.sort(np.frombuffer(secrets.token_bytes(8 * n), np.uint64)) >> np.uint64(4)
    head, digits = new_event_id()[:19], numbers.astype(">u8").tobytes().hex()
    return [f"{head}a{digits[i + 1 : i + 4]}-{digits[i + 4 : i + 16]}" for i in range(0, 16 * n, 16)]


def made(values: dict[str, Any]) -> Event:
    """An event of all these fields, which it keeps; much faster than the constructor, for steps of many."""
    event = object.__new__(Event)
    object.__setattr__(event, "__dict__", values)
    return event


class Step(list[Event]):
    """Events of one step of many.

    Parameters
    ----------
    own
        The fields in which they may differ; whatever they have in common need be looked at only once.
    """

    def __init__(self, events: Iterable[Event], own: Iterable[str]) -> None:
        super().__init__(events)
        self.own = frozenset(own) | {"seq"}


def values_of(events: Sequence[Event], name: str) -> list[Any]:
    """What events say in one field."""
    if events and isinstance(events, Step) and name not in events.own:
        return [getattr(events[0], name)] * len(events)
    return list(map(attrgetter(name), events))
