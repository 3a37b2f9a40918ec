"""Changes of what the item card shows, made in the page: texts, picture, links and curves, checked first."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from ..data.errors import InputError
from ..data.roles import Roles, is_list
from ..data.workspace import Workspace
from . import card_settings
from .card_settings import ORDERS, PALETTES, pixel_settings, stored_in
from .cells import cell_array
from .curves import MOST_CURVES, curve, pairs
from .images import checked_shape
from .items import ItemCards
from .links import LONGEST, columns_of, filled

MOST_LINKS = 12
LONGEST_NAME = 80
# What is taken as it comes, if it is of the right kind.
PLAIN: dict[str, Callable[[Any], bool]] = {
    "columns": lambda value: isinstance(value, list) and all(isinstance(name, str) for name in value),
    "order": lambda value: value in ORDERS,
    "suggestions": lambda value: isinstance(value, bool),
}
SHAPE = re.compile(r"\s*(\d{1,5})\s*[x×,]\s*(\d{1,5})(?:\s*[x×,]\s*(\d))?\s*")


class CardEditor:
    """Checks and makes changes of one workspace's card.

    Columns that are the label, or follow from it, are on offer nowhere.

    Parameters
    ----------
    workspace
        Its roles say what is text, picture and curve; its settings have the rest.
    roles
        Other roles than those of the workspace, before these are confirmed.
    hidden
        The columns that are the label or follow from it, where they are known: see `hidden_columns`.
    """

    def __init__(
        self, workspace: Workspace, roles: Roles | None = None, hidden: Collection[str] | None = None
    ) -> None:
        self.workspace = workspace
        self.roles = workspace.roles if roles is None else roles
        self.hidden = card_settings.hidden_columns(workspace.table, self.roles) if hidden is None else hidden
        self.names = [name for name in workspace.table.names if name not in self.hidden]
        kinds = {name: workspace.table.schema.field(name).type for name in self.names}
        # What is in use stays on offer, whatever its type.
        self.texts = [name for name, kind in kinds.items() if _is_text(kind) or name in workspace.roles.text]
        self.lists = [name for name, kind in kinds.items() if is_list(kind)]
        self.pictures = {name: found for name, kind in kinds.items() if (found := _picture_kinds(kind))}
        if workspace.roles.image is not None:
            self.pictures.setdefault(workspace.roles.image, [str(workspace.roles.image_kind)])

    def state(self) -> dict[str, Any]:
        """What there is and what can be chosen, as the dialog of the card shows it."""
        roles, settings = self.roles, card_settings.read(self.workspace)
        shape, palette = pixel_settings(self.workspace)
        return {
            "texts": list(roles.text),
            "picture": {
                "column": roles.image or "",
                "kind": roles.image_kind or "",
                "shape": " × ".join(map(str, shape or ())),
                "palette": palette,
            },
            "links": [list(pair) for pair in settings.links.items()],
            "curves": [
                [name, against or ""]
                for name, against in pairs(self.workspace.table, roles.series, settings.series)
            ],
            "can": {
                "texts": self.texts[: card_settings.MOST_OFFERED],
                "pictures": self.pictures,
                "lists": self.lists,
                "palettes": list(PALETTES),
                "curves": MOST_CURVES,
                "links": MOST_LINKS,
            },
        }

    # ---- changing --------------------------------------------------------------------------------

    def checked(self, changes: Mapping[str, Any], row: int) -> tuple[Roles, dict[str, Any]]:
        """The roles and the settings of the card after changes.

        Parameters
        ----------
        changes
            Any of ``columns``, ``order``, ``suggestions``, ``texts``, ``picture`` (column, kind, shape, palette),
            ``links`` (pairs of name and template) and ``curves`` (pairs of columns, the second may be empty).
        row
            The item that picture and curves are tried on.

        Raises
        ------
        InputError
            With one sentence on what cannot be.
        """
        roles, card = self.roles, stored_in(self.workspace)
        card |= {key: changes[key] for key in PLAIN if key in changes and PLAIN[key](changes[key])}
        if "texts" in changes:
            roles = replace(roles, text=self._texts(changes["texts"]))
        if "picture" in changes:
            column, kind, pixels = self._picture(changes["picture"], row)
            roles = replace(roles, image=column, image_kind=kind)
            card |= {"pixels": pixels, "pictures": int(card.get("pictures") or 0) + 1}
        if "links" in changes:
            card["links"] = dict(self.links(changes["links"]))
        if "curves" in changes:
            chosen = self._curves(changes["curves"], row)
            roles, card["series"] = replace(roles, series=list(chosen)), chosen
        return roles, card

    def _texts(self, value: Any) -> list[str]:
        names = [str(name) for name in _list_of(value)]
        wrong = next((name for name in names if name not in self.texts), None)
        if wrong is not None:
            raise InputError(f"'{wrong}' is no column of texts: choose another one")
        return list(dict.fromkeys(names))

    def _picture(self, value: Any, row: int) -> tuple[str | None, Any, dict[str, Any]]:
        """Column and kind of the picture, and what is stored of its pixels."""
        given = {key: str(part or "") for key, part in value.items()} if isinstance(value, Mapping) else {}
        column, kind, palette = given.get("column", ""), given.get("kind", ""), given.get("palette", "")
        pixels: dict[str, Any] = {"palette": palette if palette in PALETTES else PALETTES[0]}
        if not column:
            return None, None, pixels
        if column not in self.pictures:
            raise InputError(f"'{column}' holds no pictures: choose a column of paths, addresses, bytes or lists")
        if kind not in self.pictures[column]:
            raise InputError(
                f"'{column}' cannot be a picture by {kind or 'nothing'}: choose {_or(self.pictures[column])}"
            )
        shape = parse_shape(given.get("shape", "")) if kind == "array" else None
        found = cell_array(self.workspace.table, row, column) if kind == "array" else None
        if found is not None:
            checked_shape(found[0].size, shape, found[1])
        return column, kind, pixels | ({"shape": list(shape)} if shape else {})

    def links(self, value: Any) -> list[tuple[str, str]]:
        """Names and templates of links; raises InputError for what is none."""
        found: list[tuple[str, str]] = []
        for pair in _list_of(value):
            name, template = (str(part).strip() for part in pair) if _is_pair(pair) else ("", "")
            if not name:
                raise InputError(f"the link '{template[:60]}' has no name: write one, such as 'in the archive'")
            if len(name) > LONGEST_NAME or len(template) > LONGEST:
                raise InputError(f"the link '{name[:20]}…' is too long: shorten it")
            if name in dict(found):
                raise InputError(f"there are two links named '{name}': rename one")
            self._check_template(name, template)
            found.append((name, template))
        if len(found) > MOST_LINKS:
            raise InputError(f"{len(found)} links are too many: {MOST_LINKS} is the most")
        return found

    def _check_template(self, name: str, template: str) -> None:
        for column in columns_of(template):
            if column in self.hidden:
                raise InputError(
                    f"the link '{name}' uses '{column}', which gives the label away: use another column"
                )
            if column not in self.names:
                raise InputError(f"the link '{name}' uses the column '{column}', which the table has not")

    def _curves(self, value: Any, row: int) -> dict[str, str]:
        chosen: dict[str, str] = {}
        for pair in _list_of(value):
            name, against = (str(part) for part in pair) if _is_pair(pair) else ("", "")
            wrong = next((one for one in (name, against or name) if one not in self.lists), None)
            if wrong is not None:
                raise InputError(f"'{wrong}' holds no lists of numbers, which make a curve: choose another column")
            if name in chosen:
                raise InputError(f"'{name}' is a curve twice: choose another column")
            if name == against:
                raise InputError(f"'{name}' cannot be drawn against itself: choose another column")
            curve(self.workspace.table, row, name, against or None)
            chosen[name] = against
        if len(chosen) > MOST_CURVES:
            raise InputError(f"{len(chosen)} curves are too many: {MOST_CURVES} is the most")
        return chosen

    # ---- trying ----------------------------------------------------------------------------------

    def previews(self, links: Any, row: int) -> list[dict[str, str]]:
        """What links become for an item: each has a ``link``, or ``text`` that says why there is none."""
        found = []
        for pair in _list_of(links)[: 2 * MOST_LINKS]:
            template = str(pair[1]).strip() if _is_pair(pair) else ""
            try:
                self._check_template(str(pair[0]) or "new link", template)
                address = filled(template, self.workspace.table.row(row, columns_of(template)))
            except InputError as error:
                found.append({"text": str(error) if template else ""})
                continue
            found.append({"text": "this item has no value there"} if address is None else {"link": address})
        return found


def change_card(cards: ItemCards, changes: Mapping[str, Any], row: int) -> None:
    """Change what the card shows, for all pages, and keep it.

    Raises
    ------
    InputError
        When a part cannot be, or the settings cannot be written; nothing is changed then.
    """
    workspace = cards.workspace
    roles, card = CardEditor(workspace, hidden=cards.hidden).checked(changes, row)
    columns = card.get("columns", ())
    if "columns" in changes and not set(columns) <= {*cards.offered, *cards.settings.columns}:
        raise InputError("a chosen column is not there (any more): reload the page")
    before = workspace.roles, stored_in(workspace)
    workspace.roles = roles
    workspace.settings["card"] = card
    try:
        workspace.save()
    except Exception:
        workspace.roles, workspace.settings["card"] = before
        raise
    cards.refresh()


def parse_shape(text: str) -> tuple[int, ...] | None:
    """The shape that a text such as ``28 × 28`` or ``16 x 16 x 3`` means; None when it is empty.

    Raises
    ------
    InputError
        When it is none.
    """
    if not text.strip():
        return None
    found = SHAPE.fullmatch(text)
    shape = tuple(int(part) for part in found.groups() if part) if found else ()
    if not shape or min(shape) < 1:
        raise InputError(
            "the shape of a picture is height × width, such as 28 × 28: write it so, or leave it empty"
        )
    return shape


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _picture_kinds(kind: pa.DataType) -> list[str]:
    """The ways in which cells of a type can be pictures."""
    if _is_text(kind):
        return ["path", "url"]
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return ["bytes"]
    return ["array"] if is_list(kind) else []


def _or(names: Sequence[str]) -> str:
    return " or ".join(names)


def _list_of(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _is_pair(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2
