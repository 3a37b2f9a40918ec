from itertools import combinations

import numpy as np
import pytest
from rareloop.strategies.audit import (
    Answers,
    Rates,
    SealedAudit,
    Stage,
    due_places,
    model_rates,
    permanent_numbers,
)
from scipy.stats import kstest


def begun(n, seed=0, **more):
    return SealedAudit(permanent_numbers(np.arange(n, dtype=np.uint64), seed), (Stage(Rates.uniform(n)),), **more)


def answered(audit, n, y, reached=None):
    """The audit after n more answers, which are the truth."""
    rows, _ = audit.questions(n)
    rows = np.r_[audit.answers.rows, rows]
    known = np.zeros(len(rows), bool)
    known[: len(audit.answers.reached)] = audit.answers.reached
    return SealedAudit(
        audit.numbers, audit.stages, Answers(rows, y[rows], known, audit.answers.skipped), audit.settled
    )


def with_stage(audit, rates):
    *closed, last = audit.stages
    stages = (*closed, Stage(last.rates, audit.reach), Stage(rates))
    return SealedAudit(audit.numbers, stages, audit.answers, audit.settled)


def total(audit, values):
    """Horvitz–Thompson."""
    inside = audit.in_sample
    return float((values[audit.answers.rows[inside]] / audit.inclusion[inside]).sum())


# ---- permanent numbers ------------------------------------------------------------------------------


def test_permanent_numbers_are_uniform_and_say_nothing_of_each_other():
    keys = np.arange(20_000, dtype=np.uint64)
    one, other = permanent_numbers(keys, 1), permanent_numbers(keys, 2)
    assert kstest(one, "uniform").pvalue > 0.01
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.03
    assert abs(np.corrcoef(one[:-1], one[1:])[0, 1]) < 0.03
    np.testing.assert_array_equal(permanent_numbers(keys[::-1], 1), one[::-1])


# ---- one stage --------------------------------------------------------------------------------------


def test_the_uniform_stage_is_a_simple_random_sample_at_any_moment():
    """Every pair of a tiny pool is as likely as any other, and its inclusion probability adds up."""
    n, counts = 5, dict.fromkeys(combinations(range(5), 2), 0)
    y = np.zeros(n, np.int64)
    for seed in range(4_000):
        audit = answered(begun(n, seed), 2, y)
        counts[tuple(sorted(audit.answers.rows.tolist()))] += 1
    assert max(counts.values()) - min(counts.values()) < 6 * np.sqrt(400)


@pytest.mark.parametrize("stop", [1, 7, 30])
def test_totals_are_unbiased_wherever_the_audit_stops(stop):
    n = 60
    values = np.where(np.arange(n) % 7 == 0, 3.0, 0.5)
    y = np.zeros(n, np.int64)
    estimates = [total(answered(begun(n, seed), stop, y), values) for seed in range(1_500)]
    error = np.std(estimates) / np.sqrt(len(estimates))
    assert abs(np.mean(estimates) - values.sum()) < 4 * error


def test_inclusion_is_that_of_the_next_question():
    audit = answered(begun(100), 10, np.zeros(100, np.int64))
    following = np.sort(audit.numbers)[10]
    np.testing.assert_allclose(audit.inclusion, following)
    rows, probability = begun(100).questions(10)
    np.testing.assert_array_equal(rows, audit.answers.rows)
    assert probability[-1] == pytest.approx(following)
    assert (np.diff(probability) > 0).all()


def test_the_order_does_not_depend_on_what_was_asked_at_once():
    y = np.zeros(200, np.int64)
    at_once = answered(begun(200), 40, y)
    in_steps = begun(200)
    for n in (1, 9, 20, 10):
        in_steps = answered(in_steps, n, y)
    np.testing.assert_array_equal(at_once.answers.rows, in_steps.answers.rows)
    np.testing.assert_array_equal(at_once.inclusion, in_steps.inclusion)


def test_a_settled_item_is_passed_over_and_a_skipped_one_holds_the_reach():
    rows, _ = begun(50).questions(3)
    assert begun(50, settled=rows[:1]).questions(2)[0].tolist() == rows[1:].tolist()
    skipping = begun(50, answers=Answers(skipped=rows[:1]))
    assert skipping.questions(2)[0].tolist() == rows[1:].tolist()
    ahead = begun(50, answers=Answers(rows[1:], np.zeros(2, np.int64), np.zeros(2, bool), rows[:1]))
    assert not ahead.in_sample.any()  # until the skipped one has an answer, their chance is not known
    complete = begun(50, answers=Answers(rows, np.zeros(3, np.int64), np.zeros(3, bool)))
    assert complete.in_sample.all()


def test_a_question_that_was_put_off_comes_back_and_then_all_answers_count():
    y = np.zeros(50, np.int64)
    (first,) = begun(50).questions(1)[0]
    audit, asked = begun(50, answers=Answers(skipped=np.array([first]))), []
    for _ in range(7):
        row = audit.questions(1)[0][0]
        asked.append(row)
        if row == first:  # put off again, so that the one after it in the queue is answered
            row = audit.questions(2)[0][1]
        rows = np.r_[audit.answers.rows, row]
        audit = begun(50, answers=Answers(rows, y[rows], np.zeros(len(rows), bool), audit.answers.skipped))
    assert [row == first for row in asked] == [False] * 5 + [True, False]
    assert not audit.in_sample.any()
    rows = np.r_[audit.answers.rows, first]
    answered_at_last = begun(50, answers=Answers(rows, y[rows], np.zeros(len(rows), bool)))
    assert answered_at_last.in_sample.all()
    assert not answered_at_last.brings_back


