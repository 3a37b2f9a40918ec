"""Batches that are spread out, and batches with quotas."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rareloop.strategies import Anchors, Diverse, Margin, QueryStrategy, Quotas, Top
from sklearn.cluster import MiniBatchKMeans

from .pools import Told, two_classes

RNG = np.random.default_rng


def ranked(n):
    """A pool for `Told` in the order of its probabilities, best first, and a strategy that keeps the order."""
    return two_classes(np.linspace(0.9, 0.1, n))


LEARNER = Told(two_classes([0.1, 0.9]), [0, 1])


class InOrder(QueryStrategy):
    """A base strategy: the first items of the pool."""

    def __call__(self, learner, X_pool, n_instances=1, random_state=None):
        return np.arange(n_instances), -np.arange(n_instances, dtype=float)


def test_the_best_comes_first_and_nothing_beyond_the_candidates():
    for seed in range(20):
        positions, scores = Diverse(InOrder(), factor=2)(None, RNG(seed).normal(size=(50, 3)), 5, RNG(seed))
        assert positions[0] == 0
        assert len(set(positions.tolist())) == 5
        assert positions.max() < 10
        assert scores.tolist() == (-positions).tolist()


def test_a_batch_has_one_of_each_group_where_the_best_are_all_of_one():
    """Ten near-copies of the best item rank before one item of each of two other groups."""
    rng = RNG(0)
    near = rng.normal(scale=1e-4, size=(10, 2))
    X = np.concatenate([near, [[100, 0]], [[0, 100]]])
    for seed in range(20):
        positions = Diverse(InOrder(), factor=4)(None, X, 3, RNG(seed))[0]
        assert set(positions[1:].tolist()) == {10, 11}


def test_exact_copies_are_asked_only_when_nothing_else_is_left():
    X = np.repeat([[0.0, 0], [1, 0], [0, 1]], 4, axis=0)
    first = Diverse(InOrder(), factor=4)(None, X, 3, RNG(0))[0]
    assert len(np.unique(X[first], axis=0)) == 3
    more = Diverse(InOrder(), factor=2)(None, X, 6, RNG(0))[0]
    assert len(np.unique(X[more[:3]], axis=0)) == 3
    assert more[3:].tolist() == sorted(set(range(12)) - set(more[:3].tolist()))[:3]


def test_better_candidates_are_drawn_more_often_at_the_same_distance():
    """Five items at the same distance from each other and the best: by weight 5/6, 4/6, ... 1/6."""
    X = np.eye(6)
    counts = np.bincount(
        [Diverse(InOrder(), factor=3)(None, X, 2, RNG(s))[0][1] for s in range(3000)], minlength=6
    )
    np.testing.assert_allclose(counts / 3000, np.array([0, 5, 4, 3, 2, 1]) / 15, atol=0.04)


def test_farther_candidates_are_drawn_more_often_by_the_square_of_the_distance():
    """At 1 with weight 2/3 and at 2 with weight 1/3: chances 1 · 2 to 4 · 1."""
    X = np.array([[0.0], [1], [2]])
    drawn = [Diverse(InOrder(), factor=3)(None, X, 2, RNG(s))[0][1] for s in range(3000)]
    assert np.mean(np.array(drawn) == 2) == pytest.approx(4 / 6, abs=0.04)


def test_with_the_cosine_the_length_does_not_count():
    X = np.array([[1.0, 0], [50, 0], [0, 1]])
    assert {Diverse(InOrder(), metric="cosine")(None, X, 2, RNG(s))[0][1] for s in range(30)} == {2}


def test_what_a_subpool_was_filled_with_comes_last():
    X = RNG(0).normal(size=(30, 2)).astype(np.float32)
    learner = Told(two_classes([0.1, 0.9]), [0, 1])
    base = Anchors(Margin(), n_neighbors=3)
    for strategy in (Diverse(base), Quotas(base, np.zeros(30, int), share=0.1)):
        positions, scores = strategy(learner, np.abs(X), 2, RNG(0))
        assert np.isfinite(scores).all()
        positions, scores = strategy(learner, np.abs(X), 20, RNG(0))
        assert len(set(positions.tolist())) == 20
        assert np.isneginf(scores[len(base.last_subpool.positions) :]).all()


def test_no_cell_has_more_than_its_share():
    cells = np.array([0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 1, 2, 0, 0, 0])
    positions, _ = Quotas(InOrder(), cells, share=0.4)(None, np.zeros((15, 1)), 5, RNG(0))
    assert positions.tolist() == [0, 1, 6, 8, 10]


def test_when_the_candidates_cannot_fill_the_batch_the_best_left_out_follow():
    cells = np.array([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
    positions, _ = Quotas(InOrder(), cells, share=0.4)(None, np.zeros((15, 1)), 5, RNG(0))
    assert positions.tolist() == [0, 1, 14, 2, 3]


def test_one_item_of_a_cell_is_always_allowed():
    assert Quotas(InOrder(), np.arange(9) % 3, share=0.01)(None, np.zeros((9, 1)), 3, RNG(0))[0].tolist() == [
        0,
        1,
        2,
    ]


@settings(deadline=None)
@given(
    st.lists(st.integers(-1, 4), min_size=1, max_size=40), st.integers(1, 45),
    st.sampled_from([0.1, 0.3, 0.5, 0.6, 1.0]), st.sampled_from([1, 2.5, 10]),
)  # fmt: skip
def test_quotas_are_a_walk_down_the_candidates(cells, n, share, factor):
    cells = np.array(cells)
    n_candidates = min(int(np.ceil(factor * min(n, len(cells)))), len(cells))
    n = min(n, len(cells))
    allowed = max(int(share * n + 1e-9), 1)
    taken, left = [], []
    for i in range(n_candidates):
        within = sum(cells[j] == cells[i] for j in taken) < allowed
        (taken if within else left).append(i)
    positions = Quotas(InOrder(), cells, share, factor)(None, np.zeros((len(cells), 1)), n, RNG(0))[0]
    expected = (taken + left)[:n] if n_candidates > n else list(range(n))
    assert positions.tolist() == expected


def test_cells_by_a_fitted_clustering_are_those_of_its_labels():
    X = np.concatenate([RNG(0).normal(c, 0.1, (20, 2)) for c in (0, 5, 9)]).astype(np.float32)
    kmeans = MiniBatchKMeans(3, random_state=0, n_init=3).fit(X)
    by_call = Quotas(InOrder(), kmeans.predict, share=0.5)(None, X, 10, RNG(0))[0]
    by_array = Quotas(InOrder(), kmeans.labels_, share=0.5)(None, X, 10, RNG(0))[0]
    np.testing.assert_array_equal(by_call, by_array)
    assert np.bincount(kmeans.labels_[by_call]).max() == 5


def test_around_a_real_strategy_the_batch_is_of_its_best():
    X = ranked(90)
    positions, scores = Diverse(Top([1]))(LEARNER, X, 10, RNG(0))
    assert set(positions.tolist()) <= set(range(30))
    np.testing.assert_allclose(scores, X[positions, 1])


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Diverse(Margin(), factor=0.5), "factor"),
        (lambda: Diverse(Margin(), factor=float("nan")), "factor"),
        (lambda: Quotas(Margin(), [0], share=0), "share"),
        (lambda: Quotas(Margin(), [0], share=1.1), "share"),
        (lambda: Quotas(InOrder(), [0, 1])(None, np.zeros((9, 1)), 2), "cell for each of 9"),
        (lambda: Quotas(InOrder(), lambda X: [0])(None, np.zeros((9, 1)), 2), "for 6 items"),
    ],
)
def test_what_cannot_be_is_refused(make, named):
    with pytest.raises(ValueError, match=named):
        make()
