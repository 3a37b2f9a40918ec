"""Columns to one float32 matrix on disk: missing values, scaling, categories, arrays."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from .errors import InputError
from .roles import MOST_CATEGORIES, array_width
from .tables import Progress, Table, to_doubles

BLOCK_ROWS = 65_536
BLOCK_VALUES = 2**22  # 32 MB in double precision
# Embeddings and pixels are scaled as one block: their numbers have one unit among them.
SCALE_SAMPLE = 200_000
LARGE = 1e150


@dataclass
class FeatureReport:
    """What was done to make the matrix, enough to do the same to new rows.

    `names` has one name for each column of the matrix; `imputed` counts the missing values that were
    replaced, by column: by the median, in arrays by the mean; `medians`, `means`, `deviations` are by
    column of the table (arrays have one mean and deviation for the whole array); `widths` has the length
    of the arrays; `categories` lists the values of one-hot columns.
    """

    names: list[str] = field(default_factory=list)
    imputed: dict[str, int] = field(default_factory=dict)
    medians: dict[str, float] = field(default_factory=dict)
    means: dict[str, float] = field(default_factory=dict)
    deviations: dict[str, float] = field(default_factory=dict)
    categories: dict[str, list[str]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    widths: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> FeatureReport:
        """The report from plain values."""
        return cls(**values)

    def notes(self) -> list[str]:
        """What a user should know, in sentences."""
        notes = [
            f"'{name}': {count:,} missing, counted as the median ({self.medians[name]:.6g})."
            if name in self.medians
            else f"'{name}': {count:,} missing in its arrays, counted as their mean ({self.means[name]:.6g})."
            for name, count in self.imputed.items()
        ]
        return notes + [f"'{name}' is not a feature: {why}." for name, why in self.left_out.items()]


def build_features(
    table: Table,
    columns: Sequence[str],
    target: Path,
    *,
    infinite: Literal["error", "missing"] = "error",
    progress: Progress | None = None,
) -> FeatureReport:
    """Write the feature matrix ``(n_rows, n_features)`` as a float32 ``.npy`` file; touches the whole table.

    Numbers are centred and divided by their standard deviation, computed in double precision; missing
    ones become the median. Booleans are 0 and 1 and dates days before that. Texts of few values become
    one column a value. Arrays are centred and scaled as a whole.

    Parameters
    ----------
    columns
        Names of the columns, in their order in the matrix.
    target
        The file to write; it is renamed into place when it is whole.
    infinite
        Whether an infinite value is an error or counts as missing.

    Raises
    ------
    InputError
        When a column cannot be a feature or holds infinite values.
    """
    tell = progress or (lambda share, text: None)
    report = FeatureReport()
    for number, name in enumerate(columns):
        tell(0.5 * number / len(columns), f"measuring column {name}")
        _measure(table, name, report, infinite)
    partial = target.with_name(target.name + ".partial")
    try:
        _write(partial, table.n_rows, len(report.names), _blocks(table, columns, report, infinite, tell))
        partial.replace(target)
    except OSError as error:
        raise InputError(
            f"{target.parent} cannot be written ({error.strerror}): make room, or choose another --workspace"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return report


def _write(path: Path, n_rows: int, n_columns: int, blocks: Iterator[NDArray[np.float32]]) -> None:
    """Write a ``.npy`` file block by block and have it on disk.

    Not through a memory map: on a full disk that would end the process instead of raising an error.
    """
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.float32)), "fortran_order": False,
              "shape": (n_rows, n_columns)}  # fmt: skip
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            file.write(np.ascontiguousarray(block).data)
        file.flush()
        os.fsync(file.fileno())


def open_features(target: Path) -> NDArray[np.float32]:
    """The matrix, memory-mapped and read-only."""
    matrix: NDArray[np.float32] = np.load(target, mmap_mode="r")
    return matrix


def read_rows(matrix: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Rows of the matrix as a copy ``(n_rows, n_features)``; little of a mapped file stays in memory.

    Parameters
    ----------
    rows
        In ascending order.
    """
    if not isinstance(matrix, np.memmap) or matrix.filename is None or not matrix.flags.c_contiguous:
        return np.asarray(matrix[rows], np.float32)
    made = np.empty((len(rows), matrix.shape[1]), np.float32)
    with open(matrix.filename, "rb") as file:
        for first in range(0, len(matrix), BLOCK_ROWS):
            low, high = np.searchsorted(rows, [first, first + BLOCK_ROWS])
            if low == high:
                continue
            start, stop = int(rows[low]), int(rows[high - 1]) + 1
            file.seek(matrix.offset + start * matrix.strides[0])
            slab = np.fromfile(file, matrix.dtype, (stop - start) * matrix.shape[1])
            made[low:high] = slab.reshape(-1, matrix.shape[1])[rows[low:high] - start]
    return made


