"""What strategies share: labels of a learner, columns of the wanted classes, rankings that take turns."""

import numpy as np
import pytest
from modAL.models import ActiveLearner, Committee
from rareloop.strategies.base import labelled_items, rarest_class, take_turns, wanted_columns
from rareloop.strategies.discovery import Top
from sklearn.linear_model import LogisticRegression

from .pools import Told


def told(y, classes):
    return Told(np.zeros((len(y), len(classes))), y, classes)


def test_columns_of_the_wanted_classes_in_their_order_each_once():
    learner = told([2, 5, 5, 9], [2, 5, 9])
    assert wanted_columns(learner, [9, 2, 9]) == [2, 0]


def test_classes_that_the_learner_does_not_know_are_passed_over():
    learner = told([2, 5, 5, 9, 9], [2, 5, 9])
    assert wanted_columns(learner, [7, 9]) == [2]


@pytest.mark.parametrize("wanted", [None, [], [7]])
def test_the_rarest_class_stands_in_when_none_is_known(wanted):
    assert wanted_columns(told([2, 2, 5, 9, 9], [2, 5, 9]), wanted) == [1]
    assert wanted_columns(told([], [2, 5, 9]), wanted) == [2]


def test_labels_of_a_class_without_a_column_do_not_count():
    assert wanted_columns(told([2, 2, 5, 5, 5, 7], [2, 5])) == [0]


def test_the_same_columns_as_top():
    """Whose probabilities its scores are."""
    X = np.random.default_rng(0).dirichlet(np.ones(3), 20)
    for classes, y in (([1, 7], [0, 0, 1, 2]), (None, [0, 0, 1, 1, 2]), ([7], [0, 1, 1, 2, 2])):
        learner = Told(X[: len(y)], y)
        positions, scores = Top(classes)(learner, X, 1)
        assert scores[0] == pytest.approx(X[positions[0], wanted_columns(learner, classes)[0]])


def test_the_rarest_class_is_the_first_of_several():
    assert rarest_class(np.array(["b", "a", "c", "c"])) == "a"


def ranking(positions):
    return np.array(positions), -np.arange(len(positions), dtype=float)


def test_rankings_take_turns_and_nothing_comes_twice():
    positions, scores = take_turns([ranking([4, 2, 1, 0]), ranking([4, 3, 2])], 5)
    assert positions.tolist() == [4, 2, 3, 1, 0]
    assert scores.tolist() == [0, -1, -1, -2, -3]


def test_the_longer_ranking_goes_on_alone():
    assert take_turns([ranking([1]), ranking([5, 6, 7])], 3)[0].tolist() == [1, 5, 6]
    assert take_turns([ranking([]), ranking([5])], 3)[0].tolist() == [5]
    assert take_turns([], 3)[0].tolist() == []


def test_the_labels_of_a_committee_are_those_of_its_members_each_once():
    X = np.array([[0.0], [1.0], [2.0], [3.0]])
    y = np.array(["no", "no", "yes", "yes"])
    members = [
        ActiveLearner(LogisticRegression(), X_training=X[rows], y_training=y[rows]) for rows in ([0, 2, 3], [1, 2])
    ]
    found, classes = labelled_items(Committee(members))
    assert sorted(zip(found.ravel().tolist(), classes.tolist(), strict=True)) == [
        (0, "no"), (1, "no"), (2, "yes"), (3, "yes"),
    ]  # fmt: skip


def test_a_learner_without_labels_has_none():
    for learner in (object(), Committee([ActiveLearner(LogisticRegression())])):
        X, y = labelled_items(learner)
        assert len(X) == len(y) == 0
