"""AnchorAL's subpool, worked by hand on a line."""

import numpy as np
import pytest
from rareloop.strategies.anchors import Anchors
from rareloop.strategies.rows import Rows
from rareloop.strategies.uncertainty import Margin
from sklearn.linear_model import LogisticRegression

#: One labelled item of each class; the pool lies between them, with one item far away.
LABELLED = np.array([[0.0], [10.0]], np.float32)
POOL = np.array([[1], [2], [4], [9], [7], [100]], np.float32)


def subpool(**parameters):
    return Anchors(Margin(), **parameters).subpool(LABELLED, np.array([0, 1]), POOL, np.random.default_rng(0))


def test_two_neighbours_of_each_anchor():
    """0 retrieves 1 and 2; 10 retrieves 9 and 7; similarity is 1 / (1 + distance)."""
    found = subpool(n_neighbors=2)
    assert found.n_anchors == 2
    got = dict(zip(found.positions.tolist(), found.similarity, strict=True))
    assert got == pytest.approx({0: 1 / 2, 1: 1 / 3, 3: 1 / 2, 4: 1 / 4})


def test_an_item_that_two_anchors_retrieve_has_their_mean_similarity():
    """Both retrieve 4, at distances 4 and 6; nobody retrieves 100."""
    found = subpool(n_neighbors=3)
    got = dict(zip(found.positions.tolist(), found.similarity, strict=True))
    assert got == pytest.approx({0: 1 / 2, 1: 1 / 3, 2: (1 / 5 + 1 / 7) / 2, 3: 1 / 2, 4: 1 / 4})


def test_the_most_similar_are_kept():
    found = subpool(n_neighbors=3, subpool_size=3)
    assert found.positions.tolist() == [0, 3, 1]


def test_cosine_similarity():
    X = np.array([[1, 0], [0, 1], [1, 1]], np.float32)
    found = Anchors(n_neighbors=3, metric="cosine").subpool(X[:1], np.array([0]), X, np.random.default_rng(0))
    np.testing.assert_array_equal(found.positions, [0, 2, 1])
    np.testing.assert_allclose(found.similarity, [1, np.sqrt(0.5), 0], atol=1e-6)


def test_anchors_are_all_of_a_small_class_and_some_of_a_large_one():
    X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    y = np.r_[np.zeros(37, int), np.ones(3, int)]
    strategy = Anchors(n_anchors=5, n_neighbors=1)
    found = strategy.subpool(X, y, X, np.random.default_rng(0))
    assert found.n_anchors == len(np.unique(found.anchors)) == 5 + 3
    assert found.anchors[5:].tolist() == [37, 38, 39]
    # Each retrieves one item, itself.
    assert sorted(found.positions.tolist()) == sorted(found.anchors.tolist())
    assert {37, 38, 39} <= set(found.positions.tolist())


def test_anchors_are_drawn_anew_in_each_call():
    X = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    rng = np.random.default_rng(0)
    strategy = Anchors(n_anchors=5, n_neighbors=1)
    first, second = (set(strategy.subpool(X, np.zeros(200), X, rng).positions.tolist()) for _ in range(2))
    assert first != second


@pytest.fixture
def learner():
    model = LogisticRegression().fit(LABELLED, [0, 1])
    model.X_training, model.y_training = LABELLED, np.array([0, 1])
    return model


def test_the_base_strategy_sees_the_subpool_only(learner):
    """Of the subpool {1, 2, 9, 7}, 7 is nearest to the boundary at 5; 4 was not retrieved."""
    positions, _ = Anchors(Margin(), n_neighbors=2)(learner, POOL, 1)
    assert positions.tolist() == [4]


def test_a_small_subpool_is_filled_up_at_random(learner):
    positions, scores = Anchors(Margin(), n_neighbors=1)(learner, Rows(POOL), 4, np.random.default_rng(0))
    assert set(positions[:2].tolist()) == {0, 3}
    assert len(set(positions.tolist())) == 4
    assert np.isneginf(scores[2:]).all()
    assert np.isfinite(scores[:2]).all()


@pytest.mark.parametrize("strategy", ["anchors", "seals"])
def test_a_round_uses_the_index_of_a_large_pool_and_says_what_it_misses(strategy, monkeypatch):
    pytest.importorskip("faiss")
    from rareloop.strategies import Labels, RoundSettings, retrieval, run_round
    from rareloop.strategies.pool import Pool

    X = np.random.default_rng(0).normal(size=(4_000, 8)).astype(np.float32)
    rows = np.arange(40)
    labels = Labels(rows, (rows < 5).astype(np.int64), np.empty(0, np.int64), 2)
    settings = RoundSettings(strategy=strategy, base="top", wanted=(1,), audit_share=0.0)
    exact = run_round(Pool(X), labels, settings, np.random.default_rng(0))
    assert exact.retrieval == "exact search"
    monkeypatch.setattr(retrieval.make_index, "__defaults__", ("euclidean", 1_000))
    indexed = run_round(Pool(X), labels, settings, np.random.default_rng(0))
    assert "approximate search" in indexed.retrieval
    assert len(np.intersect1d(exact.queries.rows, indexed.queries.rows)) > 40
    assert indexed.queries.strategy[0] == f"{strategy}: top"
