"""Whether the estimates from the audit are right: their bias, and how often the truth is within their limits.

    python tests/benchmarks/honesty.py --seeds 20 --audits 20 --keep audits.jsonl --table table.md

A model is trained on actively chosen labels of a pool whose answers are known; then the rest of the pool is
audited again and again, from other random numbers. An audit is uniform, goes up the ladder of rates that
follow the model, or is a campaign in strata. Models are made once a set and seed. See `sets.py` for the data.

A model of many labels has reached nearly all members that it can find: its precision and recall on the rest
are 0, which any limits hold. So models are trained on few labels, and coverage counts the audits of those
whose true precision and recall lie between 5 and 95 %.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rareloop.dashboard.worker import capped_threads
from rareloop.strategies.audit import FIRST_STAGE
from rareloop.strategies.calibration import Objective, choose_thresholds
from rareloop.strategies.campaign import Tally, campaign_measures, draw
from rareloop.strategies.estimates import estimate
from rareloop.strategies.intervals import UNKNOWN
from rareloop.strategies.stopping import FIRST_LOOK, NEXT_LOOK, Look, share_found
from rareloop.strategies.strata import allocate, strata_of
from rareloop.strategies.totals import AuditSample, Draws, Rest
from rareloop.tests.benchmarks.audits import (
    Model,
    fixed_thresholds,
    make_model,
    matched,
    rolling,
    sample_of,
    truth_of,
)
from rareloop.tests.benchmarks.goals import met, reported
from tqdm import tqdm

SETS = "htru@1,clinc3@1,sdss@1,mnist@1,synth@1,mammography,cover,htru@0.2,clinc3@0.2,synth@0.2"
INTERVALS = ("precision", "recall", "f1", "prevalence", "left", "completeness", "purity", "ap", "auroc")
TELLING_OF = ("precision", "recall")
GOALS = ("precision", "recall", "f1", "prevalence")
LEAST_COVERAGE: dict[Any, float] = {300: 0.90, 1_000: 0.93}
LEAST_GUARANTEED = 0.95
PEEKING = "peeking"
MOST_WRONG = 0.05
TELLING = (0.05, 0.95)  # true precision and recall at which coverage says something


@dataclass(frozen=True)
class Job:
    """All audits of one model."""

    set: str
    seed: int
    designs: tuple[str, ...]
    sizes: tuple[int, ...]
    rules: tuple[str, ...]
    n_audits: int
    n_labels: int
    folder: Path | None


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default=SETS)
    parser.add_argument("--designs", default="uniform,ladder,campaign")
    parser.add_argument("--rules", default="fixed,f1", help="thresholds: fixed, f1 (chosen on the audit)")
    parser.add_argument("--sizes", default="300,1000", help="audit labels")
    parser.add_argument("--seeds", type=int, default=20, help="models a set")
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument("--audits", type=int, default=20, help="of each model, design and size")
    parser.add_argument("--labels", type=int, default=80, help="of a model; many leave nothing to be found")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="of the data; see sets.py")
    parser.add_argument("--keep", type=Path, help="audits are added to this file, and not made again")
    parser.add_argument("--table", type=Path, help="write the tables as Markdown")
    return parser.parse_args(arguments)


# ---- audits ----------------------------------------------------------------------------------------


def campaign(model: Model, n: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """One line a wanted class and mode of a campaign of n answers, planned from 50 uniform ones."""
    thresholds = fixed_thresholds(model)
    decided = thresholds.decide(model.probabilities)
    pilot = sample_of(model, next(rolling(model, [FIRST_STAGE], rng, climbs=False)))
    shares = [(float((pilot.classes == c).sum()) + 0.5) / (FIRST_STAGE + 1) for c in model.wanted]
    strata = strata_of(matched(model, pilot), decided, model.wanted)
    drawn = draw(strata, allocate(strata, n, shares), rng)
    n_strata, n_classes = len(strata.sizes), model.probabilities.shape[1]
    tally = Tally.of(drawn.strata.tolist(), model.y[drawn.positions].tolist(), n_strata, n_classes)
    for guarantee, c in itertools.product((False, True), model.wanted):
        values = campaign_measures(
            strata.sizes, strata.predicted, tally, c, int(model.n_found[c]), model.n_items, guarantee, rng
        )
        found = tally.found[:, c] * strata.sizes / np.maximum(tally.answered, 1)
        yield {
            "class": c,
            "guarantee": guarantee,
            "n_members": int(tally.found[:, c].sum()),
            "tp": float(found[strata.predicted == c].sum()),
            "crossed_tp": int(((decided == c) & (model.y == c)).sum()),
            "truth": truth_of(model, decided, c),
            "estimates": {name: values.get(name, UNKNOWN).to_list() for name in INTERVALS},
        }


DESIGNS = ("uniform", "ladder", "campaign")


def run_job(job: Job) -> list[dict[str, Any]]:
    """One line an audit, rule, mode and wanted class."""
    model = make_model(job.set, job.folder, job.seed, job.n_labels)
    lines = []
    for design, n, k in itertools.product(job.designs, job.sizes, range(job.n_audits)):
        if n >= len(model.y):
            continue
        head = {"set": job.set, "seed": job.seed, "design": design, "n": n, "audit": k}
        rng = np.random.default_rng([job.seed, n, k, DESIGNS.index(design)])
        if design == "campaign":
            lines += [head | {"rule": "fixed"} | line for line in campaign(model, n, rng)]
            continue
        (audit,) = rolling(model, [n], rng, climbs=design == "ladder")
        sample = sample_of(model, audit)
        for rule in job.rules:
            lines += [head | {"rule": rule} | line for line in _audited(model, sample, audit.numbers, rule, rng)]
        if n == max(job.sizes):
            lines += [head | {"rule": PEEKING} | line for line in peeking(model, n, rng, design == "ladder")]
    return lines


def peeking(model: Model, n: int, rng: np.random.Generator, climbs: bool) -> Iterator[dict[str, Any]]:
    """One line a wanted class: by how much the certain share of it was ever above the true one, in all looks."""
    ends = [FIRST_LOOK]
    while ends[-1] < n:
        ends.append(min(math.ceil(NEXT_LOOK * ends[-1]), n))
    histories: dict[int, list[Look]] = {c: [] for c in model.wanted}
    worst, certain = dict.fromkeys(model.wanted, -1.0), dict.fromkeys(model.wanted, 0.0)
    every = np.arange(len(model.y))
    for audit in rolling(model, ends, rng, climbs):
        sample, largest = sample_of(model, audit), 1 / float(audit.inclusion_of(every).min())
        for c in model.wanted:
            members = sample.classes == c
            n_found = int(model.n_found[c] + members.sum())
            look = Look(
                n_found=n_found,
                weights=tuple(np.maximum(sample.weights[members], 1.0).tolist()),
                equal=len(audit.stages) == 1,
                n_audited=len(sample.rows),
                n_rest=len(model.y) - len(sample.rows),
                largest=largest,
            )
            histories[c].append(look)
            certain[c] = share_found(histories[c], look).certain
            true = n_found / int(model.n_found[c] + (model.y == c).sum())
            worst[c] = max(worst[c], certain[c] - true)
    for c in model.wanted:
        yield {"class": c, "guarantee": True, "n_members": 0, "excess": worst[c], "certain": certain[c]}


def _audited(
    model: Model, sample: AuditSample, numbers: NDArray[np.float64], rule: str, rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    p = model.probabilities
    mine = p[sample.rows]
    chosen = fixed_thresholds(model)
    if rule == "f1":
        objectives = dict.fromkeys(model.wanted, Objective())
        chosen = choose_thresholds(mine, sample.classes, sample.weights, sample.numbers, objectives)
    rest = Rest.of(p, numbers, model.n_items, model.n_found, chosen)
    decided, crossed = chosen.decide(p), chosen.decide_crossed(p, numbers)
    truths = {c: truth_of(model, decided, c) for c in model.wanted}
    for guarantee in (False, True):
        made = estimate(sample, mine, rest, rng=rng, thresholds=chosen, guarantee=guarantee)
        for c in model.wanted:
            of = made.classes[c]
            intervals = {**of.measures, "ap": of.average_precision, "auroc": of.roc_area}
            draws = Draws(sample, rest.n_rest, rng, n_draws=1)
            inside = crossed[sample.rows] == c
            totals = draws.totals(sample.classes == c, inside, int((crossed == c).sum()))
            yield {
                "class": c,
                "guarantee": guarantee,
                "n_members": of.n_members,
                "tp": totals.tp.point,
                "crossed_tp": int(((crossed == c) & (model.y == c)).sum()),
                "truth": truths[c],
                "estimates": {name: intervals[name].to_list() for name in INTERVALS},
            }


# ---- many jobs --------------------------------------------------------------------------------------


def jobs_of(options: argparse.Namespace) -> list[Job]:
    """One job a set and seed, so sorted that an interrupted run has something of every set."""
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    return [
        Job(
            name,
            seed,
            tuple(options.designs.split(",")),
            tuple(int(n) for n in options.sizes.split(",")),
            tuple(options.rules.split(",")),
            options.audits,
            options.labels,
            options.folder,
        )
        for seed, name in itertools.product(seeds, options.sets.split(","))
    ]


def run_all(jobs: list[Job], n_jobs: int, keep: Path | None) -> pd.DataFrame:
    """Run what has not been kept, in processes, with a progress bar."""
    lines = [json.loads(line) for line in keep.read_text().splitlines()] if keep and keep.exists() else []
    known = {(line["set"], line["seed"]) for line in lines}
    missing = [job for job in jobs if (job.set, job.seed) not in known]
    with tqdm(total=len(missing), unit="model", disable=None) as bar:
        for made in _results(missing, n_jobs):
            lines += made
            if keep is not None:
                with keep.open("a") as file:
                    file.writelines(json.dumps(line) + "\n" for line in made)
            bar.update()
    return pd.DataFrame(lines)


def _results(jobs: list[Job], n_jobs: int) -> Iterator[list[dict[str, Any]]]:
    if not jobs:
        return
    with capped_threads(), ProcessPoolExecutor(n_jobs, mp_context=get_context("spawn")) as processes:
        for future in as_completed([processes.submit(run_job, job) for job in jobs]):
            yield future.result()


# ---- tables -----------------------------------------------------------------------------------------


def tables(frame: pd.DataFrame) -> list[str]:
    """Coverage, widths and bias by prevalence, design, size, rule and mode."""
    frame = _estimates(frame)
    keys = ["prevalence", "design", "n", "rule", "guarantee"]
    head = [*keys[:-1], "mode", "audits", *INTERVALS]
    out = ["", "### Share of audits whose 95 % limits hold the truth (mean width)", "", *_head(head)]
    for key, group in frame[frame["telling"]].groupby(keys):
        cells = [_coverage(group, name) for name in INTERVALS]
        mode = "guarantee" if key[-1] else "default"
        out.append(_line([*key[:-1], mode, len(group), *cells]))
    out += [
        "",
        "### Relative bias of totals (± standard error over models)",
        "",
        *_head([*keys[:-1], "left", "predicted members"]),
    ]
    for key, group in frame[~frame["guarantee"]].groupby(keys[:-1]):
        truths = group["truth"].map(lambda known: known["left"]).astype(float)
        shown = group["estimates"].map(lambda of: of["left"][0]).astype(float)
        left = _bias(group, shown, truths)
        tp = _bias(group, group["tp"], group["crossed_tp"].astype(float))
        out.append(_line([*key, left, tp]))
    return out


def _estimates(frame: pd.DataFrame) -> pd.DataFrame:
    """The lines of estimates, with the prevalence of their sets, and whether they are telling."""
    lines = frame[frame["rule"] != PEEKING]
    telling = [all(TELLING[0] <= of[name] <= TELLING[1] for name in TELLING_OF) for of in lines["truth"]]
    lines = lines.assign(telling=telling)
    return lines.assign(prevalence=lines["set"].map(lambda name: "0.2 %" if name.endswith("@0.2") else "≥ 1 %"))


def _head(names: list[str]) -> list[str]:
    return [_line(names), "|" + " --- |" * len(names)]


def _line(cells: list[Any]) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _intervals(group: pd.DataFrame, name: str) -> NDArray[np.float64]:
    """Truth, low and high ``(n, 3)`` where all are known."""
    truths = group["truth"].map(lambda known: known[name]).to_numpy(float)
    limits = np.array([of[name][1:] for of in group["estimates"]], float)
    columns = np.column_stack([truths, limits])
    return columns[np.isfinite(columns).all(axis=1)]


def coverage(group: pd.DataFrame, name: str) -> float:
    """The share of the audits with limits whose limits hold the truth; NaN without any."""
    columns = _intervals(group, name)
    if not len(columns):
        return math.nan
    truths, low, high = columns.T
    return float(np.mean((low <= truths + 1e-9) & (truths <= high + 1e-9)))


def _coverage(group: pd.DataFrame, name: str) -> str:
    columns = _intervals(group, name)
    if not len(columns):
        return "–"
    width = float((columns[:, 2] - columns[:, 1]).mean())
    said = len(columns) / len(group)
    return f"{coverage(group, name):.3f} ({width:.3g})" + (f" in {said:.0%}" if said < 0.995 else "")


def _bias(group: pd.DataFrame, estimates: pd.Series, truths: pd.Series) -> str:
    """The error as a share of the truth, both summed; the standard error is that of the models' sums."""
    by = [group["set"], group["seed"]]
    errors, sums = (estimates - truths).groupby(by).sum(), truths.groupby(by).sum()
    total = max(float(sums.sum()), 1e-9)
    bias = float(errors.sum()) / total
    spread = float((errors - bias * sums).std(ddof=1)) * math.sqrt(len(errors)) / total
    return f"{bias:+.3f} ± {spread:.3f}"


