"""Chosen rows of a matrix, read in blocks."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .steps import Steps

BLOCK = 65_536
CLOSE = 1.3
MOST_OF_IT = 0.5


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


def by_row(X: Any, function: Callable[[NDArray[Any]], NDArray[Any]]) -> NDArray[np.float32]:
    """What a function of rows ``(n, n_features)`` gives for each row of X, float32; touches all of them.

    Rows that lie close together in a matrix are handed over with those between them, which costs less
    than copying them out.
    """
    result: NDArray[np.float32] | None = None
    for piece, values in _runs(X):
        part = function(values[0])
        part = part if values[1] is None else part[values[1]]
        if result is None:
            result = np.empty((len(X), *part.shape[1:]), np.float32)
        result[piece] = part
    return np.empty((0, 0), np.float32) if result is None else result


def _runs(X: Any) -> Iterator[tuple[slice, tuple[NDArray[Any], NDArray[np.int64] | None]]]:
    """Blocks of rows; where they lie among others in a stretch of the matrix, that with their places in it."""
    index = X.index if isinstance(X, Rows) else None
    if index is None:
        for piece, values in blocks(X):
            yield piece, (values, None)
        return
    for start in range(0, len(index), BLOCK):
        part = index[start : start + BLOCK]
        first, last = int(part[0]), int(part[-1]) + 1
        piece = slice(start, start + len(part))
        if len(part) <= last - first <= CLOSE * len(part) and (np.diff(part) > 0).all():
            yield piece, (X.matrix[first:last], part - first)
        else:
            yield piece, (X.matrix[part], None)


def packed(rows: NDArray[np.int64]) -> str:
    """Sorted row numbers, int64 ``(n_rows,)``, as a short text for a log; see `unpacked`."""
    steps = np.diff(np.asarray(rows, np.int64), prepend=0).astype("<i8")
    return base64.b64encode(zlib.compress(steps.tobytes())).decode("ascii")


def unpacked(text: str) -> NDArray[np.int64]:
    """The row numbers of a text that `packed` made, int64 ``(n_rows,)``.

    Raises
    ------
    ValueError
        When it is no such text.
    """
    try:
        steps = np.frombuffer(zlib.decompress(base64.b64decode(text, validate=True)), "<i8")
    except (binascii.Error, zlib.error) as error:
        raise ValueError("the row numbers of a round cannot be read") from error
    return np.cumsum(steps, dtype=np.int64)


def predict_proba(learner: Any, X: Any) -> NDArray[np.float32]:
    """Class probabilities, float32 ``(n_items, n_classes)``, predicted in blocks; touches all rows of X."""
    if isinstance(learner, RememberingLearner):
        return learner.predict_rows(X)
    return by_row(X, learner.predict_proba)


class RememberingLearner:
    """A learner that predicts the rows of one array or `Rows` once, however many strategies ask.

    Parameters
    ----------
    learner
        Has ``predict_proba``.
    matrix
        A matrix of which most rows are asked for more than once, in different choices: it is predicted as a
        whole then.
    steps
        Told before each block that is predicted.
    """

    def __init__(
        self, learner: Any, matrix: NDArray[np.float32] | None = None, steps: Steps | None = None
    ) -> None:
        self.learner = learner
        self.matrix = matrix
        self.steps = steps or Steps()
        self._known: tuple[Any, NDArray[np.float32]] | None = None
        self._whole: NDArray[np.float32] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.learner, name)

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """What the learner predicts for rows ``(n_rows, n_features)``; not remembered."""
        self.steps.pause()
        return np.asarray(self.learner.predict_proba(X))

    def predict_rows(self, X: Any) -> NDArray[np.float32]:
        """Class probabilities of all rows of X, remembered for as long as the same X is asked for."""
        if self._known is None or self._known[0] is not X:
            self._known = (X, self._predicted(X))
        return self._known[1]

    def _predicted(self, X: Any) -> NDArray[np.float32]:
        if self.matrix is None or not isinstance(X, Rows) or X.matrix is not self.matrix:
            return self._in_blocks(X)
        if self._whole is None and len(X) < MOST_OF_IT * len(self.matrix):
            return self._in_blocks(X)
        if self._whole is None:
            self._whole = self._in_blocks(Rows(self.matrix))
        return self._whole if X.index is None else self._whole[X.index]

    def _in_blocks(self, X: Any) -> NDArray[np.float32]:
        if isinstance(self.learner, RememberingLearner):
            return self.learner.predict_rows(X)
        n_done = 0

        def block(values: NDArray[Any]) -> NDArray[Any]:
            nonlocal n_done
            self.steps.within(n_done / len(X))
            n_done += len(values)
            return np.asarray(self.learner.predict_proba(values))

        return by_row(X, block)


def view(X: Any, positions: NDArray[np.int64]) -> Any:
    """Some rows of an array, or of `Rows` without reading them."""
    if isinstance(X, Rows):
        return Rows(X.matrix, positions if X.index is None else X.index[positions])
    return X[positions]
