"""Curves against scikit-learn, closed forms and many simulated audits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from rareloop.strategies.curves import (
    cost_per_find,
    discovery,
    effective_limits,
    effective_number,
    precision_recall,
    ranking,
    reliability,
)
from scipy.special import expit
from scipy.stats import beta, binomtest
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score


def population(n=20_000, share=0.02, shift=2.0, seed=0):
    rng = np.random.default_rng(seed)
    member = rng.random(n) < share
    return expit(rng.normal(size=n) + shift * member - 4), member


def test_the_effective_number_is_kishs():
    assert effective_number(np.full(7, 3.0)) == pytest.approx(7)
    assert effective_number([1, 1, 2]) == pytest.approx(16 / 6)
    assert effective_number([]) == 0


@pytest.mark.parametrize(("found", "drawn"), [(0, 10), (3, 10), (10, 10), (1, 200)])
def test_effective_limits_are_clopper_and_pearsons_for_whole_numbers(found, drawn):
    low, high = effective_limits(found / drawn, drawn)
    expected = binomtest(found, drawn).proportion_ci(method="exact")
    assert (float(low), float(high)) == pytest.approx((expected.low, expected.high))


def test_no_items_have_the_widest_limits():
    low, high = effective_limits([np.nan, 0.0], [0.0, 0.0])
    assert low.tolist() == [0, 0] and high.tolist() == [1, 1]


# ---- precision and recall ---------------------------------------------------------------------------


def test_the_curve_goes_through_scikit_learns_points():
    p, member = population(400, 0.05)
    weights = np.random.default_rng(1).uniform(1, 9, 400)
    curve = precision_recall(p, member, weights)
    precision, recall, _ = precision_recall_curve(member, p, sample_weight=weights)
    points = {(round(a, 9), round(b, 9)) for a, b in zip(recall, precision, strict=True)}
    mine = {(round(a, 9), round(b, 9)) for a, b in zip(curve["recall"], curve["precision"], strict=True)}
    assert mine <= points
    assert curve["recall"][-1] == pytest.approx(1)
    assert np.all(np.diff(curve["recall"]) >= -1e-12)
    assert all(a <= b <= c for a, b, c in zip(curve["low"], curve["precision"], curve["high"], strict=True))


def test_the_curve_has_at_most_sixty_points_and_none_without_members():
    p, member = population(4_000, 0.3)
    curve = precision_recall(p, member, np.ones(4_000))
    assert {len(column) for column in curve.values()} == {60}
    assert precision_recall(p, np.zeros(4_000, bool), np.ones(4_000))["recall"] == []


def test_the_band_covers_the_precision_at_a_fixed_threshold():
    p, member = population()
    truth, covered, rng = member[p >= 0.2].mean(), [], np.random.default_rng(2)
    for _ in range(300):
        drawn = rng.choice(len(p), 1_000, replace=False)
        inside = member[drawn][p[drawn] >= 0.2]
        low, high = effective_limits(inside.mean() if len(inside) else 0, len(inside))
        covered.append(low <= truth <= high)
    assert np.mean(covered) > 0.95


# ---- ranking ----------------------------------------------------------------------------------------


def test_the_roc_area_is_scikit_learns_with_weights_and_ties():
    p, member = population(500, 0.06)
    p = p.round(2)
    weights = np.random.default_rng(3).uniform(1, 9, 500)
    _, (point, low, high) = ranking(p, member, weights, np.random.default_rng(0))
    assert point == pytest.approx(roc_auc_score(member, p, sample_weight=weights))
    assert low < point < high


def test_the_average_precision_of_the_whole_pool_is_scikit_learns():
    p, member = population(8_000, 0.05)
    point, _ = ranking(p, member, np.ones(8_000), np.random.default_rng(0), 100)
    assert point[0] == pytest.approx(average_precision_score(member, p), abs=0.005)


def test_a_perfect_and_a_reversed_ranking():
    p = np.linspace(0, 1, 200)
    best, area = ranking(p, p > 0.9, np.ones(200), np.random.default_rng(0))
    assert best[0] == area[0] == 1
    assert best[2] == pytest.approx(1) and best[1] < 0.9
    worst, area = ranking(p, p < 0.1, np.ones(200), np.random.default_rng(0))
    assert area[0] == 0 and area[1] == 0
    assert worst[0] < 0.1


def test_one_member_at_the_head_or_at_the_end_has_clopper_and_pearsons_limits():
    """Placements are then 1 or 0, and the many others count as known."""
    p = np.arange(5_000.0)
    _, area = ranking(p, p == 4_999, np.ones(5_000), np.random.default_rng(0), 20_000)
    assert area[1] == pytest.approx(beta.ppf(0.025, 1, 1), abs=0.01)
    _, area = ranking(p, p >= 4_990, np.ones(5_000), np.random.default_rng(0), 20_000)
    assert area[1] == pytest.approx(beta.ppf(0.025, 10, 1), abs=0.01)


def test_the_lower_limit_of_a_member_at_the_end_goes_below_what_the_share_of_members_can_be():
    p = np.arange(300.0)
    average, _ = ranking(p, p == 0, np.ones(300), np.random.default_rng(0), 20_000)
    assert average[1] < beta.ppf(0.025, 1, 300)


def test_without_members_or_without_others_there_is_no_ranking():
    for member in (np.zeros(5, bool), np.ones(5, bool), np.zeros(0, bool)):
        n = len(member)
        for area in ranking(np.linspace(0, 1, n), member, np.ones(n), np.random.default_rng(0)):
            assert all(math.isnan(x) for x in area)


def test_many_members_are_put_together_without_moving_the_limits():
    p, member = population(2_000, 0.4)
    rng = np.random.default_rng(0)
    average, area = ranking(p, member, np.ones(2_000), rng)
    assert area[1] < roc_auc_score(member, p) < area[2]
    assert area[2] - area[1] < 0.06 and average[2] - average[1] < 0.1


@pytest.mark.parametrize(("share", "shift"), [(0.01, 3.0), (0.01, 1.0), (0.002, 3.0)])
def test_ranking_limits_cover_however_few_members_there_are(share, shift):
    p, member = population(20_000, share, shift, seed=4)
    truths = average_precision_score(member, p), roc_auc_score(member, p)
    rng, covered = np.random.default_rng(5), []
    for _ in range(150):
        drawn = rng.choice(len(p), 1_000, replace=False)
        areas = ranking(p[drawn], member[drawn], np.full(1_000, 20.0), rng, 200)
        if not math.isnan(areas[0][0]):
            covered.append([low <= truth <= high for truth, (_, low, high) in zip(truths, areas, strict=True)])
    assert np.mean(covered, axis=0).min() > 0.93


# ---- reliability ------------------------------------------------------------------------------------


def test_honest_probabilities_lie_within_the_limits_of_their_bins():
    rng = np.random.default_rng(6)
    p = 10 ** rng.uniform(-5, 0, 6_000)
    curve = reliability(p, rng.random(6_000) < p, rng.uniform(1, 3, 6_000))
    assert curve["edges"][0] == 0 and curve["edges"][-1] == 1 and len(curve["edges"]) == 11
    assert sum(curve["n"]) == 6_000
    inside = [a <= b <= c for a, b, c in zip(curve["low"], curve["predicted"], curve["high"], strict=True)]
    assert sum(inside) >= 9


def test_bins_are_weighted_means_and_empty_ones_say_nothing():
    curve = reliability([0.5, 0.6, 1.0], [True, False, True], [3.0, 1.0, 1.0])
    last = curve["n"].index(3)
    assert curve["observed"][last] == pytest.approx(0.8)
    assert curve["predicted"][last] == pytest.approx((1.5 + 0.6 + 1) / 5)
    assert curve["observed"][0] is None and curve["low"][0] is None
    assert sum(curve["n"]) == 3
    assert reliability([], [], [])["n"] == [0] * 10


# ---- finds over labels ------------------------------------------------------------------------------


def test_discovery_has_the_lines_of_a_random_and_of_a_perfect_search():
    curve = discovery([True, False, True, True], 100, (20.0, 10.0, 40.0))
    assert curve["labels"] == [0, 1, 2, 3, 4]
    assert curve["found"] == [0, 1, 1, 2, 3]
    assert curve["random"][-1] == pytest.approx(0.8)
    assert curve["random_low"][-1] == pytest.approx(0.4) and curve["random_high"][-1] == pytest.approx(1.6)
    assert curve["perfect"] == [0, 1, 2, 3, 4]
    assert discovery(np.ones(50, bool), 100, (20.0, 10.0, 40.0))["perfect"][-1] == 20


def test_discovery_thins_long_histories_and_knows_no_lines_without_a_total():
    found = np.random.default_rng(7).random(5_000) < 0.1
    curve = discovery(found, 10_000)
    assert len(curve["labels"]) == 200
    assert (curve["labels"][-1], curve["found"][-1]) == (5_000, int(found.sum()))
    assert set(curve["random"]) == {None} and set(curve["perfect"]) == {None}
    assert discovery([], 10)["found"] == [0]


def test_the_cost_of_a_find_by_windows_has_wilsons_limits():
    found = np.r_[np.ones(10, bool), np.zeros(40, bool), np.zeros(50, bool), [True]]
    cost = cost_per_find(found)
    assert cost["labels"] == [50, 100, 101] and cost["n"] == [50, 50, 1]
    assert cost["labels_per_find"] == [5.0, None, 1.0]
    for k, n, low, high in zip(cost["found"], cost["n"], cost["low"], cost["high"], strict=True):
        expected = binomtest(k, n).proportion_ci(method="wilson")
        assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert cost_per_find([])["labels"] == []
