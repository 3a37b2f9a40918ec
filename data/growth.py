"""How a table has grown: how many rows it had before rows were appended to it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from .roles import Roles
from .tables import Table

BLOCK = 65_536


def rows_before(known: Sequence[int], old: Table | None, new: Table, roles: Roles) -> list[int]:
    """The numbers of rows that a table had before each time that rows were appended, oldest first.

    Rows can be told from those before only while the old ones stand first and in their order: then the number
    is added to those known. In any other change, nothing is known any more. Touches the identifiers of both
    tables, or all their values where row numbers are the identifiers.

    Parameters
    ----------
    known
        The numbers until now.
    old
        The table before the change; None when it is gone.
    """
    if old is None or old.n_rows > new.n_rows or not _starts_with(new, old, roles.id):
        return []
    return [*known, *([old.n_rows] if new.n_rows > old.n_rows else [])]


def _starts_with(new: Table, old: Table, id_name: str | None) -> bool:
    if id_name is not None:
        if id_name not in new.names or id_name not in old.names:
            return False
        first = new.column(id_name).slice(0, old.n_rows).cast(pa.string())
        return bool(old.column(id_name).cast(pa.string()).equals(first))
    starts = range(0, old.n_rows, BLOCK)
    return all(same_rows(old, new, np.arange(i, min(i + BLOCK, old.n_rows), dtype=np.int64)) for i in starts)


def same_rows(old: Table, new: Table, rows: NDArray[np.int64]) -> bool:
    """Whether rows of two tables have the same values in the columns that both have."""
    names = [name for name in old.names if name in new.names and not pa.types.is_nested(old.column(name).type)]
    return bool(old.take(rows, names).to_pandas().equals(new.take(rows, names).to_pandas()))
