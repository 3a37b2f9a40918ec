"""Disagreement of committees, against cases worked by hand and modAL's own measures."""

from types import SimpleNamespace

import numpy as np
import pytest
from modAL import disagreement as theirs
from modAL.models import ActiveLearner, Committee
from rareloop.strategies import BootstrapCommittee, Correction, VoteEntropy, committee
from rareloop.strategies.committee import stratified_bootstrap
from rareloop.strategies.priors import CorrectedLearner, shift, soften
from rareloop.strategies.registry import Foreign
from scipy.special import entr
from sklearn.ensemble import AdaBoostClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

RNG = np.random.default_rng


class Says:
    """A member that says the same of every item, and votes accordingly."""

    def __init__(self, *rows, classes=(0, 1)):
        self.rows, self.classes_ = np.array(rows, float), np.array(classes)

    def predict_proba(self, X):
        return self.rows[: len(X)]


def two(first, second):
    return SimpleNamespace(learner_list=[first, second], classes_=np.array([0, 1]))


def test_by_hand():
    """Two members on: a flat contradiction, shared doubt, agreement, and a difference without votes."""
    first = Says([1, 0], [0.5, 0.5], [0.9, 0.1], [0.9, 0.1])
    second = Says([0, 1], [0.5, 0.5], [0.9, 0.1], [0.6, 0.4])
    X = np.zeros((4, 1))
    bald = BootstrapCommittee().score(two(first, second), X, RNG(0))
    h = entr([0.75, 0.25]).sum() - (entr([0.9, 0.1]).sum() + entr([0.6, 0.4]).sum()) / 2
    np.testing.assert_allclose(bald, [np.log(2), 0, 0, h], atol=1e-12)
    votes = VoteEntropy().score(two(first, second), X, RNG(0))
    np.testing.assert_allclose(votes, [np.log(2), 0, 0, 0], atol=1e-12)


@pytest.fixture
def their_committee(blobs):
    X, y = blobs
    learners = []
    for seed in range(5):
        rows = np.concatenate([RNG(seed).choice(np.flatnonzero(y == c), 6) for c in range(3)])
        if seed == 0:
            rows = rows[:12]  # does not know the third class
        learners.append(ActiveLearner(LogisticRegression(), X_training=X[rows], y_training=y[rows]))
    return Committee(learners, query_strategy=VoteEntropy()), X


def test_a_committee_of_modal_is_measured_as_modal_does(their_committee):
    learners, X = their_committee
    np.testing.assert_allclose(
        VoteEntropy().score(learners, X, RNG(0)), theirs.vote_entropy(learners, X), atol=1e-12
    )
    mutual = theirs.consensus_entropy(learners, X) - entr(learners.vote_proba(X)).sum(axis=2).mean(axis=1)
    np.testing.assert_allclose(BootstrapCommittee().score(learners, X, RNG(0)), mutual, atol=1e-6)


def test_ours_is_the_query_strategy_of_their_committee_and_theirs_is_ours(their_committee):
    learners, X = their_committee
    positions, items = learners.query(X, n_instances=7)
    assert len(set(positions.tolist())) == 7
    np.testing.assert_array_equal(items, X[positions])
    worst = np.sort(theirs.vote_entropy(learners, X))[-7:]
    np.testing.assert_allclose(np.sort(theirs.vote_entropy(learners, X)[positions]), worst)
    foreign = Foreign("modAL.disagreement:vote_entropy_sampling", theirs.vote_entropy_sampling)
    np.testing.assert_allclose(np.sort(theirs.vote_entropy(learners, X)[foreign(learners, X, 7)[0]]), worst)


def test_a_bootstrap_keeps_the_count_of_each_class():
    y = np.array([0] * 20 + [3] + [7] * 5)
    drawn = [stratified_bootstrap(y, RNG(seed)) for seed in range(30)]
    for rows in drawn:
        np.testing.assert_array_equal(y[rows], y)
    assert all(20 in rows for rows in drawn)
    assert len({tuple(rows) for rows in drawn}) == 30
    assert set(np.concatenate(drawn).tolist()) == set(range(26))


@pytest.fixture
def labelled(blobs):
    X, y = blobs
    rows = np.concatenate([np.flatnonzero(y == c)[:8] for c in range(3)])
    return X, y, rows


