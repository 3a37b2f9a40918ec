"""The rules about the audit: independent, without equals, with known probabilities, alike over time."""

from __future__ import annotations

import json

import numpy as np
import pytest
from rareloop.strategies import audit_fitness
from rareloop.strategies.audit_fitness import Audited
from rareloop.strategies.fitness import Verdict

PASS, WARN, FAIL, OPEN = Verdict.PASS, Verdict.WARN, Verdict.FAIL, Verdict.OPEN


def audited(n=4, classes=None, inclusion=0.1, trained=(90, 91)):
    given = np.zeros(n, np.int64) if classes is None else np.asarray(classes, np.int64)
    chances = np.broadcast_to(np.asarray(inclusion, float), (n,))
    return Audited(np.arange(n), given, chances, np.array(trained, np.int64))


def test_without_an_audit_nothing_is_said():
    none = audited(0)
    assert audit_fitness.independence(none).verdict == OPEN
    assert audit_fitness.propensities(none).verdict == OPEN
    assert audit_fitness.duplicates(np.array([0, 0], np.int32), np.zeros(2, bool)).verdict == OPEN
    period = audit_fitness.prior_by_period(none, np.zeros(0, bool), ["a", "b"], ("old", "new"))
    assert period.verdict == OPEN


def test_an_audited_item_must_not_be_trained_on():
    assert audit_fitness.independence(audited()).verdict == PASS
    finding = audit_fitness.independence(audited(trained=(3, 90)))
    assert finding.verdict == FAIL
    assert finding.text.startswith("1 audited item was trained on")


def test_equals_across_audit_and_training_warn():
    is_audited = np.array([True, True, True, False, False])
    within = np.array([0, 0, -1, 1, 1], np.int32)
    assert audit_fitness.duplicates(within, is_audited).verdict == PASS
    across = np.array([0, 0, -1, 0, -1], np.int32)
    finding = audit_fitness.duplicates(across, is_audited)
    assert (finding.verdict, finding.details["with_equals"]) == (WARN, 2)


@pytest.mark.parametrize(("value", "verdict"), [(1.0, PASS), (1e-6, PASS), (np.nan, FAIL), (0, FAIL), (1.2, FAIL)])
def test_every_probability_must_be_known(value, verdict):
    finding = audit_fitness.propensities(audited(inclusion=[0.1, value, 0.2, 0.3]))
    assert finding.verdict == verdict
    assert finding.details["unknown"] == (verdict == FAIL)


def test_another_prevalence_in_a_later_period_warns():
    classes = np.r_[np.repeat([0, 1], [95, 5]), np.repeat([0, 1], [60, 40])]
    later = np.arange(200) >= 100
    finding = audit_fitness.prior_by_period(audited(200, classes), later, ["a", "b"], ("old", "new"))
    assert finding.verdict == WARN
    assert finding.details["differences"]["b"]["point"] == pytest.approx(0.35)
    assert finding.details["differences"]["b"]["low"] > 0
    json.dumps(finding.to_dict())


def test_equal_prevalences_pass_in_all_classes_together():
    rng, wrong = np.random.default_rng(0), 0
    later = np.arange(200) >= 80
    for _ in range(300):
        classes = rng.choice(5, 200, p=[0.6, 0.2, 0.1, 0.07, 0.03])
        finding = audit_fitness.prior_by_period(audited(200, classes), later, list("abcde"), ("old", "new"))
        wrong += finding.verdict == WARN
    assert wrong / 300 < 0.07


def test_items_without_a_class_count_in_the_whole_and_unknown_probabilities_do_not():
    classes = np.r_[np.repeat([1, -1], [20, 20]), np.repeat([1, -1], [20, 20])]
    inclusion = np.r_[np.full(79, 0.5), np.nan]
    finding = audit_fitness.prior_by_period(
        audited(80, classes, inclusion), np.arange(80) >= 40, ["a", "b"], ("old", "new")
    )
    assert finding.details["later"] == 39
    assert finding.details["differences"]["b"]["point"] == pytest.approx(20 / 39 - 0.5)


def test_few_audited_items_in_a_period_say_nothing():
    finding = audit_fitness.prior_by_period(audited(60), np.arange(60) >= 50, ["a", "b"], ("old", "new"))
    assert finding.verdict == OPEN
    assert "10" in finding.text
