import json
import math

import numpy as np
import pytest
from rareloop.strategies.campaign import PLANNED, Tally, campaign_measures, draw, expected_widths
from rareloop.strategies.measures import MEASURES
from rareloop.strategies.strata import NO_CLASS, Strata, allocate, strata_of
from scipy.special import expit
from scipy.stats import binomtest

N_ITEMS, N_MEMBERS = 20_000, 200


def sky(seed, n_wanted=1, hidden=0.0):
    """Probabilities of a good model, its predictions, and the truth; a share of the members looks common."""
    rng = np.random.default_rng(seed)
    truth = np.zeros(N_ITEMS, np.int64)
    truth[: n_wanted * N_MEMBERS] = np.repeat(np.arange(n_wanted) + 1, N_MEMBERS)
    is_member = (truth > 0) & (rng.random(N_ITEMS) >= hidden)
    p = expit(np.where(is_member, rng.normal(1.0, 2.2, N_ITEMS), rng.normal(-6.0, 1.6, N_ITEMS)))
    confused = rng.integers(1, n_wanted + 1, N_ITEMS)
    guess = np.where((truth > 0) & (rng.random(N_ITEMS) < 0.9), truth, confused)
    return p, np.where(p > 0.3, guess, 0), truth


def by_hand(sizes, predicted):
    empty = np.empty(0, np.uint8)
    wanted = tuple(sorted({c for c in predicted if c >= 0}))
    words = tuple(str(h) for h in range(len(sizes)))
    return Strata(empty, np.array(sizes), np.array(predicted), np.full(len(sizes), 0.1), words, wanted)


def tally(answered, members, unjudged=None):
    """Answers of two classes by stratum, `members` of them of class 1."""
    answered, members = np.array(answered), np.array(members)
    none = np.zeros(len(answered), np.int64) if unjudged is None else np.array(unjudged)
    return Tally(answered, answered, none, np.column_stack([answered - members - none, members]))


def measure(strata, answers, guarantee=False, n_found=0, n_items=None, c=1):
    rng = np.random.default_rng(0)
    n_items = strata.n_rest + n_found if n_items is None else n_items
    return campaign_measures(strata.sizes, strata.predicted, answers, c, n_found, n_items, guarantee, rng)


# ---- the sample -------------------------------------------------------------------------------------


def test_the_sample_has_what_was_allocated_and_nothing_twice():
    p, predicted, _ = sky(0)
    strata = strata_of(p, predicted, (1,))
    allocation = allocate(strata, 500, 0.01)
    drawn = draw(strata, allocation, np.random.default_rng(1))
    assert len(np.unique(drawn.positions)) == 500
    np.testing.assert_array_equal(np.bincount(drawn.strata), allocation)
    np.testing.assert_array_equal(strata.codes[drawn.positions], drawn.strata)
    np.testing.assert_allclose(drawn.inclusion, (allocation / strata.sizes)[drawn.strata])
    again = draw(strata, allocation, np.random.default_rng(1))
    np.testing.assert_array_equal(drawn.positions, again.positions)


def test_every_item_has_its_inclusion_probability_in_a_prefix_too():
    codes = np.repeat([0, 1], [6, 14]).astype(np.uint8)
    strata = Strata(codes, np.array([6, 14]), np.array([1, -1]), np.array([0.5, 0.1]), ("a", "b"), (1,))
    allocation, rng, n = np.array([3, 5]), np.random.default_rng(2), 6_000
    whole, prefix = np.zeros(20), np.zeros(20)
    for _ in range(n):
        positions = draw(strata, allocation, rng).positions
        whole[positions] += 1
        prefix[positions[:4]] += 1
    expected = np.repeat([3 / 6, 5 / 14], [6, 14])
    np.testing.assert_allclose(whole / n, expected, atol=5 * 0.5 / math.sqrt(n))
    np.testing.assert_allclose(prefix / n, expected / 2, atol=5 * 0.5 / math.sqrt(n))


def test_nothing_to_draw_and_everything_to_draw():
    p, predicted, _ = sky(0)
    strata = strata_of(p[:300], predicted[:300], (1,))
    rng = np.random.default_rng(0)
    assert draw(strata, allocate(strata, 0, 0.01), rng).positions.shape == (0,)
    everything = draw(strata, allocate(strata, 10**6, 0.01), rng)
    np.testing.assert_array_equal(np.sort(everything.positions), np.arange(300))
    assert (everything.inclusion == 1).all()
    empty = strata_of(p[:0], predicted[:0], (1,))
    assert draw(empty, allocate(empty, 10, 0.01), rng).positions.shape == (0,)


