"""`auto`: shares that follow what the arms find."""

from types import SimpleNamespace

import numpy as np
import pytest
from rareloop.strategies import Auto, Brief, Labels, RoundSettings, run_round
from rareloop.strategies.landscape import Landscape
from rareloop.strategies.mixture import (
    ARMS,
    EXPLORING,
    FIRST_LOOK,
    LEAST_EXPLOITER,
    LEAST_EXPLORER,
    MOST_EXPLORATION,
    in_new_region,
)
from rareloop.strategies.pool import Pool
from rareloop.strategies.queries import draw_arms
from rareloop.strategies.rows import Rows
from sklearn.linear_model import LogisticRegression

from .pools import blobs, labels_of


def log(rows, classes, arms, n_classes=2):
    rows, classes = np.array(rows, np.int64), np.array(classes, np.int64)
    nothing = np.empty(0, np.int64)
    return Labels(rows, classes, nothing, n_classes, tuple(arms))


def history(*runs):
    """Labels by arm: (arm, asked, found) in turn, on a pool in which item i lies at i."""
    arms, classes = [], []
    for arm, asked, found in runs:
        arms += [arm] * asked
        classes += [1] * found + [0] * (asked - found)
    return log(range(len(arms)), classes, arms)


MODEL = SimpleNamespace(predict_proba=None)
LINE = np.arange(4_000, dtype=np.float32).reshape(-1, 1)


def shares(labels, learner=MODEL, landscape=None, **brief):
    brief = Brief(wanted=(1,), landscape=landscape, labels=labels, **brief)
    return Auto(brief).shares(learner, np.random.default_rng(0))


def explored(by_arm):
    return sum(by_arm.get(arm, 0) for arm in EXPLORING)


def test_shares_are_a_distribution_with_floors():
    for labels in (
        history(("start", 20, 3)),
        history(("start", 9, 1), ("top", 300, 0)),
        history(("start", 1, 1), ("lookout", 50, 50), ("top", 9, 0)),
    ):
        by_arm = shares(labels)
        assert sum(by_arm.values()) == pytest.approx(1)
        assert set(by_arm) <= set(ARMS)
        assert 0 < explored(by_arm) <= MOST_EXPLORATION
        for arm in EXPLORING:
            assert by_arm[arm] >= LEAST_EXPLORER * explored(by_arm) - 1e-12
        assert min(by_arm["top"], by_arm["similar"]) >= LEAST_EXPLOITER * 0.9 * (1 - explored(by_arm))


def test_before_the_first_find_there_is_nothing_to_exploit():
    assert shares(history(("lookout", 30, 0))) == FIRST_LOOK
    assert shares(log([], [], [])) == FIRST_LOOK
    alone = shares(log([5], [1], ["lookout"]), learner=SimpleNamespace())
    assert alone["similar"] == 0.5
    assert explored(alone) == pytest.approx(0.5)
    assert "top" not in alone


def test_exploration_grows_as_the_known_region_runs_dry_and_falls_where_it_finds_nothing():
    rich = explored(shares(history(("start", 100, 5), ("top", 100, 90))))
    dry = explored(shares(history(("start", 100, 5), ("top", 50, 45), ("top", 200, 0))))
    hopeless = explored(shares(history(("start", 100, 5), ("top", 50, 45), ("top", 200, 0), ("lookout", 100, 0))))
    assert rich < 0.1 < dry
    assert hopeless < dry


def test_the_arm_that_finds_more_gets_more():
    by_arm = shares(history(("start", 20, 5), ("top", 30, 2), ("similar", 30, 25)))
    assert by_arm["similar"] > 5 * by_arm["top"]
    by_arm = shares(history(("start", 20, 5), ("similar", 30, 2), ("top", 30, 25)))
    assert by_arm["top"] > 5 * by_arm["similar"]
    by_arm = shares(history(("start", 20, 5), ("lookout", 30, 0), ("unlike", 30, 10)))
    assert by_arm["unlike"] > 2 * by_arm["lookout"]


def test_what_was_long_ago_is_forgotten():
    by_arm = shares(history(("start", 20, 5), ("similar", 30, 30), ("top", 200, 40), ("similar", 5, 0)))
    fresh = shares(history(("start", 20, 5), ("top", 200, 40), ("similar", 35, 30)))
    assert by_arm["similar"] < fresh["similar"]


def test_a_find_in_a_new_region_counts_more():
    landscape = Landscape(LINE)
    arms = ["start"] * 10 + ["unlike"] * 5 + ["lookout"] * 5
    near = log(
        [*range(10), 5_0, 51, 52, 53, 54, 11, 60, 61, 62, 63], [1] + [0] * 9 + [0] * 5 + [1] + [0] * 4, arms
    )
    far = log(
        [*range(10), 50, 51, 52, 53, 54, 3_000, 60, 61, 62, 63], [1] + [0] * 9 + [0] * 5 + [1] + [0] * 4, arms
    )
    assert explored(shares(far, landscape=landscape)) > 1.3 * explored(shares(near, landscape=landscape))