def save_report(report: FeatureReport, path: Path) -> None:
    """Write the report as JSON; it is renamed into place when it is whole."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(report.to_dict(), indent=1, ensure_ascii=False), encoding="utf-8")
    partial.replace(path)


def load_report(path: Path) -> FeatureReport:
    """Read a report that `save_report` wrote."""
    return FeatureReport.from_dict(json.loads(path.read_text(encoding="utf-8")))


# ---- measuring --------------------------------------------------------------------------------------


def _measure(table: Table, name: str, report: FeatureReport, infinite: str) -> None:
    """Find out how a column is scaled, and how many columns of the matrix it becomes."""
    column = table.column(name)
    width = array_width(table, name)
    if width is not None:
        _measure_array(table, name, width, report)
    elif pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        values = sorted(value for value in pc.unique(column).to_pylist() if value is not None)
        if len(values) > MOST_CATEGORIES:
            raise InputError(f"column '{name}' has {len(values):,} different texts: leave it out of the features")
        report.categories[name] = values
        report.names += [f"{name}={value}" for value in values]
    else:
        _measure_numbers(table.doubles(name), name, report, infinite)


def _measure_numbers(values: NDArray[np.float64], name: str, report: FeatureReport, infinite: str) -> None:
    endless = np.isinf(values)
    if endless.any():
        if infinite == "error":
            raise InputError(
                f"column '{name}' has {int(endless.sum()):,} infinite values, the first in row "
                f"{int(np.argmax(endless))}: replace them, leave the column out, or let them count as missing "
                "(--infinite missing)"
            )
        values = np.where(endless, np.nan, values)
    known = values[~np.isnan(values)]
    if not len(known):
        raise InputError(f"column '{name}' has no values: leave it out of the features")
    median = float(np.median(known))
    n_missing = len(values) - len(known)
    if n_missing:
        report.imputed[name] = n_missing
    # Moments of the completed column, without a copy of it; in units of its largest value, so that no square
    # is too large or too small for double precision.
    unit = float(np.abs(known).max()) or 1.0
    known, middle = known / unit, median / unit
    mean = (known.sum() + n_missing * middle) / len(values)
    known -= mean
    variance = (np.square(known, out=known).sum() + n_missing * (middle - mean) ** 2) / len(values)
    report.medians[name] = median
    report.means[name] = float(mean * unit)
    report.deviations[name] = float(np.sqrt(variance) * unit) or 1.0
    report.names.append(name)


def _measure_array(table: Table, name: str, width: int, report: FeatureReport) -> None:
    n_rows = min(table.n_rows, max(SCALE_SAMPLE // width, 1))
    rows = np.unique(np.linspace(0, table.n_rows - 1, n_rows).astype(np.int64))
    sample = _array_values(table.take(rows, [name]).column(0), width)
    finite = sample[np.isfinite(sample)]
    report.means[name] = float(finite.mean()) if len(finite) else 0.0
    report.deviations[name] = (float(finite.std()) if len(finite) else 0.0) or 1.0
    report.names += [f"{name}[{i}]" for i in range(width)]
    report.widths[name] = width


# ---- writing ----------------------------------------------------------------------------------------


def _blocks(
    table: Table, columns: Sequence[str], report: FeatureReport, infinite: str, tell: Progress
) -> Iterator[NDArray[np.float32]]:
    """The standardised rows of the table, all columns, in blocks of bounded size."""
    n_rows = min(max(BLOCK_VALUES // max(len(report.names), 1), 1), BLOCK_ROWS)
    for start in range(0, table.n_rows, n_rows):
        stop = min(start + n_rows, table.n_rows)
        parts = []
        for name in columns:
            cells = table.column(name).slice(start, stop - start)
            parts.append(feature_values(cells, name, start, report, infinite))
        yield np.concatenate(parts, axis=1, dtype=np.float32)
        tell(0.5 + 0.5 * stop / table.n_rows, "writing the features")


def feature_values(
    cells: pa.ChunkedArray, name: str, start: int, report: FeatureReport, infinite: str
) -> NDArray[np.float64]:
    """One column of some rows from `start` as columns of the matrix, float64 ``(n_rows, n_columns)``.

    Raises
    ------
    InputError
        When arrays hold infinite values, and these are an error.
    """
    if name in report.categories:
        return _one_hot(cells, report.categories[name])
    if name in report.widths:
        return _array_block(cells, name, start, report, infinite)
    values = to_doubles(cells, name)[:, None]
    values = np.where(np.isfinite(values), values, report.medians[name])
    return _scaled(values, name, report)


def _array_block(
    cells: pa.ChunkedArray, name: str, start: int, report: FeatureReport, infinite: str
) -> NDArray[np.float64]:
    """Arrays of some rows from `start`, standardised; the first pass over all their values is this one."""
    values = _array_values(cells, report.widths[name])
    known = np.isfinite(values)
    if not known.all():
        endless = np.isinf(values)
        if infinite == "error" and endless.any():
            row = start + int(np.argmax(endless.any(axis=1)))
            raise InputError(
                f"column '{name}' has infinite values in its arrays, the first in row {row}: replace them, leave "
                "the column out, or let them count as missing (--infinite missing)"
            )
        report.imputed[name] = report.imputed.get(name, 0) + int(values.size - known.sum())
        values = np.where(known, values, report.means[name])
    return _scaled(values, name, report)


def _scaled(values: NDArray[np.float64], name: str, report: FeatureReport) -> NDArray[np.float64]:
    # Divided before they are subtracted: the difference of two very large numbers would be infinite.
    deviation = report.deviations[name]
    if max(abs(report.means[name]), deviation) > LARGE:
        return values / deviation - report.means[name] / deviation
    return (values - report.means[name]) / deviation


def _array_values(cells: pa.ChunkedArray, width: int) -> NDArray[np.float64]:
    flat = pa.chunked_array([chunk.flatten() for chunk in cells.chunks], cells.type.value_type)
    return pc.cast(flat, pa.float64(), safe=False).to_numpy().reshape(-1, width)


def _one_hot(cells: pa.ChunkedArray, values: Sequence[str]) -> NDArray[np.float64]:
    positions = pc.index_in(cells.cast(pa.string()), value_set=pa.array(list(values), pa.string()))
    codes = pc.fill_null(positions, -1).to_numpy()
    return (codes[:, None] == np.arange(len(values))[None, :]).astype(np.float64)
