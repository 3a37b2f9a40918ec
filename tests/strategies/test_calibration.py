"""Thresholds by enumeration, and calibration against scikit-learn and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from rareloop.strategies.calibration import (
    MIN_MEMBERS,
    Objective,
    audit_correction,
    calibrate,
    choose_threshold,
    choose_thresholds,
    cross_calibrated,
    decide,
    half_of,
    no_thresholds,
    platt,
)
from rareloop.strategies.priors import Correction, shift
from rareloop.tests.strategies.pools import Told, two_classes
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression


def sample(n=400, share=0.1, seed=0):
    """Probabilities that rank well but not perfectly, members, and unequal weights."""
    rng = np.random.default_rng(seed)
    member = rng.random(n) < share
    p = expit(rng.normal(size=n) + 2.5 * member - 2)
    return p, member, rng.uniform(1, 20, n)


# ---- decisions --------------------------------------------------------------------------------------


def test_without_thresholds_the_largest_probability_decides():
    p = np.random.default_rng(0).dirichlet([1, 1, 1], 50)
    np.testing.assert_array_equal(decide(p, [np.nan] * 3), p.argmax(axis=1))


def test_a_threshold_lets_a_rare_class_win_with_little_and_lose_with_much():
    p = two_classes([0.05, 0.2, 0.6])
    np.testing.assert_array_equal(decide(p, [np.nan, 0.1]), [0, 1, 1])
    np.testing.assert_array_equal(decide(p, [np.nan, 0.7]), [0, 0, 0])


def test_of_several_classes_that_reach_their_thresholds_the_largest_gain_wins():
    p = np.array([[0.5, 0.2, 0.3], [0.5, 0.3, 0.2], [0.94, 0.03, 0.03]])
    np.testing.assert_array_equal(decide(p, [np.nan, 0.1, 0.2]), [1, 1, 0])


def test_where_every_class_has_a_threshold_and_none_is_reached_the_nearest_wins():
    np.testing.assert_array_equal(decide(np.array([[0.6, 0.4]]), [0.9, 0.5]), [1])


def test_no_rows_are_decided_too():
    assert decide(np.empty((0, 3)), [np.nan, 0.1, np.nan]).shape == (0,)


# ---- thresholds -------------------------------------------------------------------------------------


def enumerated(p, member, weights):
    """Weighted recall, precision, and cost parts at every distinct probability."""
    for t in np.unique(p):
        predicted = p >= t
        tp = weights[predicted & member].sum()
        yield t, tp, weights[predicted].sum(), weights[member].sum()


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_the_f_threshold_is_the_best_of_all(beta):
    p, member, weights = sample()

    def f(tp, predicted, total):
        return (1 + beta**2) * tp / (predicted + beta**2 * total)

    chosen = choose_threshold(p, member, weights, Objective("f1", beta=beta))
    best = max(f(tp, predicted, total) for _, tp, predicted, total in enumerated(p, member, weights))
    above = p >= chosen.value
    got = f(weights[above & member].sum(), weights[above].sum(), weights[member].sum())
    assert got == pytest.approx(best)
    assert str(member.sum()) in chosen.source


def test_the_cost_threshold_is_the_cheapest_of_all():
    p, member, weights = sample(seed=1)
    chosen = choose_threshold(p, member, weights, Objective("cost", 7.0)).value

    def cost(predicted):
        return 7 * weights[member & ~predicted].sum() + weights[predicted & ~member].sum()

    assert cost(p >= chosen) == pytest.approx(min(cost(p >= t) for t in np.unique(p)))


@pytest.mark.parametrize("target", [0.5, 0.8, 1.0])
def test_a_target_recall_takes_the_largest_threshold_that_reaches_it(target):
    p, member, weights = sample(seed=2)
    chosen = choose_threshold(p, member, weights, Objective("recall", target)).value
    reaching = [t for t, tp, _, total in enumerated(p, member, weights) if tp / total >= target - 1e-12]
    lowest = max(reaching)
    below = p[p < lowest].max(initial=0)
    assert below < chosen <= lowest


def test_a_target_precision_takes_the_smallest_threshold_that_reaches_it():
    p, member, weights = sample(seed=3)
    chosen = choose_threshold(p, member, weights, Objective("precision", 0.5)).value
    lowest = min(t for t, tp, predicted, _ in enumerated(p, member, weights) if tp / predicted >= 0.5)
    assert p[p < lowest].max() < chosen <= lowest


def test_a_precision_that_is_out_of_reach_is_said():
    p = np.linspace(0.01, 0.99, 40)
    member = np.arange(40) % 2 == 0
    member[-3:] = False
    chosen = choose_threshold(p, member, np.ones(40), Objective("precision", 0.99))
    assert "none reaches a precision of 99 %" in chosen.source
    assert 0 < chosen.value < 1


def test_below_ten_members_there_is_no_threshold():
    p, member, weights = sample(60, seed=4)
    member = np.arange(60) < MIN_MEMBERS - 1
    chosen = choose_threshold(p, member, weights, Objective())
    assert math.isnan(chosen.value)
    assert f"{MIN_MEMBERS - 1} so far" in chosen.source
    assert not math.isnan(choose_threshold(p, np.arange(60) < MIN_MEMBERS, weights, Objective()).value)
    assert math.isnan(choose_threshold(p, member, weights, Objective("none")).value)


def test_thresholds_stand_between_audited_items_and_survive_certain_probabilities():
    chosen = choose_threshold(np.repeat([1.0, 0.0], 20), np.repeat([True, False], 20), np.ones(40), Objective())
    assert 0 < chosen.value < 1
    everything = choose_threshold(np.ones(20), np.ones(20, bool), np.ones(20), Objective())
    assert everything.value <= 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("f2",), "no objective 'f2'"),
        (("cost",), "cost of a missed member"),
        (("cost", -1.0), "above 0"),
        (("precision", 1.5), "at most 1"),
        (("recall", 0.0), "target recall"),
        (("f1", math.nan, 0.0), "beta"),
    ],
)
def test_objectives_are_checked(arguments, words):
    with pytest.raises(ValueError, match=words):
        Objective(*arguments)


def test_halves_are_even_fixed_and_say_nothing_of_the_size_of_the_number():
    u = np.random.default_rng(5).random(40_000)
    half = half_of(u)
    assert abs(half.mean() - 0.5) < 0.01
    assert abs(half[u < 0.02].mean() - 0.5) < 0.06
    assert abs(np.corrcoef(half, u)[0, 1]) < 0.02


def test_each_half_is_decided_by_what_the_other_half_chose():
    p, member, weights = sample(600, seed=6)
    u = np.random.default_rng(6).random(600)
    chosen = choose_thresholds(two_classes(p), member.astype(np.int64), weights, u, {1: Objective()})
    assert math.isnan(chosen.values[0]) and "largest" in chosen.sources[0]
    p32 = two_classes(p)[:, 1]
    for h in (0, 1):
        other = half_of(u) != h
        alone = choose_threshold(p32[other], member[other], weights[other], Objective(), 1)
        assert chosen.crossed[h, 1] == alone.value
        np.testing.assert_array_equal(
            chosen.decide_crossed(two_classes(p), u)[~other] == 1, p32[~other] >= alone.value
        )
    np.testing.assert_array_equal(chosen.decide(two_classes(p)) == 1, p32 >= chosen.values[1])
    assert logit(chosen.values[1]) == pytest.approx(logit(chosen.crossed[:, 1]).mean())


def test_without_enough_members_no_half_has_a_threshold():
    p, _, weights = sample(60, seed=7)
    few = choose_thresholds(
        two_classes(p), (np.arange(60) < 4) * 1, weights, np.linspace(0, 0.9, 60), {1: Objective()}
    )
    assert np.isnan(few.crossed).all()
    np.testing.assert_array_equal(
        few.decide_crossed(two_classes(p), np.zeros(60)), no_thresholds(2).decide(two_classes(p))
    )


# ---- probabilities ----------------------------------------------------------------------------------


def test_platt_is_a_weighted_logistic_regression_with_a_ridge_towards_slope_one():
    p, member, weights = sample(seed=8)
    z = logit(p)
    w = weights / weights.mean()

    def loss(theta):
        eta = theta[0] * z + theta[1]
        return (w * (np.logaddexp(0, eta) - member * eta)).sum() + 2 * (theta[0] - 1) ** 2

    expected = minimize(loss, [1.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-10}).x
    np.testing.assert_allclose(platt(z, member, weights), expected, atol=1e-4)


def test_with_much_data_platt_is_plain_logistic_regression():
    p, member, weights = sample(20_000, seed=9)
    z = logit(p)
    fitted = LogisticRegression(C=1e9).fit(z[:, None], member, weights)
    a, b = platt(z, member, weights)
    assert a == pytest.approx(fitted.coef_[0, 0], rel=0.01)
    assert b == pytest.approx(fitted.intercept_[0], abs=0.01)


def test_platt_makes_the_weighted_mean_the_weighted_share():
    p, member, weights = sample(seed=10)
    a, b = platt(logit(p), member, weights)
    assert np.average(expit(a * logit(p) + b), weights=weights) == pytest.approx(
        np.average(member, weights=weights), rel=1e-6
    )


def test_platt_needs_ten_of_each_and_never_turns_the_ranking_round():
    p, member, weights = sample(seed=11)
    z = logit(p)
    assert platt(z[:50], np.arange(50) < 9, weights[:50]) is None
    assert platt(z[:50], np.arange(50) >= 9, weights[:50]) is None
    assert platt(-6 * z, member, weights) is None


def test_platt_of_separated_classes_stays_finite():
    a, b = platt(np.repeat([-3.0, 3.0], 20), np.repeat([False, True], 20), np.ones(40))
    assert 1 < a < 10
    assert b == pytest.approx(0, abs=1e-3)


def test_the_correction_of_two_classes_is_platts():
    p, member, weights = sample(seed=12)
    p2 = two_classes(p).astype(np.float64)
    scale, offsets = audit_correction(p2, member.astype(np.int64), weights, [1])
    a, b = platt(logit(p2[:, 1]), member, weights)
    assert (scale, offsets[1] - offsets[0]) == (pytest.approx(a, abs=1e-4), pytest.approx(b, abs=1e-4))


def three_classes(n=4_000, seed=13):
    """Probabilities, and classes drawn from a distortion of them that the correction can undo."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet([3, 1, 1], n)
    true = shift(p, [0.0, -2.0, -1.0], 1.5)
    y = (true.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    return p, y, np.ones(n)


def test_the_correction_of_more_classes_finds_the_distortion():
    p, y, weights = three_classes(20_000)
    scale, offsets = audit_correction(p, y, weights, [1, 2])
    assert scale == pytest.approx(1.5, abs=0.1)
    np.testing.assert_allclose(offsets - offsets[0], [0, -2, -1], atol=0.15)


def test_the_correction_leaves_out_what_has_no_class_and_needs_members_of_all_that_is_wanted():
    p, y, weights = three_classes()
    unjudged = np.r_[y, np.full(30, -1)]
    more = np.vstack([p, np.full((30, 3), 1 / 3)])
    with_them, without = (
        audit_correction(more, unjudged, np.ones(len(more)), [1]),
        audit_correction(p, y, weights, [1]),
    )
    np.testing.assert_allclose(np.r_[with_them[0], with_them[1]], np.r_[without[0], without[1]], rtol=1e-5)
    rare = np.where(y == 2, 0, y)
    rare[:5] = 2
    assert audit_correction(p, rare, weights, [1, 2]) is None
    assert audit_correction(p, rare, weights, [1])[1][2] == 0
    assert audit_correction(p, y, weights, []) is None


def test_calibrating_a_learner_moves_its_probabilities_once():
    p, member, weights = sample(2_000, seed=14)
    X = two_classes(p)
    learner = Told(X, member.astype(np.int64))
    corrected = calibrate(learner, X, member.astype(np.int64), weights, [1])
    assert corrected.prior_state == Correction.AUDIT
    shown = corrected.predict_proba(X)[:, 1]
    assert np.average(shown, weights=weights) == pytest.approx(np.average(member, weights=weights), rel=1e-4)
    np.testing.assert_array_equal(np.argsort(shown, kind="stable"), np.argsort(X[:, 1], kind="stable"))
    with pytest.raises(ValueError, match="corrected already"):
        calibrate(corrected, X, member.astype(np.int64), weights, [1])


def test_calibrating_needs_a_class_that_the_learner_knows_and_enough_of_it():
    p, _, weights = sample(60, seed=15)
    learner = Told(two_classes(p), np.zeros(60, int), classes=[0, 2])
    y = np.where(np.arange(60) < 20, 2, 0)
    assert calibrate(learner, two_classes(p), y, weights, [1]) is None
    assert calibrate(learner, two_classes(p), np.where(np.arange(60) < 4, 2, 0), weights, [2]) is None
    ranked = np.argsort(-p)
    y[ranked[:20]], y[ranked[20:]] = 2, 0
    assert calibrate(learner, two_classes(p), y, weights, [2]).prior_state == Correction.AUDIT


def test_cross_calibration_never_uses_a_rows_own_half():
    p, member, weights = sample(800, seed=16)
    u = np.random.default_rng(16).random(800)
    raw, y = two_classes(p).astype(np.float64), member.astype(np.int64)
    before = cross_calibrated(raw, y, weights, u, [1])
    first = half_of(u) == 0
    changed = cross_calibrated(raw, np.where(first, 1 - y, y), weights, u, [1])
    np.testing.assert_array_equal(before[first], changed[first])
    assert not np.allclose(before[~first], changed[~first])
    np.testing.assert_array_equal(cross_calibrated(raw[:6], y[:6], weights[:6], u[:6], [1]), raw[:6])
