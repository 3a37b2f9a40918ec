"""The loop with a known answer."""

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rareloop.strategies import RoundSettings, simulate
from rareloop.strategies import simulate as simulate_function
from rareloop.strategies.rounds import run_round
from rareloop.strategies.simulate import labels_to

from .pools import blobs


def run(strategy="margin", seed=0, start="warm", n_labels=120, batch=10, n_classes=3, audit_share=0.0, **settings):
    X, y = blobs(n_items=2_000, n_classes=n_classes, share=0.02, seed=seed)
    return simulate(
        X[:1500], y[:1500], X[1500:], y[1500:],
        settings=RoundSettings(strategy=strategy, cross_validate=False, audit_share=audit_share, **settings),
        n_labels=n_labels, batch=batch, start=start, seed=seed, wanted=tuple(range(1, n_classes)),
    )  # fmt: skip


@pytest.fixture
def seen(monkeypatch):
    """The labels that each round was given."""
    labels = []

    def spy(pool, given_labels, settings, rng, audit):
        labels.append(given_labels)
        return run_round(pool, given_labels, settings, rng, audit)

    monkeypatch.setitem(simulate_function.__globals__, "run_round", spy)
    return labels


def test_one_record_a_round_up_to_the_budget():
    records = run(n_labels=125)
    assert [r["n_labels"] for r in records] == [62, 72, 82, 92, 102, 112, 122, 125]
    assert set(records[0]) == {
        "n_labels", "n_items", "n_found", "n_total", "n_parts_found", "n_parts", "average_precision", "f1",
        "seconds_fit", "seconds_query", "arms", "hits", "messages",
    }  # fmt: skip
    assert json.loads(json.dumps(records)) == records
    found = [r["n_found"] for r in records]
    assert found == sorted(found)
    assert found[-1] <= records[0]["n_total"]


def test_a_budget_below_the_start_is_kept():
    assert [r["n_labels"] for r in run(n_labels=3)] == [3]


def test_the_same_seed_gives_the_same_records():
    def plain(records):
        return [{k: v for k, v in r.items() if not k.startswith("seconds")} for r in records]

    assert plain(run(seed=3)) == plain(run(seed=3))


@pytest.mark.parametrize("n_classes", [2, 4])
def test_searching_beats_random_over_seeds(n_classes):
    found = {
        strategy: np.array([run(strategy, seed, n_classes=n_classes)[-1]["n_found"] for seed in range(4)])
        for strategy in ("random", "margin", "top")
    }
    assert (found["margin"] > found["random"]).all()
    assert (found["top"] > found["random"] + 5).all()


def test_a_cold_start_begins_with_nothing():
    records = run(start="cold", n_labels=60)
    assert records[0]["n_labels"] == 0
    assert np.isnan(records[0]["average_precision"])
    assert records[-1]["n_found"] > 0
    assert set(records[1]["arms"]) <= {"lookout", "unlike", "contrast", "coverage", "random"}


def test_it_ends_with_the_pool():
    X, y = blobs(n_items=60)
    records = simulate(
        X, y, X, y, settings=RoundSettings(), n_labels=500, batch=20, start="cold", seed=0, wanted=(1,)
    )
    assert records[-1]["n_labels"] == 60
    assert records[-1]["n_found"] == records[-1]["n_total"] == (y == 1).sum()


def test_each_record_is_told_at_once():
    X, y = blobs()
    told = []
    records = simulate(
        X, y, X, y, settings=RoundSettings(), n_labels=40, batch=10, seed=0, wanted=(1, 2), on_round=told.append
    )
    assert told == records


def test_rounds_are_told_which_arm_asked_each_label_and_when(seen):
    records = run(n_labels=85, batch=10)
    last = seen[-1]
    assert last.rounds.dtype == np.int64
    assert last.rounds.tolist() == [-1] * 42 + [n for n in range(4) for _ in range(10)] + [4] * 3
    assert last.arms[:42] == ("start",) * 42
    assert set(last.arms[42:]) == {"margin"}
    # In the order of labelling: each round is given what the one before was, and its answers after that.
    for before, after in itertools.pairwise(seen):
        assert after.rows[: len(before.rows)].tolist() == before.rows.tolist()
        assert after.arms[: len(before.arms)] == before.arms
    wanted = np.isin(last.classes, (1, 2))
    asked = {arm: np.array(last.arms) == arm for arm in set(last.arms)}
    assert records[-1]["arms"] == {arm: [int(m.sum()), int(wanted[m].sum())] for arm, m in asked.items()}
    assert list(records[0]["arms"]) == ["start"]


