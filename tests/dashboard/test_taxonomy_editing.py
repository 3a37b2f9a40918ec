"""Classes that change while a session runs: rounds, metrics, export and queue go on with the right ones."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest
from rareloop.dashboard.audits import facts_of, task_of
from rareloop.dashboard.column_counts import balance
from rareloop.dashboard.columns import Columns
from rareloop.dashboard.history import Query, events_of
from rareloop.dashboard.items import ItemCards
from rareloop.dashboard.page import Page
from rareloop.dashboard.rules import parse
from rareloop.dashboard.session import LabellingSession
from rareloop.dashboard.taxonomy_editing import Change, TakeBack, changes_in_force, finished_splits, preview
from rareloop.dashboard.views.classes import ClassesView
from rareloop.dashboard.views.estimates_table import looks
from rareloop.data.errors import InputError
from rareloop.data.events import Action
from rareloop.data.export.formats import export_labels
from rareloop.data.workspace import Workspace
from rareloop.tests.dashboard.test_session import PATIENCE, label, label_queue, opened, run_round, settle, survey


def change(session, action, name, **facts):
    (event,) = session.change_classes([Change(action, name, facts)], annotator="ann").result(PATIENCE)
    settle(session)
    return event


def label_some(session):
    for row in (0, 40, 1, 2, 3, 4):
        label(session, row)
    settle(session)


def test_a_class_renamed_in_the_middle_of_labelling_is_the_same_class_everywhere(session, tmp_path):
    label_some(session)
    run_round(session)
    shares = session.report["class_prior"]
    change(session, Action.CLASS_RENAME, "quasar", to="QSO <b>")
    assert session.found() == {"QSO <b>": 2, "star": 4}
    assert "quasar" not in {queued.suggested for queued in session.queue}
    run_round(session)
    assert session.report["class_prior"] == pytest.approx(shares)
    assert [c.name for c in session.workspace.taxonomy if c.wanted] == ["QSO <b>"]
    assert {queued.suggested for queued in session.queue} & {"QSO <b>", "star"}
    export_labels(session.workspace, tmp_path / "labels.parquet")
    assert pq.read_table(tmp_path / "labels.parquet")["label"].to_pylist() == ["QSO <b>"] + ["star"] * 4 + [
        "QSO <b>"
    ]


def test_an_answer_under_the_old_name_from_a_page_that_does_not_know_is_not_lost(session):
    change(session, Action.CLASS_RENAME, "quasar", to="QSO")
    (event,) = label(session, 0, "quasar").events
    assert event.label == "QSO"


def test_a_new_class_of_an_old_name_is_another_class(session):
    label_some(session)
    change(session, Action.CLASS_RENAME, "quasar", to="QSO")
    change(session, Action.CLASS_ADD, "quasar")
    label(session, 80, "quasar")
    settle(session)
    assert session.found() == {"QSO": 2, "star": 4, "quasar": 1}
    labels = session.labels()
    assert labels.n_classes == 3
    assert sorted(labels.classes) == [0, 0, 1, 1, 1, 1, 2]


def test_after_a_merge_models_learn_one_class_and_taking_it_back_brings_both(session):
    label_some(session)
    change(session, Action.CLASS_ADD, "galaxy")
    for row in (5, 6):
        label(session, row, "galaxy")
    merged = change(session, Action.CLASS_MERGE, "galaxy", into="star")
    assert session.found() == {"quasar": 2, "star": 6}
    assert np.bincount(session.labels().classes, minlength=3).tolist() == [2, 6, 0]
    run_round(session)
    assert {queued.suggested for queued in session.queue} <= {"quasar", "star", None}
    assert [look.name for look in looks(session.workspace.taxonomy)] == ["quasar", "star"]
    session.change_classes([TakeBack(merged.event_id)], annotator="ann").result(PATIENCE)
    settle(session)
    assert session.found() == {"quasar": 2, "star": 4, "galaxy": 2}


def test_what_was_looked_at_before_a_merge_says_nothing_of_the_larger_class(session):
    label_some(session)
    change(session, Action.CLASS_ADD, "blazar")
    number = session.workspace.rounds.next_number()
    session.change_classes([Change(Action.CLASS_MERGE, "blazar", {"into": "quasar"})], annotator="ann").result(
        PATIENCE
    )
    assert session.workspace.settings["extent_since"] == {"0": number}


def test_models_do_not_learn_from_a_retired_class_and_its_items_are_not_asked(session):
    label_some(session)
    change(session, Action.CLASS_ADD, "artefact")
    label(session, 9, "artefact")
    change(session, Action.CLASS_RETIRE, "artefact")
    assert 9 not in session.labels().rows
    assert 9 in session.labels().excluded
    assert 9 in session.all_labels().rows
    assert session.found()["artefact"] == 1
    with pytest.raises(InputError, match="does not exist"):
        label(session, 10, "artefact")
    change(session, Action.CLASS_RESTORE, "artefact")
    assert 9 in session.labels().rows


def test_a_workspace_that_is_opened_again_has_the_classes_of_its_log(session, tmp_path):
    label_some(session)
    change(session, Action.CLASS_RENAME, "star", to="a star")
    change(session, Action.CLASS_CHANGE, "a star", position=0, key="s2"[1], definition="What twinkles.")
    folder = session.workspace.folder
    session.close()
    again = Workspace.open(folder)
    assert [c.name for _, c in again.taxonomy.shown] == ["a star", "quasar"]
    assert again.taxonomy.names == ["quasar", "a star"]
    text = (folder / "workspace.toml").read_text()
    assert "a star" in text
    (folder / "workspace.toml").write_text(text.replace("a star", "something else"))
    assert Workspace.open(folder).taxonomy.names == ["quasar", "a star"]
    again.close()


def test_the_queue_that_is_restored_has_no_class_of_former_times(session):
    label_some(session)
    change(session, Action.CLASS_RENAME, "quasar", to="QSO")
    workspace = session.workspace
    session.close()
    one = LabellingSession(Workspace.open(workspace.folder), "ann")
    one.worker = session.worker
    one.start()
    settle(one)
    assert one.found() == {"QSO": 2, "star": 4}
    assert {queued.suggested for queued in one.queue} <= {None, "QSO", "star"}
    one.close()


def test_audit_answers_follow_their_class(tmp_path):
    workspace = survey(tmp_path)
    workspace.settings["round"] = {"audit_share": 1.0}
    workspace.save()
    one = opened(workspace)
    label_queue(one, 6)
    settle(one)
    before = task_of(workspace, one.state, one.auditor.audit).answers
    assert len(before.rows)
    change(one, Action.CLASS_RENAME, "star", to="not a quasar")
    after = task_of(workspace, one.state, one.auditor.audit).answers
    assert after.classes.tolist() == before.classes.tolist()
    assert sum(facts_of(workspace, one.state, one.auditor.audit).members.values()) == len(before.rows)
    change(one, Action.CLASS_ADD, "galaxy")
    change(one, Action.CLASS_MERGE, "not a quasar", into="galaxy")
    merged = task_of(workspace, one.state, one.auditor.audit).answers
    assert merged.classes.tolist() == [2 if c == 1 else c for c in before.classes]
    one.close()


def test_a_campaign_refuses_what_would_alter_it_and_takes_a_colour(session):
    session.campaigner.is_beginning = True
    with pytest.raises(InputError, match="a campaign is under way"):
        session.change_classes([Change(Action.CLASS_RENAME, "star", {"to": "x"})], annotator="ann").result(
            PATIENCE
        )
    with pytest.raises(InputError, match="a campaign is under way"):
        session.set_wanted([], annotator="ann").result(PATIENCE)
    session.change_classes([Change(Action.CLASS_CHANGE, "star", {"colour": "#009E73"})], annotator="ann").result(
        PATIENCE
    )
    session.campaigner.is_beginning = False


def test_a_preview_says_whose_labels_change_and_changes_nothing(session):
    label_some(session)
    change(session, Action.CLASS_ADD, "galaxy")
    n = session.state.n_events
    lines = preview(session, Change(Action.CLASS_MERGE, "quasar", {"into": "galaxy"}))
    assert lines[0] == "2 labels of 'quasar' (2 by ann) are of 'galaxy' then."
    assert any("mark 'galaxy'" in line for line in lines)
    for one in (
        Change(Action.CLASS_RENAME, "star", {"to": "dwarf"}),
        Change(Action.CLASS_SPLIT, "star", {"into": ["hot", "cold"]}),
        Change(Action.CLASS_RETIRE, "star"),
        Change(Action.CLASS_ADD, "nova"),
        Change(Action.CLASS_CHANGE, "star", {"wanted": True}),
    ):
        assert preview(session, one)
    with pytest.raises(InputError, match="two classes named 'star'"):
        preview(session, Change(Action.CLASS_RENAME, "quasar", {"to": "star"}))
    assert session.state.n_events == n


def test_a_key_of_the_page_is_refused_in_a_change_as_in_its_preview(session):
    one = Change(Action.CLASS_CHANGE, "star", {"key": "u"})
    with pytest.raises(InputError, match="taken by the command"):
        preview(session, one)
    with pytest.raises(InputError, match="taken by the command"):
        session.change_classes([one], annotator="ann").result(PATIENCE)


def test_a_name_with_a_line_break_is_refused(session):
    with pytest.raises(InputError, match="cannot be seen"):
        session.add_class("two\nlines", annotator="ann").result(PATIENCE)
    session.add_class('🦉 "owl" <b>', annotator="ann").result(PATIENCE)
    assert session.workspace.taxonomy.names[-1] == '🦉 "owl" <b>'


def test_a_class_whose_items_have_all_gone_to_its_parts_is_offered_to_be_retired_in_one_step(session):
    label_some(session)
    view = ClassesView(Page(session, ItemCards(session.workspace)))
    change(session, Action.CLASS_SPLIT, "quasar", into=["radio loud", "radio quiet"])
    assert not finished_splits(session)
    label(session, 0, "radio loud")
    settle(session)
    assert not view.offer.visible
    label(session, 40, "radio quiet")
    settle(session)
    assert finished_splits(session) == ["quasar"]
    assert view.offer.visible
    assert "No label changes" in view.offered_effects.object
    view._retire_offered()
    settle(session)
    taxonomy = session.workspace.taxonomy
    assert taxonomy[taxonomy.index("quasar")].status == "retired"
    assert not view.offer.visible
    retired = next(iter(changes_in_force(session).values()))
    session.change_classes([TakeBack(retired)], annotator=session.annotator).result(PATIENCE)
    settle(session)
    assert finished_splits(session) == ["quasar"]
    session.undo(annotator=session.annotator).result(PATIENCE)  # an item is of it again
    settle(session)
    assert not view.offer.visible


def test_the_class_balance_is_by_the_classes_of_now(session):
    label_some(session)
    change(session, Action.CLASS_RENAME, "quasar", to="QSO")
    change(session, Action.CLASS_ADD, "galaxy")
    label(session, 5, "galaxy")
    change(session, Action.CLASS_MERGE, "galaxy", into="star")
    change(session, Action.CLASS_ADD, "galaxy")
    label(session, 6, "galaxy")
    settle(session)
    parts = balance(Columns.of(session), session.workspace)
    assert [(p["label"], p["count"], p["place"]) for p in parts[:-1]] == [
        ("QSO", 2, 0), ("star", 5, 1), ("galaxy", 1, 3),
    ]  # fmt: skip
    assert parts[-1]["count"] == session.workspace.table.n_rows - 8


def test_a_rule_under_a_former_name_finds_the_class_of_now(session):
    label_some(session)
    change(session, Action.CLASS_RENAME, "quasar", to="QSO")
    for rule in ("class == 'QSO'", "class == 'quasar'", "class in ['quasar', 'gone']"):
        columns = Columns.of(session)
        assert parse(rule, columns).rows(columns).tolist() == [0, 40]
    change(session, Action.CLASS_ADD, "quasar")  # another class of the old name
    label(session, 7, "quasar")
    settle(session)
    columns = Columns.of(session)
    assert parse("class == 'quasar'", columns).rows(columns).tolist() == [7]


def test_the_history_is_filtered_by_the_classes_of_now(session):
    label_some(session)
    change(session, Action.CLASS_RENAME, "quasar", to="QSO")
    change(session, Action.CLASS_ADD, "quasar")
    label(session, 7, "quasar")
    label(session, 8, "QSO")
    label(session, 8, "quasar")
    settle(session)

    def listed(name, shown="all"):
        events, total = events_of(session.workspace, Query(shown=shown, answer=f"class:{name}"), 0, 100)
        assert total == len(events)
        return [session.workspace.ids.rows([event.item_id])[0] for event in events]

    assert listed("QSO") == [8, 40, 0]
    assert listed("QSO", "force") == [40, 0]
    assert listed("quasar") == [8, 7]
    assert listed("quasar", "force") == [8, 7]
