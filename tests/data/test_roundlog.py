"""The round log: what it gives back, and databases that an earlier version made."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime

import pytest
from rareloop.data.labels import Action, Event, LabelLog, new_event_id
from rareloop.data.roundlog import QueryRecord, RoundLog, RoundRecord

# The tables as version 0.1.0 made them, before arms and reasons were kept.
OLD = """
CREATE TABLE rounds (number INTEGER NOT NULL PRIMARY KEY, created_at BIGINT NOT NULL, n_labels INTEGER NOT NULL,
    seed BIGINT NOT NULL, settings VARCHAR NOT NULL, report VARCHAR NOT NULL);
CREATE TABLE queries (round INTEGER NOT NULL, rank INTEGER NOT NULL, item_id VARCHAR NOT NULL,
    strategy VARCHAR NOT NULL, probability FLOAT, score FLOAT, PRIMARY KEY (round, rank),
    FOREIGN KEY(round) REFERENCES rounds (number));
INSERT INTO rounds VALUES (1, 1700000000000000, 4, 99, '{"strategy": "margin"}', '{"n_labels": 4}');
INSERT INTO queries VALUES (1, 0, 'i3', 'margin', NULL, -0.25), (1, 1, 'i8', 'random', 0.125, NULL);
"""


def record(number, *queries):
    now = datetime(2026, 3, 1, tzinfo=UTC)
    return RoundRecord(number, now, 12, 7, {"strategy": "auto"}, {"n_labels": 12}, queries)


CHOSEN = QueryRecord(
    rank=0, item_id="ünï", strategy="unlike", score=4.5, arm_probability=0.2, selection="deterministic",
    reason={"neighbours": [["quasar", "i3", 1.25]], "unusual": [["mag", -3.1]]},
)  # fmt: skip
DRAWN = QueryRecord(1, "b", "random", probability=0.01, arm_probability=0.1, selection="random")


@pytest.fixture
def log(tmp_path):
    one = RoundLog(tmp_path / "labels.db")
    yield one
    one.close()


def test_a_round_comes_back_with_how_each_item_was_chosen(log):
    log.add(record(1, CHOSEN, DRAWN))
    assert log.newest() == record(1, CHOSEN, DRAWN)
    assert log.queries(1) == (CHOSEN, DRAWN)
    assert log.records() == [record(1)]
    assert log.next_number() == 2


def test_a_database_of_an_earlier_version_is_opened_and_written_on(tmp_path):
    path = tmp_path / "labels.db"
    connection = sqlite3.connect(path)
    connection.executescript(OLD)
    connection.close()
    for _ in range(2):  # the second time there is nothing left to add
        log = RoundLog(path)
        old = log.queries(1)
        assert [(q.item_id, q.strategy, q.probability, q.score) for q in old] == [
            ("i3", "margin", None, -0.25),
            ("i8", "random", 0.125, None),
        ]
        assert {(q.selection, q.arm_probability, q.reason) for q in old} == {("unknown", None, None)}
        log.close()
    log = RoundLog(path)
    log.add(record(2, CHOSEN))
    assert log.newest().queries == (CHOSEN,)
    assert [r.number for r in log.records()] == [1, 2]
    log.close()


def test_labels_and_rounds_share_one_file(tmp_path):
    path = tmp_path / "labels.db"
    labels, rounds = LabelLog(path), RoundLog(path)
    rounds.add(record(1, CHOSEN))
    labels.append(Event(new_event_id(), Action.LABEL, "a", "ann", datetime.now(UTC), label="star", round=1))
    assert labels.events()[0].round == rounds.newest().number
    labels.close()
    rounds.close()
