"""A package of rareloop that is gone on with: the events of somebody else's log that are not known here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .errors import InputError
from .events import CLASS_ACTIONS, IMPORTED, STATUS, STEPS, Event
from .export.checks import CheckError, PackageChecks
from .export.replay import TABLE
from .export.safety import UnsafeError
from .import_files import MOST_LABELS, Choice, annotator_of, checked
from .imports import Conflict, Names, Plan, Policy, answer_here, check_some_match
from .log_state import LogState, fold
from .tables import Progress
from .workspace import Workspace

LONGEST_ID = 64


@dataclass(frozen=True)
class PackagePlan(Plan):
    """What the events of a package would do; they keep ids, annotators, times, notes and steps."""

    entries: tuple[Event, ...] = ()

    def events(self, policy: Policy, annotator: str) -> list[Event]:  # noqa: D102
        in_conflict = {conflict.item_id for conflict in self.conflicts} if policy != "replace" else set()
        return [event for event in self.entries if event.item_id not in in_conflict]


def read_events(folder: Path, progress: Progress | None = None) -> list[Event]:
    """The history of a package, after checks of its files and tables.

    Raises
    ------
    InputError
        When it is no package, damaged, not safe to read, or of a newer rareloop.
    """
    tell = progress or (lambda share, text: None)
    checks = PackageChecks(folder)
    try:
        tell(0.1, "checking the files")
        checks.files()
        tell(0.4, "checking the tables")
        checks.schemas()
        tell(0.8, "reading the history")
        events = sorted(checks.events, key=lambda event: event.seq)
        for event in events:
            _check_event(folder.name, event)
        if len({event.event_id for event in events}) < len(events):
            raise CheckError("two of its events have the same id")
        fold(events)
    except (CheckError, UnsafeError) as error:
        raise InputError(f"{folder} cannot be used: {error}; get the package again") from error
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{folder} has a history that makes no sense ({error}): get the package again") from error
    return events


def _check_event(name: str, event: Event) -> None:
    where = f"{name} event {event.seq}"
    for value in (event.event_id, event.target or "x", event.bulk or "x"):
        if not 0 < len(value) <= LONGEST_ID or not value.isprintable():
            raise CheckError(f"event {event.seq} has an id that is none")
    if event.created_at.tzinfo is None or annotator_of(where, event.annotator) is None:
        raise CheckError(f"event {event.seq} does not say who made it, or when")
    if STATUS.get(event.action) == "labelled" and not event.label:
        raise CheckError(f"event {event.seq} is a label without a class")
    for what, text in (("an identifier", event.item_id), ("a label", event.label), ("a note", event.note)):
        if event.action not in CLASS_ACTIONS:
            checked(where, what, text or "")


def plan_package(workspace: Workspace, folder: Path, events: Sequence[Event], choice: Choice) -> PackagePlan:
    """Compare the history of a package with the one here.

    Events about classes are not taken: labels are by the names that their classes have at the end of the
    package. What tells of its rounds (round, probability, version of the guidelines) is left behind, as these
    numbers mean others here, and the strategy becomes ``imported``.

    Raises
    ------
    InputError
        When not one of its items is in the table, or there are too many events.
    """
    state, theirs = workspace.log.state(), fold(events)
    items = list(dict.fromkeys(event.item_id for event in events if event.item_id))
    rows = dict(zip(items, workspace.ids.find(items).tolist(), strict=True))
    unknown = tuple(item_id for item_id, row in rows.items() if row < 0)
    check_some_match(workspace, folder.name, unknown, len(items))
    names = Names(workspace)
    fresh: dict[str, Event] = {}
    twins: dict[str, str] = {}  # labels of the table, which both logs have as events of their own
    for event in events:
        if state.has(event.event_id) or event.action in CLASS_ACTIONS or rows.get(event.item_id, -1) < 0:
            continue
        own = _as_own(event, theirs, names, choice)
        twin = _twin(own, state) if own is not None else None
        if twin is not None:
            twins[event.event_id] = twin
        elif own is not None and own.action in STEPS:
            target = _target(twins.get(str(own.target), str(own.target)), fresh, state)
            if target is not None and target.item_id == own.item_id:
                fresh[own.event_id] = replace(own, target=target.event_id)
        elif own is not None:
            fresh[own.event_id] = own
    if len(fresh) > MOST_LABELS:
        raise InputError(f"{folder} has more than the {MOST_LABELS:,} new events of one import")
    touched = tuple(dict.fromkeys(event.item_id for event in fresh.values()))
    n_fresh, conflicts = _outcome(state, list(fresh.values()), touched)
    matching = tuple(item_id for item_id, row in rows.items() if row >= 0)
    n_same = sum(
        (ours := state.items.get(item_id)) is not None
        and (other := theirs.items.get(item_id)) is not None
        and other.label is not None
        and ours.label == names.now(_called(other.label, choice))
        for item_id in matching
    )
    return PackagePlan(
        folder.name, "package of rareloop", len(items), 0, matching, unknown, dict(+names.unknown), n_fresh,
        n_same, conflicts, {}, len(fresh), tuple(fresh.values()),
    )  # fmt: skip


def _as_own(event: Event, theirs: LogState, names: Names, choice: Choice) -> Event | None:
    """An event of a package as it is stored here; None where its label is left out."""
    label = None
    if event.label is not None and event.action not in STEPS:
        label = _called(str(theirs.class_of(event)), choice)
        if not label:
            return None
        label = names.here(label)
    return replace(
        event,
        label=label,
        round=None,
        strategy=IMPORTED,
        probability=None,
        guideline=None,
        bulk=None if event.input == IMPORTED else event.bulk,  # their import is no step of ours
        seq=0,
    )


def _called(label: str, choice: Choice) -> str:
    return choice.names.get(label, label)


def _twin(event: Event, state: LogState) -> str | None:
    """The event here with the same label from the same table."""
    if event.input != TABLE or event.action in STEPS:
        return None
    ours = (e for e in state.answers_to(event.item_id) if e.input == TABLE)
    return next((e.event_id for e in ours if state.class_of(e) == event.label), None)


def _target(event_id: str, fresh: Mapping[str, Event], state: LogState) -> Event | None:
    """The answer that a step is about, here or in the package; None where there is none."""
    event = fresh.get(event_id) or (state.event(event_id) if state.has(event_id) else None)
    return None if event is None or event.action in (*STEPS, *CLASS_ACTIONS) else event


def _outcome(state: LogState, fresh: Sequence[Event], items: Sequence[str]) -> tuple[int, tuple[Conflict, ...]]:
    """How many items get a label, and those that would have another answer than they have."""
    after = state.copy()
    for event in fresh:
        after.apply(event)
    n_fresh, conflicts = 0, []
    for item_id in items:
        old = answer_here(state.items.get(item_id))
        new = answer_here(after.items.get(item_id))
        if old is not None and old != new:
            conflicts.append(Conflict(item_id, old, new or "(no answer)", "package"))
        elif old is None and new is not None:
            n_fresh += 1
    return n_fresh, tuple(conflicts)
