"""Tables as FITS: one binary table, written in blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..astronomy import need_astropy, unit_of
from ..errors import InputError
from .cells import json_texts
from .spool import Spool, item_type

RECORD = 2880  # bytes; a FITS file is a whole number of these
MOST_COLUMNS = 999
UNPRINTABLE = r"[^ -~]"
ESCAPED = "text with escapes as of Python's unicode_escape"
LETTERS = {"u1": "B", "i2": "I", "i4": "J", "i8": "K", "f4": "E", "f8": "D"}
WHOLE = {  # FITS has one kind of one byte, without a sign; others take the next wider one
    pa.uint8(): "u1", pa.int8(): "i2", pa.int16(): "i2", pa.uint16(): "i4", pa.int32(): "i4", pa.uint32(): "i8",
    pa.int64(): "i8",
}  # fmt: skip


@dataclass(frozen=True)
class FitsColumn:
    """How a column is written: NumPy type of its items (big-endian), shape of a cell, value for missing ones."""

    name: str
    kind: str
    shape: tuple[int, ...] = ()
    missing: int | None = None
    zero: int | None = None
    is_escaped: bool = False
    unit: str | None = None

    @property
    def form(self) -> str:
        """The value of TFORM."""
        if self.kind.startswith("S"):
            return f"{self.kind[1:]}A"
        if self.kind == "bool":
            return "L"
        n = int(np.prod(self.shape)) if self.shape else ""
        return f"{n}{LETTERS[self.kind]}"


def write_fits(path: Path, blocks: Iterator[pa.Table]) -> None:
    """Write tables of one schema as one FITS table.

    Missing whole numbers are TNULL, missing truth values make a column of 0 and 1 with TNULL, missing texts are
    empty, missing real numbers are NaN. FITS texts are printable ASCII: a column with another character in it
    is escaped as a whole, and its TCOMM says so.

    Raises
    ------
    InputError
        When astropy is not there, or the table is more than a FITS table can hold.
    """
    need_astropy("FITS")
    with Spool(blocks, path.parent) as spool, path.open("wb") as sink:
        columns = _columns(spool)
        for header in _headers(columns, spool.n_rows):
            sink.write(header)
        n_bytes = 0
        for block in spool:
            rows = _rows(block, columns)
            sink.write(rows.data)
            n_bytes += rows.nbytes
        sink.write(bytes(-n_bytes % RECORD))


def _columns(spool: Spool) -> list[FitsColumn]:
    if len(spool.schema) > MOST_COLUMNS:
        raise InputError(
            f"FITS holds {MOST_COLUMNS} columns and here are {len(spool.schema):,}: choose another format"
        )
    widths = _text_widths(spool)
    return [_column(spool, place, field, widths[place]) for place, field in enumerate(spool.schema)]


def _column(spool: Spool, place: int, field: pa.Field, width: tuple[int, bool] | None) -> FitsColumn:
    name, facts, unit = field.name, spool.facts[field.name], unit_of(field)
    if width is not None:
        return FitsColumn(name, f"S{max(width[0], 1)}", is_escaped=width[1], unit=unit)
    kind, shape = item_type(field.type), spool.shape(name) or ()
    if pa.types.is_boolean(kind):
        return FitsColumn(name, "u1" if facts.n_missing else "bool", missing=255 if facts.n_missing else None)
    if pa.types.is_floating(kind):
        return FitsColumn(name, "f4" if pa.types.is_float32(kind) else "f8", shape, unit=unit)
    zero = 2**63 if pa.types.is_uint64(kind) and (facts.highest or 0) >= 2**63 else None
    if zero is not None and (shape or facts.n_missing):
        raise InputError(
            f"column '{name}' has numbers beyond 2^63, which FITS cannot hold beside missing ones or in lists: "
            "choose another format"
        )
    code = WHOLE.get(kind, "i8")
    missing = _free_value(spool, place, code) if facts.n_missing else None
    return FitsColumn(name, code, shape, missing, zero, unit=unit)


def _free_value(spool: Spool, place: int, code: str) -> int:
    """A number that a column does not hold, for cells that hold none."""
    info, facts = np.iinfo(code), spool.facts[spool.schema.names[place]]
    if facts.lowest is None or facts.lowest > info.min:
        return int(info.min)
    if facts.highest is None or facts.highest < info.max:
        return int(info.max)
    held = {value for block in spool for value in pc.unique(block.column(place)).to_pylist()}
    free = next((value for value in range(info.min, info.max) if value not in held), None)
    if free is None:
        name = spool.schema.names[place]
        raise InputError(f"column '{name}' holds every number of its type and missing ones: choose another format")
    return free


def _text_widths(spool: Spool) -> list[tuple[int, bool] | None]:
    """Of each column of texts the bytes of its longest one, and whether it is escaped; None for other columns."""
    texts = [place for place, field in enumerate(spool.schema) if _is_text(spool, field)]
    found: dict[int, list[int]] = {place: [0, 0, 0] for place in texts}  # as it is, escaped, not printable
    for block in spool:
        for place in texts:
            column = _texts(block.column(place))
            widths = found[place]
            is_odd = bool(pc.any(pc.match_substring_regex(column, UNPRINTABLE)).as_py())
            doubled = _escaped(column) if is_odd else pc.replace_substring(column, "\\", "\\\\")
            widths[0] = max(widths[0], pc.max(pc.binary_length(column)).as_py() or 0)
            widths[1] = max(widths[1], pc.max(pc.binary_length(doubled)).as_py() or 0)
            widths[2] |= int(is_odd)
    made: list[tuple[int, bool] | None] = [None] * len(spool.schema)
    for place, (as_is, escaped, n_odd) in found.items():
        made[place] = (escaped if n_odd else as_is, n_odd > 0)
    return made


def _is_text(spool: Spool, field: pa.Field) -> bool:
    """Whether cells are written as text; lists are where their lengths differ or a whole number is missing."""
    return pa.types.is_string(field.type) or (pa.types.is_nested(field.type) and spool.shape(field.name) is None)


def _texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    texts = column if pa.types.is_string(column.type) else pa.chunked_array([json_texts(column)])
    return texts.fill_null("")


def _escaped(column: pa.ChunkedArray) -> pa.Array:
    return pa.array([text.encode("unicode_escape").decode() for text in column.to_pylist()], pa.string())


def _headers(columns: list[FitsColumn], n_rows: int) -> Iterator[bytes]:
    """The header of an empty primary array, then that of the table."""
    from astropy.io import fits

    yield fits.PrimaryHDU().header.tostring().encode("ascii")
    header = fits.Header()
    width = _row_type(columns).itemsize
    facts: list[tuple[str, Any, str]] = [
        ("XTENSION", "BINTABLE", "binary table"),
        ("BITPIX", 8, "bytes"),
        ("NAXIS", 2, "rows of bytes"),
        ("NAXIS1", width, "bytes in a row"),
        ("NAXIS2", n_rows, "rows"),
        ("PCOUNT", 0, "no heap"),
        ("GCOUNT", 1, "one table"),
        ("TFIELDS", len(columns), "columns"),
        ("EXTNAME", "LABELS", "labelled items"),
    ]
    for key, value, comment in facts:
        header[key] = (value, comment)
    for number, column in enumerate(columns, 1):
        for key, value in _cards(column).items():
            if value is not None:
                header[f"{key}{number}"] = value
    yield header.tostring().encode("ascii")


def _cards(column: FitsColumn) -> dict[str, Any]:
    name = column.name if not re.search(UNPRINTABLE, column.name) else _ascii(column.name)
    unit = column.unit if column.unit and not re.search(UNPRINTABLE, column.unit) else None
    dimensions = ",".join(str(n) for n in reversed(column.shape))
    return {
        "TTYPE": name,
        "TFORM": column.form,
        "TDIM": f"({dimensions})" if len(column.shape) > 1 else None,
        "TUNIT": unit,
        "TNULL": column.missing,
        "TZERO": column.zero,
        "TCOMM": ESCAPED if column.is_escaped else None,
    }


def _ascii(text: str) -> str:
    return text.encode("unicode_escape").decode()


def _row_type(columns: list[FitsColumn]) -> np.dtype[Any]:
    kinds = {"bool": "S1"}
    return np.dtype(
        [(f"c{i}", np.dtype(kinds.get(c.kind, c.kind)).newbyteorder(">"), c.shape) for i, c in enumerate(columns)]
    )


def _rows(block: pa.Table, columns: list[FitsColumn]) -> NDArray[Any]:
    rows = np.zeros(block.num_rows, _row_type(columns))
    for place, column in enumerate(columns):
        rows[f"c{place}"] = _values(block.column(place), column)
    return rows


def _values(cells: pa.ChunkedArray, column: FitsColumn) -> NDArray[Any]:
    """The cells of a block as they are written, ``(n_rows, *shape)``."""
    if column.kind.startswith("S"):
        texts = _texts(cells)
        texts = pa.chunked_array([_escaped(texts)]) if column.is_escaped else texts
        return texts.cast(pa.binary()).to_numpy().astype(column.kind)
    if column.kind == "bool":
        return np.where(cells.to_numpy(), b"T", b"F")
    if pa.types.is_nested(cells.type):
        return _arrays(cells, column)
    if pa.types.is_boolean(cells.type):
        cells = cells.cast(pa.uint8())
    if column.zero is not None:
        return (cells.to_numpy() ^ np.uint64(column.zero)).view(np.int64)
    if pa.types.is_integer(cells.type):
        cells = cells.cast(pa.from_numpy_dtype(np.dtype(column.kind)))
    if not cells.null_count:
        return cells.to_numpy()
    return cells.fill_null(np.nan if column.missing is None else column.missing).to_numpy()


def _arrays(cells: pa.ChunkedArray, column: FitsColumn) -> NDArray[Any]:
    made = np.full((len(cells), *column.shape), np.nan if column.kind.startswith("f") else 0, column.kind)
    items = cells.drop_null()
    while pa.types.is_nested(items.type):
        items = pc.list_flatten(items)
    if items.null_count:
        items = items.fill_null(np.nan)
    made[cells.is_valid().to_numpy()] = items.to_numpy().reshape(-1, *column.shape)
    return made
