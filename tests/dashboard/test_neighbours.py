"""The nearest items: the true ones, with and without a label, and never a hint for an audit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rareloop.dashboard.neighbours import may_be_told, neighbourhood
from rareloop.dashboard.reasons import AUDIT, CAMPAIGN
from scipy.spatial.distance import cdist

from .test_session import label, settle


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_they_are_the_nearest_in_the_feature_space(session, metric):
    session.update_settings(metric=metric)
    X = np.asarray(session.workspace.features, np.float64)
    for row in (3, 30, 200):
        label(session, row)
    session.decide([{"row": 31, "action": "skip"}], annotator="ann").result(60)
    settle(session)
    distances = cdist(X[[50]], X, metric)[0]
    found = neighbourhood(session).of(50)
    assert [one["row"] for one in found["labelled"]] == sorted((3, 30, 200), key=lambda row: distances[row])
    assert {one["class"] for one in found["labelled"]} == {"star", "quasar"}
    nearest = np.sort(np.delete(distances, [50, 3, 30, 31, 200]))[:5]
    assert [one["distance"] for one in found["unlabelled"]] == pytest.approx(nearest, rel=1e-3, abs=1e-6)
    for one in [*found["labelled"], *found["unlabelled"]]:
        assert one["distance"] == pytest.approx(distances[one["row"]], rel=1e-3, abs=1e-6)
        assert one["id"] == f"o{one['row']}"


def test_equal_items_are_at_no_distance(session):
    assert {one["row"] for one in neighbourhood(session).of(5)["unlabelled"][:3]} == {101, 102, 103}
    assert neighbourhood(session).of(5)["unlabelled"][2]["distance"] == 0


def test_they_follow_the_answers_and_end_where_all_are_answered(session):
    nearest = neighbourhood(session).of(10)["unlabelled"][0]["row"]
    label(session, nearest, "star")
    settle(session)
    found = neighbourhood(session).of(10)
    assert found["labelled"][0]["row"] == nearest
    assert nearest not in [one["row"] for one in found["unlabelled"]]
    session.decide(
        [{"row": row, "action": "unsure"} for row in range(400) if row not in (10, nearest)],
        annotator="ann",
    ).result(60)
    assert neighbourhood(session).of(10)["unlabelled"] == []


@pytest.mark.parametrize("strategy", [AUDIT, CAMPAIGN])
def test_questions_without_a_hint_have_none(session, strategy):
    settle(session)
    row = session.queue[0].row
    assert may_be_told(session, row)
    assert may_be_told(session, 17)
    session.questions.replace((replace(session.queue[0], strategy=strategy), *session.queue[1:]))
    assert not may_be_told(session, row)
    label(session, row, "star", round=session.queue[0].round)
    assert not may_be_told(session, row)  # the answer may be sealed
    session.campaign = {"n": 3}
    assert not may_be_told(session, 17)
