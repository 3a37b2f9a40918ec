"""One turn of the loop."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from rareloop.strategies import STRATEGIES
from rareloop.strategies.audit import Answers
from rareloop.strategies.classifiers import CLASSIFIERS
from rareloop.strategies.pool import Pool
from rareloop.strategies.rounds import Labels, RoundSettings, re_estimate, run_round
from rareloop.strategies.rows import packed, unpacked
from sklearn.linear_model import LogisticRegression

from .pools import audit_of, blobs, labels_of

NOTHING = np.empty(0, np.int64)
GIVEN = ((1, 0.02, 0.04), (2, 0.02, 0.04))


@pytest.fixture
def small():
    """Pool, truth and labels."""
    X, y = blobs()
    return Pool(X), y, labels_of(y, excluded=(1, 2, 3))


def turn(pool, labels, seed=0, audit=None, **settings):
    return run_round(pool, labels, RoundSettings(**settings), np.random.default_rng(seed), audit)


def assert_sound(result, pool, labels, n):
    """What holds for the queries of any round."""
    rows = result.queries.rows
    assert rows.dtype == np.int64
    assert len(rows) == len(np.unique(rows)) == n
    assert not np.isin(rows, np.r_[labels.rows, labels.excluded]).any()
    assert rows.max(initial=0) < pool.n_items
    assert len(result.queries.strategy) == len(result.queries.score) == len(result.queries.probability) == n
    assert result.shown_probabilities.shape == (n, labels.n_classes)
    json.dumps(result.report(), allow_nan=False)


@pytest.mark.parametrize("strategy", [*STRATEGIES, "modAL.uncertainty:margin_sampling"])
@pytest.mark.parametrize("query_correction", ["none", "ratio", "matched"])
def test_every_strategy(small, strategy, query_correction):
    pool, _, labels = small
    result = turn(
        pool, labels, strategy=strategy, query_correction=query_correction, prevalence=GIVEN, wanted=(1, 2)
    )
    assert_sound(result, pool, labels, RoundSettings().n_queries)
    assert result.messages == ()
    np.testing.assert_allclose(result.shown_probabilities.sum(axis=1), 1)
    ours = strategy in STRATEGIES and (strategy == "auto" or STRATEGIES[strategy].needs_model)
    assert result.query_correction == (query_correction if ours else "none")


@pytest.mark.parametrize("classifier", CLASSIFIERS)
@pytest.mark.parametrize("y", [[0, 1], [0, 0, 1], [2, 1, 0], [0, 0, 0, 1, 1, 2]])
@pytest.mark.filterwarnings("error")
def test_every_classifier_with_hardly_any_labels(small, classifier, y):
    pool = small[0]
    labels = Labels(np.arange(len(y)), np.array(y), NOTHING, 4)
    result = turn(pool, labels, classifier=classifier)
    assert_sound(result, pool, labels, 50)
    assert result.estimator is not None
    assert result.messages == ()
    assert not result.shown_probabilities[:, 3].any()


@pytest.mark.parametrize("y", [[], [1], [1, 1, 1]])
def test_fewer_than_two_classes_is_a_cold_start(small, y):
    pool = small[0]
    labels = Labels(np.arange(len(y)), np.array(y, np.int64), NOTHING, 3)
    result = turn(pool, labels)
    assert_sound(result, pool, labels, 50)
    assert result.estimator is None
    assert np.isnan(result.shown_probabilities).all()
    assert set(result.queries.strategy) <= {"lookout", "unlike", "contrast", "coverage"} | (
        {"similar"} if y else set()
    )


QUICK = ("auto", "margin", "search")


@pytest.mark.parametrize(
    "strategy", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in STRATEGIES]
)
def test_the_same_arguments_give_the_same_round_by_a_model_of_chance(small, strategy):
    """That of the usual model is in `test_contract.py`."""
    pool, _, labels = small
    first, second = (
        turn(pool, labels, 7, strategy=strategy, classifier="forest", prevalence=GIVEN) for _ in range(2)
    )
    np.testing.assert_array_equal(first.queries.rows, second.queries.rows)
    np.testing.assert_array_equal(first.shown_probabilities, second.shown_probabilities)
    assert first.queries.strategy == second.queries.strategy
    assert first.report() | {"seconds": 0} == second.report() | {"seconds": 0}


def test_the_arguments_are_left_as_they_were(small):
    pool, _, labels = small
    before = [a.copy() for a in (pool.X, labels.rows, labels.classes, labels.excluded)]
    turn(pool, labels, strategy="anchors")
    for was, now in zip(before, (pool.X, labels.rows, labels.classes, labels.excluded), strict=True):
        np.testing.assert_array_equal(was, now)


def test_two_rounds_of_one_generator_differ(small):
    pool, _, labels = small
    rng = np.random.default_rng(0)
    first, second = (run_round(pool, labels, RoundSettings(strategy="random"), rng) for _ in range(2))
    assert set(first.queries.rows.tolist()) != set(second.queries.rows.tolist())


def test_random_items_have_their_probability(small):
    pool, _, labels = small
    result = turn(pool, labels, strategy="random", n_queries=40)
    assert set(result.queries.strategy) == {"random"}
    np.testing.assert_allclose(result.queries.probability, 40 / result.n_available)


def test_fewer_left_than_asked_are_all_asked(small):
    pool, y, _ = small
    taken = np.arange(590)
    labels = Labels(taken, y[taken], np.array([595]), 3)
    for strategy in (*STRATEGIES, "modAL.uncertainty:entropy_sampling"):
        result = turn(pool, labels, strategy=strategy)
        assert sorted(result.queries.rows.tolist()) == [590, 591, 592, 593, 594, 596, 597, 598, 599]


def test_nothing_left_is_said(small):
    pool, y, _ = small
    labels = Labels(np.arange(500), y[:500], np.arange(500, 600), 3)
    result = turn(pool, labels)
    assert_sound(result, pool, labels, 0)
    assert "nothing is left" in result.messages[0]


def raises(learner, X, n_instances=1):
    raise KeyError("oops")


MISBEHAVING = {
    "raises": (raises, "failed.*KeyError.*oops"),
    "labels instead of indices": (lambda learner, X, n_instances=1: ["a"] * n_instances, "instead of indices"),
    "outside": (lambda learner, X, n_instances=1: np.arange(n_instances) + 10**6, "outside"),
    "negative": (lambda learner, X, n_instances=1: -1 - np.arange(n_instances), "outside"),
    "twice": (lambda learner, X, n_instances=1: np.zeros(n_instances, int), "twice"),
    "nothing": (lambda learner, X, n_instances=1: np.empty(0, int), "returned nothing"),
    "None": (lambda learner, X, n_instances=1: None, "returned no indices"),
    "two dimensions": (lambda learner, X, n_instances=1: np.zeros((n_instances, 2), int), "shape"),
    "needs more": (lambda learner, X, n_instances, more: None, "failed.*TypeError"),
}


@pytest.mark.parametrize("case", MISBEHAVING)
@pytest.mark.parametrize("through_anchors", [False, True])
def test_a_foreign_strategy_that_misbehaves_never_stops_the_loop(small, foreign, case, through_anchors):
    pool, _, labels = small
    function, message = MISBEHAVING[case]
    name = foreign(function)
    settings = {"strategy": "anchors", "base": name} if through_anchors else {"strategy": name}
    result = turn(pool, labels, **settings)
    assert_sound(result, pool, labels, 50)
    assert set(result.queries.strategy) == {"random"}
    assert len(result.messages) == 1
    assert re.search(message, result.messages[0])
    assert "somebody_elses:thing" in result.messages[0]
    assert "random" in result.messages[0]


def test_a_foreign_strategy_that_returns_too_few_or_too_many(small, foreign):
    pool, _, labels = small
    result = turn(pool, labels, strategy=foreign(lambda learner, X, n_instances=1: [3, 1]))
    assert_sound(result, pool, labels, 50)
    assert result.queries.strategy.count("somebody_elses:thing") == 2
    assert "chose 2 of 50" in result.messages[0]
    result = turn(pool, labels, strategy=foreign(lambda learner, X, n_instances=1: np.arange(300)))
    assert_sound(result, pool, labels, 50)


def test_a_foreign_strategy_cannot_write_to_the_pool(small, foreign):
    pool, _, labels = small
    before = pool.X.copy()

    def scribble(learner, X, n_instances=1):
        X[:] = 0
        return np.arange(n_instances)

    assert turn(pool, labels, strategy=foreign(scribble)).messages == ()
    np.testing.assert_array_equal(pool.X, before)


class Unfittable(LogisticRegression):
    def fit(self, X, y):
        raise RuntimeError("no luck")


class Mute(LogisticRegression):
    def predict_proba(self, X):
        raise RuntimeError("no voice")


class Unsure(LogisticRegression):
    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), np.nan)


@pytest.mark.parametrize(("model", "message"), [
    (Unfittable, "could not be fitted (RuntimeError: no luck)"), (Mute, "no voice"),
])  # fmt: skip
def test_a_users_classifier_that_fails_never_stops_the_loop(small, foreign, model, message):
    pool, _, labels = small
    result = turn(pool, labels, classifier=foreign(model()))
    assert_sound(result, pool, labels, 50)
    assert message in " ".join(result.messages)


def test_probabilities_that_are_not_numbers_still_make_a_round(small, foreign):
    pool, _, labels = small
    assert_sound(turn(pool, labels, classifier=foreign(Unsure())), pool, labels, 50)


def test_anchors_for_a_large_pool_and_a_slow_classifier(small):
    pool, _, labels = small
    slow = turn(pool, labels, strategy="margin", classifier="forest", anchors_above=500, n_neighbors=10)
    assert slow.subpool_size == slow.n_scored < 500
    assert {"anchors: margin"} == set(slow.queries.strategy)
    assert turn(pool, labels, classifier="forest", anchors_above=5_000).subpool_size is None
    assert turn(pool, labels, classifier="logistic", anchors_above=500).subpool_size is None


def test_prevalence_is_unknown_given_or_from_the_audit(small):
    pool, y, labels = small
    unknown = turn(pool, labels)
    assert np.isnan(unknown.prevalence).all()
    assert (unknown.correction, unknown.query_correction) == ("none", "none")
    assert "unknown" in unknown.prevalence_source
    given = turn(pool, labels, prevalence=((2, 0.01, 0.04),))
    assert given.prevalence[2] == pytest.approx(0.02)
    assert given.prevalence.sum() == pytest.approx(1)
    assert (given.prevalence_low[2], given.prevalence_high[2]) == (0.01, 0.04)
    assert (given.correction, given.prevalence_source) == ("matched", "given by you")
    early = turn(pool, labels, audit=audit_of(y, 49))
    assert "49 of 50 audited" in early.prevalence_source
    measured = turn(pool, labels, audit=audit_of(y, 120))
    assert "120" in measured.prevalence_source
    assert measured.correction == "matched"
    truth = np.bincount(y) / len(y)
    assert (measured.prevalence_low <= truth).all()
    assert (truth <= measured.prevalence_high).all()


def test_prior_of_the_fit_is_that_of_the_labels(small):
    pool, y, _ = small
    labels = labels_of(y, n_each=5, n_classes=5)
    np.testing.assert_allclose(turn(pool, labels).class_prior, [1 / 3, 1 / 3, 1 / 3, 0, 0])


def test_matched_probabilities_add_up_to_the_prevalence(small):
    pool, _, labels = small
    result = turn(pool, labels, strategy="random", n_queries=10_000, prevalence=GIVEN)
    assert len(result.queries.rows) == result.n_available
    np.testing.assert_allclose(result.shown_probabilities.mean(axis=0)[1:], np.sqrt(0.02 * 0.04), atol=1e-4)


def test_several_rare_classes_are_found():
    X, y = blobs(n_items=3_000, n_classes=5, share=0.01)
    pool, labels = Pool(X), labels_of(y)
    result = turn(pool, labels, strategy="top", wanted=(1, 2, 3, 4), n_queries=40, audit_share=0)
    assert (np.bincount(y[result.queries.rows], minlength=5)[1:] >= 5).all()
    assert [entry["class"] for entry in result.metrics] == [0, 1, 2, 3, 4]


def test_metrics_can_be_left_out(small):
    pool, _, labels = small
    assert turn(pool, labels, cross_validate=False).metrics == []


def test_a_memory_mapped_pool_gives_the_same_round(small, tmp_path):
    pool, _, labels = small
    np.save(tmp_path / "pool.npy", pool.X)
    mapped = Pool(np.load(tmp_path / "pool.npy", mmap_mode="r"))
    for strategy in ("margin", "anchors", "modAL.uncertainty:margin_sampling"):
        settings = RoundSettings(strategy=strategy)
        first, second = (run_round(p, labels, settings, np.random.default_rng(0)) for p in (pool, mapped))
        np.testing.assert_array_equal(first.queries.rows, second.queries.rows)


def test_prevalence_of_a_class_that_is_gone_is_passed_over(small):
    pool, _, labels = small
    result = turn(pool, replace(labels, n_classes=3), prevalence=((9, 0.1, 0.1),))
    assert np.isnan(result.prevalence).all()


@pytest.mark.parametrize(
    "strategy", ["auto", "top", "margin", "anchors", "similar", "modAL.uncertainty:margin_sampling"]
)
def test_diversity_and_quotas_of_the_settings(small, strategy):
    pool, _, labels = small
    result = turn(pool, labels, strategy=strategy, wanted=(1, 2), diverse=True, quota=0.2)
    assert_sound(result, pool, labels, 50)
    assert result.messages == ()


def test_a_quota_limits_what_one_cell_may_have(small):
    pool, _, labels = small
    cell = pool.landscape().cell_of(pool.X)
    settings = {"strategy": "top", "wanted": (1, 2), "audit_share": 0.0, "n_queries": 20}
    free, limited = turn(pool, labels, **settings), turn(pool, labels, **settings, quota=0.1)
    assert np.bincount(cell[free.queries.rows]).max() > 2
    assert np.bincount(cell[limited.queries.rows]).max() <= 2


def test_a_diverse_batch_is_spread_out(small):
    pool, _, labels = small
    settings = {"strategy": "top", "wanted": (1, 2), "audit_share": 0.0, "n_queries": 10}

    def spread(result):
        X = pool.X[result.queries.rows]
        return np.linalg.norm(X[:, None] - X[None], axis=2).mean()

    plain = [spread(turn(pool, labels, seed, **settings)) for seed in range(5)]
    diverse = [spread(turn(pool, labels, seed, **settings, diverse=True)) for seed in range(5)]
    assert np.mean(diverse) > np.mean(plain)


# ---- the audit --------------------------------------------------------------------------------------


def test_the_audit_asks_its_share_and_its_items_stay_candidates(small):
    pool, y, labels = small
    audit = audit_of(y, 2)
    result = turn(pool, labels, audit=audit, wanted=(1, 2), n_queries=40, audit_share=0.25)
    is_audit = np.array(result.queries.strategy) == "audit"
    assert 10 <= is_audit.sum() <= 12  # a quarter of 54 answers, less the two that there are
    assert (~result.queries.sealed).sum() == 40
    questions, inclusion = replace(audit, settled=np.r_[labels.rows, labels.excluded]).questions(40)
    asked = result.queries.rows[is_audit]
    assert asked.tolist() == [row for row in questions.tolist() if row in asked]  # in the audit's own order
    known = dict(zip(questions.tolist(), inclusion.tolist(), strict=True))
    assert result.queries.probability[is_audit].tolist() == [known[row] for row in asked.tolist()]
    audit = audit_of(y, 60)
    everything = turn(pool, labels, audit=audit, strategy="top", n_queries=10_000, audit_share=0.0)
    hidden = everything.queries.rows[everything.queries.sealed]
    assert len(hidden) > 50
    assert np.isin(hidden, audit.answers.rows).all()


def test_no_model_learns_from_the_audit_and_no_query_depends_on_its_answers(small):
    pool, y, labels = small
    audit = audit_of(y, 80)
    lies = replace(audit, answers=replace(audit.answers, classes=(audit.answers.classes + 1) % 3))
    settings = {"strategy": "top", "wanted": (1, 2), "n_queries": 60, "correction": "none"}
    told, lied = (turn(pool, labels, audit=one, **settings) for one in (audit, lies))
    np.testing.assert_array_equal(told.queries.rows, lied.queries.rows)
    np.testing.assert_array_equal(told.shown_probabilities, lied.shown_probabilities)
    assert told.estimates != lied.estimates


def test_hits_are_known_and_not_asked_again(small):
    pool, y, labels = small
    audit = audit_of(y, 60)
    hit = replace(audit, answers=replace(audit.answers, reached=np.arange(60) < 7))
    result = turn(pool, labels, audit=hit, strategy="random", n_queries=10_000)
    assert not np.isin(audit.answers.rows[:7], result.queries.rows).any()
    assert result.audit["n_hits"] == result.estimates["n_hits"] == 7
    assert result.estimates["n_audit"] == 53
    assert result.estimates["n_rest"] == pool.n_items - len(labels.rows) - len(labels.excluded) - 7


def test_estimates_hold_the_truth_and_can_be_made_anew(small):
    pool, y, labels = small
    result = turn(pool, labels, audit=audit_of(y, 300), wanted=(1, 2))
    for entry in result.estimates["classes"]:
        truth = (y == entry["class"]).mean()
        assert entry["prevalence"][1] <= truth <= entry["prevalence"][2]
    assert result.estimates == re_estimate(result.scoring, labels, audit_of(y, 300))
    more = re_estimate(result.scoring, labels, audit_of(y, 350))
    assert more["n_audit"] > result.estimates["n_audit"]
    json.dumps(more, allow_nan=False)


def test_a_stage_becomes_due_and_looks_more_closely_where_members_are_likely(small):
    pool, y, labels = small
    assert turn(pool, labels, audit=audit_of(y, 49), wanted=(1, 2)).next_rates is None
    rates = turn(pool, labels, audit=audit_of(y, 50), wanted=(1, 2)).next_rates
    rare = rates.of(np.flatnonzero(y > 0)).mean()
    assert rare > 3 * rates.of(np.flatnonzero(y == 0)).mean()


@pytest.mark.parametrize("n_answers", [60, 300])
def test_no_answer_of_the_audit_changes_the_rates_of_its_next_stage(small, n_answers):
    pool, y, labels = small
    audit = audit_of(y, n_answers)
    lies = replace(audit, answers=replace(audit.answers, classes=(audit.answers.classes + 1) % 3))
    told, lied = (turn(pool, labels, audit=one, wanted=(1, 2)).next_rates for one in (audit, lies))
    np.testing.assert_array_equal(told.codes, lied.codes)
    np.testing.assert_array_equal(told.levels, lied.levels)
    everything = turn(pool, labels, audit=audit, wanted=(0, 1, 2)).next_rates.of(np.arange(pool.n_items))
    assert everything.sum() == pytest.approx(1)


def test_a_slow_model_is_asked_for_the_audited_items_only(small):
    pool, y, labels = small
    result = turn(pool, labels, audit=audit_of(y, 200), wanted=(1, 2), classifier="forest", anchors_above=500)
    assert result.scoring.probabilities is None
    assert result.estimates["classes"][1]["n_predicted"] is None
    low, high = result.estimates["classes"][1]["precision"][1:]
    assert 0 <= low <= high <= 1
    assert result.next_rates is not None


def test_items_that_were_set_aside_are_not_in_the_rest(small):
    pool, y, labels = small
    aside = np.setdiff1d(np.flatnonzero(y == 2), labels.rows)[:5]
    labels = replace(labels, excluded=aside)
    audit = audit_of(y).beside(labels)
    rows, _ = audit.questions(pool.n_items)
    audit = replace(audit, answers=Answers(rows, y[rows], np.zeros(len(rows), bool)))
    result = turn(pool, labels, audit=audit, wanted=(1, 2), cross_validate=False)
    n_left = int((y == 2).sum() - (labels.classes == 2).sum() - 5)
    assert result.estimates["n_rest"] == result.estimates["n_audit"] == pool.n_items - len(labels.rows) - 5
    assert result.estimates["classes"][2]["left"] == [n_left] * 3


def test_an_audit_without_an_answer_is_no_problem_and_the_range_given_holds(small):
    pool, y, labels = small
    result = turn(pool, labels, audit=audit_of(y), wanted=(1, 2), prevalence=((2, 0.01, 0.04),))
    assert result.messages == ()
    assert result.correction == "matched"
    assert result.estimates["n_audit"] == 0
    assert turn(pool, labels, audit=audit_of(y), wanted=(1, 2)).correction == "none"


def test_an_audit_without_a_model_or_switched_off(small):
    pool, y, _ = small
    nothing = Labels(NOTHING, NOTHING, NOTHING, 3)
    cold = turn(pool, nothing, audit=audit_of(y), n_queries=40)
    assert (cold.estimates, cold.audit["n_answered"]) == (None, 0)
    warm = turn(pool, labels_of(y), audit=audit_of(y), wanted=(1, 2))
    assert (warm.messages, warm.correction) == ((), "none")
    assert "No item has been audited yet" in warm.estimates["classes"][1]["note"]
    assert "audit" in cold.queries.strategy
    off = turn(pool, nothing, audit=audit_of(y, 10), n_queries=40, audit_share=0.0)
    assert "audit" not in off.queries.strategy


@pytest.mark.parametrize("settings", [
    {"strategy": "anchors", "base": "margin", "n_anchors": 2},
    {"strategy": "auto", "classifier": "forest", "anchors_above": 100, "n_anchors": 2},
    {"strategy": "margin", "classifier": "forest", "anchors_above": 100, "n_anchors": 2, "diverse": True},
])  # fmt: skip
def test_a_round_says_which_labelled_items_were_its_anchors(small, settings):
    pool, _, labels = small
    result = turn(pool, labels, wanted=(1,), **settings)
    assert {c: len(rows) for c, rows in result.anchors.items()} == {0: 2, 1: 2, 2: 2}
    for c, rows in result.anchors.items():
        assert rows.dtype == np.int64
        assert np.isin(rows, labels.rows[labels.classes == c]).all()
    stored = json.loads(json.dumps(result.report()))["anchors"]
    assert {int(c): unpacked(text).tolist() for c, text in stored.items()} == {
        c: rows.tolist() for c, rows in result.anchors.items()
    }


def test_seals_reports_all_labelled_items_and_other_strategies_none(small):
    pool, _, labels = small
    result = turn(pool, labels, wanted=(1,), strategy="seals", base="margin")
    assert sorted(np.concatenate(list(result.anchors.values()))) == sorted(labels.rows)
    assert turn(pool, labels, wanted=(1,), strategy="margin").report()["anchors"] == {}


@pytest.mark.parametrize("rows", [[], [0], [3, 3, 10**12], range(0, 10**6, 7)])
def test_row_numbers_come_back_from_their_short_text(rows):
    text = packed(np.array(rows, np.int64))
    assert unpacked(text).tolist() == list(rows)
    assert len(text) <= 32 + len(rows)
    with pytest.raises(ValueError, match="cannot be read"):
        unpacked("no rows")
