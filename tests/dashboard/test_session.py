"""The session: what a round learns from, what is kept of it, and labels given to twins."""

from __future__ import annotations

import json
import time
from concurrent.futures import Future

import numpy as np
import pandas as pd
import pytest
from rareloop.dashboard.desk import Desk
from rareloop.dashboard.reasons import in_words, plain_name
from rareloop.dashboard.session import LabellingSession
from rareloop.data.errors import InputError
from rareloop.data.workspace import Workspace, workspace_folder
from rareloop.strategies import STRATEGIES, RoundSettings

PATIENCE = 60
N = 400
RARE = range(0, N, 40)
TWINS = {5: (101, 102, 103), 7: (110,)}  # rows with the same features


class Here:
    """The worker's tasks, done at once in the thread that asks."""

    def __init__(self, folder):
        self.desk = Desk(folder)

    def start(self):
        pass

    def submit(self, task, *arguments, progress=None):
        future = Future()
        try:
            future.set_result(getattr(self.desk, task)(progress or (lambda share, text: None), *arguments))
        except Exception as error:
            future.set_exception(error)
        return future

    def close(self):
        pass


def survey(tmp_path):
    rng = np.random.default_rng(0)
    numbers = {name: rng.normal(size=N) for name in ("mag", "colour")}
    numbers["mag"][list(RARE)] += 6
    for first, others in TWINS.items():
        for values in numbers.values():
            values[list(others)] = values[first]
    source = tmp_path / "survey.csv"
    pd.DataFrame({"object": [f"o{i}" for i in range(N)], **numbers}).to_csv(source, index=False)
    workspace = Workspace.create(workspace_folder(source), source)
    workspace.confirm(workspace.roles, ["quasar", "star"], wanted=["quasar"])
    workspace.prepare()
    return workspace


def opened(workspace):
    one = LabellingSession(workspace, "ann")
    one.worker = Here(workspace.folder)
    one.start()
    wait(one, lambda: one.phase == "labelling" and one.reports, "the first round")
    return one


@pytest.fixture
def session(tmp_path):
    one = opened(survey(tmp_path))
    yield one
    one.close()


def wait(session, condition, what):
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, f"never happened: {what} ({session.problem})"
        time.sleep(0.005)


def settle(session):
    """Wait until no round is under way and none is due."""
    wait(session, lambda: session._writer._work_queue.empty() and not session.round_running, "rest")
    session._writer.submit(lambda: None).result(PATIENCE)
    session._writer.submit(lambda: None).result(PATIENCE)


def run_round(session):
    session.start_round()
    settle(session)


def truth(row):
    return "quasar" if row in RARE else "star"


def label(session, row, name=None, **more):
    decision = {"row": row, "action": "label", "label": name or truth(row), **more}
    return session.decide([decision], annotator="ann").result(PATIENCE)


def label_queue(session, n):
    """Label the first items of the queue as the page does; returns them."""
    asked = session.queue[:n]
    for queued in asked:
        label(session, queued.row, round=queued.round)
    return asked


def test_the_default_is_the_default_of_the_rounds(session):
    assert session.settings.strategy == RoundSettings().strategy == "auto"
    label_queue(session, 3)
    label(session, 0)
    settle(session)
    record = session.workspace.rounds.newest()
    assert record.settings["strategy"] == "auto"
    assert set(record.report["arms"][0]) == {"arm", "share", "asked", "found"}


def test_labels_know_what_asked_for_them_in_the_order_in_which_they_were_given(session):
    first, second = label_queue(session, 2)
    label(session, 0)  # looked up by the user
    settle(session)
    third = label_queue(session, 1)[0]
    labels = session.labels()
    assert labels.rows.tolist() == [first.row, second.row, 0, third.row]
    assert labels.arms == (first.strategy, second.strategy, "opened", third.strategy)
    assert labels.rounds.tolist() == [first.round, second.round, -1, third.round]
    assert labels.classes.tolist() == [0 if truth(row) == "quasar" else 1 for row in labels.rows]


