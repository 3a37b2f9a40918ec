"""Near-equal rows against a comparison of all pairs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rareloop.strategies.near_duplicates import near_groups
from scipy.spatial.distance import pdist, squareform


def generator():
    return np.random.default_rng(0)


def test_copies_and_rounded_copies_are_one_group():
    X = np.random.default_rng(1).normal(size=(300, 6)).astype(np.float32)
    X[100] = X[3]
    X[200] = np.nextafter(X[3], np.float32(9))
    X[250] = X[7]
    X[8] = X[9] + 1e-3
    groups = near_groups(X, generator())
    assert groups[3] == groups[100] == groups[200] >= 0
    assert groups[7] == groups[250] >= 0
    assert groups[3] != groups[7]
    assert (np.delete(groups, [3, 7, 100, 200, 250]) == -1).all()
    assert sorted(set(groups.tolist())) == [-1, 0, 1]


@given(seed=st.integers(0, 10**6), n_features=st.integers(2, 4))
@settings(max_examples=50, deadline=None)
def test_groups_are_those_of_all_pairs(seed, n_features):
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.arange(-2, 3)] * n_features), axis=-1).reshape(-1, n_features)
    points = rng.permutation(grid)[:24].astype(np.float32)
    copies = points[rng.integers(24, size=6)]
    copies += rng.choice([0, 1e-7], copies.shape).astype(np.float32)
    X = rng.permutation(np.concatenate([points, copies]))
    groups = near_groups(X, generator())
    others = ~np.eye(30, dtype=bool)
    same_group = (groups[:, None] == groups[None]) & (groups[:, None] >= 0) & others
    np.testing.assert_array_equal(same_group, (squareform(pdist(X.astype(float))) < 0.5) & others)


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_few_rows_have_groups_too(n):
    X = np.arange(n, dtype=np.float32)[:, None]
    assert near_groups(X, generator()).tolist() == [-1] * n
    assert near_groups(np.zeros((n, 2), np.float32), generator()).tolist() == ([-1] if n == 1 else [0] * n)
