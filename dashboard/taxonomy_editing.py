"""Changing the classes of a workspace: what a change is, what it will do, and doing it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.classes import ClassTable
from ..data.classes import facts_of as facts_of_event
from ..data.errors import InputError
from ..data.events import Action, Event, class_event, new_event_id
from ..data.taxonomy import Taxonomy
from ..data.workspace import Workspace
from .audits import facts_of
from .keys import check_class_key
from .queue import Queued

if TYPE_CHECKING:
    from .session import LabellingSession

EXTENT_SINCE = "extent_since"  # setting: place of a class → the first round that saw it as large as it is
LOOKS = frozenset({"colour", "key", "definition", "examples", "position"})
MOST_CERTIFICATES = 5
LEAST_CONTRAST = 3.0  # of signs, WCAG 2.2, 1.4.11
GROUNDS = {"#ffffff": "light", "#121212": "dark"}
DONE = {
    Action.CLASS_ADD: "added",
    Action.CLASS_RENAME: "renamed",
    Action.CLASS_MERGE: "merged",
    Action.CLASS_SPLIT: "split",
    Action.CLASS_RETIRE: "retired",
    Action.CLASS_RESTORE: "restored",
    Action.CLASS_CHANGE: "changed",
}


@dataclass(frozen=True)
class Change:
    """One change of a class: `name` is what it is called before; `facts` as in `class_event`."""

    action: Action
    name: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TakeBack:
    """A change that is taken back, by its event's id, or brought again with ``is_undo=False``."""

    event_id: str
    is_undo: bool = True


def is_harmless(change: Change | TakeBack) -> bool:
    """Whether a change is only of how a class looks or is described."""
    return isinstance(change, Change) and change.action == Action.CLASS_CHANGE and set(change.facts) <= LOOKS


def alters_models(change: Change | TakeBack) -> bool:
    """Whether the next round may turn out differently because of a change."""
    return not is_harmless(change) and not (
        isinstance(change, Change) and change.action in (Action.CLASS_ADD, Action.CLASS_RENAME)
    )


def change_classes(
    workspace: Workspace, changes: Sequence[Change | TakeBack], annotator: str, in_campaign: bool
) -> list[Event]:
    """Store changes in one transaction.

    Raises
    ------
    InputError
        When one cannot be, or would alter the campaign under way; nothing is stored then.
    OSError
        When the disk refuses.
    """
    if in_campaign and not all(is_harmless(change) for change in changes):
        raise InputError(
            "a campaign is under way, and its questions are about the classes as they are: end it before classes "
            "are changed"
        )
    if not changes:
        return []
    _check_keys(workspace, changes)
    before = workspace.taxonomy.to_list()
    now = datetime.now(UTC)
    stored = workspace.change_classes([_event(change, annotator, now) for change in changes])
    _note_extents(workspace, before)
    return stored


def _event(change: Change | TakeBack, annotator: str, now: datetime) -> Event:
    if isinstance(change, TakeBack):
        action = Action.UNDO if change.is_undo else Action.REDO
        return Event(new_event_id(), action, "", annotator, now, target=change.event_id)
    facts = dict(change.facts)
    for key in ("to", "into"):
        if isinstance(facts.get(key), str):
            facts[key] = facts[key].strip()
            check_text(facts[key])
    check_text(change.name)
    return class_event(change.action, change.name.strip(), annotator, now, facts)


def _check_keys(workspace: Workspace, changes: Sequence[Change | TakeBack]) -> None:
    for change in changes:
        if isinstance(change, Change) and change.action == Action.CLASS_CHANGE and "key" in change.facts:
            check_class_key(workspace, change.name, str(change.facts["key"]))


def check_text(name: str) -> None:
    """Raise InputError where a name has characters that cannot be seen, such as a line break."""
    if any(not character.isprintable() and character not in "\u200d\ufe0f" for character in name.strip()):
        raise InputError("a class name has characters that cannot be seen: write it on one line")


