"""Progress of a round: it only grows, and what it raises ends the round."""

from __future__ import annotations

import numpy as np
import pytest
from rareloop.strategies.pool import Pool
from rareloop.strategies.rounds import Labels, RoundSettings, run_round
from rareloop.strategies.steps import Steps


class Stop(BaseException):
    pass


def a_pool():
    rng = np.random.default_rng(0)
    rows = np.arange(40)
    return Pool(rng.normal(size=(2_000, 4)).astype(np.float32)), Labels(rows, rows % 2, np.empty(0, np.int64), 2)


def told_by_a_round(progress):
    pool, labels = a_pool()
    return run_round(pool, labels, RoundSettings(wanted=(1,)), np.random.default_rng(0), None, progress)


def test_a_round_tells_its_steps_in_order_and_the_same_as_one_that_nobody_follows():
    told = []
    followed = told_by_a_round(lambda share, text: told.append((share, text)))
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1] <= 1) == (0.0, True)
    words = list(dict.fromkeys(text for _, text in told))
    assert words[:3] == ["looking up what is open", "fitting the model", "choosing what to ask next"]
    pool, labels = a_pool()
    alone = run_round(pool, labels, RoundSettings(wanted=(1,)), np.random.default_rng(0))
    assert followed.queries.rows.tolist() == alone.queries.rows.tolist()


@pytest.mark.parametrize(
    "step", ["fitting the model", "choosing what to ask next", "measuring the model on the labels"]
)
def test_a_round_ends_where_its_progress_says_so(step):
    def stop(share, text):
        if text == step:
            raise Stop

    with pytest.raises(Stop):  # not taken for the failure of a strategy
        told_by_a_round(stop)


def test_nothing_is_told_for_a_model_that_is_used_after_its_round():
    told = []
    result = told_by_a_round(lambda share, text: told.append(text))
    n = len(told)
    result.estimator.predict_proba(a_pool()[0].X[:3])
    assert len(told) == n


def test_a_part_has_its_own_words_and_a_step_done_twice_takes_nothing_back():
    told = []
    steps = Steps(lambda share, text: told.append((round(share, 3), text)))
    steps.begin(0.2, 0.6, "choosing")
    steps.within(0.5)
    steps.within(0.0)
    steps.part(0.75, "making the index")
    steps.pause()
    assert told == [
        (0.2, "choosing"), (0.4, "choosing"), (0.4, "choosing"), (0.5, "making the index"), (0.5, "choosing"),
    ]  # fmt: skip
