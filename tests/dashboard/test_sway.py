"""How much suggestions sway: the lot is known afterwards, and only comparable answers are compared."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from rareloop.dashboard.queue import Queued
from rareloop.dashboard.sway import Sway, hide_share, is_withheld, sway, sway_sentence, withheld_of
from rareloop.data.events import Action, Event
from rareloop.data.log_state import ItemState

from .test_session import label, opened, settle, survey


def answer(item_id, label, shown, *, round_=1, suggested="a", **more):
    event = Event(
        f"e{item_id}", Action.LABEL, item_id, "me", datetime.now(UTC), label=label, round=round_,
        suggested=suggested, suggestion_shown=shown, **more,
    )  # fmt: skip
    return ItemState("labelled", label, event)


def names(withheld, n, round_=1):
    found = (f"o{i}" for i in range(100_000) if is_withheld(f"o{i}", round_, 0.1) == withheld)
    return [next(found) for _ in range(n)]


def test_the_lot_is_the_same_always_and_has_its_share():
    lots = [is_withheld(f"object {i}", i % 7, 0.1) for i in range(20_000)]
    assert sum(lots) / len(lots) == pytest.approx(0.1, abs=0.01)
    assert lots == [is_withheld(f"object {i}", i % 7, 0.1) for i in range(20_000)]
    assert any(is_withheld("o1", r, 0.1) != is_withheld("o1", 0, 0.1) for r in range(200))
    assert not is_withheld("o1", 1, 0.0)
    assert is_withheld("o1", 1, 1.0)


@pytest.mark.parametrize(("stored", "share"), [({}, 0.1), ({"hide_suggestion_share": 0.25}, 0.25),
                                               ({"hide_suggestion_share": 7}, 0.1),
                                               ({"hide_suggestion_share": "x"}, 0.1)])  # fmt: skip
def test_the_share_is_a_setting(stored, share):
    assert hide_share(stored) == share


def test_answers_that_saw_the_suggestion_are_compared_with_those_that_did_not():
    seen = [answer(name, "a" if i < 9 else "b", True) for i, name in enumerate(names(False, 10))]
    unseen = [answer(name, "a" if i < 3 else "b", False) for i, name in enumerate(names(True, 5))]
    found = sway(seen + unseen, 0.1)
    assert found == Sway(agreed_shown=9, shown=10, agreed_hidden=3, hidden=5)
    assert found.difference.point == pytest.approx(0.3)
    assert found.difference.low < 0 < found.difference.high
    assert "no sway is seen" in sway_sentence(found)


def test_what_cannot_be_compared_is_left_out():
    name, other = names(False, 1)[0], names(True, 1)[0]
    seen = [answer("s", "a", True)]
    out = [
        answer(name, "b", False),  # the user had switched suggestions off
        answer(other, "b", False, round_=2) if is_withheld(other, 2, 0.1) else answer(name, "b", None),
        answer(other, "b", None),  # not known
        answer(other, "b", False, suggested=None),  # a question of the audit
        answer(other, "b", False, bulk="b1"),
        ItemState("unsure", None, answer(other, None, False).event),
    ]
    assert sway(seen + out, 0.1) == Sway(1, 1, 0, 0)
    assert sway(out, 0.1) == Sway(0, 0, 0, 0)


def test_the_sentence_says_what_is_known():
    assert sway_sentence(Sway(0, 0, 0, 0)) == ""
    assert "none had it held back yet" in sway_sentence(Sway(3, 4, 0, 0))
    strong = sway_sentence(Sway(95, 100, 20, 50))
    assert "95% of 100" in strong
    assert "40% of 50" in strong
    assert "+55 points" in strong
    assert strong.endswith("suggestions sway the answers.")
    assert sway_sentence(Sway(20, 100, 45, 50)).endswith("work against the answers.")


def test_what_was_seen_is_stored_with_the_answer(tmp_path):
    workspace = survey(tmp_path)
    workspace.settings |= {"round": {"audit_share": 0.0}, "hide_suggestion_share": 0.5}
    workspace.save()
    session = opened(workspace)
    label(session, 0)
    label(session, 1)
    settle(session)
    asked = [q for q in session.queue if q.suggested is not None]
    lots = withheld_of(session, asked)
    assert set(lots) == {True, False}
    for queued, lot in zip(asked[:4], lots, strict=False):
        label(session, queued.row, round=queued.round, suggestion_shown=not lot)
    label(session, asked[5].row, round=asked[5].round, suggestion_shown="nonsense")
    events = {event.item_id: event for event in session.workspace.log.events()}
    texts = session.workspace.ids.texts([q.row for q in asked])
    assert [events[text].suggestion_shown for text in texts[:4]] == [not lot for lot in lots[:4]]
    assert [events[text].suggested for text in texts[:4]] == [q.suggested for q in asked[:4]]
    assert events[texts[5]].suggestion_shown is None
    session.close()


def test_questions_without_a_suggestion_have_none_to_hold_back(tmp_path):
    workspace = survey(tmp_path)
    workspace.settings["hide_suggestion_share"] = 1.0
    workspace.save()
    session = opened(workspace)
    assert withheld_of(session, [Queued(3, 1, "audit", 0, 0), Queued(4, 1, "top", 1, 0, suggested="star")]) == [
        False,
        True,
    ]
    session.close()
