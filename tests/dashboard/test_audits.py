"""The sealed audit of a session: what it asks, what stays sealed, and what survives."""

from __future__ import annotations

import numpy as np
import pytest
from rareloop.dashboard.audits import facts_of
from rareloop.dashboard.reasons import in_words
from rareloop.data.workspace import Workspace

from .test_session import label, opened, run_round, settle, survey, truth


@pytest.fixture
def session(tmp_path):
    one = opened(survey(tmp_path))
    one.update_settings(audit_share=0.5)
    settle(one)
    yield one
    one.close()


def answer(session, n):
    """Give n answers as the page does, in the order of the queue; returns the rows that the audit asked."""
    audited = []
    for _ in range(n):
        queued = session.queue[0]
        label(session, queued.row, round=queued.round)
        settle(session)
        audited += [queued.row] if queued.strategy == "audit" else []
    return audited


def test_the_audit_asks_its_share_without_a_hint(session):
    audited = answer(session, 40)
    assert 16 <= len(audited) <= 22
    asked = [session.asked(row) for row in audited]
    assert all(q.reason is None and q.suggested is None for q in asked)
    assert all(0 < q.probability <= 1 for q in asked)
    assert in_words("audit") != in_words("random")


def test_what_the_audit_asked_is_not_trained_on(session):
    audited = answer(session, 20)
    assert not set(audited) & set(session.labels().rows.tolist())
    assert set(audited) <= set(session.all_labels().rows.tolist())
    task = session.auditor.task()
    assert task.answers.rows.tolist() == audited
    assert task.answers.classes.tolist() == [0 if truth(row) == "quasar" else 1 for row in audited]


def test_estimates_follow_every_answer_of_the_audit(session):
    answer(session, 30)
    run_round(session)
    before = session.estimates["n_audit"]
    while session.queue[0].strategy != "audit":
        answer(session, 1)
    session.loop.n_unseen = -100  # no round is due
    n_rounds = len(session.reports)
    answer(session, 1)
    assert session.estimates["n_audit"] == before + 1 or len(session.reports) > n_rounds


def test_an_answer_that_is_undone_is_asked_again(session):
    audited = answer(session, 21)
    while session.queue[0].strategy != "audit":
        audited += answer(session, 1)
    row = session.queue[0].row
    answer(session, 1)
    session.undo(annotator="ann").result(60)
    run_round(session)
    assert row not in session.auditor.task().answers.rows
    assert next(q.row for q in session.queue if q.strategy == "audit") == row


def test_unsure_and_skipped_answers_of_the_audit(session):
    questions = [q for q in session.queue if q.strategy == "audit"][:2]
    for queued, action in zip(questions, ("unsure", "skip"), strict=True):
        session.decide([{"row": queued.row, "action": action, "round": queued.round}], annotator="ann").result(60)
    settle(session)
    answers = session.auditor.task().answers
    assert (answers.rows.tolist(), answers.classes.tolist()) == ([questions[0].row], [-1])
    assert answers.skipped.tolist() == [questions[1].row]
    run_round(session)
    assert questions[1].row not in [q.row for q in session.queue]
    assert session.report["audit"]["n_unjudged"] == 1


def test_a_question_that_was_put_off_is_asked_again_so_that_later_answers_count(session):
    session.update_settings(audit_share=1.0)
    settle(session)
    first = session.queue[0]
    assert first.strategy == "audit"
    session.decide([{"row": first.row, "action": "skip", "round": first.round}], annotator="ann").result(60)
    run_round(session)
    audited = answer(session, 5)
    assert first.row not in audited
    run_round(session)
    assert session.report["audit"]["n_in_sample"] == 0
    assert session.queue[0].row == first.row
    answer(session, 1)
    run_round(session)
    assert session.report["audit"]["n_in_sample"] == 6


def test_an_item_that_is_relabelled_stays_sealed_and_counts_by_its_newest_label(session):
    audited = answer(session, 20)
    label(session, audited[0], "quasar")
    settle(session)
    task = session.auditor.task()
    place = task.answers.rows.tolist().index(audited[0])
    assert task.answers.classes[place] == 0
    assert task.answers.reached[place]  # the user came upon it by themselves
    assert audited[0] not in session.labels().rows


def test_a_sealed_item_that_a_strategy_asks_for_is_a_hit_once_the_queue_has_passed_it(session):
    audited = answer(session, 30)
    session.update_settings(strategy="random", audit_share=0.0, n_queries=400)
    settle(session)
    record = session.workspace.rounds.newest()
    hidden = [q for q in record.queries if q.selection == "sealed"]
    assert {q.item_id for q in hidden} == {f"o{row}" for row in audited}
    assert not {q.row for q in session.queue} & set(audited)
    first = hidden[0]
    passed = next(q for q in record.queries if q.rank > first.rank and q.selection == "random")
    assert not session.auditor.task().answers.reached.any()
    label(session, int(passed.item_id[1:]), round=record.number)
    hits = session.workspace.audits.hits(session.auditor.audit.number)
    assert hits == {q.item_id for q in hidden if q.rank < passed.rank} >= {first.item_id}


