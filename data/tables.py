"""The table in: files of several formats become one memory-mapped Arrow file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.ipc as pa_ipc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from .errors import InputError

Progress = Callable[[float, str], None]

CSV = {".csv": ",", ".tsv": "\t"}
PARQUET = (".parquet", ".pq")
ARROW = (".arrow", ".feather", ".ipc")
SUFFIXES = (*CSV, *PARQUET, *ARROW)
BATCH_ROWS = 65_536
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
        self._reader = pa_ipc.open_file(pa.memory_map(str(path)))
        self._table = self._reader.read_all()
        lengths = [self._reader.get_batch(i).num_rows for i in range(self._reader.num_record_batches)]
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

    def column(self, name: str) -> pa.ChunkedArray:
        """One whole column, still on disk; raises InputError when there is none of that name."""
        if name not in self._table.column_names:
            raise InputError(f"there is no column '{name}': the columns are {', '.join(self.names[:20])}")
        return self._table.column(name)

    def row(self, index: int, names: Sequence[str] | None = None) -> dict[str, Any]:
        """One row as Python values by column name; raises IndexError outside the table."""
        if not 0 <= index < self.n_rows:
            raise IndexError(f"row {index} of {self.n_rows}")
        batch = int(np.searchsorted(self._offsets, index, side="right")) - 1
        within = int(index - self._offsets[batch])
        columns = self.names if names is None else names
        return {name: self.column(name).chunk(batch)[within].as_py() for name in columns}

    def take(self, rows: NDArray[np.int64] | Sequence[int], names: Sequence[str] | None = None) -> pa.Table:
        """Chosen rows, in the order given, as an Arrow table in memory."""
        table = self._table if names is None else self._table.select(list(names))
        rows = np.asarray(rows, dtype=np.int64)
        order = np.argsort(rows, kind="stable")
        parts = []
        batches = np.searchsorted(self._offsets, rows[order], side="right") - 1
        for batch in np.unique(batches):
            within = rows[order][batches == batch] - self._offsets[batch]
            piece = pa.table([column.chunk(int(batch)) for column in table.columns], schema=table.schema)
            parts.append(piece.take(pa.array(within)))
        if not parts:
            return table.slice(0, 0)
        return pa.concat_tables(parts).take(pa.array(np.argsort(order)))

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


def to_doubles(column: pa.ChunkedArray, name: str) -> NDArray[np.float64]:
    """Numbers, booleans or dates as float64, missing → NaN; raises InputError for other types."""
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        stamps = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        return to_doubles(stamps, name) / MICROSECONDS_A_DAY
    if not (
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind) or pa.types.is_null(kind)
    ):  # fmt: skip
        raise InputError(f"column '{name}' is {kind} and holds no numbers: leave it out of the features")
    if pa.types.is_boolean(kind):
        column = column.cast(pa.uint8())
    return pc.cast(column, pa.float64(), safe=False).to_numpy()


def import_table(source: Path, cache: Path, progress: Progress | None = None) -> Table:
    """Copy a table into an uncompressed Arrow file that can be memory-mapped.

    Parameters
    ----------
    source
        A CSV, TSV, Parquet or Arrow/Feather file.
    cache
        The file to write; it is renamed into place when it is whole.

    Raises
    ------
    InputError
        When the file is missing, of an unknown format, damaged or empty, or has two columns of one name.
    """
    check_readable(source)
    if source.suffix.lower() not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise InputError(f"{source.name} is of no format that can be opened: rareloop reads {known}")
    partial = cache.with_name(cache.name + ".partial")
    try:
        schema, batches, n_rows = _open(source)
        _check_shape(source, schema, n_rows)
        _write(partial, schema, batches, n_rows, progress or (lambda share, text: None))
    except (pa.ArrowInvalid, pa.ArrowKeyError, pa.ArrowNotImplementedError, pa.ArrowSerializationError) as error:
        partial.unlink(missing_ok=True)
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{source.name} cannot be read as {source.suffix[1:].upper()}: {reason}") from error
    except OSError as error:
        partial.unlink(missing_ok=True)
        if error.errno is None:  # Parquet and Arrow readers report damage so
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{source.name} cannot be read: {reason}") from error
        raise InputError(
            f"{cache.parent} cannot be written ({error.strerror}): choose another --workspace"
        ) from error
    partial.replace(cache)
    return Table(cache)


def _open(source: Path) -> tuple[pa.Schema, Iterator[pa.RecordBatch], int]:
    """Schema, batches and number of rows of a file."""
    suffix = source.suffix.lower()
    if suffix in PARQUET:
        file = pq.ParquetFile(source, memory_map=True)
        schema = _plain_schema(file.schema_arrow)
        batches = (_plain(batch, schema) for batch in file.iter_batches(BATCH_ROWS))
        return schema, batches, file.metadata.num_rows
    if suffix in ARROW:
        table = _read_arrow(source)
    else:
        table = pa_csv.read_csv(
            source,
            parse_options=pa_csv.ParseOptions(delimiter=CSV[suffix], newlines_in_values=True),
            convert_options=pa_csv.ConvertOptions(strings_can_be_null=True),
        )
    schema = _plain_schema(table.schema)
    return schema, (_plain(batch, schema) for batch in table.to_batches(BATCH_ROWS)), table.num_rows


def _read_arrow(source: Path) -> pa.Table:
    mapped = pa.memory_map(str(source))
    try:
        return pa_ipc.open_file(mapped).read_all()
    except pa.ArrowInvalid:
        mapped.seek(0)
        return pa_ipc.open_stream(mapped).read_all()


def _plain_schema(schema: pa.Schema) -> pa.Schema:
    """Dictionaries as their values, and no metadata of other tools."""
    fields = [
        pa.field(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type, f.nullable)
        for f in schema
    ]
    return pa.schema(fields)


def _plain(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    arrays = [
        column if column.type == f.type else column.cast(f.type)
        for column, f in zip(batch.columns, schema, strict=True)
    ]
    return pa.record_batch(arrays, schema=schema)


def _check_shape(source: Path, schema: pa.Schema, n_rows: int) -> None:
    if n_rows == 0 or not schema.names:
        what = "no columns" if not schema.names else "no rows"
        raise InputError(f"{source.name} is empty ({what}): there is nothing to label")
    twice = next((name for name in schema.names if schema.names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{source.name} has two columns named '{twice}': rename one of them")


def _write(
    path: Path, schema: pa.Schema, batches: Iterator[pa.RecordBatch], n_rows: int, progress: Progress
) -> None:
    done = 0
    with pa.OSFile(str(path), "wb") as sink, pa_ipc.new_file(sink, schema) as writer:
        for batch in batches:
            if batch.num_rows:
                writer.write_batch(batch)
                done += batch.num_rows
                progress(done / n_rows, "reading the table")
