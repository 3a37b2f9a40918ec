"""Blocks of a table kept for a second reading, with cells as FITS and VOTable know them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc as pa_ipc

from .cells import hex_texts, is_binary, json_texts


@dataclass
class Facts:
    """What a column holds over all blocks.

    `lowest` and `highest` are of whole numbers; `lengths` of lists; `has_holes` says whether a list has an item
    that is missing.
    """

    n_missing: int = 0
    lowest: int | None = None
    highest: int | None = None
    lengths: set[int] = field(default_factory=set)
    has_holes: bool = False

    def take(self, column: pa.ChunkedArray) -> None:
        """Look at the cells of one more block."""
        self.n_missing += column.null_count
        if pa.types.is_integer(column.type):
            ends = pc.min_max(column).as_py()
            if ends["min"] is not None:
                self.lowest = ends["min"] if self.lowest is None else min(self.lowest, ends["min"])
                self.highest = ends["max"] if self.highest is None else max(self.highest, ends["max"])
        elif pa.types.is_nested(column.type):
            self.lengths.update(n for n in pc.unique(pc.list_value_length(column)).to_pylist() if n is not None)
            items = column
            while pa.types.is_nested(items.type):
                items = pc.list_flatten(items)
                self.has_holes |= items.null_count > 0


class Spool:
    """Blocks of a table in a file without a name, which is gone when it is closed.

    Parameters
    ----------
    blocks
        Tables of one schema, at least one. Moments and decimals become texts, bytes hexadecimal, lists of
        other things than numbers and structures JSON.
    folder
        Where the file is made.
    """

    def __init__(self, blocks: Iterator[pa.Table], folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self.n_rows = 0
        try:
            first = plain(next(blocks))
            self.schema = first.schema
            self.facts = {name: Facts() for name in self.schema.names}
            with pa_ipc.new_file(self._file, self.schema) as writer:
                self._keep(writer, first)
                for block in blocks:
                    self._keep(writer, plain(block))
        except BaseException:
            self._file.close()
            raise

    def _keep(self, writer: Any, block: pa.Table) -> None:
        block = block.combine_chunks()
        writer.write_table(block)
        self.n_rows += block.num_rows
        for name in self.schema.names:
            self.facts[name].take(block.column(name))

    def __iter__(self) -> Iterator[pa.Table]:
        self._file.seek(0)
        reader = pa_ipc.open_file(self._file)
        for number in range(reader.num_record_batches):
            yield pa.Table.from_batches([reader.get_batch(number)])

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def shape(self, name: str) -> tuple[int, ...] | None:
        """The shape of the cells of a column of lists whose shape is always the same and that lack no number."""
        facts, kind, shape = self.facts[name], self.schema.field(name).type, []
        whole = pa.types.is_integer(item_type(kind))
        if not pa.types.is_nested(kind) or (whole and (facts.has_holes or facts.n_missing)):
            return None
        while pa.types.is_fixed_size_list(kind):
            shape.append(kind.list_size)
            kind = kind.value_type
        if pa.types.is_nested(kind):
            if shape or pa.types.is_nested(kind.value_type) or len(facts.lengths) != 1:
                return None
            shape = list(facts.lengths)
        return tuple(shape) if all(shape) else None


def item_type(kind: pa.DataType) -> pa.DataType:
    """What the lists of a type hold at last; the type itself when it is none of lists."""
    while pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
    return kind


def plain(block: pa.Table) -> pa.Table:
    """Numbers, truth values and lists of numbers as they are, everything else as text."""
    columns, fields = [], []
    for old, column in zip(block.schema, block.columns, strict=True):
        made = _plain(column)
        columns.append(made)
        fields.append(pa.field(old.name, made.type, metadata=old.metadata))
    return pa.table(columns, schema=pa.schema(fields))


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    kind = column.type
    if pa.types.is_nested(kind):
        item = item_type(kind)
        numbers = pa.types.is_integer(item) or pa.types.is_float32(item) or pa.types.is_float64(item)
        return column if numbers else json_texts(column)
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_string(kind):
        return column
    if pa.types.is_floating(kind):
        return column.cast(pa.float32()) if pa.types.is_float16(kind) else column
    if is_binary(kind):
        return hex_texts(column)
    if pa.types.is_timestamp(kind):
        return pc.replace_substring(column.cast(pa.string()), " ", "T")
    try:
        return column.cast(pa.string())
    except pa.ArrowNotImplementedError:
        return pa.array([None if v is None else str(v) for v in column.to_pylist()], pa.string())