def test_everything_is_found_again_after_a_restart(tmp_path):
    first = opened(survey(tmp_path))
    first.update_settings(audit_share=0.5)
    settle(first)
    answer(first, 20)
    run_round(first)
    before, queue = first.auditor.task(), [q.row for q in first.queue]
    estimates = first.estimates
    first.close()
    again = opened(Workspace.open(first.workspace.folder))
    after = again.auditor.task()
    assert (after.number, after.seed, after.stages) == (before.number, before.seed, before.stages)
    np.testing.assert_array_equal(after.answers.rows, before.answers.rows)
    assert again.estimates["n_audit"] == estimates["n_audit"]
    assert {q.row for q in again.queue if q.strategy == "audit"} <= set(queue) | set(range(400))
    again.close()


def test_a_new_stage_is_kept_in_a_file_and_its_loss_begins_the_audit_again(tmp_path):
    first = opened(survey(tmp_path))
    first.update_settings(audit_share=1.0)
    settle(first)
    for row in (0, 40, 1, 2):
        label(first, row)
    answer(first, 60)
    run_round(first)
    stages = first.auditor.audit.stages
    assert len(stages) == 2
    assert stages[0].reach > 0
    file = first.workspace.folder / "audit" / stages[1].file
    assert np.load(file).shape == (400,)
    sealed = first.auditor.task().answers.rows.tolist()
    first.close()
    file.unlink()
    again = opened(Workspace.open(first.workspace.folder))
    assert again.auditor.audit.number == 2
    assert again.auditor.audit.seed == first.auditor.audit.seed
    assert again.auditor.task().answers.rows.tolist() == sealed  # sealed as before, and counted again in turn
    assert again.report["audit"]["n_in_sample"] >= 50
    again.close()


def test_unsealing_releases_the_answers_and_begins_anew(session):
    audited = answer(session, 20)
    before = session.auditor.audit
    session.unseal().result(60)
    settle(session)
    assert set(audited) <= set(session.labels().rows.tolist())
    assert session.auditor.audit.number == before.number + 1
    assert session.auditor.audit.seed != before.seed
    assert not len(session.auditor.task().answers.rows)


def test_without_a_share_there_is_no_audit(tmp_path):
    workspace = survey(tmp_path)
    workspace.settings["round"] = {"audit_share": 0.0}
    workspace.save()
    one = opened(workspace)
    settle(one)
    assert one.auditor.audit is None
    assert one.report["estimates"] is None
    assert one.report["prevalence_source"].startswith("unknown")
    one.close()


def test_how_far_one_is_is_said_from_fifty_answers_of_the_audit_on(session):
    answer(session, 20)
    (said,) = session.stopping["classes"]
    assert (said["status"], said["class"], said["class_index"]) == ("grey", "quasar", 0)
    assert "of 50 audit questions answered" in said["headline"]
    session.update_settings(audit_share=1.0)
    answer(session, 55)
    run_round(session)
    (said,) = session.stopping["classes"]
    assert said["n_found"] == session.found()["quasar"]
    (entry,) = [e for e in session.estimates["classes"] if e["class"] == 0]
    assert said["total"] == [max(value, said["n_found"]) for value in entry["total"]]
    assert said["total"][1] <= 10 <= said["total"][2]
    assert said["certain"] <= said["n_found"] / 10
    looks = [r["stopping"]["looks"]["0"] for r in session.reports if r["stopping"]["looks"]]
    assert looks[0]["n_audited"] >= 50
    session.unseal().result(60)
    settle(session)
    assert session.stopping["classes"][0]["status"] == "grey"
    assert session.report["stopping"]["audit"] == 2


def test_when_everything_has_a_label_the_search_is_over(session):
    rows = [row for row in range(400) if session.item_state(row).get("label") is None]
    session.decide([{"row": row, "action": "label", "label": truth(row)} for row in rows], annotator="ann").result(
        60
    )
    run_round(session)
    assert session.stopping["classes"][0]["status"] == "green"


def test_a_share_that_is_set_later_begins_an_audit(tmp_path):
    workspace = survey(tmp_path)
    workspace.settings["round"] = {"audit_share": 0.0}
    workspace.save()
    one = opened(workspace)
    one.update_settings(audit_share=0.5)
    settle(one)
    assert one.auditor.audit.number == 1
    assert "audit" in {q.strategy for q in one.queue}
    one.close()


def test_the_facts_of_an_audit_tell_hits_of_strategies_from_other_ones(session):
    assert facts_of(session.workspace, session.state, None) is None
    audited = answer(session, 30)
    stars = [row for row in audited if truth(row) == "star"]
    audit = session.auditor.audit
    session.workspace.audits.add_hits(audit.number, [f"o{stars[0]}", f"o{stars[1]}"], "top", 3)
    session.workspace.audits.add_hits(audit.number, [f"o{stars[2]}"], "campaign")
    label(session, stars[3])  # opened by the user
    questions = [q for q in session.queue if q.strategy == "audit"][:2]
    for queued, action in zip(questions, ("flag", "skip"), strict=True):
        session.decide([{"row": queued.row, "action": action, "round": queued.round}], annotator="ann").result(60)
    facts = facts_of(session.workspace, session.state, audit)
    assert (facts.n_answered, facts.n_unjudged, facts.n_put_off) == (len(audited) + 1, 1, 1)
    assert facts.members == {"quasar": len(audited) - len(stars), "star": len(stars)}
    assert facts.asked_for == {"quasar": 0, "star": 2}
    assert facts.n_differing == 0
    assert facts.sealed_since == audit.sealed_since
