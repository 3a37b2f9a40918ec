"""The table: the selected items, or all, sorted and paged by the server; what is found is exported from here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import numpy as np
import panel as pn
from numpy.typing import NDArray

from ...data.errors import InputError
from ...data.export.formats import BLOCK_ROWS, export_blocks
from ...strategies.classifiers import classifier_spec
from ...strategies.nearest_items import FEWEST, MOST
from ..columns import PROBABILITY, SCORES, UNCERTAINTY, Answers
from ..components.listing import Listing
from ..listing import (
    DISTANCE,
    NUMBERS,
    OF_TABLE,
    SCORE,
    Items,
    Sort,
    column_keys,
    exported,
    ordered,
    texts,
    title,
)
from ..page import Page
from ..pool_scores import MODEL, UNLIKE
from ..session import LabellingSession
from ..view_links import ViewLinks, set_address
from .export import FOLDER, ROUTE

PAGE_SIZE = 50
MOST_SCORED_ANYWAY = 50_000  # items that are scored after each round, before anybody asks
DESCENDING_FIRST = (PROBABILITY, UNCERTAINTY, UNLIKE, SCORE)


class TableView(pn.viewable.Viewer):
    """Lists the rows of ``page.selection``, or all items, with their answers; a click opens one on the card."""

    title = "Table"

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self.session: LabellingSession = page.session
        self.links = ViewLinks(page)
        self.saved = self.links.saved
        self.items = Items(np.empty(0, np.int64))
        self.order = self.items.rows
        self._wanted = self.items  # what is being sorted, and shown soon
        self.number = 0  # of the page that is shown
        self._version = 0  # counts the lists, so that late answers are known
        self.listing = Listing(
            self._on_message, dark=page.dark, sizing_mode="stretch_both", min_height=120, margin=0
        )
        page.react(lambda: setattr(self.listing, "dark", page.dark), "dark")
        page.react(self._load, "selection")
        page.react(lambda: self.listing.send({"current": page.current}), "current")
        page.watch(self.session, self._show_page, "committed", "queue")
        page.watch(self.session, self._scores_changed, "taxonomy_revision")
        page.watch(self.session.scores, self._scores_changed, MODEL, UNLIKE)
        page.watch(self.session, self._round_ended, "report")
        page.when_shown(self._load)
        page.when_shown(self._round_ended)  # one may have, before this tab was opened

    def __panel__(self) -> pn.viewable.Viewable:
        return self.listing

    @property
    def sort(self) -> Sort:
        """By what the list is sorted."""
        return Sort(*self.page.list_sort)

    # ---- what is listed --------------------------------------------------------------------------

    def _load(self) -> None:
        """List the selection anew, from its first page; all items while nothing was looked for."""
        found, rows = self.page.finder.shown, self.page.selection
        if found is None and not len(rows):
            rows = np.arange(self.session.workspace.table.n_rows)
        items = Items(rows, found)
        self._arrange(items, Sort() if items.has_distances else self.sort)

    def _round_ended(self) -> None:
        """Know what the model says of the items, where that is quick."""
        session = self.session
        if not session.report.get("has_model") or session.workspace.table.n_rows > MOST_SCORED_ANYWAY:
            return
        if classifier_spec(session.settings.classifier).fast:
            session.scores.renew(MODEL)

    def _scores_changed(self) -> None:
        """Show new scores; a list that is sorted by them keeps those that it is sorted by."""
        if self.sort.key not in SCORES or not self._wanted.scores.has(SCORES[self.sort.key]):
            scores = self.session.scores.values
            self.items, self._wanted = replace(self.items, scores=scores), replace(self._wanted, scores=scores)
            self._show_page()

    def _arrange(self, items: Items, sort: Sort, *, anew: bool = False) -> None:
        """List items in an order, after the scores that it needs are made; `anew` is for the newest ones only."""
        self._version += 1
        version = self._version
        self._wanted = items
        scores, kind = self.session.scores.values, SCORES.get(sort.key)
        if kind is None or (self.session.scores.is_fresh(kind) if anew else scores.has(kind)):
            self._sort_now(replace(items, scores=scores), sort)
            return

        def scored(error: BaseException | None) -> None:
            if version != self._version:
                return
            if error is not None:
                self.page.complain(error)
            usual = Sort() if self.sort.key in SCORES else self.sort
            self._sort_now(replace(items, scores=self.session.scores.values), sort if error is None else usual)

        self.page.tell("The pool is being scored; the list is sorted when that is done.")
        wait = self.session.scores.wanted([kind])
        wait.add_done_callback(lambda done: self.page.hop(lambda: scored(done.exception())))

    def _sort_now(self, items: Items, sort: Sort) -> None:
        version = self._version
        self._wanted, self.page.list_sort = items, (sort.key, sort.ascending)

        def take(order: NDArray[np.int64]) -> None:
            if version == self._version:
                self.items, self.order, self.number = self._wanted, order, 0
                self._show_page()

        self.page.in_background(lambda: ordered(self.session, items, sort), take)

    def _show_page(self) -> None:
        """Send the page that is shown, with the answers as they are now; its order stays."""
        items, order, version = self.items, self.order, self._version
        rows = order[self.number * PAGE_SIZE : (self.number + 1) * PAGE_SIZE]

        def work() -> dict[str, Any]:
            answered = np.isin(Answers.of(self.session.workspace).rows, items.rows, assume_unique=True).sum()
            lines = texts(self.session, rows, items)
            return {
                "rows": [{"row": int(r), "cells": line} for r, line in zip(rows, lines, strict=True)],
                "note": self._note(items, int(answered)),
            }

        self.page.in_background(work, lambda sent: self._send(sent, items, version))

    def _send(self, sent: dict[str, Any], items: Items, version: int) -> None:
        if version != self._version:
            return
        key = self.sort.key or (DISTANCE if items.has_distances else "")
        found = self.page.finder.shown
        self.listing.send(
            sent
            | {
                "version": version,
                "columns": [self._column(key) for key in column_keys(self.session, items.has_distances)],
                "total": len(items.rows),
                "page": self.number,
                "n_pages": max(-(-len(items.rows) // PAGE_SIZE), 1),
                "sort": {"key": key, "ascending": self.sort.ascending},
                "current": self.page.current,
                "views": self.saved.names,
                "can_save": bool(found is not None and found.source) or not len(self.page.selection),
                "k": self.page.finder.k,
                "within": self.page.finder.within,
                "n_selected": len(self.page.selection),
                "can_clear": found is not None or len(self.page.selection) > 0,
            }
        )

    def _column(self, key: str) -> dict[str, Any]:
        is_number = key in NUMBERS or (
            key.startswith(OF_TABLE) and self.session.workspace.table.is_number(key[1:])
        )
        return {"key": key, "title": title(key), "number": is_number}

    def _note(self, items: Items, answered: int) -> dict[str, str]:
        """What is listed, in words."""
        n, what = len(items.rows), ""
        if items.found is not None:
            what = f" · {items.found.name}"
        elif n < self.session.workspace.table.n_rows:
            what = f" · from {self.page.selection_name or 'the map'}"
        if not n:
            return {"items": "Nothing was found", "more": f" by {items.found.name}." if items.found else "."}
        return {
            "items": f"{n:,} {'item' if n == 1 else 'items'}",
            "more": f" · {answered:,} answered, {n - answered:,} not{what}",
        }

    # ---- what the browser asks -------------------------------------------------------------------

    def _on_message(self, message: Mapping[str, Any]) -> None:
        answers = {
            "hello": lambda: self.page.hop(self._show_page),
            "page": lambda: self.page.hop(lambda: self._turn(int(message["page"]))),
            "sort": lambda: self.page.hop(lambda: self._sort(str(message["key"]))),
            "clear": lambda: self.page.hop(self.page.finder.clear),
            "open": lambda: self._open(int(message["row"])),
            "similar": lambda: self._similar(str(message["of"]), int(message["k"]), message.get("within")),
            "export": lambda: self._export(str(message["format"])),
            "view": lambda: self.page.hop(lambda: self._change_views(message)),
        }
        answer = answers.get(str(message.get("type")))
        if answer is not None:
            answer()

    def _turn(self, number: int) -> None:
        self.number = min(max(number, 0), max((len(self.order) - 1) // PAGE_SIZE, 0))
        self._show_page()

    def _sort(self, key: str) -> None:
        if key not in column_keys(self.session, self._wanted.has_distances):
            return
        first = key not in DESCENDING_FIRST
        sort = Sort(key, not self.sort.ascending if self.sort.key == key else first)
        self._arrange(self._wanted, sort, anew=True)

    def _open(self, row: int) -> None:
        if 0 <= row < self.session.workspace.table.n_rows:
            self.page.open(row)

    def _similar(self, of: str, k: int, within: float | None) -> None:
        finder = self.page.finder
        finder.k = min(max(k, FEWEST), MOST)
        finder.within = None if within is None else max(float(within), 0.0)
        if of == "item":
            finder.similar_to_item(self.page.current)
        elif of == "cluster":
            finder.cluster_of_item(self.page.current)
        else:
            finder.similar_to_selection()

    def _export(self, kind: str) -> None:
        """Write the rows that are listed, in their order and with their columns, for download."""
        if kind not in ("csv", "parquet"):
            return
        items, order, workspace = self.items, self.order, self.session.workspace
        target = workspace.folder / FOLDER / f"{workspace.name}-view.{kind}"
        starts = range(0, max(len(order), 1), BLOCK_ROWS)

        def work() -> None:
            target.parent.mkdir(exist_ok=True)
            blocks = (exported(self.session, order[start : start + BLOCK_ROWS], items) for start in starts)
            export_blocks(blocks, target, kind)

        self.page.in_background(work, lambda _: self._exported(target.name, len(order)))

    def _exported(self, name: str, n_rows: int) -> None:
        self.listing.send(
            {
                "type": "exported",
                "name": name,
                "address": f"{ROUTE}/{quote(name)}",
                "text": f"{n_rows:,} rows are in {FOLDER}/{name}.",
            }
        )

    # ---- saved views -----------------------------------------------------------------------------

    def _change_views(self, message: Mapping[str, Any]) -> None:
        name, wanted = str(message.get("name", "")), str(message.get("do"))
        try:
            if wanted == "save":
                self._save_view(name)
            elif wanted == "rename":
                self.saved.rename(name, str(message.get("to", "")))
            elif wanted == "delete":
                self.saved.delete(name)
            elif wanted == "open":
                self.links.open(name)
        except InputError as error:
            self.page.complain(error)
        self.listing.send({"views": self.saved.names})

    def _save_view(self, name: str) -> None:
        found = self.page.finder.shown
        source = {} if found is None else found.source
        if not source and len(self.page.selection):
            raise InputError("rows selected by hand cannot be saved as a view: search or filter first")
        layout = "" if self.page.places is None else self.page.places.text()
        self.saved.save(name, source, {"key": self.sort.key, "ascending": self.sort.ascending}, layout)
        set_address(name)
        self.page.tell(f"The view '{name}' is saved; its link is in the address bar.")
