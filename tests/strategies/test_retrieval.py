"""Searching for neighbours again and again: exact by default, by an index where there is one."""

import sys

import numpy as np
import pytest
from rareloop.strategies import retrieval
from rareloop.strategies.pool import Pool
from rareloop.strategies.retrieval import ExactIndex, FaissIndex, Index, make_index, nearest, overlap
from rareloop.strategies.rows import Rows
from scipy.spatial.distance import cdist

METRICS = ("euclidean", "cosine")


@pytest.fixture(scope="module", name="X")
def matrix():
    rng = np.random.default_rng(0)
    centres = 3 * rng.normal(size=(20, 8))
    return (centres[rng.integers(20, size=4_000)] + rng.normal(size=(4_000, 8))).astype(np.float32)


@pytest.fixture(name="rows")
def free_rows(X):
    return np.setdiff1d(np.arange(len(X)), np.random.default_rng(1).choice(len(X), 500, replace=False))


@pytest.fixture(name="faiss_index", params=METRICS)
def index_of_faiss(request, X):
    pytest.importorskip("faiss")
    return FaissIndex(X, request.param)


@pytest.mark.parametrize("metric", METRICS)
def test_the_exact_index_gives_the_very_numbers_of_the_function(X, rows, metric):
    index = ExactIndex(X, metric)
    for given, matrix in ((None, X), (rows, Rows(X, rows))):
        distances, positions = index.nearest(X[:7], 9, given)
        expected, where = nearest(matrix, X[:7], 9, metric)
        assert (distances.tobytes(), positions.tobytes()) == (expected.tobytes(), where.tobytes())
    assert index.recall() == 1.0


@pytest.mark.parametrize("metric", METRICS)
def test_exact_search_among_some_rows_agrees_with_scipy(X, rows, metric):
    # In float32, an item is up to 0.01 away from itself.
    distances, positions = ExactIndex(X, metric).nearest(X[:5], 10, rows)
    truth = np.sort(cdist(X[:5], X[rows], metric), axis=1)[:, :10]
    np.testing.assert_allclose(distances, truth, atol=1e-2)
    np.testing.assert_allclose(
        distances, np.take_along_axis(cdist(X[:5], X[rows], metric), positions, 1), atol=1e-2
    )


def test_an_overlap_is_the_share_of_the_truth_that_was_found():
    truth = np.array([[1, 2, 3, 4], [5, 6, 7, 8]])
    assert overlap(truth, truth[:, ::-1]) == 1
    assert overlap(truth, np.array([[1, 2, 9, 9], [0, 0, 0, 8]])) == pytest.approx((2 / 4 + 1 / 4) / 2)


def test_recall_is_measured_against_exact_search(X):
    class Half(ExactIndex):
        """Finds every second neighbour."""

        def nearest(self, vectors, k, rows=None):
            distances, positions = super().nearest(vectors, 2 * k, rows)
            return distances[:, ::2], positions[:, ::2]

    assert Half(X).recall(10, rng=np.random.default_rng(0)) == pytest.approx(0.5)


def test_a_small_matrix_is_searched_exactly(X):
    index = make_index(X)
    assert type(index) is ExactIndex
    assert index.note == "exact search"


def test_without_faiss_a_large_matrix_is_searched_exactly(X, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    monkeypatch.setattr(retrieval, "find_spec", lambda name: None)
    assert type(make_index(X, above=10)) is ExactIndex
    with pytest.raises(ImportError):
        FaissIndex(X)


def test_with_faiss_a_large_matrix_has_an_index(X):
    pytest.importorskip("faiss")
    assert type(make_index(X, "cosine", above=len(X) - 1)) is FaissIndex
    assert type(make_index(X, "cosine", above=len(X))) is ExactIndex


def test_the_index_finds_as_many_neighbours_as_it_says(X, faiss_index):
    assert isinstance(faiss_index, Index)
    assert faiss_index.measured_recall >= retrieval.RECALL_TARGET
    assert faiss_index.recall(rng=np.random.default_rng(5)) > 0.9
    assert f"{faiss_index.measured_recall:.0%} of the 50 nearest" in faiss_index.note


def test_a_higher_target_looks_into_more_cells(X):
    pytest.importorskip("faiss")
    some, every = FaissIndex(X, target=0.3), FaissIndex(X, target=1.0)
    assert 1 <= some.n_probed < every.n_probed <= every.n_cells
    assert some.measured_recall < every.measured_recall == 1.0


def test_the_index_finds_only_the_rows_that_it_may(X, rows, faiss_index):
    labelled = np.setdiff1d(np.arange(len(X)), rows)
    distances, positions = faiss_index.nearest(X[labelled[:20]], 30, rows)
    assert positions.shape == distances.shape == (20, 30)
    assert positions.min() >= 0 and positions.max() < len(rows)
    assert all(len(np.unique(row)) == 30 for row in positions)
    truth = cdist(X[labelled[:20]], X[rows], faiss_index.metric)
    np.testing.assert_allclose(distances, np.take_along_axis(truth, positions, 1), atol=1e-2)
    assert (np.diff(distances, axis=1) >= 0).all()
    assert overlap(nearest(Rows(X, rows), X[labelled[:20]], 30, faiss_index.metric)[1], positions) > 0.9


def test_vectors_whose_cells_have_too_few_of_the_rows_are_searched_exactly(X, faiss_index):
    # 1,000 rows far from the query: hardly any of them lies in the cells that are looked into.
    far = np.sort(np.argsort(-cdist(X[:1], X, faiss_index.metric)[0])[:1_000])
    distances, positions = faiss_index.nearest(X[:1], 100, far)
    expected, where = nearest(Rows(X, far), X[:1], 100, faiss_index.metric)
    np.testing.assert_array_equal(positions, where)
    np.testing.assert_allclose(distances, expected, atol=1e-2)


def test_among_few_rows_nothing_is_missed(X, faiss_index):
    few = np.arange(0, len(X), 50)
    _, positions = faiss_index.nearest(X[:30], 20, few)
    np.testing.assert_array_equal(positions, nearest(Rows(X, few), X[:30], 20, faiss_index.metric)[1])
    assert faiss_index.nearest(X[:3], 10_000)[1].shape == (3, len(X))


def test_two_indices_of_a_matrix_are_alike(X, faiss_index):
    again = FaissIndex(X, faiss_index.metric)
    assert again.n_probed == faiss_index.n_probed
    for mine, other in zip(faiss_index.nearest(X[:10], 20), again.nearest(X[:10], 20), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_an_index_that_is_broken_off_is_made_anew_when_it_is_asked_for_again(monkeypatch):
    pytest.importorskip("faiss")
    monkeypatch.setattr(retrieval.make_index, "__defaults__", ("euclidean", 100))
    pool = Pool(np.random.default_rng(0).normal(size=(500, 4)).astype(np.float32))

    def stop(share, text):
        assert text == "making the index of the pool"
        if share > 0.3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pool.index(progress=stop)
    shares = []
    assert type(pool.index(progress=lambda share, text: shares.append(share))) is FaissIndex
    assert shares == sorted(shares)
    assert len(shares) >= 3
    pool.index(progress=stop)  # kept
