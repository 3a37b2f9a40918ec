"""How many rare items each strategy finds, by set and start, with the goals that `auto` has to meet.

    python tests/benchmarks/discovery.py --seeds 20 --first-seed 100 --keep runs.jsonl --table table.md

Every strategy labels the same pools from the same labels, by the true classes. Runs are kept in a file of
lines, so that a run that was interrupted goes on. See `sets.py` for the data.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rareloop.dashboard.simulation_report import difference
from rareloop.dashboard.worker import capped_threads
from rareloop.strategies.pool import Pool
from rareloop.strategies.settings import RoundSettings
from rareloop.strategies.simulate import labels_to, simulate
from rareloop.tests.benchmarks.goals import met, reported
from rareloop.tests.benchmarks.sets import load
from tqdm import tqdm

WARM_SETS = "htru@1,shuttle,mammography,clinc3@1,sdss@1,cover,mnist@1,digits@2,synth@1"
COLD_SETS = "htru@0.2,clinc3@0.2,synth@0.2,shuttle,sdss@1,mnist@1,cover,digits@2,mammography"
STRATEGIES = "auto,top,similar,margin,direct,tail,anchors:entropy,random"
COLD_STRATEGIES = "auto,lookout,contrast,unlike,coverage,random"
#: Where a cold start has to find its first rare item, in at least 80 % of the seeds.
FIRST_WITHIN = {"htru@0.2": 25, "clinc3@0.2": 100}
BEATEN = "anchors:entropy"


@dataclass(frozen=True)
class Job:
    """All strategies on one pool from one start."""

    set: str
    start: str
    seed: int
    strategies: tuple[str, ...]
    n_labels: int
    batch: int
    classifier: str
    folder: Path | None


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", help="by default all that the start is meant for")
    parser.add_argument("--starts", default="warm,biased,cold")
    parser.add_argument("--strategies", help="of warm and biased starts, and of cold ones")
    parser.add_argument("--classifier", default="logistic")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument("--labels", type=int, default=500, help="the budget; cold starts have 300")
    parser.add_argument("--batch", type=int, default=25)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="of the data; see sets.py")
    parser.add_argument("--keep", type=Path, help="runs are added to this file, and not made again")
    parser.add_argument("--table", type=Path, help="write the tables as Markdown")
    return parser.parse_args(arguments)


def jobs_of(options: argparse.Namespace) -> list[Job]:
    """One job a set, start and seed."""
    jobs = []
    for start in options.starts.split(","):
        cold = start == "cold"
        sets = (options.sets or (COLD_SETS if cold else WARM_SETS)).split(",")
        strategies = tuple((options.strategies or (COLD_STRATEGIES if cold else STRATEGIES)).split(","))
        n_labels = min(options.labels, 300) if cold else options.labels
        for seed, name in itertools.product(range(options.first_seed, options.first_seed + options.seeds), sets):
            jobs.append(
                Job(name, start, seed, strategies, n_labels, options.batch, options.classifier, options.folder)
            )
    return sorted(jobs, key=lambda job: job.seed)  # so that an interrupted run has something of every set


def run_job(job: Job) -> list[dict[str, Any]]:
    """One line a strategy: what it had found at the end of the budget, and when."""
    subject = load(job.set, job.folder, job.seed)
    pool = Pool(subject.X)
    return [_run(job, subject, pool, strategy) for strategy in job.strategies]


def _run(job: Job, subject: Any, pool: Pool, strategy: str) -> dict[str, Any]:
    name, _, base = strategy.partition(":")
    settings = RoundSettings.from_dict(
        {"strategy": name, "classifier": job.classifier, "metric": subject.metric, "audit_share": 0.0,
         "cross_validate": False} | ({"base": base} if base else {})
    )  # fmt: skip
    records = simulate(
        pool, subject.y, subject.X_test, subject.y_test, settings=settings, n_labels=job.n_labels,
        batch=job.batch, seed=job.seed, wanted=subject.wanted, start=job.start,  # type: ignore[arg-type]
        parts=subject.parts if subject.parts.max() > 0 else None, measure_rounds=False,
    )  # fmt: skip
    last, hits = records[-1], [hit for record in records for hit in record["hits"]]
    return {
        "set": job.set, "start": job.start, "seed": job.seed, "strategy": strategy, "labels": last["n_labels"],
        "classifier": job.classifier, "found": last["n_found"], "total": last["n_total"],
        "parts": last["n_parts_found"], "of_parts": last["n_parts"], "items": last["n_items"],
        "ap": last["average_precision"],
        "first": labels_to(hits, last["n_total"], 0.0),
        "seconds": float(np.mean([r["seconds_fit"] + r["seconds_query"] for r in records[1:]])),
        "messages": sorted({message for record in records for message in record["messages"]}),
    }  # fmt: skip


# ---- many jobs --------------------------------------------------------------------------------------


def run_all(jobs: list[Job], n_jobs: int, keep: Path | None) -> pd.DataFrame:
    """Run what has not been kept, in processes, with a progress bar."""
    lines = [json.loads(line) for line in keep.read_text().splitlines()] if keep and keep.exists() else []
    known = {(x["set"], x["start"], x["seed"], x["strategy"], x["classifier"]) for x in lines}
    open_jobs = [left for left in (_left(job, known) for job in jobs) if left.strategies]
    with tqdm(total=len(open_jobs), unit="pool", disable=None) as bar:
        for made in _results(open_jobs, n_jobs):
            lines += made
            if keep is not None:
                with keep.open("a") as file:
                    file.writelines(json.dumps(line) + "\n" for line in made)
            bar.update()
    wanted = {(j.set, j.start, j.seed, s, j.classifier) for j in jobs for s in j.strategies}
    key = ("set", "start", "seed", "strategy", "classifier")
    return pd.DataFrame([line for line in lines if tuple(line[k] for k in key) in wanted])


def _left(job: Job, known: set[tuple[Any, ...]]) -> Job:
    left = tuple(s for s in job.strategies if (job.set, job.start, job.seed, s, job.classifier) not in known)
    return Job(job.set, job.start, job.seed, left, job.n_labels, job.batch, job.classifier, job.folder)


def _results(jobs: list[Job], n_jobs: int) -> Iterator[list[dict[str, Any]]]:
    if not jobs:
        return
    with capped_threads(), ProcessPoolExecutor(n_jobs, mp_context=get_context("spawn")) as processes:
        for future in as_completed([processes.submit(run_job, job) for job in jobs]):
            yield future.result()


# ---- tables -----------------------------------------------------------------------------------------


def tables(frame: pd.DataFrame) -> list[str]:
    """One Markdown table a start."""
    out = []
    for start, runs in frame.groupby("start", sort=False):
        out += ["", f"### {start}", "", *(_cold_table(runs) if start == "cold" else _found_table(runs))]
    return out


def _found_table(runs: pd.DataFrame) -> list[str]:
    strategies = _in_order(runs["strategy"])
    rows = [f"| set (rare) | {' | '.join(strategies)} |", "| --- |" + " --- |" * len(strategies)]
    for name, of_set in runs.groupby("set", sort=False):
        by = dict(tuple(of_set.groupby("strategy")))
        best = max(by[s]["found"].mean() for s in strategies if s in by)
        cells = [_found(by[s], best) if s in by else "–" for s in strategies]
        rows.append(f"| {name} ({of_set['total'].mean():.0f}) | {' | '.join(cells)} |")
    return rows


def _in_order(strategies: pd.Series) -> list[str]:
    """Each strategy once, the mixture first."""
    return sorted(dict.fromkeys(strategies), key=lambda name: name != "auto")


def _found(runs: pd.DataFrame, best: float) -> str:
    found = runs["found"]
    text = f"{found.mean():.1f} ± {found.std(ddof=1) / np.sqrt(len(found)):.1f}"
    text = f"**{text}**" if found.mean() == best else text
    parts = (
        f", {runs['parts'].mean():.1f}/{runs['of_parts'].max():.0f} parts" if runs["of_parts"].max() > 1 else ""
    )
    return f"{text} (AP {runs['ap'].mean():.2f}{parts})"


def _cold_table(runs: pd.DataFrame) -> list[str]:
    strategies = _in_order(runs["strategy"])
    rows = [f"| set (rare) | {' | '.join(strategies)} |", "| --- |" + " --- |" * len(strategies)]
    for name, of_set in runs.groupby("set", sort=False):
        by = dict(tuple(of_set.groupby("strategy")))
        cells = [
            f"{_labels(float(by[s]['first'].median()))} / {_labels(_quantile(by[s]['first'], 0.8))}, "
            f"{by[s]['found'].mean():.1f}" if s in by else "–"
            for s in strategies
        ]  # fmt: skip
        rows.append(f"| {name} ({of_set['total'].mean():.0f}) | {' | '.join(cells)} |")
    return rows


def _quantile(values: pd.Series, share: float) -> float:
    return float(np.quantile(values, share, method="higher"))


def _labels(value: float) -> str:
    return f"{value:.0f}" if np.isfinite(value) else "never"


def goals(frame: pd.DataFrame) -> list[str]:
    """Each goal with what was measured, and whether it is met."""
    out = [""]
    for (start, name), runs in frame.groupby(["start", "set"], sort=False):
        by = {str(s): r.set_index("seed")["found"].sort_index() for s, r in runs.groupby("strategy")}
        if "auto" not in by:
            continue
        if start == "cold":
            out += _cold_goals(str(name), runs)
            continue
        singles = {s: found for s, found in by.items() if s != "auto"}
        best = max(singles, key=lambda s: float(singles[s].mean()))
        mean, error, low, high, _ = difference(by["auto"], by[best])
        spread = singles[best].std(ddof=1) / np.sqrt(len(singles[best]))
        out.append(
            f"- {start}, {name}: auto − best single ({best}) {mean:+.1f} ± {error:.1f} [{low:+.1f}, {high:+.1f}], "
            f"standard error of {best} {spread:.1f}: {met(mean >= -spread)}"
        )
        if BEATEN in by:
            ratio = by["auto"].mean() / max(by[BEATEN].mean(), 1e-9)
            goal = 1.3 if start == "biased" else 1.0
            out.append(f"- {start}, {name}: auto / {BEATEN} {ratio:.2f}, at least {goal}: {met(ratio >= goal)}")
    return out + _cold_in_all(frame)


def _cold_goals(name: str, runs: pd.DataFrame) -> list[str]:
    first = {s: r["first"] for s, r in runs.groupby("strategy")}
    out = []
    if name in FIRST_WITHIN:
        share = float((first["auto"] <= FIRST_WITHIN[name]).mean())
        goal = f"first within {FIRST_WITHIN[name]} labels in {share:.0%} of the seeds, at least 80 %"
        out.append(f"- cold, {name}: {goal}: {met(share >= 0.8)}")
    ratio = first["auto"].median() / _random_first(runs)
    out.append(f"- cold, {name}: median labels to the first {first['auto'].median():.0f}, {ratio:.2f} of random's")
    return out


def _cold_in_all(frame: pd.DataFrame) -> list[str]:
    """The median over the sets of the labels to the first find, as a share of random's."""
    runs = frame[(frame["start"] == "cold") & (frame["strategy"] == "auto")]
    if runs.empty:
        return []
    ratios = [of_set["first"].median() / _random_first(of_set) for _, of_set in runs.groupby("set")]
    goal = f"median labels to the first over {len(ratios)} sets {np.median(ratios):.2f} of random's, at most 0.25"
    return [f"- cold: {goal}: {met(float(np.median(ratios)) <= 0.25)}"]


def _random_first(runs: pd.DataFrame) -> float:
    """The median of a geometric wait, which a short run of random sampling does not see."""
    return float(np.log(2) * runs["items"].mean() / runs["total"].mean())


def main() -> None:
    """Run, and print the tables and the goals."""
    options = parse()
    frame = reported(lambda: run_all(jobs_of(options), options.jobs, options.keep), [tables, goals], options.table)
    for message in sorted({message for messages in frame["messages"] for message in messages}):
        print("message:", message)


if __name__ == "__main__":
    main()