def test_hits_are_the_places_of_the_wanted_items_among_the_labels(seen):
    records = run(n_labels=90)
    places = [place for record in records for place in record["hits"]]
    assert places == (np.flatnonzero(np.isin(seen[-1].classes, (1, 2))) + 1).tolist()
    for record in records:
        assert sum(place <= record["n_labels"] for place in places) == record["n_found"]
    for before, after in itertools.pairwise(records):
        assert all(before["n_labels"] < place <= after["n_labels"] for place in after["hits"])


def test_a_strategy_that_fails_is_named_in_the_records():
    records = run("math:sqrt", n_labels=20)
    assert all("math:sqrt failed" in record["messages"][0] for record in records)
    assert "random" in records[-1]["arms"]


# ---- starts and parts -------------------------------------------------------------------------------


def clustered(sizes=(40, 12, 9), n_others=800, seed=0):
    """One wanted class in well separated clusters; returns X, y and the cluster of each item."""
    rng = np.random.default_rng(seed)
    parts = np.r_[np.repeat(np.arange(len(sizes)), sizes), np.full(n_others, -1)]
    centres = np.r_[20.0 * np.eye(4)[: len(sizes)], np.zeros((1, 4))]
    X = (centres[parts] + rng.normal(size=(len(parts), 4))).astype(np.float32)
    order = rng.permutation(len(parts))
    return X[order], (parts[order] >= 0).astype(np.int64), parts[order].astype(np.int64)


def started(X, y, seen, seed=0, wanted=(1,), n_labels=300, **given):
    """The labels of the start, and its record."""
    seen.clear()
    records = simulate(
        X, y, X[:0], y[:0], settings=RoundSettings(cross_validate=False), n_labels=n_labels, batch=n_labels,
        start=given.pop("start", "biased"), seed=seed, wanted=wanted, **given,
    )  # fmt: skip
    return seen[0], records[0]


@pytest.mark.parametrize("seed", range(4))
def test_a_biased_start_comes_from_the_largest_cluster_only(seen, seed):
    X, y, parts = clustered()
    labels, record = started(X, y, seen, seed)
    assert record["n_labels"] == 100
    assert record["n_found"] == (labels.classes == 1).sum() == 5
    assert set(parts[labels.rows[labels.classes == 1]]) == {0}
    assert record["n_parts_found"] == 1
    # The k-means clusters are at most four, and cut nothing across the three there are.
    assert 3 <= record["n_parts"] <= 4


def test_a_biased_start_draws_its_part_by_the_seed_when_parts_are_given(seen):
    X, y, parts = clustered()
    chosen = set()
    for seed in range(12):
        labels, record = started(X, y, seen, seed, parts=parts)
        (part,) = set(parts[labels.rows[labels.classes == 1]])
        chosen.add(int(part))
        assert (record["n_found"], record["n_parts_found"], record["n_parts"]) == (5, 1, 3)
        again, _ = started(X, y, seen, seed, parts=parts)
        assert again.rows.tolist() == labels.rows.tolist()
    assert chosen == {0, 1, 2}


def test_a_biased_start_comes_from_the_most_frequent_of_several_classes(seen):
    X, _, parts = clustered(sizes=(9, 40, 12))
    y = parts + 1
    labels, record = started(X, y, seen, wanted=(1, 2, 3))
    assert np.bincount(labels.classes).tolist() == [95, 0, 5]
    assert (record["n_parts_found"], record["n_parts"]) == (1, 3)


def test_a_part_of_fewer_items_than_a_start_gives_all_of_them(seen):
    X, y, parts = clustered(sizes=(3,))
    labels, _ = started(X, y, seen, parts=parts, n_labels=60)
    assert np.bincount(labels.classes).tolist() == [27, 3]


def test_a_biased_start_goes_by_the_metric(seen):
    rng = np.random.default_rng(0)
    direction = np.where(np.arange(60) < 40, 0, 1)
    lengths = np.where(np.arange(60) % 2, 1.0, 50.0)[:, None]
    rare = lengths * (np.eye(2)[direction] + 0.01 * rng.normal(size=(60, 2)))
    X = np.r_[rare, rng.normal(size=(500, 2))].astype(np.float32)
    y = (np.arange(560) < 60).astype(np.int64)
    records = simulate(
        X, y, X[:0], y[:0], settings=RoundSettings(cross_validate=False, metric="cosine"), n_labels=20, batch=20,
        start="biased", seed=0, wanted=(1,),
    )  # fmt: skip
    rows = seen[0].rows[seen[0].classes == 1]
    assert set(direction[rows]) == {0}
    assert records[0]["n_found"] == 5


