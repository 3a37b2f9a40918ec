"""Shift against closed forms, and samples of one distribution, which must not alarm."""

from __future__ import annotations

import numpy as np
import pytest
from rareloop.strategies.rows import Rows
from rareloop.strategies.shift import (
    aurocs,
    compare_frechet,
    domain_auroc,
    frechet_distance,
    gaussian_frechet,
    population_stability,
    prevalence_difference,
    sample_rows,
)
from scipy.linalg import sqrtm
from scipy.stats import chi2, norm
from sklearn.metrics import roc_auc_score


def normal(rng, n, n_features, shift=0.0):
    X = rng.normal(size=(n, n_features)).astype(np.float32)
    X[:, 0] += shift
    return X


# ---- domain classifier ------------------------------------------------------------------------------


def test_aurocs_are_those_of_scikit_learn_with_ties():
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 6, (80, 5)).astype(float), rng.random(80) < 0.2
    np.testing.assert_allclose(aurocs(X, y), [roc_auc_score(y, column) for column in X.T])


def test_the_auroc_of_two_normal_distributions_is_the_closed_form():
    rng = np.random.default_rng(1)
    result = domain_auroc(normal(rng, 4_000, 3), normal(rng, 2_000, 3, shift=1.0), rng, n_permutations=5)
    assert result.auroc == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.02)
    assert result.p_value < 1e-4
    assert (result.n_reference, result.n_new) == (4_000, 2_000)


def test_a_small_shift_of_few_rows_is_seen():
    rng = np.random.default_rng(2)
    assert domain_auroc(normal(rng, 100, 4), normal(rng, 100, 4, shift=1.0), rng).p_value < 0.01


@pytest.mark.slow
def test_samples_of_one_distribution_are_told_apart_no_more_often_than_said():
    rng = np.random.default_rng(3)
    p = np.array([domain_auroc(normal(rng, 60, 4), normal(rng, 60, 4), rng).p_value for _ in range(200)])
    assert (p < 0.05).mean() < 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / 200)
    assert (p < 0.5).mean() == pytest.approx(0.5, abs=0.1)


def test_constant_features_tell_nothing_apart():
    result = domain_auroc(np.ones((50, 2), np.float32), np.ones((50, 2), np.float32), np.random.default_rng(0))
    assert result.auroc == pytest.approx(0.5)
    assert result.p_value >= 0.4


def test_too_few_rows_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="19 rows"):
        domain_auroc(normal(rng, 100, 2), normal(rng, 19, 2), rng)
    with pytest.raises(ValueError, match="at least 20"):
        compare_frechet(normal(rng, 50, 2), normal(rng, 100, 2), rng)


def test_rows_are_drawn_once_each_and_fewer_of_wide_matrices():
    rng = np.random.default_rng(0)
    X = np.arange(60_000, dtype=np.float32).reshape(30_000, 2)
    drawn = sample_rows(X, rng)
    assert drawn.shape == (20_000, 2)
    assert len(np.unique(drawn)) == 40_000
    assert len(sample_rows(np.zeros((5_000, 1_024), np.float32), rng)) == 2**21 // 1_024
    np.testing.assert_array_equal(sample_rows(Rows(X, np.array([3, 5])), rng), X[[3, 5]])


# ---- Fréchet distance -------------------------------------------------------------------------------


def test_the_frechet_distance_is_the_closed_form():
    rng = np.random.default_rng(0)
    a, b = (m @ m.T for m in rng.normal(size=(2, 4, 4)))
    mu, nu = rng.normal(size=(2, 4))
    expected = np.square(mu - nu).sum() + np.trace(a + b - 2 * sqrtm(a @ b).real)
    assert gaussian_frechet(mu, a, nu, b) == pytest.approx(expected)
    assert gaussian_frechet(mu, a, mu, a) == pytest.approx(0, abs=1e-9)
    assert gaussian_frechet(mu, a, nu, b) == pytest.approx(gaussian_frechet(nu, b, mu, a))