def goals(frame: pd.DataFrame) -> list[str]:
    """What the estimates have to meet, and whether they do."""
    out = ["", "### Goals", ""]
    for name, runs in frame[frame["rule"] == PEEKING].groupby("design"):
        wrong, n = float((runs["excess"] > 1e-9).mean()), len(runs)
        error = math.sqrt(wrong * (1 - wrong) / n)
        out.append(
            f"- {name}, peeking: the share found was claimed too high at some look in {wrong:.3f} ± {error:.3f} "
            f"of {n}, at most {MOST_WRONG}: {met(wrong <= MOST_WRONG)}; at the end at least "
            f"{runs['certain'].mean():.2f} were certain on average"
        )
    lines = _estimates(frame)
    out.append(f"- {lines['telling'].mean():.0%} of the audits are telling; the others do not count below")
    for key, group in lines[lines["telling"]].groupby(["prevalence", "design", "n", "guarantee"]):
        prevalence, design, size, guarantee = tuple(key)
        least = LEAST_GUARANTEED if guarantee else LEAST_COVERAGE.get(size, 0.0)
        shares = {measure: coverage(group, measure) for measure in GOALS}
        words = ", ".join(f"{measure} {share:.3f}" for measure, share in shares.items())
        head = f"{prevalence}, {design}, {size} labels, {'guarantee' if guarantee else 'default'}"
        out.append(f"- {head} ({len(group)}): {words}, at least {least}: {met(min(shares.values()) >= least)}")
    return out


def main() -> None:
    """Run, and print the tables and the goals."""
    options = parse()
    reported(lambda: run_all(jobs_of(options), options.jobs, options.keep), [tables, goals], options.table)


if __name__ == "__main__":
    main()
