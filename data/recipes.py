"""The feature recipe: what a model takes of a table, so that new rows become features as the pool's did."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from .errors import InputError
from .features import FeatureReport, feature_values
from .readers import plain_type
from .roles import is_list
from .tables import holds_numbers, to_doubles
from .workspace import Workspace

Kind = Literal["number", "boolean", "date", "text", "array"]
IN_WORDS: dict[str, str] = {
    "number": "numbers",
    "boolean": "true and false",
    "date": "dates",
    "text": "text",
    "array": "arrays of numbers",
}
MOST_FEATURES = 1_000_000
MOST_SHOWN = 60


@dataclass(frozen=True)
class FeatureRecipe:
    """The columns that a model takes, and how they become its features.

    Parameters
    ----------
    columns
        Their names, in the order of the features.
    kinds
        What each of them held in the pool.
    report
        Medians, means, deviations, categories and widths.
    infinite
        Whether an infinite value is an ``error`` or counts as ``missing``.
    """

    columns: tuple[str, ...]
    kinds: dict[str, str]
    report: FeatureReport
    infinite: str

    @classmethod
    def of(cls, workspace: Workspace) -> FeatureRecipe:
        """The recipe by which the features of a workspace were made."""
        columns = tuple(workspace.roles.features)
        kinds = {name: str(kind_of(workspace.table.schema.field(name).type)) for name in columns}
        return cls(columns, kinds, workspace.feature_report, workspace.infinite)

    @property
    def n_features(self) -> int:
        """Columns of the matrix."""
        return len(self.report.names)

    def to_dict(self) -> dict[str, Any]:
        """The recipe as plain values, without what was counted in the pool."""
        report = self.report.to_dict()
        kept = ("names", "medians", "means", "deviations", "categories", "widths")
        return {
            "columns": list(self.columns),
            "kinds": self.kinds,
            "infinite": self.infinite,
            **{name: report[name] for name in kept},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FeatureRecipe:
        """Read what `to_dict` wrote; raises ValueError, KeyError or TypeError when it makes no sense."""
        columns = tuple(_text(name) for name in values["columns"])
        kinds = {name: _text(values["kinds"][name]) for name in columns}
        report = FeatureReport(
            names=[_text(name) for name in values["names"]],
            medians={str(k): _finite(v) for k, v in values["medians"].items()},
            means={str(k): _finite(v) for k, v in values["means"].items()},
            deviations={str(k): _finite(v) for k, v in values["deviations"].items()},
            categories={str(k): [_text(each) for each in v] for k, v in values["categories"].items()},
            widths={str(k): int(v) for k, v in values["widths"].items()},
        )
        recipe = cls(columns, kinds, report, _text(values["infinite"]))
        recipe._check()
        return recipe

    def _check(self) -> None:
        if len(set(self.columns)) < len(self.columns) or not self.columns:
            raise ValueError("its columns are none, or named twice")
        if not set(self.kinds.values()) <= set(IN_WORDS) or self.infinite not in ("error", "missing"):
            raise ValueError("its columns are of no known kind")
        n = 0
        for name in self.columns:
            if self.kinds[name] == "text":
                n += len(self.report.categories[name])
                continue
            if not self.report.deviations[name] > 0:
                raise ValueError(f"the deviation of '{name}' is not above 0")
            is_array = self.kinds[name] == "array"
            _ = self.report.means[name] if is_array else self.report.medians[name]
            n += self.report.widths[name] if is_array else 1
        if n != self.n_features or not 0 < n <= MOST_FEATURES:
            raise ValueError("its features are not those of its columns")

    # ---- new rows --------------------------------------------------------------------------------

    def check_schema(self, schema: pa.Schema, where: str) -> None:
        """Check that a table has the columns, of the kinds that the model has learned from.

        Parameters
        ----------
        where
            What the table is called.

        Raises
        ------
        InputError
            Naming the first column that is missing, there twice, or of another kind, and what to do.
        """
        for name in self.columns:
            places = schema.get_all_field_indices(name)
            if len(places) != 1:
                wrong = "no column" if not places else "two columns"
                raise InputError(f"{where} has {wrong} '{name}', which the model takes once: add or rename it")
            found, wanted = kind_of(schema.field(places[0]).type), self.kinds[name]
            if found != wanted and not pa.types.is_null(schema.field(places[0]).type):
                what = IN_WORDS.get(str(found), f"{schema.field(places[0]).type} values")
                raise InputError(
                    f"column '{name}' of {where} holds {what}, and the model takes {IN_WORDS[wanted]} there: "
                    "convert the column"
                )

    def features(self, table: pa.Table, where: str, start: int = 0) -> NDArray[np.float32]:
        """The features ``(n_rows, n_features)`` of a table that `check_schema` has passed; others are ignored.

        Parameters
        ----------
        start
            The number of the first row, for what is said of errors.

        Raises
        ------
        InputError
            When a value cannot be used, naming its column and row.
        """
        if not table.num_rows:
            return np.empty((0, self.n_features), np.float32)
        report = deepcopy(self.report)  # it counts what was missing
        parts = []
        for name in self.columns:
            cells = table.column(name)
            self._check_cells(cells, name, where, start)
            with np.errstate(over="ignore"):  # what is too large is refused below
                values = feature_values(cells, name, start, report, self.infinite).astype(np.float32)
            if not np.isfinite(values).all():
                row = start + int(np.argmax(~np.isfinite(values).all(axis=1)))
                raise InputError(f"column '{name}' of {where} has a value in row {row} that is too large: mend it")
            parts.append(values)
        return np.concatenate(parts, axis=1)

    def _check_cells(self, cells: pa.ChunkedArray, name: str, where: str, start: int) -> None:
        """Raise InputError for the first value that the model has no feature for."""
        kind = self.kinds[name]
        if kind == "text":
            texts = cells.cast(pa.string())
            known = pa.array(self.report.categories[name], pa.string())
            strange = pc.and_(pc.is_valid(texts), pc.invert(pc.is_in(texts, value_set=known)))
            if pc.any(strange).as_py():
                row = pc.index(strange, True).as_py()
                value = texts[row].as_py()[:MOST_SHOWN]
                raise InputError(
                    f"column '{name}' of {where} has '{value}' in row {start + row}, new to the model: "
                    "leave such rows out, or leave the cell empty"
                )
        elif kind == "array":
            cells = cells.cast(pa.list_(pa.float64())) if pa.types.is_null(cells.type) else cells
            lengths = pc.fill_null(pc.list_value_length(cells), -1)
            wrong = pc.not_equal(lengths, self.report.widths[name])
            if pc.any(wrong).as_py():
                row = pc.index(wrong, True).as_py()
                raise InputError(
                    f"column '{name}' of {where} has no array of {self.report.widths[name]:,} numbers in row "
                    f"{start + row}: complete it, or leave the row out"
                )
        elif self.infinite == "error":
            endless = np.isinf(to_doubles(cells, name))
            if endless.any():
                raise InputError(
                    f"column '{name}' of {where} has an infinite value in row {start + int(np.argmax(endless))}: "
                    "replace it, or leave the row out"
                )


def kind_of(kind: pa.DataType) -> Kind | None:
    """What cells of a type are to a model; None for what it cannot take."""
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "text"
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "date"
    if is_list(kind):
        of_numbers = pa.types.is_integer(kind.value_type) or pa.types.is_floating(kind.value_type)
        return "array" if of_numbers else None
    return "number" if holds_numbers(kind) and not pa.types.is_null(kind) else None


def plain_columns(frame: Any, names: Sequence[str]) -> pa.Table:
    """The columns of a DataFrame or Arrow table that have these names, as plain types; the others are ignored.

    Raises
    ------
    InputError
        When a column is there twice, or mixes kinds of values.
    """
    there = frame.column_names if isinstance(frame, pa.Table) else list(frame.columns)
    twice = next((name for name in names if there.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"the table has two columns '{twice}': rename one of them")
    arrays = {name: _plain(frame, name) for name in names if name in there}
    return pa.table(arrays) if arrays else pa.table({"": pa.nulls(len(frame))})


def _plain(frame: Any, name: str) -> pa.ChunkedArray:
    if isinstance(frame, pa.Table):
        cells = frame.column(name)
    else:
        try:
            made = pa.array(frame[name], from_pandas=True)
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise InputError(f"column '{name}' mixes kinds of values: convert the column to one") from error
        cells = made if isinstance(made, pa.ChunkedArray) else pa.chunked_array([made])
    if cells.null_count == len(cells):
        return pa.chunked_array([pa.nulls(len(cells))])  # a column without a value is of any kind
    kind = plain_type(cells.type)
    return cells if kind == cells.type else cells.cast(kind)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is no number")
    return number
