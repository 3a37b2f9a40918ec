"""The pool, neighbours against brute force, the plane."""

import numpy as np
import pytest
from rareloop.strategies import pool as pool_module
from rareloop.strategies.pool import Pool, pca_plane
from rareloop.strategies.retrieval import nearest
from rareloop.strategies.rows import Rows, blocks, predict_proba
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression


@pytest.fixture(name="X")
def matrix():
    return np.random.default_rng(0).normal(size=(500, 6)).astype(np.float32)


def test_rows_read_the_rows_that_were_chosen(X):
    rows = Rows(X, np.array([5, 3, 9]))
    assert rows.shape == (3, 6)
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(np.asarray(rows), X[[5, 3, 9]])
    np.testing.assert_array_equal(rows[1:], X[[3, 9]])
    np.testing.assert_array_equal(rows[np.array([2, 0])], X[[9, 5]])
    assert np.asarray(rows, np.float64).dtype == np.float64


def test_rows_of_everything_do_not_let_the_pool_be_written(X):
    copy = np.asarray(Rows(X))
    copy[:] = 0
    assert X.any()


def test_blocks_cover_everything_once(X):
    pieces = [(piece, values.copy()) for piece, values in blocks(X, size=120)]
    assert [p.stop - p.start for p, _ in pieces] == [120, 120, 120, 120, 20]
    np.testing.assert_array_equal(np.concatenate([values for _, values in pieces]), X)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("k", [1, 7, 150, 9_999])
def test_nearest_is_brute_force(X, metric, k, monkeypatch):
    monkeypatch.setattr(pool_module.blocks, "__defaults__", (64,))
    vectors = np.random.default_rng(1).normal(size=(3, 6)).astype(np.float32)
    distances, positions = nearest(Rows(X), vectors, k, metric)
    expected = cdist(vectors, X, metric)
    order = np.argsort(expected, axis=1)[:, :k]
    np.testing.assert_array_equal(positions, order)
    np.testing.assert_allclose(distances, np.take_along_axis(expected, order, axis=1), atol=1e-4)


def test_a_zero_vector_has_a_cosine_distance_of_one():
    distances, _ = nearest(np.zeros((2, 3), np.float32), [[1, 0, 0]], 2, "cosine")
    np.testing.assert_allclose(distances, 1)


def test_probabilities_in_blocks_are_those_at_once(X, monkeypatch):
    monkeypatch.setattr(pool_module.blocks, "__defaults__", (64,))
    model = LogisticRegression().fit(X[:50], np.arange(50) % 3)
    found = predict_proba(model, Rows(X))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, model.predict_proba(X), atol=1e-6)


def test_available_leaves_out_what_is_taken(X):
    free = Pool(X).available(np.array([0, 2]), np.array([2, 499]))
    assert free.dtype == np.int64
    np.testing.assert_array_equal(free, np.setdiff1d(np.arange(500), [0, 2, 499]))


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (3,)])
def test_a_pool_of_nothing_is_refused(shape):
    with pytest.raises(ValueError, match="needs items and features"):
        Pool(np.zeros(shape, np.float32))


def test_a_memory_mapped_pool_is_read_only(tmp_path, X):
    np.save(tmp_path / "pool.npy", X)
    mapped = np.load(tmp_path / "pool.npy", mmap_mode="r")
    _, positions = nearest(Rows(Pool(mapped).X, np.arange(10, 20)), X[15], 1)
    assert positions[0, 0] == 5


def test_the_plane_is_the_principal_one(X):
    stretched = X * np.array([5, 3, 1, 1, 1, 1], np.float32)
    plane, explained = pca_plane(stretched, np.random.default_rng(0))
    reference = PCA(2).fit(stretched)
    np.testing.assert_allclose(np.abs(plane), np.abs(reference.transform(stretched)), atol=1e-3)
    np.testing.assert_allclose(explained, reference.explained_variance_ratio_, atol=1e-5)


def test_the_plane_of_one_feature_is_a_line(X):
    plane, explained = pca_plane(X[:, :1], np.random.default_rng(0))
    assert plane.shape == (500, 2)
    assert not plane[:, 1].any()
    np.testing.assert_allclose(explained, [1, 0])
