import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rareloop.strategies.strata import NO_CLASS, Strata, allocate, strata_of

NAMES = ("star", "quasar", "nova")


def pool(n_items=5_000, n_predicted=100, n_classes=2, seed=0):
    """Probabilities, of which the largest are predicted as one of the wanted classes in turn."""
    member = np.random.default_rng(seed).beta(0.05, 5, n_items)
    predicted = np.zeros(n_items, np.int64)
    top = np.argsort(-member)[:n_predicted]
    predicted[top] = 1 + np.arange(n_predicted) % (n_classes - 1)
    return member, predicted


def by_size(sizes, predicted, member):
    words = tuple(str(h) for h in range(len(sizes)))
    return Strata(
        np.empty(0, np.uint8), np.array(sizes), np.array(predicted), np.array(member, np.float64), words, (1,)
    )


def test_bands_end_where_the_design_says():
    strata = strata_of(*pool(n_predicted=100), wanted=(1,), names=NAMES)
    assert strata.sizes.tolist() == [50, 50, 100, 300, 1_200, 3_300]
    assert strata.predicted.tolist() == [1, 1, -1, -1, -1, -1]
    assert strata.descriptions[0] == "predicted 'quasar', likelier half"
    assert strata.descriptions[-1] == "predicted otherwise, places 1,601 to 4,900 by probability"


@given(
    n_items=st.integers(0, 400),
    share=st.floats(0, 1),
    n_classes=st.integers(2, 5),
    seed=st.integers(0, 1_000),
)
@settings(max_examples=100, deadline=None)
def test_strata_part_the_pool_and_the_prediction_is_constant_in_each(n_items, share, n_classes, seed):
    rng = np.random.default_rng(seed)
    member, predicted = rng.random(n_items).round(1), rng.integers(0, n_classes, n_items)
    predicted[rng.random(n_items) > share] = 0
    strata = strata_of(member, predicted, tuple(range(1, n_classes)))
    assert strata.n_rest == n_items == len(strata.codes)
    assert (strata.sizes > 0).all()
    np.testing.assert_array_equal(np.bincount(strata.codes, minlength=len(strata.sizes)), strata.sizes)
    for h, c in enumerate(strata.predicted):
        rows = strata.codes == h
        assert set(predicted[rows]) == ({c} if c != NO_CLASS else {0})
        assert strata.member[h] == pytest.approx(member[rows].mean())
    bands = strata.member[strata.predicted == NO_CLASS]
    assert (np.diff(bands) <= 1e-12).all()  # from the likeliest on
    if len(bands) > 1:
        assert 2 * strata.sizes[-1] >= strata.sizes[strata.predicted == NO_CLASS].sum()


def test_other_classes_are_predicted_otherwise():
    member = np.linspace(1, 0, 200)
    predicted = np.repeat([1, 2, 0, 2], 50)
    strata = strata_of(member, predicted, wanted=(1,))
    assert set(strata.predicted) == {1, NO_CLASS}
    assert strata.sizes[strata.predicted == 1].sum() == 50
    assert strata.descriptions[0] == "predicted class 1, likelier half"


def test_a_short_prediction_is_one_stratum_and_none_is_none():
    member, predicted = pool(n_predicted=7)
    assert strata_of(member, predicted, (1,)).sizes.tolist() == [7, 20, 60, 240, 4_673]
    assert strata_of(member, np.zeros(len(member), np.int64), (1,)).sizes.tolist() == [20, 60, 240, 4_680]
    assert strata_of(member, np.ones(len(member), np.int64), (1,)).sizes.tolist() == [2_500, 2_500]


def test_more_strata_than_codes_are_refused():
    predicted = np.arange(300)
    with pytest.raises(ValueError, match="choose fewer wanted classes"):
        strata_of(np.ones(300), predicted, range(300))


def test_strata_can_be_read_back_from_a_log():
    strata = strata_of(*pool(), wanted=(1,), names=NAMES)
    again = Strata.from_dict(json.loads(json.dumps(strata.to_dict())))
    assert again.to_dict() == strata.to_dict()
    assert again.sizes.dtype == np.int64
    assert again.n_rest == 5_000


# ---- allocation -------------------------------------------------------------------------------------


@given(
    sizes=st.lists(st.integers(1, 3_000), min_size=1, max_size=12),
    n_own=st.integers(0, 12),
    m=st.integers(-1, 5_000),
    prevalence=st.floats(0, 0.5),
    seed=st.integers(0, 100),
)
@settings(max_examples=200, deadline=None)
def test_every_answer_is_given_away_and_no_stratum_gets_more_than_it_has(sizes, n_own, m, prevalence, seed):
    member = np.random.default_rng(seed).random(len(sizes))
    strata = by_size(sizes, [1 if h < n_own else NO_CLASS for h in range(len(sizes))], member)
    counts = allocate(strata, m, prevalence)
    assert counts.sum() == max(min(m, sum(sizes)), 0)
    assert (counts >= 0).all()
    assert (counts <= strata.sizes).all()


@pytest.mark.parametrize("m", [100, 300, 1_000, 3_000])
@pytest.mark.parametrize("p_bulk", [0.0, 0.001, 0.2])
def test_the_bulk_gets_its_share_and_every_stratum_its_least(m, p_bulk):
    strata = by_size([4_000, 4_000, 9_000, 27_000, 100_000], [1, 1, -1, -1, -1], [0.9, 0.5, 0.2, 0.05, p_bulk])
    counts = allocate(strata, m, 0.01)
    assert 0.35 * m - 1 <= counts[-1] <= 0.60 * m + 1
    assert (counts[:-1] >= max(10, 0.04 * m) - 1).all()


def test_the_rest_goes_by_size_and_spread():
    strata = by_size([5_000, 5_000, 5_000, 5_000, 50_000], [1, 1, -1, -1, -1], [0.5, 0.1, 0.5, 0.1, 0.002])
    counts = allocate(strata, 2_000, 0.01)
    spread = np.sqrt([0.25, 0.09, 0.25, 0.09]) * [1.5, 1.5, 0.8, 0.8]
    np.testing.assert_allclose((counts[:4] - 80) / (counts[:4] - 80).sum(), spread / spread.sum(), atol=0.005)


def test_the_surplus_of_a_small_stratum_goes_to_the_next_band():
    small = by_size([3, 5_000, 5_000, 50_000], [1, -1, -1, -1], [0.5, 0.2, 0.1, 0.001])
    large = by_size([30, 5_000, 5_000, 50_000], [1, -1, -1, -1], [0.5, 0.2, 0.1, 0.001])
    one, other = allocate(small, 200, 0.01), allocate(large, 200, 0.01)
    assert one[0] == 3
    assert one[1] >= other[1] + 5
    assert abs(one[2:] - other[2:]).max() <= 1


def test_a_model_that_sees_no_member_anywhere_still_has_the_bulk_looked_at():
    strata = by_size([20, 60, 240, 5_000], [-1, -1, -1, -1], [0.0, 0.0, 0.0, 0.0])
    assert allocate(strata, 200, 0.0)[-1] >= 70
    assert allocate(by_size([50], [1], [1.0]), 20, 0.0).tolist() == [20]


def test_several_prevalences_count_with_their_sum():
    strata = strata_of(*pool(n_classes=3), wanted=(1, 2))
    np.testing.assert_array_equal(allocate(strata, 500, [0.01, 0.03]), allocate(strata, 500, 0.04))
