"""Items whose features are equal to those of another: asking both teaches a model nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .labels import Labels
from .rows import blocks

if TYPE_CHECKING:
    from .pool import Pool

Duplicates = tuple[tuple[int, int], ...]
MOST_PAIRS = 100_000


def equal_rows(X: Any) -> NDArray[np.int32] | None:
    """The group of each row that has equals, −1 for the others; None where no two rows are equal.

    Rows are compared by a 64-bit hash of their values; touches all of them once.

    Parameters
    ----------
    X
        Float32 ``(n_items, n_features)``.

    Examples
    --------
    >>> equal_rows(np.array([[1, 2], [3, 4], [1, 2]], np.float32))
    array([ 0, -1,  0], dtype=int32)
    """
    hashes = _hashes(X)
    order = np.argsort(hashes, kind="stable")
    same = hashes[order[1:]] == hashes[order[:-1]]
    if not same.any():
        return None
    inside = np.r_[same, False] | np.r_[False, same]
    starts = inside & ~np.r_[False, same]
    groups = np.full(len(hashes), -1, np.int32)
    groups[order] = np.where(inside, np.cumsum(starts) - 1, -1)
    return groups


def _hashes(X: Any) -> NDArray[np.uint64]:
    keys = np.random.default_rng(0).integers(1, 2**63, (2, X.shape[1]), np.uint64) | np.uint64(1)
    hashes = np.empty(len(X), np.uint64)
    for piece, values in blocks(X):
        # Adding zero makes −0 and 0 the same; shifting between the products makes every bit count.
        mixed = (np.asarray(values, np.float32) + np.float32(0)).view(np.uint32).astype(np.uint64) * keys[0]
        mixed ^= mixed >> np.uint64(29)
        mixed *= keys[1]
        mixed ^= mixed >> np.uint64(32)
        hashes[piece] = mixed.sum(axis=1)
    return hashes


def duplicates_of(
    groups: NDArray[np.int32] | None, rows: NDArray[np.int64], labelled: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which of `rows` equal a labelled row, bool ``(n_rows,)``.

    Parameters
    ----------
    groups
        What `equal_rows` says of the pool.
    """
    if groups is None or not len(labelled):
        return np.zeros(len(rows), bool)
    is_labelled = np.zeros(int(groups.max()) + 2, bool)
    is_labelled[groups[labelled]] = True
    is_labelled[-1] = False  # the place of −1: rows without equals
    return is_labelled[groups[rows]]


def twins_of(groups: NDArray[np.int32], rows: NDArray[np.int64], labelled: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each of `rows`, all of which equal a labelled row, the first labelled row that it equals."""
    first = np.full(int(groups.max()) + 1, -1, np.int64)
    known = labelled[groups[labelled] >= 0]
    first[groups[known[::-1]]] = known[::-1]
    return first[groups[rows]]


def askable(pool: Pool, labels: Labels, *taken: NDArray[np.int64]) -> tuple[NDArray[np.int64], Duplicates]:
    """Rows that can be asked, and pairs of a row that is not, and a labelled row with the same features.

    Of the pairs at most 100,000 are listed. Where nothing but duplicates is left, they are asked after all.
    `taken` are rows that cannot be asked either, and whose features may be those of others.
    """
    rows = pool.available(labels.rows, labels.excluded, *taken)
    equal = duplicates_of(pool.equals, rows, labels.rows)
    if pool.equals is None or not equal.any():
        return rows, ()
    held_back = rows[equal][:MOST_PAIRS]
    twins = twins_of(pool.equals, held_back, labels.rows)
    pairs = tuple(zip(held_back.tolist(), twins.tolist(), strict=True))
    return (rows if equal.all() else rows[~equal]), pairs
