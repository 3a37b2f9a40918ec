"""Distributions: histograms and bars of the columns, which filter each other and make the selection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import panel as pn

from ..column_counts import Chart, balance, chart, choices, range_rule
from ..columns import Columns
from ..components.distributions import Charts
from ..page import Page
from ..session import LabellingSession
from .marks import mark

MOST_CHARTS = 6
USUAL_BARS = 2  # of the charts at first


class DistributionsView(pn.viewable.Viewer):
    """Charts of up to six columns and the class balance; what is chosen in them are rules joined by and."""

    title = "Distributions"

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self.session: LabellingSession = page.session
        self.chosen: list[str] = []
        self.rules: dict[str, str] = {}  # what is chosen in a chart, as a rule
        self.ranges: dict[str, tuple[float | None, float | None]] = {}
        self.places: dict[str, list[int]] = {}
        self._charts: dict[str, Chart] = {}
        self._choices: list[str] = []
        self._is_wanted = False  # nothing is counted before the tab is opened
        self.charts = Charts(
            self._on_message, dark=page.dark, sizing_mode="stretch_both", min_height=120, margin=0
        )
        page.react(lambda: setattr(self.charts, "dark", page.dark), "dark")
        page.react(self._selected, "selection")
        page.watch(self.session, self._show, "committed", "taxonomy_revision")

    def __panel__(self) -> pn.viewable.Viewable:
        return self.charts

    # ---- to the browser --------------------------------------------------------------------------

    def _selected(self) -> None:
        """Take the filters over from a saved view, and forget them when something else was selected."""
        finder = self.page.finder
        if not finder.is_asking and finder.rules != tuple(self.rules.values()):
            self.rules = {rule: rule for rule in finder.rules}
            self.ranges, self.places = {}, {}
        self._show()

    def _show(self) -> None:
        if self._is_wanted:
            rows = self.page.selection
            self.page.in_background(lambda: self._counted(rows), self.charts.send)

    def _counted(self, rows: np.ndarray) -> dict[str, Any]:
        """All that the browser shows; reads whole columns the first time."""
        columns = Columns.of(self.session)
        if not self._choices:
            self._choices = choices(self.session.workspace, columns)
            self.chosen = self._usual(columns)
        for name in self.chosen:
            if name not in self._charts:
                self._charts[name] = chart(columns, name)
        names = {c.name for c in self.session.workspace.taxonomy if c.wanted}
        wanted = columns.answers.rows[[label in names for label in columns.answers.labels]]
        return {
            "charts": [self._chart(self._charts[name], rows, wanted) for name in self.chosen],
            "balance": self._balance(columns),
            "chips": list(self.rules.values()),
            "choices": self._choices,
            "chosen": self.chosen,
            "most": MOST_CHARTS,
            "n_selected": len(rows),
        }

    def _usual(self, columns: Columns) -> list[str]:
        """The first columns of numbers, and the first of other kinds."""
        numbers = [name for name in self._choices if columns.kind(f".{name}") == "number"]
        others = [name for name in self._choices if name not in numbers][:USUAL_BARS]
        chosen = {*numbers[: MOST_CHARTS - len(others)], *others}
        return [name for name in self._choices if name in chosen]

    def _chart(self, one: Chart, rows: np.ndarray, wanted: np.ndarray) -> dict[str, Any]:
        colour = next((c.colour for c in self.session.workspace.taxonomy if c.wanted), "")
        return {
            "name": one.name,
            "edges": None if one.edges is None else one.edges.tolist(),
            "labels": list(one.labels),
            "pool": one.pool.tolist(),
            "selected": one.counts(rows),
            "wanted": one.counts(wanted),
            "colour": colour,
            "note": one.note,
            "range": self.ranges.get(one.name),
            "places": self.places.get(one.name, []),
        }

    def _balance(self, columns: Columns) -> list[dict[str, Any]]:
        chosen = self.rules.get("")
        return [
            part
            | {"chosen": part["rule"] == chosen, "sign": mark(part["place"]).character if part["colour"] else ""}
            for part in balance(columns, self.session.workspace)
        ]

    # ---- from the browser ------------------------------------------------------------------------

    def _on_message(self, message: Mapping[str, Any]) -> None:
        answers = {
            "hello": self._begin,
            "range": lambda: self._choose_range(str(message["name"]), message.get("low"), message.get("high")),
            "bar": lambda: self._choose_bar(str(message["name"]), int(message["place"])),
            "class": lambda: self._choose_class(str(message["rule"])),
            "remove": lambda: self._remove([k for k, rule in self.rules.items() if rule == message["rule"]]),
            "clear": lambda: self._remove(list(self.rules)),
            "choose": lambda: self._choose_columns([str(name) for name in message["names"]]),
        }
        answer = answers.get(str(message.get("type")))
        if answer is not None:
            self.page.hop(answer)

    def _begin(self) -> None:
        self._is_wanted = True
        self._selected()

    def _choose_columns(self, names: list[str]) -> None:
        self.chosen = [name for name in self._choices if name in names][:MOST_CHARTS]
        self._show()

    def _choose_range(self, name: str, low: float | None, high: float | None) -> None:
        if name not in self._charts:
            return
        if low is None and high is None:
            self._remove([name])
            return
        if low is not None and high is not None and low > high:
            low, high = high, low
        self.ranges[name] = (low, high)
        self._filter(name, range_rule(Columns.of(self.session), name, low, high))

    def _choose_bar(self, name: str, place: int) -> None:
        """Choose a bar, or leave it out again; several bars are joined by or."""
        one = self._charts.get(name)
        if one is None or not 0 <= place < len(one.rules):
            return
        places = sorted(set(self.places.get(name, [])) ^ {place})
        if not places:
            self._remove([name])
            return
        self.places[name] = places
        self._filter(name, " or ".join(one.rules[i] for i in places))

    def _choose_class(self, rule: str) -> None:
        if self.rules.get("") == rule:
            self._remove([""])
        else:
            self._filter("", rule)

    def _filter(self, key: str, rule: str) -> None:
        self.rules[key] = rule
        self.page.finder.filter(list(self.rules.values()))

    def _remove(self, keys: list[str]) -> None:
        for key in keys:
            for chosen in (self.rules, self.ranges, self.places):
                chosen.pop(key, None)
        self.page.finder.filter(list(self.rules.values()))
