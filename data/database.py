"""The workspace's database: one SQLite file whose commits survive a power failure."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

BUSY_TIMEOUT = 30_000  # ms
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

METADATA = sa.MetaData()


def open_database(path: Path) -> sa.Engine:
    """An engine on a SQLite file whose commits survive a power failure (WAL, ``synchronous=FULL``)."""
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        connect_args={"timeout": BUSY_TIMEOUT / 1000, "check_same_thread": False},
        poolclass=sa.pool.QueuePool,
    )

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, at once for writing
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT}").fetchall()
        _write_ahead(connection)
        connection.execute("PRAGMA synchronous=FULL").fetchall()

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        mode = "IMMEDIATE" if connection.get_execution_options().get("writes") else "DEFERRED"
        connection.exec_driver_sql(f"BEGIN {mode}")

    return engine


def _write_ahead(connection: Any) -> None:
    """Switch a file to write-ahead logging; SQLite does not wait for others at that, so it is tried again."""
    until = time.monotonic() + BUSY_TIMEOUT / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").fetchall()
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.02)


def make_tables(engine: sa.Engine, tables: Sequence[sa.Table]) -> None:
    """Make the tables that do not exist; those that an earlier version made get the columns they lack.

    Whoever else does so at the same time is waited for.
    """
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        METADATA.create_all(connection, tables=list(tables))
        for table in tables:
            _add_columns(connection, table)


def _add_columns(connection: sa.Connection, table: sa.Table) -> None:
    """Add the columns that a table of an earlier version lacks; its rows have nothing in them."""
    known = {column["name"] for column in sa.inspect(connection).get_columns(table.name)}
    for column in table.columns:
        if column.name not in known:
            kind = column.type.compile(connection.dialect)
            connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {column.name} {kind}")


class Store:
    """Tables of a database, written by one thread at a time.

    Parameters
    ----------
    path
        The database of the label log.
    tables
        Made where they do not exist, see `make_tables`.
    """

    def __init__(self, path: Path, tables: Sequence[sa.Table]) -> None:
        self._lock = threading.Lock()
        self._engine = open_database(path)
        make_tables(self._engine, tables)

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """One transaction that writes."""
        with self._lock, self._engine.connect().execution_options(writes=True) as connection, connection.begin():
            yield connection

    def _newest_number(self, connection: sa.Connection, table: sa.Table) -> int:
        return int(connection.execute(sa.select(sa.func.max(table.c.number))).scalar() or 0)

    def close(self) -> None:
        """Close the file."""
        self._engine.dispose()


def to_microseconds(moment: datetime) -> int:
    """Microseconds since 1970, exactly."""
    passed = moment.astimezone(UTC) - EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds


def from_microseconds(value: int) -> datetime:
    """The UTC time of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=value)
