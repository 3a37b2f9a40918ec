"""Identifiers of items as text, and the rows that they name; cheap at ten million rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..later import Later
from .arrow_arrays import numbers, of_texts
from .tables import Table

pd = Later("pandas")

BLOCK = 500_000
MOST_SCANS = 10  # after so many, an index pays
FEW = 256  # rows of which the identifiers are remembered
MOST_KEPT = 200_000


class ItemIds:
    """Identifiers of items as text, and the rows that they name.

    Parameters
    ----------
    table, name
        The column with the identifiers, which are all different; or None for row numbers, from 0.

    Notes
    -----
    The first look-ups go through the column, a tenth of the work of an index; those after them sort 64-bit
    hashes of it, 12 bytes a row, and what is found by its hash is compared with the table. Identifiers that were
    asked for a few at a time are remembered, so that an answer to an item on the screen waits for no look-up; so
    are those of the newest larger look-up, as a step of many asks for the same ones several times.
    """

    def __init__(self, table: Table, name: str | None) -> None:
        self.table = table
        self.name = name
        self._sorted: tuple[NDArray[np.uint64], NDArray[np.uint32] | NDArray[np.int64]] | None = None
        self._n_scans = 0
        self._kept: tuple[dict[int, str], dict[str, int]] = {}, {}  # row → text, text → row
        self._newest: tuple[NDArray[np.int64], list[str]] = np.empty(0, np.int64), []  # look-up of many
        self._rows_of: dict[str, int] | None = None  # of the newest one; None before it is asked for

    def text(self, row: int) -> str:
        """The identifier of a row."""
        return self.texts([row])[0]

    def texts(self, rows: NDArray[np.int64] | Sequence[int]) -> list[str]:
        """The identifiers of rows, in their order."""
        if self.name is None:
            return [str(int(row)) for row in rows]
        if len(rows) > FEW:
            return self._of_many(np.array(rows, np.int64))
        return self._remembered([int(row) for row in rows])

    def _of_many(self, rows: NDArray[np.int64]) -> list[str]:
        known, texts = self._newest
        if not np.array_equal(known, rows):
            texts = self._read(rows)
            self._remember_many(rows, texts)
        return list(texts)

    def _remember_many(self, rows: NDArray[np.int64], texts: list[str]) -> None:
        if len(rows) <= MOST_KEPT:
            self._newest, self._rows_of = (rows, texts), None

    def _read(self, rows: NDArray[np.int64] | Sequence[int]) -> list[str]:
        texts: list[str] = self.table.take(rows, [str(self.name)]).column(0).cast(pa.string()).to_pylist()
        return texts

    def _remembered(self, rows: list[int]) -> list[str]:
        texts, rows_of = self._kept
        known = {row: texts.get(row) for row in rows}
        missing = [row for row, text in known.items() if text is None]
        if missing:
            found = dict(zip(missing, self._read(missing), strict=True))
            if len(texts) > MOST_KEPT:
                self._kept = texts, rows_of = {}, {}
            rows_of.update((text, row) for row, text in found.items())
            texts.update(found)
            known |= found
        return [str(known[row]) for row in rows]

    def row(self, text: str) -> int:
        """The row of an identifier; raises KeyError when there is none."""
        return int(self.rows([text])[0])

    def rows(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """The rows of identifiers, int64 ``(n_texts,)``; raises KeyError for the first that is not there."""
        rows = self.find(texts)
        if (rows < 0).any():
            raise KeyError(texts[int(np.argmax(rows < 0))])
        return rows

    def find(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """As `rows`, with -1 for identifiers that are not there."""
        if not len(texts):
            return np.empty(0, np.int64)
        if self.name is None:
            return np.array([_row_number(text, self.table.n_rows) for text in texts], dtype=np.int64)
        rows_of = self._kept[1]
        if len(texts) <= FEW and all(text in rows_of for text in texts):
            return np.array([rows_of[text] for text in texts], dtype=np.int64)
        newest = self._find_in_newest(texts) if len(texts) > FEW else None
        if newest is not None:
            return newest
        if self._sorted is None and self._n_scans < MOST_SCANS:
            self._n_scans += 1
            return self._scan(texts)
        return self._find_by_hash(texts)

    def make_index(self) -> None:
        """Make what look-ups are quick by, if it is not there yet; touches the whole column."""
        if self.name is not None:
            self._lookup()

    def keys(self) -> NDArray[np.uint64]:
        """A number for each item that depends on its identifier alone, ``(n_rows,)``; touches the whole column."""
        if self.name is None:
            return np.arange(self.table.n_rows, dtype=np.uint64)
        if self._sorted is not None:  # hashed already
            keys, order = self._sorted
            unsorted = np.empty_like(keys)
            unsorted[order] = keys
            return unsorted
        keys, done = np.empty(self.table.n_rows, np.uint64), 0
        for block in self._hashes():
            keys[done : done + len(block)] = block
            done += len(block)
        return keys

    def _find_in_newest(self, texts: Sequence[str]) -> NDArray[np.int64] | None:
        """The rows where the newest look-up of many had all of these; None else."""
        if self._rows_of is None:
            rows, known = self._newest
            self._rows_of = dict(zip(known, rows.tolist(), strict=True))
        try:
            return np.array(list(map(self._rows_of.__getitem__, texts)), np.int64)
        except KeyError:
            return None

    def _scan(self, texts: Sequence[str]) -> NDArray[np.int64]:
        wanted = of_texts(texts).cast(pa.string()).dictionary_encode()
        found, done = np.full(len(wanted.dictionary), -1, dtype=np.int64), 0
        for block in self._blocks():
            places = pc.index_in(block, value_set=wanted.dictionary).combine_chunks()
            rows = pc.indices_nonzero(pc.is_valid(places))
            found[numbers(places.take(rows))] = done + numbers(rows).astype(np.int64)
            done += len(block)
        return found[numbers(wanted.indices)]

    def _find_by_hash(self, texts: Sequence[str]) -> NDArray[np.int64]:
        keys, order = self._lookup()
        wanted = _hashed(pa.array(list(texts), pa.string()))
        first = np.searchsorted(keys, wanted, side="left")
        n_alike = np.searchsorted(keys, wanted, side="right") - first
        found = np.full(len(texts), -1, dtype=np.int64)
        for step in range(int(n_alike.max(initial=0))):  # more than one step only where hashes collide
            open_ = np.flatnonzero((found < 0) & (n_alike > step))
            candidates = order[first[open_] + step].astype(np.int64)
            names = self.texts(candidates)
            same = [name == texts[int(place)] for name, place in zip(names, open_, strict=True)]
            found[open_[same]] = candidates[same]
        return found

    def _lookup(self) -> tuple[NDArray[np.uint64], NDArray[np.uint32] | NDArray[np.int64]]:
        """Sorted hashes of the identifiers and their rows, made at the first use; touches the whole column."""
        if self._sorted is None:
            keys = self.keys()
            order = np.argsort(keys)
            keys.sort()  # in place: a copy by `order` would take as much memory again
            self._sorted = keys, order.astype(np.uint32) if len(order) < 2**32 else order
        return self._sorted

    def _hashes(self) -> Iterator[NDArray[np.uint64]]:
        return map(_hashed, self._blocks())

    def _blocks(self) -> Iterator[pa.ChunkedArray]:
        column = self.table.column(str(self.name))
        for start in range(0, len(column), BLOCK):
            yield pc.cast(column.slice(start, BLOCK), pa.string())


def _hashed(texts: pa.Array | pa.ChunkedArray) -> NDArray[np.uint64]:
    objects = texts.to_numpy(zero_copy_only=False)
    return pd.util.hash_array(objects, categorize=False)


def _row_number(text: str, n_rows: int) -> int:
    """The row that a text names, written as `str` writes it; -1 when there is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(n_rows))):
        return -1
    row = int(text)
    return row if row < n_rows and str(row) == text else -1
