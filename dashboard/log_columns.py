"""The label log as columns of numbers, kept up to date, so that whole logs can be counted in milliseconds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.events import CLASS_ACTIONS, IMPORTED, PROPAGATED, STATUS, STEPS, Action, Event, Step, values_of
from ..data.labels import LabelLog
from ..data.log_state import LogState, end_redo, stack_of
from ..data.workspace import Workspace
from .reasons import BULK

ACTIONS = tuple(Action)
CODE = {action: code for code, action in enumerate(ACTIONS)}
IS_DECISION = np.array([action in STATUS for action in ACTIONS])
IS_LABEL = np.array([STATUS.get(action) == "labelled" for action in ACTIONS])
NOT_BY_HAND = ("table", PROPAGATED, BULK, IMPORTED)  # inputs of labels that nobody gave one by one
DTYPES: dict[str, type] = {
    "at": np.float64,
    "action": np.int8,
    "row": np.int64,
    "label": np.int32,
    "annotator": np.int32,
    "dwell": np.float32,
    "by_hand": np.bool_,
    "together": np.bool_,
    "target": np.int64,
    "undoes": np.bool_,
}


@dataclass(frozen=True)
class Columns:
    """The events of a log in their order, a column each, ``(n_events,)``.

    Attributes
    ----------
    at
        Seconds since 1970, UTC; float64.
    action
        Place in `ACTIONS`.
    row
        Of the item; -1 where the event is of no item of the table.
    label, annotator
        Places in `labels` and `annotators`; -1 for no label.
    dwell
        Seconds for which the item was looked at; NaN where it is not known.
    by_hand
        Whether a person gave this one answer: not imported, nor given to many items in one step.
    together
        Whether it was stored in one step with others, as the answers to a page of the grid are.
    target, undoes
        Of an undo or redo that had an effect: the place of its answer, and which of both it was; -1 else.
    """

    at: NDArray[np.float64]
    action: NDArray[np.int8]
    row: NDArray[np.int64]
    label: NDArray[np.int32]
    annotator: NDArray[np.int32]
    dwell: NDArray[np.float32]
    by_hand: NDArray[np.bool_]
    together: NDArray[np.bool_]
    target: NDArray[np.int64]
    undoes: NDArray[np.bool_]
    labels: tuple[str, ...] = ()
    annotators: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.at)

    def first(self, n: int) -> Columns:
        """The first n events, without copying them."""
        return Columns(
            **{name: getattr(self, name)[:n] for name in DTYPES}, labels=self.labels, annotators=self.annotators
        )

    def undone(self) -> NDArray[np.bool_]:
        """Whether each event has been taken back, bool ``(n_events,)``."""
        undone = np.zeros(len(self), bool)
        steps = np.flatnonzero(self.target >= 0)
        undone[self.target[steps]] = self.undoes[steps]  # of several steps on one answer, the last one counts
        return undone

    def deciding(self) -> NDArray[np.int64]:
        """The places of the answers in force, one for each answered item, in the order of the log."""
        decisions = np.flatnonzero(IS_DECISION[self.action] & ~self.undone() & (self.row >= 0))
        if not len(decisions):
            return decisions
        rows, items = self.row[decisions], int(self.row[decisions].max()) + 1
        if items > 16 * len(self):  # few answers in a large table
            _, rows = np.unique(rows, return_inverse=True)
            items = int(rows.max()) + 1
        last = np.full(items, -1, np.int64)
        last[rows] = decisions
        return np.sort(last[last >= 0])

    def labelled(self) -> NDArray[np.int64]:
        """The places of the labels in force, one for each labelled item, in the order of the log."""
        deciding = self.deciding()
        return deciding[IS_LABEL[self.action[deciding]]]


class LogColumns:
    """Keeps the columns of a workspace's log; each call of `now` takes in what is new. For any thread."""

    _log: LabelLog | None
    _n: int
    _values: dict[str, NDArray[Any]]

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._lock = threading.Lock()
        self._forget()

    def now(self) -> Columns:
        """The columns of all events so far."""
        with self._lock:
            log = self.workspace.log
            if log is not self._log:
                self._forget()
                self._log = log
            fresh = log.newer(int(self._seq[self._n - 1]) if self._n else 0)
            if fresh:
                self._take(fresh, log)
            columns: dict[str, Any] = {name: values[: self._n] for name, values in self._values.items()}
            columns["label"], names = self._by_name(columns["label"], log)
            return Columns(**columns, labels=names, annotators=tuple(self._annotators))

    def _by_name(self, codes: NDArray[np.int32], log: LabelLog) -> tuple[NDArray[np.int32], tuple[str, ...]]:
        """Labels by what their classes are called now: some have got new names, or were merged."""
        classes = log.state().classes
        names = [classes.name_of(class_id) for class_id in self._labels]
        places = {name: place for place, name in enumerate(dict.fromkeys(names))}
        if len(places) == len(names):
            return codes, tuple(names)
        recoded = np.array([*(places[name] for name in names), -1], np.int32)
        return recoded[codes], tuple(places)

    def _forget(self) -> None:
        self._log = None
        self._n = 0
        self._values = {name: np.empty(0, dtype) for name, dtype in DTYPES.items()}
        self._seq = np.empty(0, np.int64)
        self._labels: dict[str, int] = {}  # ids of classes
        self._annotators: dict[str, int] = {}
        self._undone: dict[str, set[int]] = {}  # undo stack → answers that a redo would bring back
        self._all_undone: set[int] = set()

    def _take(self, fresh: Sequence[Event], log: LabelLog) -> None:
        n, new = self._n, len(fresh)
        self._reserve(n + new)
        labels, annotators = self._labels, self._annotators
        state = log.state()
        class_ids, names = state.class_ids(fresh), values_of(fresh, "annotator")
        actions = values_of(fresh, "action")
        if not CLASS_ACTIONS.isdisjoint(actions):
            class_ids = [None if a in CLASS_ACTIONS else i for a, i in zip(actions, class_ids, strict=True)]
        for class_id in dict.fromkeys(class_ids):
            if class_id is not None:
                labels.setdefault(class_id, len(labels))
        for name in dict.fromkeys(names):
            annotators.setdefault(name, len(annotators))
        own = {
            "at": _coded(values_of(fresh, "created_at"), datetime.timestamp),
            "action": _coded(actions, CODE.__getitem__),
            "label": _coded(class_ids, lambda class_id: -1 if class_id is None else labels[class_id]),
            "annotator": _coded(names, annotators.__getitem__),
            "dwell": _coded(values_of(fresh, "dwell_ms"), lambda ms: np.nan if ms is None else ms / 1000),
            "by_hand": _coded(values_of(fresh, "input"), lambda entered: entered not in NOT_BY_HAND),
            "together": _coded(values_of(fresh, "bulk"), lambda bulk: bulk is not None),
            "row": self.workspace.ids.find(values_of(fresh, "item_id")),
            "target": -1,
            "undoes": False,
        }
        for column, numbers in own.items():
            self._values[column][n : n + new] = numbers
        self._seq[n : n + new] = values_of(fresh, "seq")
        self._n += new
        place = n
        for kind, group in [(_kind_of(fresh[0]), fresh)] if isinstance(fresh, Step) else groupby(fresh, _kind_of):
            events = group if isinstance(group, Step) else list(group)
            if kind in STEPS:
                self._follow_steps(place, events, kind == Action.UNDO, state)
            elif kind is not None:
                self._end_redo(events)
            place += len(events)

    def _end_redo(self, answers: Sequence[Event]) -> None:
        of_stacks = zip(*(values_of(answers, name) for name in ("input", "bulk", "annotator")), strict=True)
        for answer in dict(zip(of_stacks, answers, strict=True)).values():
            end_redo(self._undone, answer)

    def _follow_steps(self, place: int, steps: Sequence[Event], undoes: bool, state: LogState) -> None:
        """Note the undos, or redos, with an effect: an answer since has ended the redo, as in `LogState`.

        `place` is that of the first; the others follow it.
        """
        by_id = state.by_id
        answers = [by_id[target] for target in map(str, values_of(steps, "target"))]
        targets = np.searchsorted(self._seq[: self._n], [answer.seq for answer in answers])
        found = targets.tolist()
        if len(stacks := set(map(stack_of, answers))) == 1 and not any(e.action in CLASS_ACTIONS for e in answers):
            undone, distinct = self._undone.setdefault(stacks.pop(), set()), set(found)
            if len(distinct) == len(found) and self._has_effect(distinct, undone, undoes):
                self._values["target"][place : place + len(found)] = targets
                self._values["undoes"][place : place + len(found)] = undoes
                return
        for at, (answer, target) in enumerate(zip(answers, found, strict=True), place):
            undone = self._undone.setdefault(stack_of(answer), set())
            if answer.action not in CLASS_ACTIONS and self._has_effect({target}, undone, undoes):
                self._values["target"][at], self._values["undoes"][at] = target, undoes

    def _has_effect(self, targets: set[int], undone: set[int], undoes: bool) -> bool:
        """Take back, or bring again, answers of an undo stack if that can be with all of them."""
        if undoes:
            if not self._all_undone.isdisjoint(targets):
                return False
            self._all_undone |= targets
            undone |= targets
            return True
        if not (targets <= undone and targets <= self._all_undone):
            return False
        self._all_undone -= targets
        undone -= targets
        return True

    def _reserve(self, n: int) -> None:
        """Make room; what was given out before keeps the old arrays."""
        if n <= len(self._seq):
            return
        room = max(n, 2 * len(self._seq), 1024)

        def grown(values: NDArray[Any]) -> NDArray[Any]:
            larger = np.empty(room, values.dtype)
            larger[: self._n] = values[: self._n]
            return larger

        self._values = {name: grown(values) for name, values in self._values.items()}
        self._seq = grown(self._seq)


def _coded(values: Sequence[Any], code: Callable[[Any], float]) -> float | list[float]:
    """The number of each value, worked out once for each different one; only one where all are the same."""
    codes = {value: code(value) for value in dict.fromkeys(values)}
    return next(iter(codes.values())) if len(codes) == 1 else list(map(codes.__getitem__, values))


def _kind_of(event: Event) -> str | None:
    """What events have in common that can be followed at once: those of classes change no answer."""
    action = event.action
    return None if action in CLASS_ACTIONS else action if action in STEPS else "answer"
