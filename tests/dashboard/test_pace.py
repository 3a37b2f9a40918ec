"""The pace, against logs written by hand, and the columns it is read from, against the fold of the log."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rareloop.dashboard.log_columns import CODE, DTYPES, Columns, LogColumns
from rareloop.dashboard.pace import (
    active_seconds,
    finds_curve,
    pace,
    session_began,
    since_break,
)
from rareloop.data import events, labels
from rareloop.data.bulk import label_events, step_events
from rareloop.data.events import Action, Event
from rareloop.data.labels import LabelLog
from rareloop.data.log_state import fold

BEGIN = datetime(2026, 5, 1, 9, tzinfo=UTC)
BEGAN = BEGIN.timestamp()


class Ids:
    """Items are called by their row."""

    @staticmethod
    def find(texts):
        return np.array([int(text or -1) for text in texts], dtype=np.int64)


def workspace_of(events):
    """What columns need of a workspace, with a log in memory."""
    numbered = [Event(**{**vars(event), "seq": i}) for i, event in enumerate(events, 1)]
    log = SimpleNamespace(state=lambda: fold(numbered), newer=lambda after: numbered[after:])
    return SimpleNamespace(log=log, ids=Ids)


def event(i, seconds, label="star", *, action=Action.LABEL, who="ada", row=None, **more):
    return Event(
        f"e{i}", action, str(i if row is None else row), who, BEGIN + timedelta(seconds=seconds),
        label=label if action in (Action.LABEL, Action.RELABEL) else None, **more,
    )  # fmt: skip


def columns_of(*events):
    return LogColumns(workspace_of(events)).now()


def test_a_gap_counts_at_most_the_idle_limit_and_the_first_answer_what_it_was_looked_at():
    columns = columns_of(
        event(0, 0, dwell_ms=4000), event(1, 10), event(2, 610), event(3, 615), event(4, 4000, dwell_ms=90_000)
    )
    assert active_seconds(columns).tolist() == [4, 10, 60, 5, 60]
    assert active_seconds(columns, 30).tolist() == [4, 10, 30, 5, 30]
    assert pace(columns, []).per_hour == pytest.approx(3600 * 5 / 139)


def test_gaps_are_between_answers_of_the_same_annotator():
    columns = columns_of(event(0, 0), event(1, 5, who="bob"), event(2, 20), event(3, 30, who="bob"))
    assert active_seconds(columns).tolist() == [0, 0, 20, 25]
    assert pace(columns, [], annotator="bob").seconds == 25
    assert pace(columns, [], annotator="eve") == pace(columns_of(), [])


def test_finds_are_counted_once_an_item_and_not_when_taken_back():
    columns = columns_of(
        event(0, 0, "quasar"),
        event(1, 10, "quasar"),
        event(2, 20, action=Action.UNDO, row=1, target="e1"),
        event(3, 30, "star"),
        event(4, 40, "quasar", action=Action.RELABEL, row=3),
        event(5, 50, action=Action.SKIP),
    )
    known = pace(columns, ["quasar"])
    assert (known.n_labels, known.n_finds, known.labels_per_find) == (3, 2, 1.5)
    assert pace(columns, []).labels_per_find is None


def test_imported_and_propagated_labels_are_no_work():
    columns = columns_of(
        event(0, 0, "quasar", input="table"), event(1, 1, "quasar", input="propagated"),
        event(2, 2, input="bulk", bulk="b"),
        event(3, 9, "quasar", dwell_ms=3000),
    )  # fmt: skip
    known = pace(columns, ["quasar"])
    assert (known.n_labels, known.n_finds, known.seconds, known.median_seconds) == (1, 1, 3, 3)


def test_a_page_of_the_grid_took_the_time_that_its_items_share():
    step = {"input": "grid", "bulk": "g1", "dwell_ms": 3000}
    columns = columns_of(event(0, 0), *(event(i, 30, "quasar", **step) for i in range(1, 11)))
    known = pace(columns, ["quasar"])
    assert (known.n_labels, known.n_finds, known.seconds, known.median_seconds) == (11, 10, 30, 3)


def test_a_session_begins_with_the_server_or_after_half_an_hour_without_an_answer():
    columns = columns_of(event(0, 0), event(1, 60), event(2, 60 + 1801), event(3, 1900))
    assert session_began(columns, 0.0) == BEGAN + 1861
    assert session_began(columns, BEGAN + 1880) == BEGAN + 1880
    assert pace(columns, [], since=BEGAN + 1861).n_labels == 2
    assert session_began(columns_of(), 7.0) == 7.0


def test_a_break_is_five_minutes_without_an_answer():
    columns = columns_of(event(0, 0), event(1, 50), event(2, 400), event(3, 440), event(4, 540))
    assert since_break(columns, "ada", BEGAN + 550) == 40 + 60
    assert since_break(columns, "ada", BEGAN + 900) == 0
    assert since_break(columns, "bob", BEGAN + 550) == 0


def test_the_curve_has_the_finds_of_the_last_labels():
    columns = columns_of(*(event(i, 5 * i, "quasar" if i % 4 == 0 else "star") for i in range(8)))
    n, finds = finds_curve(columns, ["quasar"], window=4)
    assert n.tolist() == list(range(1, 9))
    assert finds.tolist() == [100, 50, 100 / 3, 25, 25, 25, 25, 25]
    assert len(finds_curve(columns_of(), ["quasar"])[0]) == 0


STEP = st.tuples(
    st.sampled_from(["label", "skip", "note", "undo", "redo", "any undo", "any redo"]),
    st.integers(0, 4),
    st.sampled_from("ab"),
    st.sampled_from(["quasar", "star"]),
)


def written(steps):
    """A log as the program writes it, and a few steps that come too late to have an effect."""
    events, answers = [], []
    for i, (what, row, who, label) in enumerate(steps):
        kind, state = what.split()[-1], fold(events)
        if kind in ("undo", "redo"):
            own = state.undoable(who) if kind == "undo" else state.redoable(who)
            target = answers[row % len(answers)] if what.startswith("any") and answers else own
            if target is not None:
                events.append(
                    event(i, i, action=Action(kind), who=who, row=target.item_id, target=target.event_id)
                )
            continue
        events.append(event(i, i, label, action=Action(kind), who=who, row=row))
        answers.append(events[-1])
    return events


@settings(max_examples=150, deadline=None)
@given(st.lists(STEP, max_size=25), st.integers(0, 25))
def test_the_columns_say_what_the_fold_says_at_every_point_of_the_log(steps, n):
    events = written(steps)
    first = columns_of(*events).first(n)
    items = fold(events[:n]).items
    assert sorted(first.row[first.deciding()].tolist()) == sorted(int(i) for i in items)
    labelled = first.labelled()
    assert {str(r): first.labels[c] for r, c in zip(first.row[labelled], first.label[labelled], strict=True)} == {
        i: item.label for i, item in items.items() if item.status == "labelled"
    }


def test_new_events_of_a_real_log_are_taken_in_and_what_was_given_out_stays(tmp_path):
    log = LabelLog(tmp_path / "labels.db")
    kept = LogColumns(SimpleNamespace(log=log, ids=Ids))
    assert len(kept.now()) == 0
    log.append([event(i, i) for i in range(3)])
    before = kept.now()
    undo = log.undo("ada")
    after = kept.now()
    assert (len(before), len(after)) == (3, 4)
    assert undo is not None
    assert after.row[after.labelled()].tolist() == [0, 1]
    assert before.row[before.labelled()].tolist() == [0, 1, 2]
    log.close()


def test_large_steps_are_counted_as_their_events_one_by_one(tmp_path, monkeypatch):
    for module in (events, labels):
        monkeypatch.setattr(module, "MANY", 2)
    log, rng = LabelLog(tmp_path / "labels.sqlite"), np.random.default_rng(5)
    kept = LogColumns(SimpleNamespace(log=log, ids=Ids))
    for turn in range(150):
        who, kind = str(rng.choice(["ada", "bob"])), str(rng.choice(["label", "skip", "undo", "undo", "redo"]))
        rows = rng.choice(9, size=4, replace=False)
        state = log.state()
        if kind == "label":
            names = [str(name) for name in rng.choice(["star", "quasar"], size=4)]
            log.append(
                label_events(event(0, turn, who=who, input="grid"), list(map(str, rows)), names), given_away=True
            )
        elif kind == "skip":
            log.append(event(turn, turn, action=Action.SKIP, who=who, row=rows[0], dwell_ms=turn))
        elif (newest := (state.undoable if kind == "undo" else state.redoable)(who)) is not None:
            batch = state.batch_of(newest, undone=kind == "redo")
            log.append(step_events(Action(kind), batch, who, f"s{turn}"), given_away=True)
        if rng.random() < 0.7:
            kept.now()
    numbered = log.events()
    one_more = LogColumns(SimpleNamespace(log=(stub := SimpleNamespace(state=log.state)), ids=Ids))
    for n in range(1, len(numbered) + 1):
        stub.newer = lambda after, n=n: numbered[after:n]
        singly = one_more.now()
    at_once = kept.now()
    for name in DTYPES:
        np.testing.assert_array_equal(getattr(at_once, name), getattr(singly, name), err_msg=name)
    assert (at_once.labels, at_once.annotators) == (singly.labels, singly.annotators)
    assert at_once.undoes.any() and (at_once.target >= 0).sum() > at_once.undoes.sum()
    log.close()


def test_a_million_events_take_less_than_half_a_second():
    rng, n = np.random.default_rng(0), 1_000_000
    columns = Columns(
        at=BEGAN + np.cumsum(rng.exponential(5, n)),
        action=np.full(n, CODE[Action.LABEL], np.int8),
        row=rng.permutation(n).astype(np.int64),
        label=(rng.random(n) < 0.01).astype(np.int32),
        annotator=rng.integers(0, 3, n).astype(np.int32),
        dwell=rng.exponential(4, n).astype(np.float32),
        by_hand=np.ones(n, bool),
        together=np.zeros(n, bool),
        target=np.full(n, -1, np.int64),
        undoes=np.zeros(n, bool),
        labels=("star", "quasar"),
        annotators=("ada", "bob", "eve"),
    )
    began = time.process_time()
    known = pace(columns, ["quasar"])
    finds_curve(columns, ["quasar"])
    since_break(columns, "ada", BEGAN)
    assert known.n_labels == n
    assert time.process_time() - began < 1.0  # half of it on a quiet machine