def _note_extents(workspace: Workspace, before: Sequence[Mapping[str, Any]]) -> None:
    """Remember from which round on a class is another set of items than before, by a merge or its end."""
    taxonomy = workspace.taxonomy
    merged = {(place, one.get("into", -1)) for place, one in enumerate(before) if one.get("status") == "merged"}
    now = {(place, c.into) for place, c in enumerate(taxonomy) if c.status == "merged"}
    if merged == now:
        return
    number = workspace.rounds.next_number()
    since = dict(workspace.settings.get(EXTENT_SINCE, {}))
    for pair in merged ^ now:
        since |= {str(taxonomy.target(place)): number for place in pair if place >= 0}
    workspace.settings[EXTENT_SINCE] = since
    workspace.save()


def suggested_anew(queue: Iterable[Queued], classes: ClassTable, taxonomy: Taxonomy) -> tuple[Queued, ...]:
    """A queue whose suggestions are by the names of now; none of a class that is not offered."""
    offered = {c.name for _, c in taxonomy.offered}

    def anew(queued: Queued) -> Queued:
        if queued.suggested is None:
            return queued
        name = classes.now(queued.suggested)
        if name not in offered:
            return replace(queued, suggested=None, suggested_probability=None)
        return replace(queued, suggested=name)

    return tuple(anew(queued) for queued in queue)


# ---- what a change will do --------------------------------------------------------------------------


def preview(session: LabellingSession, change: Change) -> list[str]:
    """What a change will do, in sentences.

    Raises
    ------
    InputError
        When it cannot be; the sentence says why.
    """
    check(session, [change])
    said = {
        Action.CLASS_ADD: _of_add,
        Action.CLASS_RENAME: _of_rename,
        Action.CLASS_MERGE: _of_merge,
        Action.CLASS_SPLIT: _of_split,
        Action.CLASS_RETIRE: _of_retire,
        Action.CLASS_RESTORE: _of_restore,
        Action.CLASS_CHANGE: _of_change,
    }
    return said[change.action](session, change)


def check(session: LabellingSession, changes: Sequence[Change]) -> None:
    """Raise InputError when changes cannot be, without storing anything."""
    if session.campaign and not all(is_harmless(change) for change in changes):
        raise InputError("a campaign is under way: end it before classes are changed")
    workspace, now = session.workspace, datetime.now(UTC)
    _check_keys(workspace, changes)
    table = workspace.class_table()
    for change in changes:
        table.take(_event(change, session.annotator, now))


def labels_by_annotator(session: LabellingSession, name: str) -> dict[str, int]:
    """How many labels of a class each annotator has given, the most first; touches every answered item."""
    items = list(session.state.items.values())
    return dict(Counter(item.event.annotator for item in items if item.label == name).most_common())


def _labels_said(session: LabellingSession, name: str) -> tuple[int, str]:
    by = labels_by_annotator(session, name)
    n = sum(by.values())
    if not n:
        return 0, f"'{name}' has no labels"
    who = ", ".join(f"{k:,} by {annotator}" for annotator, k in by.items())
    return n, f"{n:,} label{'s' if n != 1 else ''} of '{name}' ({who})"


def _audited(session: LabellingSession, name: str) -> int:
    audit = facts_of(session.workspace, session.state, session.auditor.audit)
    return 0 if audit is None else audit.members.get(name, 0)


def _certified(session: LabellingSession, name: str) -> list[str]:
    """What is said of certificates about a class."""
    place = session.workspace.taxonomy.index(name)
    numbers = [
        r.number for r in session.certificates() if place in (r.design.get("strata") or {}).get("wanted", ())
    ]
    if not numbers:
        return []
    listed = ", ".join(str(number) for number in numbers[:MOST_CERTIFICATES])
    one = len(numbers) == 1
    return [
        f"Certificate{'' if one else 's'} {listed} {'is' if one else 'are'} about '{name}' as it was, and "
        f"stay{'s' if one else ''} as {'it is' if one else 'they are'}."
    ]


