"""What the item card shows of one row: its id, texts, picture and values with their place in the pool."""

from __future__ import annotations

import datetime as dt
import math
from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.workspace import Workspace
from .images import image_address

KEPT = 2_000
PLACE_SAMPLE = 20_000
LONGEST_VALUE = 200
LONGEST_TEXT = 20_000


class ItemCards:
    """Card contents by row, kept for the rows used last.

    Parameters
    ----------
    workspace
        The workspace whose table and roles decide what is shown.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._kept: OrderedDict[int, dict[str, Any]] = OrderedDict()
        self._places: dict[str, NDArray[np.float32] | None] = {}

    def card(self, row: int) -> dict[str, Any]:
        """The card of one row, as JSON-able values.

        Returns
        -------
        dict
            ``row``, ``id``, ``image`` (an address or None), ``texts`` and ``fields`` (lists of ``name``
            and ``value``; a field also has ``place``, the share of the pool below it, or None).
        """
        card = self._kept.get(row)
        if card is None:
            card = self._kept[row] = self._build(row)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return card

    def _build(self, row: int) -> dict[str, Any]:
        roles = self.workspace.roles
        shown = [name for name in roles.shown if name not in roles.text and name != roles.image]
        values = self.workspace.table.row(row, [*shown, *roles.text])
        return {
            "row": row,
            "id": self.workspace.ids.text(row),
            "image": image_address(self.workspace, row),
            "texts": [{"name": name, "value": str(values[name] or "")[:LONGEST_TEXT]} for name in roles.text],
            "fields": [
                {"name": name, "value": format_value(values[name]), "place": self._place(name, values[name])}
                for name in shown
            ],
        }

    def _place(self, name: str, value: Any) -> float | None:
        """Share of the pool that lies below a number, from a sample of rows."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return None
        if name not in self._places:
            self._places[name] = self._sorted_sample(name)
        sample = self._places[name]
        if sample is None or not len(sample):
            return None
        below = np.searchsorted(sample, value, side="left")
        above = np.searchsorted(sample, value, side="right")
        return round(float(below + above) / (2 * len(sample)), 4)

    def _sorted_sample(self, name: str) -> NDArray[np.float32] | None:
        table = self.workspace.table
        if name == self.workspace.roles.id:
            return None
        rows = np.arange(table.n_rows)
        if table.n_rows > PLACE_SAMPLE:
            rows = np.sort(np.random.default_rng(0).choice(table.n_rows, PLACE_SAMPLE, replace=False))
        values = table.floats(name)[rows]
        return np.sort(values[np.isfinite(values)])

    def warm(self) -> None:
        """Read the samples of all shown numbers, so that the first cards need not wait for them."""
        if self.workspace.table.n_rows:
            for name, value in self.workspace.table.row(0, self.workspace.roles.shown).items():
                self._place(name, value)


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
