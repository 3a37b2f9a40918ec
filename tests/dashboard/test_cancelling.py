"""Cancelled rounds and scores: what the session is afterwards, and when the next round starts."""

from __future__ import annotations

import pytest
from rareloop.dashboard import worker as worker_module
from rareloop.dashboard.items import ItemCards
from rareloop.dashboard.page import Page
from rareloop.dashboard.pool_scores import CANCELLED, MODEL
from rareloop.dashboard.session import LabellingSession
from rareloop.dashboard.views.map_colours import PREDICTED, coloured
from rareloop.dashboard.views.work import WorkNotes
from rareloop.data.errors import InputError
from rareloop.tests.dashboard.test_session import label, label_queue, survey, wait
from rareloop.tests.dashboard.waiting import STRATEGY, a_gate


@pytest.fixture
def gate():
    with a_gate() as one:
        one.open()
        yield one


@pytest.fixture
def session(tmp_path, gate):
    """A session with its own process, and a model."""
    workspace = survey(tmp_path)
    workspace.settings["round"] = {"audit_share": 0.0}
    workspace.save()
    one = LabellingSession(workspace, "ann")
    one.start()
    wait(one, lambda: one.phase == "labelling" and one.reports, "the first round")
    label(one, 0)
    label(one, 1)
    rest(one)
    assert one.report["has_model"]
    yield one
    one.close()


def rest(session):
    wait(session, lambda: session._writer._work_queue.empty() and not session.round_running, "rest")
    session.afterwards(lambda: None).result(30)
    wait(session, lambda: not session.round_running, "rest")


def hold_a_round(session, gate):
    """Have a round under way that waits; returns its task."""
    gate.shut()
    session.update_settings(strategy=STRATEGY)
    wait(session, lambda: gate.has_begun, "the strategy has begun")
    (task,) = session.tasks.running
    return task


def test_a_cancelled_round_leaves_all_as_it_was_and_says_when_the_next_one_starts(session, gate):
    notes = WorkNotes(Page(session, ItemCards(session.workspace)))
    task = hold_a_round(session, gate)
    before, queue, report = session.state.n_labelled, session.queue, session.report
    (shown,) = notes.bar._state["work"]
    assert (shown["title"], shown["cancellable"], shown["patient"]) == (f"Round {report['round'] + 1}", True, True)
    assert shown["text"] == "choosing what to ask next"
    assert 0 < shown["share"] < 1
    label_queue(session, 2)  # labelling goes on meanwhile
    task.cancel()
    assert (task.is_cancellable, task.text) == (False, "being cancelled …")
    gate.open()
    wait(session, lambda: not session.round_running, "the end of the round")
    assert session.problem == f"Round {report['round'] + 1} cancelled; the next one starts after 3 more labels."
    assert session.tasks.said[0] == session.problem
    assert session.state.n_labelled == before + 2
    assert session.queue == queue[2:]
    assert session.report == report
    label_queue(session, 2)
    rest(session)
    assert session.report == report
    label_queue(session, 1)
    wait(session, lambda: session.report["round"] == report["round"] + 1, "the next round")
    assert session.problem == ""
    assert session.report["n_labels"] == before + 5


def test_a_round_asked_for_meanwhile_starts_when_the_one_under_way_is_cancelled(session, gate):
    task, number = hold_a_round(session, gate), session.report["round"]
    session.update_settings(strategy="random")
    session.afterwards(lambda: None).result(30)
    task.cancel()
    gate.open()
    wait(session, lambda: session.report["round"] == number + 1, "the round with the new strategy")
    assert (
        session.tasks.said[0] == f"Round {number + 1} cancelled; the one that was asked for meanwhile starts now."
    )
    assert {queued.strategy for queued in session.queue} == {"random"}


def test_after_a_process_that_had_to_be_killed_scores_and_campaigns_know_the_model(session, gate, monkeypatch):
    monkeypatch.setattr(worker_module, "GRACE", 0.2)
    task, report = hold_a_round(session, gate), session.report
    process = session.worker._process
    task.cancel()  # the strategy never listens
    wait(session, lambda: not session.round_running, "the end of the round")
    assert "cancelled; the next one starts after" in session.problem
    session.scores.wanted([MODEL]).result(30)
    assert session.worker._process is not process
    assert session.scores.model.round == report["round"]
    plan = session.plan_campaign([10]).result(30)
    assert plan["widths"][0]["labels"] == 10
    gate.open()
    label_queue(session, 5)
    wait(session, lambda: session.report["round"] > report["round"], "the next round")


def test_cancelled_scores_are_not_made_again_until_they_are_asked_for(session, gate):
    hold_a_round(session, gate)
    wanted = session.scores.wanted([MODEL])
    scoring = session.tasks.running[-1]
    assert scoring.title == "Scoring the pool"
    scoring.cancel()
    with pytest.raises(InputError, match="cancelled"):
        wanted.result(30)
    assert session.scores.why[MODEL] == CANCELLED
    session.scores.renew(MODEL)  # as a map does that shows them
    assert len(session.tasks.running) == 1
    again = session.scores.wanted([MODEL])
    assert MODEL not in session.scores.why
    gate.open()
    again.result(30)


def test_a_plan_that_is_cancelled_can_be_asked_for_again(session, gate):
    hold_a_round(session, gate)
    plan = session.plan_campaign([10])
    wait(session, lambda: len(session.tasks.running) == 2, "the plan waits")
    session.tasks.running[1].cancel()
    with pytest.raises(InputError, match="cancelled: start it again"):
        plan.result(30)
    assert session.tasks.said[0] == "Plan of a campaign: cancelled. It can be started again."
    gate.open()
    session.plan_campaign([10]).result(30)


def test_a_map_says_that_its_colour_was_cancelled_and_chosen_again_it_comes(session, gate):
    hold_a_round(session, gate)
    session.scores.renew(MODEL)
    session.tasks.running[-1].cancel()
    found = coloured(session, PREDICTED)
    assert (found.colouring, found.legend.note) == (None, CANCELLED)
    session.scores.ask_again(MODEL)
    session.scores.renew(MODEL)
    assert "being worked out" in coloured(session, PREDICTED).legend.note
    gate.open()
    wait(session, lambda: session.scores.is_fresh(MODEL) or not session.tasks.running, "the scores")
    assert coloured(session, PREDICTED).colouring is not None
