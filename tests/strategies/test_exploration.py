"""Looking where nothing is labelled."""

from types import SimpleNamespace

import numpy as np
import pytest
from rareloop.strategies import Contrast, Coverage, Lookout, ProbCover, TypiClust, Unlike
from rareloop.strategies.landscape import Landscape
from rareloop.strategies.rows import Rows

EXPLORERS = [Lookout, Contrast, Unlike, Coverage, ProbCover, TypiClust]


def labelled(X=None, y=None):
    return SimpleNamespace(X_training=X, y_training=y)


@pytest.fixture
def bulk():
    """2,000 items of a Gaussian, of which five lie far away, each from another side."""
    X = np.random.default_rng(0).normal(size=(2_000, 4)).astype(np.float32)
    X[:4] = 12 * np.eye(4)
    X[4] = -12
    return X


@pytest.mark.parametrize(("explorer", "n"), [(Lookout, 40), (Unlike, 6)])
def test_outliers_are_found_without_labels(bulk, explorer, n):
    landscape = Landscape(bulk)
    rows = np.arange(len(bulk))
    positions, _ = explorer(landscape=landscape)(
        labelled(), Rows(bulk, rows), n, random_state=np.random.default_rng(0)
    )
    assert set(range(5)) <= set(positions.tolist())


def test_local_contrast_finds_what_stands_apart_from_a_dense_group_only():
    rng = np.random.default_rng(0)
    dense = rng.normal(0, 0.05, (500, 2))
    sparse = rng.normal(0, 5, (500, 2)) + 30
    odd = np.array([[0.6, 0.6]])  # far for the dense group, nothing for the sparse one
    X = np.concatenate([dense, sparse, odd]).astype(np.float32)
    assert Contrast()(labelled(), X, 1, random_state=rng)[0].tolist() == [1_000]
    isolated = Landscape(X).isolation
    assert isolated.argmax() != 1_000


@pytest.mark.parametrize("explorer", [Lookout, Contrast])
def test_the_neighbours_of_labelled_and_chosen_items_wait(bulk, explorer):
    landscape = Landscape(bulk)
    rest = np.arange(1, len(bulk))
    near = set(landscape.sketch_rows[landscape.neighbourhood(bulk[0]).places].tolist())
    positions, scores = explorer(landscape=landscape)(
        labelled(bulk[:1], np.zeros(1)), Rows(bulk, rest), 10, random_state=np.random.default_rng(0)
    )
    chosen = rest[positions]
    assert not near & set(chosen.tolist())
    assert (np.diff(scores) <= 0).all()
    for i, row in enumerate(chosen):
        around = landscape.sketch_rows[landscape.neighbourhood(bulk[row]).places]
        assert not np.isin(chosen[i + 1 :], around).any()


def test_where_all_are_near_the_best_are_asked_all_the_same():
    X = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    positions, scores = Lookout()(labelled(X[:1], np.zeros(1)), X, 60, random_state=np.random.default_rng(0))
    assert sorted(positions.tolist()) == list(range(60))
    assert np.isfinite(scores).all()


def test_farthest_first_by_hand():
    X = np.array([[0.0], [1.0], [4.0], [10.0], [11.0]], np.float32)
    positions, scores = Unlike()(labelled(X[:1], [0]), X, 4, random_state=np.random.default_rng(0))
    assert positions.tolist() == [4, 2, 1, 3]  # 11 from 0; then 4 from 0; then 1, and 1 again: 3
    np.testing.assert_allclose(scores, [11, 4, 1, 1])


@pytest.mark.parametrize("over", ["pool", "sketch"])
def test_what_is_remembered_of_labels_does_not_change_the_answer(bulk, over):
    landscape = Landscape(bulk)
    for stop in (3, 10, 5, 0, 200):
        given = bulk[100 : 100 + stop]
        fresh = Landscape(bulk).reach(given, "labelled", over)
        np.testing.assert_allclose(landscape.reach(given, "labelled", over), fresh, atol=2e-3)
        if stop:
            brute = np.sqrt(((bulk[:, None] - given[None]) ** 2).sum(axis=2)).min(axis=1)
            np.testing.assert_allclose(fresh, brute, atol=2e-3)


def test_of_many_labels_the_same_part_counts_whatever_their_order(bulk, monkeypatch):
    from rareloop.strategies import landscape as module

    monkeypatch.setattr(module, "MOST_REACHED", 20)
    first = Landscape(bulk).reach(bulk[:300], "labelled")
    np.testing.assert_array_equal(first, Landscape(bulk).reach(bulk[:300][::-1], "labelled"))
    every = np.sqrt(((bulk[:, None] - bulk[None, :300]) ** 2).sum(axis=2)).min(axis=1)
    assert (first >= every - 2e-3).all()
    assert 5 <= (first[:300] < 1e-2).sum() <= 20
    # What was asked before leaves no trace: the same labels give the same distances.
    grown = Landscape(bulk)
    for stop in range(10, 301, 10):
        grown.reach(bulk[:stop], "labelled")
    np.testing.assert_allclose(grown.reach(bulk[:300], "labelled"), first, atol=2e-3)


