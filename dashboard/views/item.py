"""The item card with its class buttons: shows the queue and passes answers on to the session."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import panel as pn

from ...data.errors import InputError
from ...data.events import LATER, STATUS
from ..card_editing import CardEditor, change_card
from ..components.labeller import Labeller
from ..history import answer_beside
from ..keys import command_list, reset_keys, set_class_key, set_command_key
from ..neighbours import may_be_told, neighbourhood
from ..page import Page
from ..queue import Queued
from ..reasons import CAMPAIGN, OPENED, WITHOUT_HINT, in_words, plain_name
from ..session import Commit, LabellingSession
from ..sway import withheld_of
from .marks import mark, on_ground

MOST_SPOKEN = 3
MOST_AHEAD = 200  # of a worklist, at once
# One thread each, so that cards come in their order, and none waits for a raster of the map.
BUILDER = ThreadPoolExecutor(1, thread_name_prefix="cards")
FINDER = ThreadPoolExecutor(1, thread_name_prefix="neighbours")


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
        self._is_described = False
        self.labeller = Labeller(
            self._on_message,
            storage=_storage_of(page),
            classes=class_list(self.session, page.dark),
            commands=command_list(self.session.workspace),
            dark=page.dark,
            sizing_mode="stretch_both",
            min_height=320,
        )
        page.react(self._on_theme, "dark")
        page.react(self._show_wanted, "wanted_row")
        page.react(self._send_worklist, "worklist")
        page.watch(self.session, self._send_queue, "queue")
        page.watch(self.session.visitors, self._send_queue, "revision")
        page.watch(self.session, self._on_commit, "committed")
        page.watch(self.session, lambda: self.labeller.send(self._progress() | {"type": "progress"}), "duplicates")
        page.watch(self.session, self._on_taxonomy, "taxonomy_revision", "keys_revision")
        page.watch(page.cards, self._describe, "revision")
        page.react(self._find_near, "current")
        page.hop(self._get_ready)  # once the page is sent

    def __panel__(self) -> pn.viewable.Viewable:
        return self.labeller

    # ---- to the browser --------------------------------------------------------------------------

    def _get_ready(self) -> None:
        """Build the first cards while the browser loads the page; what fails is told when it asks for them."""
        BUILDER.submit(self.page.cards.get_ready, [queued.row for queued in self.session.queue])

    def _describe(self) -> None:
        """Send what all cards have in common, and those of the queue: at first, and when it changes."""
        current = self.page.current

        def described(card: dict[str, Any] | None) -> None:
            items = [] if current is None else [self.page.cards.text(current)]
            self.labeller.send({"type": "card", "card": card, "items": items})
            self._is_described = True
            self._send_queue()

        def work() -> dict[str, Any] | None:
            if current is not None:
                self.page.cards.text(current)
            try:
                cards = self.page.cards
                editor = CardEditor(self.session.workspace, hidden=cards.hidden)
                return cards.description() | {"more": editor.state()}
            except Exception as error:  # without plots, the questions can still be answered
                failed = error
                self.page.hop(lambda: self.page.complain(failed))
                return None

        self.page.deliver(BUILDER.submit(work), described)

    def _send_queue(self) -> None:
        """Send the questions whose cards are at hand; the others are built in a thread and sent afterwards."""
        if not self._is_described:
            return
        cards = self.page.cards
        queue = self.session.visitors.deal(self.page.visitor, self.session.queue)
        ready = [queued for queued in queue if cards.has(queued.row)]
        missing = [queued.row for queued in queue if not cards.has(queued.row)]
        if ready or not queue:
            self.labeller.exhausted = self._is_exhausted
            self.labeller.send(
                self._progress()
                | {
                    "type": "queue",
                    "queue": self._entries(ready),
                    "campaign": any(queued.strategy == CAMPAIGN for queued in self.session.queue),
                    "items": [cards.text(queued.row) for queued in ready],
                }
            )
        if missing:
            self.page.deliver(BUILDER.submit(cards.build, missing), lambda _: self._send_queue())

    def _show_wanted(self) -> None:
        row, _, as_asked = self.page.wanted_row
        self._show(row, self.session.asked(row) if as_asked else None)

    def _show(self, row: int, asked: Queued | None = None) -> None:
        """Put an item on the card: as the queue asks for it, as it was asked before, or as opened by the user."""
        if not self.page.cards.has(row):
            self.page.deliver(BUILDER.submit(self.page.cards.text, row), lambda _: self._show(row, asked))
            return
        queued = next((q for q in self.session.queue if q.row == row), asked)
        entry = {"row": row, "reason": in_words(OPENED)} if queued is None else self._entries([queued])[0]
        self.labeller.send(
            {
                "type": "show",
                "entry": entry | {"state": self.session.item_state(row)},
                "items": [self.page.cards.text(row)],
            }
        )

    def _send_worklist(self) -> None:
        """Put items before the queue, each with its answer so far."""
        rows, words, _ = self.page.worklist
        first = rows[:MOST_AHEAD]
        entries = [
            {"row": row, "reason": in_words(OPENED), "state": self.session.item_state(row),
             "badge": f"{words}: {place:,} of {len(rows):,}"}
            for place, row in enumerate(first, 1)
        ]  # fmt: skip

        def built(cards: list[str]) -> None:
            self.labeller.send({"type": "ahead", "entries": entries, "items": cards})

        self.page.deliver(BUILDER.submit(lambda: [self.page.cards.text(row) for row in first]), built)

    def _find_near(self) -> None:
        """Look for the nearest items of the one on the card, unless it is asked without a hint."""
        row = self.page.current
        if row is None or not may_be_told(self.session, row):
            return
        finder = neighbourhood(self.session)

        def work() -> dict[str, Any]:
            return finder.of(row) if self.page.current == row else {}

        def found(near: dict[str, Any]) -> None:
            if near and self.page.current == row and may_be_told(self.session, row):
                self.labeller.send({"type": "near", "row": row} | near)

        self.page.deliver(FINDER.submit(work), found)

    def _entries(self, queue: Sequence[Queued]) -> list[dict[str, Any]]:
        near = [neighbours_of(queued) for queued in queue]
        classes = self.session.state.classes
        rows = iter(self.session.workspace.ids.find([item_id for each in near for _, item_id, _ in each]))
        withheld = withheld_of(self.session, queue)
        return [
            {
                "row": queued.row,
                "round": queued.round,
                "n_labels": queued.n_labels,
                "reason": in_words(queued.strategy),
                # The browser gets nothing that might sway the answer to a question of an audit.
                "why": None
                if queued.strategy in WITHOUT_HINT
                else facts(queued)
                | {
                    "neighbours": [
                        {"class": classes.now(name), "id": item_id, "row": int(next(rows)), "distance": distance}
                        for name, item_id, distance in each
                    ]
                },
                "suggested": None if is_withheld else queued.suggested,
                "suggested_probability": None if is_withheld else queued.suggested_probability,
                "withheld": is_withheld,
            }
            for queued, each, is_withheld in zip(queue, near, withheld, strict=True)
        ]

    def _progress(self) -> dict[str, Any]:
        return {
            "counts": self.session.found(),
            "n_labels": self.session.state.n_labelled,
            "n_duplicates": len(self.session.duplicates),
        }

    def _on_taxonomy(self) -> None:
        self.labeller.param.update(
            classes=class_list(self.session, self.page.dark), commands=command_list(self.session.workspace)
        )

    def _on_theme(self) -> None:
        self.labeller.param.update(dark=self.page.dark, classes=class_list(self.session, self.page.dark))

    def _on_commit(self) -> None:
        commit: Commit = self.session.committed
        self.labeller.exhausted = self._is_exhausted
        foreign = [e for e in commit.events if e.event_id not in self._mine]
        if foreign and all(e.target is None for e in foreign):  # decided in another page
            # What somebody else says of the item on the card does not take it away.
            is_mine = any(e.annotator == self.page.annotator for e in foreign)
            rows = [row for row in commit.rows if is_mine or row != self.page.current]
            self.labeller.send(self._progress() | {"type": "gone", "rows": rows})
        elif foreign:
            self.labeller.send(self._progress() | {"type": "progress"})

    @property
    def _is_exhausted(self) -> bool:
        return not self.session.queue and not self.session.round_running

    # ---- from the browser ------------------------------------------------------------------------

    def _on_message(self, message: dict[str, Any]) -> None:
        kind = message.get("type")
        if kind == "current":
            self._set_current(message.get("row"))
        elif kind == "hello":
            self.page.hop(self._describe)
            self._decide(message.get("decisions") or [])
        elif kind == "decide":
            self._decide(message.get("decisions") or [])
            if "current" in message:
                self._set_current(message["current"])
        elif kind == "open" and isinstance(message.get("row"), int):
            self.page.open(message["row"])
        elif kind == "walk":
            self._walk(message.get("row"), back=bool(message.get("back")))
        elif kind == "key":
            row = message.get("row")
            self.page.run(str(message.get("command")), row if isinstance(row, int) else None)
        elif kind in ("set_key", "reset_keys"):
            self.page.hop(lambda: self._set_key(message))
        elif kind in ("card", "card_try"):
            self._change_card(message)
        elif kind == "propagate":
            self.page.deliver(self.session.propagate_duplicates(annotator=self.page.annotator), self._propagated)
        elif kind in ("undo", "redo"):
            event_id = str(message.get("event_id"))
            self._mine.add(event_id)
            step = self.session.undo if kind == "undo" else self.session.redo
            self._when_done(
                step(event_id, annotator=self.page.annotator), [], lambda commit: self._stepped(kind, commit)
            )

    def _change_card(self, message: dict[str, Any]) -> None:
        """Change what the card shows, or try its links, and tell the browser what comes of it."""
        cards, changes, row = self.page.cards, message.get("changes"), message.get("row")
        at = row if isinstance(row, int) and 0 <= row < self.session.workspace.table.n_rows else 0

        def work() -> dict[str, Any]:
            if message["type"] == "card_try":
                editor = CardEditor(self.session.workspace, hidden=cards.hidden)
                previews = editor.previews(message.get("links"), at)
                return {"type": "card_tried", "number": message.get("number"), "previews": previews}
            try:
                change_card(cards, changes if isinstance(changes, dict) else {}, at)
            except InputError as error:
                return {"type": "card_set", "problem": str(error)}
            return {"type": "card_set", "problem": ""}

        self.page.in_background(work, self.labeller.send)

    def _set_current(self, row: Any) -> None:
        self.page.current = row if isinstance(row, int) else None

    def _walk(self, row: Any, *, back: bool) -> None:
        """Show the answer before that of the card's item, or the one after; behind the newest is the queue."""
        at = row if isinstance(row, int) else None

        def show(found: int | None) -> None:
            if found is not None:
                self._show(found)
            elif back:
                self.page.tell("There is no earlier answer of yours.")
            else:
                self.labeller.send({"type": "back"})

        self.page.deliver(
            self.session.afterwards(lambda: answer_beside(self.session, at, self.page.annotator, back=back)), show
        )

    def _set_key(self, message: dict[str, Any]) -> None:
        workspace, problem = self.session.workspace, ""
        try:
            if message["type"] == "reset_keys":
                reset_keys(workspace, self.page.annotator)
            elif message.get("kind") == "class":
                name, key = str(message.get("name")), str(message.get("key"))
                set_class_key(workspace, name, key, self.page.annotator)
            else:
                set_command_key(workspace, str(message.get("name")), str(message.get("key")))
        except (InputError, OSError) as error:
            problem = str(error)
        self.session.keys_revision += 1
        self.labeller.send({"type": "key_set", "problem": problem})

    def _decide(self, decisions: list[dict[str, Any]]) -> None:
        """Each answer is stored by itself, or with its step: one that is refused must not hold back others."""
        steps: dict[str, list[dict[str, Any]]] = {}
        for decision in decisions:
            event_id = str(decision.get("event_id"))
            self._mine.add(event_id)
            steps.setdefault(str(decision.get("bulk") or event_id), []).append(decision)
        for step in steps.values():
            event_ids = [str(decision.get("event_id")) for decision in step]
            decided = self.session.decide(step, annotator=self.page.annotator)
            self._when_done(decided, event_ids, lambda commit: None)

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
            if self.session.campaign and any(STATUS.get(e.action) in LATER for e in finished.result().events):
                self._send_queue()  # the only question that is left may be the one that was put off
            return
        final = isinstance(error, InputError)
        text = str(error) if final else f"The answer could not be stored: {error}."
        self.labeller.send({"type": "refused", "event_ids": event_ids, "message": text, "retry": not final})

    def _stepped(self, kind: str, commit: Commit) -> None:
        rows = commit.rows
        if not rows:
            self.page.tell(f"There is nothing to {kind}.")
        elif len(rows) > 1:
            back = "taken back" if kind == "undo" else "brought back"
            self.page.tell(f"{len(rows):,} labels that were given in one step are {back}.")
        elif kind == "undo":
            undone = self.session.state.event(str(commit.events[0].target))
            self._show(rows[0], None if undone.round is None else self.session.asked(rows[0]))
        if rows and kind == "redo":
            self.labeller.send(self._progress() | {"type": "gone", "rows": list(rows)})

    def _propagated(self, commit: Commit) -> None:
        n = len(commit.rows)
        self.page.tell(
            f"{n:,} item{'s were' if n != 1 else ' was'} labelled like {'their twins' if n != 1 else 'its twin'}; "
            "undo takes it back in one step."
            if n
            else "There is nothing to label: the labelled twins disagree."
        )


