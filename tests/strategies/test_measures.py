import math

import numpy as np
import pytest
from rareloop.strategies.intervals import beta_binomial_draws, gamma_draws
from rareloop.strategies.measures import MEASURES, Total, Totals, measures


def known(tp, fn, fp):
    return Totals(Total.known(tp), Total.known(fn), Total.known(fp), tp + fp, 100)


def test_known_totals_give_the_measures_themselves():
    result = measures(known(30, 10, 20), n_found=60, n_rest=900, n_items=1_000, beta=2.0)
    expected = {
        "prevalence": 0.1, "total": 100, "left": 40, "precision": 0.6, "recall": 0.75, "f1": 60 / 90,
        "f_beta": 5 * 30 / (5 * 30 + 4 * 10 + 20), "completeness": 0.9, "purity": 90 / 110,
    }  # fmt: skip
    assert set(expected) == set(MEASURES) == set(result)
    for name, value in expected.items():
        assert (result[name].point, result[name].low, result[name].high) == pytest.approx((value,) * 3), name


def test_a_class_that_is_never_predicted_has_no_precision_and_no_recall():
    totals = Totals(Total.known(0), Total.known(8), Total.known(0), 0, 3)
    result = measures(totals, n_found=2, n_rest=90, n_items=100)
    assert math.isnan(result["precision"].point)
    assert result["recall"].to_list() == [0.0, 0.0, 0.0]
    perhaps = Totals(Total.known(0), Total(0.0, np.zeros(9), np.full(9, 5.0)), Total.known(0), 0, 0)
    assert measures(perhaps, n_found=2, n_rest=90, n_items=100)["recall"].to_list() == [None] * 3
    assert result["f1"].point == 0
    assert result["completeness"].point == pytest.approx(0.2)
    assert result["purity"].point == 1


def test_nothing_known_leaves_everything_possible():
    nothing = Totals(Total.known(0), Total.known(0), Total.known(0), None, 0)
    result = measures(nothing, n_found=0, n_rest=100, n_items=100)
    assert (result["recall"].low, result["recall"].high) == (0.0, 1.0)
    assert (result["precision"].low, result["precision"].high) == (0.0, 1.0)


def test_limits_contain_the_point_and_the_catalogue_is_sharper_than_the_model():
    rng = np.random.default_rng(1)
    draws = beta_binomial_draws([12, 9], [20, 500], [60, 9_000], rng)
    tp, fn = Total(36, draws[:, 0], draws[:, 0]), Total(162, draws[:, 1], draws[:, 1])
    result = measures(Totals(tp, fn, tp.minus(60), 60, 21), n_found=140, n_rest=9_060, n_items=9_200)
    for name, one in result.items():
        assert one.low <= one.point <= one.high, name
    width = {name: one.high - one.low for name, one in result.items()}
    assert width["completeness"] < width["recall"] + 0.25
    assert width["purity"] < width["precision"]


def test_limits_from_separate_draws_are_wider_than_those_from_joint_ones():
    rng = np.random.default_rng(2)
    low, high = gamma_draws(np.full(12, 10.0), 10.0, rng)
    joint = Total(120, low, low)
    apart = Total(120, low, high)
    missed = Total(40, *gamma_draws(np.full(4, 10.0), 10.0, rng))
    one = measures(Totals(joint, missed, Total.known(0), None, 16), 0, 1_000, 1_000)["recall"]
    other = measures(Totals(apart, missed, Total.known(0), None, 16), 0, 1_000, 1_000)["recall"]
    assert other.high >= one.high
    assert other.low == one.low


def test_few_members_show_the_median_of_the_draws():
    rng = np.random.default_rng(3)
    draws = beta_binomial_draws([2, 0], [5, 200], [10, 9_000], rng)
    tp, fn = Total(4, draws[:, 0], draws[:, 0]), Total(0, draws[:, 1], draws[:, 1])
    few = measures(Totals(tp, fn, tp.minus(10), 10, 2), 0, 9_010, 9_010)["recall"]
    assert few.low < few.point < 1  # the ratio of the points would be 1


def test_no_more_is_left_than_there_is():
    draws = np.array([50, 500])
    totals = Totals(Total(300, draws, draws), Total.known(0), Total.known(0), None, 4)
    assert measures(totals, 0, 100, 120)["left"].to_list() == [100.0, pytest.approx(61.25), 100.0]
