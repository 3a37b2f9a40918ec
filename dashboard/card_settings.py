"""What the user wants on the item card: ``[settings.card]`` in ``workspace.toml``.

``columns`` (names, in their order), ``order`` ("table", or "unusual": the most unusual first),
``suggestions`` (whether they are shown), ``links`` (name → template such as ``https://host/?ra={ra}``),
``series`` (column of lists → the column that it is drawn against, or an empty text) and ``pixels`` (of
pictures in arrays: ``shape``, [height, width] or [height, width, channels], and ``palette``, grey or
viridis). What is wrong there is left out and said on the card.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from ..data.errors import InputError
from ..data.roles import Roles, giving_away, is_list
from ..data.tables import Table
from ..data.workspace import Workspace
from .links import columns_of

ORDERS = ("table", "unusual")
PALETTES = ("grey", "viridis")
MOST_OFFERED = 300


@dataclass(frozen=True)
class CardSettings:
    """The settings of the card, checked; `problems` has a sentence for each part that was left out."""

    columns: tuple[str, ...] = ()
    order: str = "table"
    suggestions: bool = True
    links: dict[str, str] = field(default_factory=dict)
    series: dict[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def read(workspace: Workspace) -> CardSettings:
    """The settings of a workspace's card; columns are those of the roles where none were chosen."""
    stored = stored_in(workspace)
    names, problems = set(workspace.table.names), []
    chosen = stored.get("columns")
    roles = workspace.roles
    usual = [name for name in roles.shown if name not in roles.text and name != roles.image]
    columns = [n for n in chosen if n in names] if isinstance(chosen, list) else usual
    links = {}
    for name, template in _texts(stored.get("links")).items():
        try:
            unknown = next((column for column in columns_of(template) if column not in names), None)
            if unknown is not None:
                raise InputError(f"the link '{name}' uses the column '{unknown}', which the table has not")
            links[name] = template
        except InputError as error:
            problems.append(str(error))
    series = _texts(stored.get("series"))
    problems += [
        f"the series setting names the column '{name}', which the table has not"
        for pair in series.items()
        for name in pair
        if name and name not in names
    ]
    return CardSettings(
        columns=tuple(dict.fromkeys(columns)),
        order=stored["order"] if stored.get("order") in ORDERS else ORDERS[0],
        suggestions=stored.get("suggestions") is not False,
        links=links,
        series=series,
        problems=tuple(problems),
    )


def stored_in(workspace: Workspace) -> dict[str, Any]:
    """The settings as they are stored, unchecked."""
    stored = workspace.settings.get("card")
    return dict(stored) if isinstance(stored, Mapping) else {}


def pixel_settings(workspace: Workspace) -> tuple[tuple[int, ...] | None, str]:
    """Shape (None: square) and palette of pictures that are made of arrays."""
    stored = stored_in(workspace).get("pixels")
    stored = stored if isinstance(stored, Mapping) else {}
    shape, palette = stored.get("shape"), stored.get("palette")
    if not (isinstance(shape, list) and len(shape) in (2, 3) and all(isinstance(n, int) and n > 0 for n in shape)):
        shape = None
    return tuple(shape) if shape else None, palette if palette in PALETTES else PALETTES[0]


def offered(workspace: Workspace) -> list[str]:
    """Columns of plain values, which can be on the card unless they give the label away."""
    table, roles = workspace.table, workspace.roles
    return [
        name
        for name in table.names
        if name not in roles.text
        and name not in (roles.image, roles.id)
        and not _is_compound(table.schema.field(name).type)
    ][:MOST_OFFERED]


def hidden_columns(table: Table, roles: Roles) -> set[str]:
    """Columns that give the label away; touches those that a sample suspects."""
    plain = [name for name in table.names if not _is_compound(table.schema.field(name).type)]
    return giving_away(table, plain, roles)


def _is_compound(kind: pa.DataType) -> bool:
    return bool(is_list(kind)) or "binary" in str(kind)


def _texts(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        return {}
    return {str(k): v for k, v in value.items() if isinstance(v, str)}
