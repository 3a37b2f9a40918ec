"""The classes: their names, keys and colours, and which of them are looked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .errors import InputError

# Keys that the page uses for something else.
RESERVED_KEYS = frozenset("dfgnrsuwzZ?/ ")
DIGIT_KEYS = "1234567890"
# Okabe & Ito (2008); vermillion, the most salient, is kept for the classes that are looked for.
WANTED_COLOURS = ("#D55E00", "#CC79A7", "#E69F00")
COLOURS = ("#0072B2", "#009E73", "#56B4E9", "#B8A100", "#882255", "#44AA99", "#7A5CC2", "#8A6D3B")
LONGEST_NAME = 200


@dataclass
class LabelClass:
    """One class: `wanted` means that it is looked for; `key` may be empty."""

    name: str
    key: str = ""
    colour: str = ""
    wanted: bool = False
    definition: str = ""


class Taxonomy:
    """The classes in the order of their keys.

    Parameters
    ----------
    names
        Their names.
    wanted
        Those that are looked for.

    Raises
    ------
    InputError
        When a name is empty or given twice, or a wanted class is none of them.
    """

    def __init__(self, names: Sequence[str] = (), wanted: Sequence[str] = ()) -> None:
        self._classes: list[LabelClass] = []
        names = [name.strip() for name in names]
        missing = [name for name in wanted if name not in names]
        if missing:
            raise InputError(f"'{missing[0]}' is looked for but is none of the classes: add it to them")
        own_keys = all(len(name) == 1 and name.isalnum() and name not in RESERVED_KEYS for name in names)
        for name in names:
            self.add(name, wanted=name in wanted, key=name if own_keys else None)

    def add(self, name: str, *, wanted: bool = False, key: str | None = None) -> LabelClass:
        """Add a class at the end, with the next free key and colour; raises InputError for a bad name."""
        name = name.strip()
        if not name:
            raise InputError("a class needs a name: write one")
        if len(name) > LONGEST_NAME:
            raise InputError(f"the class name '{name[:30]}…' has more than {LONGEST_NAME} characters: shorten it")
        if name in self.names:
            raise InputError(f"there are two classes named '{name}': rename or remove one")
        added = LabelClass(name, self._free_key() if key is None else key, self._free_colour(wanted), wanted)
        self._classes.append(added)
        return added

    def _free_key(self) -> str:
        taken = {c.key for c in self._classes}
        return next((key for key in DIGIT_KEYS if key not in taken), "")

    def _free_colour(self, wanted: bool) -> str:
        palette = WANTED_COLOURS if wanted else COLOURS
        taken = [c.colour for c in self._classes]
        return min(palette, key=lambda colour: (taken.count(colour), palette.index(colour)))

    @property
    def names(self) -> list[str]:
        """The names in their order."""
        return [c.name for c in self._classes]

    def index(self, name: str | None) -> int:
        """The place of a class; raises KeyError when there is none of that name."""
        for place, c in enumerate(self._classes):
            if c.name == name:
                return place
        raise KeyError(name)

    def __iter__(self) -> Iterator[LabelClass]:
        return iter(self._classes)

    def __len__(self) -> int:
        return len(self._classes)

    def __getitem__(self, place: int) -> LabelClass:
        return self._classes[place]

    def to_list(self) -> list[dict[str, Any]]:
        """The classes as plain values."""
        return [asdict(c) for c in self._classes]

    @classmethod
    def from_list(cls, values: Sequence[dict[str, Any]]) -> Taxonomy:
        """The classes from plain values."""
        taxonomy = cls()
        taxonomy._classes = [LabelClass(**dict(value)) for value in values]
        return taxonomy
