"""The state that the events of the label log fold into."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, takewhile
from typing import Any

from .classes import ClassTable
from .events import (
    CLASS_ACTIONS,
    IMPORTED,
    LABELS,
    MANY,
    PROPAGATED,
    STATUS,
    STEPS,
    Action,
    Event,
    Status,
    Step,
    values_of,
)

_IMPORTS = "\0imports"  # the undo stack of what files brought, which is everybody's


@dataclass(slots=True)
class ItemState:
    """The answer in force on an item; `event` is the one that decided it."""

    status: Status
    label: str | None
    event: Event


@dataclass
class LogState:
    """What the events so far add up to.

    `items` maps the ids of answered items to their state, in the order of the first answer; `counts`
    has the number of items labelled with each class; `notes` the newest note of an item. Labels are by the names
    that their classes have now; `classes` knows these.
    """

    items: dict[str, ItemState] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    n_events: int = 0
    classes: ClassTable = field(default_factory=ClassTable)
    _events: dict[str, Event] = field(default_factory=dict, repr=False)
    _history: dict[str, list[str]] = field(default_factory=dict, repr=False)  # item → its decisions
    _undone: set[str] = field(default_factory=set, repr=False)
    _done_by: dict[str, list[str]] = field(default_factory=dict, repr=False)  # annotator → undo stack
    _undone_by: dict[str, list[str]] = field(default_factory=dict, repr=False)  # annotator → redo stack
    _class_ids: dict[str, str] = field(default_factory=dict, repr=False)  # label → its class, where not so called

    @property
    def n_labelled(self) -> int:
        """Number of items with a class."""
        return sum(self.counts.values())

    def apply(self, event: Event) -> None:
        """Take one more event."""
        self.n_events += 1
        self._events[event.event_id] = event
        if event.action in CLASS_ACTIONS:
            if self.classes.apply(event):
                self._name_anew()
            return
        if event.action in STEPS:
            self._step(event)
            return
        if event.label is not None:
            class_id = self.classes.of_label(event.label)
            if class_id != event.label:
                self._class_ids[event.event_id] = class_id
        self._history.setdefault(event.item_id, []).append(event.event_id)
        self._done_by.setdefault(stack_of(event), []).append(event.event_id)
        end_redo(self._undone_by, event)
        if event.action == Action.NOTE:
            self._note(event.item_id, event)
        else:
            self._decide(event.item_id, event)

    def apply_all(self, events: Sequence[Event]) -> None:
        """Take more events in their order; steps of many at once, which is much faster."""
        groups: Iterable[tuple[Any, Iterable[Event]]] = [(None, events)]
        if len(events) >= MANY and not isinstance(events, Step):
            groups = groupby(events, _kind_of)
        for _, group in groups:
            step = group if isinstance(group, Step) else list(group)
            if len(step) < MANY or not (self._label_all(step) or self._step_all(step)):
                for event in step:
                    self.apply(event)

    def _label_all(self, step: Sequence[Event]) -> bool:
        """Take labels of one undo stack; does nothing, and says so, where the events are something else."""
        said = dict.fromkeys(values_of(step, "label"))
        if step[0].action not in LABELS or None in said:
            return False
        class_ids = {label: self.classes.of_label(str(label)) for label in said}
        ids = self._note_down(step)
        for label, class_id in class_ids.items():
            if class_id != label:
                self._class_ids |= {e.event_id: class_id for e in step if e.label == label}
        item_ids, history = values_of(step, "item_id"), self._history
        for item_id, event_id in zip(item_ids, ids, strict=True):
            if item_id in history:
                history[item_id].append(event_id)
            else:
                history[item_id] = [event_id]
        self._decide_all(dict(zip(item_ids, step, strict=True)))
        self._done_by.setdefault(stack_of(step[0]), []).extend(ids)
        end_redo(self._undone_by, step[0])
        return True

    def _step_all(self, step: Sequence[Event]) -> bool:
        """Take back, or bring again, the newest answers of an undo stack; as `_label_all` for anything else."""
        targets = list(map(str, values_of(step, "target")))
        newest = self._events.get(targets[0])
        if step[0].action not in STEPS or newest is None:
            return False
        is_undo = step[0].action == Action.UNDO
        stacks = [by.setdefault(stack_of(newest), []) for by in (self._done_by, self._undone_by)]
        source, sink = stacks if is_undo else stacks[::-1]
        if source[-len(step) :] != targets[::-1]:
            return False
        self._note_down(step)
        del source[-len(step) :]
        sink.extend(targets)
        (self._undone.update if is_undo else self._undone.difference_update)(targets)
        answers = list(map(self._events.__getitem__, targets))
        item_ids = values_of(answers, "item_id")
        if not set(values_of(answers, "action")) <= set(LABELS):
            for item_id in item_ids:
                self._settle(item_id)
            return True
        histories, newest_of = map(self._history.__getitem__, item_ids), self._newest_decision
        if is_undo:
            decisions = [None if len(given) == 1 else newest_of(given) for given in histories]
        else:
            known = zip(targets, answers, histories, strict=True)
            decisions = [answer if given[-1] == target else newest_of(given) for target, answer, given in known]
        self._decide_all(dict(zip(item_ids, decisions, strict=True)))
        return True

    def _decide_all(self, decisions: Mapping[str, Event | None]) -> None:
        """As `_decide`, of many items."""
        items, taken_back = self.items, [item_id for item_id, event in decisions.items() if event is None]
        change = Counter[str | None]()
        change.subtract(Counter(item.label for item in map(items.get, decisions) if item is not None))
        for item_id in taken_back:
            items.pop(item_id, None)
        left = {i: e for i, e in decisions.items() if e is not None} if taken_back else decisions
        events = [event for event in left.values() if event is not None]
        statuses, class_ids = list(map(STATUS.__getitem__, values_of(events, "action"))), self.class_ids(events)
        names = {each: None if each is None else self.classes.name_of(each) for each in dict.fromkeys(class_ids)}
        labels = [
            names[each] if status == "labelled" else None for each, status in zip(class_ids, statuses, strict=True)
        ]
        change.update(labels)
        items.update(zip(left, map(ItemState, statuses, labels, events), strict=True))
        self._count({label: n for label, n in change.items() if label is not None})

    def _newest_decision(self, ids: Sequence[str]) -> Event | None:
        """The newest of an item's answers that is in force; notes are none."""
        for event_id in reversed(ids):
            if event_id not in self._undone and (event := self._events[event_id]).action is not Action.NOTE:
                return event
        return None

    def _note_down(self, step: Sequence[Event]) -> list[str]:
        ids = values_of(step, "event_id")
        self.n_events += len(step)
        self._events.update(zip(ids, step, strict=True))
        return ids

    def _count(self, change: Mapping[str, int]) -> None:
        """Change the number of items by class."""
        for label, n in change.items():
            self.counts[label] = self.counts.get(label, 0) + n
            if not self.counts[label]:
                del self.counts[label]

    def _step(self, event: Event) -> None:
        target = self._events[str(event.target)]
        if target.action in CLASS_ACTIONS:
            if self.classes.step(target.event_id, undone=event.action == Action.UNDO):
                self._name_anew()
            return
        done = self._done_by.setdefault(stack_of(target), [])
        undone = self._undone_by.setdefault(stack_of(target), [])
        source, sink = (done, undone) if event.action == Action.UNDO else (undone, done)
        if (target.event_id in self._undone) == (event.action == Action.UNDO):
            return  # undone or redone already
        if source and source[-1] == target.event_id:
            source.pop()
        elif target.event_id in source:
            source.remove(target.event_id)
        else:
            return  # the annotator has answered since, which ended the redo
        sink.append(target.event_id)
        (self._undone.add if event.action == Action.UNDO else self._undone.discard)(target.event_id)
        self._settle(target.item_id)

    def _settle(self, item_id: str) -> None:
        """Find the decision and note in force on an item, and count again."""
        history = self._history[item_id]
        in_force = [self._events[i] for i in reversed(history) if i not in self._undone]
        self._decide(item_id, self._newest_decision(history))
        self._note(item_id, next((e for e in in_force if e.action == Action.NOTE), None))

    def _decide(self, item_id: str, newest: Event | None) -> None:
        """Count again with the decision in force on an item."""
        before = self.items.get(item_id)
        if before is not None and before.label is not None:
            self._count({before.label: -1})
        if newest is None:
            self.items.pop(item_id, None)
            return
        status = STATUS[newest.action]
        label = self.class_of(newest) if status == "labelled" else None
        self.items[item_id] = ItemState(status, label, newest)
        if label is not None:
            self._count({label: 1})

    def _note(self, item_id: str, newest: Event | None) -> None:
        if newest is not None and newest.note:
            self.notes[item_id] = newest.note
        else:
            self.notes.pop(item_id, None)

    def class_id(self, event: Event) -> str | None:
        """The id of the class that an answer names, which stays through new names; None when it names none."""
        return None if event.label is None else self._class_ids.get(event.event_id, event.label)

    def class_ids(self, events: Sequence[Event]) -> list[str | None]:
        """As `class_id`, of each event."""
        known = self._class_ids
        if not known:
            return values_of(events, "label")
        return [None if e.label is None else known.get(e.event_id, e.label) for e in events]

    def class_of(self, event: Event, classes: ClassTable | None = None) -> str | None:
        """What the class of an answer is called now, or in another table; None when it names none."""
        class_id = self.class_id(event)
        return None if class_id is None else (classes or self.classes).name_of(class_id)

    def labels_of(self, name: str) -> list[int]:
        """The places in the log of all labels ever given of a class, by its name of now; touches every event."""
        events = (event for event in list(self._events.values()) if event.action in LABELS)
        return [event.seq for event in events if event.seq is not None and self.class_of(event) == name]

    def _name_anew(self) -> None:
        """Call labels by the names that their classes have now, and count again; touches every answered item."""
        self.counts = {}
        for item_id, item in self.items.items():
            if item.label is None:
                continue
            label = self.class_of(item.event) or item.label
            if label != item.label:
                self.items[item_id] = ItemState(item.status, label, item.event)
            self.counts[label] = self.counts.get(label, 0) + 1

    def copy(self) -> LogState:
        """The same state, which later events leave alone."""
        lists = (self._history, self._done_by, self._undone_by)
        history, done, undone = ({key: list(ids) for key, ids in each.items()} for each in lists)
        return LogState(
            dict(self.items), dict(self.counts), dict(self.notes), self.n_events, self.classes.copy(),
            dict(self._events), history, set(self._undone), done, undone, dict(self._class_ids),
        )  # fmt: skip

    @property
    def by_id(self) -> dict[str, Event]:
        """The events by their ids, in their order."""
        return self._events

    def has(self, event_id: str | None) -> bool:
        """Whether an event is among those taken."""
        return event_id in self._events

    def event(self, event_id: str) -> Event:
        """The event of that id; raises KeyError when there is none."""
        return self._events[event_id]

    def is_undone(self, event_id: str) -> bool:
        """Whether an answer or note has been taken back."""
        return event_id in self._undone or event_id in self.classes.undone

    def answers_to(self, item_id: str) -> list[Event]:
        """The answers to an item that have not been taken back, in their order; notes are none."""
        events = (self._events[i] for i in self._history.get(item_id, ()) if i not in self._undone)
        return [event for event in events if event.action != Action.NOTE]

    def n_events_of(self, item_id: str) -> int:
        """How many answers and notes an item has had, undone ones included."""
        return len(self._history.get(item_id, ()))

    def batch_of(self, event: Event, *, undone: bool) -> list[Event]:
        """The answers given in one step with this one, in their order: those undone last, or those given last.

        They have `bulk` in common. Logs of earlier versions know the labels that were propagated in one step
        by their moment. Any other answer is a batch of its own.
        """
        stack = (self._undone_by if undone else self._done_by).get(stack_of(event), ())
        step = _step_of(event)
        newest_first = map(self._events.__getitem__, reversed(stack))
        batch = list(takewhile(lambda other: (other.bulk or _step_of(other)) == step, newest_first))
        return (batch if undone else batch[::-1]) or [event]

    def standing(self, annotator: str) -> Iterator[Event]:
        """The annotator's answers that are in force, the newest first; an item has at most one."""
        for event_id in reversed(self._done_by.get(annotator, ())):
            event = self._events[event_id]
            item = self.items.get(event.item_id)
            if item is not None and item.event is event:
                yield event

    def undoable(self, annotator: str) -> Event | None:
        """The newest answer in force that the annotator gave or a file brought, or None."""
        return max(self._tops(self._done_by, annotator), key=lambda event: event.seq, default=None)

    def redoable(self, annotator: str) -> Event | None:
        """What was undone last, by the annotator or of a file; None when they have answered since."""
        return min(self._tops(self._undone_by, annotator), key=lambda event: event.seq, default=None)

    def _tops(self, stacks: Mapping[str, list[str]], annotator: str) -> list[Event]:
        return [self._events[stack[-1]] for key in (annotator, _IMPORTS) if (stack := stacks.get(key))]


def stack_of(event: Event) -> str:
    """Whose undo takes an answer back: its annotator's, or anybody's where one of many that a file brought."""
    return _IMPORTS if event.input == IMPORTED and event.bulk is not None else event.annotator


def end_redo(undone: dict[str, Any], event: Event) -> None:
    """Forget, by stack, what a redo could bring back before this answer; a file ends the redo of everybody."""
    if stack_of(event) == _IMPORTS:
        undone.clear()
        return
    undone.pop(event.annotator, None)
    undone.pop(_IMPORTS, None)


def _kind_of(event: Event) -> tuple[str, str]:
    """What events have in common that can be taken at once."""
    return ("label" if event.action in LABELS else event.action, stack_of(event))


def _step_of(event: Event) -> object:
    """What the answers of one step have in common, and no other answer."""
    if event.bulk is not None:
        return event.bulk
    return event.created_at if event.input == PROPAGATED else event.event_id


def fold(events: Iterable[Event]) -> LogState:
    """What events add up to; a pure function of them."""
    state = LogState()
    state.apply_all(list(events))
    return state
