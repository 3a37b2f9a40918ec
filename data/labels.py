"""The label log: append-only events in SQLite, and the state that they fold into."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa

from .errors import InputError

Status = Literal["labelled", "skipped", "unsure", "flagged"]
BUSY_TIMEOUT = 30_000  # ms
BLOCK = 500  # parameters in one statement


class Action(StrEnum):
    """What an event says."""

    LABEL = "label"
    RELABEL = "relabel"
    UNDO = "undo"
    REDO = "redo"
    SKIP = "skip"
    UNSURE = "unsure"
    FLAG = "flag"
    NOTE = "note"


STATUS: dict[Action, Status] = {
    Action.LABEL: "labelled",
    Action.RELABEL: "labelled",
    Action.SKIP: "skipped",
    Action.UNSURE: "unsure",
    Action.FLAG: "flagged",
}
STEPS = (Action.UNDO, Action.REDO)


@dataclass(frozen=True)
class Event:
    """One line of the label log.

    `event_id` is made by whoever sends the event, so that sending it twice stores it once. `target` is
    the event that an undo takes back or a redo brings again. `created_at` is UTC. `probability` is the
    selection probability where it is known. `seq` is given by the log: the order of the events.
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
    seq: int = 0


def new_event_id() -> str:
    """A UUIDv7 as text: ids sort by the millisecond in which they were made (RFC 9562, section 5.7)."""
    value = (time.time_ns() // 1_000_000) << 80 | 0x7 << 76 | secrets.randbits(12) << 64
    value |= 0b10 << 62 | secrets.randbits(62)
    digits = f"{value:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


# ---- the fold ---------------------------------------------------------------------------------------


@dataclass
class ItemState:
    """The answer in force on an item; `event` is the one that decided it."""

    status: Status
    label: str | None
    event: Event


@dataclass
class LogState:
    """What the events so far add up to.

    `items` maps the ids of answered items to their state, in the order of the first answer; `counts`
    has the number of items labelled with each class; `notes` the newest note of an item.
    """

    items: dict[str, ItemState] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    n_events: int = 0
    _events: dict[str, Event] = field(default_factory=dict, repr=False)
    _history: dict[str, list[str]] = field(default_factory=dict, repr=False)  # item → its decisions
    _undone: set[str] = field(default_factory=set, repr=False)
    _done_by: dict[str, list[str]] = field(default_factory=dict, repr=False)  # annotator → undo stack
    _undone_by: dict[str, list[str]] = field(default_factory=dict, repr=False)  # annotator → redo stack

    @property
    def n_labelled(self) -> int:
        """Number of items with a class."""
        return sum(self.counts.values())

    def apply(self, event: Event) -> None:
        """Take one more event."""
        self.n_events += 1
        self._events[event.event_id] = event
        if event.action in STEPS:
            self._step(event)
            return
        self._history.setdefault(event.item_id, []).append(event.event_id)
        self._done_by.setdefault(event.annotator, []).append(event.event_id)
        self._undone_by[event.annotator] = []
        self._settle(event.item_id)

    def _step(self, event: Event) -> None:
        target = self._events[str(event.target)]
        done = self._done_by.setdefault(target.annotator, [])
        undone = self._undone_by.setdefault(target.annotator, [])
        source, sink = (done, undone) if event.action == Action.UNDO else (undone, done)
        if target.event_id not in source:  # undone or redone already
            return
        source.remove(target.event_id)
        sink.append(target.event_id)
        (self._undone.add if event.action == Action.UNDO else self._undone.discard)(target.event_id)
        self._settle(target.item_id)

    def _settle(self, item_id: str) -> None:
        """Find the decision and note in force on an item, and count again."""
        in_force = [self._events[i] for i in self._history[item_id] if i not in self._undone]
        before = self.items.get(item_id)
        if before is not None and before.label is not None:
            self.counts[before.label] -= 1
            if not self.counts[before.label]:
                del self.counts[before.label]
        decisions = [e for e in in_force if e.action != Action.NOTE]
        if decisions:
            newest = decisions[-1]
            self.items[item_id] = ItemState(STATUS[newest.action], newest.label, newest)
            if newest.label is not None:
                self.counts[newest.label] = self.counts.get(newest.label, 0) + 1
        else:
            self.items.pop(item_id, None)
        notes = [e.note for e in in_force if e.action == Action.NOTE]
        if notes and notes[-1]:
            self.notes[item_id] = notes[-1]
        else:
            self.notes.pop(item_id, None)

    def n_events_of(self, item_id: str) -> int:
        """How many answers and notes an item has had, undone ones included."""
        return len(self._history.get(item_id, ()))

    def undoable(self, annotator: str) -> Event | None:
        """The annotator's newest answer in force, or None."""
        stack = self._done_by.get(annotator)
        return self._events[stack[-1]] if stack else None

    def redoable(self, annotator: str) -> Event | None:
        """The answer that the annotator undid last, or None when they have answered since."""
        stack = self._undone_by.get(annotator)
        return self._events[stack[-1]] if stack else None


def fold(events: Iterable[Event]) -> LogState:
    """What events add up to; a pure function of them."""
    state = LogState()
    for event in events:
        state.apply(event)
    return state


# ---- the store --------------------------------------------------------------------------------------

METADATA = sa.MetaData()
EVENTS = sa.Table(
    "events",
    METADATA,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("event_id", sa.String(64), nullable=False, unique=True),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("item_id", sa.String, nullable=False, index=True),
    sa.Column("annotator", sa.String, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),  # microseconds since 1970, UTC
    sa.Column("label", sa.String),
    sa.Column("note", sa.String),
    sa.Column("target", sa.String(64)),
    sa.Column("dwell_ms", sa.Integer),
    sa.Column("input", sa.String(16), nullable=False),
    sa.Column("round", sa.Integer),
    sa.Column("strategy", sa.String),
    sa.Column("probability", sa.Float),
    sa.Column("suggested", sa.String),
    sa.Column("suggested_probability", sa.Float),
    sqlite_autoincrement=True,
)


def open_database(path: Path) -> sa.Engine:
    """An engine on a SQLite file whose commits survive a power failure (WAL, ``synchronous=FULL``)."""
    engine = sa.create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": BUSY_TIMEOUT / 1000, "check_same_thread": False},
        poolclass=sa.pool.QueuePool,
    )

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, at once for writing
        for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY_TIMEOUT}"):
            connection.execute(f"PRAGMA {pragma}").fetchall()

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        mode = "IMMEDIATE" if connection.get_execution_options().get("writes") else "DEFERRED"
        connection.exec_driver_sql(f"BEGIN {mode}")

    return engine


