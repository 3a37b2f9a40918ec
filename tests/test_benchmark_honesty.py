"""The benchmark of honesty: what it counts, and that it runs."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from rareloop.tests.benchmarks.audits import fixed_thresholds, make_model, rolling, sample_of, truth_of
from rareloop.tests.benchmarks.honesty import PEEKING, Job, coverage, goals, run_job, tables


@pytest.fixture(scope="module")
def model():
    return make_model("digits@2", None, 0, 80)


def test_coverage_counts_audits_that_said_something():
    limits = [[0.5, 0.4, 0.6], [0.5, 0.6, 0.7], [None, None, None]]
    frame = pd.DataFrame({"truth": [{"f1": 0.5}] * 3, "estimates": [{"f1": of} for of in limits]})
    assert coverage(frame, "f1") == 0.5
    assert math.isnan(coverage(frame[2:], "f1"))


def test_audits_climb_to_where_the_model_predicts_and_keep_what_was_asked(model):
    small, large = rolling(model, [60, 220], np.random.default_rng(0), climbs=True)
    assert len(large.stages) > 1
    assert set(small.answers.rows) <= set(large.answers.rows)
    sample = sample_of(model, large)
    assert not sample.is_uniform
    assert sample.weights.sum() == pytest.approx(len(model.y), rel=0.3)
    (plain,) = rolling(model, [60], np.random.default_rng(0), climbs=False)
    assert sample_of(model, plain).is_uniform


def test_truths_are_of_the_rest_with_what_was_found(model):
    perfect = truth_of(model, np.where(model.y == 1, 1, 0), 1)
    assert perfect["recall"] == perfect["completeness"] == 1
    assert perfect["left"] + model.n_found[1] == round(perfect["prevalence"] * model.n_items)
    nothing = truth_of(model, np.zeros(len(model.y), np.int64), 1)
    assert math.isnan(nothing["recall"])
    assert (fixed_thresholds(model).decide(model.probabilities) == 1).sum() >= 30


def test_a_run_has_every_design_mode_and_goal():
    job = Job("digits@2", 0, ("uniform", "ladder", "campaign"), (100,), ("fixed", "f1"), 2, 80, None)
    frame = pd.DataFrame(run_job(job))
    assert set(frame["design"]) == {"uniform", "ladder", "campaign"}
    assert set(frame["rule"]) == {"fixed", "f1", PEEKING}
    text = "\n".join([*tables(frame), *goals(frame)])
    assert text.count("| guarantee |") == text.count("| default |") == 5
    hopeless = frame["truth"].map(lambda of: {**of, "precision": 0.0} if isinstance(of, dict) else of)
    assert "0% of the audits are telling" in "\n".join(goals(frame.assign(truth=hopeless)))
    assert text.count("peeking") == 2 and "at least 0.95" in text