def test_warm_and_biased_starts_have_as_many_labels(seen):
    X, y, parts = clustered()
    for n_labels, expected in ((300, 100), (60, 30)):
        sizes = {
            started(X, y, seen, start=start, n_labels=n_labels)[1]["n_labels"] for start in ("warm", "biased")
        }
        assert sizes == {expected}
    warm, record = started(X, y, seen, start="warm", parts=parts)
    assert (warm.classes[:5] == 1).all()
    assert record["n_parts_found"] == len(set(parts[warm.rows]) - {-1})


def test_every_strategy_of_a_seed_starts_from_the_same_labels(seen):
    for start in ("warm", "biased"):
        first = []
        for strategy in ("margin", "top", "random"):
            seen.clear()
            run(strategy, seed=5, start=start)
            first.append(seen[0].rows.tolist())
        assert first[0] == first[1] == first[2]


def test_one_class_without_parts_has_none():
    records = run(n_classes=2)
    assert {(r["n_parts_found"], r["n_parts"]) for r in records} == {(0, 0)}


def test_classes_are_the_parts_when_several_are_wanted():
    records = run("top", n_classes=4)
    assert {r["n_parts"] for r in records} == {3}
    assert records[-1]["n_parts_found"] == 3


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"start": "hot"}, "no start 'hot'"),
        ({"parts": np.zeros(3, np.int64)}, r"parts have the shape \(3,\)"),
        ({"start": "biased", "wanted": (2,)}, "the pool has none"),
        ({"start": "biased", "parts": np.full(600, -1)}, "no wanted item has one"),
    ],
)
def test_starts_that_cannot_be_made_are_refused(changes, part):
    X, y = blobs(n_classes=2)
    arguments = {"n_labels": 40, "batch": 10, "seed": 0, "wanted": (1,)} | changes
    with pytest.raises(ValueError, match=part):
        simulate(X, y, X, y, settings=RoundSettings(), **arguments)


# ---- labels to a share ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hits", "n_total", "share", "expected"),
    [
        ([3, 7, 8, 20], 5, 0.0, 3),
        ([3, 7, 8, 20], 5, 0.5, 8),  # half of five is two and a half: three are needed
        ([3, 7, 8, 20], 5, 0.8, 20),
        ([3, 7, 8, 20], 5, 0.95, math.inf),  # the fifth was not found
        ([3, 7, 8, 20], 4, 1.0, 20),
        ([], 5, 0.0, math.inf),
        ([], 0, 0.5, math.inf),
        (list(range(1, 100)), 100, 0.55, 55),  # 0.55 * 100 is a little more than 55 in floats
    ],
)
def test_labels_to_a_share(hits, n_total, share, expected):
    assert labels_to(hits, n_total, share) == expected


@given(st.sets(st.integers(1, 300), max_size=60), st.integers(0, 20), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_never_takes_fewer_labels(places, n_missed, one, other):
    hits = sorted(places)
    low, high = sorted((one, other))
    assert labels_to(hits, len(hits) + n_missed, low) <= labels_to(hits, len(hits) + n_missed, high)


@pytest.mark.parametrize("share", [-0.1, 1.5, math.nan])
def test_shares_outside_0_and_1_are_refused(share):
    with pytest.raises(ValueError, match="between 0 and 1"):
        labels_to([1], 1, share)


def test_the_audit_is_part_of_the_budget_and_its_estimates_stand_beside_the_truth(seen):
    records = run(n_labels=200, batch=20, audit_share=0.3)
    assert records[-1]["n_labels"] == 200
    assert records[-1]["arms"]["audit"][0] == 50  # behind its share: every second of the hundred after the start
    assert "audit" not in seen[-1].arms
    last = records[-1]
    assert last["estimates"]["n_audit"] >= 25
    for entry in last["estimates"]["classes"]:
        truth = last["truth"][str(entry["class"])]
        assert set(truth) >= {"prevalence", "precision", "recall", "f1", "completeness", "purity", "ap", "auroc"}
        point, low, high = entry["total"]
        assert low <= point <= high
        assert low <= truth["total"] <= high
    json.dumps(records, allow_nan=True)


def test_without_an_audit_there_are_no_estimates():
    assert "estimates" not in run(n_labels=120)[-1]