def test_covariances_that_commute_compare_by_their_standard_deviations():
    mean, other = np.zeros(3), np.array([1.0, 0, 0])
    distance = gaussian_frechet(mean, np.diag([4.0, 1, 0]), other, np.diag([1.0, 9, 0]))
    assert distance == pytest.approx(1 + (2 - 1) ** 2 + (1 - 3) ** 2)


def test_one_axis_is_enough():
    first, second = np.array([[0.0], [2]]), np.array([[5.0], [7]])
    assert frechet_distance(first, second) == pytest.approx(25)


def test_moved_rows_are_farther_than_the_null_and_intervals_hold_the_distance():
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(40):
        result = compare_frechet(normal(rng, 3_000, 3), normal(rng, 900, 3, shift=0.5), rng, 100, 20)
        assert (result.n_each, result.n_axes) == (900, 3)
        assert result.null < result.null_high < result.low
        held += result.low < 0.25 + result.null < result.high
    assert held / 40 > 0.8


def test_few_new_rows_are_compared_with_a_null_of_their_size():
    rng = np.random.default_rng(2)
    X = normal(rng, 1_500, 60)
    above = [compare_frechet(X, normal(rng, 40, 60), rng, 2, 40) for _ in range(20)]
    assert np.mean([result.distance > result.null_high for result in above]) <= 0.2
    assert all(result.n_each == 40 and result.distance > 1 for result in above)


# ---- histograms of scores ---------------------------------------------------------------------------


def test_the_index_of_two_known_histograms():
    reference = np.repeat([0.0, 1.0], [600, 400])
    new = np.repeat([0.0, 1.0], [300, 700])
    result = population_stability(reference, new)
    assert result.n_bins == 2
    assert result.psi == pytest.approx(0.3 * np.log(0.6 / 0.3) + 0.3 * np.log(0.7 / 0.4), rel=0.01)
    assert result.p_value < 1e-6


def test_equal_scores_and_constant_ones_have_no_index():
    x = np.linspace(0, 1, 500)
    assert population_stability(x, x).psi == 0
    assert population_stability(np.zeros(10), np.zeros(20)).p_value == 1


def test_a_bin_without_items_stays_finite():
    assert np.isfinite(population_stability(np.linspace(0, 1, 100), np.full(30, 0.99)).psi)


def test_samples_of_one_distribution_have_an_index_as_small_as_said():
    rng = np.random.default_rng(4)
    p = [population_stability(rng.normal(size=400), rng.normal(size=200)).p_value for _ in range(1_000)]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.025)


# ---- prevalence by period ---------------------------------------------------------------------------


def test_equal_weights_give_newcombes_interval():
    """Worked example (a) of Newcombe (1998): 56/70 − 48/80, 95 % interval 0.0524 to 0.3339."""
    member = np.repeat([True, False, True, False], [48, 32, 56, 14])
    later = np.repeat([False, True], [80, 70])
    result = prevalence_difference(member, np.full(150, 7.0), later)
    assert result.point == pytest.approx(0.2)
    assert (result.low, result.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_unequal_weights_give_gamma_limits():
    """Nobody found: the upper limit of a weighted total is 3.69 times the largest weight."""
    weights = np.array([1.0, 2.0, 1.0, 2.0])
    result = prevalence_difference(np.zeros(4, bool), weights, [False, False, True, True])
    limit = min(2.0 * chi2.ppf(0.975, 2) / 2 / 3.0, 1.0)
    assert (result.point, result.low, result.high) == pytest.approx((0, -limit, limit))


@pytest.mark.parametrize("heavy", [1.0, 4.0])
def test_equal_prevalences_are_rarely_called_different(heavy):
    rng, wrong = np.random.default_rng(5), 0
    for _ in range(500):
        member, weights = rng.random(300) < 0.05, np.where(rng.random(300) < 0.5, 1.0, heavy)
        result = prevalence_difference(member, weights, np.arange(300) >= 100)
        wrong += not result.low <= 0 <= result.high
    assert wrong / 500 < 0.07


def test_a_period_without_items_is_refused():
    with pytest.raises(ValueError, match="no item"):
        prevalence_difference([True], [1.0], [False])