def test_an_audit_larger_than_the_pool_asks_everything():
    y = np.zeros(8, np.int64)
    audit = answered(begun(8), 50, y)
    assert sorted(audit.answers.rows.tolist()) == list(range(8))
    np.testing.assert_array_equal(audit.inclusion, 1.0)
    assert total(audit, np.arange(8.0)) == 28
    assert not len(audit.questions(5)[0])


# ---- several stages ---------------------------------------------------------------------------------


def ladder(n, seed, y, rest):
    """Three stages; the rates follow items outside of the sample's answers, as a model's do."""
    audit = answered(begun(n, seed), 12, y)
    for step in range(2):
        member = np.where(rest, 0.6, 0.02)
        member[: n // (step + 2)] *= 0.5
        audit = answered(with_stage(audit, model_rates(member, member > 0.4, 0.5)), 14, y)
    return audit


def test_totals_are_unbiased_over_several_stages():
    n = 150
    rest = np.arange(n) % 10 == 0
    y = np.where(rest, 1, 0)
    ones, weights = [], []
    for seed in range(1_500):
        audit = ladder(n, seed, y, rest)
        ones.append(total(audit, (y == 1).astype(float)))
        weights.append(total(audit, np.ones(n)))
    for estimates, truth in ((ones, y.sum()), (weights, n)):
        error = np.std(estimates) / np.sqrt(len(estimates))
        assert abs(np.mean(estimates) - truth) < 4 * error


def test_inclusion_only_grows():
    n, y = 300, np.zeros(300, np.int64)
    audit, rng = answered(begun(300), 5, y), np.random.default_rng(0)
    for _ in range(4):
        before = audit.inclusion_of(np.arange(n))
        member = rng.random(n)
        audit = with_stage(audit, model_rates(member, member > 0.9, 0.3))
        for _ in range(3):
            audit = answered(audit, 10, y)
            after = audit.inclusion_of(np.arange(n))
            assert (after >= before - 1e-12).all()
            before = after
    assert audit.in_sample.all()


def test_an_answer_that_was_taken_back_is_asked_again_first():
    n = 120
    rest = np.arange(n) % 10 == 0
    y = np.where(rest, 1, 0)
    audit = ladder(n, 3, y, rest)
    lost = audit.answers.rows[2]
    kept = audit.answers.rows[audit.answers.rows != lost]
    fewer = SealedAudit(audit.numbers, audit.stages, Answers(kept, y[kept], np.zeros(len(kept), bool)))
    assert fewer.questions(3)[0][0] == lost
    assert fewer.in_sample.sum() < len(kept)
    again = answered(fewer, 1, y)
    np.testing.assert_allclose(np.sort(again.inclusion), np.sort(audit.inclusion))


def test_weights_that_span_four_orders_of_magnitude_stay_unbiased():
    n = 400
    values = np.ones(n)
    levels = np.array([1.0, 1e4])
    codes = (np.arange(n) % 40 == 0).astype(np.uint8)
    rates = Rates(codes, levels / levels[codes].sum())
    numbers = permanent_numbers(np.arange(n, dtype=np.uint64), 0)
    estimates, y = [], np.zeros(n, np.int64)
    for seed in range(3_000):
        numbers = permanent_numbers(np.arange(n, dtype=np.uint64), seed)
        estimates.append(total(answered(SealedAudit(numbers, (Stage(rates),)), 60, y), values))
    error = np.std(estimates) / np.sqrt(len(estimates))
    assert abs(np.mean(estimates) - n) < 4 * error


# ---- rates ------------------------------------------------------------------------------------------


def test_rates_add_up_and_are_highest_where_members_are_likely():
    rng = np.random.default_rng(0)
    member = np.r_[rng.beta(5, 2, 50), rng.beta(1, 60, 9_950)]
    rates = model_rates(member, member > 0.5, 0.5)
    each = rates.of(np.arange(10_000))
    assert each.sum() == pytest.approx(1)
    assert each.min() >= 0.4 / 10_000
    assert each[:50].mean() > 10 * each[50:].mean()
    assert len(rates.levels) <= 256


@pytest.mark.parametrize("n_predicted", [0, 30])
def test_rates_without_a_prediction_or_without_the_rest(n_predicted):
    rates = model_rates(np.zeros(30), np.arange(30) < n_predicted, 0.0)
    assert rates.of(np.arange(30)).sum() == pytest.approx(1)
    assert Rates.uniform(4).of(np.arange(4)).tolist() == [0.25] * 4


def test_the_next_stage_is_due_after_fifty_answers_and_then_after_twice_as_many():
    n, y = 2_000, np.zeros(2_000, np.int64)
    audit = answered(begun(n), 49, y)
    assert not audit.next_stage_is_due
    audit = answered(audit, 1, y)
    assert audit.next_stage_is_due
    audit = with_stage(audit, Rates.uniform(n))
    assert not answered(audit, 49, y).next_stage_is_due
    assert answered(audit, 50, y).next_stage_is_due


# ---- places in the queue ----------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.05, 0.1, 0.3, 0.8, 1.0])
@pytest.mark.parametrize("replaced_every", [1, 5, 100])
def test_the_share_is_kept_however_often_the_queue_is_replaced(share, replaced_every):
    n_labels = n_audited = 0
    while n_labels < 1_000:
        places = due_places(n_labels, n_audited, 100, share, seed=4)
        n_audited += int((places < replaced_every).sum())
        n_labels += replaced_every
    assert n_audited == pytest.approx(share * n_labels, abs=2 + 0.02 * n_labels)


def test_a_late_audit_catches_up_without_taking_over():
    places = due_places(500, 0, 40, 0.1, seed=0)
    assert places.tolist() == list(range(0, 40, 2))
    assert not len(due_places(500, 0, 40, 0.0, seed=0))
    assert (due_places(0, 0, 20, 1.0, seed=0) == np.arange(20)).mean() > 0.9
