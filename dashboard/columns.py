"""What rules, sorting and charts read: the columns of the table, and what the loop knows of each item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..data.tables import Table
from ..data.workspace import Workspace
from .pool_scores import CLUSTER, MODEL, UNLIKE, PoolValues
from .session import LabellingSession

Kind = Literal["number", "flag", "text", "date", "other"]

UNLABELLED = "?"
OPEN = "open"
CLASS, STATUS, PREDICTED, PROBABILITY, ROW, ID = "class", "status", "predicted", "probability", "row", "id"
UNCERTAINTY = "uncertainty"
# These mean ours before the table's.
OWN = (CLASS, STATUS, PREDICTED, PROBABILITY, UNCERTAINTY, UNLIKE, CLUSTER, ROW, ID)
# Which scores of the pool our columns are.
SCORES = {PREDICTED: MODEL, PROBABILITY: MODEL, UNCERTAINTY: MODEL, UNLIKE: UNLIKE, CLUSTER: CLUSTER}


class Numbers(NamedTuple):
    """Numbers, or dates in microseconds since 1970, with what is missing: ``(n,)`` and bool ``(n,)``."""

    values: NDArray[np.generic]
    missing: NDArray[np.bool_]


@dataclass(frozen=True)
class Answers:
    """The answers in force: `rows` int64 ``(n_answered,)``, sorted, with their class (or None) and status."""

    rows: NDArray[np.int64]
    labels: tuple[str | None, ...]
    statuses: tuple[str, ...]

    @classmethod
    def of(cls, workspace: Workspace) -> Answers:
        """The answers as the log has them now."""
        items = dict(workspace.log.state().items)  # a copy, since answers come in another thread
        known = _ROWS_OF.setdefault(workspace, {})
        new = [item_id for item_id in items if item_id not in known]
        known.update(zip(new, workspace.ids.find(new).tolist(), strict=True))
        rows = np.fromiter((known[item_id] for item_id in items), np.int64, len(items))
        states = list(items.values())
        order = [i for i in np.argsort(rows, kind="stable").tolist() if rows[i] >= 0]
        return cls(rows[order], tuple(states[i].label for i in order), tuple(str(states[i].status) for i in order))


# The rows of answered items, looked up once: the answers are asked for after each one of them.
_ROWS_OF: WeakKeyDictionary[Workspace, dict[str, int]] = WeakKeyDictionary()


class Columns:
    """Columns by name for rules, read in stretches of rows; a snapshot of the answers and scores.

    Parameters
    ----------
    workspace
        Whose table it is.
    answers
        The answers in force.
    scores
        What the model says of all items; nothing is known of any without.
    """

    def __init__(self, workspace: Workspace, answers: Answers, scores: PoolValues | None = None) -> None:
        self.workspace = workspace
        self.table: Table = workspace.table
        self.id_name = workspace.roles.id
        self.hidden = workspace.roles.label if workspace.roles.label_use == "truth" else None
        self.answers = answers
        self.scores = PoolValues() if scores is None else scores

    @classmethod
    def of(cls, session: LabellingSession) -> Columns:
        """The columns of a session as of now."""
        return cls(session.workspace, Answers.of(session.workspace), session.scores.values)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.table.n_rows

    @property
    def names(self) -> list[str]:
        """Names that a rule can use, ours first."""
        return [*OWN, *(name for name in self.table.names if name not in OWN and name != self.hidden)]

    def resolve(self, name: str, is_quoted: bool = False) -> str | None:
        """The key of a column: ours unless it was quoted, else ``.NAME`` of the table; None when there is none."""
        if name in OWN and not (is_quoted and name in self.table.names):
            return f".{self.id_name}" if name == ID and self.id_name is not None else name
        return f".{name}" if name in self.table.names and name != self.hidden else None

    def class_now(self, name: str) -> str:
        """What a class is called now that has, or had, a name; the name itself where there is none."""
        return self.workspace.log.state().classes.now(name)

    def kind(self, key: str) -> Kind:
        """What the cells of a column are."""
        if not key.startswith("."):
            return "text" if key in (CLASS, STATUS, PREDICTED) else "number"
        return kind_of(self.table.column(key[1:]).type)

    def numbers(self, key: str, start: int, stop: int) -> Numbers:
        """Cells of a column of numbers, flags (0 or 1) or dates."""
        if key in (ROW, ID):
            return Numbers(np.arange(start, stop), np.zeros(stop - start, bool))
        if key in SCORES:
            known = getattr(self.scores, key)
            values = np.full(stop - start, np.nan) if known is None else np.asarray(known[start:stop])
            return Numbers(values, np.isnan(values))
        return numbers_of(self.table.column(key[1:]).slice(start, stop - start))

    def texts(self, key: str, start: int, stop: int) -> pa.Array:
        """Cells of a column of texts."""
        if key == CLASS:
            labels = [UNLABELLED if label is None else label for label in self.answers.labels]
            return _spread(self.answers.rows, labels, UNLABELLED, start, stop)
        if key == STATUS:
            return _spread(self.answers.rows, list(self.answers.statuses), OPEN, start, stop)
        if key == PREDICTED:
            predicted = self.scores.predicted
            if predicted is None:
                return pa.nulls(stop - start, pa.large_string())
            names = pa.array(self.scores.names, pa.large_string())
            return names.take(pa.array(np.asarray(predicted[start:stop])))
        return texts_of(self.table.column(key[1:]).slice(start, stop - start))

    def missing(self, key: str, start: int, stop: int) -> NDArray[np.bool_]:
        """Which cells have no value: null, or not a number."""
        kind = self.kind(key)
        if kind in ("number", "flag", "date"):
            return self.numbers(key, start, stop).missing
        if kind == "text":
            return _mask(pc.is_null(self.texts(key, start, stop)))
        return _mask(pc.is_null(self.table.column(key[1:]).slice(start, stop - start)))


def kind_of(kind: pa.DataType) -> Kind:
    """What cells of an Arrow type are."""
    if pa.types.is_dictionary(kind):
        return kind_of(kind.value_type)
    if pa.types.is_boolean(kind):
        return "flag"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "date"
    return "text" if pa.types.is_string(kind) or pa.types.is_large_string(kind) else "other"


def numbers_of(cells: pa.ChunkedArray) -> Numbers:
    """Numbers as they are (whole ones stay exact), flags as 0 and 1, dates as microseconds."""
    kind = cells.type
    if pa.types.is_dictionary(kind):
        return numbers_of(cells.cast(kind.value_type))
    if pa.types.is_boolean(kind):
        cells = cells.cast(pa.uint8())
    elif pa.types.is_decimal(kind):
        cells = cells.cast(pa.float64())
    elif pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        cells = cells.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
    missing = _mask(pc.is_null(cells, nan_is_null=True))
    if cells.null_count:
        cells = pc.fill_null(cells, pa.scalar(0, cells.type))
    return Numbers(cells.to_numpy(), missing)


def texts_of(cells: pa.ChunkedArray) -> pa.Array:
    """Texts as one array of strings."""
    whole = cells.cast(pa.large_string())
    return whole.combine_chunks() if isinstance(whole, pa.ChunkedArray) else whole


def _mask(flags: pa.Array | pa.ChunkedArray) -> NDArray[np.bool_]:
    return np.asarray(flags.to_numpy() if isinstance(flags, pa.ChunkedArray) else flags.to_numpy(False), bool)


def _spread(
    rows: NDArray[np.int64], texts: Sequence[str | None], rest: str | None, start: int, stop: int
) -> pa.Array:
    """Texts at their rows within a stretch, and `rest` at all others."""
    first, last = np.searchsorted(rows, [start, stop])
    values = [rest, *dict.fromkeys(texts[first:last])]
    place = {text: i for i, text in reversed(list(enumerate(values)))}
    codes = np.zeros(stop - start, np.int32)
    codes[rows[first:last] - start] = [place[text] for text in texts[first:last]]
    return pa.array(values, pa.large_string()).take(pa.array(codes))
