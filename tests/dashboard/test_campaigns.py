"""Audit campaigns of a session: plan, questions, restarts, and the certificate at the end."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from rareloop.dashboard.campaigns import in_turn
from rareloop.dashboard.certificates import as_html
from rareloop.dashboard.reasons import in_words
from rareloop.data.errors import InputError
from rareloop.data.workspace import Workspace
from rareloop.strategies.certificate import markdown

from .test_session import RARE, label, opened, settle, survey, truth, wait

SIZES = (20, 60, 1000)


def trained(tmp_path, share=0.5, n=14):
    """A session with a model: some items of both classes, and answers of the sealed audit."""
    one = opened(survey(tmp_path))
    one.update_settings(audit_share=share)
    for row in (0, 40, 1, 2, 3):
        label(one, row)
    settle(one)
    for _ in range(n):
        answer(one)
    settle(one)
    return one


@pytest.fixture(scope="module")
def trained_folder(tmp_path_factory):
    """The workspace of a session that was trained; what takes long in these tests is done once."""
    one = trained(tmp_path_factory.mktemp("trained"))
    one.close()
    return one.workspace.folder


@pytest.fixture
def session(trained_folder, tmp_path):
    one = opened(Workspace.open(shutil.copytree(trained_folder, tmp_path / trained_folder.name)))
    settle(one)
    yield one
    one.close()


def answer(session, action="label"):
    """Answer the first question as the page does; returns it."""
    queued = session.queue[0]
    if action == "label":
        label(session, queued.row, round=queued.round)
    else:
        session.decide([{"row": queued.row, "action": action, "round": queued.round}], annotator="ann").result(60)
    return queued


def begin(session, n):
    status = session.begin_campaign(n).result(60)
    settle(session)
    return status


def finish(session):
    """Answer all that is asked; returns the certificate."""
    n_before = len(session.certificates())
    for _ in range(1000):
        if not session.campaign:
            break
        if session.queue:
            answer(session)
        settle(session)
    wait(session, lambda: not session.campaign, "the end of the campaign")
    assert len(session.certificates()) == n_before + 1
    return session.certificates()[0].certificate


def drawn_rows(session):
    return [int(item.item_id[1:]) for item in session.campaigner.record.items]


# ---- plan and beginning -----------------------------------------------------------------------------


def test_a_plan_says_what_more_answers_would_tell(session):
    plan = session.plan_campaign(SIZES).result(60)
    n_reached = len(session.labels().rows)
    assert plan["n_rest"] == 400 - n_reached
    assert [entry["labels"] for entry in plan["widths"]] == [20, 60, plan["n_rest"]]
    assert sum(stratum["size"] for stratum in plan["strata"]) == plan["n_rest"]
    widths = [entry["classes"][0]["prevalence"] for entry in plan["widths"]]
    assert widths[0][1] - widths[0][0] > widths[1][1] - widths[1][0] > widths[2][1] - widths[2][0]
    assert json.dumps(plan)
    assert not session.campaign


def test_a_model_that_is_too_slow_for_every_round_scores_the_pool_once_for_a_campaign(session):
    session.update_settings(classifier="forest", anchors_above=10)
    settle(session)
    frozen = session.worker.desk._frozen
    assert frozen.scoring.probabilities is None
    told = []
    plan = session.plan_campaign(SIZES, lambda share, text: told.append(text)).result(60)
    assert told == ["scoring the pool"]
    n_predicted = plan["strata"][0]["size"]
    status = session.begin_campaign(20, lambda share, text: told.append(text)).result(60)
    assert len(told) == 1
    design = session.campaigner.record.design
    assert (status["round"], design["settings"]["classifier"]) == (frozen.number, "forest")
    assert design["strata"]["sizes"][0] == n_predicted


def test_the_questions_of_a_campaign_are_the_queue_without_a_hint(session):
    n_sealed = len(session.auditor.task().answers.rows)
    status = begin(session, 60)
    assert n_sealed >= 5
    assert (status["number"], status["n"], status["classes"]) == (1, 60, ["quasar"])
    assert {q.strategy for q in session.queue} == {"campaign"}
    assert all(q.reason is None and q.suggested is None and 0 < q.probability <= 1 for q in session.queue)
    asked = [q.row for q in session.queue]
    assert asked == [row for row in drawn_rows(session) if not session.item_state(row)][: len(asked)]
    assert "without a hint" in in_words("campaign")
    assert session.duplicates == ()


def test_no_round_runs_while_the_model_is_frozen_and_one_follows(session):
    begin(session, 12)
    before = len(session.reports)
    session.update_settings(classifier="forest")
    session.start_round()
    for _ in range(6):
        answer(session)
    settle(session)
    assert len(session.reports) == before
    assert session.propagate_duplicates(annotator="ann").result(60).events == ()
    certificate = finish(session)
    settle(session)
    assert "logistic" in certificate["facts"]["Model"]
    newest = session.workspace.rounds.newest()
    assert newest.number > before
    assert newest.settings["classifier"] == "forest"
    assert session.queue
    assert "campaign" not in {q.strategy for q in session.queue}
    assert set(session.labels().arms) >= {"campaign"}


# ---- what it says -----------------------------------------------------------------------------------


def test_a_campaign_of_all_items_tells_the_truth(session):
    known = {row for row in RARE if session.item_state(row) and not session.auditor.has_sealed(row)}
    n_rest = session.plan_campaign(SIZES).result(60)["n_rest"]
    begin(session, n_rest)
    certificate = finish(session)
    one = certificate["classes"][0]
    assert certificate["complete"]
    assert one["n_found"] == len(known)
    assert one["n_members"] == len(RARE) - len(known)
    for mode in ("default", "guarantee"):
        assert one[mode]["total"] == [len(RARE)] * 3
        assert one[mode]["prevalence"] == pytest.approx([len(RARE) / 400] * 3)
    assert sum(stratum["size"] for stratum in certificate["design"]) == n_rest


def test_intervals_hold_the_truth(session):
    begin(session, 150)
    one = finish(session)["classes"][0]
    _, low, high = one["guarantee"]["total"]
    assert low <= len(RARE) <= high
    _, low, high = one["guarantee"]["completeness"]
    assert 0 <= low <= high <= 1


def test_a_certificate_is_kept_as_files_and_in_the_log(session):
    begin(session, 10)
    certificate = finish(session)
    folder = session.workspace.folder / "certificates"
    assert json.loads((folder / "certificate-001.json").read_text()) == certificate
    page = (folder / "certificate-001.md").read_text()
    assert page.startswith("# Certificate")
    assert session.workspace.fingerprint.sha256 in page
    assert sorted(path.name for path in folder.iterdir()) == ["certificate-001.json", "certificate-001.md"]
    assert session.certificates()[0].status == "done"
    begin(session, 5)
    finish(session)
    assert [record.number for record in session.certificates()] == [2, 1]


def test_sealed_items_that_are_drawn_are_answered_already_and_become_hits(session):
    sealed = set(session.auditor.task().answers.rows.tolist())
    begin(session, 200)
    drawn = sealed & set(drawn_rows(session))
    assert drawn
    assert session.campaign["n_answered"] == len(drawn)
    assert not drawn & {q.row for q in session.queue}
    assert not session.workspace.audits.hits(session.auditor.audit.number)
    certificate = finish(session)
    assert certificate["facts"]["Answers that were known before"] == len(drawn)
    assert session.workspace.audits.hits(session.auditor.audit.number) == {f"o{row}" for row in drawn}
    settle(session)
    assert not drawn & set(session.labels().rows.tolist())  # the model still does not learn them


def test_what_is_broken_off_counts_up_to_the_first_question_without_an_answer(session):
    begin(session, 80)
    for _ in range(7):
        answer(session)
    late = session.queue[10].row
    label(session, late)  # looked up by the user, out of order
    counted = session.campaigner.counted()
    first_open = drawn_rows(session).index(session.queue[0].row)
    certificate = session.end_campaign().result(60)
    settle(session)
    assert certificate["n_answered"] == first_open == len(counted)
    assert not certificate["complete"]
    assert session.certificates()[0].status == "stopped"
    assert session.campaign == {}
    hits = session.workspace.audits.hits(session.auditor.audit.number)
    assert len(hits) == certificate["facts"]["Answers that were known before"]


def test_a_campaign_without_an_answer_leaves_no_certificate(tmp_path):
    one = trained(tmp_path, share=0.0, n=2)
    assert one.auditor.audit is None or not len(one.auditor.task().answers.rows)
    begin(one, 20)
    assert one.end_campaign().result(60) is None
    assert one.certificates() == []
    assert one.workspace.campaigns.records()[0].status == "stopped"
    assert not (one.workspace.folder / "certificates").exists()
    one.close()


def test_without_an_audit_a_campaign_works_too(tmp_path):
    workspace = survey(tmp_path)
    workspace.settings["round"] = {"audit_share": 0.0}
    workspace.save()
    one = opened(workspace)
    for row in (0, 40, 1, 2):
        label(one, row)
    settle(one)
    assert one.auditor.audit is None
    begin(one, 15)
    certificate = finish(one)
    assert certificate["n_answered"] == 15
    assert "fitted for the campaign" in certificate["facts"]["Model"]
    one.close()


# ---- answers of other kinds -------------------------------------------------------------------------


def test_what_is_put_off_comes_back_at_the_end(session):
    begin(session, 12)
    skipped = [answer(session, "skip").row, answer(session, "skip").row]
    assert not set(skipped) & {q.row for q in session.queue[:-2]}
    assert [q.row for q in session.queue[-2:]] == skipped
    while session.queue[0].row not in skipped:
        answer(session)
    assert session.campaign["n_put_off"] == 2
    answer(session, "skip")  # once more: the other one is next
    assert [q.row for q in session.queue] == skipped[::-1]
    certificate = finish(session)
    assert certificate["n_unjudged"] == 0
    assert certificate["complete"]


def test_unsure_and_flag_are_answers_and_what_stays_put_off_counts_as_not_judged(session):
    begin(session, 40)
    for action in ("unsure", "flag", "skip", "label"):
        answer(session, action)
    assert session.campaign["n_put_off"] == 1
    certificate = session.end_campaign().result(60)
    assert certificate["n_unjudged"] == 3
    assert certificate["facts"]["Questions put off, counted as not judged"] == 1


def test_undo_asks_again(session):
    begin(session, 30)
    first = answer(session)
    second = answer(session)
    n = session.campaign["n_answered"]
    session.undo(annotator="ann").result(60)
    assert session.queue[0].row == second.row
    assert session.campaign["n_answered"] == n - 1
    session.undo(annotator="ann").result(60)
    assert [q.row for q in session.queue[:2]] == [first.row, second.row]
    session.redo(annotator="ann").result(60)
    assert session.queue[0].row == second.row
    assert session.item_state(first.row)["label"] == truth(first.row)


def test_an_answer_that_changes_while_the_certificate_is_made_keeps_the_campaign_open(session):
    begin(session, 12)
    while len(session.queue) > 1:
        answer(session)
    last, real = session.queue[0], session.worker.submit
    waiting = Future()

    def slow(task, *arguments, progress=None):
        if task != "certify" or waiting.done():
            return real(task, *arguments, progress=progress)
        return waiting

    session.worker.submit = slow
    answer(session)
    assert session.queue == ()
    session.undo(annotator="ann").result(60)
    waiting.set_result({})
    settle(session)
    assert session.queue[0].row == last.row
    assert session.certificates() == []
    assert finish(session)["complete"]


# ---- restarts and refusals --------------------------------------------------------------------------


def test_a_restart_in_the_middle_goes_on_where_it_was(tmp_path):
    first = trained(tmp_path)
    begin(first, 40)
    for _ in range(6):
        answer(first)
    before, status, reports = [q.row for q in first.queue], first.campaign, len(first.reports)
    first.close()
    again = opened(Workspace.open(first.workspace.folder))
    settle(again)
    assert [q.row for q in again.queue] == before
    assert again.campaign == status
    assert len(again.reports) == reports
    certificate = finish(again)
    assert certificate["complete"]
    settle(again)
    assert len(again.reports) > reports
    again.close()


def test_a_restart_after_the_last_answer_makes_the_certificate(tmp_path):
    first = trained(tmp_path)
    begin(first, 10)
    while len(first.queue) > 1:
        answer(first)
    first.worker.submit = lambda *args, **more: Future()  # stopped before it could be made
    answer(first)
    first.close()
    again = opened(Workspace.open(first.workspace.folder))
    wait(again, again.certificates, "the certificate")
    settle(again)
    assert again.campaign == {}
    again.close()


def test_a_table_that_has_grown_ends_the_campaign_with_what_it_has(tmp_path):
    first = trained(tmp_path)
    begin(first, 60)
    for _ in range(3):
        answer(first)
    first.close()
    with first.workspace.source.open("a") as file:
        file.write("o400,0.5,0.5\n")
    grown = Workspace.open(first.workspace.folder, accept_change=True)
    grown.prepare()
    again = opened(grown)
    wait(again, again.certificates, "the certificate")
    record = again.certificates()[0]
    assert record.status == "stopped"
    assert record.certificate["n_items"] == 400
    assert record.certificate["facts"]["SHA-256 of the table"] == record.design["table"]["sha256"]
    again.close()


def test_a_certificate_that_cannot_be_written_is_said_and_can_be_made_again(session):
    blocked = session.workspace.folder / "certificates"
    blocked.write_text("in the way")
    begin(session, 5)
    while session.queue and session.campaign:
        answer(session)
        settle(session)
    assert "certificate could not be made" in session.problem
    assert session.campaign["n_answered"] == 5
    blocked.unlink()
    assert session.end_campaign().result(60)["complete"]
    assert session.problem == ""


def test_numbers_that_make_no_campaign_are_refused(session):
    for n, words in ((401, "choose"), (0, "1 at least"), (-3, "1 at least"), (2.5, "1 at least"), (True, "1 at")):
        with pytest.raises(InputError, match=words):
            session.begin_campaign(n).result(60)
        settle(session)
        assert session.campaign == {}
    before = len(session.reports)
    session.start_round()
    settle(session)
    assert len(session.reports) == before + 1  # the model is not frozen


def test_one_campaign_at_a_time(session):
    begin(session, 10)
    for refused in (session.begin_campaign(5), session.plan_campaign(SIZES)):
        with pytest.raises(InputError, match="campaign 1 is under way"):
            refused.result(60)
    assert session.campaign["n"] == 10
    session.end_campaign().result(60)
    with pytest.raises(InputError, match="no campaign is under way"):
        session.end_campaign().result(60)


def test_a_second_beginning_does_not_thaw_the_first(session):
    real, waiting = session.worker.submit, Future()
    session.worker.submit = lambda *args, **more: waiting
    first = session.begin_campaign(8)
    with pytest.raises(InputError, match="being drawn"):
        session.begin_campaign(8).result(60)
    assert session.campaigner.is_under_way
    session.worker.submit = real
    waiting.set_exception(RuntimeError("stopped"))
    with pytest.raises(RuntimeError):
        first.result(60)
    settle(session)
    assert not session.campaigner.is_under_way


def test_without_a_model_or_a_class_there_is_no_campaign(tmp_path):
    one = opened(survey(tmp_path))
    with pytest.raises(InputError, match="there is no model yet"):
        one.plan_campaign(SIZES).result(60)
    one.set_wanted([], annotator="ann")
    settle(one)
    with pytest.raises(InputError, match="no class is looked for"):
        one.begin_campaign(5).result(60)
    one.close()


# ---- pieces -----------------------------------------------------------------------------------------


def test_steps_follow_one_another_and_the_first_error_ends_them():
    with ThreadPoolExecutor(1) as thread:
        ready = Future()
        chained = in_turn(thread, lambda: ready, lambda value: value + 1, lambda value: value * 2)
        assert thread.submit(lambda: "free").result(10) == "free"  # while the first step is waited for
        ready.set_result(3)
        assert chained.result(10) == 8
        with pytest.raises(ZeroDivisionError):
            in_turn(thread, lambda: 1 / 0, lambda value: value).result(10)
    closed = in_turn_after_closing()
    with pytest.raises(RuntimeError):
        closed.result(10)


def in_turn_after_closing():
    thread, ready = ThreadPoolExecutor(1), Future()
    chained = in_turn(thread, lambda: ready, lambda value: value)
    thread.shutdown()
    ready.set_result(1)
    return chained


def test_names_in_a_certificate_stay_text_on_its_page(session):
    begin(session, 5)
    certificate = finish(session)
    certificate["facts"]["Table"] = "<img src=x> | [a](http://b)"
    page = as_html(certificate)
    assert "<img" not in page
    assert "&lt;img src=x&gt; | [a](http://b)" in page
    assert page.count("<tr>") == sum(line.startswith("| ") for line in markdown(certificate).splitlines()) - 3
    rows = [part.count("<td>") for part in page.split("<tr>") if "<td>" in part]
    assert set(rows) <= {2, 4, 6}
