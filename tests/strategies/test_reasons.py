"""Why an item is asked."""

import numpy as np
import pytest
from rareloop.strategies.landscape import Landscape
from rareloop.strategies.reasons import explain


@pytest.fixture
def X():
    X = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32)
    X[0] = [6, 0, -9]
    X[1] = [0, 0, 0]
    return X


def test_the_nearest_labelled_item_of_each_class_with_its_distance(X):
    labelled, classes = np.array([10, 11, 12, 13]), np.array([0, 0, 2, 2])
    (reason,) = explain(Landscape(X), np.array([1]), labelled, classes)
    distances = np.linalg.norm(X[labelled] - X[1], axis=1)
    expected = []
    for c in (0, 2):
        members = np.flatnonzero(classes == c)
        best = members[distances[members].argmin()]
        expected.append((c, labelled[best], distances[best]))
    expected.sort(key=lambda e: e[2])
    assert [(n.class_index, n.row) for n in reason.neighbours] == [(c, row) for c, row, _ in expected]
    np.testing.assert_allclose([n.distance for n in reason.neighbours], [d for *_, d in expected], rtol=1e-4)


def test_cosine_distances_for_embeddings(X):
    labelled, classes = np.array([10, 12]), np.array([0, 1])
    (reason,) = explain(Landscape(X, "cosine"), np.array([0]), labelled, classes)
    for neighbour in reason.neighbours:
        a, b = X[0], X[neighbour.row]
        assert neighbour.distance == pytest.approx(1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-5)


def test_the_features_in_which_it_is_unusual_largest_first(X):
    odd, usual = explain(Landscape(X), np.array([0, 1]), np.empty(0, np.int64), np.empty(0, np.int64))
    assert [u.feature for u in odd.unusual] == [2, 0]
    median = np.median(X[:, 2])
    mad = 1.4826 * np.median(np.abs(X[:, 2] - median))
    assert odd.unusual[0].deviation == pytest.approx((-9 - median) / mad, rel=1e-5)
    assert usual.unusual == ()
    assert usual.neighbours == ()


def test_a_constant_feature_is_never_unusual():
    X = np.c_[np.ones(50), np.arange(50)].astype(np.float32)
    X[:3, 0] = 1
    for reason in explain(Landscape(X), np.arange(50), np.array([0]), np.array([0])):
        assert all(u.feature == 1 for u in reason.unusual)


def test_columns_that_mean_nothing_to_a_reader_are_not_named(X):
    nothing = np.empty(0, np.int64)
    (reason,) = explain(Landscape(X), np.array([0]), nothing, nothing, unexplained=(2,))
    assert [u.feature for u in reason.unusual] == [0]
