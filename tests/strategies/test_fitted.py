"""The model of a round by itself says what the round says, and needs no pool for it."""

from __future__ import annotations

import numpy as np
import pytest
from rareloop.strategies.labels import Labels
from rareloop.strategies.pool import Pool
from rareloop.strategies.priors import MATCH_SAMPLE, Correction
from rareloop.strategies.rounds import RoundSettings, fit_model, run_round

RANGES = ((2, 0.005, 0.02),)


def labelled(n_items, rows, n_classes=4):
    """A pool whose class 2 is rare, class 1 the rest, and of classes 0 and 3 nothing is labelled."""
    X = np.random.default_rng(0).normal(size=(n_items, 3)).astype(np.float32)
    X[::50] += 3
    rows = np.asarray(rows, np.int64)
    classes = np.where(rows % 50 == 0, 2, 1).astype(np.int64)
    nothing = np.empty(0, np.int64)
    return Pool(X), Labels(rows, classes, nothing, n_classes)


@pytest.mark.parametrize("n_items", [500, MATCH_SAMPLE + 5_000])
@pytest.mark.parametrize("correction", ["none", "ratio", "matched"])
def test_it_says_what_the_round_shows(n_items, correction):
    pool, labels = labelled(n_items, [0, 50, 100, 1, 2, 3, 4, 5])
    settings = RoundSettings(strategy="margin", correction=correction, prevalence=RANGES, wanted=(2,))
    shown = run_round(pool, labels, settings, np.random.default_rng(7))
    fitted = fit_model(pool, labels, settings, np.random.default_rng(7))
    found = fitted.probabilities(np.asarray(pool.X[shown.queries.rows]))
    assert fitted.classes.tolist() == [1, 2] and fitted.correction == Correction(correction)
    np.testing.assert_allclose(found, shown.shown_probabilities[:, [1, 2]], atol=1e-6)
    assert (shown.shown_probabilities[:, [0, 3]] == 0).all()


def test_its_mean_over_what_is_left_is_the_prevalence():
    pool, labels = labelled(2_000, [0, 50, 100, 1, 2, 3, 4, 5])
    settings = RoundSettings(correction="matched", prevalence=RANGES, wanted=(2,))
    fitted = fit_model(pool, labels, settings, np.random.default_rng(0))
    left = np.setdiff1d(np.arange(2_000), labels.rows)
    shares = fitted.probabilities(np.asarray(pool.X[left])).mean(axis=0)
    np.testing.assert_allclose(shares, [0.99, 0.01], atol=1e-4)  # the geometric mean of 0.5 % and 2 %


def test_a_pool_of_which_everything_is_labelled_has_a_model_too():
    pool, labels = labelled(100, np.arange(100))
    fitted = fit_model(pool, labels, RoundSettings(prevalence=RANGES), np.random.default_rng(0))
    assert fitted.probabilities(pool.X).shape == (100, 2)
    assert set(fitted.decide(fitted.probabilities(pool.X))) <= {0, 1}
    assert fitted.probabilities(pool.X[:0]).shape == (0, 2)


def test_one_class_is_no_model():
    pool, labels = labelled(100, [1, 2, 3])
    with pytest.raises(ValueError, match="at least two classes"):
        fit_model(pool, labels, RoundSettings(), np.random.default_rng(0))


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("n_features", [3, 80])
def test_the_distance_of_an_item_is_that_of_the_whole_pool(metric, n_features):
    X = np.random.default_rng(0).normal(size=(300, n_features)).astype(np.float32)
    landscape = Pool(X).landscape(metric)
    chosen = X[[3, 7, 7, 100]]
    places = landscape.places_of(chosen)
    assert len(places) == 3
    np.testing.assert_allclose(
        landscape.distance_to(places, X[40:60]), landscape.reach(chosen, "x")[40:60], atol=1e-3
    )
