"""What the item card shows of one row: its id, texts, picture, curves, links and values with their place."""

from __future__ import annotations

import datetime as dt
import json
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import param

from ..data.errors import InputError
from ..data.workspace import Workspace
from . import card_settings
from .cards import CardRunner
from .curves import curve, pairs
from .distributions import Categories, Distributions
from .images import image_address
from .links import as_link, filled

KEPT = 2_000
AT_A_TIME = 0.1  # seconds in which cards are built before those that are ready are shown
LONGEST_VALUE = 200
LONGEST_TEXT = 20_000


class ItemCards(param.Parameterized):
    """Card contents by row, kept for the rows used last; shared by all pages and their threads.

    Parameters
    ----------
    workspace
        The workspace whose table, roles and settings decide what is shown.
    runner
        The user's own card, if there is one.
    """

    revision = param.Integer(default=0, doc="Counts changes of what the card shows.")

    def __init__(self, workspace: Workspace, runner: CardRunner | None = None) -> None:
        super().__init__()
        self.workspace = workspace
        self.runner = runner
        self._kept: OrderedDict[int, dict[str, Any]] = OrderedDict()
        self._texts: dict[int, tuple[dict[str, Any], str]] = {}
        self._lock = threading.RLock()
        self._settings: card_settings.CardSettings | None = None
        self._offered: list[str] | None = None
        self._hidden: tuple[Any, set[str]] | None = None
        self._distributions: Distributions | None = None

    # ---- what is shown ---------------------------------------------------------------------------

    @property
    def settings(self) -> card_settings.CardSettings:
        """What the user wants on the card."""
        with self._lock:
            if self._settings is None:
                self._settings = card_settings.read(self.workspace)
            return self._settings

    @property
    def distributions(self) -> Distributions:
        """The spread of the columns of the table."""
        with self._lock:
            if self._distributions is None or self._distributions.table is not self.workspace.table:
                self._distributions = Distributions(self.workspace.table)
            return self._distributions

    @property
    def offered(self) -> list[str]:
        """The columns that the user can choose from; touches columns that may follow from the labels."""
        with self._lock:
            if self._offered is None:
                names = card_settings.offered(self.workspace)
                self._offered = [name for name in names if name not in self.hidden]
            return self._offered

    @property
    def hidden(self) -> set[str]:
        """The columns that give the label away; touches those that a sample suspects, the first time."""
        roles = self.workspace.roles
        label = roles.label, roles.label_use
        with self._lock:
            if self._hidden is None or self._hidden[0] != label:
                self._hidden = (label, card_settings.hidden_columns(self.workspace.table, roles))
            return self._hidden[1]

    def description(self) -> dict[str, Any]:
        """What all cards have in common, for the browser; touches a sample of each column shown.

        Returns
        -------
        dict
            ``columns`` (shown), ``offered``, ``order``, ``suggestions``, ``problems``, and ``plots``: column →
            ``bins``, ``low``, ``high`` and ``cut``.
        """
        settings = self.settings
        found = {name: self.distributions.of(name) for name in settings.columns if name != self.workspace.roles.id}
        return {
            "columns": list(settings.columns),
            "offered": self.offered,
            "order": settings.order,
            "suggestions": settings.suggestions,
            "problems": list(settings.problems),
            "plots": {name: f.facts() for name, f in found.items() if f and not isinstance(f, Categories)},
        }

    def refresh(self) -> None:
        """Build the cards anew, after the settings or roles of the workspace have changed."""
        with self._lock:
            self._settings = self._offered = None
            self._kept.clear()
            self._texts.clear()
        self.revision += 1

    # ---- cards -----------------------------------------------------------------------------------

    def card(self, row: int) -> dict[str, Any]:
        """The card of one row, as JSON-able values.

        Returns
        -------
        dict
            ``row``, ``id``, ``image`` (an address or None), ``texts`` and ``fields`` (lists of ``name`` and
            ``value``; fields also have what their distribution says of them, and ``link``), ``curves``,
            ``links`` (``name`` and ``link``), ``parts`` of the user's own card, and ``problems``, sentences.
        """
        card = self._kept.get(row)
        if card is None:
            card = self._build(row)
            with self._lock:
                self._kept[row] = card
                if len(self._kept) > KEPT:
                    self._texts.pop(self._kept.popitem(last=False)[0], None)
        return card

    def text(self, row: int) -> str:
        """The card of one row as JSON: one text goes through the page's messages far faster than its parts."""
        card = self.card(row)
        known = self._texts.get(row)
        if known is None or known[0] is not card:
            known = self._texts[row] = (card, json.dumps(card, allow_nan=False))
        return known[1]

    def has(self, row: int) -> bool:
        """Whether the card of a row is at hand."""
        return row in self._kept

    def get_ready(self, rows: Iterable[int]) -> None:
        """Make what the first cards need, while the browser is still loading the page that asks for it."""
        self.description()
        self.build(rows)

    def build(self, rows: Iterable[int]) -> None:
        """Build the first of the cards that are not at hand, as many as take a tenth of a second."""
        until = time.monotonic() + AT_A_TIME
        for row in rows:
            if not self.has(row):
                self.text(row)
                if time.monotonic() > until:
                    return

    def _build(self, row: int) -> dict[str, Any]:
        workspace, roles, settings = self.workspace, self.workspace.roles, self.settings
        used = {name for template in settings.links.values() for name in card_settings.columns_of(template)}
        values = workspace.table.row(row, list(dict.fromkeys([*settings.columns, *roles.text, *used])))
        problems: list[str] = []
        parts = self.runner.parts(row) if self.runner is not None else ([], None)
        card = {
            "row": row,
            "id": workspace.ids.text(row),
            "image": image_address(workspace, row),
            "texts": [{"name": name} | _text(values[name]) for name in roles.text],
            "fields": [self._field(name, values[name]) for name in settings.columns],
            "curves": self._curves(row, problems),
            "links": [
                {"name": name, "link": link}
                for name, template in settings.links.items()
                if (link := filled(template, values)) is not None
            ],
            "parts": parts[0],
        }
        return card | {"problems": problems + ([parts[1]] if parts[1] else [])}

    def _field(self, name: str, value: Any) -> dict[str, Any]:
        spread = None if name == self.workspace.roles.id else self.distributions.of(name)
        shown = {"name": name, "value": format_value(value)}
        if (link := as_link(value)) is not None:
            return shown | {"link": link}
        return shown | (spread.place(value) if spread is not None else {})

    def _curves(self, row: int, problems: list[str]) -> list[dict[str, Any]]:
        table, found = self.workspace.table, []
        for name, against in pairs(table, self.workspace.roles.series, self.settings.series):
            try:
                found.append(curve(table, row, name, against))
            except InputError as error:
                problems.append(str(error))
        return [one for one in found if one is not None]


def _text(value: Any) -> dict[str, Any]:
    """A text for reading, with a word on what was cut off."""
    text = "" if value is None else str(value)
    if len(text) <= LONGEST_TEXT:
        return {"value": text}
    return {"value": text[:LONGEST_TEXT], "cut": f"The first {LONGEST_TEXT:,} of {len(text):,} characters."}


def format_value(value: Any) -> str:
    """A cell as a short text: numbers with six significant digits, dates in ISO form, long texts cut."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}" if math.isfinite(value) else "–"
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ", timespec="auto")
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    if isinstance(value, list):
        head = ", ".join(format_value(part) for part in value[:6])
        return head if len(value) <= 6 else f"{head}, … ({len(value)} values)"
    text = str(value)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"
