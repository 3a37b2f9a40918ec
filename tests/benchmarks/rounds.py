"""Seconds of one round against its floor line: predicting the whole pool once with scikit-learn.

    python tests/benchmarks/rounds.py --items 1000000 --features 64

A ratio of 1 means that the round costs what any strategy on the whole pool must cost. Trees
grown on this easy pool are small: those of real data take longer to score, and anchors save more.
Below the table: what a round with an audit of three stages takes, and all estimates and statements
after one more of its answers, without a new fit; seconds of CPU.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rareloop.dashboard.stopping import StopTask, stopping_report
from rareloop.strategies.audit import Answers, Rates, SealedAudit, Stage, model_rates, permanent_numbers
from rareloop.strategies.classifiers import CLASSIFIERS
from rareloop.strategies.pool import Pool
from rareloop.strategies.rounds import Labels, RoundSettings, re_estimate, run_round
from threadpoolctl import threadpool_limits

#: Name, settings; the prevalence is given, so that the correction is paid for too.
CASES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("logistic, margin", {}),
    ("logistic, margin, not cross-validated", {"cross_validate": False}),
    ("logistic, matched margin", {"query_correction": "matched"}),
    ("logistic, anchors", {"strategy": "anchors"}),
    ("forest, anchors", {"strategy": "anchors", "classifier": "forest"}),
)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--features", type=int, default=64)
    parser.add_argument("--labels", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=3, help="the median is reported")
    parser.add_argument("--threads", type=int, default=1, help="of BLAS and OpenMP")
    return parser.parse_args(arguments)


def make_pool(n_items: int, n_features: int, n_labels: int) -> tuple[Pool, Labels, NDArray[np.int64]]:
    """Noise with a class of 0.1 %, labels of which a tenth belong to it, and the truth."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_items, n_features), np.float32)
    y = np.zeros(n_items, np.int64)
    rare = rng.choice(n_items, max(n_items // 1_000, n_labels // 10), replace=False)
    X[rare] += 1
    y[rare] = 1
    common = rng.choice(np.flatnonzero(y == 0), n_labels - n_labels // 10, replace=False)
    rows = np.r_[rare[: n_labels // 10], common].astype(np.int64)
    return Pool(X), Labels(rows, y[rows], np.empty(0, np.int64), 2), y


def make_audit(n_items: int, y: NDArray[np.int64], n_answers: int) -> SealedAudit:
    """An audit of three stages, answered by the truth."""
    rng = np.random.default_rng(1)
    numbers = permanent_numbers(np.arange(n_items, dtype=np.uint64), 0)
    audit = SealedAudit(numbers, (Stage(Rates.uniform(n_items)),))
    for _ in range(3):
        rows = np.r_[audit.answers.rows, audit.questions(n_answers // 3)[0]]
        answers = Answers(rows, y[rows], np.zeros(len(rows), bool))
        audit = SealedAudit(numbers, audit.stages, answers)
        member = np.where(y == 1, rng.beta(5, 2, n_items), rng.beta(1, 60, n_items))
        *closed, last = audit.stages
        rates = model_rates(member, member > 0.5, 0.5)
        audit = SealedAudit(numbers, (*closed, Stage(last.rates, audit.reach), Stage(rates)), answers)
    return audit


def audited(pool: Pool, labels: Labels, y: NDArray[np.int64], repeats: int) -> tuple[float, float, float]:
    """Seconds of a round with an audit, of the estimates after one more answer, and of the statements."""
    audit = make_audit(pool.n_items, y, 300)
    settings = RoundSettings.from_dict({"wanted": [1], "strategy": "top"})
    task = StopTask({1: "rare"}, 0.9, {1: ()}, {1: 0})
    done: list[Any] = []

    def turn() -> None:
        done.append(run_round(pool, labels, settings, np.random.default_rng(1), audit).scoring)

    def fresh() -> SealedAudit:
        return SealedAudit(audit.numbers, audit.stages, audit.answers)

    return (
        seconds_of(turn, repeats, time.process_time),
        seconds_of(lambda: re_estimate(done[-1], labels, fresh()), repeats, time.process_time),
        seconds_of(lambda: stopping_report(task, fresh(), 1, labels), repeats, time.process_time),
    )


def seconds_of(call: Callable[[], Any], repeats: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """The median of a few runs."""
    taken = []
    for _ in range(repeats):
        began = clock()
        call()
        taken.append(clock() - began)
    return float(np.median(taken))


def floor_line(pool: Pool, labels: Labels, classifier: str, repeats: int) -> float:
    """Seconds of a plain `predict_proba` of the pool."""
    model = CLASSIFIERS[classifier].make(0).fit(pool.X[labels.rows], labels.classes)
    return seconds_of(lambda: model.predict_proba(pool.X), repeats)


def main(arguments: list[str] | None = None) -> None:
    """Measure and write the table."""
    given = parse(arguments)
    pool, labels, y = make_pool(given.items, given.features, given.labels)
    write = sys.stdout.write
    write(f"{given.items:,} x {given.features}, {given.labels} labels, {given.threads} thread(s)\n\n")
    write("| round | seconds | fit | query | metrics | floor | ratio |\n|---|---|---|---|---|---|---|\n")
    with threadpool_limits(given.threads):
        for name, values in CASES:
            settings = RoundSettings.from_dict(values | {"prevalence": [[1, 0.0005, 0.002]], "wanted": [1]})
            parts: list[dict[str, float]] = []

            def turn(settings: RoundSettings = settings, parts: list[dict[str, float]] = parts) -> None:
                parts.append(run_round(pool, labels, settings, np.random.default_rng(1)).seconds)

            taken = seconds_of(turn, given.repeats)
            floor = floor_line(pool, labels, settings.classifier, given.repeats)
            split = " | ".join(f"{np.median([p[k] for p in parts]):.2f}" for k in ("fit", "query", "metrics"))
            write(f"| {name} | {taken:.2f} | {split} | {floor:.2f} | {taken / floor:.2f} |\n")
        whole, anew, said = audited(pool, labels, y, given.repeats)
    write(
        f"\nround with an audit {whole:.2f} s; estimates after an answer {anew:.3f} s, statements {said:.3f} s\n"
    )


if __name__ == "__main__":
    main()
