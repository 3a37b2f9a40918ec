"""A card of the user's own: a class in their module says what else the item card shows of a row.

::

    import rareloop

    class Colours(rareloop.Card):
        columns = ("g", "r", "spectrum")

        def render(self, values):
            return [
                rareloop.card.Number(values["g"] - values["r"], "g − r", "mag"),
                rareloop.card.Series(values["spectrum"], name="spectrum"),
            ]

``rareloop serve survey.parquet --card mymodule:Colours`` shows it. What `render` returns is data: texts are
shown as they are and never as HTML. An error in it is one sentence on the card and in the log.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from typing import Any

import numpy as np
from tornado.web import authenticated

from .. import card as kinds
from ..data.errors import InputError
from ..data.workspace import Workspace
from ..strategies.classifiers import load_object
from .curves import reduced
from .images import PictureHandler, browser_ready, pixels_to_png
from .links import as_link

log = logging.getLogger(__name__)

Made = tuple[list[dict[str, Any]], str | None, list[tuple[bytes, str]]]  # parts, problem, pictures

ROUTE = "card-picture"
MOST_PARTS = 24
LONGEST_TEXT = 20_000
KEPT = 400


def load_card(name: str, workspace: Workspace) -> CardRunner:
    """The card that ``module:Class`` names.

    Raises
    ------
    InputError
        When it cannot be imported or made, is no card, or wants a column that is not there or is the label.
    """
    if ":" not in name:
        raise InputError(f"--card {name} names no class: write module:Class")
    try:
        target = load_object(name, "card")
        card = target() if isinstance(target, type) else target
    except ValueError as error:
        raise InputError(str(error)) from error
    except Exception as error:
        raise InputError(f"the card {name} cannot be made ({type(error).__name__}: {error})") from error
    if not callable(getattr(card, "render", None)):
        raise InputError(f"the card {name} has no method 'render': derive it from rareloop.Card")
    return CardRunner(workspace, card, name)


class CardRunner:
    """Runs the user's card, and keeps what it made for the rows used last.

    Parameters
    ----------
    card
        Has ``columns`` (None: all) and ``render(values)``.
    name
        As the user wrote it.
    """

    def __init__(self, workspace: Workspace, card: Any, name: str) -> None:
        self.workspace = workspace
        self.card = card
        self.name = name
        self._kept: OrderedDict[int, Made] = OrderedDict()
        self._lock = threading.RLock()
        self._told: set[str] = set()
        self._columns()  # to refuse what cannot be had before anything is served

    def _columns(self) -> list[str]:
        """The columns that the card gets: never the label's, which the set-up page may still change."""
        wanted = getattr(self.card, "columns", None)
        table, roles = self.workspace.table, self.workspace.roles
        hidden = None if roles.label_use == "ignore" else roles.label
        if wanted is None:
            return [name for name in table.names if name != hidden]
        if isinstance(wanted, str) or not all(isinstance(name, str) for name in wanted):
            raise InputError(f"the card {self.name} must name its columns as a list of texts")
        if hidden in wanted:
            raise InputError(f"the card {self.name} wants the label '{hidden}', which gives the answer away")
        missing = next((name for name in wanted if name not in table.names), None)
        if missing is not None:
            raise InputError(f"the card {self.name} wants the column '{missing}', which the table has not")
        return list(wanted)

    def parts(self, row: int) -> tuple[list[dict[str, Any]], str | None]:
        """What the card shows of a row, JSON-able, and a sentence when the user's code failed."""
        parts, problem, _ = self._made(row)
        return parts, problem

    def picture(self, row: int, number: int) -> tuple[bytes, str]:
        """A picture of a row's card and its media type; raises InputError when there is none of that number."""
        pictures = self._made(row)[2]
        if number >= len(pictures):
            raise InputError(f"the card of row {row} has no picture {number}")
        return pictures[number]

    def _made(self, row: int) -> Made:
        with self._lock:  # the user's code need not be ready for threads
            if row not in self._kept:
                self._kept[row] = self._make(row)
                if len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            return self._kept[row]

    def _make(self, row: int) -> Made:
        pictures: list[tuple[bytes, str]] = []
        try:
            given = self.card.render(self.workspace.table.row(row, self._columns()))
            parts = [given] if isinstance(given, str | kinds.Part) else list(given or ())
            if len(parts) > MOST_PARTS:
                raise InputError(f"it returned {len(parts)} parts, and {MOST_PARTS} is the most")
            return [self._plain(part, row, pictures) for part in parts], None, pictures
        except Exception as error:
            reason = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
            sentence = f"Your card {self.name} failed: {' '.join(reason.split())[:300]}"
            if sentence not in self._told:
                self._told.add(sentence)
                log.error("the card %s failed on row %d", self.name, row, exc_info=error)
            return [], sentence, []

    def _plain(self, part: Any, row: int, pictures: list[tuple[bytes, str]]) -> dict[str, Any]:
        """One part as the browser gets it; raises InputError for what is none."""
        if isinstance(part, str):
            return {"kind": "text", "name": "", "value": part[:LONGEST_TEXT]}
        if isinstance(part, kinds.Text):
            return {"kind": "text", "name": str(part.name), "value": str(part.text)[:LONGEST_TEXT]}
        if isinstance(part, kinds.Number):
            value = f"{float(part.value):.6g}" if np.isfinite(float(part.value)) else "–"
            return {"kind": "number", "name": str(part.name), "value": f"{value} {part.unit}".strip()}
        if isinstance(part, kinds.Link):
            if (link := as_link(part.address)) is None:
                raise InputError(f"'{str(part.address)[:100]}' is no http(s) address")
            return {"kind": "link", "name": str(part.text or part.address), "link": link}
        if isinstance(part, kinds.Series):
            return {"kind": "series"} | reduced(part.x, part.y) | {"name": str(part.name)}
        if isinstance(part, kinds.Picture):
            pictures.append(_picture(part.data))
            return {"kind": "picture", "name": str(part.name), "image": f"{ROUTE}/{row}/{len(pictures) - 1}"}
        raise InputError(f"it returned {type(part).__name__}, which is no part of a card")


def _picture(data: Any) -> tuple[bytes, str]:
    if isinstance(data, bytes):
        return browser_ready(data, "the picture of your card")
    pixels = np.asarray(data)
    return pixels_to_png(pixels, pixels.shape), "image/png"


class CardPictureHandler(PictureHandler):
    """Serves ``/card-picture/ROW/NUMBER``."""

    def initialize(self, runner: CardRunner) -> None:
        """Take what runs the user's card."""
        self.runner = runner

    @authenticated
    async def get(self, row: str, number: str) -> None:
        """Send one picture of a row's card."""

        def read() -> tuple[bytes, str]:
            if int(row) >= self.runner.workspace.table.n_rows:
                raise InputError(f"there is no row {row}")
            return self.runner.picture(int(row), int(number))

        await self.send(read)