class LabelLog:
    """Append-only events in a SQLite file; what `append` returned is on disk.

    Parameters
    ----------
    path
        The database file; it is made when it does not exist.

    Notes
    -----
    Every method may be called from any thread; writing is one at a time.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._state: LogState | None = None
        try:
            self._engine = open_database(path)
            METADATA.create_all(self._engine, tables=[EVENTS])
        except sa.exc.DBAPIError as error:
            raise InputError(f"{path} cannot be opened ({error.orig}): check the folder's permissions") from error

    def append(self, events: Event | Sequence[Event]) -> list[Event]:
        """Store events in one transaction.

        Returns
        -------
        list of Event
            As stored: with `seq`, and RELABEL where the item had a label. One whose id is in the log
            already is not stored again; its stored form is returned.

        Raises
        ------
        InputError
            When an undo or redo names no event that can be undone or redone.
        OSError
            When the disk refuses; nothing is stored then.
        """
        given = [events] if isinstance(events, Event) else list(events)
        with self._lock:
            state = self.state()
            known = {e.event_id: state._events[e.event_id] for e in given if e.event_id in state._events}
            fresh = self._resolved([e for e in given if e.event_id not in known], state)
            stored = self._store(fresh) if fresh else []
            for event in stored:
                state.apply(event)
            known |= {event.event_id: event for event in stored}
            return [known[event.event_id] for event in given]

    def _resolved(self, events: Sequence[Event], state: LogState) -> list[Event]:
        """Tell labels from relabels, check targets, and drop repeats within one call."""
        labelled: dict[str, bool] = {}
        resolved: dict[str, Event] = {}
        for event in events:
            if event.event_id in resolved:
                continue
            if event.action in STEPS and (
                event.target not in state._events or state._events[event.target].action in STEPS
            ):
                raise InputError(f"there is no answer {event.target!r} to {event.action.value}: reload the page")
            if event.action in (Action.LABEL, Action.RELABEL):
                item = state.items.get(event.item_id)
                has_label = labelled.get(event.item_id, item is not None and item.status == "labelled")
                event = replace(event, action=Action.RELABEL if has_label else Action.LABEL)
            if event.action in STATUS:
                labelled[event.item_id] = STATUS[event.action] == "labelled"
            resolved[event.event_id] = event
        return list(resolved.values())

    def _store(self, events: Sequence[Event]) -> list[Event]:
        try:
            with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
                first = (connection.execute(sa.select(sa.func.max(EVENTS.c.seq))).scalar() or 0) + 1
                stored = [replace(event, seq=first + i) for i, event in enumerate(events)]
                connection.execute(sa.insert(EVENTS), [_to_row(event) for event in stored])
        except sa.exc.DBAPIError as error:
            raise OSError(f"{self.path.name} cannot be written: {error.orig}") from error
        return stored

    def undo(self, annotator: str, *, event_id: str | None = None, input: str = "key") -> Event | None:  # noqa: A002
        """Undo the annotator's newest answer in force; None when there is none.

        `event_id` is the id of the new event: sending the same undo twice undoes once.
        """
        return self._step(Action.UNDO, annotator, event_id, input)

    def redo(self, annotator: str, *, event_id: str | None = None, input: str = "key") -> Event | None:  # noqa: A002
        """Redo what the annotator undid last; None when there is nothing, or they have answered since."""
        return self._step(Action.REDO, annotator, event_id, input)

    def _step(self, action: Action, annotator: str, event_id: str | None, entered: str) -> Event | None:
        with self._lock:
            state = self.state()
            if event_id in state._events:
                return state._events[str(event_id)]
            target = state.undoable(annotator) if action == Action.UNDO else state.redoable(annotator)
            if target is None:
                return None
            event = Event(
                event_id=event_id or new_event_id(),
                action=action,
                item_id=target.item_id,
                label=target.label,
                target=target.event_id,
                annotator=annotator,
                created_at=datetime.now(UTC),
                input=entered,
            )
            return self.append(event)[0]

    def events(self, *, newest_first: bool = False, limit: int | None = None, offset: int = 0) -> list[Event]:
        """Events in their order, or the newest first."""
        order = EVENTS.c.seq.desc() if newest_first else EVENTS.c.seq
        query = sa.select(EVENTS).order_by(order).limit(limit).offset(offset)
        with self._engine.connect() as connection:
            return [_from_row(row) for row in connection.execute(query).mappings()]

    def state(self) -> LogState:
        """The fold of all events, kept up to date as they are appended."""
        with self._lock:
            if self._state is None:
                self._state = fold(self.events())
            return self._state

    def close(self) -> None:
        """Close the file."""
        self._engine.dispose()


def _to_row(event: Event) -> dict[str, Any]:
    row = {f.name: getattr(event, f.name) for f in fields(event)}
    row["action"] = event.action.value
    row["created_at"] = to_microseconds(event.created_at)
    return row


def _from_row(row: Any) -> Event:
    values = dict(row)
    values["action"] = Action(values["action"])
    values["created_at"] = from_microseconds(values["created_at"])
    return Event(**values)


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_microseconds(moment: datetime) -> int:
    """Microseconds since 1970, exactly."""
    passed = moment.astimezone(UTC) - EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds


def from_microseconds(value: int) -> datetime:
    """The UTC time of microseconds since 1970."""
    seconds, micro = divmod(value, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=micro)
