"""Efficient nonmyopic search, against the definition worked out by brute force."""

import numpy as np
import pytest
from rareloop.strategies import ActiveSearch, Brief, active_search
from rareloop.strategies.rows import Rows
from scipy.spatial.distance import cdist

from .pools import Told

RNG = np.random.default_rng


def learner(X, y):
    known = Told(np.zeros((1, 2)), [0])
    known.X_training, known.y_training = np.asarray(X, np.float32), np.asarray(y)
    return known


class ByDefinition:
    """f of each item by its definition: both answers tried, and all probabilities worked out again."""

    def __init__(self, pool, X, members, k, gamma, metric="euclidean"):
        points = np.concatenate([pool, np.reshape(X, (-1, pool.shape[1]))]).astype(float)
        distances = cdist(points, points, metric)
        np.fill_diagonal(distances, np.inf)
        self.neighbours = np.argsort(distances, axis=1)[:, : min(k, len(points) - 1)]
        self.n, self.gamma = len(pool), gamma
        self.labels = {len(pool) + i: bool(member) for i, member in enumerate(members)}

    def probability(self, i, labels):
        near = [labels[j] for j in self.neighbours[i] if j in labels]
        return (self.gamma + sum(near)) / (1 + len(near))

    def value(self, i, budget):
        p = self.probability(i, self.labels)
        futures = []
        for answer in (True, False):
            labels = {**self.labels, i: answer}
            rest = [self.probability(j, labels) for j in range(self.n) if j not in labels]
            futures.append(sum(sorted(rest, reverse=True)[: budget - 1]))
        return p + p * futures[0] + (1 - p) * futures[1]

    def values(self, budget):
        return {i: self.value(i, budget) for i in range(self.n) if i not in self.labels}


@pytest.mark.parametrize("budget", [1, 2, 5, 20, 100])
@pytest.mark.parametrize(("n_items", "n_labels", "k"), [(30, 8, 3), (45, 20, 8), (60, 12, 30), (30, 5, 100)])
@pytest.mark.parametrize("seed", range(3))
def test_the_best_by_definition_also_along_a_batch(budget, n_items, n_labels, k, seed):
    rng = RNG(seed)
    pool, X = rng.normal(size=(n_items, 2)), rng.normal(size=(n_labels, 2))
    members = X[:, 0] > 0.5
    strategy = ActiveSearch([1], budget=budget, n_neighbors=k, gamma=0.1)
    positions, scores = strategy(learner(X, members.astype(int)), pool.astype(np.float32), 6, RNG(seed))
    truth = ByDefinition(pool.astype(np.float32), X.astype(np.float32), members, k, 0.1)
    for step, (position, score) in enumerate(list(zip(positions.tolist(), scores, strict=True))[:budget]):
        values = truth.values(budget - step)
        assert score == pytest.approx(values[position])
        assert score == pytest.approx(max(values.values()))
        truth.labels[position] = False  # the next is chosen as though this were no member
    assert len(set(positions.tolist())) == 6


def test_in_the_cosine_too():
    rng = RNG(5)
    pool, X = rng.normal(size=(40, 3)).astype(np.float32), rng.normal(size=(15, 3)).astype(np.float32)
    members = X[:, 0] > 0
    strategy = ActiveSearch([1], budget=9, n_neighbors=5, gamma=0.05, metric="cosine")
    positions, scores = strategy(learner(X, members.astype(int)), pool, 1)
    values = ByDefinition(pool, X, members, 5, 0.05, "cosine").values(9)
    assert scores[0] == pytest.approx(values[int(positions[0])]) == pytest.approx(max(values.values()))


#: Two members, at 0 and 1000. Nearest neighbours (k = 1): a → 0, b → 1000, c → b, d → c.
MEMBERS = np.array([[0.0], [1000.0]])
A_TO_D = np.array([[1.0], [1001.0], [1002.5], [1004.5]])


