"""Steps of many items: one transaction, taken back and brought back as one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rareloop.data import events
from rareloop.data.bulk import label_events, step_events
from rareloop.data.events import PROPAGATED, new_event_ids
from rareloop.data.labels import Action, Event, LabelLog, LogState, fold, new_event_id

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def log(tmp_path):
    one = LabelLog(tmp_path / "labels.sqlite")
    yield one
    one.close()


def first(**more) -> Event:
    return Event("", Action.LABEL, "", "ann", NOW, input="grid", **more)


def step(log, action: Action) -> list[Event]:
    state = log.state()
    newest = state.undoable("ann") if action == Action.UNDO else state.redoable("ann")
    batch = state.batch_of(newest, undone=action == Action.REDO)
    return log.append(step_events(action, batch, "ann", new_event_id()))


def test_one_undo_takes_a_step_back_and_one_redo_brings_it_again(log):
    log.append(Event(new_event_id(), Action.LABEL, "before", "ann", NOW, label="x"))
    log.append(label_events(first(), ["a", "b", "c"], ["x", "y", "x"]))
    assert len(step(log, Action.UNDO)) == 3
    assert list(log.state().items) == ["before"]
    assert len(step(log, Action.REDO)) == 3
    assert log.state().counts == {"x": 3, "y": 1}
    assert log.state() == fold(log.events())


def test_two_steps_of_one_moment_are_two(log):
    log.append(label_events(first(), ["a", "b"], ["x", "x"]))
    log.append(label_events(first(), ["c", "d"], ["y", "y"]))
    assert [e.item_id for e in step(log, Action.UNDO)] == ["d", "c"]
    assert [e.item_id for e in step(log, Action.UNDO)] == ["b", "a"]


def test_labels_propagated_by_earlier_versions_are_one_step_by_their_moment(log):
    def old(item, moment):
        return Event(new_event_id(), Action.LABEL, item, "ann", moment, label="x", input=PROPAGATED)

    log.append([old("a", NOW), old("b", NOW), *(old(i, NOW + timedelta(seconds=1)) for i in "cd")])
    assert [e.item_id for e in step(log, Action.UNDO)] == ["d", "c"]


def test_ids_made_at_once_are_uuids_of_version_7_in_ascending_order():
    ids = new_event_ids(1000)
    assert ids == sorted(set(ids))
    assert all(len(i) == 36 and i[14] == "7" and i[19] in "89ab" for i in ids)
    assert new_event_ids(0) == []


ANSWERS = st.tuples(st.sampled_from("abcd"), st.sampled_from(["x", "y"]))
DONE = st.lists(
    st.tuples(
        st.sampled_from(["label", "note", "flag", Action.UNDO, Action.REDO]),
        st.sampled_from(["ann", "bob"]),
        st.lists(ANSWERS, min_size=1, max_size=5),
    ),
    max_size=12,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(done=DONE)
def test_many_events_at_once_add_up_to_what_they_do_one_by_one(monkeypatch, tmp_path_factory, done):
    log, singly = LabelLog(tmp_path_factory.mktemp("log") / "labels.sqlite"), LogState()
    monkeypatch.setattr(events, "MANY", 2)
    for what, annotator, answers in done:
        common = Event("", Action.LABEL, "", annotator, NOW, input="grid")
        state = log.state()
        if what == "label":
            items, labels = zip(*answers, strict=True)
            log.append(label_events(common, items, labels))
        elif what in ("note", "flag"):
            log.append([Event(new_event_id(), Action(what), i, annotator, NOW, note=n) for i, n in answers])
        else:
            newest = (state.undoable if what == Action.UNDO else state.redoable)(annotator)
            if newest is not None:
                batch = state.batch_of(newest, undone=what == Action.REDO)
                log.append(step_events(what, batch, annotator, new_event_id()))
    for event in log.events():
        singly.apply(event)
    assert log.state() == singly == fold(log.events())
    assert list(log.state().items) == list(singly.items)
    assert log.newer(3) == log.events(after=3)
    log.close()
