"""How the values of each column are spread over the pool, and where one value lies among them."""

from __future__ import annotations

import datetime as dt
import math
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..data.tables import Table, holds_numbers, to_doubles

SAMPLE = 20_000
N_BINS = 24
TAIL = 0.005  # share of the pool cut off at each end of a plot that it would otherwise squeeze together
SQUEEZED = 1.5  # a plot is cut when the whole range is more than this many times that of its middle
MOST_DISTINCT = 0.5  # a text whose values are nearly all different is no category
EPOCH = dt.datetime(1970, 1, 1)
DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Numbers:
    """The spread of a column of numbers: its sorted sample, and the limits and counts of its histogram."""

    values: NDArray[np.float64]
    low: float
    high: float
    bins: NDArray[np.int64]

    def facts(self) -> dict[str, Any]:
        """What a plot needs, JSON-able: bin heights (0 to 1), limits, and which ends are cut."""
        return {
            "bins": (self.bins / max(int(self.bins.max(initial=0)), 1)).round(3).tolist(),
            "low": float(f"{self.low:.4g}"),
            "high": float(f"{self.high:.4g}"),
            "cut": [bool(self.values[0] < self.low), bool(self.values[-1] > self.high)],
        }

    def place(self, value: Any) -> dict[str, Any]:
        """``place``: the share of the pool below a value; ``at``: where its mark is, 0 to 1; ``odd``: see below.

        ``odd`` is the share of the pool that lies at least as far out; empty for what is no number.
        """
        number = as_number(value)
        if number is None:
            return {}
        below = np.searchsorted(self.values, number, side="left")
        above = np.searchsorted(self.values, number, side="right")
        share = float(below + above) / (2 * len(self.values))
        at = (number - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        beyond = -1 if at < 0 else 1 if at > 1 else 0
        return {
            "place": round(share, 5),
            "at": round(min(max(at, 0.0), 1.0), 4),
            "beyond": beyond,
            "odd": round(2 * min(share, 1 - share), 5),
        }


@dataclass(frozen=True)
class Categories:
    """How often each value of a column of texts or truth values is in the sample."""

    counts: dict[Any, int]
    n: int
    rarer: dict[int, int]  # count → items whose value is as rare or rarer

    def facts(self) -> None:
        """There is no plot of categories: a share says it."""

    def place(self, value: Any) -> dict[str, Any]:
        """``share`` of the pool with this value; ``odd``: the share whose values are as rare or rarer."""
        if value is None:
            return {}
        count = self.counts.get(value, 0)
        return {"share": round(count / self.n, 5), "odd": round(self.rarer.get(count, 0) / self.n, 5)}


class Distributions:
    """The spread of each column that is asked for, from one sample of the rows; may be used by several threads."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._known: dict[str, Numbers | Categories | None] = {}
        self._lock = threading.Lock()
        self._rows: NDArray[np.int64] | None = None

    def of(self, name: str) -> Numbers | Categories | None:
        """The spread of a column; None where there is nothing to tell, as of identifiers and lists."""
        with self._lock:
            if name not in self._known:
                self._known[name] = self._measure(name)
            return self._known[name]

    def _sample(self, name: str) -> pa.ChunkedArray:
        if self._rows is None:
            n = self.table.n_rows
            drawn = np.random.default_rng(0).choice(n, SAMPLE, replace=False) if n > SAMPLE else np.arange(n)
            self._rows = np.sort(drawn)
        return self.table.take(self._rows, [name]).column(name)

    def _measure(self, name: str) -> Numbers | Categories | None:
        kind = self.table.schema.field(name).type
        if pa.types.is_boolean(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return _categories(self._sample(name))
        if not holds_numbers(kind):
            return None
        values = to_doubles(self._sample(name), name)
        return _numbers(np.sort(values[np.isfinite(values)]))


def _categories(sample: pa.ChunkedArray) -> Categories | None:
    counted = pc.value_counts(sample.drop_null()).to_pylist()
    counts = {entry["values"]: int(entry["counts"]) for entry in counted}
    if not counts or len(counts) > max(MOST_DISTINCT * len(sample), 2):
        return None
    sizes, so_often = np.unique(list(counts.values()), return_counts=True)
    rarer = dict(zip(sizes.tolist(), np.cumsum(sizes * so_often).tolist(), strict=True))
    return Categories(counts, len(sample), rarer)


def _numbers(values: NDArray[np.float64]) -> Numbers | None:
    """The histogram of sorted values; a long tail is cut, so that the middle can be seen."""
    if not len(values):
        return None
    low, high = float(values[0]), float(values[-1])
    inner_low = float(np.quantile(values, TAIL, method="higher"))
    inner_high = float(np.quantile(values, 1 - TAIL, method="lower"))
    if inner_high > inner_low and high - low > SQUEEZED * (inner_high - inner_low):
        low, high = inner_low, inner_high
    if not (math.isfinite(high - low) and high > low):
        return Numbers(values, low, low, np.array([len(values)]))
    inside = values[(values >= low) & (values <= high)]
    return Numbers(values, low, high, np.histogram(inside, N_BINS, (low, high))[0])


def as_number(value: Any) -> float | None:
    """A cell as the number that distributions are made of: dates as days since 1970; None for all else."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, dt.datetime):
        naive = value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value
        return (naive - EPOCH) / DAY
    if isinstance(value, dt.date):
        return float((value - EPOCH.date()).days)
    try:
        number = float(value) if not isinstance(value, str | bytes | list | dict) else math.nan
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