def _storage_of(page: Page) -> str:
    """Names what the browser keeps: answers not stored yet are those of one annotator in one workspace."""
    folder = page.session.workspace.folder.resolve()
    return hashlib.sha256(f"{folder}\n{page.annotator}".encode()).hexdigest()[:16]


def neighbours_of(queued: Queued) -> list[Any]:
    """The nearest labelled items of a query: class name, item id and distance of each."""
    return list((queued.reason or {}).get("neighbours", ()))


def facts(queued: Queued) -> dict[str, Any]:
    """How a query came to be asked, as the browser shows it."""
    return {
        "arm": plain_name(queued.strategy),
        "share": queued.arm_probability,
        "rank": queued.rank,
        "score": queued.score,
        "selection": queued.selection,
        "probability": queued.probability,
        "unusual": list((queued.reason or {}).get("unusual", ())),
    }


def class_list(session: LabellingSession, dark: bool) -> list[dict[str, Any]]:
    """The classes as the browser needs them, in the order of the taxonomy, in the colours of the theme."""
    return [
        {"name": c.name, "key": c.key, "colour": on_ground(c.colour, dark), "wanted": c.wanted,
         "definition": c.definition, "shape": mark(index).character}
        for index, c in session.workspace.taxonomy.offered
    ]  # fmt: skip


def _spoken(commit: Commit) -> str:
    """What a screen reader says of a commit."""
    if len(commit.events) > MOST_SPOKEN:
        return f"saved: {len(commit.events):,} items"
    words = [f"saved: {event.label or event.action.value}, item {event.item_id}" for event in commit.events]
    return "; ".join(words) or "nothing to do"