def test_the_members_disagree_more_between_the_classes_than_inside_one(labelled):
    X, y, rows = labelled
    learner = ActiveLearner(LogisticRegression(), X_training=X[rows], y_training=y[rows])
    inside = X[rows[y[rows] == 0]].mean(axis=0)
    between = (X[rows[y[rows] == 1]].mean(axis=0) + inside) / 2
    scores = BootstrapCommittee().score(learner, np.array([inside, between]), RNG(0))
    assert scores[1] > scores[0]


def test_the_disagreement_of_bootstraps_is_that_of_members_fitted_by_hand(labelled):
    X, y, rows = labelled
    learner = ActiveLearner(GaussianNB(), X_training=X[rows], y_training=y[rows])
    rng, members = RNG(3), []
    for _ in range(4):
        drawn = rows[stratified_bootstrap(y[rows], rng)]
        members.append(GaussianNB().fit(X[drawn], y[drawn]).predict_proba(X))
    expected = entr(np.mean(members, axis=0)).sum(axis=1) - np.mean(entr(members).sum(axis=2), axis=0)
    np.testing.assert_allclose(BootstrapCommittee(4).score(learner, X, RNG(3)), expected, atol=1e-6)


def test_members_of_a_corrected_learner_are_corrected(labelled):
    X, y, rows = labelled
    learner = ActiveLearner(GaussianNB(), X_training=X[rows], y_training=y[rows])
    offsets = np.array([0.0, -1.0, -4.0])
    corrected = CorrectedLearner(learner, offsets, Correction.RATIO)
    rng, members = RNG(3), []
    for _ in range(4):
        drawn = rows[stratified_bootstrap(y[rows], rng)]
        raw = GaussianNB().fit(X[drawn], y[drawn]).predict_proba(X)
        members.append(shift(soften(raw, len(rows)), offsets))
    expected = entr(np.mean(members, axis=0)).sum(axis=1) - np.mean(entr(members).sum(axis=2), axis=0)
    np.testing.assert_allclose(BootstrapCommittee(4).score(corrected, X, RNG(3)), expected, atol=1e-6)


def test_the_members_of_a_corrected_committee_know_different_classes(their_committee):
    learners, X = their_committee
    corrected = CorrectedLearner(learners, np.zeros(3), Correction.RATIO)
    scores = BootstrapCommittee().score(corrected, X, RNG(0))
    assert scores.shape == (600,)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(StandardScaler(), RandomForestClassifier(n_estimators=5)),
        AdaBoostClassifier(n_estimators=3),
        RandomForestClassifier(n_estimators=5),
    ],
)
def test_any_classifier_and_its_own_chance_is_seeded(labelled, estimator):
    X, y, rows = labelled
    learner = ActiveLearner(estimator, X_training=X[rows], y_training=y[rows])
    first, again = (BootstrapCommittee(3).score(learner, X, RNG(1)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.max() > 0


def test_a_bare_classifier_that_remembers_its_labels_will_do(labelled):
    """Its attribute `estimator`, the base of an ensemble, is not mistaken for the classifier."""
    X, y, rows = labelled
    model = AdaBoostClassifier(LogisticRegression(), n_estimators=2).fit(X[rows], y[rows])
    model.X_training, model.y_training = X[rows], y[rows]
    members = BootstrapCommittee(2)._members(model, RNG(0))
    assert all(isinstance(member.estimator, AdaBoostClassifier) for member in members)


def test_one_member_cannot_disagree(labelled):
    X, y, rows = labelled
    learner = ActiveLearner(LogisticRegression(), X_training=X[rows], y_training=y[rows])
    np.testing.assert_allclose(BootstrapCommittee(1).score(learner, X, RNG(0)), 0, atol=1e-12)


def test_of_a_large_pool_a_random_part_is_scored(labelled, monkeypatch):
    monkeypatch.setattr(committee, "SCORED_SAMPLE", 30)
    X, y, rows = labelled
    learner = ActiveLearner(LogisticRegression(), X_training=X[rows], y_training=y[rows])
    few = [BootstrapCommittee(2)(learner, X, 5, RNG(seed))[0] for seed in range(20)]
    full = BootstrapCommittee(2).score(learner, X, RNG(0))
    assert any(set(np.argsort(-full)[:5].tolist()) != set(p.tolist()) for p in few)
    assert len(set(BootstrapCommittee(2)(learner, X, 100, RNG(0))[0].tolist())) == 100


@pytest.mark.parametrize(
    ("parameters", "named"), [({"n_members": 0}, "n_members"), ({"disagreement": "no"}, "bald, vote_entropy")]
)
def test_what_cannot_be_is_refused(parameters, named):
    with pytest.raises(ValueError, match=named):
        BootstrapCommittee(**parameters)