def test_new_regions_by_hand():
    landscape = Landscape(LINE)
    labels = log([100, 105, 2_000, 300, 2_004], [1, 1, 1, 0, 1], [""] * 5)
    hits = labels.classes == 1
    # On a line of step one, the 20th neighbour of an item is ten away.
    assert landscape.neighbourhood(LINE[100]).radius == pytest.approx(10)
    new = in_new_region(landscape, labels, hits, np.array([0, 1, 2, 4]))
    assert new.tolist() == [True, False, True, False]


def test_own_shares_replace_the_recipe():
    labels = history(("start", 20, 5))
    assert shares(labels, shares=(("top", 3.0), ("random", 1.0), ("unlike", 0.0))) == {"top": 0.75, "random": 0.25}
    without_model = shares(labels, learner=SimpleNamespace(), shares=(("top", 3.0), ("random", 1.0)))
    assert without_model == {"random": 1.0}
    assert shares(labels, learner=SimpleNamespace(), shares=(("top", 1.0),)) == FIRST_LOOK


def test_arms_are_drawn_by_their_shares_in_every_run_of_places():
    given = {"a": 0.6, "b": 0.3, "c": 0.1}
    firsts = [draw_arms(given, 1, np.random.default_rng(seed))[0] for seed in range(4_000)]
    for arm, share in given.items():
        assert firsts.count(arm) / 4_000 == pytest.approx(share, abs=0.03)
    places = draw_arms(given, 1_000, np.random.default_rng(0))
    for start in range(0, 980, 20):
        for arm, share in given.items():
            assert abs(places[start : start + 20].count(arm) - 20 * share) <= 2


def test_a_round_names_the_arm_its_probability_and_the_propensity():
    X, y = blobs(n_items=3_000)
    result = run_round(
        Pool(X),
        labels_of(y),
        RoundSettings(wanted=(1, 2), n_queries=200, shares=(("top", 6), ("lookout", 3), ("random", 1))),
        np.random.default_rng(0),
    )
    queries = result.queries
    by_arm = {entry["arm"]: entry["share"] for entry in result.arms}
    assert sum(by_arm.values()) == pytest.approx(1)
    assert by_arm["random"] == pytest.approx(0.1)
    for arm, probability, propensity in zip(
        queries.strategy, queries.arm_probability, queries.probability, strict=True
    ):
        assert probability == pytest.approx(by_arm[arm])
        assert np.isnan(propensity) == (arm != "random")
    asked = {arm: queries.strategy.count(arm) / 200 for arm in by_arm}
    for arm, share in by_arm.items():
        assert asked[arm] == pytest.approx(share, abs=0.03)


def test_arms_report_what_they_asked_and_found():
    X, y = blobs(n_items=1_000)
    labels = labels_of(y)
    arms = ("top",) * 6 + ("similar",) * (len(labels.rows) - 6)
    labels = Labels(labels.rows, labels.classes, labels.excluded, 3, arms)
    result = run_round(Pool(X), labels, RoundSettings(wanted=(1,)), np.random.default_rng(0))
    top = next(entry for entry in result.arms if entry["arm"] == "top")
    assert top["asked"] == 6
    assert top["found"] == int((labels.classes[:6] == 1).sum())


def test_a_slow_model_scores_a_subpool():
    X, y = blobs(n_items=6_000)
    labels = labels_of(y)
    settings = RoundSettings(classifier="forest", wanted=(1, 2), anchors_above=5_000)
    result = run_round(Pool(X), labels, settings, np.random.default_rng(0))
    assert result.subpool_size == result.n_scored < 4_000
    assert {"top", "similar"} <= set(result.queries.strategy)


def test_without_classes_that_are_looked_for_it_is_the_rarest():
    X, y = blobs(n_items=2_000, n_classes=2, share=0.02)
    rows = np.r_[np.flatnonzero(y == 1)[:5], np.flatnonzero(y == 0)[:40]]
    learner = SimpleNamespace(X_training=X[rows], y_training=y[rows])
    model = LogisticRegression().fit(X[rows], y[rows])
    learner.predict_proba, learner.classes_ = model.predict_proba, model.classes_
    rest = np.setdiff1d(np.arange(2_000), rows)
    positions, _ = Auto()(learner, Rows(X, rest), 20, random_state=np.random.default_rng(0))
    assert (y[rest[positions]] == 1).mean() > 0.5


def test_all_clusters_of_a_class_are_found_from_a_biased_start():
    from rareloop.strategies import simulate

    found = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        centres = 7 * np.eye(6)[:4]
        X = np.concatenate([rng.normal(size=(4_000, 6)), *(c + 0.5 * rng.normal(size=(12, 6)) for c in centres)])
        y = np.r_[np.zeros(4_000, np.int64), np.ones(48, np.int64)]
        parts = np.r_[np.full(4_000, -1), np.repeat(np.arange(4), 12)]
        records = simulate(
            X.astype(np.float32), y, X.astype(np.float32), y, n_labels=300, batch=10, seed=seed, wanted=(1,),
            settings=RoundSettings(audit_share=0.0, cross_validate=False), start="biased", parts=parts,
        )  # fmt: skip
        found.append((records[-1]["n_parts_found"], records[-1]["n_found"]))
    assert np.mean([parts for parts, _ in found]) > 3
    assert np.mean([n for _, n in found]) > 36