def _of_add(session: LabellingSession, change: Change) -> list[str]:
    return [
        f"'{change.name.strip()}' gets a button and a key. No label changes, and nothing is asked again.",
        "Models learn it once it has labels.",
    ]


def _of_rename(session: LabellingSession, change: Change) -> list[str]:
    n, labels = _labels_said(session, change.name)
    new = str(change.facts.get("to", "")).strip()
    verb = "keeps" if n == 1 else "keep"
    first = f"{labels} {verb} being of it, as '{new}'." if n else f"{labels}."
    return [
        first,
        "Models, estimates and audit answers stay as they are: it is the same class. Nothing is asked again.",
        *_certified(session, change.name),
    ]


def _of_merge(session: LabellingSession, change: Change) -> list[str]:
    n, labels = _labels_said(session, change.name)
    into, audited = str(change.facts["into"]), _audited(session, change.name)
    taxonomy = session.workspace.taxonomy
    lines = [
        f"{labels} {'is' if n == 1 else 'are'} of '{into}' then." if n else f"{labels}; '{into}' stays as it is."
    ]
    if audited:
        lines.append(
            f"{audited:,} audit answer{'s' if audited != 1 else ''} of '{change.name}' count for '{into}'."
        )
    lines.append(
        f"A round starts; models and estimates are for the larger '{into}', and its stop meter begins anew."
    )
    if taxonomy[taxonomy.index(change.name)].wanted and not taxonomy[taxonomy.index(into)].wanted:
        lines.append(
            f"'{change.name}' is looked for and '{into}' is not: mark '{into}' as looked for, if it should be."
        )
    return [*lines, "Nothing is asked again.", *_certified(session, change.name), *_certified(session, into)]


def _of_split(session: LabellingSession, change: Change) -> list[str]:
    n, labels = _labels_said(session, change.name)
    into = ", ".join(f"'{name}'" for name in change.facts["into"])
    if not n:
        return [f"{labels}: {into} are new, and '{change.name}' is offered no more."]
    learn = (
        "Models learn no more from the old labels"
        if change.facts.get("at_once")
        else "Until then models go on learning from the old labels"
    )
    audited = _audited(session, change.name)
    lines = [f"{into} are new. {labels} are listed to be labelled anew, one by one. {learn}."]
    if audited:
        lines.append(
            f"{audited:,} of them are audit answers: label these anew first, or estimates of {into} miss them."
        )
    return [*lines, *_certified(session, change.name)]


def _of_retire(session: LabellingSession, change: Change) -> list[str]:
    if change.name in finished_splits(session):
        return [
            f"'{change.name}' was split and no item is of it any more: it is shown as retired.",
            "No label changes, and nothing is asked again. 'take back a change' undoes it.",
            *_certified(session, change.name),
        ]
    n, labels = _labels_said(session, change.name)
    audited = _audited(session, change.name)
    lines = [f"'{change.name}' is offered no more.", f"{labels}{' that stay and can be seen' if n else ''}."]
    if n:
        lines.append("A round starts: models learn from these labels no more. To keep learning, merge it instead.")
    if audited:
        lines.append(f"Audit answers of it go on counting as members of no other class: {audited:,}.")
    return [*lines, "Nothing is asked again.", *_certified(session, change.name)]


def _of_restore(session: LabellingSession, change: Change) -> list[str]:
    n, labels = _labels_said(session, change.name)
    learn = f"A round starts: models learn from {labels} again." if n else "A round starts."
    return [f"'{change.name}' is offered again.", learn]


