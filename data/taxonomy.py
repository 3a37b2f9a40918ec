"""The classes: their names, keys and colours, which are looked for, and which of them are offered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from .errors import InputError

# Keys that the page uses for something else.
RESERVED_KEYS = frozenset("dfgnrsuwzZ?/ ")
DIGIT_KEYS = "1234567890"
# Okabe & Ito (2008); vermillion, the most salient, is kept for the classes that are looked for.
WANTED_COLOURS = ("#D55E00", "#CC79A7", "#E69F00")
COLOURS = ("#0072B2", "#009E73", "#56B4E9", "#B8A100", "#882255", "#44AA99", "#7A5CC2", "#8A6D3B")
LONGEST_NAME = 200
MOST_CLASSES = 200

ClassStatus = Literal["offered", "splitting", "retired", "merged", "removed"]


@dataclass
class LabelClass:
    """One class: `wanted` means that it is looked for; `key` may be empty.

    `examples` are item ids. A class is ``offered``; or ``splitting``: its items wait for finer classes, and
    models go on learning from it; or ``retired``: its labels stay, and models do not learn from them; or
    ``merged`` into the class at the place `into`; or ``removed``: its addition was taken back.
    """

    name: str
    key: str = ""
    colour: str = ""
    wanted: bool = False
    definition: str = ""
    examples: list[str] = field(default_factory=list)
    status: ClassStatus = "offered"
    into: int = -1

    @property
    def is_live(self) -> bool:
        """Whether labels can have it, so that its name is taken."""
        return self.status in ("offered", "splitting", "retired")

    @property
    def is_learnt(self) -> bool:
        """Whether models learn from its labels."""
        return self.status in ("offered", "splitting")


class Taxonomy:
    """The classes, each at a place of its own that never changes, whatever becomes of the class.

    So what was reported by place stays right; in which order classes are shown is another thing, see `shown`.

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
        self._order: list[int] = []
        names = [name.strip() for name in names]
        missing = [name for name in wanted if name not in names]
        if missing:
            raise InputError(f"'{missing[0]}' is looked for but is none of the classes: add it to them")
        own_keys = all(len(name) == 1 and name.isalnum() and name not in RESERVED_KEYS for name in names)
        for name in names:
            self.add(name, wanted=name in wanted, key=name if own_keys else None)

    # ---- changing --------------------------------------------------------------------------------

    def add(
        self,
        name: str,
        *,
        wanted: bool = False,
        key: str | None = None,
        colour: str | None = None,
        definition: str = "",
        examples: Sequence[str] = (),
    ) -> LabelClass:
        """Add a class at the end, with the next free key and colour unless they are given.

        Raises
        ------
        InputError
            When the name is empty, too long or taken, or there are too many classes.
        """
        name = self._free_name(name)
        if len(self.offered) >= MOST_CLASSES:
            raise InputError(f"there are {MOST_CLASSES} classes, which is the most: retire or merge one first")
        added = LabelClass(
            name,
            self.free_key() if key is None else key,
            colour or self.free_colour(wanted),
            wanted,
            definition,
            list(examples),
        )
        self._order.append(len(self._classes))
        self._classes.append(added)
        return added

    def add_removed(self, name: str) -> None:
        """Keep the place of a class whose addition was taken back."""
        self._order.append(len(self._classes))
        self._classes.append(LabelClass(name, status="removed"))

    def rename(self, place: int, name: str) -> None:
        """Give a class another name; raises InputError for a bad name."""
        self._live(place).name = self._free_name(name, but=place)

    def merge(self, place: int, into: int) -> None:
        """Let all labels of a class be labels of another one; raises InputError where that cannot be."""
        one, other = self._live(place), self._live(into)
        if place == into:
            raise InputError(f"'{one.name}' cannot be merged into itself: choose another class")
        if other.status != "offered":
            raise InputError(f"'{other.name}' is offered no more: restore it before another class goes into it")
        self._withdraw(place, "merged")
        one.into = into

    def retire(self, place: int, status: ClassStatus = "retired") -> None:
        """Offer a class no more; its labels stay. Raises InputError when too few classes would be left."""
        if self._live(place).status == status:
            raise InputError(f"'{self[place].name}' is {status} already")
        self._withdraw(place, status)

    def restore(self, place: int) -> None:
        """Offer a class again, with another key where its own is taken; raises InputError when it is offered."""
        one = self._live(place)
        if one.status == "offered":
            raise InputError(f"'{one.name}' is offered already")
        if one.key in {c.key for _, c in self.offered}:
            one.key = self.free_key()
        one.status = "offered"

    def change(self, place: int, **facts: Any) -> None:
        """Change key, colour, definition, examples, `wanted`, or `position` (where it is shown, from 0).

        Raises
        ------
        InputError
            When the key is taken or one of the page's own.
        """
        one = self._live(place)
        if "key" in facts:
            self._check_key(place, str(facts["key"]))
        position = facts.pop("position", None)
        for name, value in facts.items():
            if name not in ("key", "colour", "definition", "examples", "wanted"):
                raise InputError(f"a class has no {name!r}")
            setattr(one, name, value)
        if position is not None:
            self._move(place, int(position))

    def _withdraw(self, place: int, status: ClassStatus) -> None:
        if self[place].status == "offered" and len(self.offered) <= 2:
            raise InputError("labelling needs at least two classes: add another one first")
        self[place].status, self[place].wanted = status, False

    def _move(self, place: int, position: int) -> None:
        """Put a class at a position among those that are shown."""
        shown = [i for i, _ in self.shown if i != place]
        shown.insert(max(0, min(position, len(shown))), place)
        self._order = shown + [i for i in self._order if i not in shown]

    def _live(self, place: int) -> LabelClass:
        if not self[place].is_live:
            raise InputError(f"the class '{self[place].name}' does not exist any more: reload the page")
        return self[place]

    def _free_name(self, name: str, but: int = -1) -> str:
        name = name.strip()
        if not name:
            raise InputError("a class needs a name: write one")
        if len(name) > LONGEST_NAME:
            raise InputError(f"the class name '{name[:30]}…' has more than {LONGEST_NAME} characters: shorten it")
        if self.places.get(name, but) != but:
            raise InputError(f"there are two classes named '{name}': rename or remove one")
        return name

    def _check_key(self, place: int, key: str) -> None:
        if not key:
            return
        if len(key) != 1 or not key.isprintable():
            raise InputError(f"'{key[:20]}' is no key: choose one character")
        if key in RESERVED_KEYS:
            raise InputError(f"the key '{key}' does something else on the page: choose another one")
        other = next((c.name for i, c in self.offered if c.key == key and i != place), None)
        if other is not None:
            raise InputError(f"the key '{key}' belongs to '{other}': choose another one, or change that first")

    def free_key(self) -> str:
        """The next digit that no class has; empty when there is none."""
        taken = {c.key for _, c in self.offered}
        return next((key for key in DIGIT_KEYS if key not in taken), "")

    def free_colour(self, wanted: bool) -> str:
        """The colour that the fewest classes have."""
        palette = WANTED_COLOURS if wanted else COLOURS
        taken = [c.colour for _, c in self.shown]
        return min(palette, key=lambda colour: (taken.count(colour), palette.index(colour)))

    # ---- looking up ------------------------------------------------------------------------------

    @property
    def names(self) -> list[str]:
        """The names by place; what a class has become is said where it lives no more."""
        return [self.said(place) for place in range(len(self))]

    def said(self, place: int) -> str:
        """The name of a class, with what it has become where it lives no more."""
        one = self[place]
        if one.status == "merged":
            return f"{one.name} (merged into {self[self.target(place)].name})"
        return f"{one.name} (removed)" if one.status == "removed" else one.name

    @property
    def places(self) -> dict[str, int]:
        """The places of the classes that labels can have, by their names."""
        return {c.name: place for place, c in enumerate(self._classes) if c.is_live}

    def index(self, name: str | None) -> int:
        """The place of a class; raises KeyError when there is none of that name."""
        for place, c in enumerate(self._classes):
            if c.name == name and c.is_live:
                return place
        raise KeyError(name)

    def target(self, place: int) -> int:
        """The place of the class that a class is part of now: its own, or that which it was merged into."""
        while self[place].status == "merged":
            place = self[place].into
        return place

    @property
    def shown(self) -> list[tuple[int, LabelClass]]:
        """The classes that labels can have with their places, in the order in which they are shown."""
        return [(place, self[place]) for place in self._order if self[place].is_live]

    @property
    def offered(self) -> list[tuple[int, LabelClass]]:
        """The classes that can be chosen with their places, in the order in which they are shown."""
        return [(place, c) for place, c in self.shown if c.status == "offered"]

    def __iter__(self) -> Iterator[LabelClass]:
        return iter(self._classes)

    def __len__(self) -> int:
        return len(self._classes)

    def __getitem__(self, place: int) -> LabelClass:
        return self._classes[place]

    # ---- plain values ----------------------------------------------------------------------------

    def to_list(self) -> list[dict[str, Any]]:
        """The classes as plain values; what is as usual is left out, but for what every version knows."""
        usual = LabelClass("")
        always = ("name", "key", "colour", "wanted", "definition")
        return [
            {
                f.name: getattr(c, f.name)
                for f in fields(LabelClass)
                if f.name in always or getattr(c, f.name) != getattr(usual, f.name)
            }
            for c in self._classes
        ]

    @classmethod
    def from_list(cls, values: Sequence[dict[str, Any]]) -> Taxonomy:
        """The classes from plain values."""
        taxonomy = cls()
        taxonomy._classes = [LabelClass(**dict(value)) for value in values]
        taxonomy._order = list(range(len(values)))
        return taxonomy
