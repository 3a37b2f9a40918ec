"""FITS and VOTable tables as Arrow batches, read through astropy."""

from __future__ import annotations

import importlib.util
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from .errors import InputError

FITS = (".fits", ".fit", ".fts")
VOTABLE = (".vot", ".votable", ".xml")
UNIT, NOTE = b"unit", b"note"  # in the metadata: of a field its unit, of a schema what is to be said of the file
ROWS = 65_536
Batches = Iterator[tuple[float, pa.RecordBatch]]


def need_astropy(what: str) -> None:
    """Raise InputError, which says how to get it, when astropy is not installed."""
    if importlib.util.find_spec("astropy") is None:
        raise InputError(f'{what} needs astropy: pip install "rareloop[astro]"')


def unit_of(field: pa.Field) -> str | None:
    """The unit of a column, where it is known."""
    value = (field.metadata or {}).get(UNIT)
    return None if value is None else value.decode()


def open_fits(path: Path) -> tuple[pa.Schema, Batches]:
    """The first table of a FITS file that has rows, read in blocks.

    Blank texts, NaN and TNULL are missing cells; cells of several values are lists of fixed length. Where there
    are more tables, the note in the metadata of the schema says which one it is.

    Raises
    ------
    InputError
        When astropy is not there, the file has no table or is damaged, or a column is of no plain type.
    """
    need_astropy("FITS")
    from astropy.io import fits

    with _complaining(path, "FITS"):
        file = fits.open(path, memmap=True)
        tables = [hdu for hdu in file if isinstance(hdu, fits.BinTableHDU | fits.TableHDU)]
        if not tables:
            file.close()
            raise InputError(
                f"{path.name} holds no table but {len(file)} image(s): rareloop labels the rows of a table"
            )
        hdu = next((each for each in tables if len(each.data)), tables[0])
        schema = _schema(_table_of(hdu, 0, ROWS), path, _letters(hdu.columns))
        schema = _with_note(schema, path, [each.name or f"number {file.index_of(each)}" for each in tables],
                            tables.index(hdu))  # fmt: skip

    def batches() -> Batches:
        n_rows = len(hdu.data)
        with file, _complaining(path, "FITS"):
            for start in range(0, n_rows, ROWS):
                stop = min(start + ROWS, n_rows)
                yield stop / n_rows, _batch(_table_of(hdu, start, stop), schema, path)

    return schema, batches()


def open_votable(path: Path) -> tuple[pa.Schema, Batches]:
    """The first table of a VOTable file that has rows, read whole.

    Raises
    ------
    InputError
        As `open_fits`.
    """
    need_astropy("VOTable")
    from astropy.io.votable import parse

    with _complaining(path, "VOTable"):
        found = list(parse(path, verify="ignore").iter_tables())
        if not found:
            raise InputError(f"{path.name} holds no table: rareloop labels the rows of a table")
        chosen = next((each for each in found if len(each.array)), found[0])
        names = [each.name or each.ID or f"number {i}" for i, each in enumerate(found, 1)]
        table = chosen.to_table(use_names_over_ids=True)
        schema = _with_note(_schema(table, path, {}), path, names, found.index(chosen))

    def batches() -> Batches:
        for start in range(0, len(table), ROWS):
            stop = min(start + ROWS, len(table))
            with _complaining(path, "VOTable"):
                yield stop / len(table), _batch(table[start:stop], schema, path)

    return schema, batches()