def test_it_prefers_the_item_whose_answer_opens_up_others():
    """Both a and b are likely members, p = (1 + γ) / 2, but only b tells of c: with 3 labels
    f(a) = p + (p + γ), f(b) = p + p · 2p + (1 − p)(p + γ) = 2p + p² + γ(1 − p).
    """
    gamma = 0.1
    p = (1 + gamma) / 2
    strategy = ActiveSearch([1], budget=3, n_neighbors=1, gamma=gamma)
    for seed in range(5):
        positions, scores = strategy(learner(MEMBERS, [1, 1]), A_TO_D, 1, RNG(seed))
        assert positions.tolist() == [1]
        assert scores[0] == pytest.approx(2 * p + p**2 + gamma * (1 - p))


def test_with_the_last_label_it_takes_a_most_likely_item_the_one_that_tells_more_of_two():
    positions, scores = ActiveSearch([1], budget=1, n_neighbors=1, gamma=0.1)(learner(MEMBERS, [1, 1]), A_TO_D)
    assert positions.tolist() == [1]
    assert scores[0] == pytest.approx(0.55)


def test_of_items_that_promise_the_same_it_takes_any():
    pool = np.array([[-1.0], [1.0]])
    strategy = ActiveSearch([1], budget=5, n_neighbors=1)
    answers = [int(strategy(learner([[0.0]], [1]), pool, 1, RNG(seed))[0][0]) for seed in range(20)]
    assert set(answers) == {0, 1}


def test_beyond_the_budget_the_most_likely_follow():
    positions, scores = ActiveSearch([1], budget=1, n_neighbors=1, gamma=0.1)(
        learner(MEMBERS, [1, 1]), A_TO_D, 4, RNG(0)
    )
    assert sorted(positions.tolist()) == [0, 1, 2, 3]
    assert (np.diff(scores) <= 0).all()


def test_a_batch_does_not_stay_in_one_neighbourhood():
    """Two equal clumps around a member each: what is taken for no member in one makes the other one better."""
    clump = RNG(0).normal(scale=0.1, size=(20, 2))
    pool = np.concatenate([clump, clump[:, ::-1] + 50])
    X = np.array([[0.0, 0.0], [50.0, 50.0]])
    positions, _ = ActiveSearch([1], budget=10, n_neighbors=10)(learner(X, [1, 1]), pool, 10, RNG(0))
    assert 3 <= (positions < 20).sum() <= 7


@pytest.mark.parametrize("y", [[], [0, 0, 0], [1, 1, 1]])
def test_no_member_or_no_label_at_all_is_no_obstacle(y):
    pool = RNG(0).normal(size=(30, 2))
    positions, scores = ActiveSearch([1], gamma=0.02)(
        learner(RNG(1).normal(size=(len(y), 2)), y), pool, 12, RNG(0)
    )
    assert len(set(positions.tolist())) == 12
    assert np.isfinite(scores).all()


def test_it_needs_labels_only_no_model():
    class Labels:
        X_training, y_training = MEMBERS, np.array([1, 1])

    assert ActiveSearch([1], n_neighbors=1, budget=3)(Labels, A_TO_D, 1)[0].tolist() == [1]
    assert not ActiveSearch.needs_model


def test_the_wanted_classes_are_one_target_and_the_rarest_by_default():
    X = np.array([[0.0], [10.0], [20.0], [20.5]])
    pool = np.array([[0.1], [10.1], [20.1]])
    known = learner(X, [2, 1, 0, 0])

    def asked(classes, n):
        return set(ActiveSearch(classes, budget=1, n_neighbors=1)(known, pool, n)[0].tolist())

    assert asked([2], 1) == {0}
    assert asked([1, 2], 2) == {0, 1}
    assert asked(None, 1) == {1}