def test_answers_are_counted_by_stratum():
    counts = Tally.of(drawn=[0, 1, 1, 0, 1, 2], answers=[1, -1, 0, 1], n_strata=3, n_classes=2)
    assert counts.asked.tolist() == [2, 3, 1]
    assert counts.answered.tolist() == [2, 2, 0]
    assert counts.unjudged.tolist() == [0, 1, 0]
    assert counts.found.tolist() == [[0, 2], [1, 0], [0, 0]]


# ---- what the answers say ---------------------------------------------------------------------------


@pytest.mark.parametrize("guarantee", [False, True])
def test_when_everything_was_answered_everything_is_known(guarantee):
    strata = by_hand([20, 30, 150], [1, 1, NO_CLASS])
    result = measure(strata, tally([20, 30, 150], [18, 12, 10]), guarantee, n_found=40)
    expected = {
        "prevalence": 80 / 240, "total": 80, "left": 40, "precision": 0.6, "recall": 0.75, "f1": 60 / 90,
        "f_beta": 60 / 90, "completeness": 70 / 80, "purity": 70 / 90,
    }  # fmt: skip
    assert set(result) == set(MEASURES)
    for name, value in expected.items():
        assert (result[name].point, result[name].low, result[name].high) == pytest.approx((value,) * 3), name


def test_points_are_sums_over_the_strata():
    strata = by_hand([40, 60, 300, 9_600], [1, 1, NO_CLASS, NO_CLASS])
    result = measure(strata, tally([20, 20, 60, 480], [15, 8, 6, 2]), n_found=10)
    tp, fn = 30 + 24, 30 + 40
    assert result["precision"].point == pytest.approx(tp / 100)
    assert result["recall"].point == pytest.approx(tp / (tp + fn))
    assert result["left"].point == pytest.approx(tp + fn)
    assert result["total"].point == pytest.approx(tp + fn + 10)
    assert result["completeness"].point == pytest.approx((tp + 10) / (tp + fn + 10))


def test_what_is_predicted_as_another_class_is_missed():
    strata = by_hand([50, 50, 900], [1, 2, NO_CLASS])
    answers = Tally(*(np.array(x) for x in ([50, 50, 900], [50, 50, 900], [0, 0, 0])), np.zeros((3, 3), np.int64))
    answers.found[:] = [[10, 40, 0], [20, 10, 20], [895, 0, 5]]
    assert measure(strata, answers, c=1)["recall"].point == pytest.approx(40 / 50)
    assert measure(strata, answers, c=2)["recall"].point == pytest.approx(20 / 25)
    assert measure(strata, answers, c=2)["precision"].point == pytest.approx(20 / 50)


def test_the_guaranteed_limits_of_one_stratum_are_those_of_clopper_and_pearson():
    strata = by_hand([1_000_000, 10], [1, NO_CLASS])
    result = measure(strata, tally([100, 10], [37, 0]), guarantee=True)
    exact = binomtest(37, 100).proportion_ci(0.95, method="exact")
    assert result["precision"].low == pytest.approx(exact.low, abs=0.005)
    assert result["precision"].high == pytest.approx(exact.high, abs=0.005)


def test_the_guarantee_is_never_sharper():
    strata = by_hand([40, 60, 300, 9_600], [1, 1, NO_CLASS, NO_CLASS])
    answers = tally([20, 20, 60, 480], [15, 8, 6, 2])
    usual, sure = measure(strata, answers), measure(strata, answers, guarantee=True)
    for name in MEASURES:
        assert sure[name].high - sure[name].low >= 0.97 * (usual[name].high - usual[name].low), name


def test_many_strata_without_a_member_do_not_add_up():
    one = measure(by_hand([100, 9_000], [1, NO_CLASS]), tally([50, 450], [25, 0]))
    many = measure(by_hand([100] + [900] * 10, [1] + [NO_CLASS] * 10), tally([50] + [45] * 10, [25] + [0] * 10))
    assert many["left"].high == pytest.approx(one["left"].high, rel=0.15)
    assert many["left"].low == pytest.approx(one["left"].low, abs=3)


