"""Which items the grid shows: of the queue in its order, or of the selection, as far as they are not answered."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from .queue import Queued
from .session import LabellingSession

BLOCK = 5_000  # rows looked at at once


def selected_rows(
    session: LabellingSession, selection: NDArray[np.int64], exclude: Collection[int], n: int
) -> list[int]:
    """The first n selected rows that have no answer, and are not among those excluded."""
    items, found = session.state.items, list[int]()
    for start in range(0, len(selection), BLOCK):
        block = selection[start : start + BLOCK]
        texts = session.workspace.ids.texts(block)
        found += [
            int(row) for row, text in zip(block, texts, strict=True) if text not in items and row not in exclude
        ]
        if len(found) >= n:
            break
    return found[:n]


def as_queued(session: LabellingSession, rows: Sequence[int]) -> list[Queued | None]:
    """What the queue says of rows; None where it does not ask for one."""
    asked = {queued.row: queued for queued in session.queue}
    return [asked.get(row) for row in rows]
