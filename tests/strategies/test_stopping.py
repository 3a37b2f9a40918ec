"""The share of a class that has been found: closed forms, enumeration, and false certificates under peeking."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from rareloop.strategies.stopping import (
    Look,
    audit_needed,
    audit_to_guarantee,
    certify,
    due,
    labels_per_find,
    more_answers,
    remaining,
    share_found,
)
from scipy.stats import binom, hypergeom


def equal_look(n_found, n_members, n_audited, n_rest):
    weight = (n_audited + n_rest) / n_audited
    return Look(n_found, (weight,) * n_members, True, n_audited, n_rest, weight)


def spent(place, alpha=0.05):
    return alpha / ((place + 1) * (place + 2))


# ---- looks ------------------------------------------------------------------------------------------


def test_a_look_is_due_after_fifty_answers_and_after_half_as_many_more():
    history, at = [], []
    for n in range(400):
        if due(n, history):
            history.append(equal_look(5, 0, n, 1_000))
            at.append(n)
    assert at == [50, 75, 113, 170, 255, 383]


def test_a_look_survives_json():
    look = Look(12, (1.5, 20_000.0), False, 90, 4_000, 30_000.0)
    assert Look.from_dict(json.loads(json.dumps(look.to_dict()))) == look


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((1, (2.0, 2.0), True, 50, 10), "among"),
        ((9, (2.0, 2.0), True, 1, 10), "among"),
        ((9, (), True, 1, -1), "among"),
        ((9, (0.5,), True, 50, 10), "below one"),
    ],
)
def test_a_look_that_contradicts_itself_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Look(*values)


@pytest.mark.parametrize(("n_items", "n_audited"), [(60, 2), (60, 20), (60, 45), (400, 15)])
@pytest.mark.parametrize("tail", [0.025, 0.004])
def test_the_limits_for_equal_weights_hold_for_every_number_of_members(n_items, n_audited, tail):
    looks = [equal_look(k, k, n_audited, n_items - n_audited) for k in range(n_audited + 1)]
    limits = [remaining(look, tail) for look in looks]
    k = np.arange(n_audited + 1)
    low, high = (np.array([getattr(limit, side) for limit in limits]) for side in ("low", "high"))
    for members in range(n_items + 1):
        chance = hypergeom.pmf(k, n_items, members, n_audited)
        possible = chance > 0
        assert chance[possible & (high < members - k)].sum() <= tail + 1e-12
        assert chance[possible & (low > members - k)].sum() <= tail + 1e-12


@pytest.mark.parametrize("weight", [1.05, 1.2, 1.5, 2.0, 3.0, 10.0, 100.0, 2e4])
@pytest.mark.parametrize("tail", [0.025, 0.004, 0.0004])
@pytest.mark.parametrize("k", [0, 1, 2, 5, 30, 200])
def test_the_limits_for_weights_hold_where_they_are_equal(weight, tail, k):
    """Independent inclusion: the least number left beyond the limit makes so few members as improbable as said."""
    limits = remaining(Look(k, (weight,) * k, False, k, 10**9, weight), tail)
    beyond = math.floor(limits.high) + 1
    assert binom.cdf(k, k + beyond, 1 / weight) <= tail * (1 + 1e-6)
    below = math.ceil(limits.low) - 1
    if below >= 0:
        assert binom.sf(k - 1, k + below, 1 / weight) <= tail * (1 + 1e-6)


def test_weights_and_counts_agree_in_a_large_pool():
    counts = equal_look(40, 12, 1_000, 99_000)
    weights = Look(40, counts.weights, False, 1_000, 99_000, counts.largest)
    a, b = (remaining(look, 0.025) for look in (counts, weights))
    assert a.point == pytest.approx(b.point)
    assert b.low == pytest.approx(a.low, rel=0.03)
    assert b.high == pytest.approx(a.high, rel=0.03)


def test_nothing_found_in_the_audit_leaves_the_rule_of_three():
    one_sided = remaining(equal_look(10, 0, 1_000, 999_000), 0.05)
    assert one_sided.point == one_sided.low == 0
    assert one_sided.high == pytest.approx(3 * 1_000, rel=0.01)


# ---- the share found --------------------------------------------------------------------------------


def test_the_share_in_closed_form():
    now = equal_look(148, 6, 1_000, 29_000)
    share = share_found([], now)
    left = remaining(now, 0.025)
    assert share.total.to_list() == [148 + left.point, 148 + left.low, 148 + left.high]
    assert share.share.to_list() == [148 / (148 + v) for v in (left.point, left.high, left.low)]
    assert left.point == 6 * 29


def test_each_look_spends_less_and_all_of_them_alpha():
    look = equal_look(500, 4, 600, 9_400)
    for place in range(6):
        blind = [equal_look(4, 4, 4, 10**7)] * place  # looks that say nothing
        limit = remaining(look, spent(place)).high
        assert share_found([*blind, look], look).certain == pytest.approx(500 / (500 + limit))
    assert sum(spent(place) for place in range(100_000)) == pytest.approx(0.05, rel=1e-4)


def test_what_was_found_since_is_not_left_any_more():
    look = equal_look(300, 2, 800, 9_200)
    limit = remaining(look, spent(0)).high
    for since in (0, 7, int(limit), int(limit) + 40):
        now = equal_look(300 + since, 2, 810, 9_000)
        expected = (300 + since) / (300 + since + max(limit - since, 0))
        assert share_found([look], now).certain == pytest.approx(expected)
    undone = equal_look(290, 2, 800, 9_210)
    assert share_found([look], undone).certain == pytest.approx(290 / (300 + limit))


def test_a_later_look_never_takes_back_what_was_certain():
    first, second = equal_look(500, 0, 900, 9_100), equal_look(503, 3, 1_400, 8_600)
    assert share_found([second], second).certain < share_found([first], second).certain
    assert share_found([first, second], second).certain == share_found([first], second).certain


def test_without_a_look_only_counting_is_certain():
    assert share_found([], equal_look(900, 0, 1_000, 100)).certain == pytest.approx(0.9)


@pytest.mark.parametrize("equal", [True, False])
def test_the_edges_of_the_share(equal):
    all_labelled = share_found([], Look(12, (3.0,), equal, 80, 0))
    assert all_labelled.share.to_list() == [1, 1, 1]
    assert all_labelled.certain == 1
    assert all_labelled.total.to_list() == [12, 12, 12]

    none_found = Look(0, (), equal, 200, 5_000, 26.0)
    share = share_found([none_found], none_found)
    assert share.share.low == share.certain == 0
    assert share.share.high == 1
    assert share.left.high > 26

    nothing_audited = share_found([], Look(5, (), equal, 0, 5_000, math.inf if equal else 1e4))
    assert (nothing_audited.left.low, nothing_audited.left.high) == (0, 5_000)

    mostly_audited = Look(40, (1.2,) * 30, equal, 900, 100, 1.3)
    left = share_found([mostly_audited], mostly_audited).left
    assert 0 <= left.low <= left.point <= left.high <= 100


def test_huge_weights_stay_within_the_pool():
    look = Look(3, (5e4, 2.0), False, 60, 100_000, 8e4)
    share = share_found([look], look)
    assert share.left.to_list()[0] == pytest.approx(50_000)
    assert share.left.high == 100_000
    assert share.certain == pytest.approx(3 / 100_003)


# ---- certificate ------------------------------------------------------------------------------------


def test_the_certificate_is_the_hypergeometric_tail():
    # 90 of at least 101: 11 missed ones or more
    p, needed = certify(90, 500, 1, 5_000, 0.9)
    assert p == pytest.approx(hypergeom.cdf(1, 5_000, 11, 500))
    assert hypergeom.cdf(1, 5_000, 11, 500 + needed) < 0.05 / 3 <= hypergeom.cdf(1, 5_000, 11, 499 + needed)
    assert certify(90, 500 + needed, 1, 5_000, 0.9)[1] == 0


def test_the_least_hypothesis_is_the_first_number_that_misses_the_target():
    for n_found in range(200):
        for target in (0.7, 0.8, 0.9, 0.95):
            p, _ = certify(n_found, 10, 0, 5_000, target)
            share = [n_found / max(n_found + missed, 1) for missed in range(120)]
            least = next(i for i, s in enumerate(share) if i and s < target - 1e-12)
            assert p == pytest.approx(hypergeom.cdf(0, 5_000, least, 10))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((100, 0, 0, 5, 0.8), (0.0, 0)),  # no room for 26 missed ones
        ((100, 50, 40, 500, 0.8), (1.0, None)),  # more were missed than it may be
        ((0, 0, 0, 100, 0.9), (1.0, 99)),  # that there is none at all
        ((5, 0, 0, 0, 0.9), (0.0, 0)),
    ],
)
def test_the_edges_of_the_certificate(arguments, expected):
    assert certify(*arguments) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("arguments", [(9, 5, 6, 50, 0.9), (9, 60, 6, 50, 0.9), (9, 5, 1, 50, 0.0)])
def test_a_certificate_that_contradicts_itself_is_refused(arguments):
    with pytest.raises(ValueError, match="certificate"):
        certify(*arguments)


def test_three_looks_at_a_certificate_are_wrong_as_seldom_as_said():
    """Just below the target, by enumeration over the members met between the looks."""
    n_found, n_rest, missed = 80, 3_000, 21  # 80 of 101 < 0.8
    at = (300, 600, 1_000)
    chance, before, wrong = np.eye(1, missed + 1)[0], 0, 0.0
    for n in at:
        moved = np.zeros(missed + 1)
        for k in np.flatnonzero(chance):
            more = np.arange(missed + 1 - k)
            moved[k:] += chance[k] * hypergeom.pmf(more, n_rest - before, missed - k, n - before)
        certified = np.array([certify(n_found, n, k, n_rest, 0.8)[1] == 0 for k in range(missed + 1)])
        wrong += moved[certified].sum()
        chance, before = np.where(certified, 0.0, moved), n
    assert 0 < wrong <= 0.05


# ---- costs ------------------------------------------------------------------------------------------


def test_the_pace_of_the_last_queries():
    pace = labels_per_find(np.r_[np.ones(30, bool), np.tile([True, False, False, False, False], 10)])
    assert (pace.n_queries, pace.n_found) == (50, 10)
    assert pace.finds.point == 0.2
    assert pace.labels.to_list() == [5, 1 / pace.finds.high, 1 / pace.finds.low]
    none = labels_per_find(np.zeros(50, bool))
    assert none.labels.point == none.labels.high == math.inf
    assert none.labels.low == pytest.approx(1 / (1.96**2 / (50 + 1.96**2)), rel=1e-3)
    assert labels_per_find([]).labels.low == 1


@pytest.mark.parametrize(
    ("prevalence", "guaranteed", "narrow"),
    [
        (0.01, (600, 1_000, 1_500, 3_000), 6_100),
        (0.005, (1_200, 2_000, 3_000, 6_000), 12_200),
        (0.001, (6_000, 10_000, 15_000, 30_000), 61_000),
    ],
)
def test_how_large_an_audit_must_be(prevalence, guaranteed, narrow):
    made = [audit_to_guarantee(prevalence, target) for target in (0.5, 0.7, 0.8, 0.9)]
    assert made == pytest.approx(guaranteed, rel=0.01)
    assert audit_needed(prevalence, 0.8) == pytest.approx(narrow, rel=0.01)
    for n_missed, factor in ((1, 4.7), (2, 6.3)):
        expected = factor / (prevalence * 0.2)
        assert audit_to_guarantee(prevalence, 0.8, n_missed) == pytest.approx(expected, rel=0.01)


def test_precision_takes_less_than_a_hundred_labels():
    assert max(audit_needed(1.0, share) for share in np.linspace(0, 1, 101)) == 97


def test_a_class_that_is_not_there_takes_more_than_any_pool():
    assert audit_needed(0.0, 0.5) == audit_to_guarantee(0.01, 1.0) == 1_000_000_000


@pytest.mark.parametrize("equal", [True, False])
@pytest.mark.parametrize("n_members", [0, 2])
def test_after_so_many_more_answers_the_target_is_certain(equal, n_members):
    def look(n, n_found=400):
        weight = 20_000 / n
        return Look(n_found, (weight,) * n_members, equal, n, 20_000 - n, weight)

    now = look(120)
    history = [look(50), look(75), look(113)]
    more = more_answers(history, now, 0.8).to_certify
    assert more > 0
    n = 113
    while n < 120 + more:
        assert share_found(history, history[-1]).certain < 0.8
        n = math.ceil(1.5 * n)
        history.append(look(n))
    assert n == 120 + more
    assert share_found(history, history[-1]).certain >= 0.8
    assert more_answers(history, history[-1], 0.8).to_certify == 0


def test_the_edges_of_what_more_would_cost():
    assert more_answers([], equal_look(0, 0, 100, 900), 0.9).to_certify is None
    assert more_answers([], equal_look(0, 0, 100, 900), 0.9).to_narrow is None
    few = more_answers([], equal_look(3, 2, 100, 900), 0.9)
    assert few.to_certify == 900
    assert 0 < few.to_narrow <= 900
    done = more_answers([], equal_look(30, 2, 100, 0), 0.9)
    assert (done.to_certify, done.to_narrow) == (0, 0)


def test_the_plan_for_a_narrow_interval_is_about_right():
    now = equal_look(160, 4, 2_000, 18_000)
    more = more_answers([], now, 0.9).to_narrow
    grown = (2_000 + more) / 2_000
    later = equal_look(160, round(4 * grown), 2_000 + more, 18_000 - more)
    before, after = (share_found([], look).share for look in (now, later))
    assert before.high - before.low > 0.2
    assert 0.1 < after.high - after.low < 0.22
