"""Columns of lists as curves on the card: spectra, light curves and the like, short enough for the browser."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..data.errors import InputError
from ..data.roles import is_list
from ..data.tables import Table
from .cells import cell_array

N_COLUMNS = 300  # of pixels, each with the least and the greatest value in it
MOST_CURVES = 4
ABSCISSA = re.compile(
    r"(^|_)(wavelengths?|waves?|lambda|log_?lam|freq(uency|uencies)?|times?|t|mjd|bjd|jd|phase|energy|x)(_|$)",
    re.IGNORECASE,
)


def pairs(table: Table, names: Sequence[str], chosen: dict[str, str]) -> list[tuple[str, str | None]]:
    """Which columns are drawn, each with the column that it is drawn against (None: the position in the list).

    Parameters
    ----------
    names
        Columns with curves, by their role.
    chosen
        Column → the column it is drawn against, or an empty text; goes before what the names say.
    """
    lists = [name for name in table.names if is_list(table.schema.field(name).type)]
    against = [name for name in lists if ABSCISSA.search(name)]
    drawn = [name for name in dict.fromkeys([*chosen, *names]) if name in lists]
    drawn = [name for name in drawn if name in chosen or name not in against]
    return [(name, _abscissa(name, against, chosen)) for name in drawn[:MOST_CURVES]]


def _abscissa(name: str, against: Sequence[str], chosen: dict[str, str]) -> str | None:
    if name in chosen:
        return chosen[name] or None
    others = [other for other in against if other != name]
    shared = [other for other in others if other.split("_")[0] == name.split("_")[0]]
    return next(iter(shared or others), None)


def curve(table: Table, row: int, name: str, against: str | None) -> dict[str, Any] | None:
    """The curve of one row for the browser, see `reduced`; None for a missing cell.

    Raises
    ------
    InputError
        When the cell holds no list of numbers, or the two lists differ in length.
    """
    found = cell_array(table, row, name)
    if found is None:
        return None
    y, shape = found
    if len(shape) != 1 or shape[0] < 0:
        raise InputError(f"'{name}' holds lists of lists, which are no curve: leave it out of the series")
    x = None
    if against is not None:
        partner = cell_array(table, row, against) if against in table.names else None
        if partner is None:
            return reduced(None, y) | {"name": name}
        x = partner[0]
        if len(x) != len(y):
            raise InputError(f"'{name}' has {len(y):,} values and '{against}' {len(x):,}: they make no curve")
    return reduced(x, y) | {"name": name, "against": against}


def reduced(x: ArrayLike | None, y: ArrayLike, n_columns: int = N_COLUMNS) -> dict[str, Any]:
    """A curve as lists of x and y with None in gaps: all points, or the extremes of each pixel column.

    Parameters
    ----------
    x, y
        ``(n_points,)``; x None counts from 0. Points without an x are left out; what is not finite in y is
        a gap.

    Returns
    -------
    dict
        ``x``, ``y`` (JSON-able), ``n``: the number of points, and ``against`` None.
    """
    values = np.asarray(y, np.float64)
    places = np.arange(len(values), dtype=np.float64) if x is None else np.asarray(x, np.float64)
    known = np.isfinite(places)
    places, values = places[known], values[known]
    if len(places) > 1 and (np.diff(places) < 0).any():
        order = np.argsort(places, kind="stable")
        places, values = places[order], values[order]
    n_points = len(values)
    if n_points > 2 * n_columns:
        places, values = _extremes(places, values, n_columns)
    return {
        "x": [float(f"{v:.7g}") for v in places],
        "y": [float(f"{v:.5g}") if np.isfinite(v) else None for v in values],
        "n": n_points,
        "against": None,
    }


def _extremes(
    x: NDArray[np.float64], y: NDArray[np.float64], n_columns: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The least and the greatest value of each column of pixels, in their order; columns without one are gaps."""
    low, high = x[0], x[-1]
    column = ((x - low) / (high - low or 1) * n_columns).astype(np.int64).clip(0, n_columns - 1)
    starts = np.flatnonzero(np.diff(column, prepend=-1))
    kept: list[int] = []
    for start, end in zip(starts, [*starts[1:], len(x)], strict=True):
        part = y[start:end]
        if np.isfinite(part).any():
            finite = np.where(np.isfinite(part), part, np.nan)
            kept += sorted({int(start + np.nanargmin(finite)), int(start + np.nanargmax(finite))})
        else:
            kept.append(int(start))
    return x[kept], y[kept]
