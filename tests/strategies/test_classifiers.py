"""The classifiers on offer with hardly any labels, and a user's own."""

import numpy as np
import pytest
from rareloop.strategies.classifiers import CLASSIFIERS, classifier_spec, load_classifier
from rareloop.strategies.crossval import fit_quietly
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsClassifier


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("y", [[0, 1], [0, 2, 5], [0, 0, 0, 1], [0, 0, 0, 0, 1, 1, 2]])
def test_hardly_any_labels_are_enough(name, y):
    X = np.random.default_rng(0).normal(size=(len(y), 64)).astype(np.float32)
    model = fit_quietly(CLASSIFIERS[name].make(0), X, y)
    probabilities = model.predict_proba(X)
    assert model.classes_.tolist() == sorted(set(y))
    assert np.isfinite(probabilities).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_the_same_seed_makes_the_same_model(name):
    X = np.random.default_rng(0).normal(size=(60, 3))
    y = (X[:, 0] > 0).astype(int)
    first, second = (CLASSIFIERS[name].make(3).fit(X, y).predict_proba(X) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_lda_of_one_label_a_class_is_the_nearest_class():
    """Unit covariance: the log-odds are linear, with slope μ1 − μ0 and zero half way."""
    model = CLASSIFIERS["lda"].make(0).fit(np.array([[0.0, 0.0], [2.0, 0.0]]), [0, 1])
    p = model.predict_proba(np.array([[1.0, 5.0], [1.5, -3.0]]))
    np.testing.assert_allclose(np.log(p[:, 1] / p[:, 0]), [0.0, 1.0], atol=0.05)


def test_a_users_own_instance_class_or_factory(foreign):
    for thing in (KNeighborsClassifier(2), KNeighborsClassifier, lambda: KNeighborsClassifier(2)):
        spec = classifier_spec(foreign(thing))
        assert isinstance(spec.make(0), KNeighborsClassifier)
        assert not spec.fast


def test_each_model_of_a_users_own_is_fresh_and_seeded(foreign):
    given = DummyClassifier()
    spec = classifier_spec(foreign(given))
    first, second = spec.make(1), spec.make(2)
    assert given is not first is not second
    assert (first.random_state, second.random_state) == (1, 2)


@pytest.mark.parametrize(("name", "reason"), [
    ("nearest", "choose logistic, forest"),
    ("no_such_module:thing", "cannot be imported: ModuleNotFoundError"),
    ("sklearn.svm:NoSuchThing", "the module sklearn.svm has no 'NoSuchThing'"),
    ("sklearn.linear_model:LinearRegression", "no fit and predict_proba"),
    ("sklearn.model_selection:GridSearchCV", "could not be made: TypeError"),
])  # fmt: skip
def test_what_is_no_classifier_is_refused(name, reason):
    with pytest.raises(ValueError, match=reason):
        classifier_spec(name)


def test_an_instance_without_probabilities_is_refused(foreign):
    with pytest.raises(ValueError, match="no fit and predict_proba"):
        load_classifier(foreign(LinearRegression()))
