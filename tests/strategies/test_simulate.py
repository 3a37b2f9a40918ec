"""The loop with a known answer."""

import numpy as np
import pytest
from rareloop.strategies import RoundSettings, simulate

from .pools import blobs


def run(strategy="margin", seed=0, start="warm", n_labels=120, batch=10, n_classes=3, **settings):
    X, y = blobs(n_items=2_000, n_classes=n_classes, share=0.02, seed=seed)
    return simulate(
        X[:1500], y[:1500], X[1500:], y[1500:],
        settings=RoundSettings(strategy=strategy, cross_validate=False, **settings),
        n_labels=n_labels, batch=batch, start=start, seed=seed, wanted=tuple(range(1, n_classes)),
    )  # fmt: skip


def test_one_record_a_round_up_to_the_budget():
    records = run(n_labels=125)
    assert [r["n_labels"] for r in records] == [62, 72, 82, 92, 102, 112, 122, 125]
    assert set(records[0]) == {
        "n_labels", "n_found", "n_total", "average_precision", "f1", "seconds_fit", "seconds_query"
    }  # fmt: skip
    found = [r["n_found"] for r in records]
    assert found == sorted(found)
    assert found[-1] <= records[0]["n_total"]


def test_the_same_seed_gives_the_same_records():
    def plain(records):
        return [{k: v for k, v in r.items() if not k.startswith("seconds")} for r in records]

    assert plain(run(seed=3)) == plain(run(seed=3))


@pytest.mark.parametrize("n_classes", [2, 4])
def test_searching_beats_random_over_seeds(n_classes):
    found = {
        strategy: np.array([run(strategy, seed, n_classes=n_classes)[-1]["n_found"] for seed in range(4)])
        for strategy in ("random", "margin", "top")
    }
    assert (found["margin"] > found["random"]).all()
    assert (found["top"] > found["random"] + 5).all()


def test_a_cold_start_begins_with_nothing():
    records = run(start="cold", n_labels=60)
    assert records[0]["n_labels"] == 0
    assert np.isnan(records[0]["average_precision"])
    assert records[-1]["n_found"] > 0


def test_it_ends_with_the_pool():
    X, y = blobs(n_items=60)
    records = simulate(
        X, y, X, y, settings=RoundSettings(), n_labels=500, batch=20, start="cold", seed=0, wanted=(1,)
    )
    assert records[-1]["n_labels"] == 60
    assert records[-1]["n_found"] == records[-1]["n_total"] == (y == 1).sum()


def test_each_record_is_told_at_once():
    X, y = blobs()
    told = []
    records = simulate(
        X, y, X, y, settings=RoundSettings(), n_labels=40, batch=10, seed=0, wanted=(1, 2), on_round=told.append
    )
    assert told == records
