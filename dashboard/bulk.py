"""Labelling a selection at once: what is in it, how pure a random sample says it is, and the one step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import param
from numpy.typing import ArrayLike, NDArray

from ..data.bulk import label_events
from ..data.bulks import BulkRecord
from ..data.errors import InputError
from ..data.events import LATER, Action, Event, new_event_id
from ..strategies.intervals import Interval, proportion
from .audits import is_sealed
from .reasons import AUDIT, BULK, PURITY

if TYPE_CHECKING:
    from .session import Commit, LabellingSession

MOST = 100_000  # items in one step
SAMPLE = 20
SAMPLES = (5, 200)
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Contents:
    """What is in a selection.

    `free` are the rows without an answer (put off counts as none), and `labelled` those with a label, int64.
    `counts` are labels by class, `n_others` items that were unsure or flagged, `n_sealed` items whose answer
    belongs to the sealed audit, and `waiting` the rows that the audit is about to ask: a bulk step leaves
    these three alone.
    """

    free: NDArray[np.int64]
    labelled: NDArray[np.int64]
    counts: dict[str, int]
    n_others: int
    n_sealed: int
    waiting: NDArray[np.int64]

    @property
    def n(self) -> int:
        """How many items there are."""
        return len(self.free) + len(self.labelled) + self.n_others + self.n_sealed + len(self.waiting)

    def to_label(self, relabel: bool) -> NDArray[np.int64]:
        """The rows that a step would label."""
        return np.sort(np.concatenate([self.free, self.labelled])) if relabel else self.free


def contents_of(session: LabellingSession, rows: ArrayLike) -> Contents:
    """Look at every item of a selection; costs what its size is, so not for the page's thread."""
    given = np.asarray(rows, np.int64)
    state, audit, taxonomy = session.state, session.auditor.audit, session.workspace.taxonomy
    waiting = {q.row for q in session.queue if q.strategy == AUDIT}
    splitting = {c.name for _, c in taxonomy.shown if c.status == "splitting"}
    free: list[int] = []
    labelled: list[int] = []
    held: list[int] = []
    counts: Counter[str] = Counter()
    n_others = n_sealed = 0
    for row, item_id in zip(given.tolist(), session.workspace.ids.texts(given), strict=True):
        item = state.items.get(item_id)
        if row in waiting:
            held.append(row)
        elif item is None:
            free.append(row)
        elif is_sealed(item, state, audit):
            n_sealed += 1
        elif item.status in LATER:
            free.append(row)
        elif item.label is None:
            n_others += 1
        else:
            counts[item.label] += 1
            (free if item.label in splitting else labelled).append(row)
    return Contents(
        np.array(free, np.int64),
        np.array(labelled, np.int64),
        dict(counts.most_common()),
        n_others,
        n_sealed,
        np.array(held, np.int64),
    )


@dataclass(frozen=True)
class Check:
    """A purity check: the selection with its name, its class, and the rows drawn from what was to be labelled."""

    rows: NDArray[np.int64]
    source: str
    label: str
    relabel: bool
    n_open: int
    sample: tuple[int, ...]


@dataclass(frozen=True)
class Verdict:
    """How a check stands: `purity` is of the items not drawn, which are those that would be labelled."""

    n_answered: int
    n_right: int
    purity: Interval | None


