"""Measures on the collected labels."""

import warnings

import numpy as np
import pytest
from rareloop.strategies.crossval import cross_validate, fit_quietly
from sklearn.linear_model import LogisticRegression

from .pools import blobs


def measured(X, y, n_classes, make=LogisticRegression, seed=0):
    return cross_validate(make, X, np.asarray(y), n_classes, np.random.default_rng(seed))


def test_easy_classes_are_measured_well():
    X, y = blobs(share=0.1)
    result = measured(X, y, 3)
    assert [entry["class"] for entry in result] == [0, 1, 2]
    assert [entry["n"] for entry in result] == np.bincount(y).tolist()
    assert all(entry["f1"] > 0.9 for entry in result)


def test_a_class_of_one_trains_but_is_not_measured():
    X, y = blobs(n_classes=2)
    keep = np.r_[np.flatnonzero(y == 0)[:10], np.flatnonzero(y == 1)[:10], [0]]
    labels = np.r_[y[keep[:-1]], 2]
    seen = []

    class Watching(LogisticRegression):
        def fit(self, X, y):
            seen.append(set(y.tolist()))
            return super().fit(X, y)

    result = measured(X[keep], labels, 4, Watching)
    assert all(2 in classes for classes in seen)
    assert result[2] == {"class": 2, "n": 1, "precision": None, "recall": None, "f1": None}
    assert result[3]["n"] == 0
    assert result[0]["f1"] is not None


@pytest.mark.parametrize("y", [[0, 1], [0, 0, 0, 1], [0, 1, 2, 2]])
def test_nothing_is_measured_without_two_classes_of_two(y):
    result = measured(np.zeros((len(y), 2)), y, 3)
    assert all(entry["f1"] is None for entry in result)


@pytest.mark.filterwarnings("error")
def test_two_labels_a_class_make_two_folds_without_warnings():
    X = np.array([[0.0], [0.1], [5.0], [5.1]])
    assert [entry["recall"] for entry in measured(X, [0, 0, 1, 1], 2)] == [1.0, 1.0]


@pytest.mark.filterwarnings("error")
def test_warnings_of_a_fit_are_not_passed_on():
    class Noisy(LogisticRegression):
        def fit(self, X, y):
            warnings.warn("did not converge", stacklevel=2)
            return super().fit(X, y)

    fit_quietly(Noisy(), np.array([[0.0], [1.0]]), np.array([0, 1]))
