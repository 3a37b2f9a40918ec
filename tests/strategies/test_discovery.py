"""Looking without a model."""

import numpy as np
import pytest
from rareloop.strategies import discovery
from rareloop.strategies.discovery import cold_start
from rareloop.strategies.rows import Rows

from .pools import blobs


def test_half_isolated_half_uniform_with_its_probability():
    X, _ = blobs()
    cold = cold_start(Rows(X), 20, np.random.default_rng(0))
    assert len(np.unique(cold.positions)) == 20
    assert cold.arms.count("random") == cold.arms.count("isolation forest") == 10
    uniform = np.array(cold.arms) == "random"
    np.testing.assert_allclose(cold.probability[uniform], 10 / 600)
    assert np.isnan(cold.probability[~uniform]).all()
    isolated = cold.scores[~uniform]
    assert (np.diff(isolated) <= 0).all()


def test_outliers_are_found_without_labels():
    X = np.random.default_rng(0).normal(size=(2_000, 4)).astype(np.float32)
    X[:5] += 12
    cold = cold_start(Rows(X), 20, np.random.default_rng(0))
    assert set(range(5)) <= set(cold.positions.tolist())


@pytest.mark.parametrize("n_items", [0, 1, 2, 7])
def test_a_small_pool_is_asked_whole(n_items):
    cold = cold_start(Rows(blobs()[0], np.arange(n_items)), 20, np.random.default_rng(0))
    assert sorted(cold.positions.tolist()) == list(range(n_items))
    assert set(cold.arms) <= {"random"}


def test_a_large_pool_is_scored_in_part(monkeypatch):
    monkeypatch.setattr(discovery, "SCORED_SAMPLE", 100)
    monkeypatch.setattr(discovery, "FOREST_SAMPLE", 50)
    first, second = (cold_start(Rows(blobs()[0]), 30, np.random.default_rng(4)) for _ in range(2))
    assert len(np.unique(first.positions)) == 30
    np.testing.assert_array_equal(first.positions, second.positions)
