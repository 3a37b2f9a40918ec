"""Items with equal features."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rareloop.strategies import Labels, RoundSettings, run_round
from rareloop.strategies.duplicates import duplicates_of, equal_rows, twins_of
from rareloop.strategies.pool import Pool

from .pools import blobs


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 30), st.integers(1, 3)),
        elements=st.sampled_from([0.0, -0.0, 1.5, 2.0]),
    )
)
def test_groups_are_those_of_numpy(X):
    groups = equal_rows(X)
    _, inverse, counts = np.unique(X + 0.0, axis=0, return_inverse=True, return_counts=True)
    inverse = inverse.ravel()
    if (counts == 1).all():
        assert groups is None
        return
    for i in range(len(X)):
        same = np.flatnonzero(inverse == inverse[i])
        assert (groups[i] == -1) == (len(same) == 1)
        if len(same) > 1:
            assert np.flatnonzero(groups == groups[i]).tolist() == same.tolist()


def test_integers_that_differ_in_one_bit_are_told_apart():
    X = np.arange(2**20, dtype=np.float32).reshape(-1, 1)
    assert equal_rows(X) is None
    assert equal_rows(np.hstack([X, -X])) is None


def test_duplicates_and_twins_by_hand():
    X = np.array([[0], [1], [0], [2], [1], [3]], np.float32)
    groups = equal_rows(X)
    rows, labelled = np.array([1, 2, 3, 5]), np.array([4, 0])
    equal = duplicates_of(groups, rows, labelled)
    assert equal.tolist() == [True, True, False, False]
    assert twins_of(groups, rows[equal], labelled).tolist() == [4, 0]
    assert not duplicates_of(groups, rows, np.empty(0, np.int64)).any()
    assert not duplicates_of(None, rows, labelled).any()


def test_a_round_holds_duplicates_of_labelled_items_back_and_names_them():
    X, y = blobs()
    X = X.copy()
    X[500:510] = X[0]
    labelled = np.r_[0, np.flatnonzero(y == 1)[:3], np.flatnonzero(y == 2)[:3]]
    labels = Labels(labelled, y[labelled], np.empty(0, np.int64), 3)
    for strategy in ("auto", "margin", "unlike"):
        settings = RoundSettings(strategy=strategy, n_queries=500, audit_share=0.0, wanted=(1, 2))
        result = run_round(Pool(X), labels, settings, np.random.default_rng(0))
        held = np.setdiff1d(np.arange(500, 510), labelled)
        assert [row for row, _ in result.duplicates] == held.tolist()
        assert {twin for _, twin in result.duplicates} == {0}
        assert not np.isin(held, result.queries.rows).any()
        assert result.report()["n_duplicates"] == len(held)


def test_where_only_duplicates_are_left_they_are_asked():
    X = np.repeat(np.array([[0.0], [1.0]], np.float32), 10, axis=0)
    labels = Labels(np.array([0, 10]), np.array([0, 1]), np.empty(0, np.int64), 2)
    result = run_round(Pool(X), labels, RoundSettings(), np.random.default_rng(0))
    assert sorted(result.queries.rows.tolist()) == sorted(set(range(20)) - {0, 10})
    assert len(result.duplicates) == 18
