"""The subpool of SEALS, worked by hand on a line."""

import numpy as np
import pytest
from rareloop.strategies import Brief, Margin, Seals, seals
from rareloop.strategies.rows import Rows
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors

#: One member at 0; others at 10 and 20, the latter labelled last.
LABELLED = np.array([[10.0], [0.0], [20.0]], np.float32)
CLASSES = np.array([0, 1, 0])
POOL = np.array([[1], [2.5], [4], [9], [12], [19], [22], [100]], np.float32)


def subpool(**parameters):
    return Seals(**parameters).subpool(LABELLED, CLASSES, POOL, np.random.default_rng(0))


def test_the_union_of_all_neighbours_those_of_members_first():
    """0 retrieves 1 and 2.5; 20 retrieves 19 and 22, 10 retrieves 9 and 12: nearest of each first."""
    found = subpool(n_neighbors=2, classes=[1])
    assert found.positions.tolist() == [0, 1, 5, 3, 6, 4]
    assert sorted(found.anchors.tolist()) == [0, 1, 2]
    np.testing.assert_allclose(found.similarity, [1 / 2, 1 / 3.5, 1 / 2, 1 / 2, 1 / 3, 1 / 3], rtol=1e-5)


def test_an_item_that_several_retrieve_has_the_similarity_of_the_nearest():
    """At 4, 0 is nearer than 10, which also retrieves it."""
    found = subpool(n_neighbors=4, classes=[1])
    similarity = dict(zip(found.positions.tolist(), found.similarity, strict=True))
    assert similarity[2] == pytest.approx(1 / 5)
    assert similarity[3] == pytest.approx(1 / 2)
    assert len(set(found.positions.tolist())) == len(found.positions) == 7  # nobody retrieves 100


def test_a_cap_keeps_what_members_retrieve_and_then_the_nearest_of_the_others():
    assert subpool(n_neighbors=2, classes=[1], subpool_size=2).positions.tolist() == [0, 1]
    assert subpool(n_neighbors=2, classes=[1], subpool_size=4).positions.tolist() == [0, 1, 5, 3]
    assert subpool(n_neighbors=2, classes=[1], subpool_size=1).positions.tolist() == [0]


def test_only_items_whose_neighbours_were_looked_for_are_anchors():
    """The member's two neighbours are enough for a subpool of two."""
    assert subpool(n_neighbors=2, classes=[1], subpool_size=2).anchors.tolist() == [1]


def test_by_default_the_rarest_class_comes_first_also_when_the_wanted_one_has_no_label():
    for classes in (None, [1], [8]):
        assert subpool(n_neighbors=1, classes=classes).positions.tolist() == [0, 5, 3]
    assert subpool(n_neighbors=1, classes=[0]).positions.tolist() == [5, 3, 0]


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("chunk", [1, 7, 128])
def test_it_is_the_union_that_scikit_learn_finds(metric, chunk, monkeypatch):
    monkeypatch.setattr(seals, "CHUNK", chunk)
    rng = np.random.default_rng(1)
    X, pool = rng.normal(size=(40, 4)).astype(np.float32), rng.normal(size=(300, 4)).astype(np.float32)
    found = Seals(n_neighbors=6, metric=metric).subpool(X, rng.integers(0, 3, 40), Rows(pool), rng)
    distance, index = NearestNeighbors(n_neighbors=6, metric=metric).fit(pool).kneighbors(X)
    assert sorted(found.positions.tolist()) == np.unique(index).tolist()
    nearest = {i: distance[index == i].min() for i in np.unique(index)}
    expected = [1 - nearest[i] if metric == "cosine" else 1 / (1 + nearest[i]) for i in found.positions]
    np.testing.assert_allclose(found.similarity, expected, atol=1e-5)


@pytest.fixture
def learner():
    model = LogisticRegression().fit(LABELLED, CLASSES)
    model.X_training, model.y_training = LABELLED, CLASSES
    return model


def test_the_base_strategy_sees_the_subpool_only(learner):
    """Of 1, 9 and 19, 1 is nearest to the boundary at about 5; 4 was not retrieved."""
    strategy = Seals(Margin(), n_neighbors=1)
    boundary = -learner.intercept_[0] / learner.coef_[0, 0]
    closest = min([0, 3, 5], key=lambda i: abs(POOL[i, 0] - boundary))
    assert strategy(learner, POOL, 1)[0].tolist() == [closest]
    assert len(strategy.last_subpool.positions) == 3


def test_what_the_subpool_cannot_fill_is_random_with_the_lowest_score(learner):
    positions, scores = Seals(n_neighbors=1)(learner, POOL, 5, np.random.default_rng(0))
    assert set(positions[:3].tolist()) == {0, 3, 5}
    assert len(set(positions.tolist())) == 5
    assert np.isneginf(scores[3:]).all() and np.isfinite(scores[:3]).all()


def test_without_labels_all_is_random(learner):
    learner.X_training, learner.y_training = None, None
    positions, scores = Seals()(learner, POOL, 4, np.random.default_rng(0))
    assert len(set(positions.tolist())) == 4
    assert np.isneginf(scores).all()


def test_in_a_round_it_knows_the_wanted_classes_and_the_metric():
    strategy = Seals.from_brief(Brief(wanted=(2,), metric="cosine"))
    assert (strategy.classes, strategy.metric) == ((2,), "cosine")
