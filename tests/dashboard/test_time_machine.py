"""The past, as the fold of the first entries says it."""

from __future__ import annotations

import time
from datetime import timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from rareloop.dashboard.log_columns import CODE, Columns
from rareloop.dashboard.time_machine import found_over_log, labels_as_of, moment
from rareloop.data.events import Action, class_event
from rareloop.data.log_state import fold
from rareloop.tests.dashboard.test_pace import BEGAN, BEGIN, STEP, columns_of, event, written

NAMES = ["quasar", "star"]


@settings(max_examples=100, deadline=None)
@given(st.lists(STEP, max_size=25), st.integers(0, 30))
def test_counts_and_labels_as_of_an_entry_are_those_of_the_fold(steps, n):
    events = written(steps)
    columns, then = columns_of(*events), fold(events[:n])
    known = moment(columns, n, NAMES)
    assert known.counts == {name: then.counts.get(name, 0) for name in NAMES}
    assert known.n_labels == then.n_labelled
    assert known.n == min(n, len(events))
    rows, classes = labels_as_of(columns, n, NAMES)
    labelled = {i: item.label for i, item in then.items.items() if item.status == "labelled"}
    assert {str(r): NAMES[c] for r, c in zip(rows, classes, strict=True)} == labelled


def test_the_round_is_the_newest_one_that_was_ready_then():
    columns = columns_of(*(event(i, 10 * i) for i in range(5)))
    reports = [{"round": number, "n_labels": number} for number in (1, 2, 3)]
    made_at = {1: BEGIN + timedelta(seconds=5), 2: BEGIN + timedelta(seconds=30), 3: BEGIN + timedelta(seconds=99)}
    rounds = [moment(columns, n, NAMES, reports, made_at).report.get("round") for n in range(6)]
    assert rounds == [None, None, 1, 1, 2, 2]


def test_a_round_that_could_not_be_stored_is_passed_over():
    columns = columns_of(event(0, 10))
    assert moment(columns, 1, NAMES, [{"round": 1}], {}).report == {}


def test_the_curve_rises_at_the_entries_of_labels_that_are_still_in_force():
    columns = columns_of(
        event(0, 0, "quasar"),
        event(1, 1),
        event(2, 2, "quasar"),
        event(3, 3, action=Action.UNDO, row=2, target="e2"),
        event(4, 4, "quasar"),
    )
    entries, found = found_over_log(columns, "quasar")
    assert entries.tolist() == [0, 1, 5, 5]
    assert found.tolist() == [0, 1, 2, 2]
    assert found_over_log(columns, "unknown")[1].tolist() == [0, 0]


def test_labels_go_by_what_their_classes_are_called_now():
    changed = BEGIN + timedelta(seconds=9)
    columns = columns_of(
        class_event(Action.CLASS_ADD, "quasar", "ada", BEGIN),
        class_event(Action.CLASS_ADD, "qso", "ada", BEGIN),
        class_event(Action.CLASS_ADD, "star", "ada", BEGIN),
        event(0, 0, "quasar"),
        event(1, 1, "qso"),
        event(2, 2, "star"),
        class_event(Action.CLASS_MERGE, "qso", "ada", changed, {"into": "quasar"}),
        class_event(Action.CLASS_RENAME, "star", "ada", changed, {"to": "sun"}),
        event(3, 12, "sun"),
    )
    names = ["quasar", "sun"]
    assert moment(columns, 6, names).counts == {"quasar": 2, "sun": 1}
    assert moment(columns, 9, names).counts == {"quasar": 2, "sun": 2}
    assert labels_as_of(columns, 9, names)[1].tolist() == [0, 0, 1, 1]
    assert found_over_log(columns, "quasar")[1].tolist() == [0, 1, 2, 2]


def test_a_place_in_a_log_of_100_000_entries_is_there_at_once():
    rng, n = np.random.default_rng(0), 100_000
    columns = Columns(
        at=BEGAN + np.arange(n, dtype=float),
        action=np.full(n, CODE[Action.LABEL], np.int8),
        row=rng.integers(0, 1_000_000, n),
        label=rng.integers(0, 2, n).astype(np.int32),
        annotator=np.zeros(n, np.int32),
        dwell=np.ones(n, np.float32),
        by_hand=np.ones(n, bool),
        together=np.zeros(n, bool),
        target=np.full(n, -1, np.int64),
        undoes=np.zeros(n, bool),
        labels=tuple(NAMES),
        annotators=("ada",),
    )
    began = time.process_time()
    for place in range(0, n, n // 10):
        moment(columns, place, NAMES)
        labels_as_of(columns, place, NAMES)
    assert time.process_time() - began < 10 * 0.1
