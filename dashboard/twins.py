"""Items with exactly the features of labelled ones, and the class that all of those have."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

BLOCK = 20_000


class Twins:
    """Finds the class of items whose labelled twins agree.

    Parameters
    ----------
    X
        The feature matrix, float32 ``(n_items, n_features)``; the rows that are asked for are read once.
    """

    def __init__(self, X: NDArray[np.float32]) -> None:
        self.X = X
        self._digests: dict[int, bytes] = {}

    def classes(
        self, pairs: Sequence[tuple[int, int]], rows: NDArray[np.int64], classes: NDArray[np.int64]
    ) -> list[tuple[int, int]]:
        """The class of each item whose labelled twins have one class; reads the features of all labelled items.

        Parameters
        ----------
        pairs
            Rows without a label, each with a row that had a label and has the same features.
        rows, classes
            The labelled rows and their class indices, ``(n_labels,)``. An item that is among them needs no
            class, and its label counts as one of its twins'.

        Returns
        -------
        list of (row, class index)
            In the order of the pairs.
        """
        if not pairs:
            return []
        self._read({*rows.tolist(), *(twin for _, twin in pairs)})
        said: dict[bytes, set[int]] = {}
        for row, index in zip(rows.tolist(), classes.tolist(), strict=True):
            said.setdefault(self._digests[row], set()).add(index)
        labelled = set(rows.tolist())
        agreed = {digest: next(iter(found)) for digest, found in said.items() if len(found) == 1}
        known = ((row, agreed.get(self._digests[twin])) for row, twin in pairs if row not in labelled)
        return [(row, index) for row, index in known if index is not None]

    def _read(self, rows: Iterable[int]) -> None:
        fresh = np.array(sorted(set(rows) - self._digests.keys()), np.int64)
        for start in range(0, len(fresh), BLOCK):
            block = fresh[start : start + BLOCK]
            values = np.asarray(self.X[block], np.float32) + np.float32(0)  # −0 and 0 are equal
            for row, vector in zip(block.tolist(), values, strict=True):
                self._digests[row] = hashlib.blake2b(vector.tobytes(), digest_size=16).digest()
