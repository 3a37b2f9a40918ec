"""Counts for the charts of columns: histograms and bars, of the pool, of a selection and of wanted labels."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..data.workspace import Workspace
from .columns import Columns
from .items import format_value
from .rules import quoted

N_BINS = 40
MOST_BARS = 20
OTHER, MISSING = "other", "missing"
TABLE_KINDS = ("number", "text", "flag")


@dataclass(frozen=True)
class Chart:
    """What a chart of one column needs.

    `codes` is the bar of each row, int16 ``(n_rows,)``, −1 for a number that is missing; `pool` is int64, the
    items in each bar; a histogram has `edges` ``(n_bars + 1,)``, the last one included; bars have `labels` and
    the `rules` that choose them.
    """

    name: str
    codes: NDArray[np.int16]
    pool: NDArray[np.int64]
    edges: NDArray[np.float64] | None = None
    labels: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    note: str = ""

    def counts(self, rows: NDArray[np.int64]) -> list[int]:
        """How many of some rows are in each bar."""
        codes = self.codes[rows]
        counted: list[int] = np.bincount(codes[codes >= 0], minlength=len(self.pool)).tolist()
        return counted


def choices(workspace: Workspace, columns: Columns) -> list[str]:
    """Columns that can have a chart: shown ones, then features, then all others."""
    roles = workspace.roles
    preferred = [*roles.shown, *roles.features, *columns.table.names]
    left_out = {roles.id, roles.image, columns.hidden}
    known = [name for name in dict.fromkeys(preferred) if name in columns.table.names and name not in left_out]
    return [name for name in known if columns.kind(f".{name}") in TABLE_KINDS]


def chart(columns: Columns, name: str) -> Chart:
    """The chart of a column: a histogram of numbers, bars of all else; reads the whole column."""
    if columns.kind(f".{name}") == "number":
        return _histogram(columns, name)
    return _bars(columns, name)


def _histogram(columns: Columns, name: str) -> Chart:
    numbers = columns.numbers(f".{name}", 0, columns.n_rows)
    values = numbers.values.astype(np.float64)
    known = np.isfinite(values) & ~numbers.missing
    if not known.any():
        return Chart(name, np.full(len(values), -1, np.int16), np.zeros(1, np.int64), np.array([0.0, 1.0]),
                     note="no values")  # fmt: skip
    low, high = float(values[known].min()), float(values[known].max())
    edges = np.linspace(low, high if high > low else low + 1, N_BINS + 1)
    place = np.zeros(len(values), np.int16)
    scaled = (values[known] / (edges[-1] - edges[0]) - edges[0] / (edges[-1] - edges[0])) * N_BINS
    place[known] = np.clip(scaled, 0, N_BINS - 1).astype(np.int16)
    place[~known] = -1
    n_left = int((~known).sum())
    note = f"{n_left:,} without a value" if n_left else ""
    return Chart(name, place, np.bincount(place[known], minlength=N_BINS), edges, note=note)


def _bars(columns: Columns, name: str) -> Chart:
    """The most frequent values, then all others and the missing ones."""
    key, written = f".{name}", quoted(name, columns)
    is_flag = columns.kind(key) == "flag"
    cells = columns.table.column(name)
    cells = pa.chunked_array([pc.cast(chunk, pa.large_string()) for chunk in cells.chunks], pa.large_string())
    counted = pc.value_counts(cells.drop_null())
    counts, values = counted.field("counts").to_numpy(), counted.field("values")
    top = np.lexsort((np.arange(len(counts)), -counts))[:MOST_BARS]
    names = [str(text) for text in values.take(pa.array(top)).to_pylist()]
    places = pc.index_in(cells, value_set=pa.array(names, pa.large_string()))
    codes = pc.fill_null(places, len(names)).to_numpy().astype(np.int16)
    codes[np.asarray(pc.is_null(cells).to_numpy(), bool)] = len(names) + 1
    pool = np.bincount(codes, minlength=len(names) + 2)
    listed = ", ".join(repr(text) for text in names)
    rules = [
        *(f"{written} == {text.capitalize() if is_flag else repr(text)}" for text in names),
        f"not isnull({written}) and {written} not in [{listed}]", f"isnull({written})",
    ]  # fmt: skip
    n_other = len(counts) - len(names)
    labels = [*(format_value(text) for text in names), f"{OTHER} ({n_other:,} values)", MISSING]
    kept = [i for i in range(len(labels)) if i < len(names) or pool[i]]
    codes = np.searchsorted(kept, codes).astype(np.int16)
    note = f"{len(counts):,} values" if n_other else ""
    return Chart(
        name,
        codes,
        pool[kept],
        labels=tuple(labels[i] for i in kept),
        rules=tuple(rules[i] for i in kept),
        note=note,
    )


def range_rule(columns: Columns, name: str, low: float | None, high: float | None) -> str:
    """The rule for a column between two bounds, both included; without one of them, open to that side."""
    written = quoted(name, columns)
    bounds = [None if bound is None else f"{bound:.9g}" for bound in (low, high)]
    if bounds[0] is not None and bounds[1] is not None:
        return f"{bounds[0]} <= {written} <= {bounds[1]}"
    return f"{written} >= {bounds[0]}" if bounds[0] is not None else f"{written} <= {bounds[1]}"


def balance(columns: Columns, workspace: Workspace) -> list[dict[str, Any]]:
    """The items of each class, by its name of now and its `place`, and those without one, with rules for them."""
    counts = Counter(label for label in columns.answers.labels if label is not None)
    parts = [
        {"label": c.name, "count": counts[c.name], "rule": f"class == {c.name!r}", "colour": c.colour, "place": i}
        for i, c in workspace.taxonomy.shown
    ]
    unlabelled = columns.n_rows - counts.total()
    return [
        *parts,
        {"label": "unlabelled", "count": unlabelled, "rule": "class == '?'", "colour": "", "place": -1},
    ]
