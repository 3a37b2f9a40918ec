"""Estimates of the rest of the pool against closed forms, enumeration and many simulated audits."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from rareloop.strategies.calibration import Objective, Thresholds, choose_threshold, choose_thresholds, half_of
from rareloop.strategies.estimates import confusion, estimate
from rareloop.strategies.measures import measures
from rareloop.strategies.totals import AuditSample, Draws, Rest
from rareloop.tests.strategies.pools import two_classes
from scipy.special import expit
from scipy.stats import beta

N = 20_000
MODEL = ("precision", "recall", "f1")


def pool(share=0.02, shift=2.5, n=N, seed=0):
    """Probabilities of two classes and the true classes of a rest."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < share).astype(np.int64)
    return two_classes(expit(rng.normal(size=n) + shift * y - 2.3)), y


def uniform_audit(y, n_audit, rng):
    """Equal inclusion probabilities."""
    numbers = rng.random(len(y))
    rows = np.argsort(numbers)[:n_audit]
    return AuditSample(rows, y[rows], np.full(n_audit, n_audit / len(y)), numbers[rows])


def poisson_audit(y, inclusion, rng):
    """Unequal inclusion probabilities."""
    numbers = rng.random(len(y))
    rows = np.flatnonzero(numbers < inclusion)
    return AuditSample(rows, y[rows], inclusion[rows], numbers[rows])


def truth(p, y):
    """Precision, recall, F1 and members of class 1 where the largest probability decides."""
    predicted = p.argmax(axis=1) == 1
    tp = (predicted & (y == 1)).sum()
    return {
        "precision": tp / predicted.sum(),
        "recall": tp / y.sum(),
        "f1": 2 * tp / (predicted.sum() + y.sum()),
        "left": y.sum(),
        "prevalence": y.mean(),
    }


def rest_of(p, numbers=None, n_found=(0, 0), thresholds=None, k=0):
    numbers = np.zeros(len(p)) if numbers is None else numbers
    return Rest.of(p, numbers, len(p) + int(np.sum(n_found)), np.array(n_found), thresholds, k)


def estimates_of(sample, p, rest=None, seed=0, **settings):
    return estimate(sample, p[sample.rows], rest or rest_of(p), rng=np.random.default_rng(seed), **settings)


# ---- closed forms -----------------------------------------------------------------------------------


def huge(found, drawn, guarantee, weights=None):
    """Limits of the share of a stratum of a hundred million rows."""
    w = np.full(drawn, 1e8 / drawn) if weights is None else weights
    sample = AuditSample(np.arange(drawn), (np.arange(drawn) < found) * 1, 1 / w, np.zeros(drawn))
    draws = Draws(sample, 10**8, np.random.default_rng(0), guarantee, 40_000)
    total = draws.total(sample.classes == 1, np.ones(drawn, bool), 10**8)
    return np.quantile(total.lower, 0.025) / 1e8, np.quantile(total.upper, 0.975) / 1e8


@pytest.mark.parametrize(("found", "drawn"), [(0, 50), (3, 50), (20, 50), (50, 50)])
@pytest.mark.parametrize("weighted", [False, True])
def test_limits_of_a_share_are_jeffreys_and_in_guarantee_clopper_and_pearsons(found, drawn, weighted):
    weights = np.full(drawn, 1e8 / drawn) * (1 + 1e-7 * np.arange(drawn)) if weighted else None
    low, high = huge(found, drawn, False, weights)
    assert low == pytest.approx(beta.ppf(0.025, found + 0.5, drawn - found + 0.5), abs=0.004)
    assert high == pytest.approx(beta.ppf(0.975, found + 0.5, drawn - found + 0.5), abs=0.004)
    low, high = huge(found, drawn, True, weights)
    assert low == pytest.approx(beta.ppf(0.025, found, drawn - found + 1) if found else 0, abs=0.004)
    assert high == pytest.approx(beta.ppf(0.975, found + 1, drawn - found) if found < drawn else 1, abs=0.004)