def test_a_label_that_is_changed_moves_to_the_end_and_keeps_what_asked_for_it(session):
    first, second = label_queue(session, 2)
    label(session, first.row, "quasar")
    labels = session.labels()
    assert labels.rows.tolist() == [second.row, first.row]
    assert labels.arms == (second.strategy, first.strategy)
    assert labels.rounds.tolist() == [second.round, first.round]
    session.undo(annotator="ann").result(PATIENCE)
    assert session.labels().rows.tolist() == [first.row, second.row]


def test_an_answer_that_is_brought_back_stands_where_it_was_given(session):
    first, second = label_queue(session, 2)
    session.undo(annotator="ann").result(PATIENCE)
    session.undo(annotator="ann").result(PATIENCE)
    session.redo(annotator="ann").result(PATIENCE)
    session.redo(annotator="ann").result(PATIENCE)
    assert session.labels().rows.tolist() == [first.row, second.row]


def test_labels_to_start_from_are_named_so(tmp_path):
    workspace = survey(tmp_path)
    workspace.close()
    frame = pd.read_csv(workspace.source)
    frame["kind"] = [truth(i) if i < 50 else None for i in range(N)]
    source = tmp_path / "known.csv"
    frame.to_csv(source, index=False)
    made = Workspace.create(workspace_folder(source), source)
    made.confirm(made.roles, [], wanted=["quasar"])
    made.prepare()
    session = opened(made)
    labels = session.labels()
    assert labels.rows.tolist() == list(range(50))
    assert set(labels.arms) == {"imported"}
    assert set(labels.rounds.tolist()) == {-1}
    session.close()


def test_every_query_is_logged_with_its_arm_and_how_it_was_chosen(session):
    session.update_settings(shares=[("lookout", 2), ("top", 1)])
    settle(session)
    label(session, 0)
    label(session, 1)
    settle(session)
    record = session.workspace.rounds.newest()
    assert record.report["n_labels"] == 2
    for query in record.queries:
        assert 0 < query.arm_probability <= 1
        assert query.selection == ("random" if query.strategy in ("random", "audit") else "deterministic")
        assert (query.probability is not None) == (query.selection == "random")
        assert query.strategy == "audit" or set(query.reason) == {"neighbours", "unusual"}
    explained = [query for query in record.queries if query.reason]
    by_name = {name: item for query in explained for name, item, _ in query.reason["neighbours"]}
    assert by_name == {"quasar": "o0", "star": "o1"}
    assert {name for query in explained for name, _ in query.reason["unusual"]} <= {"mag", "colour"}
    assert any(query.reason["unusual"] for query in explained if query.strategy == "lookout")
    assert json.dumps(record.report)


def test_a_strategy_of_the_users_own_may_draw_so_its_choice_is_not_called_deterministic(session):
    session.update_settings(strategy="rareloop.tests.dashboard.test_session:first_ones", audit_share=0.0)
    label(session, 0)
    label(session, 1)
    settle(session)
    record = session.workspace.rounds.newest()
    assert {query.selection for query in record.queries} == {"unknown"}


def first_ones(learner, X_pool, n_instances=1):
    return np.arange(n_instances)


def test_the_queue_of_the_last_round_comes_back_with_its_reasons(session, tmp_path):
    label(session, 0)
    label(session, 1)
    settle(session)
    before = {queued.row: queued for queued in session.queue}
    folder = session.workspace.folder
    session.close()
    again = LabellingSession(Workspace.open(folder), "ann")
    again.workspace.reload()
    again.questions.restore()
    assert [queued.row for queued in again.queue] == list(before)
    for queued in again.queue:
        old = before[queued.row]
        assert (queued.reason, queued.arm_probability, queued.selection) == (
            old.reason, old.arm_probability, old.selection,
        )  # fmt: skip
    again.close()


# ---- twins ------------------------------------------------------------------------------------------


def names_of(session, rows):
    return [session.item_state(row).get("label") for row in rows]


