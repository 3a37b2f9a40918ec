"""Chosen rows of a matrix, read in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 65_536


class Rows:
    """Chosen rows of a matrix as an array-like that is read when it is needed.

    Parameters
    ----------
    matrix
        Float32 ``(n_items, n_features)``, in memory or memory-mapped.
    index
        The rows, int64 ``(n_rows,)``, or None for all of them.

    Notes
    -----
    `numpy.asarray` makes a copy of all rows, so scikit-learn and modAL's own strategies can take it.
    """

    ndim = 2

    def __init__(self, matrix: NDArray[np.float32], index: NDArray[np.int64] | None = None) -> None:
        self.matrix = matrix
        self.index = index

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of features."""
        return (len(self), int(self.matrix.shape[1]))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the matrix."""
        return self.matrix.dtype

    def __len__(self) -> int:
        return len(self.matrix if self.index is None else self.index)

    def __getitem__(self, key: Any) -> NDArray[np.float32]:
        return np.asarray(self.matrix[key] if self.index is None else self.matrix[self.index[key]])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self[:], dtype=dtype)


def blocks(X: Any, size: int = BLOCK) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Go through the rows of an array or `Rows` in pieces of at most `size`; touches all of them."""
    for start in range(0, len(X), size):
        piece = slice(start, min(start + size, len(X)))
        yield piece, X[piece]


def predict_proba(learner: Any, X: Any) -> NDArray[np.float32]:
    """Class probabilities, float32 ``(n_items, n_classes)``, predicted in blocks; touches all rows of X."""
    if isinstance(learner, RememberingLearner):
        return learner.predict_rows(X)
    result: NDArray[np.float32] | None = None
    for piece, values in blocks(X):
        part = learner.predict_proba(values)
        if result is None:
            result = np.empty((len(X), part.shape[1]), np.float32)
        result[piece] = part
    return np.empty((0, 0), np.float32) if result is None else result


class RememberingLearner:
    """A learner that predicts the rows of one array or `Rows` once, however many strategies ask."""

    def __init__(self, learner: Any) -> None:
        self.learner = learner
        self._known: tuple[Any, NDArray[np.float32]] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.learner, name)

    def predict_rows(self, X: Any) -> NDArray[np.float32]:
        """Class probabilities of all rows of X, remembered for as long as the same X is asked for."""
        if self._known is None or self._known[0] is not X:
            self._known = (X, predict_proba(self.learner, X))
        return self._known[1]


def view(X: Any, positions: NDArray[np.int64]) -> Any:
    """Some rows of an array, or of `Rows` without reading them."""
    if isinstance(X, Rows):
        return Rows(X.matrix, positions if X.index is None else X.index[positions])
    return X[positions]
