"""What every strategy keeps to, ours, modAL's and a user's, alone and in a round."""

from __future__ import annotations

import numpy as np
import pytest
from modAL.models import ActiveLearner, Committee
from rareloop.strategies import (
    STRATEGIES,
    ActiveSearch,
    Anchors,
    BootstrapCommittee,
    Brief,
    Correction,
    Direct,
    Diverse,
    Entropy,
    Margin,
    PriorCorrected,
    Quotas,
    RandomSampling,
    Seals,
    Tail,
    Top,
)
from rareloop.strategies.classifiers import CLASSIFIERS
from rareloop.strategies.pool import Pool
from rareloop.strategies.rounds import Labels, RoundSettings, run_round
from rareloop.strategies.rows import Rows
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

MODAL = [
    "modAL.uncertainty:margin_sampling",
    "modAL.uncertainty:entropy_sampling",
    "modAL.uncertainty:uncertainty_sampling",
]
OURS = {
    **STRATEGIES,
    "corrected": lambda: PriorCorrected(Margin(), [0.6, 0.37, 0.03], Correction.MATCHED),
    "corrected by ratio": lambda: PriorCorrected(Entropy(), [0.6, 0.37, 0.03], Correction.RATIO),
    "anchors around corrected": lambda: Anchors(PriorCorrected(Margin(), [0.6, 0.37, 0.03])),
    "anchors around top": lambda: Anchors(Top([2]), n_anchors=3, n_neighbors=7),
    "top of two": lambda: Top([1, 2]),
    "direct of two": lambda: Direct([1, 2]),
    "tail of two": lambda: Tail([2, 1]),
    "search with a budget": lambda: ActiveSearch([1, 2], budget=7, n_neighbors=5),
    "corrected committee": lambda: PriorCorrected(BootstrapCommittee(3), [0.6, 0.37, 0.03]),
    "seals around search": lambda: Seals(ActiveSearch([2]), n_neighbors=5),
    "diverse top": lambda: Diverse(Top([2])),
    "diverse among anchors": lambda: Anchors(Diverse(Margin(), metric="cosine"), n_neighbors=20),
    "anchors made diverse": lambda: Diverse(Anchors(Margin(), n_neighbors=10)),
    "quotas": lambda: Quotas(Margin(), lambda X: (np.asarray(X)[:, 0] > 0).astype(int)),
    "diverse quotas": lambda: Diverse(Quotas(Top([2]), lambda X: np.zeros(len(X), int), share=0.2)),
}
#: Those whose answer is chance, or depends on it where many items score alike.
BY_CHANCE = {"auto", "lookout", "contrast", "unlike", "coverage", "probcover", "typiclust",
             "random", "committee", "vote_entropy", "corrected committee", "search", "search with a budget",
             "seals around search", "diverse top", "diverse among anchors", "anchors made diverse",
             "diverse quotas"}  # fmt: skip


def learner_on(X, y, rows, strategy=None):
    return ActiveLearner(
        LogisticRegression(), query_strategy=strategy or RandomSampling(), X_training=X[rows], y_training=y[rows]
    )


@pytest.fixture
def start(blobs):
    X, y = blobs
    rows = np.r_[np.flatnonzero(y == 2)[:4], np.flatnonzero(y == 1)[:8], np.flatnonzero(y == 0)[:12]]
    return X, y, rows, np.setdiff1d(np.arange(len(y)), rows)


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("n", [1, 2, 10, 576, 10_000])
def test_positions_are_in_the_pool_once_and_as_many_as_asked(start, name, n):
    X, y, rows, rest = start
    positions, scores = OURS[name]()(learner_on(X, y, rows), X[rest], n, random_state=np.random.default_rng(0))
    assert len(positions) == len(scores) == min(n, len(rest))
    assert len(np.unique(positions)) == len(positions)
    assert positions.min() >= 0
    assert positions.max() < len(rest)
    assert positions.dtype == np.int64


@pytest.mark.parametrize("name", OURS)
def test_the_same_generator_gives_the_same_answer_and_moves_on(start, name):
    X, y, rows, rest = start
    learner, strategy = learner_on(X, y, rows), OURS[name]()

    def ask(rng):
        return strategy(learner, X[rest], 20, random_state=rng)[0].tolist()

    assert ask(np.random.default_rng(5)) == ask(np.random.default_rng(5))
    rng = np.random.default_rng(5)
    if name == "random":
        assert ask(rng) != ask(rng)


