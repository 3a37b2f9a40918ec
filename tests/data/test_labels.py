"""The label log: the fold against a naive model, durability, idempotence, threads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule
from rareloop.data.errors import InputError
from rareloop.data.labels import Action, Event, LabelLog, fold, new_event_id

DECISIONS = {Action.LABEL: "labelled", Action.SKIP: "skipped", Action.UNSURE: "unsure", Action.FLAG: "flagged"}


def event(item="a", action=Action.LABEL, label="star", annotator="ann", **more):
    label = label if action == Action.LABEL else None
    return Event(new_event_id(), action, item, annotator, datetime.now(UTC), label=label, **more)


@pytest.fixture
def log(tmp_path):
    one = LabelLog(tmp_path / "labels.db")
    yield one
    one.close()


class Naive:
    """What the log should say, in the simplest way: lists that are searched from the end."""

    def __init__(self):
        self.done = {}  # annotator → decisions in the order of their giving, undone ones taken out
        self.undone = {}
        self.given = []  # all decisions ever, in order, as [event, in force]

    def decide(self, one):
        self.given.append([one, True])
        self.done.setdefault(one.annotator, []).append(one.event_id)
        self.undone[one.annotator] = []

    def step(self, annotator, source, sink, in_force):
        if not source.get(annotator):
            return None
        event_id = source[annotator].pop()
        sink.setdefault(annotator, []).append(event_id)
        next(entry for entry in self.given if entry[0].event_id == event_id)[1] = in_force
        return event_id

    def state(self):
        items = {}
        for one, in_force in self.given:
            if in_force and one.action != Action.NOTE:
                action = Action.LABEL if one.action == Action.RELABEL else one.action
                items[one.item_id] = (DECISIONS[action], one.label)
        return items


class LogMachine(RuleBasedStateMachine):
    """Any order of answers, undo, redo, repeats and reopening leaves the log as the naive model says."""

    sent = Bundle("sent")

    @initialize(folder=st.uuids())
    def start(self, folder):
        import tempfile

        self.path = os.path.join(tempfile.mkdtemp(), f"{folder}.db")
        from pathlib import Path

        self.log = LabelLog(Path(self.path))
        self.naive = Naive()

    @rule(
        target=sent,
        item=st.sampled_from("abc"),
        action=st.sampled_from([*DECISIONS, Action.NOTE]),
        label=st.sampled_from(["star", "quasar"]),
        annotator=st.sampled_from(["ann", "bob"]),
    )
    def decide(self, item, action, label, annotator):
        one = event(item, action, label, annotator)
        self.log.append(one)
        self.naive.decide(one)
        return one

    @rule(annotator=st.sampled_from(["ann", "bob"]))
    def undo(self, annotator):
        expected = self.naive.step(annotator, self.naive.done, self.naive.undone, False)
        result = self.log.undo(annotator)
        assert (result and result.target) == expected

    @rule(annotator=st.sampled_from(["ann", "bob"]))
    def redo(self, annotator):
        expected = self.naive.step(annotator, self.naive.undone, self.naive.done, True)
        result = self.log.redo(annotator)
        assert (result and result.target) == expected

    @rule(one=consumes(sent))
    def send_again(self, one):
        n_events = len(self.log.events())
        stored = self.log.append(one)
        assert stored[0].event_id == one.event_id
        assert len(self.log.events()) == n_events

    @rule(item=st.sampled_from("abc"), annotator=st.sampled_from(["ann", "bob"]))
    def another_process_answers(self, item, annotator):
        from pathlib import Path

        other = LabelLog(Path(self.path))
        one = event(item, annotator=annotator)
        other.append(one)
        other.close()
        self.log.append(one)  # takes in what the other wrote, and stores nothing
        self.naive.decide(one)

    @rule(one=sent)
    def undo_by_name(self, one):
        known = next(entry for entry in self.naive.given if entry[0].event_id == one.event_id)
        self.log.append(replace(event(one.item_id, Action.UNDO, annotator=one.annotator), target=one.event_id))
        if known[1]:
            known[1] = False
            self.naive.done[one.annotator].remove(one.event_id)
            self.naive.undone.setdefault(one.annotator, []).append(one.event_id)

    @rule()
    def reopen(self):
        from pathlib import Path

        self.log.close()
        self.log = LabelLog(Path(self.path))

    @invariant()
    def agrees_with_the_naive_model(self):
        if not hasattr(self, "log"):
            return
        state = self.log.state()
        expected = self.naive.state()
        assert {i: (s.status, s.label) for i, s in state.items.items()} == expected
        labels = [label for _, label in expected.values() if label]
        assert state.counts == {label: labels.count(label) for label in set(labels)}
        refolded = fold(self.log.events())
        assert (refolded.items, refolded.counts, refolded.notes) == (state.items, state.counts, state.notes)

    def teardown(self):
        if hasattr(self, "log"):
            self.log.close()


TestLogMachine = LogMachine.TestCase
TestLogMachine.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)


@pytest.mark.slow
class TestLogMachineAtLength(LogMachine.TestCase):  # type: ignore[valid-type,misc]
    settings = settings(max_examples=100, stateful_step_count=25, deadline=None)


def test_an_event_comes_back_as_it_was_sent(log):
    sent = event(note="so-so, 'quoted' ünïcode", dwell_ms=812, input="key", round=3, strategy="margin",
                 probability=0.25, suggested="quasar", suggested_probability=0.5)  # fmt: skip
    stored = log.append(sent)[0]
    assert replace(stored, seq=0) == sent
    assert log.events() == [stored]


@given(
    moment=st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2200, 1, 1)), hours=st.integers(-12, 12)
)
@settings(max_examples=50, deadline=None)
def test_times_keep_their_microseconds_and_become_utc(tmp_path_factory, moment, hours):
    aware = moment.replace(tzinfo=timezone(timedelta(hours=hours)))
    log = LabelLog(tmp_path_factory.mktemp("log") / "labels.db")
    stored = replace(event(), created_at=aware)
    log.append(stored)
    back = log.events()[0].created_at
    log.close()
    assert back == aware
    assert back.tzinfo == UTC


def test_the_second_label_of_an_item_is_a_relabel_and_skips_are_not(log):
    first, skip, second = event(), event(action=Action.SKIP), event(label="quasar")
    stored = log.append([first, event(label="quasar"), skip, second])
    assert [e.action for e in stored] == [Action.LABEL, Action.RELABEL, Action.SKIP, Action.LABEL]


def test_an_undo_sent_twice_undoes_once(log):
    log.append([event("a"), event("b")])
    event_id = new_event_id()
    assert log.undo("ann", event_id=event_id) == log.undo("ann", event_id=event_id)
    assert set(log.state().items) == {"a"}


def test_undo_takes_back_only_what_the_annotator_answered(log):
    log.append(event("a", annotator="ann"))
    log.append(event("b", annotator="bob"))
    assert log.undo("ann").item_id == "a"
    assert log.undo("ann") is None
    assert set(log.state().items) == {"b"}


def test_a_new_answer_ends_the_redo(log):
    log.append(event("a"))
    log.undo("ann")
    log.append(event("b"))
    assert log.redo("ann") is None


def test_an_undo_of_nothing_known_is_refused_and_not_stored(log):
    wrong = replace(event(), action=Action.UNDO, target="nowhere")
    with pytest.raises(InputError, match="nowhere"):
        log.append(wrong)
    assert log.events() == []


def test_ids_made_later_sort_later():
    ids = [new_event_id() for _ in range(200)]
    assert len(set(ids)) == 200
    assert [i[:13] for i in ids] == sorted(i[:13] for i in ids)
    assert all(len(i) == 36 and i[14] == "7" for i in ids)


def test_many_threads_append_at_once_and_nothing_is_lost_or_locked(log):
    problems = []

    def work(number):
        try:
            for i in range(20):
                log.append(event(f"{number}-{i}", annotator=str(number)))
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert len(log.events()) == 120
    assert [e.seq for e in log.events()] == list(range(1, 121))


def test_two_processes_write_to_one_log_without_a_locked_database(log, tmp_path):
    program = (
        "import sys; from datetime import datetime, UTC; from pathlib import Path\n"
        "from rareloop.data.labels import Action, Event, LabelLog, new_event_id\n"
        "log = LabelLog(Path(sys.argv[1]))\n"
        "for i in range(40):\n"
        "    log.append(Event(new_event_id(), Action.LABEL, f'p{i}', 'other', datetime.now(UTC), label='x'))\n"
    )
    other = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "labels.db")])
    for i in range(40):
        log.append(event(f"m{i}"))
    assert other.wait() == 0
    assert len(log.events()) == 80


def test_what_was_acknowledged_survives_a_kill(tmp_path):
    program = (
        "import sys; from datetime import datetime, UTC; from pathlib import Path\n"
        "from rareloop.data.labels import Action, Event, LabelLog, new_event_id\n"
        "log = LabelLog(Path(sys.argv[1])); i = 0\n"
        "while True:\n"
        "    e = log.append(Event(new_event_id(), Action.LABEL, str(i), 'ann', datetime.now(UTC), label='x'))[0]\n"
        "    print(e.event_id, flush=True); i += 1\n"
    )
    path = tmp_path / "labels.db"
    victim = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)
    acknowledged = [victim.stdout.readline().strip() for _ in range(60)]
    victim.send_signal(signal.SIGKILL)
    acknowledged += [line.strip() for line in victim.stdout.read().splitlines() if len(line.strip()) == 36]
    victim.wait()
    log = LabelLog(path)
    stored = {e.event_id for e in log.events()}
    log.close()
    assert set(acknowledged) <= stored


def test_a_disk_that_refuses_stores_nothing_and_the_next_answer_works(log):
    log.append(event("a"))
    with log._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(OSError, match="full"):
        log.append([event(f"x{i}", note="n" * 4000) for i in range(50)])
    assert set(log.state().items) == {"a"}
    with log._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    log.append(event("b"))
    assert set(log.state().items) == {"a", "b"}


@pytest.mark.parametrize("name", ["a ?x=1&y=2", "#1 100%", "ünï çödé", "it's"])
def test_the_log_is_where_it_was_asked_for_whatever_the_folder_is_called(tmp_path, name):
    (tmp_path / name).mkdir()
    log = LabelLog(tmp_path / name / "labels.db")
    log.append(event("a"))
    log.close()
    assert (tmp_path / name / "labels.db").stat().st_size > 0
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_label_without_a_class_is_refused(log):
    with pytest.raises(InputError, match="names no class"):
        log.append([event("a"), event("b", label="")])
    assert log.events() == []


def test_a_file_that_is_no_database_is_said_and_left_alone(tmp_path):
    path = tmp_path / "labels.db"
    path.write_bytes(b"thesis " * 1000)
    with pytest.raises(InputError, match="is damaged"):
        LabelLog(path)
    assert path.read_bytes() == b"thesis " * 1000


def test_a_snapshot_stays_as_it_was(log):
    log.append([event("a"), event("b")])
    before = log.snapshot()
    log.undo("ann")
    log.append([event("a", label="quasar"), event("c", action=Action.NOTE, note="n")])
    assert set(before.items) == {"a", "b"}
    assert before.counts == {"star": 2}
    assert (before.n_events, before.n_events_of("a"), before.notes) == (2, 1, {})
    assert before.undoable("ann").item_id == "b"


def test_a_lasso_of_many_items_is_taken_back_by_name_in_one_call(log):
    given = log.append([event(str(i)) for i in range(5000)])
    undo = [replace(event(e.item_id, Action.UNDO), target=e.event_id) for e in given]
    log.append(undo)
    assert not log.state().items
    assert fold(log.events()).items == {}
    assert log.redo("ann").item_id == "4999"
