"""The table in: files of several formats become one memory-mapped Arrow file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc as pa_ipc
from numpy.typing import NDArray

from .arrow_arrays import of_rows
from .astronomy import NOTE
from .errors import InputError
from .readers import SUFFIXES, Source, open_source

__all__ = [
    "SUFFIXES", "Fingerprint", "Progress", "Table", "check_readable", "fingerprint", "fingerprint_matches",
    "holds_numbers", "import_table", "to_doubles",
]  # fmt: skip

Progress = Callable[[float, str], None]

HASH_BLOCK = 2**22
MICROSECONDS_A_DAY = 86_400_000_000


@dataclass(frozen=True)
class Fingerprint:
    """What tells whether a file is still the same: bytes, time of change (ns), SHA-256 in hex."""

    size: int
    mtime_ns: int
    sha256: str


def fingerprint(path: Path, progress: Progress | None = None) -> Fingerprint:
    """Read a file once and take its fingerprint; raises InputError when it cannot be read."""
    check_readable(path)
    state, digest, done = path.stat(), hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(HASH_BLOCK):
            digest.update(block)
            done += len(block)
            if progress is not None:
                progress(done / max(state.st_size, 1), "checking the file")
    return Fingerprint(state.st_size, state.st_mtime_ns, digest.hexdigest())


def fingerprint_matches(path: Path, known: Fingerprint) -> bool:
    """Whether a file is the one known; it is read again only when its time of change differs."""
    state = path.stat()
    if state.st_size != known.size:
        return False
    return state.st_mtime_ns == known.mtime_ns or fingerprint(path).sha256 == known.sha256


def check_readable(path: Path) -> None:
    """Raise InputError when a path is no file that can be read."""
    if not path.exists():
        raise InputError(f"there is no file {path}: check the path")
    if path.is_dir():
        raise InputError(f"{path} is a folder: name a table in it, or a workspace that rareloop made")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path} cannot be read: you have no permission")


class Table:
    """A table in a memory-mapped Arrow file; reading one row touches that row only.

    Parameters
    ----------
    path
        An uncompressed Arrow IPC file, as `import_table` writes it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        reader = pa_ipc.open_file(pa.memory_map(str(path)))
        self._batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
        self._table = pa.Table.from_batches(self._batches, reader.schema)
        self._places = {name: place for place, name in enumerate(reader.schema.names)}
        lengths = [batch.num_rows for batch in self._batches]
        self._offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self._table.num_rows)

    @property
    def names(self) -> list[str]:
        """Column names in the order of the file."""
        return list(self._table.column_names)

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema."""
        return self._table.schema

    @property
    def notes(self) -> list[str]:
        """What is to be said of the file that it was read from, as which one of its tables this is."""
        said = (self.schema.metadata or {}).get(NOTE)
        return [] if said is None else [said.decode()]

    def column(self, name: str) -> pa.ChunkedArray:
        """One whole column, still on disk; raises InputError when there is none of that name."""
        return self._table.column(self._place(name))

    def _place(self, name: str) -> int:
        if name not in self._places:
            raise InputError(f"there is no column '{name}': the columns are {', '.join(self.names[:20])}")
        return self._places[name]

    def row(self, index: int, names: Sequence[str] | None = None) -> dict[str, Any]:
        """One row as Python values by column name; raises IndexError outside the table."""
        if not 0 <= index < self.n_rows:
            raise IndexError(f"row {index} of {self.n_rows}")
        number = int(np.searchsorted(self._offsets, index, side="right")) - 1
        batch, within = self._batches[number], int(index - self._offsets[number])
        columns = self._places if names is None else names
        return {name: batch.column(self._place(name))[within].as_py() for name in columns}

    def take(
        self, rows: NDArray[np.int64] | Sequence[int], names: Sequence[str] | None = None, *, mapped: bool = True
    ) -> pa.Table:
        """Chosen rows, in the order given, as an Arrow table in memory.

        Rows from all over a large table leave most of it in memory as pages of the mapped file; with `mapped`
        off the pieces with chosen rows are read one after another, which is right for many rows.
        """
        table = self._table if names is None else self._table.select(list(names))
        pieces = self._mapped(table) if mapped else self._read(table)
        rows = np.asarray(rows, dtype=np.int64)
        order = np.argsort(rows, kind="stable")
        parts = []
        batches = np.searchsorted(self._offsets, rows[order], side="right") - 1
        for batch in np.unique(batches):
            within = rows[order][batches == batch] - self._offsets[batch]
            parts.append(pieces(int(batch)).take(of_rows(within)))
        if not parts:
            return table.slice(0, 0)
        return pa.concat_tables(parts).take(of_rows(np.argsort(order)))

    def _mapped(self, table: pa.Table) -> Callable[[int], pa.Table]:
        """What gives a batch of some columns as it lies in the mapped file."""
        return lambda n: pa.table([column.chunk(n) for column in table.columns], schema=table.schema)

    def _read(self, table: pa.Table) -> Callable[[int], pa.Table]:
        """What gives a batch of some columns as a copy."""
        places = [self._places[name] for name in table.column_names]
        options = pa_ipc.IpcReadOptions(included_fields=places)
        reader = pa_ipc.open_file(pa.OSFile(str(self.path)), options=options)
        return lambda n: pa.Table.from_batches([reader.get_batch(n)]).select(table.column_names)

    def is_number(self, name: str) -> bool:
        """Whether a column holds plain numbers."""
        kind = self.column(name).type
        return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))

    def floats(self, name: str) -> NDArray[np.float32]:
        """A column of numbers, booleans or dates (days since 1970) as float32 ``(n_rows,)``, missing → NaN."""
        return self.doubles(name).astype(np.float32)

    def doubles(self, name: str) -> NDArray[np.float64]:
        """As `floats`, in double precision.

        Raises
        ------
        InputError
            When the column holds neither numbers nor booleans nor dates.
        """
        return to_doubles(self.column(name), name)


def holds_numbers(kind: pa.DataType) -> bool:
    """Whether cells of a type are numbers, or booleans or dates that can count as numbers."""
    tests = (
        pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean, pa.types.is_null,
        pa.types.is_timestamp, pa.types.is_date,
    )  # fmt: skip
    return any(test(kind) for test in tests)


def to_doubles(column: pa.ChunkedArray, name: str) -> NDArray[np.float64]:
    """Numbers, booleans or dates as float64, missing → NaN; raises InputError for other types."""
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        stamps = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        return to_doubles(stamps, name) / MICROSECONDS_A_DAY
    if not holds_numbers(kind):
        raise InputError(f"column '{name}' is {kind} and holds no numbers: leave it out of the features")
    if pa.types.is_boolean(kind):
        column = column.cast(pa.uint8())
    return pc.cast(column, pa.float64(), safe=False).to_numpy()


def import_table(source: Path, cache: Path, progress: Progress | None = None) -> Table:
    """Copy a table into an uncompressed Arrow file that can be memory-mapped.

    Parameters
    ----------
    source
        A CSV, TSV, Parquet, Arrow/Feather, FITS or VOTable file.
    cache
        The file to write; it is renamed into place when it is whole.

    Raises
    ------
    InputError
        When the file is missing, of an unknown format, damaged or empty, or has two columns of one name.
    """
    check_readable(source)
    partial = cache.with_name(cache.name + ".partial")
    kind = source.suffix[1:].upper()
    try:
        content = open_source(source)
        _check_names(source, content.schema.names)
        _write(partial, content, source, progress or (lambda share, text: None))
        partial.replace(cache)
    except pa.ArrowException as error:
        raise InputError(f"{source.name} cannot be read as {kind}: {_reason(error)}") from error
    except OSError as error:
        if error.errno is None:  # Parquet and Arrow readers report damage so
            raise InputError(f"{source.name} cannot be read as {kind}: {_reason(error)}") from error
        raise InputError(
            f"{cache.parent} cannot be written ({error.strerror}): make room, or choose another --workspace"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return Table(cache)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _check_names(source: Path, names: Sequence[str]) -> None:
    if not names:
        raise InputError(f"{source.name} is empty (no columns): there is nothing to label")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{source.name} has two columns named '{twice}': rename one of them")


def _write(path: Path, content: Source, source: Path, progress: Progress) -> None:
    """Write the batches to a file and have them on disk; raises InputError when there is no row."""
    n_rows = 0
    with pa.OSFile(str(path), "wb") as sink, pa_ipc.new_file(sink, content.schema) as writer:
        for share, batch in content.batches:
            writer.write_batch(batch)
            n_rows += batch.num_rows
            progress(share, "reading the table")
    if not n_rows:
        raise InputError(f"{source.name} is empty (no rows): there is nothing to label")
    with path.open("rb+") as file:
        os.fsync(file.fileno())