@pytest.mark.parametrize("name", OURS)
def test_rows_read_lazily_give_what_an_array_gives_and_the_model_stays(start, name):
    X, y, rows, rest = start
    learner, strategy = learner_on(X, y, rows), OURS[name]()
    before = learner.predict_proba(X).copy()
    lazy = strategy(learner, Rows(X, rest), 15, random_state=np.random.default_rng(1))[0]
    dense = strategy(learner, X[rest], 15, random_state=np.random.default_rng(1))[0]
    assert lazy.tolist() == dense.tolist()
    np.testing.assert_array_equal(before, learner.predict_proba(X))


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("n", [1, 2, 5])
def test_each_works_as_the_query_strategy_of_a_modal_learner(start, name, n):
    X, y, rows, rest = start
    learner = learner_on(X, y, rows, OURS[name]())
    positions, items = learner.query(X[rest], n_instances=n)
    assert len(positions) == n
    np.testing.assert_array_equal(items, X[rest][positions])


@pytest.mark.parametrize("name", [name for name in OURS if name not in BY_CHANCE])
def test_the_order_of_the_pool_does_not_matter(start, name):
    X, y, rows, rest = start
    learner, pool = learner_on(X, y, rows), X[rest]
    order = np.random.default_rng(2).permutation(len(pool))
    straight = OURS[name]()(learner, pool, 12, random_state=np.random.default_rng(0))
    shuffled = OURS[name]()(learner, pool[order], 12, random_state=np.random.default_rng(0))
    assert order[shuffled[0]].tolist() == straight[0].tolist()
    np.testing.assert_allclose(shuffled[1], straight[1], rtol=1e-5)


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("pool", ["constant", "duplicates", "one item"])
def test_items_that_are_all_alike_are_asked_once_each(start, name, pool):
    X, y, rows, rest = start
    items = {"constant": np.ones_like(X[:30]), "duplicates": np.repeat(X[rest[:3]], 10, axis=0), "one item": X[:1]}
    n = min(20, len(items[pool]))
    positions, _ = OURS[name]()(learner_on(X, y, rows), items[pool], 20, random_state=np.random.default_rng(0))
    assert len(positions) == len(set(positions.tolist())) == n
    assert set(positions.tolist()) <= set(range(len(items[pool])))


@pytest.mark.parametrize("name", STRATEGIES)
def test_features_that_tell_nothing_are_no_obstacle(start, name):
    _, y, rows, _ = start
    X = np.zeros((len(y), 2), np.float32)
    positions, _ = STRATEGIES[name]()(learner_on(X, y, rows), X[:50], 10, random_state=np.random.default_rng(0))
    assert len(set(positions.tolist())) == 10


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("only", [0, 2])
def test_a_learner_that_knows_one_class_is_asked_like_any_other(start, name, only):
    X, y, rows, rest = start
    rows = rows[y[rows] == only]
    learner = ActiveLearner(DecisionTreeClassifier(), X_training=X[rows], y_training=y[rows])
    strategy = STRATEGIES[name].from_brief(Brief(wanted=(2,)))
    positions, scores = strategy(learner, X[rest], 10, random_state=np.random.default_rng(0))
    assert len(set(positions.tolist())) == 10
    assert not np.isnan(scores).any()


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("wanted", [(), (9,), (9, 1), (2, 1)])
def test_wanted_classes_without_a_label_are_passed_over(start, name, wanted):
    X, y, rows, rest = start
    strategy = STRATEGIES[name].from_brief(Brief(wanted=wanted, n_left=30))
    positions, _ = strategy(learner_on(X, y, rows), X[rest], 10, random_state=np.random.default_rng(0))
    assert len(set(positions.tolist())) == 10


@pytest.mark.parametrize("name", STRATEGIES)
def test_classes_may_have_names(start, name):
    X, y, rows, rest = start
    names = np.array(["galaxy", "star", "quasar"])[y]
    strategy = STRATEGIES[name].from_brief(Brief())
    positions, _ = strategy(learner_on(X, names, rows), X[rest], 10, random_state=np.random.default_rng(0))
    assert len(set(positions.tolist())) == 10


@pytest.mark.parametrize("name", STRATEGIES)
def test_each_works_as_the_query_strategy_of_a_modal_committee(start, name):
    X, y, rows, rest = start
    members = [learner_on(X, y, rows[part]) for part in (slice(0, None, 2), slice(1, None, 2), slice(None))]
    committee = Committee(members, query_strategy=STRATEGIES[name]())
    positions, items = committee.query(X[rest], n_instances=6)
    assert len(set(positions.tolist())) == 6
    np.testing.assert_array_equal(items, X[rest][positions])


