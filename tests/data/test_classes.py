"""Classes in the label log: their events, and what becomes of labels when classes change."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from rareloop.data.classes import base_facts
from rareloop.data.errors import InputError
from rareloop.data.events import CLASS_ACTIONS, Action, Event, class_event, new_event_id
from rareloop.data.labels import LabelLog
from rareloop.data.log_state import fold
from rareloop.data.taxonomy import Taxonomy

NAMES = ["a", "b", "c", "d"]
ITEMS = "pqrstu"


def now():
    return datetime.now(UTC)


def label(item, name, annotator="ann"):
    return Event(new_event_id(), Action.LABEL, item, annotator, now(), label=name)


def change(action, name, **facts):
    return class_event(action, name, "ann", now(), facts or None)


def take_back(event, action=Action.UNDO):
    return Event(new_event_id(), action, "", "ann", now(), target=event.event_id)


def base(*names):
    taxonomy = Taxonomy(names)
    return [change(Action.CLASS_ADD, c.name, **base_facts(taxonomy, i)) for i, c in enumerate(taxonomy)]


@pytest.fixture
def log(tmp_path):
    one = LabelLog(tmp_path / "labels.db")
    yield one
    one.close()


def labels_of(log):
    return {item_id: item.label for item_id, item in log.state().items.items()}


def test_labels_follow_a_class_to_its_new_name(log):
    log.append([label("p", "a"), *base("a", "b"), label("q", "a")])
    log.append(change(Action.CLASS_RENAME, "a", to="aster"))
    log.append(label("r", "aster"))
    assert labels_of(log) == dict.fromkeys("pqr", "aster")
    assert log.state().counts == {"aster": 3}
    assert log.state().classes.taxonomy.names == ["aster", "b"]


def test_a_later_class_of_an_old_name_has_nothing_to_do_with_it(log):
    log.append([*base("a", "b"), label("p", "a"), change(Action.CLASS_RENAME, "a", to="old a")])
    log.append(change(Action.CLASS_ADD, "a"))
    log.append(label("q", "a"))
    assert labels_of(log) == {"p": "old a", "q": "a"}
    assert log.state().classes.taxonomy.names == ["old a", "b", "a"]


def test_a_label_under_a_name_that_a_class_had_is_of_that_class(log):
    """Labels that are read from the table again have the names of the table."""
    log.append([*base("a", "b"), change(Action.CLASS_RENAME, "a", to="aster"), label("p", "a")])
    assert labels_of(log) == {"p": "aster"}


def test_what_is_merged_can_be_taken_apart_again(log):
    log.append([*base("a", "b", "c"), label("p", "a"), label("q", "b")])
    (merged,) = log.append(change(Action.CLASS_MERGE, "a", into="b"))
    assert labels_of(log) == {"p": "b", "q": "b"}
    assert log.state().classes.taxonomy.names == ["a (merged into b)", "b", "c"]
    log.append(label("r", "b"))
    log.append(take_back(merged))
    assert labels_of(log) == {"p": "a", "q": "b", "r": "b"}
    log.append(take_back(merged, Action.REDO))
    assert labels_of(log) == {"p": "b", "q": "b", "r": "b"}


def test_a_class_is_split_into_new_ones_and_waits_until_its_items_are_labelled_anew(log):
    log.append([*base("a", "b"), label("p", "a")])
    log.append(change(Action.CLASS_SPLIT, "a", into=["a1", "a2"]))
    taxonomy = log.state().classes.taxonomy
    assert [c.name for _, c in taxonomy.offered] == ["b", "a1", "a2"]
    assert taxonomy[0].status == "splitting"
    assert taxonomy[0].is_learnt
    log.append(label("p", "a1"))
    assert log.state().counts == {"a1": 1}


def test_events_about_classes_are_no_steps_of_the_annotator(log):
    log.append([*base("a", "b"), label("p", "a")])
    log.append(change(Action.CLASS_RENAME, "a", to="x"))
    assert log.undo("ann").item_id == "p"
    assert log.undo("ann") is None
    assert log.redo("ann").item_id == "p"
    assert labels_of(log) == {"p": "x"}


@pytest.mark.parametrize(
    ("action", "name", "facts", "words"),
    [
        (Action.CLASS_ADD, "a", {}, "two classes named 'a'"),
        (Action.CLASS_ADD, "  ", {}, "needs a name"),
        (Action.CLASS_ADD, "x" * 201, {}, "more than 200 characters"),
        (Action.CLASS_RENAME, "a", {"to": "b"}, "two classes named 'b'"),
        (Action.CLASS_RENAME, "z", {"to": "y"}, "does not exist"),
        (Action.CLASS_MERGE, "a", {"into": "a"}, "into itself"),
        (Action.CLASS_RETIRE, "a", {}, "at least two classes"),
        (Action.CLASS_RESTORE, "a", {}, "offered already"),
        (Action.CLASS_SPLIT, "a", {"into": ["only"]}, "two classes at least"),
        (Action.CLASS_CHANGE, "a", {"key": "b"}, "belongs to 'b'"),
        (Action.CLASS_CHANGE, "a", {"shape": "round"}, "has no 'shape'"),
    ],
)
def test_a_change_that_cannot_be_is_refused_in_a_sentence_and_stored_nowhere(log, action, name, facts, words):
    log.append([label("p", "a"), *base("a", "b")])
    n = len(log.events())
    before = log.state().classes.taxonomy.to_list()
    with pytest.raises(InputError, match=words):
        log.append([change(action, name, **facts), label("q", "b")])
    assert len(log.events()) == n
    assert log.state().classes.taxonomy.to_list() == before


def test_a_class_with_labels_cannot_be_taken_back(log):
    log.append(base("a", "b"))
    added, *_ = log.append([change(Action.CLASS_ADD, "c"), label("p", "c")])
    with pytest.raises(InputError, match="has had labels"):
        log.append(take_back(added))


def test_a_class_whose_addition_is_taken_back_keeps_its_place_and_frees_its_name(log):
    log.append(base("a", "b"))
    (added,) = log.append(change(Action.CLASS_ADD, "c"))
    log.append(change(Action.CLASS_ADD, "d"))
    log.append(take_back(added))
    log.append(change(Action.CLASS_ADD, "c"))
    assert log.state().classes.taxonomy.places == {"a": 0, "b": 1, "d": 3, "c": 4}


def test_any_text_is_a_name(log):
    log.append(base("a", "b"))
    for name in ("<b>'\"&</b>", "🦉 owl", "a,b;c"):
        log.append([change(Action.CLASS_ADD, name), label("p", name)])
        assert labels_of(log)["p"] == name


class ClassMachine(RuleBasedStateMachine):
    """Whatever happens to labels and classes, the kept state is the fold of the events, and nothing gets lost."""

    @initialize()
    def start(self):
        self.log = LabelLog(Path(tempfile.mkdtemp()) / "labels.db")
        self.log.append([label("p", "a"), *base("a", "b", "c")])
        self.changes = []
        self.n_items = 1

    def attempt(self, event):
        """Append a change; where it is refused, nothing may be different."""
        before = self.seen()
        try:
            (stored,) = self.log.append(event)
        except InputError:
            assert self.seen() == before
            return None
        return stored

    def seen(self):
        state = self.log.state()
        return dict(labels_of(self.log)), dict(state.counts), json.dumps(state.classes.taxonomy.to_list())

    @rule(item=st.sampled_from(ITEMS), data=st.data(), annotator=st.sampled_from(["ann", "bob"]))
    def answer(self, item, data, annotator):
        offered = [c.name for _, c in self.log.state().classes.taxonomy.offered]
        name = data.draw(st.sampled_from(offered))
        self.log.append(label(item, name, annotator))
        assert labels_of(self.log)[item] == name

    @rule(annotator=st.sampled_from(["ann", "bob"]), is_undo=st.booleans())
    def step(self, annotator, is_undo):
        (self.log.undo if is_undo else self.log.redo)(annotator)

    @rule(
        action=st.sampled_from(sorted(CLASS_ACTIONS - {Action.CLASS_SPLIT})),
        name=st.sampled_from(NAMES),
        other=st.sampled_from(NAMES),
        place=st.integers(0, 5),
    )
    def change_class(self, action, name, other, place):
        facts = {
            Action.CLASS_RENAME: {"to": other},
            Action.CLASS_MERGE: {"into": other},
            Action.CLASS_CHANGE: {"position": place, "wanted": bool(place % 2)},
        }
        stored = self.attempt(change(action, name, **facts.get(action, {})))
        if stored is not None:
            self.changes.append(stored)

    @rule(name=st.sampled_from(NAMES), one=st.sampled_from(NAMES), other=st.sampled_from("xy"))
    def split(self, name, one, other):
        stored = self.attempt(change(Action.CLASS_SPLIT, name, into=[one, other], at_once=one < "c"))
        if stored is not None:
            self.changes.append(stored)

    @rule(which=st.integers(0, 100))
    def take_back_and_bring_again(self, which):
        if not self.changes:
            return
        one, before = self.changes[which % len(self.changes)], self.seen()
        undone = one.event_id in self.log.state().classes.undone
        there, back = (Action.REDO, Action.UNDO) if undone else (Action.UNDO, Action.REDO)
        if self.attempt(take_back(one, there)) is not None and self.attempt(take_back(one, back)) is not None:
            assert self.seen() == before

    @rule(which=st.integers(0, 100), is_undo=st.booleans())
    def take_back(self, which, is_undo):
        if self.changes:
            one = self.changes[which % len(self.changes)]
            self.attempt(take_back(one, Action.UNDO if is_undo else Action.REDO))

    @invariant()
    def is_the_fold_of_the_events(self):
        if not hasattr(self, "log"):
            return
        state, again = self.log.state(), fold(self.log.events())
        assert (state.items, state.counts, state.notes) == (again.items, again.counts, again.notes)
        assert state.classes.taxonomy.to_list() == again.classes.taxonomy.to_list()
        copied = state.copy()
        assert (copied.items, copied.counts) == (state.items, state.counts)

    @invariant()
    def counts_add_up_and_every_label_is_of_a_class(self):
        if not hasattr(self, "log"):
            return
        state = self.log.state()
        labels = [item.label for item in state.items.values()]
        assert state.counts == {name: labels.count(name) for name in set(labels)}
        places = state.classes.taxonomy.places
        assert set(labels) <= set(places)
        live = [c for c in state.classes.taxonomy if c.is_live]
        assert len(places) == len(live)
        assert len(state.classes.taxonomy.offered) >= 2

    def teardown(self):
        if hasattr(self, "log"):
            self.log.close()


TestClassMachine = ClassMachine.TestCase
TestClassMachine.settings = settings(max_examples=20, stateful_step_count=30, deadline=None)


@pytest.mark.slow
class TestClassMachineAtLength(ClassMachine.TestCase):  # type: ignore[valid-type,misc]
    settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
