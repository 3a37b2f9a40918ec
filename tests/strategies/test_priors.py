"""Priors and corrections against closed forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rareloop.strategies.audit import Answers, SealedAudit, Stage, model_rates
from rareloop.strategies.priors import (
    CorrectedLearner,
    Correction,
    class_prior,
    correct,
    match_offsets,
    prevalence_from_audit,
    prevalence_from_ranges,
    prior_ratio,
    ratio_offsets,
    shift,
    soften,
)
from rareloop.strategies.rounds import Labels
from scipy.special import expit, logit
from scipy.stats import beta
from sklearn.linear_model import LogisticRegression

from .pools import audit_of

shares = st.floats(0.001, 0.999)


@given(p=shares, prior=shares, prevalence=shares)
@settings(max_examples=200)
def test_the_ratio_of_two_classes_is_king_and_zengs_intercept(p, prior, prevalence):
    corrected = prior_ratio([[1 - p, p]], [1 - prior, prior], [1 - prevalence, prevalence])[0, 1]
    assert corrected == pytest.approx(expit(logit(p) - logit(prior) + logit(prevalence)), rel=1e-9)


@given(weights=st.lists(st.tuples(shares, shares, shares), min_size=2, max_size=6))
@settings(max_examples=100)
def test_the_ratio_is_elkans_formula_for_any_number_of_classes(weights):
    p, prior, prevalence = (np.array(column) / sum(column) for column in zip(*weights, strict=True))
    expected = p * prevalence / prior
    np.testing.assert_allclose(prior_ratio([p], prior, prevalence)[0], expected / expected.sum(), rtol=1e-9)


def test_the_ratio_recovers_the_pool_when_classes_were_resampled():
    """Label-chosen training sets are where the ratio is exact: a balanced Bayes model of two Gaussians."""
    x = np.linspace(-4, 6, 101)
    density0, density1 = np.exp(-(x**2) / 2), np.exp(-((x - 2) ** 2) / 2)
    balanced = np.column_stack([density0, density1]) / (density0 + density1)[:, None]
    pool = np.column_stack([0.99 * density0, 0.01 * density1])
    pool /= pool.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(prior_ratio(balanced, [0.5, 0.5], [0.99, 0.01]), pool, rtol=1e-9)


@pytest.mark.parametrize("n_classes", [2, 3, 6])
def test_matching_makes_the_mean_probability_the_prevalence(n_classes):
    rng = np.random.default_rng(n_classes)
    p = rng.dirichlet(np.full(n_classes, 0.3), 5_000)
    p = soften(p, 200)
    prevalence = rng.dirichlet(np.full(n_classes, 2.0))
    prevalence[-1] = 0.002
    prevalence /= prevalence.sum()
    means = shift(p, match_offsets(p, prevalence)).mean(axis=0)
    np.testing.assert_allclose(means, prevalence, rtol=1e-4)


def test_matching_what_matches_already_changes_nothing():
    p = np.random.default_rng(0).dirichlet([1, 2, 3], 2_000)
    np.testing.assert_allclose(match_offsets(p, p.mean(axis=0)), 0, atol=1e-6)


def test_class_prior_counts_with_and_without_weights():
    np.testing.assert_allclose(class_prior([0, 0, 1, 3], 4), [0.5, 0.25, 0, 0.25])
    np.testing.assert_allclose(class_prior([0, 0, 1], 2, weights=[1, 1, 2]), [0.5, 0.5])


def audited(classes, seed=0, n_items=10_050, known=(), n_classes=2):
    """An audit with these answers, and labels of a class each on other items."""
    y = np.zeros(n_items, np.int64)
    audit = audit_of(y, len(classes), seed)
    answers = replace(audit.answers, classes=np.asarray(classes, np.int64))
    others = np.setdiff1d(np.arange(n_items), audit.answers.rows)[: len(known)]
    labels = Labels(others, np.array(known, np.int64), np.empty(0, np.int64), n_classes)
    return replace(audit, answers=answers, settled=others), labels, n_items


def test_prevalence_from_a_uniform_audit_is_the_jeffreys_interval_on_the_unknown_rest():
    result = prevalence_from_audit(*audited(np.repeat([0, 1], [96, 4]), known=[1] * 50))
    rest = 10_000 / 10_050
    known = 50 / 10_050
    assert result.point[1] == pytest.approx(known + rest * 4.5 / 101)
    assert result.low[1] == pytest.approx(known + rest * beta.ppf(0.025, 4.5, 96.5))
    assert result.high[1] == pytest.approx(known + rest * beta.ppf(0.975, 4.5, 96.5))
    assert result.point.sum() == pytest.approx(1)


def test_a_class_that_the_audit_has_not_seen_may_be_absent():
    result = prevalence_from_audit(*audited(np.zeros(60, int), n_items=1_000, n_classes=3))
    assert result.low[2] == 0
    assert 0 < result.point[2] < result.high[2] < 0.06


def test_members_of_the_audit_that_were_reached_are_known_and_the_others_speak_for_the_rest():
    audit, labels, n = audited(np.repeat([1, 0], [4, 96]))
    reached = replace(audit, answers=replace(audit.answers, reached=np.arange(100) < 4))
    result = prevalence_from_audit(reached, labels, n)
    assert result.low[1] == pytest.approx(4 / n)
    assert result.high[1] < 0.05


def test_intervals_of_the_prevalence_cover_with_equal_and_with_unequal_weights():
    rng, n, covered = np.random.default_rng(3), 4_000, {False: 0, True: 0}
    y = (rng.random(n) < 0.02).astype(np.int64)
    labels = Labels(*[np.empty(0, np.int64)] * 3, 2)
    for seed in range(300):
        audit = audit_of(y, 100, seed)
        rates = model_rates(np.where(y == 1, 0.3, 0.05), y == 1, 0.5)
        stages = (Stage(audit.stages[0].rates, audit.reach), Stage(rates))
        later = SealedAudit(audit.numbers, stages, audit.answers)
        rows = np.r_[audit.answers.rows, later.questions(100)[0]]
        more = replace(later, answers=Answers(rows, y[rows], np.zeros(len(rows), bool)))
        for unequal, one in ((False, audit_of(y, 300, seed)), (True, more)):
            result = prevalence_from_audit(one, labels, n)
            covered[unequal] += result.low[1] <= y.mean() <= result.high[1]
    assert covered[False] / 300 > 0.92
    assert covered[True] / 300 > 0.94


def test_a_users_range_counts_as_its_geometric_mean_and_the_others_share_the_rest():
    result = prevalence_from_ranges([(2, 0.001, 0.004)], np.array([0.6, 0.2, 0.2]))
    assert result.point[2] == pytest.approx(0.002)
    assert result.point[0] / result.point[1] == pytest.approx(3)
    assert result.point.sum() == pytest.approx(1)
    with pytest.raises(ValueError, match="100 %"):
        prevalence_from_ranges([(0, 0.9, 0.95), (1, 0.5, 0.5)], np.ones(3) / 3)


class Learner:
    """A fitted model with its training data, as modAL's learner has them."""

    def __init__(self, X, y):
        self.X_training, self.y_training = X, y
        self.estimator = LogisticRegression().fit(X, y)

    def predict_proba(self, X):
        return self.estimator.predict_proba(X)


