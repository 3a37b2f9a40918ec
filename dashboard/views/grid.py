"""Many items at once: cards side by side, marked, flipped and stored in one step."""

from __future__ import annotations

from typing import Any

import panel as pn

from ...data.events import Action
from ..components.grid import Grid
from ..grid import as_queued, selected_rows
from ..keys import command_list
from ..page import Page
from ..queue import Queued
from ..reasons import WITHOUT_HINT
from ..session import Commit, LabellingSession
from .item import class_list

MOST_ITEMS = 60
MOST_FIELDS = 3
MOST_EXCLUDED = 100_000


class GridView(pn.viewable.Viewer):
    """A page of the queue or of the selection; the answers go to the labelling surface, which stores them."""

    title = "Grid"

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self.session: LabellingSession = page.session
        self.grid = Grid(
            self._on_message,
            classes=class_list(self.session, self.page.dark),
            commands=command_list(self.session.workspace),
            dark=page.dark,
            sizing_mode="stretch_both",
            min_height=120,
        )
        self._is_wanted = page.command is not None and page.command[0] == "grid"  # made because of its key
        self._sent: set[int] = set()  # rows that the browser may show
        page.react(self._on_theme, "dark")
        page.react(self._selection_changed, "selection")
        page.react(self._on_command, "command")
        page.watch(self.session, self._on_taxonomy, "taxonomy_revision", "keys_revision")
        page.watch(self.session, self._on_commit, "committed")
        page.watch(self.session, lambda: self.grid.send({"type": "stale"}), "queue")

    def __panel__(self) -> pn.viewable.Viewable:
        return self.grid

    def _on_theme(self) -> None:
        self.grid.param.update(dark=self.page.dark, classes=class_list(self.session, self.page.dark))

    def _on_taxonomy(self) -> None:
        self.grid.param.update(
            classes=class_list(self.session, self.page.dark), commands=command_list(self.session.workspace)
        )

    def _selection_changed(self) -> None:
        self.grid.send({"type": "selection", "n": len(self.page.selection)})

    def _on_command(self) -> None:
        if self.page.command[0] == "grid":
            self._is_wanted = True  # the browser makes the grid when its tab opens, and asks then
            self.page.show_view("grid")
            self.grid.send({"type": "enter"})

    def _on_commit(self) -> None:
        """Drop what was answered elsewhere; bring back what was undone in one step."""
        commit: Commit = self.session.committed
        is_undo = all(event.action == Action.UNDO for event in commit.events)
        bulk = commit.events[0].bulk if is_undo else None
        if bulk:
            self.grid.send({"type": "undone", "bulk": bulk})
        elif any(event.action not in (Action.UNDO, Action.NOTE) for event in commit.events):
            rows = sorted(self._sent.intersection(commit.rows))
            if rows:
                self.grid.send({"type": "gone", "rows": rows})

    # ---- from the browser ------------------------------------------------------------------------

    def _on_message(self, message: dict[str, Any]) -> None:
        kind, row = message.get("type"), message.get("row")
        if kind == "load":
            self._load(message)
        elif kind == "entered":
            self._is_wanted = False
        elif kind == "open" and isinstance(row, int):
            self.page.open(row)

    def _load(self, message: dict[str, Any]) -> None:
        n = max(1, min(MOST_ITEMS, int(message.get("n") or MOST_ITEMS)))
        exclude = {row for row in (message.get("exclude") or [])[:MOST_EXCLUDED] if isinstance(row, int)}
        facts = {"type": "page", "number": message.get("number"), "n_selected": len(self.page.selection)}
        if message.get("source") == "selection":
            rows = self.page.selection
            work = lambda: self._selected(selected_rows(self.session, rows, exclude, n))  # noqa: E731
        else:
            work = lambda: [self._tile(q.row, q) for q in self._queued(exclude, n)]  # noqa: E731

        def send(tiles: list[dict[str, Any]]) -> None:
            self._sent.update(tile["row"] for tile in tiles)
            self.grid.send(facts | {"items": tiles, "enter": self._is_wanted})

        self.page.in_background(work, send)

    def _queued(self, exclude: set[int], n: int) -> list[Queued]:
        return self.session.visitors.lay_out(self.page.visitor, self.session.queue, exclude, n)

    def _selected(self, rows: list[int]) -> list[dict[str, Any]]:
        asked = as_queued(self.session, rows)
        return [self._tile(row, queued) for row, queued in zip(rows, asked, strict=True)]

    def _tile(self, row: int, queued: Queued | None) -> dict[str, Any]:
        """What one place of the grid shows; questions of an audit or campaign come without a suggestion."""
        card = self.page.cards.card(row)
        is_blind = queued is not None and queued.strategy in WITHOUT_HINT
        hinted = None if queued is None or is_blind else queued
        return {
            "row": row,
            "id": card["id"],
            "image": card["image"],
            "text": card["texts"][0]["value"][:200] if card["texts"] else "",
            "fields": [[field["name"], field["value"]] for field in card["fields"][:MOST_FIELDS]],
            "round": None if queued is None else queued.round,
            "blind": is_blind,
            "suggested": None if hinted is None else hinted.suggested,
            "probability": None if hinted is None else hinted.suggested_probability,
        }
