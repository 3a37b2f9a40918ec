"""The separating threshold, and the queries on both sides of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rareloop.strategies import Brief, Direct
from rareloop.strategies.threshold import separating_threshold

from .pools import Told, two_classes


@pytest.mark.parametrize(
    ("scores", "members", "threshold"),
    [
        ([0.1, 0.2, 0.6, 0.9], [0, 0, 1, 1], 0.4),
        ([0.9, 0.2, 0.6, 0.1], [1, 0, 1, 0], 0.4),  # in any order
        # A rare class that never reaches one half: ½ would have both members below it.
        ([0.01, 0.02, 0.10, 0.14], [0, 0, 1, 1], 0.06),
        # One wrong label high up does not carry the threshold there.
        ([0.1, 0.2, 0.6, 0.7, 0.8, 0.99], [0, 0, 1, 1, 1, 0], 0.4),
        # − + − +: below the first + (one non-member above) or the second (one member below): the upper one.
        ([0.2, 0.4, 0.6, 0.8], [0, 1, 0, 1], 0.7),
        # − + − + − +: three gaps with two mistakes each: the middle one.
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [0, 1, 0, 1, 0, 1], 0.35),
        # Members and non-members at one score stay on one side: 2 members there outweigh 1 non-member.
        ([0.2, 0.6, 0.6, 0.6], [0, 1, 1, 0], 0.4),
        ([0.4, 0.8], [1, 1], 0.2),
        ([0.4, 0.8], [0, 0], 0.9),
        ([], [], 0.5),
        ([0.3], [1], 0.15),
    ],
)
def test_worked_by_hand(scores, members, threshold):
    assert separating_threshold(scores, members) == pytest.approx(threshold)


@given(st.lists(st.tuples(st.integers(0, 12), st.booleans()), max_size=25))
def test_no_threshold_makes_fewer_mistakes(items):
    scores = np.array([s for s, _ in items]) / 12
    members = np.array([m for _, m in items], bool)

    def mistakes(t):
        return np.sum(~members & (scores >= t)) + np.sum(members & (scores < t))

    threshold = separating_threshold(scores, members)
    assert 0 <= threshold <= 1
    everywhere = (np.arange(-1, 14) + 0.5) / 12
    # At the ends of the line a threshold may fall on a score of exactly 0 or 1, where no gap is left.
    if not np.isin(threshold, scores):
        assert mistakes(threshold) == min(mistakes(t) for t in everywhere)


#: The labels of `test_worked_by_hand`'s first case: the threshold is 0.4.
LABELLED = two_classes([0.1, 0.2, 0.6, 0.9])
LEARNER = Told(LABELLED, [0, 0, 1, 1])


def test_the_nearest_above_and_below_in_turn():
    pool = two_classes([0.05, 0.3, 0.35, 0.42, 0.5, 0.95])
    positions, scores = Direct([1])(LEARNER, pool, 5)
    assert positions.tolist() == [3, 2, 4, 1, 5]
    np.testing.assert_allclose(scores, [-0.02, -0.05, -0.1, -0.1, -0.55], atol=1e-6)


def test_when_one_side_is_spent_the_other_goes_on():
    pool = two_classes([0.05, 0.3, 0.35, 0.42])
    assert Direct([1])(LEARNER, pool, 4)[0].tolist() == [3, 2, 1, 0]
    assert Direct([1])(LEARNER, pool[:3], 9)[0].tolist() == [2, 1, 0]


def test_several_classes_take_turns_each_at_its_own_threshold():
    """Class 1 separates at 0.35, class 2 at 0.15 of its own probability."""
    labelled = np.array([[0.9, 0.1, 0.0], [0.4, 0.6, 0.0], [0.7, 0.0, 0.3]], np.float32)
    learner = Told(labelled, [0, 1, 2])
    pool = np.array([[0.6, 0.4, 0.0], [0.8, 0.0, 0.2], [0.7, 0.3, 0.0], [0.9, 0.0, 0.1]], np.float32)
    assert Direct([1, 2])(learner, pool, 4)[0].tolist() == [0, 1, 2, 3]
    assert Direct([2, 1])(learner, pool, 2)[0].tolist() == [1, 0]


def test_by_default_the_rarest_class_and_in_a_round_the_wanted_ones():
    """Of the classes of 2 and of 1 labels, the threshold of the latter is at 0.75."""
    labelled = two_classes([0.7, 0.6, 0.8])
    learner = Told(labelled, [0, 0, 1])
    pool = two_classes([0.76, 0.64, 0.5])
    assert Direct()(learner, pool, 1)[0].tolist() == [0]
    assert Direct.from_brief(Brief(wanted=(0,))).classes == (0,)
    assert Direct.from_brief(Brief()).classes is None


def test_one_threshold_with_scores_that_all_tie_asks_any():
    pool = two_classes(np.full(50, 0.4))
    drawn = {tuple(Direct([1])(LEARNER, pool, 3, np.random.default_rng(s))[0].tolist()) for s in range(5)}
    assert len(drawn) > 1


def test_it_asks_below_one_half_where_the_rare_class_is():
    """Labelled members score 0.1 to 0.2 among non-members below 0.05; margin sampling would ask the top."""
    labelled = two_classes([*np.linspace(0.001, 0.05, 50), 0.1, 0.15, 0.2])
    learner = Told(labelled, [0] * 50 + [1] * 3)
    pool = two_classes(np.linspace(0.001, 0.4, 400))
    asked = pool[Direct([1])(learner, pool, 20)[0], 1]
    assert 0.06 < asked.min() < 0.075 < asked.max() < 0.09
