"""The item card with its class buttons: shows the queue and passes answers on to the session."""

from __future__ import annotations

import hashlib
from concurrent.futures import Future
from typing import Any

import panel as pn

from ...data.errors import InputError
from ..components.labeller import Labeller
from ..page import Page
from ..queue import Queued
from ..reasons import OPENED, in_words
from ..session import Commit, LabellingSession
from .marks import mark


class ItemView(pn.viewable.Viewer):
    """The labelling surface of one page.

    Parameters
    ----------
    page
        The page's state; the card follows ``page.wanted_row`` and sets ``page.current``.
    """

    title = "Item"

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self.session: LabellingSession = page.session
        self._mine: set[str] = set()
        self.labeller = Labeller(
            self._on_message,
            storage=hashlib.sha256(str(self.session.workspace.folder.resolve()).encode()).hexdigest()[:16],
            classes=class_list(self.session),
            dark=page.dark,
            sizing_mode="stretch_both",
            min_height=320,
        )
        page.react(lambda: setattr(self.labeller, "dark", page.dark), "dark")
        page.react(lambda: self._show(page.wanted_row[0]), "wanted_row")
        page.watch(self.session, self._send_queue, "queue")
        page.watch(self.session, self._on_commit, "committed")
        page.watch(self.session, self._on_taxonomy, "taxonomy_revision")

    def __panel__(self) -> pn.viewable.Viewable:
        return self.labeller

    # ---- to the browser --------------------------------------------------------------------------

    def _send_queue(self) -> None:
        queue: tuple[Queued, ...] = self.session.queue
        self.labeller.exhausted = not queue and not self.session.round_running
        self.labeller.send(
            self._progress()
            | {
                "type": "queue",
                "queue": [self._entry(queued) for queued in queue],
                "items": [self.page.cards.card(queued.row) for queued in queue],
            }
        )

    def _show(self, row: int) -> None:
        queued = next((q for q in self.session.queue if q.row == row), None)
        entry = {"row": row, "reason": in_words(OPENED)} if queued is None else self._entry(queued)
        self.labeller.send(
            {
                "type": "show",
                "entry": entry | {"state": self.session.item_state(row)},
                "items": [self.page.cards.card(row)],
            }
        )

    def _entry(self, queued: Queued) -> dict[str, Any]:
        return {
            "row": queued.row,
            "round": queued.round,
            "n_labels": queued.n_labels,
            "reason": in_words(queued.strategy),
            "suggested": queued.suggested,
            "suggested_probability": queued.suggested_probability,
        }

    def _progress(self) -> dict[str, Any]:
        return {"counts": self.session.found(), "n_labels": self.session.state.n_labelled}

    def _on_taxonomy(self) -> None:
        self.labeller.classes = class_list(self.session)

    def _on_commit(self) -> None:
        commit: Commit = self.session.committed
        self.labeller.exhausted = not self.session.queue and not self.session.round_running
        foreign = [e for e in commit.events if e.event_id not in self._mine]
        if foreign and all(e.target is None for e in foreign):  # decided in another tab
            self.labeller.send(self._progress() | {"type": "gone", "rows": list(commit.rows)})

    # ---- from the browser ------------------------------------------------------------------------

    def _on_message(self, message: dict[str, Any]) -> None:
        kind = message.get("type")
        if kind == "current":
            self._set_current(message.get("row"))
        elif kind == "hello":
            self.page.hop(self._send_queue)
            self._decide(message.get("decisions") or [])
        elif kind == "decide":
            self._decide(message.get("decisions") or [])
            if "current" in message:
                self._set_current(message["current"])
        elif kind in ("undo", "redo"):
            event_id = str(message.get("event_id"))
            self._mine.add(event_id)
            step = self.session.undo if kind == "undo" else self.session.redo
            self._when_done(step(event_id), [], lambda commit: self._stepped(kind, commit))

    def _set_current(self, row: Any) -> None:
        self.page.current = row if isinstance(row, int) else None

    def _decide(self, decisions: list[dict[str, Any]]) -> None:
        """Each answer is stored by itself: one that is refused must not hold back the others."""
        for decision in decisions:
            event_id = str(decision.get("event_id"))
            self._mine.add(event_id)
            self._when_done(self.session.decide([decision]), [event_id], lambda commit: None)

    def _when_done(self, future: Future[Commit], event_ids: list[str], then: Any) -> None:
        def done(finished: Future[Commit]) -> None:
            self.page.hop(lambda: self._answer(finished, event_ids, then))

        future.add_done_callback(done)

    def _answer(self, finished: Future[Commit], event_ids: list[str], then: Any) -> None:
        error = finished.exception()
        if error is None:
            say = _spoken(finished.result())
            self.labeller.send(self._progress() | {"type": "saved", "event_ids": event_ids, "say": say})
            then(finished.result())
            return
        final = isinstance(error, InputError)
        text = str(error) if final else f"The answer could not be stored: {error}."
        self.labeller.send({"type": "refused", "event_ids": event_ids, "message": text, "retry": not final})

    def _stepped(self, kind: str, commit: Commit) -> None:
        if not commit.rows:
            self.page.tell(f"There is nothing to {kind}.")
        elif kind == "undo":
            self._show(commit.rows[0])
        else:
            self.labeller.send(self._progress() | {"type": "gone", "rows": list(commit.rows)})


def class_list(session: LabellingSession) -> list[dict[str, Any]]:
    """The classes as the browser needs them, in the order of the taxonomy."""
    return [
        {"name": c.name, "key": c.key, "colour": c.colour, "wanted": c.wanted, "definition": c.definition,
         "shape": mark(index).character}
        for index, c in enumerate(session.workspace.taxonomy)
    ]  # fmt: skip


def _spoken(commit: Commit) -> str:
    """What a screen reader says of a commit."""
    words = [f"saved: {event.label or event.action.value}, item {event.item_id}" for event in commit.events]
    return "; ".join(words) or "nothing to do"
