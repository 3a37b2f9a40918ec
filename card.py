"""A card of your own, and the parts that it can show: see ``rareloop serve --card module:Class``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


class Part:
    """Something that a card can show."""


@dataclass(frozen=True)
class Text(Part):
    """A text, shown as it is; line breaks are kept."""

    text: str
    name: str = ""


@dataclass(frozen=True)
class Number(Part):
    """A number with its name and unit."""

    value: float
    name: str
    unit: str = ""


@dataclass(frozen=True)
class Picture(Part):
    """A picture: the bytes of a PNG, JPEG, GIF or WebP, or pixels ``(height, width[, 3 or 4])``."""

    data: Any
    name: str = ""


@dataclass(frozen=True)
class Series(Part):
    """A curve: y ``(n_points,)``, NaN for a gap, against x ``(n_points,)`` or its position."""

    y: Any
    x: Any = None
    name: str = ""


@dataclass(frozen=True)
class Link(Part):
    """A link to an http(s) address."""

    address: str
    text: str = ""


class Card(ABC):
    """What else the item card shows of a row; derive from it and name the class with ``--card``.

    Attributes
    ----------
    columns
        Names of the columns that `render` needs; None for all of them but the label column.
    """

    columns: Sequence[str] | None = None

    @abstractmethod
    def render(self, values: Mapping[str, Any]) -> Sequence[Part | str]:
        """The parts for one row, in their order.

        Parameters
        ----------
        values
            Column → value of the row as Python has it; None where it is missing.
        """
