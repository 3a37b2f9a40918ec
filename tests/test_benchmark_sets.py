"""The benchmark sets that need no file: counts, parts, scales, and seeds that mean the same everywhere."""

import numpy as np
import pytest

from .benchmarks.sets import SETS, load


@pytest.mark.parametrize(
    ("name", "n_items", "n_wanted", "n_parts"),
    [("digits@2", 1_159, 23, 1), ("synth@1", 10_000, 100, 4), ("synth@0.2", 9_920, 20, 4)],
)
def test_the_pool_has_the_counts_that_its_name_promises(name, n_items, n_wanted, n_parts):
    data = load(name, seed=3)
    is_wanted = np.isin(data.y, data.wanted)
    assert data.X.shape[0] == len(data.y) == len(data.parts) == n_items
    assert is_wanted.sum() == n_wanted
    assert np.bincount(data.parts[is_wanted]).tolist() == [n_wanted // n_parts] * n_parts
    assert (data.parts[~is_wanted] == -1).all()
    assert {data.names[c] for c in data.wanted} <= set(data.names)


@pytest.mark.parametrize("name", ["digits@2", "synth@1"])
def test_features_are_standardised_by_the_pool_alone(name):
    data = load(name, seed=1)
    assert data.X.dtype == data.X_test.dtype == np.float32
    assert data.y.dtype == data.y_test.dtype == data.parts.dtype == np.int64
    np.testing.assert_allclose(data.X.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(data.X.std(axis=0), 1, atol=1e-4)
    assert data.X_test.shape[1] == data.X.shape[1]
    # Would they have been standardised by themselves, their means would be 0 to rounding too.
    assert np.abs(data.X_test.mean(axis=0)).max() > 1e-3


def test_what_is_held_out_has_the_prevalence_of_the_pool_and_none_of_its_rows():
    data = load("synth@1", seed=0)
    assert np.isin(data.y_test, data.wanted).mean() == pytest.approx(0.01, abs=0.001)
    pool = {row.tobytes() for row in data.X}
    assert not any(row.tobytes() in pool for row in data.X_test)


def test_a_seed_is_a_set_and_another_seed_is_another():
    first, again, other = load("synth@1", seed=5), load("synth@1", seed=5), load("synth@1", seed=6)
    for name in ("X", "y", "parts", "X_test", "y_test"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert not np.array_equal(first.X, other.X)


def test_rows_are_in_no_order_of_class():
    where = np.flatnonzero(load("synth@1", seed=0).y)
    assert where.min() < 1_000 and where.max() > 9_000


def test_clusters_of_the_rare_class_are_compact():
    data = load("synth@1", seed=0)
    spread = [data.X[data.parts == part].std(axis=0).mean() for part in range(4)]
    assert max(spread) < 0.5 * data.X.std(axis=0).mean()


def test_a_set_that_does_not_exist_and_a_file_that_is_missing_are_named(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="no benchmark set 'iris': choose htru@1"):
        load("iris")
    with pytest.raises(ValueError, match=r"htru2\.parquet is missing"):
        load("htru@1", tmp_path)
    monkeypatch.delenv("RARELOOP_BENCHMARK_DATA", raising=False)
    with pytest.raises(ValueError, match="set RARELOOP_BENCHMARK_DATA"):
        load("mammography")


def test_thinned_sets_of_one_seed_share_their_common_rows():
    one, fifth = load("synth@1", seed=2), load("synth@0.2", seed=2)
    assert (one.y == 0).sum() == (fifth.y == 0).sum()
    assert set(SETS) >= {"htru@1", "htru@0.2"}
