"""Prior correction against closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from rareloop.strategies.priors import (
    CorrectedLearner,
    Correction,
    PriorCorrected,
    class_prior,
    clip,
    correct,
    match_offsets,
    prevalence_from_ranges,
    prevalence_from_uniform,
    prior_ratio,
    ratio_offsets,
    shift,
)
from rareloop.strategies.uncertainty import Margin

shares = st.floats(0.001, 0.999)


def test_prior_counts_labels_and_weights():
    np.testing.assert_allclose(class_prior([0, 0, 1], 3), [2 / 3, 1 / 3, 0])
    np.testing.assert_allclose(class_prior([0, 0, 1], 2, weights=[1, 1, 2]), [0.5, 0.5])


@given(p=shares, prior=shares, prevalence=shares)
def test_ratio_is_the_logit_form(p, prior, prevalence):
    """z' = z − logit(prior) + logit(prevalence), for two classes (King & Zeng, 2001)."""
    moved = prior_ratio([[1 - p, p]], [1 - prior, prior], [1 - prevalence, prevalence])
    expected = expit(logit(p) - logit(prior) + logit(prevalence))
    np.testing.assert_allclose(moved[0], [1 - expected, expected], rtol=1e-7, atol=1e-12)


def test_ratio_is_exact_for_labels_chosen_by_class():
    """Gaussians of known density: the posterior under one prior becomes that under another."""
    x = np.linspace(-3, 3, 13)
    densities = np.exp(-0.5 * (x[:, None] - np.array([-1.0, 0.5, 2.0])) ** 2)
    balanced = densities / densities.sum(axis=1, keepdims=True)
    target = np.array([0.9, 0.08, 0.02])
    exact = densities * target / (densities * target).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(prior_ratio(balanced, np.full(3, 1 / 3), target), exact)


def test_ratio_with_the_same_prior_changes_nothing():
    p = np.array([[0.2, 0.3, 0.5], [0.7, 0.2, 0.1]])
    np.testing.assert_allclose(prior_ratio(p, [0.5, 0.3, 0.2], [0.5, 0.3, 0.2]), p)


@pytest.mark.parametrize("target", [[0.99, 0.01], [0.5, 0.5], [0.9, 0.07, 0.03], [0.6, 0.3, 0.09, 0.01]])
def test_matched_probabilities_have_the_prevalence_as_their_mean(target):
    raw = np.random.default_rng(0).dirichlet(np.ones(len(target)), 500)
    moved = shift(raw, match_offsets(raw, target))
    np.testing.assert_allclose(moved.mean(axis=0), target, atol=1e-6)


def test_matching_identical_items_is_the_closed_form():
    """All items at p: the offset is logit(prevalence) − logit(p)."""
    offsets = match_offsets(np.tile([0.8, 0.2], (50, 1)), [0.95, 0.05])
    assert offsets[1] - offsets[0] == pytest.approx(logit(0.05) - logit(0.2), abs=1e-6)


def test_matching_an_already_matched_pool_moves_nothing():
    raw = np.random.default_rng(0).dirichlet(np.ones(3), 200)
    np.testing.assert_allclose(match_offsets(raw, raw.mean(axis=0)), 0, atol=1e-6)


def test_clip_keeps_certainty_off_zero():
    clipped = clip(np.array([[1.0, 0.0]], np.float32), n_labels=48)
    np.testing.assert_allclose(clipped[0, 1], 0.01 / 1.01)
    np.testing.assert_allclose(clipped.sum(axis=1), 1)


def test_prevalence_of_uniform_labels_is_the_posterior_mean():
    found = prevalence_from_uniform([0] * 98 + [1] * 2, 2, [0, 0], 10_000)
    np.testing.assert_allclose(found.point, [98.5 / 101, 2.5 / 101])
    assert (found.low <= found.point).all()
    assert (found.point <= found.high).all()


def test_prevalence_counts_what_is_known_anyway():
    """Half of the pool is known to be of class 1; the random labels speak for the other half."""
    found = prevalence_from_uniform([0] * 100, 2, [0, 500], 1_000)
    np.testing.assert_allclose(found.point, [0.5 * 100.5 / 101, 0.5 + 0.5 * 0.5 / 101])
    assert found.low[1] == pytest.approx(0.5)


def test_prevalence_interval_covers():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(300):
        found = prevalence_from_uniform((rng.random(200) < 0.02).astype(int), 2, [0, 0], 10**6)
        hits += found.low[1] <= 0.02 <= found.high[1]
    assert hits >= 0.92 * 300


def test_ranges_become_geometric_means_and_the_rest_is_shared():
    found = prevalence_from_ranges([(2, 0.001, 0.004)], np.array([0.6, 0.2, 0.2]))
    np.testing.assert_allclose(found.point, [0.998 * 0.75, 0.998 * 0.25, 0.002])
    assert (found.low[2], found.high[2]) == (0.001, 0.004)
    assert np.isnan(found.low[:2]).all()


def test_ranges_of_more_than_everything_are_refused():
    with pytest.raises(ValueError, match="more than 100 %"):
        prevalence_from_ranges([(0, 0.9, 0.9), (1, 0.3, 0.3)], np.ones(3))


@pytest.fixture
def learner():
    rng = np.random.default_rng(0)
    X = np.r_[rng.normal(-1, 1, (30, 2)), rng.normal(1, 1, (30, 2))]
    model = LogisticRegression().fit(X, np.repeat([0, 1], 30))
    model.X_training, model.y_training = X, np.repeat([0, 1], 30)
    return model


def test_a_learner_cannot_be_corrected_twice(learner):
    once = CorrectedLearner(learner, [0, -3], Correction.RATIO)
    with pytest.raises(ValueError, match="corrected already"):
        CorrectedLearner(once, [0, -3], Correction.MATCHED)


def test_corrected_learner_agrees_with_the_formula(learner):
    X = learner.X_training
    moved = correct(learner, X, Correction.RATIO, [0.99, 0.01], np.random.default_rng(0)).predict_proba(X)
    expected = prior_ratio(clip(learner.predict_proba(X), 60), [0.5, 0.5], [0.99, 0.01])
    np.testing.assert_allclose(moved, expected, rtol=1e-6)
    np.testing.assert_allclose(ratio_offsets([0.5, 0.5], [0.99, 0.01])[1], np.log(0.02))


def test_no_correction_gives_the_learner_itself(learner):
    assert correct(learner, learner.X_training, Correction.NONE, [0.9, 0.1], np.random.default_rng(0)) is learner


def test_corrected_margin_asks_on_the_rarer_side(learner):
    X = np.random.default_rng(1).normal(size=(2_000, 2))
    raw, _ = Margin()(learner, X, 20, np.random.default_rng(0))
    moved, _ = PriorCorrected(Margin(), [0.95, 0.05], "ratio")(learner, X, 20, np.random.default_rng(0))
    assert learner.predict_proba(X[moved])[:, 1].mean() > learner.predict_proba(X[raw])[:, 1].mean() + 0.2
