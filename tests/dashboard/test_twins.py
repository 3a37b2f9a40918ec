"""Items with the features of labelled ones: which class they get, and when none."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from rareloop.dashboard.twins import Twins
from rareloop.strategies.duplicates import duplicates_of, equal_rows, twins_of


def ints(*values):
    return np.array(values, np.int64)


def test_the_class_of_a_twin_and_none_where_twins_disagree():
    X = np.array([[1, 2], [1, 2], [3, 4], [3, 4], [3, 4], [5, 6]], np.float32)
    twins = Twins(X)
    assert twins.classes([(1, 0)], ints(0, 2), ints(7, 1)) == [(1, 7)]
    assert twins.classes([(1, 0), (3, 2)], ints(0, 2, 4), ints(7, 1, 0)) == [(1, 7)]
    assert twins.classes([(3, 2)], ints(2, 4), ints(1, 1)) == [(3, 1)]
    assert twins.classes([(3, 2)], ints(2, 3), ints(1, 1)) == []  # has its label already
    assert twins.classes([(3, 2)], ints(0), ints(7)) == []  # the twin's label was taken back
    assert twins.classes([], ints(0), ints(7)) == []


def test_minus_zero_is_zero():
    X = np.array([[0.0, 1.0], [-0.0, 1.0]], np.float32)
    assert Twins(X).classes([(1, 0)], ints(0), ints(3)) == [(1, 3)]


@given(
    values=st.lists(st.integers(0, 3), min_size=2, max_size=30),
    chosen=st.dictionaries(st.integers(0, 29), st.integers(0, 1), min_size=1, max_size=10),
)
@settings(max_examples=60, deadline=None)
def test_it_agrees_with_looking_at_all_pairs(values, chosen):
    X = np.array(values, np.float32)[:, None]
    labels = {row: index for row, index in chosen.items() if row < len(values)}
    rows, classes = ints(*labels), ints(*labels.values())
    free = np.setdiff1d(np.arange(len(values)), rows)
    groups = equal_rows(X)
    held = free[duplicates_of(groups, free, rows)]
    pairs = list(zip(held.tolist(), twins_of(groups, held, rows).tolist(), strict=True)) if len(held) else []
    expected = []
    for row in free.tolist():
        said = {index for other, index in labels.items() if values[other] == values[row]}
        if len(said) == 1:
            expected.append((row, said.pop()))
    assert Twins(X).classes(pairs, rows, classes) == expected