def test_in_a_round_it_plans_with_the_labels_that_are_left():
    strategy = ActiveSearch.from_brief(Brief(wanted=(3,), metric="cosine", n_left=17))
    assert (strategy.classes, strategy.metric, strategy.budget) == ((3,), "cosine", 17)
    assert ActiveSearch.from_brief(Brief()).budget == 100


def test_duplicates_are_neighbours_and_an_item_is_not_its_own():
    """All but one are copies of a member: they are likely, the other is not."""
    pool = np.array([[0.0, 0.0]] * 5 + [[9.0, 9.0]])
    positions, scores = ActiveSearch([1], budget=1, n_neighbors=5, gamma=0.1)(
        learner(np.zeros((1, 2)), [1]), pool, 6, RNG(0)
    )
    assert positions[-1] == 5
    assert len(set(positions.tolist())) == 6
    assert scores[0] == pytest.approx(0.55)


def test_a_pool_of_one_or_none():
    known = learner(MEMBERS, [1, 0])
    assert ActiveSearch()(known, A_TO_D[:1], 3)[0].tolist() == [0]
    assert len(ActiveSearch()(known, A_TO_D[:0], 3)[0]) == 0
    assert ActiveSearch()(learner(np.empty((0, 1)), []), A_TO_D[:1], 3)[0].tolist() == [0]


def test_of_a_large_pool_the_neighbours_of_members_are_searched(monkeypatch):
    """The member's own clump is 30 of 3,000 items; a random part of 100 would have one of them."""
    monkeypatch.setattr(active_search, "GRAPH_SIZE", 100)
    rng = RNG(0)
    pool = rng.normal(size=(3000, 3)).astype(np.float32)
    pool[::100] = 20 + 0.1 * rng.normal(size=(30, 3))
    known = learner([[20.0, 20, 20], [0, 0, 0]], [1, 0])
    positions, _ = ActiveSearch([1], n_neighbors=10)(known, Rows(pool), 5, RNG(0))
    assert (positions % 100 == 0).all()
    everything, scores = ActiveSearch([1], n_neighbors=10)(known, pool, 150, RNG(0))
    assert len(set(everything.tolist())) == 150
    np.testing.assert_allclose(scores[100:], 0.01)


def test_the_bounds_leave_nothing_out(monkeypatch):
    """Evaluating all items in any order gives the same value as stopping at the bound."""
    rng = RNG(2)
    pool, X = rng.normal(size=(300, 2)), rng.normal(size=(60, 2))
    known = learner(X, (X[:, 0] > 1).astype(int))
    n_evaluated = []
    value = active_search._value
    monkeypatch.setattr(active_search, "_value", lambda *a: n_evaluated.append(1) or value(*a))
    _, scores = ActiveSearch([1], budget=20, n_neighbors=10)(known, pool, 1, RNG(0))
    truth = ByDefinition(pool.astype(np.float32), X.astype(np.float32), X[:, 0] > 1, 10, 0.01)
    assert scores[0] == pytest.approx(max(truth.values(20).values()))
    assert len(n_evaluated) < 300


def test_it_finds_more_than_chance():
    """50 labels in a pool of 500 with 20 members in one clump; chance finds 2."""
    rng = RNG(0)
    X = rng.normal(size=(500, 4)).astype(np.float32)
    X[:20] = 0.3 * X[:20] + 3
    y = np.r_[np.ones(20, int), np.zeros(480, int)]
    labelled = [0, 100, 200]
    while len(labelled) < 50:
        rest = np.setdiff1d(np.arange(500), labelled)
        strategy = ActiveSearch([1], budget=50 - len(labelled), n_neighbors=10)
        labelled += rest[strategy(learner(X[labelled], y[labelled]), X[rest], 5, rng)[0]].tolist()
    assert y[labelled].sum() >= 18


@pytest.mark.parametrize("wrong", [{"budget": 0}, {"n_neighbors": 0}, {"gamma": 0.0}, {"gamma": 1.5}])
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ActiveSearch(**wrong)
