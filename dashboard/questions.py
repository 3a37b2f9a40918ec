"""The questions of a session: which are waiting in the queue, and through which an item was asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..data.events import LATER
from .queue import SEALED, Queued, queue_of, random_queue, restored, skipped_queue
from .reasons import AUDIT, CAMPAIGN

if TYPE_CHECKING:
    from ..strategies.rounds import Round
    from .session import LabellingSession

# The page must never run dry while a round is under way.
MIN_QUEUE = 20
FEW = 5  # left: the browser has more in store than it shows


class Questions:
    """Makes the queue of one session, which is its parameter ``queue``.

    The queue changes in the writer thread and in those of pages: always by `change`.
    """

    def __init__(self, session: LabellingSession) -> None:
        self._session = session
        self._workspace = session.workspace
        self._lock = threading.RLock()
        self._asked_by: dict[int, Queued] = {}
        session.param.watch(self._remember, "queue")

    @property
    def asked_by(self) -> Mapping[int, Queued]:
        """The query through which each item was asked last in this run, by row."""
        return self._asked_by

    def change(self, changed: Callable[[tuple[Queued, ...]], Sequence[Queued]]) -> None:
        """Replace the queue by what a function makes of it."""
        with self._lock:
            self._session.queue = tuple(changed(self._session.queue))

    def _remember(self, event: Any) -> None:
        self._asked_by = self._asked_by | {queued.row: queued for queued in event.new}

    def replace(self, queue: Sequence[Queued]) -> None:
        """Ask other questions."""
        self.change(lambda _: queue)

    def drop(self, rows: Collection[int]) -> None:
        """Take items out of the queue."""
        self.change(lambda queue: [q for q in queue if q.row not in rows])

    @property
    def is_short(self) -> bool:
        """Whether the queue may run dry before the next round is there."""
        return len(self._session.queue) < MIN_QUEUE

    # ---- where they come from ---------------------------------------------------------------------

    def restore(self) -> None:
        """Ask what the newest round asked, without what has been decided since, or random items."""
        if self._session.campaigner.record is not None:
            self.replace(self._session.campaigner.queue())
            return
        newest = self._workspace.rounds.newest()
        asked = () if newest is None else restored(newest, self._workspace)
        known = self._open_ones(asked)
        # What was passed over while the server ran, and not recorded before it was stopped.
        self._session.auditor.record_passed(
            q for q in asked if q.selection != SEALED and self._was_answered(q.row)
        )
        self.replace(known if len(known) >= MIN_QUEUE else self._random())

    def fill_up(self) -> None:
        """Ask uniformly drawn items after the last ones, where a round takes longer than the one before lasts."""
        if len(self._session.queue) < FEW:
            drawn = self._random()
            self.change(lambda queue: [*queue, *(q for q in drawn if all(q.row != known.row for known in queue))])

    def of_round(self, result: Round, number: int) -> tuple[Queued, ...]:
        """All questions of a round, those included that the audit has sealed."""
        return queue_of(result, number, self._workspace)

    def take_round(self, asked: Sequence[Queued], number: int, n_labels: int) -> bool:
        """Ask what a round asks, else what was put off; returns whether anything of the round is open."""
        with self._lock:  # what is taken out of the queue meanwhile must not come back
            fresh = self._open_ones(asked)
            later = skipped_queue(self._workspace, self._session.state, number, n_labels, 2 * MIN_QUEUE)
            self.replace(self._session.campaigner.queue() or fresh or later)
        return bool(fresh)

    def _random(self) -> tuple[Queued, ...]:
        has_sealed = self._session.auditor.has_sealed
        return self._open_ones(random_queue(self._workspace, self._session.state, has_sealed, 2 * MIN_QUEUE))

    def _open_ones(self, asked: Sequence[Queued]) -> tuple[Queued, ...]:
        """The questions of a round that are still to be answered; the audit asks again what was put off."""
        return tuple(
            q
            for q in self._session.auditor.without_sealed(asked)
            if not (self._is_decided(q.row) or self._session.bulker.is_drawn(q.row))
            or (q.strategy == AUDIT and self._is_put_off(q.row))
        )

    def _is_decided(self, row: int) -> bool:
        return self._workspace.ids.text(row) in self._session.state.items

    def _was_answered(self, row: int) -> bool:
        """Whether an item was decided, and not because a campaign had drawn it."""
        item = self._session.state.items.get(self._workspace.ids.text(row))
        return item is not None and item.event.strategy != CAMPAIGN

    def _is_put_off(self, row: int) -> bool:
        return self._session.item_state(row).get("status") in LATER
