"""Labelling a selection at once: what is left alone, what a sample says, and one step to take back."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from rareloop.dashboard import session as session_module
from rareloop.dashboard.bulk import _purity, contents_of
from rareloop.dashboard.items import ItemCards
from rareloop.dashboard.page import Page
from rareloop.dashboard.reasons import AUDIT, BULK, PURITY
from rareloop.data.bulk import look_through
from rareloop.data.errors import InputError
from rareloop.tests.dashboard.test_session import PATIENCE, RARE, label, label_queue, opened, settle, survey

STARS = np.array([row for row in range(60) if row not in RARE])


def answer_sample(session, names):
    for row, name in zip(session.bulker.check.sample, names, strict=True):
        label(session, row, name)


def test_a_checked_selection_gets_its_label_in_one_step_that_one_undo_takes_back(session):
    session.workspace.guidelines.add("Look twice.", "ann")
    label(session, int(STARS[0]), "quasar")
    check = session.bulker.begin(STARS, "lasso on the map", "star", 10)
    assert check.n_open == len(STARS) - 1
    assert not {q.row for q in session.queue} & set(check.sample)
    answer_sample(session, ["star"] * 9 + ["quasar"])
    verdict = session.bulker.verdict()
    assert (verdict.n_answered, verdict.n_right) == (10, 9)
    assert 0.5 < verdict.purity.low < 0.9 < verdict.purity.high <= 1
    commit = session.bulker.label(STARS, "lasso on the map", "star", annotator="ann").result(PATIENCE)
    settle(session)
    assert len(commit.events) == len(STARS) - 11
    assert {(e.input, e.strategy, e.label, e.guideline) for e in commit.events} == {(BULK, BULK, "star", 1)}
    (record,) = session.workspace.bulks.records().values()
    assert {e.bulk for e in commit.events} == {record.bulk}
    assert (record.source, record.n_labelled, record.n_checked, record.n_right) == (
        "lasso on the map", len(commit.events), 10, 9,
    )  # fmt: skip
    assert record.low == pytest.approx(verdict.purity.low)
    assert len(record.sample) == 10
    assert session.found() == {"quasar": 2, "star": len(STARS) - 2}
    session.undo(annotator="ann").result(PATIENCE)
    assert session.found() == {"quasar": 2, "star": 9}
    session.redo(annotator="ann").result(PATIENCE)
    assert session.found() == {"quasar": 2, "star": len(STARS) - 2}


def test_answers_of_the_sample_are_labels_like_others_that_say_why_they_were_asked(session):
    session.bulker.begin(STARS, "lasso", "star", 5)
    row = session.bulker.check.sample[0]
    (event,) = label(session, row, "star").events
    assert (event.strategy, event.round, event.suggested) == (PURITY, None, None)
    assert row in session.labels().rows


def test_without_a_check_it_must_be_said_that_the_purity_is_unknown(session):
    with pytest.raises(InputError, match="not checked for this class"):
        session.bulker.label(STARS, "lasso", "star", annotator="ann").result(PATIENCE)
    session.bulker.label(STARS, "lasso", "star", unchecked=True, annotator="ann").result(PATIENCE)
    (record,) = session.workspace.bulks.records().values()
    assert (record.low, record.high, record.n_checked) == (None, None, 0)


def test_the_check_of_one_selection_and_class_is_none_of_another(session):
    session.bulker.begin(STARS, "lasso", "star", 5)
    answer_sample(session, ["star"] * 5)
    with pytest.raises(InputError, match="not checked"):
        session.bulker.label(STARS[1:], "lasso", "star", annotator="ann").result(PATIENCE)
    with pytest.raises(InputError, match="not checked"):
        session.bulker.label(STARS, "lasso", "quasar", annotator="ann").result(PATIENCE)


def test_an_unfinished_check_is_no_check_and_unsure_is_not_of_the_class(session):
    session.bulker.begin(STARS, "lasso", "star", 5)
    first, *others = session.bulker.check.sample
    for row in others:
        label(session, row, "star")
    session.decide([{"row": first, "action": "skip"}], annotator="ann").result(PATIENCE)
    assert session.bulker.verdict().purity is None
    with pytest.raises(InputError, match="not checked"):
        session.bulker.label(STARS, "lasso", "star", annotator="ann").result(PATIENCE)
    session.decide([{"row": first, "action": "unsure"}], annotator="ann").result(PATIENCE)
    assert session.bulker.verdict().n_right == 4


def test_answers_there_are_stay_unless_labels_are_to_change(session):
    label(session, 1, "quasar")
    session.decide([{"row": 2, "action": "flag"}], annotator="ann").result(PATIENCE)
    contents = contents_of(session, STARS)
    assert contents.counts == {"quasar": 1}
    assert (contents.n_others, contents.n) == (1, len(STARS))
    assert len(contents.to_label(False)) == len(STARS) - 2
    session.bulker.label(STARS, "lasso", "star", relabel=True, unchecked=True, annotator="ann").result(PATIENCE)
    assert session.item_state(1)["label"] == "star"
    assert session.item_state(2)["status"] == "flagged"
    session.undo(annotator="ann").result(PATIENCE)
    assert session.item_state(1)["label"] == "quasar"


def test_the_audit_keeps_its_questions_and_answers(tmp_path):
    workspace = survey(tmp_path)
    workspace.settings["round"] = {"audit_share": 0.5}
    workspace.save()
    one = opened(workspace)
    settle(one)  # the first round asks the first questions of the audit
    label_queue(one, 8)
    settle(one)
    sealed = [q for q in one.state.items if one.auditor.has_sealed(one.workspace.ids.row(q))]
    waiting = {q.row for q in one.queue if q.strategy == AUDIT}
    assert sealed
    assert waiting
    everything = np.arange(workspace.table.n_rows)
    contents = contents_of(one, everything)
    assert set(contents.waiting.tolist()) == waiting
    assert contents.n_sealed == len(sealed)
    one.bulker.label(everything, "all", "star", relabel=True, unchecked=True, annotator="ann").result(PATIENCE)
    settle(one)
    assert not {one.workspace.ids.text(row) for row in waiting} & set(one.state.items)
    # They were not drawn to speak for others any more: the step has reached them.
    assert {one.workspace.ids.text(row) for row in waiting} | set(sealed) <= workspace.audits.hits(1)
    one.close()


def test_a_campaign_refuses_bulk_labels(session):
    session.campaigner.is_beginning = True
    with pytest.raises(InputError, match="a campaign is under way"):
        session.bulker.label(STARS, "lasso", "star", unchecked=True, annotator="ann").result(PATIENCE)
    with pytest.raises(InputError, match="a campaign is under way"):
        session.bulker.begin(STARS, "lasso", "star", 20)
    session.campaigner.is_beginning = False


def test_nothing_to_label_is_said(session):
    session.bulker.label(STARS, "lasso", "star", unchecked=True, annotator="ann").result(PATIENCE)
    with pytest.raises(InputError, match="nothing to label"):
        session.bulker.label(STARS, "lasso", "star", unchecked=True, annotator="ann").result(PATIENCE)


@pytest.mark.parametrize(("n_members", "n", "drawn"), [(40, 50, 10), (5, 60, 20), (300, 1000, 20)])
def test_the_interval_holds_for_what_was_not_drawn(n_members, n, drawn):
    rng = np.random.default_rng(1)
    is_member = np.arange(n) < n_members
    held = 0
    for _ in range(1000):
        sample = rng.choice(n, drawn, replace=False)
        k = int(is_member[sample].sum())
        purity = _purity(k, drawn, n)
        held += purity.low - 1e-9 <= (n_members - k) / (n - drawn) <= purity.high + 1e-9
    assert held >= 950


def test_eighteen_of_twenty_of_many():
    purity = _purity(18, 20, 10**6)
    assert (round(purity.low, 2), round(purity.high, 2)) == (0.68, 0.99)  # Clopper and Pearson


def test_the_events_of_a_large_step_are_searched_for_garbage_again_when_a_page_closes(session, monkeypatch):
    monkeypatch.setattr(session_module, "LARGE", len(STARS))
    look_through()
    try:
        session.bulker.label(STARS[1:], "lasso", "star", unchecked=True, annotator="ann").result(PATIENCE)
        assert gc.get_freeze_count() == 0
        how = {"relabel": True, "unchecked": True}
        session.bulker.label(STARS, "all", "quasar", annotator="ann", **how).result(PATIENCE)
        assert gc.get_freeze_count() > len(STARS)
        assert gc.isenabled()
        Page(session, ItemCards(session.workspace)).close()
        assert gc.get_freeze_count() == 0
    finally:
        look_through()