@pytest.mark.parametrize("guarantee", [False, True])
def test_a_stratum_without_an_answer_may_hold_none_or_only_members(guarantee):
    strata = by_hand([100, 200, 700], [1, NO_CLASS, NO_CLASS])
    result = measure(strata, tally([100, 0, 700], [50, 0, 10]), guarantee)
    assert (result["left"].low, result["left"].high) == (60, 260)
    assert (result["recall"].low, result["recall"].high) == pytest.approx((50 / 260, 50 / 60))
    assert result["precision"].to_list() == [0.5, 0.5, 0.5]
    assert math.isnan(result["left"].point) and math.isnan(result["recall"].point)


@pytest.mark.parametrize("guarantee", [False, True])
def test_without_any_answer_everything_is_possible(guarantee):
    strata = by_hand([100, 900], [1, NO_CLASS])
    result = measure(strata, tally([0, 0], [0, 0]), guarantee, n_found=50)
    assert result["precision"].to_list() == [None, 0.0, 1.0]
    assert result["recall"].to_list() == [None, 0.0, 1.0]
    assert result["total"].to_list() == [None, 50.0, 1_050.0]


def test_items_that_could_not_be_judged_are_members_of_nothing():
    strata = by_hand([100, 900], [1, NO_CLASS])
    judged = measure(strata, tally([50, 100], [20, 0]))
    unsure = measure(strata, tally([50, 100], [20, 0], unjudged=[30, 100]))
    assert unsure == judged
    nothing = measure(strata, tally([50, 100], [0, 0], unjudged=[50, 100]))
    assert nothing["total"].point == nothing["total"].low == 0
    assert nothing["total"].high > 0


def test_a_class_that_is_not_predicted_and_one_that_always_is():
    never = measure(by_hand([20, 980], [NO_CLASS, NO_CLASS]), tally([20, 100], [5, 0]), n_found=5)
    assert never["precision"].to_list() == [None, None, None]
    assert never["recall"].to_list() == [0.0, 0.0, 0.0]
    assert never["total"].point == 10
    always = measure(by_hand([500, 500], [1, 1]), tally([50, 50], [5, 0]))
    assert always["recall"].point == pytest.approx(1.0)
    assert always["precision"].point == pytest.approx(0.05)


def test_a_pool_without_a_rest():
    result = measure(by_hand([], []), tally(np.empty(0, int), np.empty(0, int)), n_found=7, n_items=100)
    assert result["total"].to_list() == [7.0, 7.0, 7.0]
    assert result["completeness"].to_list() == [1.0, 1.0, 1.0]


def test_impossible_answers_are_refused():
    strata = by_hand([100, 900], [1, NO_CLASS])
    found = np.array([[0, 5], [0, 0]])
    with pytest.raises(ValueError, match="more classes than answers"):
        measure(strata, Tally(np.array([4, 4]), np.array([4, 4]), np.array([0, 0]), found))


# ---- before it begins -------------------------------------------------------------------------------


def test_larger_campaigns_are_expected_to_tell_more():
    p, predicted, _ = sky(0)
    strata = strata_of(p, predicted, (1,))
    plans = expected_widths(strata, [0.01], [100, 1_000, 50_000], [30], N_ITEMS + 30, np.random.default_rng(0))
    assert json.loads(json.dumps(plans)) == plans
    assert [plan["labels"] for plan in plans] == [100, 1_000, N_ITEMS]
    assert all(sum(plan["allocation"]) == plan["labels"] for plan in plans)
    for name in PLANNED:
        widths = [plan["classes"][0][name][1] - plan["classes"][0][name][0] for plan in plans]
        assert widths[0] > widths[1] >= widths[2], name
        assert widths[2] == pytest.approx(0, abs=0.02)


def test_the_plan_foretells_what_the_campaign_then_says():
    rng = np.random.default_rng(3)
    p = rng.beta(0.05, 5, N_ITEMS)
    strata = strata_of(p, (p > 0.3).astype(np.int64), (1,))
    plan = expected_widths(strata, [0.01], [800], [0], N_ITEMS, rng)[0]["classes"][0]
    limits = {name: [] for name in ("precision", "recall", "prevalence")}
    allocation = allocate(strata, 800, 0.01)
    for _ in range(40):
        truth = (rng.random(N_ITEMS) < p).astype(np.int64)
        drawn = draw(strata, allocation, rng)
        result = measure(strata, Tally.of(drawn.strata, truth[drawn.positions], len(strata.sizes), 2))
        for name, values in limits.items():
            values.append((result[name].low, result[name].high))
    for name, values in limits.items():
        np.testing.assert_allclose(np.mean(values, axis=0), plan[name], atol=0.06, err_msg=name)


