"""The nearest items: the same as by brute force in double precision."""

from __future__ import annotations

import numpy as np
import pytest
from rareloop.strategies.nearest_items import Nearest
from scipy.spatial.distance import cdist


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("n_chosen", [1, 25])
def test_the_nearest_are_those_of_brute_force(metric, n_chosen):
    rng = np.random.default_rng(0)
    X = rng.normal(100, 3, (3_000, 8)).astype(np.float32)  # far from the origin, where products round
    rows = np.sort(rng.choice(3_000, n_chosen, replace=False))
    found = Nearest(X).to(rows, 50, metric)
    values = X.astype(np.float64)
    if metric == "cosine":
        values /= np.linalg.norm(values, axis=1, keepdims=True)
    distances = cdist(values[rows].mean(axis=0)[None], values, metric)[0]
    distances[rows] = np.inf
    expected = np.argsort(distances, kind="stable")[:50]
    np.testing.assert_allclose(found.distances, distances[expected], rtol=1e-6, atol=1e-12)
    assert set(found.rows) == set(expected)
    assert not set(found.rows) & set(rows)


def test_twins_are_at_distance_zero_and_come_first():
    X = np.array([[1, 1], [5, 5], [1, 1], [2, 2]], np.float32)
    found = Nearest(X).to(np.array([0]), 10)
    assert found.rows.tolist() == [2, 3, 1]
    assert found.distances[0] == 0


def test_vectors_of_no_length_have_a_cosine():
    X = np.array([[1, 0], [0, 0], [2, 0], [0, 1]], np.float32)
    found = Nearest(X).to(np.array([0]), 3, "cosine")
    assert found.rows[0] == 2
    assert np.isfinite(found.distances).all()
