"""Items as a list: in which order, and what its cells say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from .columns import CLASS, ID, PREDICTED, PROBABILITY, STATUS, UNCERTAINTY, Answers, Columns
from .items import format_value
from .pool_scores import UNLIKE, PoolValues
from .search import Found
from .session import LabellingSession

MOST_COLUMNS = 8
ANSWER, RANK, SCORE, DISTANCE = "answer", "rank", "score", "distance"
TITLES = {
    ID: "item", ANSWER: "answer", PREDICTED: "predicted", PROBABILITY: "probability", UNCERTAINTY: "uncertainty",
    UNLIKE: "unlike", RANK: "in queue", SCORE: "score", DISTANCE: "distance",
}  # fmt: skip
LISTED_SCORES = (PREDICTED, PROBABILITY, UNCERTAINTY, UNLIKE)
NUMBERS = (PROBABILITY, UNCERTAINTY, UNLIKE, RANK, SCORE, DISTANCE)
OF_TABLE = "."  # before the names of the table's own columns


@dataclass(frozen=True)
class Sort:
    """By which column a list is sorted; an empty key leaves it as it was found."""

    key: str = ""
    ascending: bool = True


@dataclass(frozen=True)
class Items:
    """Items that are listed: `rows` int64 in the order of the table, how they were found, and their scores."""

    rows: NDArray[np.int64]
    found: Found | None = None
    scores: PoolValues = field(default_factory=PoolValues)

    @property
    def has_distances(self) -> bool:
        """Whether the distances of the rows are known."""
        return self.found is not None and self.found.distances is not None


def column_keys(session: LabellingSession, has_distances: bool) -> list[str]:
    """The columns of the list: ours, then the first shown ones of the table."""
    roles = session.workspace.roles
    shown = [name for name in roles.shown if name not in (roles.image, roles.id)][:MOST_COLUMNS]
    ours = [ID, ANSWER, *LISTED_SCORES, RANK, SCORE, *([DISTANCE] if has_distances else [])]
    return ours + [OF_TABLE + name for name in shown]


def title(key: str) -> str:
    """What stands above a column."""
    return key[1:] if key.startswith(OF_TABLE) else TITLES[key]


def ordered(session: LabellingSession, items: Items, sort: Sort) -> NDArray[np.int64]:
    """The rows in the order of the list; missing values come last, equal ones in the order of the table.

    Reads the column for all the items. Found neighbours are in the order of their distance by themselves.
    """
    key = sort.key or (DISTANCE if items.has_distances else "")
    if not key or (key == DISTANCE and not items.has_distances):
        return items.rows
    values = _sortable(session, items, key)
    order = "ascending" if sort.ascending or not sort.key else "descending"
    return items.rows[pc.array_sort_indices(values, order=order, null_placement="at_end").to_numpy()]


def _sortable(session: LabellingSession, items: Items, key: str) -> pa.Array:
    """The values of a column for the items, with nulls for what is missing."""
    rows = items.rows
    if key == DISTANCE and items.found is not None:
        return pa.array(items.found.distances)
    if key in (RANK, SCORE):
        values = np.full(session.workspace.table.n_rows, np.nan)
        for row, value in _of_queue(session, key).items():
            values[row] = value
        return pa.array(values[rows], from_pandas=True)
    columns = Columns(session.workspace, Answers.of(session.workspace), items.scores)
    if key == ANSWER:
        labels = columns.texts(STATUS, 0, columns.n_rows).take(pa.array(rows))
        classes = columns.texts(CLASS, 0, columns.n_rows).take(pa.array(rows))
        answers = pc.if_else(pc.equal(labels, "labelled"), classes, labels)
        return pc.if_else(pc.equal(answers, "open"), pa.scalar(None, pa.large_string()), answers)
    return _cells(columns, str(columns.resolve(key)) if key == ID else key, rows)


def _cells(columns: Columns, key: str, rows: NDArray[np.int64]) -> pa.Array:
    kind = columns.kind(key)
    if kind == "text":
        if key.startswith(OF_TABLE) and len(rows) < columns.n_rows:
            taken = columns.table.take(rows, [key[1:]]).column(0)
            return taken.cast(pa.large_string()).combine_chunks()
        return columns.texts(key, 0, columns.n_rows).take(pa.array(rows))
    if kind == "other":
        return pa.nulls(len(rows), pa.float64())
    values, missing = columns.numbers(key, 0, columns.n_rows)
    return pa.array(values[rows], mask=missing[rows])


def _of_queue(session: LabellingSession, key: str) -> dict[int, float]:
    """Ranks in the queue, from 1, or scores of what was asked, by row."""
    if key == RANK:
        return {queued.row: place for place, queued in enumerate(session.queue, start=1)}
    return {row: queued.score for row, queued in dict(session.asked_by).items() if queued.score is not None}


def cells(session: LabellingSession, rows: NDArray[np.int64], items: Items) -> dict[str, list[Any]]:
    """The cells of some rows as values, by column, in the order of `column_keys`; None where there is none."""
    ranks = _of_queue(session, RANK)
    asked = [session.asked(int(row)) for row in rows]
    states = [session.item_state(int(row)) for row in rows]
    result: dict[str, list[Any]] = {
        ID: session.workspace.ids.texts(rows),
        ANSWER: [state.get("label") or state.get("status") for state in states],
        **_scored(rows, items.scores),
        RANK: [ranks.get(int(row)) for row in rows],
        SCORE: [None if q is None else q.score for q in asked],
    }
    if items.found is not None and items.found.distances is not None:
        result[DISTANCE] = items.found.distances[np.searchsorted(items.rows, rows)].tolist()
    names = [key[1:] for key in column_keys(session, has_distances=False) if key.startswith(OF_TABLE)]
    values = session.workspace.table.take(rows, names).to_pydict() if names else {}
    return result | {OF_TABLE + name: values[name] for name in names}


def _scored(rows: NDArray[np.int64], scores: PoolValues) -> dict[str, list[Any]]:
    """What the model says of some rows; None where it has not been asked."""
    result: dict[str, list[Any]] = {}
    for key in LISTED_SCORES:
        values = getattr(scores, key)
        result[key] = [None] * len(rows) if values is None else np.asarray(values[rows]).tolist()
    if scores.predicted is not None:
        result[PREDICTED] = [scores.names[place] for place in result[PREDICTED]]
    return result


def texts(session: LabellingSession, rows: NDArray[np.int64], items: Items) -> list[list[str]]:
    """The cells as the list shows them, one list of texts a row."""
    columns = cells(session, rows, items)
    return [
        ["" if value is None else format_value(value) for value in line]
        for line in zip(*columns.values(), strict=True)
    ]


def exported(session: LabellingSession, rows: NDArray[np.int64], items: Items) -> pa.Table:
    """The cells of some rows as an Arrow table, with the types that the table's own columns have."""
    columns = cells(session, rows, items)
    own = session.workspace.table.take(rows, [key[1:] for key in columns if key.startswith(OF_TABLE)])
    kinds = dict.fromkeys(NUMBERS, pa.float64()) | {RANK: pa.int64()}
    ours = {title(k): pa.array(v, kinds.get(k, pa.string())) for k, v in columns.items() if k in TITLES}
    names = [name if name not in ours else f"source_{name}" for name in own.column_names]
    return pa.table([*ours.values(), *own.columns], names=[*ours, *names])
