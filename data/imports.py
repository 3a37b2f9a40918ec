"""Labels that exist already: what a file would change here, and the events that do it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from .bulk import uncollected
from .errors import InputError
from .events import IMPORTED, LATER, Action, Event, made, new_event_id, new_event_ids
from .import_asreview import read_project
from .import_files import JSON_LINES, Choice, Given, Read, read_rows_file
from .import_label_studio import read_json_file
from .log_state import ItemState, LogState
from .readers import CSV, PARQUET
from .tables import Progress, check_readable
from .workspace import Workspace

Policy = Literal["refuse", "keep", "replace"]
POLICIES: tuple[Policy, ...] = ("refuse", "keep", "replace")
SUFFIXES = (*CSV, *JSON_LINES, *PARQUET, ".json", ".asreview")
SHOWN = 20  # conflicts in a summary
NAMED = 5  # identifiers, and classes, in a summary


@dataclass(frozen=True)
class Conflict:
    """An item that has another answer here; `place` is where the file has it."""

    item_id: str
    old: str
    new: str
    place: str


@dataclass(frozen=True)
class Plan(ABC):
    """What an import would do.

    Attributes
    ----------
    name, form
        The file, and what it was taken for.
    n_rows, n_empty
        Rows in it, and those without a label.
    matching
        The items of this table that it has a label for.
    unknown
        Identifiers that this table has not.
    new_classes
        Classes that are not here with the number of their labels; these are counted in no other place.
    n_fresh, n_same
        Items that get a label, and those that have the very label already.
    conflicts
        Items that have another answer here.
    disputed
        Items on which the annotators of the file differ, with their labels: left out.
    n_events
        Events that would be added when conflicts are replaced.
    """

    name: str
    form: str
    n_rows: int
    n_empty: int
    matching: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    new_classes: Mapping[str, int] = field(default_factory=dict)
    n_fresh: int = 0
    n_same: int = 0
    conflicts: tuple[Conflict, ...] = ()
    disputed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    n_events: int = 0
    is_one_step = False  # whether one undo takes it back

    @abstractmethod
    def events(self, policy: Policy, annotator: str) -> list[Event]:
        """The events of the import, none of them stored.

        Parameters
        ----------
        policy
            What becomes of items in conflict: ``keep`` and ``refuse`` leave them out.
        annotator
            Who gave labels of which the file does not say it.
        """

    def to_dict(self) -> dict[str, Any]:
        """The summary as plain values, all conflicts included."""
        return {
            "file": self.name,
            "form": self.form,
            "rows": self.n_rows,
            "without_label": self.n_empty,
            "matching": len(self.matching),
            "unknown_ids": {"count": len(self.unknown), "first": list(self.unknown[:NAMED])},
            "unknown_classes": dict(self.new_classes),
            "new_labels": self.n_fresh,
            "same_label": self.n_same,
            "conflicts": [
                {"item_id": c.item_id, "old": c.old, "new": c.new, "place": c.place} for c in self.conflicts
            ],
            "disputed": {item_id: list(labels) for item_id, labels in self.disputed.items()},
        }

    def sentences(self) -> Iterator[str]:
        """The summary in lines for people, without the conflicts one by one."""
        yield f"{self.name} ({self.form})"
        yield f"rows: {self.n_rows:,}" + (f", without a label: {self.n_empty:,}" if self.n_empty else "")
        yield f"items of this table: {len(self.matching):,}"
        if self.unknown:
            yield f"ids that are not in this table: {len(self.unknown):,} ({_first(self.unknown)})"
        if self.disputed:
            named = [f"{item_id}: {' or '.join(labels)}" for item_id, labels in self.disputed.items()]
            yield f"left out, as the annotators differ: {len(self.disputed):,} ({_first(named)})"
        if self.new_classes:
            named = [f"'{name}': {n:,}" for name, n in self.new_classes.items()]
            yield f"classes that are not here: {len(self.new_classes):,} ({_first(named)})"
        yield f"items that get a label: {self.n_fresh:,}, that have it already: {self.n_same:,}"
        yield f"conflicts (another answer here): {len(self.conflicts):,}"


def _first(texts: Sequence[str]) -> str:
    return ", ".join(texts[:NAMED]) + (", …" if len(texts) > NAMED else "")


@dataclass(frozen=True)
class LabelPlan(Plan):
    """What the labels of a file would do: one event each, and one for a note, all of one step.

    `entries` are those that change something, with the name that the class has here.
    """

    entries: tuple[tuple[Given, bool, bool], ...] = ()  # label is new, note is new
    is_one_step = True

    def events(self, policy: Policy, annotator: str) -> list[Event]:  # noqa: D102
        in_conflict = {conflict.item_id for conflict in self.conflicts} if policy != "replace" else set()
        entries = [entry for entry in self.entries if entry[0].item_id not in in_conflict]
        now, bulk = datetime.now(UTC), new_event_id()
        ids = iter(new_event_ids(2 * len(entries)))
        common = Event("", Action.LABEL, "", annotator, now, input=IMPORTED, strategy=IMPORTED, bulk=bulk).__dict__
        events = []
        with uncollected():
            for given, has_label, has_note in entries:
                own = common | {"item_id": given.item_id, "created_at": given.given_at or now}
                if given.annotator is not None:
                    own["annotator"] = given.annotator
                if has_label:
                    events.append(made(own | {"event_id": next(ids), "label": given.label}))
                if has_note:
                    events.append(made(own | {"event_id": next(ids), "action": Action.NOTE, "note": given.note}))
        return events


# ---- reading ----------------------------------------------------------------------------------------


def read_file(path: Path, workspace: Workspace, choice: Choice, progress: Progress | None = None) -> Read:
    """Read the labels of a file by its suffix.

    Raises
    ------
    InputError
        When it cannot be read, its columns cannot be guessed, or it contradicts itself.
    """
    check_readable(path)
    suffix, tell = path.suffix.lower(), progress or (lambda share, text: None)
    if suffix not in SUFFIXES:
        raise InputError(
            f"{path.name} is of no format with labels: name a .csv, .tsv, .jsonl, .parquet, .json (Label Studio) "
            "or .asreview file, or the folder of a package"
        )
    readers = {".json": read_json_file, ".asreview": read_project}
    try:
        return readers.get(suffix, read_rows_file)(path, workspace.roles.id, choice, tell)
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name} is not in UTF-8: save the file as UTF-8") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}): check the file") from error


# ---- what it would change ---------------------------------------------------------------------------


def plan_labels(workspace: Workspace, read: Read) -> LabelPlan:
    """Compare what a file says with the labels there are; touches as many items as the file has.

    Raises
    ------
    InputError
        When not one of its identifiers is in the table.
    """
    state = workspace.log.state()
    rows = workspace.ids.find([given.item_id for given in read.labels])
    unknown = tuple(given.item_id for given, row in zip(read.labels, rows, strict=True) if row < 0)
    check_some_match(workspace, read.name, unknown, len(read.labels))
    names = Names(workspace)
    entries: list[tuple[Given, bool, bool]] = []
    conflicts: list[Conflict] = []
    matching: list[str] = []
    n_same = 0
    for given, row in zip(read.labels, rows, strict=True):
        if row < 0:
            continue
        matching.append(given.item_id)
        given = renamed(given, names.here(given.label))
        item = state.items.get(given.item_id)
        is_same = item is not None and item.label == given.label
        n_same += is_same
        old = None if is_same else answer_here(item)
        if old is not None:
            conflicts.append(Conflict(given.item_id, old, given.label, given.place))
        has_note = _is_new_note(given, state, in_conflict=old is not None)
        if has_note or not is_same:
            entries.append((given, not is_same, has_note))
    n_fresh = sum(has_label for _, has_label, _ in entries) - len(conflicts)
    return LabelPlan(
        read.name, read.form, read.n_rows, read.n_empty, tuple(matching), unknown, dict(+names.unknown), n_fresh,
        n_same, tuple(conflicts), read.disputed, sum(a + b for _, a, b in entries), tuple(entries),
    )  # fmt: skip


class Names:
    """What labels of a file are called here; `unknown` counts those whose class is not here."""

    def __init__(self, workspace: Workspace) -> None:
        self._classes = workspace.log.state().classes
        self._live = set(workspace.taxonomy.places)
        self.unknown: Counter[str] = Counter()

    def here(self, name: str) -> str:
        """The name of now; one that a class had before leads to it."""
        now = self.now(name)
        self.unknown[name] += now not in self._live
        return now

    def now(self, name: str) -> str:
        """As `here`, without counting."""
        now = self._classes.now(name)
        return now if now in self._live else name


def renamed(given: Given, label: str) -> Given:
    """The same with another label."""
    return given if given.label == label else Given(**given.__dict__ | {"label": label})


def answer_here(item: ItemState | None) -> str | None:
    """The answer that an import would replace: a class, unsure or flagged; None where there is none yet."""
    if item is None or item.status in LATER:
        return None
    return item.label or f"({item.status})"


def _is_new_note(given: Given, state: LogState, *, in_conflict: bool) -> bool:
    """Whether a note is to be stored: our own notes stay, unless the whole answer is replaced."""
    known = state.notes.get(given.item_id)
    return given.note is not None and given.note != known and (known is None or in_conflict)


def check_some_match(workspace: Workspace, name: str, unknown: Sequence[str], n: int) -> None:
    """Raise InputError when there are labels, and none is of an item of the table."""
    if n and len(unknown) == n:
        what = f"'{workspace.roles.id}'" if workspace.roles.id is not None else "row numbers"
        raise InputError(
            f"none of the {n:,} ids of {name} is in this table (the first is '{unknown[0][:40]}', and the "
            f"table's are {what}): name the right column with --id"
        )