def test_points_are_ratios_of_totals_scaled_to_the_predicted_rows():
    p, y = pool()
    sample = uniform_audit(y, 2_000, np.random.default_rng(1))
    predicted, member = p[sample.rows].argmax(axis=1) == 1, sample.classes == 1
    n_predicted = int((p.argmax(axis=1) == 1).sum())
    tp = n_predicted * (member & predicted).sum() / predicted.sum()
    fn = (N - n_predicted) * (member & ~predicted).sum() / (~predicted).sum()
    values = estimates_of(sample, p, rest_of(p, n_found=(30, 70))).classes[1].measures
    assert values["precision"].point == pytest.approx(tp / n_predicted)
    assert values["recall"].point == pytest.approx(tp / (tp + fn))
    assert values["left"].point == pytest.approx(tp + fn)
    assert values["total"].point == pytest.approx(70 + tp + fn)
    assert values["prevalence"].point == pytest.approx((70 + tp + fn) / (N + 100))
    assert values["completeness"].point == pytest.approx((70 + tp) / (70 + tp + fn))
    assert values["purity"].point == pytest.approx((70 + tp) / (70 + n_predicted))


@pytest.mark.parametrize("guarantee", [False, True])
def test_an_audit_of_everything_knows_everything(guarantee):
    p, y = pool(n=400, share=0.2)
    known = truth(p, y)
    sample = AuditSample(np.arange(400), y, np.ones(400), np.zeros(400))
    for name, value in known.items():
        interval = estimates_of(sample, p, guarantee=guarantee).classes[1].measures[name]
        assert (interval.point, interval.low, interval.high) == pytest.approx((value,) * 3)


def test_what_was_audited_for_certain_is_known_and_only_the_others_are_drawn():
    p, y = pool(n=2_000, share=0.2)
    predicted = p.argmax(axis=1) == 1
    sample = poisson_audit(y, np.where(predicted, 1.0, 0.1), np.random.default_rng(2))
    values = estimates_of(sample, p).classes[1].measures
    assert (
        values["precision"].low
        == pytest.approx(values["precision"].high)
        == pytest.approx(truth(p, y)["precision"])
    )
    assert values["recall"].low < truth(p, y)["recall"] < values["recall"].high


def test_a_stratum_of_which_nothing_was_audited_may_hold_anything():
    y = np.zeros(100, np.int64)
    p = two_classes(np.r_[np.full(10, 0.9), np.full(90, 0.1)])
    sample = AuditSample(np.arange(10, 100), y[10:], np.ones(90), np.zeros(90))
    for guarantee in (False, True):
        values = estimates_of(sample, p, guarantee=guarantee).classes[1].measures
        assert values["precision"].low < 0.05 and values["precision"].high > 0.95
        assert math.isnan(values["precision"].point) and math.isnan(values["f1"].point)
        assert values["left"].high > 9.5


# ---- simulated audits -------------------------------------------------------------------------------


def ladder(p):
    """Inclusion probabilities as the second stage of the audit has them, spanning two orders of magnitude."""
    rate = np.sqrt(p[:, 1] * np.where(p[:, 1] > 0.5, 1.7, 0.3))
    return np.minimum(0.01 + 250 * rate / rate.sum(), 1.0)


@pytest.mark.parametrize("unequal", [False, True])
def test_totals_are_unbiased(unequal):
    p, y = pool(n=4_000)
    predicted, rng = p.argmax(axis=1) == 1, np.random.default_rng(3)
    totals = []
    for _ in range(1_500):
        sample = poisson_audit(y, ladder(p), rng) if unequal else uniform_audit(y, 200, rng)
        draws = Draws(sample, 4_000, rng, n_draws=1)
        member, inside = sample.classes == 1, predicted[sample.rows]
        of = draws.totals(member, inside, int(predicted.sum()))
        totals.append((of.tp.point, of.fn.point))
    known = np.array([(predicted & (y == 1)).sum(), (~predicted & (y == 1)).sum()])
    errors = np.array(totals) - known
    assert (np.abs(errors.mean(axis=0)) < 3.5 * errors.std(axis=0) / np.sqrt(len(errors)) + 0.01 * known).all()


