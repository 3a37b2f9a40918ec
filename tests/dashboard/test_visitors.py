"""Several people on one server: whose an answer is, and which page asks what."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rareloop.dashboard.audits import n_disagreeing, sealed_items
from rareloop.dashboard.reasons import AUDIT
from rareloop.dashboard.visitors import IDLE_SECONDS, LOOK_AHEAD, Visitor, Visitors, checked_name
from rareloop.data.errors import InputError

from .test_session import PATIENCE, label, opened, settle, survey


@pytest.fixture
def session(tmp_path):
    workspace = survey(tmp_path)
    workspace.settings["round"] = {"audit_share": 0.5}
    workspace.save()
    one = opened(workspace)
    yield one
    one.close()


def say(session, annotator, row, name):
    decisions = [{"row": row, "action": "label", "label": name}]
    return session.decide(decisions, annotator=annotator).result(PATIENCE)


def given_to(session, row):
    return session.item_state(row).get("label")


def test_answers_of_two_are_undone_and_redone_apart(session):
    say(session, "ann", 1, "star")
    say(session, "bob", 2, "quasar")
    say(session, "ann", 3, "quasar")
    say(session, "bob", 4, "star")
    assert [e.annotator for e in session.workspace.log.events()] == ["ann", "bob", "ann", "bob"]
    assert session.undo(annotator="ann").result(PATIENCE).rows == (3,)
    assert session.undo(annotator="ann").result(PATIENCE).rows == (1,)
    assert session.undo(annotator="ann").result(PATIENCE).events == ()
    assert [given_to(session, row) for row in (1, 2, 3, 4)] == [None, "quasar", None, "star"]
    say(session, "bob", 5, "star")  # ends no redo but bob's
    assert session.redo(annotator="ann").result(PATIENCE).rows == (1,)
    assert session.redo(annotator="bob").result(PATIENCE).events == ()
    assert [given_to(session, row) for row in (1, 2, 3, 4, 5)] == ["star", "quasar", None, "star", "star"]


def test_of_two_answers_to_one_item_both_are_kept_and_the_undo_of_one_brings_back_the_other(session):
    say(session, "ann", 9, "star")
    say(session, "bob", 9, "quasar")
    answers = session.state.answers_to(session.workspace.ids.text(9))
    assert [(e.annotator, e.label) for e in answers] == [("ann", "star"), ("bob", "quasar")]
    assert session.undo(annotator="bob").result(PATIENCE).rows == (9,)
    assert given_to(session, 9) == "star"
    session.redo(annotator="bob").result(PATIENCE)
    session.undo(annotator="ann").result(PATIENCE)
    assert given_to(session, 9) == "quasar"


def test_an_item_of_the_audit_on_which_two_differ_is_counted(session):
    asked = next(q for q in session.queue if q.strategy == AUDIT)
    label(session, asked.row, "star", round=asked.round)
    assert session.workspace.ids.text(asked.row) in sealed_items(session.state, session.auditor.audit)
    assert n_disagreeing(session.state, session.auditor.audit) == 0
    say(session, "bob", asked.row, "quasar")
    assert n_disagreeing(session.state, session.auditor.audit) == 1


def test_pages_ask_other_items_while_two_label(session):
    ann, bob = Visitor("ann"), Visitor("bob")
    session.visitors.enter(ann)
    session.visitors.enter(bob)
    for _ in range(5):
        rows = {}
        for one in (ann, bob):
            dealt = session.visitors.deal(one, session.queue)
            session.visitors.look_at(one, dealt[0].row)
            rows[one] = dealt[0].row
        assert not ann.held & bob.held
        for one, row in rows.items():
            say(session, one.annotator, row, "star")
        settle(session)
    by = [(e.item_id, e.annotator) for e in session.workspace.log.events()]
    assert len({item for item, _ in by}) == 10
    assert [name for _, name in by].count("ann") == [name for _, name in by].count("bob") == 5


# ---- dealing ----------------------------------------------------------------------------------------


def queue_of(*rows):
    return tuple(SimpleNamespace(row=row) for row in rows)


def rows_of(dealt):
    return [queued.row for queued in dealt]


QUEUE = queue_of(*range(100, 150))


def test_who_is_alone_gets_the_whole_queue_and_gives_the_most_of_it_to_the_next_one():
    visitors = Visitors()
    first, second = Visitor("ann"), Visitor("ann")
    visitors.enter(first)
    assert visitors.deal(first, QUEUE) == QUEUE
    visitors.look_at(first, 103)
    before = visitors.revision
    visitors.enter(second)
    assert visitors.revision > before  # so that the first one asks anew
    assert first.held == {*range(103, 104 + LOOK_AHEAD)}
    assert rows_of(visitors.deal(second, QUEUE)) == [100, 101, 102, *range(112, 117)]


def test_what_a_page_holds_is_free_when_it_closes_or_is_left_alone():
    visitors, here = Visitors(), [True]
    first, second = Visitor("ann"), Visitor("bob", lambda: here[0])
    for one in (second, first):
        visitors.enter(one)
        visitors.deal(one, QUEUE)
    assert visitors.names == ["ann", "bob"]
    assert rows_of(visitors.deal(first, QUEUE))[0] != 100
    second.seen -= IDLE_SECONDS + 1
    assert rows_of(visitors.deal(first, QUEUE))[0] == 100
    visitors.look_at(second, 120)
    assert 120 not in rows_of(visitors.deal(first, QUEUE))
    here[0] = False
    assert visitors.deal(first, QUEUE) == QUEUE
    assert visitors.names == ["ann"]


def test_what_the_browser_may_still_show_is_not_dealt_to_others_when_a_round_brings_another_queue():
    visitors = Visitors()
    first, second = Visitor("ann"), Visitor("bob")
    for one in (first, second):
        visitors.enter(one)
    visitors.deal(first, QUEUE)
    visitors.look_at(first, 100)
    fresh = queue_of(*range(200, 220), 100, 101, 102, 103)
    visitors.deal(first, fresh)
    assert {100, 101, 102, 103} <= first.held
    assert not {100, 101, 102, 103} & {*rows_of(visitors.deal(second, fresh[-6:]))}


def test_an_item_that_somebody_opens_is_taken_from_those_who_would_come_to_it():
    visitors = Visitors()
    first, second = Visitor("ann"), Visitor("bob")
    for one in (first, second):
        visitors.enter(one)
    visitors.deal(first, QUEUE)
    before = visitors.revision
    visitors.look_at(second, 103)
    assert visitors.revision > before
    assert 103 not in rows_of(visitors.deal(first, QUEUE))
    visitors.look_at(second, 149)
    assert visitors.revision == before + 1


def test_the_grid_of_one_page_leaves_the_others_their_share():
    visitors = Visitors()
    first, second = Visitor("ann"), Visitor("bob")
    for one in (first, second):
        visitors.enter(one)
    laid = rows_of(visitors.lay_out(first, QUEUE, {100}, 60))
    assert 100 not in laid and len(laid) == 25
    assert not {*laid} & {*rows_of(visitors.deal(second, QUEUE))}
    visitors.leave(second)
    assert len(visitors.lay_out(first, QUEUE, (), 60)) == 50


STEPS = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(["deal", "next", "enter", "leave", "grid", "queue"])), max_size=60
)


@given(steps=STEPS, n=st.integers(0, 30))
def test_no_item_is_ever_dealt_to_two(steps, n):
    visitors, pages = Visitors(), [Visitor(f"p{i}") for i in range(4)]
    inside, queue = set(), queue_of(*range(n))
    for i, what in steps:
        if what == "enter":
            visitors.enter(pages[i])
            inside.add(i)
        elif what == "leave":
            visitors.leave(pages[i])
            inside.discard(i)
        elif what == "queue":
            queue = queue[3:] + queue[:1]
        elif i in inside:
            if what == "deal":
                visitors.deal(pages[i], queue)
            elif what == "grid":
                visitors.lay_out(pages[i], queue, (), 9)
            elif pages[i].coming:
                visitors.look_at(pages[i], pages[i].coming[0])
        held = [row for place in inside for row in pages[place].held]
        assert len(held) == len(set(held))


# ---- names ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ann", "Zoë O’Neill", "ann@obs.org", "<b>&", "李 雷", "x" * 60])
def test_a_name_is_text_and_stays_as_it_is(name):
    assert checked_name(f" {name} ") == name


@pytest.mark.parametrize("name", ["", "  ", "x" * 61, "a\nb", "a\x00b", "a\u202eb", "a\u200bb"])
def test_a_name_that_cannot_be_seen_or_is_too_long_is_refused(name):
    with pytest.raises(InputError, match="log in again"):
        checked_name(name)


def test_a_page_that_was_cut_off_and_the_one_after_it_do_not_call_each_other_for_ever():
    visitors, there = Visitors(), {"old": True, "new": True}
    old, new = (Visitor("ann", lambda name=name: there[name]) for name in there)
    for one in (old, new):
        visitors.enter(one)
    there["old"] = False
    due = [new, old]  # pages that are told, as by a new queue, and ask for their questions
    visitors.param.watch(lambda _: due.extend([new, old]), "revision")
    n_told = 0
    while due and n_told < 50:
        visitors.deal(due.pop(0), ())
        n_told += 1
    assert n_told < 10
    there["old"] = True
    before = visitors.revision
    visitors.deal(old, ())
    assert visitors.revision == before + 1  # it is back
