import numpy as np
import pytest
from rareloop.strategies.intervals import (
    Interval,
    beta_binomial_draws,
    fiducial_draws,
    gamma_draws,
    newcombe,
    proportion,
    wilson,
)
from scipy.stats import betabinom, binomtest, hypergeom


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_beta_binomial_draws_have_the_moments_of_the_beta_binomial(rng):
    draws = beta_binomial_draws([3, 0, 5], [40, 10, 5], [400, 10_000, 5], rng, 40_000)
    for column, (k, n, size) in enumerate([(3, 40, 400), (0, 10, 10_000)]):
        exact = betabinom(size - n, k + 0.5, n - k + 0.5)
        assert draws[:, column].mean() == pytest.approx(k + exact.mean(), rel=0.03)
        assert draws[:, column].std() == pytest.approx(exact.std(), rel=0.05)
    assert (draws[:, 2] == 5).all()  # everything was drawn


def test_fiducial_limits_of_one_stratum_are_those_of_clopper_and_pearson(rng):
    low, high = fiducial_draws([7], [100], [10_000_000], rng, 200_000)
    exact = binomtest(7, 100).proportion_ci(0.95, method="exact")
    assert np.percentile(low, 2.5) / 1e7 == pytest.approx(exact.low, rel=0.02)
    assert np.percentile(high, 97.5) / 1e7 == pytest.approx(exact.high, rel=0.02)


def test_lower_draws_are_zero_and_upper_ones_everything_where_nothing_speaks_against_it(rng):
    low, high = fiducial_draws([0, 4], [20, 4], [100, 50], rng, 500)
    assert (low[:, 0] == 0).all()
    assert (high[:, 1] == 50).all()
    assert (low <= 50).all()


@pytest.mark.parametrize("strata", [([2], [1], [5]), ([1], [6], [5]), ([-1], [2], [5])])
def test_impossible_strata_are_refused(rng, strata):
    with pytest.raises(ValueError, match="found <= drawn <= size"):
        beta_binomial_draws(*strata, rng)


def test_gamma_draws_of_equal_weights_are_exact_poisson_limits(rng):
    # Garwood (1936): the limits of a Poisson count are quantiles of gamma distributions.
    low, high = gamma_draws(np.full(4, 25.0), 25.0, rng, 200_000)
    assert np.percentile(low, 2.5) == pytest.approx(25 * 1.0899, rel=0.02)
    assert np.percentile(high, 97.5) == pytest.approx(25 * 10.2416, rel=0.02)


def test_without_a_member_the_gamma_limit_is_3_69_of_the_largest_weight(rng):
    low, high = gamma_draws([], 40.0, rng, 200_000)
    assert (low == 0).all()
    assert np.percentile(high, 97.5) == pytest.approx(3.689 * 40, rel=0.02)
    assert (gamma_draws([], 0.0, rng)[1] == 0).all()


def test_proportions_agree_with_scipy():
    exact = binomtest(3, 200).proportion_ci(0.95, method="exact")
    ours = proportion(3, 200)
    assert (ours.point, ours.low, ours.high) == pytest.approx((0.015, exact.low, exact.high))
    score = binomtest(3, 200).proportion_ci(0.95, method="wilson")
    assert (wilson(3, 200).low, wilson(3, 200).high) == pytest.approx((score.low, score.high))


def test_zero_of_n_gives_the_rule_of_three():
    assert proportion(0, 1_000, confidence=0.9).high == pytest.approx(3 / 1_000, rel=0.01)
    assert proportion(0, 0).high == 1.0


SAMPLES = [(0, 20, 60), (3, 20, 60), (20, 20, 60), (1, 50, 51), (5, 9, 9)]


@pytest.mark.parametrize(("found", "drawn", "size"), SAMPLES)
def test_hypergeometric_limits_are_those_found_by_trying_all(found, drawn, size):
    possible = range(found, size - drawn + found + 1)
    kept = [
        m for m in possible
        if hypergeom.sf(found - 1, size, m, drawn) > 0.025 and hypergeom.cdf(found, size, m, drawn) > 0.025
    ]  # fmt: skip
    ours = proportion(found, drawn, size)
    assert (round(ours.low * size), round(ours.high * size)) == (kept[0], kept[-1])


def test_hypergeometric_limits_cover_every_population():
    size, drawn = 40, 15
    for members in range(size + 1):
        limits = [proportion(k, drawn, size) for k in range(drawn + 1)]
        covered = sum(
            hypergeom.pmf(k, size, members, drawn)
            for k, one in enumerate(limits)
            if one.low * size <= members + 1e-9 and members - 1e-9 <= one.high * size
        )
        assert covered >= 0.95 - 1e-9


def test_what_is_not_known_is_none_in_a_report():
    assert Interval(float("nan"), 0.25, 1.0).to_list() == [None, 0.25, 1.0]


@pytest.mark.parametrize(
    ("a", "n_a", "b", "n_b", "low", "high"),
    [  # Newcombe (1998), table II, method 10
        (56, 70, 48, 80, 0.0524, 0.3339),
        (9, 10, 3, 10, 0.1705, 0.8090),
        (5, 56, 0, 29, -0.0381, 0.1926),
        (0, 10, 0, 20, -0.1611, 0.2775),
        (10, 10, 0, 20, 0.6791, 1.0),
    ],
)
def test_the_difference_of_two_proportions_has_newcombes_limits(a, n_a, b, n_b, low, high):
    found = newcombe(a, n_a, b, n_b)
    assert found.point == pytest.approx(a / n_a - b / n_b)
    assert (found.low, found.high) == pytest.approx((low, high), abs=6e-5)
    turned = newcombe(b, n_b, a, n_a)
    assert (turned.low, turned.high) == pytest.approx((-high, -low), abs=6e-5)


def test_nothing_is_known_of_a_difference_without_items():
    found = newcombe(0, 0, 3, 4)
    assert np.isnan(found.point)
    assert (found.low, found.high) == (-1, 1)