@pytest.mark.parametrize(("unequal", "guarantee"), [(False, False), (False, True), (True, False), (True, True)])
def test_intervals_cover(unequal, guarantee):
    p, y = pool()
    predicted, known, rng = p.argmax(axis=1) == 1, truth(p, y), np.random.default_rng(4)
    inclusion, covered = ladder(p), []
    for _ in range(300):
        sample = poisson_audit(y, inclusion, rng) if unequal else uniform_audit(y, 600, rng)
        draws = Draws(sample, N, rng, guarantee, 400)
        of = draws.totals(sample.classes == 1, predicted[sample.rows], int(predicted.sum()))
        values = measures(of, 0, N, N)
        covered.append([values[name].low <= known[name] <= values[name].high for name in known])
    assert np.mean(covered, axis=0).min() > (0.95 if guarantee else 0.92)


def test_unscored_pools_have_wider_limits_for_the_same_points():
    p, y = pool()
    sample = uniform_audit(y, 2_000, np.random.default_rng(5))
    scored = estimates_of(sample, p).classes[1]
    unscored = estimates_of(sample, p, Rest(N, N, np.zeros(2, np.int64))).classes[1]
    assert unscored.n_predicted is None and unscored.at_k is None
    for name in MODEL:
        assert unscored.measures[name].point == pytest.approx(scored.measures[name].point, abs=0.05)
    predicted, found = (p[sample.rows].argmax(axis=1) == 1).sum(), unscored.measures["precision"]
    assert found.low < scored.measures["precision"].point < found.high
    assert predicted > 10


# ---- what cannot be said ----------------------------------------------------------------------------


def test_before_the_first_answer_only_the_extremes_are_known():
    p, _ = pool(n=500)
    empty = AuditSample(*(np.empty(0, t) for t in (np.int64, np.int64, np.float64, np.float64)))
    made = estimates_of(empty, p, rest_of(p, n_found=(90, 10), k=20), wanted=(1,))
    of = made.classes[1]
    assert (of.measures["total"].low, of.measures["total"].high) == (10, 510)
    assert all(math.isnan(of.measures[name].low) for name in MODEL)
    assert "No item has been audited" in of.note
    assert json.dumps(made.report(), allow_nan=False)


def test_without_a_member_there_is_an_upper_limit_in_words():
    p, y = pool()
    sample = uniform_audit(np.zeros_like(y), 212, np.random.default_rng(6))
    of = estimates_of(sample, p).classes[1]
    assert of.n_members == 0 and of.measures["left"].low == 0
    assert "No member among 212 audited items: at most" in of.note
    assert math.isnan(of.average_precision.point) and math.isnan(of.roc_area.low)


def test_few_members_and_no_prediction_are_said():
    p = two_classes(np.minimum(pool(n=1_000)[0][:, 1], 0.49))
    sample = AuditSample(np.arange(300), (np.arange(300) < 3) * 1, np.full(300, 0.3), np.zeros(300))
    of = estimates_of(sample, p).classes[1]
    assert "Only 3 members among 300 audited items" in of.note and "predicts no item" in of.note
    assert of.n_predicted == 0 and math.isnan(of.measures["precision"].point)
    assert of.measures["recall"].high == 0 and of.measures["left"].high > 3


def test_a_pool_without_a_rest_is_done():
    empty = AuditSample(*(np.empty(0, t) for t in (np.int64, np.int64, np.float64, np.float64)))
    rest = Rest.of(np.empty((0, 2)), np.empty(0), 100, np.array([90, 10]), k=5)
    made = estimate(empty, np.empty((0, 2)), rest, rng=np.random.default_rng(0), wanted=(1,))
    of = made.classes[1]
    assert "nothing is left" in of.note
    assert (of.measures["total"].low, of.measures["total"].high, of.measures["left"].point) == (10, 10, 0)
    assert of.measures["completeness"].low == 1
    assert json.dumps(made.report(), allow_nan=False)