@contextmanager
def _complaining(path: Path, kind: str) -> Iterator[None]:
    """What astropy says of a damaged file, as one sentence; of odd units and headers nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except (ValueError, TypeError, KeyError, IndexError, SyntaxWarning, ExpatError) as error:
            if isinstance(error, InputError):
                raise
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{path.name} cannot be read as {kind}: {reason}") from error
        except OSError as error:
            if error.errno is not None and error.strerror:
                raise
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{path.name} cannot be read as {kind}: {reason}") from error


def _with_note(schema: pa.Schema, path: Path, names: list[str], chosen: int) -> pa.Schema:
    if len(names) < 2:
        return schema
    said = f"{path.name} holds {len(names)} tables: '{names[chosen]}' was read, the first with rows"
    return schema.with_metadata({NOTE: said.encode()})


def _table_of(hdu: Any, start: int, stop: int) -> Any:
    """Some rows of a FITS table as an astropy table, with missing cells masked."""
    from astropy.table import Table

    return Table.read(type(hdu)(data=hdu.data[start:stop], header=hdu.header))


def _letters(columns: Any) -> dict[str, str]:
    """The type letters of columns whose cells are arrays of any length."""
    found = ((column.name, re.match(r"\d*[PQ](\w)", str(column.format))) for column in columns)
    return {name: match[1] for name, match in found if match is not None}


# ---- astropy to Arrow -------------------------------------------------------------------------------

OF_LETTER = {
    "L": pa.bool_(), "B": pa.uint8(), "I": pa.int16(), "J": pa.int32(), "K": pa.int64(), "E": pa.float32(),
    "D": pa.float64(), "A": pa.string(),
}  # fmt: skip


def _schema(table: Any, path: Path, letters: dict[str, str]) -> pa.Schema:
    fields = []
    for name in table.colnames:
        column, unit = table[name], getattr(table[name], "unit", None)
        if not hasattr(column, "dtype"):
            raise InputError(f"column '{name}' of {path.name} holds no plain cells: leave it out of the file")
        kind = _kind(column, letters.get(name))
        if kind is None:
            what = "complex numbers" if column.dtype.kind == "c" else str(column.dtype)
            raise InputError(f"column '{name}' of {path.name} holds {what}: leave it out of the file")
        fields.append(pa.field(name, kind, metadata={UNIT: str(unit)} if unit is not None else None))
    return pa.schema(fields)


def _kind(column: Any, letter: str | None) -> pa.DataType | None:
    """The Arrow type of a column; None where there is none."""
    if column.dtype.kind == "O":
        kind = OF_LETTER.get(letter) if letter is not None else _kind_of_objects(column)
        return kind if kind is None or pa.types.is_string(kind) else pa.list_(kind)
    if column.dtype.kind in "SU":
        kind = pa.string()
    elif column.dtype.kind in "biuf":
        kind = pa.from_numpy_dtype(column.dtype.newbyteorder("="))
    else:
        return None
    for size in reversed(column.shape[1:]):
        kind = pa.list_(kind, size)
    return kind


def _kind_of_objects(column: Any) -> pa.DataType | None:
    for cell in column:
        if isinstance(cell, str):
            return pa.string()
        if isinstance(cell, np.ndarray) and cell.dtype.kind in "biuf":
            return pa.from_numpy_dtype(cell.dtype.newbyteorder("="))
    return pa.string()


def _batch(table: Any, schema: pa.Schema, path: Path) -> pa.RecordBatch:
    arrays = []
    for field in schema:
        try:
            arrays.append(_cells(table[field.name], field.type))
        except UnicodeDecodeError as error:
            raise InputError(
                f"column '{field.name}' of {path.name} is neither ASCII nor UTF-8: write it anew"
            ) from error
    return pa.record_batch(arrays, schema=schema)


def _cells(column: Any, kind: pa.DataType) -> pa.Array:
    """The cells of an astropy column, with masked ones missing."""
    mask: NDArray[np.bool_] = (
        np.ma.getmaskarray(column) if hasattr(column, "mask") else np.zeros(column.shape, bool)
    )
    values = np.asarray(column)
    if values.dtype.kind == "O":
        gone = np.asarray(mask.reshape(len(mask), -1).all(axis=1))
        return pa.array([None if no else _object(cell) for cell, no in zip(values, gone, strict=True)], kind)
    if values.dtype.kind in "SU":
        cells = pa.array([_text(cell) for cell in values.reshape(-1).tolist()], pa.string())
    else:
        native = values.astype(values.dtype.newbyteorder("="), copy=False)
        cells = pa.array(np.ascontiguousarray(native).reshape(-1), mask=np.ascontiguousarray(mask).reshape(-1))
    return _nested(cells, values.shape[1:])


def _nested(cells: pa.Array, shape: tuple[int, ...]) -> pa.Array:
    for size in reversed(shape):
        cells = pa.FixedSizeListArray.from_arrays(cells, size)
    return cells


def _text(cell: str | bytes) -> str | None:
    """A text without the blanks that fill it up; None where nothing is left."""
    text = cell.decode("utf-8") if isinstance(cell, bytes) else cell
    return text.rstrip(" \0") or None


def _object(cell: Any) -> Any:
    if isinstance(cell, str | bytes):
        return _text(cell)
    if np.ma.isMaskedArray(cell):
        return cell.tolist()
    return np.asarray(cell).tolist()
