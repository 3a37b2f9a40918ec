"""Standardised activations against cases worked by hand and scikit-learn's and scipy's own parts."""

import numpy as np
import pytest
from rareloop.strategies import Brief, Tail, Top
from rareloop.strategies.tail import centre_and_scale, distance_from
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf

from .pools import Told

RNG = np.random.default_rng


def test_median_and_median_absolute_deviation_do_not_feel_an_outlier():
    values = np.array([[1.0, 5.0], [2, 5], [3, 5], [4, 5], [1e6, 5]])
    centre, scale = centre_and_scale(values)
    assert centre.tolist() == [3, 5]
    np.testing.assert_allclose(scale, [1.4826, 1])


def test_where_most_are_alike_the_spread_is_the_standard_deviation():
    values = np.array([[0.0], [0], [0], [0], [10]])
    assert centre_and_scale(values)[1] == pytest.approx(4)


def test_of_normal_values_the_spread_is_the_standard_deviation():
    values = RNG(0).normal(3, 2, size=(100_000, 1))
    assert centre_and_scale(values)[1] == pytest.approx(2, rel=0.02)


def test_the_distance_is_mahalanobis_with_the_shrunk_covariance():
    reference, values = RNG(0).normal(size=(30, 3)), RNG(1).normal(size=(8, 3))
    shrunk = LedoitWolf().fit(reference)
    inverse = np.linalg.inv(shrunk.covariance_)
    expected = [mahalanobis(v, reference.mean(axis=0), inverse) for v in values]
    np.testing.assert_allclose(distance_from(reference, values), expected)


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        (np.empty((0, 2)), [5, 0]),
        (np.array([[3.0, 0]]), [4, 3]),
        (np.array([[3.0, 0]] * 6), [4, 3]),  # a forest says exactly the same of all that it was fitted to
    ],
)
def test_too_little_for_a_covariance_is_a_plain_distance(reference, expected):
    np.testing.assert_allclose(distance_from(reference, np.array([[3.0, 4], [0, 0]])), expected)


@pytest.fixture
def subdued():
    """300 items of two common classes, and 12 of a third, to which the model gives 0.10 to 0.15 at most."""
    rng = RNG(0)
    third = np.r_[rng.uniform(0.005, 0.015, 300), rng.uniform(0.10, 0.15, 12)]
    first = rng.uniform(0.05, 0.95, 312)
    pool = np.column_stack([first * (1 - third), (1 - first) * (1 - third), third]).astype(np.float32)
    labelled = pool[[0, 1, 2, 3, 4, 5, 6, 7, 300]]
    y = [*(pool[:8, 1] > 0.5).astype(int), 2]
    return Told(labelled, y), pool


def test_members_that_never_are_the_most_likely_class_come_first(subdued):
    learner, pool = subdued
    positions, scores = Tail([2])(learner, pool, 12)
    assert set(positions.tolist()) == set(range(300, 312))
    assert (np.diff(scores) <= 0).all()


def test_unlike_the_others_but_away_from_the_rare_class_does_not_count(subdued):
    """An item that is least likely of all to be of the rare class, and just as far out."""
    learner, pool = subdued
    odd = np.array([[0.5, 0.4999, 0.0001]], np.float32)
    positions, scores = Tail([2])(learner, np.r_[pool, odd], 313)
    assert positions.tolist().index(312) > 12
    assert scores[positions.tolist().index(312)] < scores[11]


def test_several_classes_take_turns(subdued):
    learner, pool = subdued
    positions = Tail([2, 0])(learner, pool, 8)[0]
    alone = Tail([2])(learner, pool, 1)[0]
    assert positions[0] in range(300, 312) and alone[0] in range(300, 312)
    assert (pool[positions[1::2], 0] > np.median(pool[:, 0])).all()


def test_by_default_the_rarest_class_and_in_a_round_the_wanted_ones(subdued):
    learner, pool = subdued
    assert Tail()(learner, pool, 9)[0].tolist() == Tail([2])(learner, pool, 9)[0].tolist()
    assert Tail.from_brief(Brief(wanted=(1,))).classes == (1,)


def test_probabilities_of_exactly_zero_and_one_are_no_obstacle():
    rng = RNG(0)
    p = rng.integers(0, 11, 80) / 10
    pool = np.column_stack([1 - p, p])
    learner = Told([[1.0, 0.0]] * 6 + [[0.0, 1.0]], [0] * 6 + [1])
    positions, scores = Tail([1])(learner, pool, 80)
    assert np.isfinite(scores).all()
    assert set(positions.tolist()) == set(range(80))
    best = Top([1])(learner, pool, 5)[0]
    assert set(p[positions[:5]]) == set(p[best]) == {1.0}
