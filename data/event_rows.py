"""Events as rows of their table: written, in large steps with one statement, and read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from .database import METADATA, from_microseconds, to_microseconds
from .events import MANY, Action, Event, made, values_of

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
# Given to the driver as it is: to have SQLAlchemy look at each value takes longer than to store it.
INSERT = str(sa.insert(EVENTS).compile(dialect=sqlite.dialect()))
AT_ONCE = 20_000  # rows of one statement
WIDEST = 128  # characters to which the texts of a column are filled up; of one column they are as long as they are
LENGTH = 8  # digits of the length of a text that is filled up
_NAMES = {action: action.value for action in Action}


def write(connection: sa.Connection, events: Sequence[Event]) -> None:
    """Store events, which have their `seq`, in the transaction of a connection.

    What the events of a large step have in common is bound once, and their own texts go in as one, which the
    statement cuts: to bind every value of every row takes several times as long.
    """
    columns = _columns_of(events)
    own = {name: values for name, values in columns.items() if values.count(values[0]) < len(values)}
    first, numbers = events[0].seq, own.pop("seq", [])
    shared = {name: columns[name][0] for name in COLUMNS if name not in own and name != "seq"}
    is_step = len(events) >= MANY and numbers == list(range(first, first + len(events)))
    if not (is_step and _can_be_joined(own)):
        connection.exec_driver_sql(INSERT, list(zip(*columns.values(), strict=True)))
        return
    texts, cuts = _joined(own)
    names = ", ".join(["seq", *shared, *cuts])
    values = ", ".join(["key + ?", *("?" * len(shared)), *cuts.values()])
    statement = f"INSERT INTO {EVENTS.name} ({names}) SELECT {values} FROM json_each(?)"  # noqa: S608 (our names)
    for start in range(0, len(texts), AT_ONCE):
        rows = json.dumps(texts[start : start + AT_ONCE], ensure_ascii=False)
        connection.exec_driver_sql(statement, (first + start, *shared.values(), rows))


def from_row(row: Sequence[Any]) -> Event:
    """The event of a row with all columns of the table in their order."""
    values = dict(zip(COLUMNS, row, strict=True))
    values["action"] = Action(values["action"])
    values["created_at"] = from_microseconds(values["created_at"])
    return made(values)


def _columns_of(events: Sequence[Event]) -> dict[str, list[Any]]:
    """Events as the table keeps them: the values of each column."""
    columns = {name: values_of(events, name) for name in COLUMNS}
    columns["action"] = list(map(_NAMES.__getitem__, columns["action"]))
    moments = {moment: to_microseconds(moment) for moment in dict.fromkeys(columns["created_at"])}
    columns["created_at"] = list(map(moments.__getitem__, columns["created_at"]))
    return columns


def _can_be_joined(own: Mapping[str, Sequence[Any]]) -> bool:
    """Whether they are texts that SQLite can cut, and need little filling up; to it a NUL in a text is its end."""
    if any(set(map(type, values)) != {str} or "\0" in "".join(values) for values in own.values()):
        return False
    return all(width <= WIDEST for width in sorted(max(map(len, values)) for values in own.values())[:-1])


def _joined(own: Mapping[str, Sequence[str]]) -> tuple[list[str], dict[str, str]]:
    """The texts of each row as one text, and what cuts those of each column from it, in SQL.

    The column with the longest text stands last, as it is. Texts of any other column are of one length, or are
    filled up to one, with the length that they had before them.
    """
    widths = {name: max(map(len, values)) for name, values in own.items()}
    parts: list[Sequence[str]] = []
    cuts: dict[str, str] = {}
    place = 1
    *others, last = sorted(widths, key=widths.__getitem__)
    for name in others:
        width, length = widths[name], str(widths[name])
        if min(map(len, own[name])) == width:
            parts.append(own[name])
        else:
            parts.append([f"{len(text):0{LENGTH}}{text.ljust(width)}" for text in own[name]])
            length, place = f"CAST(substr(value, {place}, {LENGTH}) AS INTEGER)", place + LENGTH
        cuts[name] = f"substr(value, {place}, {length})"
        place += width
    cuts[last] = f"substr(value, {place})"
    return list(map("".join, zip(*parts, own[last], strict=True))), cuts