def _of_change(session: LabellingSession, change: Change) -> list[str]:
    if is_harmless(change):
        return ["Only how the class looks or is described: no label, model or estimate changes."]
    is_wanted = bool(change.facts.get("wanted"))
    return [
        f"A round starts that {'looks' if is_wanted else 'does not look'} for '{change.name}'. No label changes.",
        "Estimates and the stop meter show it." if is_wanted else "The stop meter shows it no more.",
    ]


def finished_splits(session: LabellingSession) -> list[str]:
    """Names of the classes that were split, and whose items have all been given to other classes since."""
    counts = session.state.counts
    return [
        c.name for _, c in session.workspace.taxonomy.shown if c.status == "splitting" and not counts.get(c.name)
    ]


def preview_take_back(session: LabellingSession, event_id: str) -> list[str]:
    """What taking a change back will do, in sentences.

    Raises
    ------
    InputError
        When it cannot be; the sentence says why.
    """
    if session.campaign:
        raise InputError("a campaign is under way: end it before classes are changed")
    state = session.state
    table = state.classes.stepped(event_id, undone=True)
    moved: Counter[tuple[str, str]] = Counter()
    for item in list(state.items.values()):
        if item.label is not None:
            then = state.class_of(item.event, table) or item.label
            if then != item.label:
                moved[item.label, then] += 1
    lines = [
        f"{n:,} label{'s' if n != 1 else ''} of '{now}' {'are' if n != 1 else 'is'} of '{then}' again."
        for (now, then), n in moved.most_common()
    ]
    offered = [{c.name for _, c in t.offered} for t in (state.classes.taxonomy, table.taxonomy)]
    lines += [f"'{name}' is offered again." for name in sorted(offered[1] - offered[0])]
    lines += [f"'{name}' is offered no more." for name in sorted(offered[0] - offered[1])]
    return [*(lines or ["No label changes."]), "The change and its end stay in the history. A round starts."]


def changes_in_force(session: LabellingSession) -> dict[str, str]:
    """Changes that can be tried to take back: what they were, in words, to their ids; the newest first."""
    classes = session.state.classes
    events = [e for e in classes.history if not isinstance(e, str)]
    return {
        f"{number}. {words(event)}": event.event_id
        for number, event in reversed(list(enumerate(events, 1)))
        if event.event_id not in classes.undone and not facts_of_event(event).get("base")
    }


def words(event: Event) -> str:
    """A change of a class in a few words, by the names of then."""
    facts = facts_of_event(event)
    into = facts.get("into")
    more = facts.get("to") or (", ".join(into) if isinstance(into, list) else into)
    if event.action == Action.CLASS_CHANGE:
        return f"{event.label}: {', '.join(facts)} changed"
    return f"{event.label} {DONE[event.action]}{f' → {more}' if more else ''}"


def rows_of(session: LabellingSession, name: str) -> NDArray[np.int64]:
    """The rows of the items labelled with a class, int64, sorted; touches every answered item."""
    ids = [item_id for item_id, item in list(session.state.items.items()) if item.label == name]
    return np.sort(session.workspace.ids.rows(ids)).astype(np.int64)


# ---- colours ----------------------------------------------------------------------------------------


def contrast(colour: str, ground: str) -> float:
    """The contrast ratio of two colours, 1 to 21, as WCAG 2.2 defines it."""
    lighter, darker = sorted((_luminance(colour), _luminance(ground)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def colour_warning(colour: str, taken: Mapping[str, str]) -> str:
    """What is wrong with a colour, one sentence, or nothing; `taken` are the colours of the other classes."""
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", colour):
        return "Write a colour as # and six hexadecimal digits."
    for ground, name in GROUNDS.items():
        ratio = contrast(colour, ground)
        least = LEAST_CONTRAST
        if ratio < least:
            return f"Hard to see on the {name} page: its contrast is {ratio:.1f} : 1, less than {least:g} : 1."
    same = next((name for name, other in taken.items() if other.lower() == colour.lower()), None)
    return "" if same is None else f"'{same}' has this colour too; only the shapes tell them apart."