def test_a_plan_for_several_classes_and_for_one_that_is_not_predicted():
    p, predicted, _ = sky(0, n_wanted=2)
    predicted[predicted == 2] = 0
    strata = strata_of(p, predicted, (1, 2))
    rng = np.random.default_rng(0)
    one, other = expected_widths(strata, [0.01, 0.01], [300], [5, 0], N_ITEMS, rng)[0]["classes"]
    assert (one["class"], other["class"]) == (1, 2)
    assert other["precision"] == [None, None]
    assert other["recall"] == [0.0, 0.0]
    assert 0 < one["recall"][0] < one["recall"][1] < 1


def test_false_predictions_of_one_class_are_not_planned_as_members_of_another():
    sizes, predicted = np.array([1_000, 1_000, 98_000]), np.array([1, 2, NO_CLASS])
    member = np.array([0.3, 0.3, 0.0])
    strata = Strata(np.empty(0, np.uint8), sizes, predicted, member, ("a", "b", "c"), (1, 2))
    plan = expected_widths(strata, [0.003, 0.003], [100_000], [0, 0], 100_000, np.random.default_rng(0))[0]
    for one in plan["classes"]:
        assert one["recall"][0] > 0.98
        assert one["prevalence"] == pytest.approx([0.003, 0.003], rel=0.1)


def test_a_plan_of_no_answers_says_nothing():
    p, predicted, _ = sky(0)
    strata = strata_of(p, predicted, (1,))
    plan = expected_widths(strata, 0.01, [0], [0], N_ITEMS, np.random.default_rng(0))[0]
    assert plan["labels"] == 0
    assert plan["classes"][0]["recall"] == [0.0, 1.0]


# ---- in the long run --------------------------------------------------------------------------------


def campaigns(n_pools, n_each, m, n_answers=None, **of_pool):
    """How often the limits of class 1 hold, and the errors of its totals relative to the truth."""
    holds, errors = {}, []
    for seed in range(n_pools):
        p, predicted, truth = sky(seed, **of_pool)
        n_wanted = of_pool.get("n_wanted", 1)
        strata = strata_of(p, predicted, tuple(range(1, n_wanted + 1)))
        allocation = allocate(strata, m, 0.01 * n_wanted)
        tp, total, n_predicted = ((predicted == 1) & (truth == 1)).sum(), N_MEMBERS, (predicted == 1).sum()
        true = {
            "precision": tp / n_predicted, "recall": tp / total, "f1": 2 * tp / (n_predicted + total),
            "prevalence": total / N_ITEMS,
        }  # fmt: skip
        for number in range(n_each):
            rng = np.random.default_rng([seed, number, 11])
            drawn = draw(strata, allocation, rng)
            answers = truth[drawn.positions][:n_answers]
            counts = Tally.of(drawn.strata, answers, len(strata.sizes), n_wanted + 1)
            for guarantee in (False, True):
                result = campaign_measures(strata.sizes, strata.predicted, counts, 1, 0, N_ITEMS, guarantee, rng)
                for name, value in true.items():
                    inside = result[name].low - 1e-9 <= value <= result[name].high + 1e-9
                    holds.setdefault((guarantee, name), []).append(inside)
            errors.append((result["total"].point / total - 1, result["precision"].point * n_predicted / tp - 1))
    return {key: float(np.mean(values)) for key, values in holds.items()}, np.array(errors)


SKIES = [{}, {"hidden": 0.25}, {"n_wanted": 3}]


@pytest.mark.slow
@pytest.mark.parametrize("of_pool", SKIES, ids=["good model", "a quarter looks common", "three classes"])
def test_limits_hold_and_totals_are_unbiased_with_1000_answers(of_pool):
    coverage, errors = campaigns(20, 20, 1_000, **of_pool)
    for (guarantee, name), share in coverage.items():
        assert share >= (0.95 if guarantee else 0.93), (guarantee, name, share)
    standard_error = errors.std(axis=0) / math.sqrt(len(errors))
    assert (np.abs(errors.mean(axis=0)) <= np.maximum(0.02, standard_error)).all()


@pytest.mark.slow
def test_a_campaign_that_is_broken_off_says_what_a_smaller_one_says():
    coverage, errors = campaigns(20, 20, 1_000, n_answers=300)
    for (guarantee, name), share in coverage.items():
        assert share >= (0.95 if guarantee else 0.93), (guarantee, name, share)
    standard_error = errors.std(axis=0) / math.sqrt(len(errors))
    assert (np.abs(errors.mean(axis=0)) <= np.maximum(0.02, 2 * standard_error)).all()