def test_twins_are_labelled_in_one_step_and_taken_back_in_one(session):
    label(session, 5, "star")
    label(session, 7, "quasar")
    settle(session)
    assert sorted(session.duplicates) == [(101, 1), (102, 1), (103, 1), (110, 0)]
    commit = session.propagate_duplicates(annotator="ann").result(PATIENCE)
    assert sorted(commit.rows) == [101, 102, 103, 110]
    assert names_of(session, (101, 102, 103, 110)) == ["star", "star", "star", "quasar"]
    assert {(e.input, e.strategy, e.probability) for e in commit.events} == {("propagated", "duplicate", None)}
    assert len({e.created_at for e in commit.events}) == 1
    assert session.duplicates == ()
    labels = session.labels()
    assert labels.arms[-4:] == ("duplicate",) * 4

    taken_back = session.undo(annotator="ann").result(PATIENCE)
    assert sorted(taken_back.rows) == [101, 102, 103, 110]
    assert session.state.n_labelled == 2
    brought_back = session.redo(annotator="ann").result(PATIENCE)
    assert sorted(brought_back.rows) == [101, 102, 103, 110]
    assert names_of(session, (101, 110)) == ["star", "quasar"]
    for _ in range(3):
        session.undo(annotator="ann").result(PATIENCE)
    assert session.state.n_labelled == 0


def test_an_undo_of_a_step_that_is_sent_twice_undoes_once(session):
    label(session, 5, "star")
    run_round(session)
    session.propagate_duplicates(annotator="ann").result(PATIENCE)
    event_id = "0190-undo"
    session.undo(event_id, annotator="ann").result(PATIENCE)
    session.undo(event_id, annotator="ann").result(PATIENCE)
    assert session.state.n_labelled == 1


def test_twins_of_items_that_disagree_are_left_alone(session):
    label(session, 5, "star")
    run_round(session)
    assert len(session.duplicates) == 3
    label(session, 102, "quasar")  # since that round
    commit = session.propagate_duplicates(annotator="ann").result(PATIENCE)
    assert commit.events == ()
    assert names_of(session, (101, 103)) == [None, None]
    run_round(session)
    assert session.report["n_duplicates"] == 2
    assert session.duplicates == ()


def test_a_twin_that_was_answered_otherwise_keeps_its_answer(session):
    label(session, 5, "star")
    run_round(session)
    session.decide([{"row": 101, "action": "flag"}], annotator="ann").result(PATIENCE)
    session.propagate_duplicates(annotator="ann").result(PATIENCE)
    assert session.item_state(101)["status"] == "flagged"
    assert names_of(session, (102, 103)) == ["star", "star"]


def test_without_twins_there_is_nothing_to_label(session):
    assert session.propagate_duplicates(annotator="ann").result(PATIENCE).events == ()
    assert session.workspace.log.events() == []


# ---- words ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*STRATEGIES, "anchors: margin", "seals: top", "mine:choose"])
def test_every_strategy_has_words(name):
    words = in_words(name)
    assert words[0].isupper() and not words.endswith(".")
    assert plain_name(name)
    assert ("neighbours of" in words) == name.startswith(("anchors", "seals"))


def test_a_strategy_of_the_users_own_is_named():
    assert "mine:choose" in in_words("mine:choose")
    assert "mine:choose" in in_words("anchors: mine:choose")


def test_shares_that_are_not_allowed_change_nothing(session):
    with pytest.raises(InputError, match="no arm 'nope'"):
        session.update_settings(shares=(("nope", 1.0),))
    assert session.settings.shares == ()


def test_a_round_that_takes_long_never_leaves_the_page_without_a_question(session):
    session.worker.submit = lambda *arguments, **more: Future()  # a round that never ends
    session.start_round()
    wait(session, lambda: session.round_running, "the round")
    n_asked = len(session.queue)
    for _ in range(n_asked + 30):
        [asked] = label_queue(session, 1)
        assert asked.row not in [queued.row for queued in session.queue]
    assert session.queue
    assert {queued.strategy for queued in session.queue} == {"random"}
    assert all(0 < queued.probability <= 1 for queued in session.queue)
    rows = [queued.row for queued in session.queue]
    assert len(rows) == len(set(rows))
    assert len(session.state.items) == n_asked + 30