def test_answers_without_a_class_are_members_of_none():
    p, y = pool(n=2_000, share=0.1)
    y[:400] = np.where(np.arange(400) % 4 == 0, -1, y[:400])
    sample = uniform_audit(y, 500, np.random.default_rng(7))
    made = estimates_of(sample, p)
    assert made.n_unjudged == (sample.classes == -1).sum() > 10
    left = sum(of.measures["left"].point for of in made.classes)
    assert left == pytest.approx(2_000 * (sample.classes >= 0).mean(), rel=0.05)


def test_numbers_that_cannot_be_are_refused():
    p, y = pool(n=200, share=0.3)
    sample = uniform_audit(y, 100, np.random.default_rng(8))
    with pytest.raises(ValueError, match="score the rest of the pool again"):
        estimates_of(sample, p, Rest(200, 200, np.zeros(2, np.int64), np.array([200, 0])))
    with pytest.raises(ValueError, match="one column for each of 3 classes"):
        estimates_of(sample, p, Rest(200, 200, np.zeros(3, np.int64)))


# ---- everything at once -----------------------------------------------------------------------------


def test_the_first_k_rows_have_the_precision_of_their_stratum():
    p, y = pool(share=0.05)
    rest = rest_of(p, k=500)
    first = p[:, 1] >= rest.cutoffs[1]
    assert first.sum() == rest.n_first[1] >= 500
    sample = uniform_audit(y, 2_000, np.random.default_rng(9))
    of = estimates_of(sample, p, rest).classes[1]
    precision, recall = of.at_k
    audited = first[sample.rows]
    assert precision.point == pytest.approx(sample.classes[audited].mean())
    assert precision.low < y[first].mean() < precision.high
    assert recall.low < y[first].sum() / y.sum() < recall.high
    assert of.report()["precision_at"]["k"] == 500


def test_rows_that_share_the_kth_probability_are_counted():
    rest = Rest.of(np.full((50, 2), 0.5), np.zeros(50), 50, np.zeros(2, np.int64), k=5)
    assert rest.n_first.tolist() == [50, 50]
    assert Rest.of(np.full((3, 2), 0.5), np.zeros(3), 3, np.zeros(2, np.int64), k=9).k == 3


def test_the_confusion_adds_up_to_the_predicted_rows():
    rng = np.random.default_rng(10)
    p = rng.dirichlet([3, 1, 1], 3_000)
    y = (p.cumsum(axis=1) < rng.random((3_000, 1))).sum(axis=1)
    sample = poisson_audit(y, rng.uniform(0.05, 0.5, 3_000), rng)
    rest = Rest.of(p, np.zeros(3_000), 3_000, np.zeros(3, np.int64))
    table = confusion(sample, p[sample.rows].argmax(axis=1), rest)
    np.testing.assert_allclose(table.sum(axis=0), rest.n_predicted)
    counted = np.zeros((3, 3))
    np.add.at(counted, (y, p.argmax(axis=1)), 1)
    assert np.abs(table - counted).max() < 0.15 * 3_000
    unscored = confusion(sample, p[sample.rows].argmax(axis=1), Rest(3_000, 3_000, np.zeros(3, np.int64)))
    assert unscored.sum() == pytest.approx(3_000)