def test_coverage_goes_through_the_cells_before_it_comes_back():
    rng = np.random.default_rng(1)
    centres = 50 * np.arange(10)[:, None] * np.ones(3)
    X = (np.repeat(centres, 10, axis=0) + rng.normal(size=(100, 3))).astype(np.float32)
    landscape = Landscape(X)
    assert landscape.cells.n_clusters == 10
    first, scores = Coverage(landscape=landscape)(labelled(), Rows(X, np.arange(100)), 10, random_state=rng)
    assert len(set(landscape.cell[first].tolist())) == len(set(landscape.cell.tolist()))
    assert (scores[: len(set(landscape.cell.tolist()))] == 0).all()
    rest = np.setdiff1d(np.arange(100), first[:5])
    then, _ = Coverage(landscape=landscape)(
        labelled(X[first[:5]], np.zeros(5)), Rows(X, rest), 3, random_state=rng
    )
    assert not set(landscape.cell[rest[then]].tolist()) & set(landscape.cell[first[:5]].tolist())


@pytest.mark.parametrize("explorer", EXPLORERS)
def test_a_large_pool_is_sketched(explorer, monkeypatch):
    from rareloop.strategies import landscape as module

    monkeypatch.setattr(module, "CELL_SAMPLE", 400)
    monkeypatch.setattr(module, "SKETCH_SAMPLE", 200)
    X = np.random.default_rng(0).normal(size=(2_000, 70)).astype(np.float32)
    landscape = Landscape(X, "cosine")
    assert len(landscape.rows) == 400
    assert len(landscape.sketch_rows) == 200
    assert landscape.sketch.shape == (200, module.MAX_AXES)
    rows = np.arange(0, 2_000, 2)
    positions, scores = explorer("cosine", landscape)(
        labelled(X[:3], np.zeros(3)), Rows(X, rows), 30, random_state=np.random.default_rng(0)
    )
    assert len(set(positions.tolist())) == 30
    known = np.union1d(landscape.rows, landscape.sketch_rows)
    assert np.isin(rows[positions[scores > -np.inf]], known).all()


@pytest.mark.parametrize("n", [1, 2, 3, 25])
@pytest.mark.parametrize("explorer", EXPLORERS)
@pytest.mark.filterwarnings("error")
def test_tiny_and_constant_pools(explorer, n):
    for X in (np.zeros((n, 3), np.float32), np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32)):
        positions, _ = explorer()(labelled(), X, n, random_state=np.random.default_rng(0))
        assert sorted(positions.tolist()) == list(range(n))


def groups(sizes, spread=0.1, seed=0):
    """Round groups of items, ten apart, and one lone item at the end."""
    rng = np.random.default_rng(seed)
    parts = [rng.normal(10 * i, spread, (size, 2)) for i, size in enumerate(sizes)]
    return np.concatenate([*parts, [[-50, -50]]]).astype(np.float32)


def test_balls_cover_the_fullest_group_first_and_each_once():
    X = groups([100, 300, 200])
    positions, gains = ProbCover()(labelled(), X, 3, random_state=np.random.default_rng(0))
    of_group = np.searchsorted([100, 400, 600], positions, side="right")
    assert (np.diff(gains) <= 0).all()
    assert 600 not in positions
    landscape = Landscape(X)
    around = np.linalg.norm(X - X[positions[0]], axis=1) <= landscape.ball_radius + 1e-6
    assert (
        gains[0]
        == around.sum()
        == max((np.linalg.norm(X - x, axis=1) <= landscape.ball_radius + 1e-6).sum() for x in X)
    )
    labelled_first = labelled(X[:400:5], np.zeros(80))
    positions, _ = ProbCover()(labelled_first, X, 1, random_state=np.random.default_rng(0))
    assert positions[0] >= 400, of_group


def test_typical_items_of_the_largest_cells_come_first():
    X = groups([40, 200, 90])
    landscape = Landscape(X)
    positions, scores = TypiClust(landscape=landscape)(
        labelled(), Rows(X, np.arange(len(X))), 5, random_state=np.random.default_rng(0)
    )
    cell = landscape.cells.predict(landscape.sketch)
    sizes = np.bincount(cell)
    assert cell[positions[0]] == sizes.argmax()
    members = np.flatnonzero(cell == cell[positions[0]])
    assert landscape.sparsity[positions[0]] == landscape.sparsity[members].min()
    assert len(set(cell[positions].tolist())) == 5
    assert (scores == 0).all()


@pytest.mark.parametrize("explorer", EXPLORERS)
def test_candidates_may_come_in_any_order(bulk, explorer):
    landscape = Landscape(bulk)
    rows = np.arange(0, len(bulk), 3)
    shuffled = np.random.default_rng(1).permutation(rows)
    answers = [
        set(index[explorer(landscape=landscape)(
            labelled(bulk[:3], np.zeros(3)), Rows(bulk, index), 5, random_state=np.random.default_rng(0)
        )[0]].tolist())
        for index in (rows, shuffled)
    ]  # fmt: skip
    assert answers[0] <= set(rows.tolist())
    if explorer in (Lookout, Contrast, Unlike, ProbCover):
        assert answers[0] == answers[1]
    else:
        assert {int(landscape.cell[r]) for r in answers[0]} == {int(landscape.cell[r]) for r in answers[1]}
