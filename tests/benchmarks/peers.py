"""Our strategies and those of other packages: the same pools, start, seeds, answers, classifier and batch.

    python tests/benchmarks/peers.py --sets htru@1 --seeds 3 --labels 300
    python tests/benchmarks/peers.py --cost --items 100000 --features 384

Each package's own code is called; all run inside `rareloop.strategies.simulate`, so that nothing but the
choice of items differs. With two classes, uncertainty, margin and entropy rank items alike. Seconds are
those of fitting and querying in a round; the ratios are to `--reference` in the same run, paired by
seed. `--cost` compares one round on noise: a fit and the choice of a batch, in seconds of CPU. Packages
that are not installed are left out (``pip install rareloop[bench]``).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
from modAL.models import ActiveLearner
from numpy.typing import NDArray
from rareloop.strategies.base import RandomSampling
from rareloop.strategies.classifiers import CLASSIFIERS
from rareloop.strategies.mixture import Auto
from rareloop.strategies.pool import Pool
from rareloop.strategies.registry import STRATEGIES
from rareloop.strategies.rounds import Labels, RoundSettings, run_round
from rareloop.strategies.simulate import Start, simulate
from rareloop.tests.benchmarks.peer_strategies import PEERS, Peer, PeerSpec, Setting
from rareloop.tests.benchmarks.rounds import make_pool
from rareloop.tests.benchmarks.sets import DEFAULT, SETS, BenchmarkSet, load
from threadpoolctl import threadpool_limits
from tqdm import tqdm

#: The first of these that is on offer is what the others are compared with.
REFERENCES = ("auto", "top")
NO_ANCHORS = 10**9


@dataclass
class _Running:
    """The peer that is asked in the run that is under way, and why it failed."""

    peer: Peer | None = None
    error: Exception | None = None


running = _Running()


def ask(learner: Any, X_pool: NDArray[np.float32], n_instances: int = 1) -> NDArray[np.int64]:
    """What rounds call as a strategy of the user's own; keeps the error, since a round would go on at random."""
    assert running.peer is not None
    try:
        return running.peer(learner, X_pool, n_instances)
    except Exception as error:
        running.error = error
        raise


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=list(DEFAULT), choices=list(SETS), metavar="SET")
    parser.add_argument("--data", type=Path, help="folder of the data sets")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--labels", type=int, default=500)
    parser.add_argument("--batch", type=int, default=25)
    parser.add_argument("--start", choices=get_args(Start), default="warm")
    parser.add_argument("--classifier", choices=list(CLASSIFIERS), default="logistic")
    parser.add_argument("--ours", nargs="*", default=list(STRATEGIES), choices=list(STRATEGIES))
    parser.add_argument("--peers", nargs="*", default=list(PEERS), help="parts of the names of peers, or all")
    parser.add_argument(
        "--reference", choices=list(STRATEGIES), default=next(n for n in REFERENCES if n in STRATEGIES)
    )
    parser.add_argument("--cost", action="store_true", help="compare seconds of CPU of one round only")
    parser.add_argument("--items", type=int, default=100_000, help="with --cost")
    parser.add_argument("--features", type=int, default=384, help="with --cost")
    parser.add_argument("--repeats", type=int, default=3, help="with --cost; the median is reported")
    return parser.parse_args(arguments)


def chosen_peers(parts: Iterable[str]) -> tuple[list[PeerSpec], list[str]]:
    """Peers whose names have one of the parts and that are installed, and notes on those that are not."""
    asked = [spec for name, spec in PEERS.items() if any(part.lower() in name.lower() for part in parts)]
    notes = [f"{spec.name}: {', '.join(spec.missing)} is not installed" for spec in asked if spec.missing]
    return [spec for spec in asked if not spec.missing], notes


# ---- finding -----------------------------------------------------------------------------------------


@dataclass
class Results:
    """Of one strategy on one set, a value a seed."""

    found: list[float] = field(default_factory=list)
    precision: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def add(self, records: list[dict[str, Any]]) -> None:
        """Take what a run ends with; the first record, before anything was asked, has no round of its own."""
        self.found.append(records[-1]["n_found"])
        self.precision.append(records[-1]["average_precision"])
        rounds = records[:-1] or records
        self.seconds.append(statistics.fmean(r["seconds_fit"] + r["seconds_query"] for r in rounds))


def run(
    data: BenchmarkSet, strategy: str, peer: PeerSpec | None, seed: int, given: argparse.Namespace
) -> list[dict[str, Any]]:
    """Simulate one of our strategies, or a peer; raises what the peer raised."""
    settings = RoundSettings(
        strategy=strategy if peer is None else f"{__name__}:ask",
        classifier=given.classifier,
        audit_share=0.0,
        anchors_above=NO_ANCHORS,
        metric=data.metric,
        cross_validate=False,
    )
    n_classes = len(data.names)
    running.error = None
    running.peer = None if peer is None else peer.make(Setting(data.metric, n_classes, seed))

    def stop_at_errors(record: dict[str, Any]) -> None:
        if running.error is not None:
            raise running.error

    np.random.seed(seed)  # noqa: NPY002  (small-text draws from it)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return simulate(
            data.X, data.y, data.X_test, data.y_test, settings=settings, n_labels=given.labels, batch=given.batch,
            seed=seed, wanted=data.wanted, start=given.start, on_round=stop_at_errors,
        )  # fmt: skip


