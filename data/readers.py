"""Files of several formats as record batches of plain types, with bounded memory where the format allows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.ipc as pa_ipc
import pyarrow.parquet as pq

from .astronomy import FITS, UNIT, VOTABLE, open_fits, open_votable
from .errors import InputError

CSV = {".csv": ",", ".tsv": "\t"}
PARQUET = (".parquet", ".pq")
ARROW = (".arrow", ".feather", ".ipc")
SUFFIXES = (*CSV, *PARQUET, *ARROW, *FITS, *VOTABLE)
BATCH_ROWS = 65_536
BATCH_BYTES = 2**26
HEADER_BYTES = 2**16


@dataclass
class Source:
    """A table being read: its schema, and batches with the share of the file that is done after each."""

    schema: pa.Schema
    batches: Iterator[tuple[float, pa.RecordBatch]]


def open_source(path: Path) -> Source:
    """Open a file by its suffix.

    Raises
    ------
    InputError
        When the suffix is not known, or a CSV file is not in UTF-8.
    pyarrow.ArrowException
        When the file is damaged.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise InputError(f"{path.name} is of no format that can be opened: rareloop reads {known}")
    if suffix in PARQUET:
        schema, batches = _open_parquet(path)
    elif suffix in ARROW:
        schema, batches = _open_arrow(path)
    elif suffix in FITS:
        schema, batches = open_fits(path)
    elif suffix in VOTABLE:
        schema, batches = open_votable(path)
    else:
        schema, batches = _open_csv(path, CSV[suffix])
    plain = pa.schema([_plain_field(f) for f in schema])
    if suffix in (*FITS, *VOTABLE):
        plain = plain.with_metadata(schema.metadata)  # which says which table of the file it is
    return Source(plain, _regrouped((share, _plain(batch, plain)) for share, batch in batches))


Batches = Iterator[tuple[float, pa.RecordBatch]]


def _open_parquet(path: Path) -> tuple[pa.Schema, Batches]:
    file = pq.ParquetFile(path, memory_map=True)
    n_rows = file.metadata.num_rows
    groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    row_bytes = sum(group.total_byte_size for group in groups) / max(n_rows, 1)
    batch_rows = int(min(max(BATCH_BYTES / max(row_bytes, 1), 64), BATCH_ROWS))

    def batches() -> Batches:
        done = 0
        for batch in file.iter_batches(batch_rows):
            done += batch.num_rows
            yield done / max(n_rows, 1), batch

    return file.schema_arrow, batches()


def _open_arrow(path: Path) -> tuple[pa.Schema, Batches]:
    mapped = pa.memory_map(str(path))
    try:
        reader = pa_ipc.open_file(mapped)
    except pa.ArrowInvalid:
        mapped.seek(0)
        stream = pa_ipc.open_stream(mapped)
        return stream.schema, ((mapped.tell() / max(mapped.size(), 1), batch) for batch in stream)
    n_batches = reader.num_record_batches
    return reader.schema, (((i + 1) / n_batches, reader.get_batch(i)) for i in range(n_batches))


def _open_csv(path: Path, delimiter: str) -> tuple[pa.Schema, Batches]:
    """A CSV file, read whole: the type of a column is known only after its last row."""
    try:
        table = pa_csv.read_csv(
            path,
            parse_options=pa_csv.ParseOptions(delimiter=delimiter_of(path, delimiter), newlines_in_values=True),
            convert_options=pa_csv.ConvertOptions(strings_can_be_null=True),
        )
        names = table.column_names
    except UnicodeDecodeError as error:
        raise InputError(f"the column names of {path.name} are not in UTF-8: save the file as UTF-8") from error
    for name, kind in zip(names, table.schema.types, strict=True):
        if pa.types.is_binary(kind):  # what Arrow makes of text in another encoding
            raise InputError(f"column '{name}' of {path.name} is not in UTF-8: save the file as UTF-8")
    batches = table.to_batches(BATCH_ROWS)
    return table.schema, (((i + 1) / len(batches), batch) for i, batch in enumerate(batches))


def delimiter_of(path: Path, usual: str) -> str:
    """The delimiter of a file by its header, see `delimiter_in`."""
    with path.open("rb") as file:
        return delimiter_in(file.readline(HEADER_BYTES).decode("utf-8", "replace"), usual)


def delimiter_in(header: str, usual: str) -> str:
    """The usual delimiter, or the semicolon or tab of a header that has none of the usual ones."""
    if usual in header:
        return usual
    return next((other for other in (";", "\t") if other in header), usual)


def _plain_field(field: pa.Field) -> pa.Field:
    """A field without what others have written beside it, but with its unit."""
    unit = (field.metadata or {}).get(UNIT)
    return pa.field(field.name, plain_type(field.type), field.nullable, None if unit is None else {UNIT: unit})


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Dictionaries and extensions as their values; views and half precision as what can be computed with."""
    if pa.types.is_dictionary(kind):
        return plain_type(kind.value_type)
    if isinstance(kind, pa.BaseExtensionType):
        return plain_type(kind.storage_type)
    if pa.types.is_string_view(kind):
        return pa.large_string()
    if pa.types.is_binary_view(kind):
        return pa.large_binary()
    return pa.float32() if pa.types.is_float16(kind) else kind


def _plain(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    arrays = []
    for column, kind in zip(batch.columns, schema.types, strict=True):
        stored = column.storage if isinstance(column, pa.ExtensionArray) else column
        arrays.append(stored if stored.type == kind else stored.cast(kind))
    return pa.record_batch(arrays, schema=schema)


def _regrouped(batches: Batches) -> Batches:
    """Small batches joined, large ones cut: rows are found fast only in batches of a middling size."""
    waiting: list[pa.RecordBatch] = []
    n_rows, n_bytes, share = 0, 0, 0.0
    for share, batch in batches:
        waiting.append(batch)
        n_rows, n_bytes = n_rows + batch.num_rows, n_bytes + batch.nbytes
        if n_rows >= BATCH_ROWS or n_bytes >= BATCH_BYTES:
            yield from ((share, joined) for joined in _joined(waiting))
            waiting, n_rows, n_bytes = [], 0, 0
    if waiting:
        yield from ((share, joined) for joined in _joined(waiting))


def _joined(batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    table = pa.Table.from_batches(batches)
    if len(batches) > 1:
        table = table.combine_chunks()
    return [batch for batch in table.to_batches(BATCH_ROWS) if batch.num_rows]
