"""Labels as one file of several formats, one row for each labelled item."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial as bound
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ..errors import InputError
from ..labels import LogState
from ..tables import Progress
from ..workspace import Workspace
from .cells import flat, json_text
from .columns import portable
from .fits import write_fits
from .labelstudio import write_tasks
from .replay import Pseudonyms
from .votable import write_votable

Format = Literal["csv", "parquet", "jsonl", "fits", "votable", "labelstudio"]
FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".fits": "fits",
    ".vot": "votable",
    ".votable": "votable",
    ".json": "labelstudio",
}
BLOCK_ROWS = 20_000
FORMULA = r"^[=+\-@\t\r]"

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
        ("suggested_label", pa.string()),
        ("suggested_confidence", pa.float64()),
        ("suggestion_shown", pa.bool_()),
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
        One of `FORMATS`; by default what the name ends in.

    Returns
    -------
    int
        How many rows were written.

    Raises
    ------
    InputError
        When the format is not known, there is no label, or the file cannot be written.
    """
    kind = format_of(target, fmt)
    state = workspace.log.snapshot()  # labelling goes on meanwhile
    rows = labelled_rows(workspace, state)
    if not len(rows):
        raise InputError(f"{workspace.folder.name} has no labels yet: there is nothing to export")
    tell = progress or (lambda share, text: None)
    blocks = _blocks(workspace, rows, state, tell)
    if kind == "labelstudio":
        names = Pseudonyms(state.by_id.values(), named=False).names
        _write(target, bound(write_tasks, own=frozenset(OURS.names), names=names), blocks)
    else:
        _write(target, _WRITERS[kind], blocks)
    return len(rows)


def export_blocks(blocks: Iterable[pa.Table], target: Path, fmt: Format | str | None = None) -> None:
    """Write tables of one schema, at least one, as one file that a spreadsheet can open without harm.

    A Parquet file keeps the metadata of the schema.

    Parameters
    ----------
    blocks
        One after the other.
    target, fmt
        As in `export_labels`. In a CSV, texts that a spreadsheet would take for a formula get a ``'`` before
        them.

    Raises
    ------
    InputError
        When the format is not known, or the file cannot be written.
    """
    kind = format_of(target, fmt)
    if kind not in _WRITERS:
        raise InputError(
            f"{target.name} would be tasks of Label Studio, and these are none: choose another format"
        )
    safe = (_harmless(_portable(block)) if kind == "csv" else _portable(block) for block in blocks)
    _write(target, _WRITERS[kind], safe)


def format_of(target: Path, fmt: Format | str | None = None) -> Format:
    """The format of a file, by default what its name ends in; raises InputError where it cannot be written."""
    kind = fmt or FORMATS.get(target.suffix.lower())
    known = next((one for one in FORMATS.values() if one == kind), None)
    if known is None:
        raise InputError(f"{target.name} ends in no known format: name it {', '.join(FORMATS)}, or use --format")
    if not target.parent.is_dir():
        raise InputError(f"there is no folder {target.parent}: make it first")
    return known


def unfinished(target: Path) -> Path:
    """The file as which another is written until it is whole."""
    return target.with_name(target.name + ".partial")


def _write(target: Path, writer: Writer, blocks: Iterator[pa.Table]) -> None:
    """Write a file whole or not at all."""
    partial = unfinished(target)
    try:
        writer(partial, blocks)
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(target)
    except OSError as error:
        raise InputError(
            f"{target} cannot be written ({error.strerror or error}): choose another place"
        ) from error
    except pa.ArrowException as error:
        reason = " ".join(str(error).split())[:200]
        kind = target.suffix[1:].upper() or "such a file"
        raise InputError(f"the rows cannot be written as {kind} ({reason}): choose another format") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _harmless(block: pa.Table) -> pa.Table:
    """Texts that begin as formulas do in spreadsheets, with a quote before them; numbers as they are."""
    columns = [
        pc.if_else(pc.match_substring_regex(c, FORMULA), pc.binary_join_element_wise("'", c, ""), c)
        if pa.types.is_string(c.type)
        else c
        for c in flat(block).columns
    ]
    return pa.table(columns, names=block.column_names)


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
        "suggested_label": [event.suggested and state.classes.now(event.suggested) for event in events],
        "suggested_confidence": [event.suggested_probability for event in events],
        "suggestion_shown": [event.suggestion_shown for event in events],
        "n_events": [state.n_events_of(item_id) for item_id in item_ids],
        "note": [state.notes.get(item_id) for item_id in item_ids],
    }
    known = pa.table(ours, schema=OURS)
    source = workspace.table.take(rows, mapped=False)
    source = _portable(source.rename_columns(_source_names(source.column_names)))
    columns = [known.column(0), *source.columns, *known.columns[1:]]
    return pa.table(columns, schema=pa.schema([OURS.field(0), *source.schema, *list(OURS)[1:]]))


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
    """Every column in the type that every reader knows; what is known of it, as its unit, stays."""
    fields = [pa.field(f.name, portable(f.type), metadata=f.metadata) for f in table.schema]
    return table.cast(pa.schema(fields, metadata=table.schema.metadata))


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
            pa_csv.write_csv(flat(block), sink, options)


def _write_jsonl(path: Path, blocks: Iterator[pa.Table]) -> None:
    with path.open("w", encoding="utf-8") as sink:
        for block in blocks:
            for row in block.to_pylist():
                sink.write(json_text(row) + "\n")


Writer = Callable[[Path, Iterator[pa.Table]], None]
_WRITERS: dict[Format, Writer] = {
    "csv": _write_csv,
    "parquet": _write_parquet,
    "jsonl": _write_jsonl,
    "fits": write_fits,
    "votable": write_votable,
}
