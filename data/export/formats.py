"""Labels as one file: CSV, Parquet or JSON lines, one row for each labelled item."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ..errors import InputError
from ..labels import LogState
from ..tables import Progress
from ..workspace import Workspace

Format = Literal["csv", "parquet", "jsonl"]
FORMATS: dict[str, Format] = {".csv": "csv", ".parquet": "parquet", ".jsonl": "jsonl"}
BLOCK_ROWS = 20_000
BINARY = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)

OURS = pa.schema(
    [
        ("item_id", pa.string()),
        ("label", pa.string()),
        ("annotator", pa.string()),
        ("labelled_at", pa.timestamp("us", tz="UTC")),
        ("input", pa.string()),
        ("dwell_ms", pa.int64()),
        ("query_round", pa.int64()),
        ("query_strategy", pa.string()),
        ("selection_probability", pa.float64()),
        ("n_events", pa.int64()),
        ("note", pa.string()),
    ]
)


def export_labels(
    workspace: Workspace, target: Path, fmt: Format | str | None = None, progress: Progress | None = None
) -> int:
    """Write the labelled items, in the order of the table.

    Each row has the item's id, its columns in the table, its label, and who gave it, when, how it was
    entered and how the item was chosen. A column of the table that has one of these names is called
    ``source_NAME``.

    Parameters
    ----------
    target
        The file to write; it is renamed into place when it is whole.
    fmt
        ``csv``, ``parquet`` or ``jsonl``; by default what the name ends in.

    Returns
    -------
    int
        How many rows were written.

    Raises
    ------
    InputError
        When the format is not known, there is no label, or the file cannot be written.
    """
    kind = fmt or FORMATS.get(target.suffix.lower())
    if kind is None or kind not in FORMATS.values():
        raise InputError(
            f"{target.name} ends in no known format: name it .csv, .parquet or .jsonl, or use --format"
        )
    if not target.parent.is_dir():
        raise InputError(f"there is no folder {target.parent}: make it first")
    state = workspace.log.snapshot()  # labelling goes on meanwhile
    rows = labelled_rows(workspace, state)
    if not len(rows):
        raise InputError(f"{workspace.folder.name} has no labels yet: there is nothing to export")
    partial = target.with_name(target.name + ".partial")
    tell = progress or (lambda share, text: None)
    try:
        _WRITERS[kind](partial, _blocks(workspace, rows, state, tell))
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(target)
    except OSError as error:
        raise InputError(
            f"{target} cannot be written ({error.strerror or error}): choose another place"
        ) from error
    except pa.ArrowException as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"the labels cannot be written as {kind} ({reason}): choose another format") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
    return len(rows)


def labelled_rows(workspace: Workspace, state: LogState) -> NDArray[np.int64]:
    """Rows of the items that have a label, in the order of the table."""
    labelled = [i for i, item in state.items.items() if item.status == "labelled"]
    return np.sort(workspace.ids.rows(labelled))


def _blocks(workspace: Workspace, rows: NDArray[np.int64], state: LogState, tell: Progress) -> Iterator[pa.Table]:
    for start in range(0, len(rows), BLOCK_ROWS):
        block = rows[start : start + BLOCK_ROWS]
        yield _block(workspace, block, state)
        tell((start + len(block)) / len(rows), "exporting")


def _block(workspace: Workspace, rows: NDArray[np.int64], state: LogState) -> pa.Table:
    """The labelled items of some rows: the id, the table's columns, then what the log knows."""
    item_ids = workspace.ids.texts(rows)
    events = [state.items[item_id].event for item_id in item_ids]
    ours = {
        "item_id": item_ids,
        "label": [state.items[item_id].label for item_id in item_ids],
        "annotator": [event.annotator for event in events],
        "labelled_at": [event.created_at for event in events],
        "input": [event.input for event in events],
        "dwell_ms": [event.dwell_ms for event in events],
        "query_round": [event.round for event in events],
        "query_strategy": [event.strategy for event in events],
        "selection_probability": [event.probability for event in events],
        "n_events": [state.n_events_of(item_id) for item_id in item_ids],
        "note": [state.notes.get(item_id) for item_id in item_ids],
    }
    known = pa.table(ours, schema=OURS)
    source = workspace.table.take(rows)
    source = _portable(source.rename_columns(_source_names(source.column_names)))
    columns = [known.column(0), *source.columns, *known.columns[1:]]
    return pa.table(columns, names=[OURS.names[0], *source.column_names, *OURS.names[1:]])


def _source_names(names: list[str]) -> list[str]:
    """The names of the table's columns in the file: those that clash with ours get ``source_`` before them."""
    taken = {*OURS.names, *names}
    result = []
    for name in names:
        new = name
        while new in OURS.names or (new != name and new in taken):
            new = f"source_{new}"
        taken.add(new)
        result.append(new)
    return result


def _portable(table: pa.Table) -> pa.Table:
    """Strings in the type that every reader knows."""
    fields = [pa.field(f.name, pa.string()) if pa.types.is_large_string(f.type) else f for f in table.schema]
    return table.cast(pa.schema(fields))


def _write_parquet(path: Path, blocks: Iterator[pa.Table]) -> None:
    first = next(blocks)
    with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
        writer.write_table(first)
        for block in blocks:
            writer.write_table(block)


def _write_csv(path: Path, blocks: Iterator[pa.Table]) -> None:
    with path.open("wb") as sink:
        for number, block in enumerate(blocks):
            options = pa_csv.WriteOptions(include_header=number == 0)
            pa_csv.write_csv(_flat(block), sink, options)


def _write_jsonl(path: Path, blocks: Iterator[pa.Table]) -> None:
    with path.open("w", encoding="utf-8") as sink:
        for block in blocks:
            for row in block.to_pylist():
                sink.write(_json(row) + "\n")


def _json(value: Any) -> str:
    """Strict JSON: numbers that it does not have (not a number, infinite) are null."""
    try:
        return json.dumps(value, default=_jsonable, ensure_ascii=False, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), default=_jsonable, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _flat(block: pa.Table) -> pa.Table:
    """Lists and structures as JSON texts, bytes as hexadecimal, which a CSV cell can hold."""
    columns = {}
    for name in block.column_names:
        column = block.column(name)
        if pa.types.is_nested(column.type):
            texts = [None if v is None else _json(v) for v in column.to_pylist()]
            column = pa.array(texts, pa.string())
        elif any(test(column.type) for test in BINARY):
            column = pa.array([None if v is None else v.hex() for v in column.to_pylist()], pa.string())
        columns[name] = column
    return pa.table(columns)


def _jsonable(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value.hex() if isinstance(value, bytes) else str(value)


_WRITERS = {"csv": _write_csv, "parquet": _write_parquet, "jsonl": _write_jsonl}
