"""The classes as the log tells them: each keeps its identity through new names, merges and what is taken back."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .errors import InputError
from .taxonomy import Taxonomy

if TYPE_CHECKING:
    from .events import Event

ADDED = ("wanted", "key", "colour", "definition", "examples")


class ClassTable:
    """What the events about classes add up to, beside the labels.

    A class has an id for good: the name that labels used first where it is older than the events about classes,
    or the id of the event that made it. A label belongs to the class that had its name when it was given; so it
    follows when the class is renamed or merged, and a later class of the old name has nothing to do with it.

    Attributes
    ----------
    taxonomy
        The classes as of now; meaningless while `has_events` is False.
    used
        Ids of classes that a label was ever given of.
    """

    def __init__(self) -> None:
        self.taxonomy = Taxonomy()
        self.used: set[str] = set()
        self.history: list[Event | str] = []  # events, and names when labels first had them
        self.undone: set[str] = set()
        self._ids: list[str] = []  # by place
        self._place: dict[str, int] = {}
        self._implicit: set[str] = set()  # named by labels alone
        self._former: dict[str, str] = {}  # names that classes had
        self._subjects: dict[str, tuple[str, ...]] = {}  # class event → ids of the classes that it is about
        self._by_name: dict[str, str] = {}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ClassTable):
            return NotImplemented
        names = ("used", "history", "undone", "_ids", "_place", "_implicit", "_former", "_subjects", "_by_name")
        alike = all(getattr(self, name) == getattr(other, name) for name in names)
        return alike and self.taxonomy.to_list() == other.taxonomy.to_list()

    __hash__ = None  # type: ignore[assignment]

    @property
    def has_events(self) -> bool:
        """Whether the log knows the classes; otherwise the settings do."""
        return bool(self._ids)

    @property
    def have_moved(self) -> bool:
        """Whether a class was ever renamed or merged, so that a name may stand for another class than before."""
        kinds = [event.action.value for event in self.history if not isinstance(event, str)]
        return "class_rename" in kinds or "class_merge" in kinds

    # ---- labels ----------------------------------------------------------------------------------

    def of_label(self, name: str) -> str:
        """The id of the class that a label of this name belongs to as of now."""
        class_id = self._by_name.get(name)
        if class_id is None:
            class_id = self._former.get(name)
        if class_id is None:
            class_id = self._by_name[name] = name
            self._implicit.add(name)
            self.history.append(name)
        self.used.add(class_id)
        return class_id

    def name_of(self, class_id: str) -> str:
        """What a class is called now, or the one that it was merged into."""
        place = self._place.get(class_id)
        return class_id if place is None else self.taxonomy[self.taxonomy.target(place)].name

    def now(self, name: str) -> str:
        """What a class is called now that has, or had, a name; the name itself where there is none."""
        return self.name_of(self._by_name.get(name) or self._former.get(name) or name)

    # ---- events about classes --------------------------------------------------------------------

    def apply(self, event: Event) -> bool:
        """Take an event about classes; one that cannot be is left out, and False returned."""
        try:
            self.copy()._apply(event, is_undone=False)
        except InputError:
            return False
        self.take(event)
        return True

    def take(self, event: Event) -> None:
        """Take an event about classes; raises InputError, which says why, when it cannot be."""
        self._apply(event, is_undone=False)
        self.history.append(event)

    def step(self, event_id: str, *, undone: bool) -> bool:
        """Take an event back, or bring it again; where that cannot be nothing changes, and False is returned."""
        try:
            fresh = self.stepped(event_id, undone=undone)
        except InputError:
            return False
        self.__dict__.update(fresh.__dict__)
        return True

    def stepped(self, event_id: str, *, undone: bool) -> ClassTable:
        """The table without an event, or with it again.

        Raises
        ------
        InputError
            When it is no such event, is taken back already, or others build on it.
        """
        known = next((e for e in self.history if not isinstance(e, str) and e.event_id == event_id), None)
        if known is None or (event_id in self.undone) == undone:
            raise InputError("this change of the classes cannot be taken back, or is already: reload the page")
        if undone and facts_of(known).get("base"):
            raise InputError("a class from before the first change cannot be taken back: retire or merge it")
        fresh = ClassTable()
        fresh.used, fresh._subjects = set(self.used), dict(self._subjects)
        fresh.undone = self.undone | {event_id} if undone else self.undone - {event_id}
        try:
            for entry in self.history:
                fresh._again(entry)
        except InputError as error:
            raise InputError(f"this cannot be taken back or brought again as things are ({error})") from error
        fresh.history = list(self.history)
        return fresh

    def _again(self, entry: Event | str) -> None:
        if isinstance(entry, str):
            known = self._by_name.get(entry) or self._former.get(entry) or entry
            if known != entry:
                raise InputError(f"labels of '{entry}' were given meanwhile: rename that class first")
            self._by_name[entry] = entry
            if entry not in self._place:
                self._implicit.add(entry)
            return
        self._apply(entry, is_undone=entry.event_id in self.undone)

    def _apply(self, event: Event, *, is_undone: bool) -> None:
        facts = facts_of(event)
        kind = event.action.value
        if kind == "class_add":
            self._add(event, [str(event.label)], facts, is_undone)
        else:
            subjects = self._subjects.get(event.event_id)
            if subjects is None:
                names = [str(event.label)] + ([str(facts.get("into"))] if kind == "class_merge" else [])
                subjects = tuple(self._ids[self._known(name)] for name in names)
            if kind == "class_split":
                self._split(event, subjects[0], facts, is_undone)
            elif not is_undone:
                self._change(kind, [self._place[s] for s in subjects], facts)
            self._subjects[event.event_id] = subjects
        self._reindex()

    def _known(self, name: str) -> int:
        try:
            return self.taxonomy.index(name)
        except KeyError:
            raise InputError(f"the class '{name}' does not exist (any more): reload the page") from None

    def _add(self, event: Event, names: Sequence[str], facts: Mapping[str, Any], is_undone: bool) -> None:
        """Make classes; where labels have named one already, it is that one."""
        for number, name in enumerate(names):
            name = name.strip()
            class_id = (
                name if name in self._implicit else f"{event.event_id}/{number}" if number else event.event_id
            )
            if is_undone:
                if class_id in self.used:
                    raise InputError(f"'{name}' has had labels: retire or merge it instead")
                self.taxonomy.add_removed(name)
            else:
                self.taxonomy.add(name, **{key: facts[key] for key in ADDED if key in facts})
            self._implicit.discard(name)
            self._place[class_id] = len(self._ids)
            self._ids.append(class_id)

    def _split(self, event: Event, subject: str, facts: Mapping[str, Any], is_undone: bool) -> None:
        into = [str(name) for name in facts.get("into", ())]
        if len(into) < 2 and not is_undone:
            raise InputError("a class is split into two classes at least: name them")
        wanted = facts.get("wanted", False)
        if not is_undone:
            place = self._place[subject]
            if self.taxonomy[place].status != "offered":
                raise InputError(
                    f"'{self.taxonomy[place].name}' is offered no more: restore it before it is split"
                )
        self._add(event, into, {"wanted": wanted}, is_undone)
        if not is_undone:
            self.taxonomy.retire(self._place[subject], "retired" if facts.get("at_once") else "splitting")

    def _change(self, kind: str, places: Sequence[int], facts: Mapping[str, Any]) -> None:
        taxonomy, place = self.taxonomy, places[0]
        before = taxonomy[place].name
        if kind == "class_rename":
            name = str(facts.get("to", ""))
            if name.strip() in self._implicit:
                raise InputError(f"there are labels of '{name}' already: add that class, and merge the two")
            taxonomy.rename(place, name)
            self._former[before] = self._ids[place]
        elif kind == "class_merge":
            taxonomy.merge(place, places[1])
            self._former[before] = self._ids[place]
        elif kind == "class_retire":
            taxonomy.retire(place)
        elif kind == "class_restore":
            taxonomy.restore(place)
        else:
            taxonomy.change(place, **facts)

    def _reindex(self) -> None:
        self._by_name = {name: name for name in self._implicit}
        self._by_name |= {name: self._ids[place] for name, place in self.taxonomy.places.items()}

    def copy(self) -> ClassTable:
        """The same table, which later events leave alone."""
        other = ClassTable()
        other.__dict__.update({name: copy.copy(value) for name, value in self.__dict__.items()})
        other.taxonomy = copy.deepcopy(self.taxonomy)
        return other


def facts_of(event: Event) -> dict[str, Any]:
    """What an event about classes says beside the class; raises InputError when it cannot be read."""
    try:
        facts = json.loads(event.note or "{}")
    except ValueError:
        facts = None
    if not isinstance(facts, dict):
        raise InputError(f"the event {event.event_id} about classes is damaged")
    return facts


def base_facts(taxonomy: Taxonomy, place: int) -> dict[str, Any]:
    """What the event says by which a class of the settings gets into the log."""
    one = taxonomy[place]
    return {key: getattr(one, key) for key in ADDED} | {"base": True}
