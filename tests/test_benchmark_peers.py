"""Peers are asked in the very simulation that our own strategies run in."""

from dataclasses import dataclass

import numpy as np
import pytest
from modAL.models import ActiveLearner
from sklearn.linear_model import LogisticRegression

from .benchmarks import peers
from .benchmarks.peer_strategies import PEERS, Peer, PeerSpec, Setting
from .benchmarks.sets import load


@pytest.fixture(scope="module", name="data")
def small_set():
    return load("digits@2", seed=0)


@pytest.fixture(name="given")
def command_line():
    return peers.parse(["--sets", "digits@2", "--labels", "150", "--batch", "10", "--seeds", "1"])


class Last(Peer):
    """Asks the last items of the pool, and keeps the pool that it was shown."""

    def __call__(self, learner, X_pool, n_instances=1):
        self.shown = X_pool
        return super().__call__(learner, X_pool, n_instances)

    def choose(self, learner, n):
        return self.free[-n:]


def test_margin_of_modal_finds_what_our_margin_finds(data, given):
    ours = peers.run(data, "margin", None, 0, given)
    theirs = peers.run(data, "", PEERS["modAL margin"], 0, given)
    assert [r["n_labels"] for r in ours] == [r["n_labels"] for r in theirs]
    assert [r["n_found"] for r in ours] == [r["n_found"] for r in theirs]
    assert ours[-1]["average_precision"] == pytest.approx(theirs[-1]["average_precision"])
    assert 5 <= ours[0]["n_found"] < ours[-1]["n_found"]


def test_a_peer_knows_every_row_in_one_order(data, given):
    peer = Last(Setting("euclidean", 2, 0))
    records = peers.run(data, "", PeerSpec("last", (), lambda setting: peer), 0, given)
    assert records[-1]["n_labels"] == 150
    assert len(peer.free) + len(peer.labelled) == len(peer.X) == len(data.X)
    np.testing.assert_array_equal(np.sort(peer.X, axis=0), np.sort(data.X, axis=0))
    np.testing.assert_array_equal(peer.shown, peer.X[peer.free])


def test_a_peer_that_fails_stops_the_run_instead_of_going_on_at_random(data, given):
    class Failing(Peer):
        def choose(self, learner, n):
            raise MemoryError("too large")

    with pytest.raises(MemoryError, match="too large"):
        peers.run(data, "", PeerSpec("failing", (), Failing), 0, given)


def test_other_labels_than_those_that_were_asked_are_noticed(data):
    @dataclass
    class Learner:
        X_training: np.ndarray

    peer = Last(Setting("euclidean", 2, 0))
    peer(Learner(data.X[:20]), data.X[20:], 5)
    with pytest.raises(RuntimeError, match="other items were labelled"):
        peer.follow(Learner(data.X[:25]), data.X[25:])


def test_every_peer_that_is_installed_chooses_items_of_the_pool(data):
    y = data.y[:300].copy()
    learner = ActiveLearner(LogisticRegression(), X_training=data.X[:300], y_training=y)
    specs = [spec for spec in PEERS.values() if not spec.missing]
    assert len(specs) >= 3
    for spec in specs:
        positions = spec.make(Setting("euclidean", 2, 0))(learner, data.X[300:], 5)
        assert len(np.unique(positions)) == 5, spec.name
        assert positions.min() >= 0 and positions.max() < len(data.X) - 300, spec.name


def test_the_tables_name_all_strategies_and_leave_out_what_is_not_installed(data, given, capsys, monkeypatch):
    absent = PeerSpec("absent strategy", ("no_such_package",), Last)
    monkeypatch.setitem(peers.PEERS, "absent strategy", absent)
    small = ["--sets", "digits@2", "--labels", "120", "--batch", "20", "--seeds", "2", "--ours", "margin"]
    peers.main([*small, "--reference", "margin", "--peers", "modal margin", "absent"])
    table = capsys.readouterr().out
    assert "absent strategy: no_such_package is not installed" in table
    assert "23 wanted of 1,159" in table
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| ") and "±" in line]
    assert {row[0] for row in rows} == {"| rareloop margin", "| modAL margin"}
    assert {row[2] for row in rows} == {"1.00"}


def test_costs_are_ratios_to_our_round(capsys):
    peers.main(
        ["--cost", "--items", "2000", "--features", "4", "--repeats", "1", "--peers", "modal", "--ours", "margin"]
    )
    table = capsys.readouterr().out
    for classifier in ("logistic", "forest"):
        assert f"| {classifier} | modAL entropy |" in table
        assert f"| {classifier} | rareloop margin |" in table
    reference = peers.parse([]).reference
    line = next(row for row in table.splitlines() if f"rareloop {reference} |" in row)
    assert line.endswith("| 1.00 |")
