"""What people say of items: stored as events, taken back, brought again, and given to equal items."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..data.bulk import label_events, step_events
from ..data.errors import InputError
from ..data.events import PROPAGATED
from ..data.labels import Action, Event, new_event_id
from .reasons import DUPLICATE, OPENED, PURITY
from .twins import Twins

if TYPE_CHECKING:
    from .session import LabellingSession

MOST_PROPAGATED = 100_000  # labels in one transaction
LONGEST_ID = 64
DECISIONS = (Action.LABEL, Action.SKIP, Action.UNSURE, Action.FLAG, Action.DEFER, Action.NOTE)


@dataclass(frozen=True)
class Commit:
    """What one durable change did: its events, and the rows whose state changed."""

    events: tuple[Event, ...]
    rows: tuple[int, ...]


class Answers:
    """Stores the answers of one session; everything here runs in its writer thread."""

    def __init__(self, session: LabellingSession) -> None:
        self._session = session
        self._workspace = session.workspace

    def decide(self, decisions: Sequence[Mapping[str, Any]], annotator: str) -> Sequence[Event]:
        """Store decisions in one transaction, see `LabellingSession.decide`."""
        made = [self._event(d, annotator) for d in decisions]
        opened = [event.item_id for event, d in zip(made, decisions, strict=True) if d.get("round") is None]
        self._session.auditor.record_reached(opened)
        return self._workspace.log.append(made)

    def step(self, action: Action, event_id: str | None, annotator: str) -> Sequence[Event]:
        """Take back, or bring back, somebody's newest decision, or all that were given in one step with it."""
        labels, state, new_id = self._workspace.log, self._session.state, event_id or new_event_id()
        is_undo = action == Action.UNDO
        newest = state.undoable(annotator) if is_undo else state.redoable(annotator)
        batch = [] if newest is None or state.has(new_id) else state.batch_of(newest, undone=not is_undo)
        if len(batch) < 2:
            event = (labels.undo if is_undo else labels.redo)(annotator, event_id=new_id)
            return [] if event is None else [event]
        return labels.append(step_events(action, batch, annotator, new_id), given_away=True)

    def in_force(self, target: str) -> Event | None:
        """The answer, note or change of the classes of that id; None when it was undone before."""
        state = self._session.state
        if not state.has(target):
            raise InputError(f"there is no answer {target[:40]!r} to undo: reload the page")
        return None if state.is_undone(target) else state.event(target)

    def undo_answer(self, answer: Event, event_id: str, annotator: str) -> Sequence[Event]:
        """Undo one answer or note."""
        return self._workspace.log.append(step_events(Action.UNDO, [answer], annotator, event_id))

    def _event(self, decision: Mapping[str, Any], annotator: str) -> Event:
        row, label = decision.get("row"), decision.get("label")
        if not isinstance(row, int) or not 0 <= row < self._workspace.table.n_rows:
            raise InputError(f"there is no row {row} in {self._workspace.source.name}: reload the page")
        action = decision.get("action")
        if action not in DECISIONS:
            raise InputError(f"{action!r} is not something that can be said of an item: reload the page")
        if action == Action.LABEL:
            label = self._session.state.classes.now(str(label))  # a page may not know yet that it was renamed
            if label not in {c.name for _, c in self._workspace.taxonomy.offered}:
                raise InputError(f"the class {label!r} does not exist (any more): reload the page and label again")
        item_id = self._workspace.ids.text(row)
        dwell = decision.get("dwell_ms")
        return Event(
            event_id=str(decision.get("event_id") or new_event_id()),
            action=Action(action),
            item_id=item_id,
            label=label if action == Action.LABEL else None,
            note=decision.get("note"),
            target=None,
            annotator=annotator,
            created_at=datetime.now(UTC),
            dwell_ms=int(dwell) if isinstance(dwell, int | float) and math.isfinite(dwell) else None,
            input=str(decision.get("input") or "api"),
            guideline=self._session.guideline,
            suggestion_shown=shown if isinstance(shown := decision.get("suggestion_shown"), bool) else None,
            bulk=str(decision["bulk"])[:LONGEST_ID] if decision.get("bulk") else None,
            **self._asked(row, item_id, decision.get("round")),
        )

    def _asked(self, row: int, item_id: str, number: int | None) -> dict[str, Any]:
        """How the item came to be asked: by the queue of a round, as it was before, or looked up by the user.

        A page may still show an item of an earlier round than the queue's: `number` is the one it shows.
        """
        if self._session.bulker.is_drawn(row):
            return {"round": None, "strategy": PURITY, "probability": None}
        queued = self._session.asked(row)
        if queued is not None and number is not None:
            return {
                "round": queued.round,
                "strategy": queued.strategy,
                "probability": queued.probability,
                "suggested": queued.suggested,
                "suggested_probability": queued.suggested_probability,
            }
        before = self._session.state.items.get(item_id)
        if before is not None:
            return {
                "round": before.event.round,
                "strategy": before.event.strategy,
                "probability": before.event.probability,
            }
        return {"round": None, "strategy": OPENED, "probability": None}


class Duplicates:
    """Items with the features of labelled ones, which can be labelled like them; for the writer thread."""

    def __init__(self, session: LabellingSession) -> None:
        self._session = session
        self._held_back: tuple[tuple[int, int], ...] = ()  # what the newest round says of equal items
        self._twins: Twins | None = None

    def take(self, held_back: tuple[tuple[int, int], ...]) -> None:
        """Go on with what a round says of equal items: pairs of a row and the labelled row that it equals."""
        self._held_back = held_back

    def agreeing(self) -> tuple[tuple[int, int], ...]:
        """Items without an answer, and the class on which their labelled twins agree as of now.

        There are none while a campaign is under way.
        """
        session, workspace = self._session, self._session.workspace
        if not self._held_back or session.campaigner.is_under_way:
            return ()
        if self._twins is None or self._twins.X is not workspace.features:
            self._twins = Twins(workspace.features)
        labels = session.labels()
        items = session.state.items
        texts = workspace.ids.texts([row for row, _ in self._held_back])
        pairs = [pair for pair, text in zip(self._held_back, texts, strict=True) if text not in items]
        offered = {place for place, _ in workspace.taxonomy.offered}
        return tuple(
            pair for pair in self._twins.classes(pairs, labels.rows, labels.classes) if pair[1] in offered
        )

    def propagate(self, annotator: str) -> Sequence[Event]:
        """Label them in one transaction, see `LabellingSession.propagate_duplicates`."""
        workspace = self._session.workspace
        pairs = self.agreeing()[:MOST_PROPAGATED]
        if not pairs:
            return []
        names = workspace.taxonomy.names
        texts = workspace.ids.texts([row for row, _ in pairs])
        first = Event("", Action.LABEL, "", annotator, datetime.now(UTC), input=PROPAGATED, strategy=DUPLICATE)
        return workspace.log.append(
            label_events(first, texts, [names[index] for _, index in pairs]), given_away=True
        )