@pytest.mark.parametrize("name", STRATEGIES)
def test_each_says_what_it_is(name):
    spec = STRATEGIES[name]
    assert spec.name == name
    assert spec.label and spec.description.endswith(".")
    assert len({other.label for other in STRATEGIES.values()}) == len(STRATEGIES)


def rounds_to_try():
    """Every strategy from every start; with a dear classifier, most of them only where slow tests run."""
    for strategy in [*STRATEGIES, *MODAL]:
        for kept in ((0, 1, 2), (0, 2), (1,), ()):
            yield strategy, "logistic", kept
        for classifier in (name for name in CLASSIFIERS if name != "logistic"):
            for kept in ((0, 1, 2), (0, 2)):  # of fewer classes no model is made
                is_quick = strategy in ("auto", "margin", "search", "unlike") and kept == (0, 2)
                yield pytest.param(strategy, classifier, kept, marks=[] if is_quick else pytest.mark.slow)


@pytest.mark.parametrize(("strategy", "classifier", "kept"), list(rounds_to_try()))
def test_a_round_asks_only_what_may_be_asked(blobs, strategy, classifier, kept):
    X, y = blobs
    rows = np.concatenate([np.flatnonzero(y == c)[:3] for c in kept]) if kept else np.empty(0, np.int64)
    excluded = np.setdiff1d(np.arange(0, 600, 5), rows)
    labels = Labels(rows, y[rows], excluded, 3)
    settings = RoundSettings.from_dict(
        {"strategy": strategy, "classifier": classifier, "wanted": (2,), "n_queries": 40}
    )
    result = run_round(Pool(X), labels, settings, np.random.default_rng(0))
    asked = result.queries.rows
    assert len(asked) == len(set(asked.tolist())) == 40
    assert not set(asked.tolist()) & set(rows.tolist())
    assert not set(asked.tolist()) & set(excluded.tolist())
    assert result.messages == ()
    assert (result.estimator is not None) == (len(kept) > 1)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_round_is_a_pure_function_of_its_arguments(start, strategy):
    X, y, rows, _ = start
    labels = Labels(rows, y[rows], np.empty(0, np.int64), 3)
    settings = RoundSettings.from_dict({"strategy": strategy, "prevalence": [(2, 0.01, 0.05)]})
    first, second = (run_round(Pool(X), labels, settings, np.random.default_rng(9)) for _ in range(2))
    assert first.queries.rows.tolist() == second.queries.rows.tolist()
    assert first.queries.strategy == second.queries.strategy
    np.testing.assert_array_equal(first.shown_probabilities, second.shown_probabilities)
    assert {**first.report(), "seconds": 0} == {**second.report(), "seconds": 0}


def raises(learner, X, n_instances=1):
    raise RuntimeError("no idea")


def nonsense_shape(learner, X, n_instances=1):
    return np.zeros((2, 2), int)


def out_of_range(learner, X, n_instances=1):
    return np.array([len(X)])


def twice(learner, X, n_instances=1):
    return np.array([1, 1])


def floats(learner, X, n_instances=1):
    return np.array([0.5])


def nothing(learner, X, n_instances=1):
    return np.empty(0, int)


def first_ones(learner, X, n_instances=1):
    return np.arange(n_instances)


@pytest.mark.parametrize("function", [raises, nonsense_shape, out_of_range, twice, floats, nothing])
def test_a_strategy_that_misbehaves_is_named_and_the_round_is_random(start, function, monkeypatch):
    X, y, rows, _ = start
    import math

    monkeypatch.setattr(math, "strategy_of_a_user", function, raising=False)
    labels = Labels(rows, y[rows], np.empty(0, np.int64), 3)
    settings = RoundSettings.from_dict({"strategy": "math:strategy_of_a_user", "n_queries": 12})
    result = run_round(Pool(X), labels, settings, np.random.default_rng(0))
    assert len(result.queries.rows) == 12
    assert set(result.queries.strategy) == {"random"}
    assert "math:strategy_of_a_user" in result.messages[0]
    assert "random" in result.messages[0]


def test_a_strategy_of_the_users_own_is_asked(start, monkeypatch):
    X, y, rows, rest = start
    import math

    monkeypatch.setattr(math, "strategy_of_a_user", first_ones, raising=False)
    labels = Labels(rows, y[rows], np.empty(0, np.int64), 3)
    settings = RoundSettings.from_dict({"strategy": "math:strategy_of_a_user", "n_queries": 9, "audit_share": 0})
    result = run_round(Pool(X), labels, settings, np.random.default_rng(0))
    assert result.queries.rows.tolist() == rest[:9].tolist()
