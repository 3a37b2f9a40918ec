"""The rules: what passes, what warns, what fails, and that each verdict has its sentence."""

from __future__ import annotations

import json

import numpy as np
import pytest
from rareloop.strategies import fitness
from rareloop.strategies.fitness import Finding, Verdict
from rareloop.strategies.shift import DomainTest, FrechetComparison, Stability

PASS, WARN, FAIL, OPEN = Verdict.PASS, Verdict.WARN, Verdict.FAIL, Verdict.OPEN


def test_a_finding_becomes_json():
    finding = fitness.class_counts([12, 30], ["a", "b"])
    assert json.loads(json.dumps(finding.to_dict())) == {
        "rule": "class counts", "verdict": "pass", "text": finding.text,
        "details": {"labels": {"a": 12, "b": 30}, "least": 10},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("counts", "verdict", "part"),
    [
        ([0, 0, 0], FAIL, "0 of 3"),
        ([50, 0, 0], FAIL, "1 of 3"),
        ([50, 10, 9], WARN, "'c'"),
        ([50, 0, 10], WARN, "'b'"),
        ([10, 10, 10], PASS, "10"),
    ],
)
def test_classes_need_labels(counts, verdict, part):
    finding = fitness.class_counts(counts, ["a", "b", "c"])
    assert finding.verdict == verdict
    assert part in finding.text


def test_many_names_are_cut_short():
    assert fitness.listed(list("ab")) == "'a', 'b'"
    assert fitness.listed(list("abcdefg")).endswith("'e' and 2 more")


@pytest.mark.parametrize(
    ("groups", "classes", "verdict", "n_split"),
    [
        ([], [], PASS, 0),
        ([-1, -1, -1], [0, 1, 2], PASS, 0),
        ([0, 0, -1, 1, 1], [1, 1, 0, 2, 2], PASS, 0),
        ([0, 0, -1, 1, 1], [1, 1, 0, 2, 0], WARN, 1),
    ],
)
def test_equal_items_need_one_class(groups, classes, verdict, n_split):
    finding = fitness.conflicts(np.array(groups, np.int32), np.array(classes, np.int64))
    assert (finding.verdict, finding.details["conflicting"]) == (verdict, n_split)


def test_a_feature_made_from_the_label_is_a_leak_in_either_direction():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [60, 30, 5])
    X = rng.normal(size=(95, 70))
    X[:, 3] = y == 1
    X[:, 66] = -10.0 * (y == 0) + rng.normal(size=95)
    X[:, 7] = y == 2  # too few labels to say
    finding = fitness.leaks(X, y, [f"f{i}" for i in range(70)], ["a", "b", "c"])
    assert finding.verdict == WARN
    assert {(entry["feature"], entry["class"]) for entry in finding.details["found"]} == {
        ("f3", "b"),
        ("f66", "a"),
    }
    assert finding.details["found"][0]["auroc"] > 0.995


def test_strong_features_and_few_labels_are_no_leaks():
    rng = np.random.default_rng(1)
    y = np.repeat([0, 1], [40, 20])
    X = rng.normal(size=(60, 200))
    X[:, 0] += 2 * y
    names = [f"f{i}" for i in range(200)]
    assert fitness.leaks(X, y, names, ["a", "b"]).verdict == PASS
    assert fitness.leaks(X[:15], y[:15], names, ["a", "b"]).verdict == OPEN


def test_noise_is_hardly_ever_called_a_leak():
    """200 features and the fewest labels that are looked at: twice as many sides as 20 choose 10 has orders."""
    rng, y = np.random.default_rng(2), np.repeat([0, 1], 10)
    names = [str(i) for i in range(200)]
    assert all(fitness.leaks(rng.normal(size=(20, 200)), y, names, ["a", "b"]).verdict == PASS for _ in range(20))


def test_constant_pixels_do_no_harm_and_constant_columns_do():
    flat = np.array([False, True, True, False])
    finding = fitness.constants(flat, ["mag", "flat", "px[0]", "px[1]"], in_arrays=(2, 3))
    assert (finding.verdict, finding.details) == (WARN, {"features": ["flat"], "in_arrays": 1})
    harmless = fitness.constants(flat, ["a", "p0", "p1", "p2"], in_arrays=(1, 2, 3))
    assert harmless.verdict == PASS
    assert "2 values of arrays" in harmless.text


@pytest.mark.parametrize(
    ("shares", "verdict"),
    [({}, PASS), ({"a": 0.05}, PASS), ({"a": 0.01, "b": 0.06}, WARN), ({"a": 0.51, "b": 0.06}, FAIL)],
)
def test_missing_values(shares, verdict):
    assert fitness.missing(shares).verdict == verdict


ORDERED = np.arange(50.0)