class Bulker(param.Parameterized):
    """The purity check under way in one session, and the steps that follow."""

    check = param.Parameter(default=None, doc="The Check under way, or None.")

    def __init__(self, session: LabellingSession) -> None:
        super().__init__()
        self._session = session

    def is_drawn(self, row: int) -> bool:
        """Whether an item is asked for the purity check under way."""
        check: Check | None = self.check
        return check is not None and row in check.sample

    def begin(self, rows: ArrayLike, source: str, label: str, n: int, *, relabel: bool = False) -> Check:
        """Draw a uniform sample from what a step would label; its items are to be asked one by one.

        Raises
        ------
        InputError
            When a campaign is under way, the class is not offered, or there are too few or too many items.
        """
        self._check_class(label)
        if not SAMPLES[0] <= n <= SAMPLES[1]:
            raise InputError(f"a sample has {SAMPLES[0]} to {SAMPLES[1]} items")
        contents = contents_of(self._session, rows)
        # What has a label is known, and says nothing of the rest; it is drawn only where it is to change.
        open_rows = contents.to_label(relabel)
        _check_size(len(open_rows))
        drawn = np.random.default_rng().choice(open_rows, size=min(n, len(open_rows)), replace=False)
        check = Check(
            np.asarray(rows, np.int64), source, label, relabel, len(open_rows), tuple(int(row) for row in drawn)
        )
        self.check = check
        self._session.questions.drop(check.sample)  # with a suggestion, as the queue asks
        return check

    def verdict(self) -> Verdict | None:
        """How the check stands: what is put off has no answer yet; unsure or flagged is not the class."""
        check: Check | None = self.check
        if check is None:
            return None
        states = [self._given(row) for row in check.sample]
        n_answered = sum(state is not None for state in states)
        n_right = states.count(check.label)
        if n_answered < len(check.sample):
            return Verdict(n_answered, n_right, None)
        return Verdict(n_answered, n_right, _purity(n_right, n_answered, check.n_open))

    def _given(self, row: int) -> str | None:
        """The class, or status, that the check has got for an item; None before."""
        item = self._session.state.items.get(self._session.workspace.ids.text(row))
        if item is None or item.event.strategy != PURITY or item.status in LATER:
            return None
        return item.label or item.status

    def stop(self) -> None:
        """Give the check up; its answers stay."""
        self.check = None

    def label(
        self,
        rows: ArrayLike,
        source: str,
        label: str,
        *,
        annotator: str,
        relabel: bool = False,
        unchecked: bool = False,
    ) -> Future[Commit]:
        """Give one label to all items of a selection that can have it, in one step that one undo takes back.

        Parameters
        ----------
        unchecked
            Whether the purity may be unknown; otherwise the finished check of this selection is needed.

        Returns
        -------
        Future
            Fails with `InputError` when a campaign is under way, the check is missing or was not finished, the
            class is not offered, or there are too many items.
        """
        return self._session.in_turn_of_answers(
            lambda: self._label(np.asarray(rows, np.int64), source, label, annotator, relabel, unchecked)
        )

    def _label(
        self, rows: NDArray[np.int64], source: str, label: str, annotator: str, relabel: bool, unchecked: bool
    ) -> Sequence[Event]:
        self._check_class(label)
        check, verdict = self._finished(rows, label, relabel)
        if verdict is None and not unchecked:
            raise InputError("this selection is not checked for this class: check a sample first, or confirm")
        session = self._session
        rows = np.sort(rows)  # looked up once, in the order in which what is labelled is looked up too
        contents = contents_of(session, rows)
        drawn = check.sample if verdict is not None and check is not None else ()
        chosen = np.setdiff1d(contents.to_label(relabel), drawn)
        _check_size(len(chosen))
        texts = session.workspace.ids.texts(chosen)
        first = Event(
            "", Action.LABEL, "", annotator, datetime.now(UTC), input=BULK, strategy=BULK,
            bulk=new_event_id(), guideline=session.guideline,
        )  # fmt: skip
        known = verdict.purity if verdict is not None else None
        session.workspace.bulks.add(
            BulkRecord(
                bulk=str(first.bulk),
                label=label,
                source=source,
                annotator=annotator,
                n_labelled=len(chosen),
                created_at=first.created_at,
                n_checked=len(drawn),
                n_right=0 if verdict is None else verdict.n_right,
                low=None if known is None else known.low,
                high=None if known is None else known.high,
                sample=tuple(session.workspace.ids.texts(list(drawn))),
            )
        )
        # The step would have reached them: left alone or not, they speak for no item but themselves.
        session.auditor.record_swept([*session.workspace.ids.texts(contents.waiting)])
        session.auditor.record_reached(session.workspace.ids.texts(rows), BULK)
        stored = session.workspace.log.append(label_events(first, texts, [label] * len(texts)), given_away=True)
        self.check = None
        return stored

    def _finished(self, rows: NDArray[np.int64], label: str, relabel: bool) -> tuple[Check | None, Verdict | None]:
        check: Check | None = self.check
        verdict = self.verdict()
        if check is None or verdict is None or verdict.purity is None:
            return None, None
        is_same = check.label == label and check.relabel == relabel and np.array_equal(check.rows, rows)
        return (check, verdict) if is_same else (None, None)

    def _check_class(self, label: str) -> None:
        if self._session.campaigner.is_under_way:
            raise InputError("a campaign is under way: its questions are answered one by one, so end it first")
        if label not in {c.name for _, c in self._session.workspace.taxonomy.offered}:
            raise InputError(f"the class '{label}' is not offered (any more): choose another one")


def _check_size(n: int) -> None:
    if not n:
        raise InputError("there is nothing to label in this selection: every item has its answer")
    if n > MOST:
        raise InputError(f"{n:,} items are more than the {MOST:,} of one step: select fewer")


def _purity(n_right: int, n_drawn: int, n_open: int) -> Interval:
    """The share of the class among what was not drawn, from a sample without replacement; exact limits."""
    whole, n_rest = proportion(n_right, n_drawn, n_open, CONFIDENCE), n_open - n_drawn
    if not n_rest:
        return Interval(1.0, 1.0, 1.0)
    limits = [(share * n_open - n_right) / n_rest for share in (whole.low, whole.high)]
    low, high = (float(min(max(limit, 0.0), 1.0)) for limit in limits)
    return Interval(n_right / n_drawn, low, high)
