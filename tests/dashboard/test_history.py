"""Lists of what was answered, the way back through one's answers, and what comes back at the end."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rareloop.dashboard.history import Query, answer_beside, events_of, standing_of
from rareloop.dashboard.queue import skipped_queue
from rareloop.data.labels import Action, Event, new_event_id
from rareloop.data.workspace import Workspace


@pytest.fixture
def workspace(tmp_path):
    source = tmp_path / "t.parquet"
    pq.write_table(pa.table({"id": [f"i{i}" for i in range(9)], "a": [float(i) for i in range(9)]}), source)
    one = Workspace.create(tmp_path / "w", source)
    roles = one.roles
    roles.id, roles.features = "id", ["a"]
    one.confirm(roles, ["cat", "dog"])
    one.prepare()
    yield one
    one.close()


def say(workspace, item, action=Action.LABEL, label=None, by="me", **more) -> Event:
    label = (label or "cat") if action == Action.LABEL else None
    event = Event(new_event_id(), action, item, by, datetime.now(UTC), label=label, **more)
    return workspace.log.append(event)[0]


def items(workspace, **query) -> list[str]:
    events, total = events_of(workspace, Query.from_dict(query), 0, 100)
    assert total == len(events)
    return [event.item_id for event in events]


@pytest.fixture
def answered(workspace):
    say(workspace, "i0")
    say(workspace, "i1", Action.DEFER, strategy="margin")
    say(workspace, "i2", label="dog", by="her")
    say(workspace, "i2", Action.NOTE, note="100 % sure", by="her")
    say(workspace, "i0", label="dog")
    say(workspace, "i3", Action.DEFER)
    say(workspace, "i3")
    return workspace


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["i3", "i3", "i0", "i2", "i2", "i1", "i0"]),
        ({"shown": "force"}, ["i3", "i0", "i2", "i1"]),
        ({"shown": "deferred"}, ["i1"]),
        ({"shown": "changed"}, ["i0"]),
        ({"shown": "notes"}, ["i2"]),
        ({"shown": "force", "answer": "class:dog"}, ["i0", "i2"]),
        ({"answer": "class:dog"}, ["i0", "i2"]),
        ({"answer": "defer"}, ["i3", "i1"]),
        ({"annotator": "her"}, ["i2", "i2"]),
        ({"strategy": "margin"}, ["i1"]),
        ({"shown": "deferred", "strategy": "margin", "text": "I1"}, ["i1"]),
        ({"text": "0 % S"}, ["i2"]),
        ({"text": "%"}, ["i2"]),
        ({"shown": "nonsense", "what": 3, "text": None}, ["i3", "i3", "i0", "i2", "i2", "i1", "i0"]),
    ],
)
def test_filters_narrow_the_whole_log(answered, query, expected):
    assert items(answered, **query) == expected


def test_pages_follow_each_other(answered):
    pages = [events_of(answered, Query(), offset, 3) for offset in (0, 3, 6)]
    assert [total for _, total in pages] == [7, 7, 7]
    assert [e.seq for page, _ in pages for e in page] == [7, 6, 5, 4, 3, 2, 1]


def test_each_line_says_what_became_of_its_answer(answered):
    first = answered.log.events()[0]
    answered.log.undo("me")
    answers = {e.seq: standing_of(e, answered.log.state()) for e in answered.log.events()}
    assert answers == {1: "now dog", 2: "", 3: "", 4: "", 5: "", 6: "", 7: "undone", 8: ""}
    assert first.seq == 1


def test_the_way_back_and_forth_passes_each_of_ones_answers_once(answered):
    session = SimpleNamespace(workspace=answered, state=answered.log.state())
    way, at = [], None
    while (at := answer_beside(session, at, "me", back=True)) is not None:
        way.append(at)
    assert way == [3, 0, 1]
    assert answer_beside(session, 1, "me", back=False) == 0
    assert answer_beside(session, 0, "me", back=False) == 3
    assert answer_beside(session, 3, "me", back=False) is None
    assert answer_beside(session, 2, "me", back=True) == 3  # hers: stands after the newest of mine


def test_what_was_deferred_comes_back_like_what_was_skipped(workspace):
    say(workspace, "i4", Action.DEFER)
    say(workspace, "i5", Action.SKIP)
    say(workspace, "i6", Action.UNSURE)
    queue = skipped_queue(workspace, workspace.log.state(), 1, 0, 10)
    assert [queued.row for queued in queue] == [4, 5]
