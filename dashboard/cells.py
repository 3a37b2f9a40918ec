"""Cells that hold many numbers, as arrays and without a Python object for each."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..data.roles import is_list
from ..data.tables import Table


def cell_array(table: Table, row: int, name: str) -> tuple[NDArray[np.generic], tuple[int, ...]] | None:
    """The numbers of a cell with lists of numbers, or lists of them, one after the other, and their shape.

    Missing numbers are NaN. A shape whose product is not the number of values says that inner lists differ
    in length.

    Returns
    -------
    values, shape
        None for a missing cell, and for what holds no numbers.
    """
    cells = table.take([row], [name]).column(name)
    if cells.null_count or not is_list(cells.type):
        return None
    shape: list[int] = []
    while is_list(cells.type):
        outer = 1 if not shape else int(np.prod(shape))
        cells = pc.list_flatten(cells)
        shape.append(len(cells) // max(outer, 1))
        if outer and len(cells) % outer:
            return np.empty(0), (-1,)
    if not (pa.types.is_integer(cells.type) or pa.types.is_floating(cells.type)):
        return None
    if cells.null_count:
        cells = cells.cast(pa.float64())
    return cells.to_numpy(), tuple(shape)