@pytest.mark.parametrize(
    ("values", "is_id"),
    [
        (ORDERED, True),
        (-7 * ORDERED, True),  # falls, with gaps
        (np.random.default_rng(0).permutation(50) + 10.0, True),  # shuffled, without gaps
        (np.random.default_rng(0).permutation(10_000)[:50] + 0.0, False),  # a measured count
        (ORDERED + 0.5, False),
        (ORDERED // 2, False),
        (np.r_[ORDERED[:-1], np.nan], False),
        (ORDERED[:10], False),
    ],
)
def test_identifiers_are_whole_different_and_a_sequence(values, is_id):
    assert fitness.names_rows(values) == is_id


def test_named_identifiers_warn():
    assert fitness.identifiers([]).verdict == PASS
    assert "'plate'" in fitness.identifiers(["plate"]).text


def test_what_follows_the_order_of_the_table():
    rng = np.random.default_rng(0)
    assert fitness.follows_order(np.exp(-ORDERED)) == pytest.approx(1)
    assert fitness.follows_order(rng.normal(size=500)) < 0.2
    assert fitness.follows_order(np.r_[ORDERED, np.nan]) == pytest.approx(1)
    assert fitness.follows_order(np.ones(50)) == 0
    assert fitness.follows_order(ORDERED[:5]) == 0


def test_dates_and_ordered_features_warn():
    finding = fitness.time_order({"mjd": 0.999, "mag": 0.3, "seen": 0.999}, ["seen"])
    assert finding.verdict == WARN
    assert finding.details == {"dates": ["seen"], "in_order": ["mjd"]}
    assert fitness.time_order({"mag": 0.3}, []).verdict == PASS


def test_coverage_is_the_share_of_the_pool_in_cells_with_labels():
    pool = np.repeat([0, 1, 2], [50, 30, 20])
    finding = fitness.coverage(pool, np.array([0, 0, 2]), 4)
    assert finding.verdict == PASS
    assert (finding.details["cells"], finding.details["covered_cells"]) == (3, 2)
    assert finding.details["share"] == pytest.approx(0.7)
    shares = np.array([0.5, 0.3, 0.2])
    assert finding.details["expected_at_random"] == pytest.approx((shares * (1 - (1 - shares) ** 3)).sum())
    assert fitness.coverage(pool, np.array([0, 0, 2]), 4, least=2).details["share"] == pytest.approx(0.5)


def test_labels_in_one_corner_warn_and_random_ones_do_not():
    rng = np.random.default_rng(0)
    pool = rng.integers(0, 100, 20_000)
    assert fitness.coverage(pool, rng.integers(0, 100, 150), 100).verdict == PASS
    assert fitness.coverage(pool, rng.integers(0, 10, 150), 100).verdict == WARN
    assert fitness.coverage(pool, np.empty(0, np.int64), 100).verdict == OPEN


NAN = [np.nan, np.nan]


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        (("none", NAN, NAN, NAN), PASS),
        (("matched", [0.9, 0.1], [0.8, 0.05], [0.95, 0.2]), PASS),
        (("ratio", [0.9, 0.1], [np.nan, 0.05], [np.nan, 0.2]), PASS),  # one class was given by the user
        (("matched", NAN, NAN, NAN), FAIL),
        (("matched", None, None, None), FAIL),
        (("matched", [0.9, 0.3], [0.8, 0.05], [0.95, 0.4]), FAIL),
        (("matched", [0.7, 0.3], [0.8, 0.05], [0.95, 0.2]), FAIL),
        (("twice", [0.9, 0.1], NAN, NAN), FAIL),
    ],
)
def test_a_correction_needs_a_prevalence_that_is_one(state, verdict):
    assert fitness.prior_state(*state).verdict == verdict


FRECHET = FrechetComparison(0.3, 0.2, 0.4, 0.1, 0.15, 4, 500)


@pytest.mark.parametrize(
    ("auroc", "p", "scores", "verdict"),
    [
        (0.52, 1e-9, None, PASS),  # sure, and too small to matter
        (0.70, 0.2, None, PASS),
        (0.70, 1e-5, None, WARN),
        (0.52, 0.3, Stability(0.4, 1e-5, 10), WARN),
        (0.52, 0.3, Stability(0.4, 0.2, 10), PASS),
        (0.90, 1e-9, None, FAIL),
        (0.90, 0.05, None, PASS),
    ],
)
def test_new_rows_alarm_where_a_shift_is_sure_and_large(auroc, p, scores, verdict):
    finding = fitness.new_rows(DomainTest(auroc, p, 900, 500), FRECHET, scores)
    assert isinstance(finding, Finding)
    assert finding.verdict == verdict
    assert f"{auroc:.2f}" in finding.text
    json.dumps(finding.to_dict())