def test_thresholds_chosen_on_the_audit_are_measured_on_the_other_half():
    p, y = pool(share=0.05)
    numbers = np.random.default_rng(11).random(N)
    rows = np.argsort(numbers)[:1_500]
    sample = AuditSample(rows, y[rows], np.full(1_500, 1_500 / N), numbers[rows])
    chosen = choose_thresholds(p[rows], y[rows], sample.weights, numbers[rows], {1: Objective()})
    rest = rest_of(p, numbers, thresholds=chosen)
    half = half_of(numbers)
    by_hand = sum(((half == h) & (p[:, 1] >= chosen.crossed[h, 1])).sum() for h in (0, 1))
    assert rest.n_crossed[1] == by_hand
    assert rest.n_predicted[1] == (p[:, 1] >= chosen.values[1]).sum()
    of = estimates_of(sample, p, rest, thresholds=chosen).classes[1]
    crossed = p[rows, 1] >= chosen.crossed[half[rows], 1]
    assert of.measures["precision"].point == pytest.approx(y[rows][crossed].mean())
    fixed = Thresholds(chosen.values, np.tile(chosen.values, (2, 1)), chosen.sources)
    in_force = estimates_of(sample, p, rest_of(p, numbers, thresholds=fixed), thresholds=fixed).classes[1]
    for name in MODEL:
        both = of.measures[name], in_force.measures[name]
        assert both[0].low <= both[1].low + 0.02 and both[0].high >= both[1].high - 0.02
    assert of.threshold == chosen.values[1] and "best F1" in of.threshold_source


def test_thresholds_of_noise_promise_nothing():
    """Chosen and measured on the same ten members, the best of many thresholds would look far better."""
    rng, optimism = np.random.default_rng(12), []
    p, y = pool(share=0.02, shift=0.0, n=5_000, seed=13)
    for _ in range(40):
        sample = uniform_audit(y, 700, rng)
        arguments = (p[sample.rows], sample.classes, sample.weights, sample.numbers, {1: Objective()})
        chosen = choose_thresholds(*arguments)
        if np.isnan(chosen.values[1]):
            continue
        best = choose_threshold(arguments[0][:, 1], sample.classes == 1, sample.weights, Objective()).value
        member = sample.classes == 1
        crossed, naive = chosen.decide_crossed(arguments[0], sample.numbers) == 1, arguments[0][:, 1] >= best
        optimism.append([2 * (x & member).sum() / (x.sum() + member.sum()) for x in (crossed, naive)])
    crossed, naive = np.mean(optimism, axis=0)
    assert crossed < 0.07 < naive


def test_the_report_is_plain_and_complete():
    rng = np.random.default_rng(14)
    p = rng.dirichlet([6, 1, 1, 0.5, 0.2], 5_000)
    y = (p.cumsum(axis=1) < rng.random((5_000, 1))).sum(axis=1)
    sample = uniform_audit(y, 500, rng)
    rest = Rest.of(p, np.zeros(5_000), 5_050, np.full(5, 10), k=50)
    made = estimate(sample, p[sample.rows], rest, rng=rng, wanted=(2, 4), calibrated=p[sample.rows])
    report = json.loads(json.dumps(made.report(), allow_nan=False))
    assert report["method"] == "beta-binomial" and report["guarantee"] is False
    assert [of["class"] for of in report["classes"]] == [0, 1, 2, 3, 4]
    for of in report["classes"]:
        for name in (
            "prevalence",
            "total",
            "left",
            "precision",
            "recall",
            "f1",
            "f_beta",
            "completeness",
            "purity",
        ):
            low, point, high = (of[name][i] for i in (1, 0, 2))
            assert low is None or point is None or low <= point <= high
        assert of["threshold"] is None and of["n_found"] == 10
    assert set(report["curves"]) == {"2", "4"}
    assert {len(x) for x in report["curves"]["2"]["pr"].values()} <= set(range(61))
    assert set(report["curves"]["4"]) == {"pr", "base_rate", "reliability"}
    again = estimates_of(sample, p, rest, seed=1, guarantee=True)
    assert again.method == "guarantee"
    skewed = AuditSample(sample.rows, sample.classes, rng.uniform(0.05, 0.2, 500), sample.numbers, 3)
    weighted = estimates_of(skewed, p, rest)
    assert (weighted.method, weighted.n_hits) == ("gamma", 3)


def test_the_same_seed_gives_the_same_estimates():
    p, y = pool(n=2_000)
    sample = uniform_audit(y, 300, np.random.default_rng(15))
    first, second = (estimates_of(sample, p, seed=3, wanted=(1,)).report() for _ in range(2))
    assert first == second