def compare(given: argparse.Namespace) -> None:
    """All runs, and a table a set."""
    peers, notes = chosen_peers(given.peers)
    ours = list(dict.fromkeys([given.reference, *given.ours]))
    bar = tqdm(total=len(given.sets) * given.seeds * (len(ours) + len(peers)), file=sys.stderr)
    for name in given.sets:
        results: dict[str, Results] = {}
        for seed in range(given.first_seed, given.first_seed + given.seeds):
            data = load(name, given.data, seed)
            for strategy, peer in [(s, None) for s in ours] + [("", p) for p in peers]:
                label = f"rareloop {strategy}" if peer is None else peer.name
                bar.set_description(f"{name} {seed} {label}")
                if peer is None or len(data.X) <= peer.largest:
                    try:
                        records = run(data, strategy, peer, seed, given)
                        results.setdefault(label, Results()).add(records)
                    except Exception as error:
                        notes.append(f"{label} failed on {name}, seed {seed}: {type(error).__name__}: {error}")
                elif seed == given.first_seed:
                    notes.append(f"{label} is left out on {name}: more than {peer.largest:,} items")
                bar.update()
        write_found(data, results, given)
    bar.close()
    sys.stdout.write("".join(f"{note}\n" for note in notes))


def mean_and_error(values: list[float]) -> tuple[float, float]:
    """Mean and standard error; the error of one value is unknown."""
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return statistics.fmean(values), error


def write_found(data: BenchmarkSet, results: dict[str, Results], given: argparse.Namespace) -> None:
    """The table of a set, most found first."""
    reference = results.get(f"rareloop {given.reference}")
    n_wanted, n_items = int(np.isin(data.y, data.wanted).sum()), len(data.y)
    write = sys.stdout.write
    write(f"\n{data.name}: {n_wanted} wanted of {n_items:,} x {data.X.shape[1]}; {given.labels} labels, ")
    write(f"{given.start} start, {given.classifier}, batch {given.batch}, {given.seeds} seeds\n\n")
    write("| strategy | found | / reference | AP | s a round | / reference |\n|---|---|---|---|---|---|\n")
    for label, result in sorted(results.items(), key=lambda pair: -statistics.fmean(pair[1].found)):
        found, found_error = mean_and_error(result.found)
        precision, precision_error = mean_and_error(result.precision)
        seconds = statistics.fmean(result.seconds)
        ratios = ("", "")
        if reference is not None:
            times = seconds / max(statistics.fmean(reference.seconds), 1e-9)
            ratios = (f"{found / max(statistics.fmean(reference.found), 1e-9):.2f}", f"{times:.2f}")
        write(f"| {label} | {found:.1f} ± {found_error:.1f} | {ratios[0]} ")
        write(f"| {precision:.3f} ± {precision_error:.3f} | {seconds:.3f} | {ratios[1]} |\n")
    sys.stdout.flush()


# ---- cost --------------------------------------------------------------------------------------------


def cpu_seconds(call: Callable[[], Any], repeats: int) -> float:
    """The median of a few runs, in seconds of this process on any core."""
    taken = []
    for _ in range(repeats):
        began = time.process_time()
        call()
        taken.append(time.process_time() - began)
    return statistics.median(taken)


def _round(pool: Pool, labels: Labels, settings: RoundSettings) -> None:
    run_round(pool, labels, settings, np.random.default_rng(0))


def compare_cost(given: argparse.Namespace) -> None:
    """Seconds of CPU of one round: our rounds, and a fit and a query of peers that score the whole pool."""
    peers, notes = chosen_peers(given.peers)
    pool, labels, _ = make_pool(given.items, given.features, n_labels=500)
    free = pool.available(labels.rows)
    X, X_pool, y = pool.X[labels.rows], pool.X[free], labels.classes
    write = sys.stdout.write
    write(f"{given.items:,} x {given.features}, {len(y)} labels, batch {given.batch}, one thread\n\n")
    write("| classifier | round | CPU s | / reference |\n|---|---|---|---|\n")
    ours = list(dict.fromkeys([given.reference, *(n for n in given.ours if n != RandomSampling.name)]))
    for classifier in ("logistic", "forest"):
        reference = float("nan")
        for strategy in ours:
            settings = RoundSettings(
                strategy=strategy, classifier=classifier, n_queries=given.batch, audit_share=0.0, wanted=(1,),
                anchors_above=RoundSettings.anchors_above if strategy == Auto.name else NO_ANCHORS,
                cross_validate=False,
            )  # fmt: skip
            taken = cpu_seconds(partial(_round, pool, labels, settings), given.repeats)
            reference = taken if strategy == given.reference else reference
            write(f"| {classifier} | rareloop {strategy} | {taken:.3f} | {taken / reference:.2f} |\n")
        for spec in (spec for spec in peers if spec.scores_pool):
            peer = spec.make(Setting("euclidean", 2, 0))
            make = CLASSIFIERS[classifier].make
            peer.follow(ActiveLearner(make(0), X_training=X, y_training=y), X_pool)

            def turn(peer: Peer = peer, make: Callable[[int], Any] = make) -> None:
                peer.choose(ActiveLearner(make(0), X_training=X, y_training=y), given.batch)

            taken = cpu_seconds(turn, given.repeats)
            write(f"| {classifier} | {spec.name} | {taken:.3f} | {taken / reference:.2f} |\n")
            sys.stdout.flush()
    write("".join(f"{note}\n" for note in notes))


def main(arguments: list[str] | None = None) -> None:
    """Compare and write the tables."""
    given = parse(arguments)
    with threadpool_limits(1):
        (compare_cost if given.cost else compare)(given)


if __name__ == "__main__":
    main()
