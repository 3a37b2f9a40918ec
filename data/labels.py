"""The label log: append-only events in SQLite; what it acknowledged is on disk."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from .bulk import uncollected
from .classes import ClassTable
from .database import METADATA, from_microseconds, make_tables, open_database, to_microseconds
from .errors import InputError
from .events import (
    CLASS_ACTIONS,
    STATUS,
    STEPS,
    Action,
    Event,
    ItemState,
    LogState,
    Status,
    fold,
    made,
    new_event_id,
)

__all__ = ["Action", "Event", "ItemState", "LabelLog", "LogState", "Status", "fold", "new_event_id"]

EVENTS = sa.Table(
    "events",
    METADATA,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("event_id", sa.String(64), nullable=False, unique=True),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("item_id", sa.String, nullable=False),
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
    sa.Column("suggestion_shown", sa.Boolean),
    sa.Column("bulk", sa.String(64)),
    sa.Column("guideline", sa.Integer),
    sqlite_autoincrement=True,
)
COLUMNS = [column.name for column in EVENTS.columns]
_values = itemgetter(*COLUMNS)
# Given to the driver as it is: to have SQLAlchemy look at each value takes longer than to store it.
INSERT = str(sa.insert(EVENTS).compile(dialect=sqlite.dialect()))


class LabelLog:
    """Append-only events in a SQLite file; what `append` returned is on disk.

    Parameters
    ----------
    path
        The database file; it is made when it does not exist.

    Raises
    ------
    InputError
        When the file cannot be opened or is no database.

    Notes
    -----
    Every method may be called from any thread; writing is one at a time. Another process may append to
    the same file: its events are taken in before the next ones are stored.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._state: LogState | None = None
        self._newest = 0  # seq of the newest event in the state
        try:
            self._engine = open_database(path)
            make_tables(self._engine, [EVENTS])
        except sa.exc.OperationalError as error:
            raise InputError(f"{path} cannot be opened ({error.orig}): check the folder's permissions") from error
        except sa.exc.DBAPIError as error:
            raise InputError(f"{path} is damaged ({error.orig}): put a copy of it in its place") from error

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
            When a label has no class, or an undo or redo names no answer.
        OSError
            When the disk refuses; nothing is stored then.
        """
        given = [events] if isinstance(events, Event) else list(events)
        with self._lock, uncollected():
            state = self.state()
            if not all(state.has(event.event_id) for event in given):
                for event in self._store(given, state):
                    self._take(event, state)
            return [state.event(event.event_id) for event in given]

    def _store(self, given: Sequence[Event], state: LogState) -> list[Event]:
        """Write what is new in one transaction, after taking in what another process has written."""
        try:
            with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
                newer = sa.select(EVENTS).where(EVENTS.c.seq > self._newest).order_by(EVENTS.c.seq)
                for row in connection.execute(newer):
                    self._take(_from_row(row), state)
                fresh = _resolved(given, state)
                stored = [made(event.__dict__ | {"seq": n}) for n, event in enumerate(fresh, self._newest + 1)]
                if stored:
                    connection.exec_driver_sql(INSERT, [_to_row(event) for event in stored])
        except sa.exc.DBAPIError as error:
            raise OSError(f"{self.path.name} cannot be written: {error.orig}") from error
        return stored

    def _take(self, event: Event, state: LogState) -> None:
        state.apply(event)
        self._newest = event.seq

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
            if event_id is not None and state.has(event_id):
                return state.event(event_id)
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

    def events(
        self,
        *,
        newest_first: bool = False,
        limit: int | None = None,
        offset: int = 0,
        after: int = 0,
        where: sa.ColumnElement[bool] | None = None,
    ) -> list[Event]:
        """Events in their order, or the newest first.

        `after` leaves out those up to that `seq`; `where` is a condition on the columns of `EVENTS`.
        """
        order = EVENTS.c.seq.desc() if newest_first else EVENTS.c.seq
        query = sa.select(EVENTS).where(EVENTS.c.seq > after).order_by(order).limit(limit).offset(offset)
        with self._engine.connect() as connection:
            rows = connection.execute(query if where is None else query.where(where))
            return [_from_row(row) for row in rows]

    def count(self, where: sa.ColumnElement[bool]) -> int:
        """How many events meet a condition on the columns of `EVENTS`."""
        query = sa.select(sa.func.count()).select_from(EVENTS).where(where)
        with self._engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def known(self, column: str) -> list[str]:
        """The different values of a column of `EVENTS` with text, sorted."""
        query = sa.select(EVENTS.c[column]).distinct().where(EVENTS.c[column].is_not(None))
        with self._engine.connect() as connection:
            return sorted(connection.execute(query).scalars())

    def state(self) -> LogState:
        """The fold of all events, kept up to date as they are appended."""
        with self._lock:
            if self._state is None:
                events = self.events()
                self._state = fold(events)
                self._newest = events[-1].seq if events else 0
            return self._state

    def snapshot(self) -> LogState:
        """The state as it is now, for work in another thread that later events must not disturb."""
        with self._lock:
            return self.state().copy()

    def close(self) -> None:
        """Close the file."""
        self._engine.dispose()


def _resolved(events: Iterable[Event], state: LogState) -> list[Event]:
    """The events that are not in the log yet, each once: labels told from relabels, targets checked."""
    labelled: dict[str, bool] = {}
    resolved: dict[str, Event] = {}
    classes = _Trial(state)
    for event in events:
        if event.event_id in resolved or state.has(event.event_id):
            continue
        if classes.takes(event):
            resolved[event.event_id] = event
            continue
        if event.action in STEPS and not _is_answer(event.target, state, resolved):
            raise InputError(f"there is no answer {event.target!r} to {event.action.value}: reload the page")
        if STATUS.get(event.action) == "labelled":
            if not event.label:
                raise InputError(f"the label of item {event.item_id!r} names no class: choose one")
            item = state.items.get(event.item_id)
            has_label = labelled.get(event.item_id, item is not None and item.status == "labelled")
            action = Action.RELABEL if has_label else Action.LABEL
            event = event if event.action == action else replace(event, action=action)
        if event.action in STATUS:
            labelled[event.item_id] = STATUS[event.action] == "labelled"
        resolved[event.event_id] = event
    return list(resolved.values())


class _Trial:
    """Events about classes, tried one after another before any of them is stored."""

    def __init__(self, state: LogState) -> None:
        self.state = state
        self._table: ClassTable | None = None

    def takes(self, event: Event) -> bool:
        """Whether an event is about classes; raises InputError, which says why, when it cannot be."""
        target = str(event.target)
        is_step = event.action in STEPS and self.state.has(target)
        if event.action in CLASS_ACTIONS:
            self._copy().take(event)
        elif is_step and self.state.event(target).action in CLASS_ACTIONS:
            self._table = self._copy().stepped(target, undone=event.action == Action.UNDO)
        else:
            return False
        return True

    def _copy(self) -> ClassTable:
        if self._table is None:
            self._table = self.state.classes.copy()
        return self._table


def _is_answer(event_id: str | None, state: LogState, fresh: Mapping[str, Event]) -> bool:
    if event_id is None:
        return False
    event = fresh.get(event_id) or (state.event(event_id) if state.has(event_id) else None)
    return event is not None and event.action not in STEPS


def _to_row(event: Event) -> tuple[Any, ...]:
    """An event as the table keeps it: its values in the order of the columns."""
    moment = to_microseconds(event.created_at)
    return _values(event.__dict__ | {"action": event.action.value, "created_at": moment})


def _from_row(row: Sequence[Any]) -> Event:
    """The event of a row with all columns of the table in their order."""
    values = dict(zip(COLUMNS, row, strict=True))
    values["action"] = Action(values["action"])
    values["created_at"] = from_microseconds(values["created_at"])
    return made(values)
