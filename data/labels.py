"""The label log: append-only events in SQLite; what it acknowledged is on disk."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path

import sqlalchemy as sa

from .bulk import uncollected
from .classes import ClassTable
from .database import make_tables, open_database
from .errors import InputError
from .event_rows import EVENTS, from_row, write
from .events import (
    CLASS_ACTIONS,
    LABELS,
    MANY,
    STATUS,
    STEPS,
    Action,
    Event,
    Status,
    made,
    new_event_id,
    values_of,
)
from .log_state import ItemState, LogState, fold

__all__ = ["Action", "Event", "ItemState", "LabelLog", "LogState", "Status", "fold", "new_event_id"]


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
        self._newest_step: Sequence[Event] = ()  # what was stored last, in one transaction
        try:
            self._engine = open_database(path)
            make_tables(self._engine, [EVENTS])
        except sa.exc.OperationalError as error:
            raise InputError(f"{path} cannot be opened ({error.orig}): check the folder's permissions") from error
        except sa.exc.DBAPIError as error:
            raise InputError(f"{path} is damaged ({error.orig}): put a copy of it in its place") from error

    def append(self, events: Event | Sequence[Event], *, given_away: bool = False) -> list[Event]:
        """Store events in one transaction.

        Parameters
        ----------
        given_away
            Whether nobody else has these events: they become the stored ones, which takes less time.

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
        given = [events] if isinstance(events, Event) else events
        with self._lock, uncollected():
            state = self.state()
            by_id, ids = state.by_id, values_of(given, "event_id")
            if not all(map(by_id.__contains__, ids)):
                stored = self._store(given, state, given_away)
                state.apply_all(stored)
                self._newest = stored[-1].seq if stored else self._newest
                self._newest_step = stored
                if stored is given:
                    return list(stored)
            return list(map(by_id.__getitem__, ids))

    def _store(self, given: Sequence[Event], state: LogState, given_away: bool) -> Sequence[Event]:
        """Write what is new in one transaction, after taking in what another process has written."""
        self._newest_step = ()
        try:
            with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
                newer = sa.select(EVENTS).where(EVENTS.c.seq > self._newest).order_by(EVENTS.c.seq)
                for row in connection.execute(newer):
                    state.apply(event := from_row(row))
                    self._newest = event.seq
                fresh = _resolved(given, state)
                if not given_away:
                    fresh = [made(event.__dict__.copy()) for event in fresh]
                stored = _numbered(fresh, self._newest + 1)
                if stored:
                    write(connection, stored)
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
            return [from_row(row) for row in rows]

    def newer(self, after: int) -> Sequence[Event]:
        """Those of the events in the state whose `seq` is greater, in their order; from memory."""
        with self._lock:
            if self._newest_step and self._newest_step[0].seq == after + 1:
                return self._newest_step
            newest_first = reversed(self.state().by_id.values())
            return list(takewhile(lambda event: event.seq > after, newest_first))[::-1]

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


def _resolved(events: Sequence[Event], state: LogState) -> Sequence[Event]:
    """The events that are not in the log yet, each once: labels told from relabels, targets checked."""
    if len(events) >= MANY and _are_resolved(events, state):
        return events
    labelled: dict[str, bool] = {}
    resolved: dict[str, Event] = {}
    classes = _Trial(state)
    by_id, items = state.by_id, state.items
    for event in events:
        event_id = event.event_id
        if event_id in resolved or event_id in by_id:
            continue
        action = event.action
        if action in STEPS:
            wanted = str(event.target)
            target = resolved.get(wanted) or by_id.get(wanted)
            if target is None or target.action in STEPS:
                raise InputError(f"there is no answer {event.target!r} to {action.value}: reload the page")
            if target.action in CLASS_ACTIONS:
                classes.step(event)
        elif action in CLASS_ACTIONS:
            classes.take(event)
        elif STATUS.get(action) == "labelled":
            if not event.label:
                raise InputError(f"the label of item {event.item_id!r} names no class: choose one")
            has_label = labelled.get(event.item_id)
            if has_label is None:
                item = items.get(event.item_id)
                has_label = item is not None and item.status == "labelled"
            action = Action.RELABEL if has_label else Action.LABEL
            event = event if event.action is action else made(vars(event) | {"action": action})
        if action in STATUS:
            labelled[event.item_id] = STATUS[action] == "labelled"
        resolved[event_id] = event
    return list(resolved.values())


def _are_resolved(events: Sequence[Event], state: LogState) -> bool:
    """Whether these are one large step that is stored as it is: all labels, all relabels, or all undo or redo."""
    by_id, items, actions = state.by_id, state.items, set(values_of(events, "action"))
    ids = set(values_of(events, "event_id"))
    if len(actions) > 1 or len(ids) < len(events) or not by_id.keys().isdisjoint(ids):
        return False
    if actions <= set(STEPS):
        targets = list(map(str, values_of(events, "target")))
        answers = list(map(by_id.__getitem__, targets)) if all(map(by_id.__contains__, targets)) else []
        return bool(answers) and set(values_of(answers, "action")) <= STATUS.keys()
    if not (actions <= set(LABELS) and all(values_of(events, "label"))):
        return False
    item_ids = values_of(events, "item_id")
    relabels = {item is not None and item.status == "labelled" for item in map(items.get, item_ids)}
    return len(set(item_ids)) == len(item_ids) and relabels == {actions == {Action.RELABEL}}


def _numbered(events: Sequence[Event], first: int) -> Sequence[Event]:
    for seq, event in enumerate(events, first):
        event.__dict__["seq"] = seq
    return events


class _Trial:
    """Events about classes, tried one after another before any of them is stored."""

    def __init__(self, state: LogState) -> None:
        self.state = state
        self._table: ClassTable | None = None

    def take(self, event: Event) -> None:
        """Try a change; raises InputError, which says why, when it cannot be."""
        self._copy().take(event)

    def step(self, event: Event) -> None:
        """Try an undo or redo of a change; raises as `take` does."""
        self._table = self._copy().stepped(str(event.target), undone=event.action == Action.UNDO)

    def _copy(self) -> ClassTable:
        if self._table is None:
            self._table = self.state.classes.copy()
        return self._table