def test_a_correction_cannot_be_applied_twice(blobs):
    X, y = blobs
    learner = Learner(X, y)
    once = correct(learner, X, Correction.MATCHED, [0.9, 0.09, 0.01], np.random.default_rng(0))
    assert once.prior_state == Correction.MATCHED
    np.testing.assert_allclose(once.predict_proba(X).mean(axis=0), [0.9, 0.09, 0.01], rtol=1e-3)
    with pytest.raises(ValueError, match="corrected already"):
        correct(once, X, Correction.RATIO, [0.9, 0.09, 0.01], np.random.default_rng(0))
    with pytest.raises(ValueError, match="corrected already"):
        CorrectedLearner(once, np.zeros(3), Correction.RATIO)
    assert correct(learner, X, Correction.NONE, [1, 0, 0], np.random.default_rng(0)) is learner


def test_a_corrected_learner_ranks_a_class_as_before(blobs):
    X, y = blobs
    X, y = X[y < 2], y[y < 2]
    learner = Learner(X, y)
    for correction in (Correction.RATIO, Correction.MATCHED):
        corrected = correct(learner, X, correction, [0.99, 0.01], np.random.default_rng(0))
        order = np.argsort(learner.predict_proba(X)[:, 1])
        assert (np.diff(corrected.predict_proba(X)[order, 1]) >= -1e-12).all()


def test_certain_forests_can_still_be_corrected():
    clipped = soften(np.array([[1.0, 0.0], [0.0, 1.0]]), 10)
    assert clipped.min() > 0
    moved = shift(clipped, ratio_offsets([0.5, 0.5], [0.99, 0.01]))
    assert 0 < moved[1, 1] < 0.5
