"""Steps of many items: one transaction, taken back and brought back as one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rareloop.data import event_rows, events
from rareloop.data import labels as label_log
from rareloop.data.bulk import label_events, step_events
from rareloop.data.events import PROPAGATED, Step, new_event_ids
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
    for module in (events, event_rows, label_log):
        monkeypatch.setattr(module, "MANY", 2)
    for what, annotator, answers in done:
        common = Event("", Action.LABEL, "", annotator, NOW, input="grid")
        state = log.state()
        if what == "label":
            items, labels = zip(*answers, strict=True)
            log.append(label_events(common, items, labels), given_away=True)
        elif what in ("note", "flag"):
            log.append([Event(new_event_id(), Action(what), i, annotator, NOW, note=n) for i, n in answers])
        else:
            newest = (state.undoable if what == Action.UNDO else state.redoable)(annotator)
            if newest is not None:
                batch = state.batch_of(newest, undone=what == Action.REDO)
                log.append(step_events(what, batch, annotator, new_event_id()), given_away=True)
    for event in log.events():
        singly.apply(event)
    assert log.state() == singly == fold(log.events())
    assert list(log.state().items) == list(singly.items)
    assert log.newer(3) == log.events(after=3)
    log.close()


ODD = [
    "star",
    "it's; DROP TABLE events --",
    'a "quoted" \\ one',
    "Zoë\n\t李\x01\x7f\x85\u2028",
    "🌟👩‍🚀",
    "?",
    "%s :name",
    " ends  ",
    "1e5",
]


@pytest.mark.parametrize("text", [*ODD, "a\x00b", "\\u0000"])
def test_a_large_step_is_stored_as_it_is_whatever_its_texts_are(log, text):
    common = Event("", Action.LABEL, "", text, NOW, input="grid", strategy=text, guideline=7, probability=0.25)
    items = [f"{text}{i}" for i in range(events.MANY)]
    labels = [(text, "quasar", "x" * 300)[i % 3] for i in range(events.MANY)]
    alike = log.append(label_events(common, items, [text] * len(items)), given_away=True)
    varied = log.append(label_events(common, [f"{item} again" for item in items], labels), given_away=True)
    taken_back = log.append(step_events(Action.UNDO, varied, "ann", new_event_id()), given_away=True)
    assert log.events() == [*alike, *varied, *taken_back]
    assert (alike[3].annotator, alike[3].label, alike[3].guideline, alike[3].note) == (text, text, 7, None)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(ODD)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ids=st.lists(TEXTS.filter(bool), min_size=1, max_size=8, unique=True),
    rest=st.lists(st.tuples(TEXTS, TEXTS | st.none(), st.none() | st.integers(0, 9)), min_size=8, max_size=8),
)
def test_one_statement_stores_what_row_by_row_would(monkeypatch, tmp_path_factory, ids, rest):
    folder = tmp_path_factory.mktemp("log")
    given = [
        Event(event_id, Action.LABEL, f"{item}{place}", "ann", NOW, label=label or "x", note=label, dwell_ms=dwell)
        for place, (event_id, (item, label, dwell)) in enumerate(zip(ids, rest, strict=False))
    ]
    stored = []
    for many in (1, len(ids) + 1):
        monkeypatch.setattr(event_rows, "MANY", many)
        monkeypatch.setattr(event_rows, "AT_ONCE", 3)
        log = LabelLog(folder / f"{many}.sqlite")
        log.append(given)
        stored.append(log.events())
        log.close()
    assert stored[0] == stored[1]


def test_a_text_that_cannot_be_stored_stops_the_whole_step(log):
    items = [f"i{i}" for i in range(events.MANY)]
    with pytest.raises(UnicodeEncodeError):
        log.append(label_events(first(), [*items, "\ud800"], ["x"] * (len(items) + 1)))
    assert log.events() == []
    assert len(log.append(label_events(first(), items, ["x"] * len(items)))) == len(items)


def test_labels_of_labelled_items_are_relabels_in_a_large_step_too(log):
    items = [f"i{i}" for i in range(events.MANY)]
    log.append(label_events(first(), items[::2], ["x"] * len(items[::2])), given_away=True)
    stored = log.append(label_events(first(), items, ["y"] * len(items)), given_away=True)
    assert [e.action for e in stored] == [Action.RELABEL, Action.LABEL] * (len(items) // 2)
    again = log.append(label_events(first(), items, ["x"] * len(items)), given_away=True)
    assert {e.action for e in again} == {Action.RELABEL}
    assert log.state() == fold(log.events())


def test_events_that_are_in_the_log_are_not_stored_again_with_a_large_step(log):
    items = [f"i{i}" for i in range(events.MANY)]
    step_of_many = label_events(first(), items, ["x"] * len(items))
    stored = log.append(step_of_many)
    assert log.append(step_of_many) == stored == log.events()
    assert log.newer(0) == stored
    assert log.newer(3) == stored[3:]


def test_what_another_process_stored_is_newer_too(log, tmp_path):
    items = [f"i{i}" for i in range(events.MANY)]
    log.append(label_events(first(), items, ["x"] * len(items)), given_away=True)
    other = LabelLog(tmp_path / "labels.sqlite")
    other.append(label_events(first(), ["other"], ["y"]))
    other.close()
    log.append(label_events(first(), ["mine"], ["z"]))
    assert log.newer(0) == log.events()
    assert [e.item_id for e in log.newer(len(items))] == ["other", "mine"]


def test_a_step_says_what_its_events_have_in_common():
    step_of_many = label_events(first(strategy="s"), ["a", "b"], ["x", "y"])
    assert isinstance(step_of_many, Step)
    for name in Event.__dataclass_fields__:
        assert events.values_of(step_of_many, name) == events.values_of(list(step_of_many), name)
    taken_back = step_events(Action.UNDO, [step_of_many[0], Event("e", Action.SKIP, "c", "ann", NOW)], "bob", "i")
    for name in Event.__dataclass_fields__:
        assert events.values_of(taken_back, name) == events.values_of(list(taken_back), name)
