"""However often one looks at the share found, it is above the truth as seldom as said."""

from __future__ import annotations

import numpy as np
import pytest
from rareloop.strategies.audit import Answers, Rates, SealedAudit, Stage, model_rates
from rareloop.strategies.stopping import Look, due, share_found
from scipy.stats import binom

ALPHA = 0.05
N_ITEMS, STEP, N_STEPS = 2_000, 20, 30
N_SEEDS = 300
TOLERATED = binom.ppf(0.999, N_SEEDS, ALPHA)


def pool(prevalence, strength, target, rng):
    """The classes, the learner's order, and its scores; a bit less than the target can be found."""
    n_members = int(prevalence * N_ITEMS)
    y = np.zeros(N_ITEMS, np.int64)
    y[:n_members] = 1
    keys = rng.exponential(size=N_ITEMS) / np.where(y == 1, strength, 1.0)
    n_findable = int(np.ceil(target * n_members)) - 2
    keys[n_findable:n_members] += 1e6
    scores = np.clip(rng.beta(1, 60, N_ITEMS) + (keys < 1) * y * rng.random(N_ITEMS), 1e-4, 1 - 1e-4)
    scores[n_findable:n_members] = 1e-4  # what the learner does not find it does not suspect
    return y, np.argsort(keys), scores


def look_at(audit, y, asked):
    """One look, and the share that has in truth been found of what counts as found."""
    rows = audit.answers.rows
    inside = audit.in_sample & ~asked[rows]
    sample, pi = rows[inside], audit.inclusion[inside]
    labelled = asked.copy()
    labelled[sample] = True
    rest = np.flatnonzero(~labelled)
    n_found = int(y[labelled].sum())
    look = Look(
        n_found,
        tuple((1 / pi[y[sample] == 1]).tolist()),
        len(audit.stages) == 1,
        len(sample),
        len(rest),
        float(1 / audit.inclusion_of(rest).min()) if len(rest) else 1.0,
    )
    return look, n_found / y.sum()


def followed(seed, prevalence, strength, target, staged):
    """Was `certain` ever above the share found, was it green too early, and their ratio at last."""
    rng = np.random.default_rng(seed)
    y, order, scores = pool(prevalence, strength, target, rng)
    rates = model_rates(scores, scores > 0.5, 0.5)
    audit = SealedAudit(rng.random(N_ITEMS), (Stage(Rates.uniform(N_ITEMS)),))
    asked, history = np.zeros(N_ITEMS, bool), []
    above = too_early = False
    for step in range(N_STEPS):
        asked[order[step * STEP : (step + 1) * STEP]] = True
        settled = np.flatnonzero(asked)
        stages = audit.stages
        if staged and audit.next_stage_is_due:
            stages = (*stages[:-1], Stage(stages[-1].rates, audit.reach), Stage(rates))
        audit = SealedAudit(audit.numbers, stages, audit.answers, settled)
        rows = np.r_[audit.answers.rows, audit.questions(STEP)[0]]
        audit = SealedAudit(audit.numbers, stages, Answers(rows, y[rows], asked[rows]), settled)
        now, truth = look_at(audit, y, asked)
        if due(now.n_audited, history):
            history.append(now)
        certain = share_found(history, now, ALPHA).certain
        above |= certain > truth + 1e-9
        too_early |= certain >= target > truth
    return above, too_early, certain / truth


@pytest.mark.slow
@pytest.mark.parametrize("staged", [False, True])
@pytest.mark.parametrize(
    ("prevalence", "strength", "target"), [(0.05, 30.0, 0.8), (0.15, 5.0, 0.8), (0.15, 30.0, 0.9), (0.3, 1.0, 0.5)]
)
def test_certain_is_seldom_above_the_share_found(prevalence, strength, target, staged):
    runs = np.array([followed(seed, prevalence, strength, target, staged) for seed in range(N_SEEDS)])
    above, too_early = runs[:, :2].sum(axis=0)
    assert too_early <= above <= TOLERATED
    assert runs[:, 2].mean() > 0.5  # and it says something
