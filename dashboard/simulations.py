"""The `simulate` command: many runs of the loop with a known answer, in parallel, and their summary."""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from ..data.errors import InputError
from ..data.features import build_features, open_features
from ..data.roles import check_roles, guess_roles
from ..data.tables import import_table
from ..data.workspace import Workspace
from ..strategies.rounds import RoundSettings
from ..strategies.simulate import simulate
from .worker import THREADS, capped_threads

RARE_SHARE = 0.05
OUTPUTS = (".parquet", ".csv")


@dataclass(frozen=True)
class Plan:
    """What is simulated: the table with its truth, and every strategy, classifier and seed."""

    source: Path
    label: str | None
    rare: list[str] = field(default_factory=list)
    features: list[str] = field(default_factory=list)
    id: str | None = None
    infinite: str = "error"
    strategies: list[str] = field(default_factory=lambda: ["margin"])
    classifiers: list[str] = field(default_factory=lambda: ["logistic"])
    n_labels: int = 500
    batch: int = 10
    start: str = "warm"
    seeds: range = range(5)
    test_share: float = 0.3
    random_share: float = 0.0
    n_jobs: int = 1
    output: Path | None = None

    @classmethod
    def from_options(cls, options: argparse.Namespace) -> Plan:
        """The plan that the command line asks for.

        Raises
        ------
        InputError
            When a number is out of range or a strategy or classifier is not known.
        """
        plan = cls(
            source=options.source,
            label=options.label,
            rare=options.rare or [],
            features=options.features or [],
            id=options.id,
            infinite=options.infinite,
            strategies=_split(options.strategy) or ["margin"],
            classifiers=_split(options.classifier) or ["logistic"],
            n_labels=options.labels,
            batch=options.batch,
            start=options.start,
            seeds=range(options.first_seed, options.first_seed + options.seeds),
            test_share=options.test_share,
            random_share=options.random_share,
            n_jobs=options.jobs,
            output=options.output,
        )
        plan.check()
        return plan

    def check(self) -> None:
        """Raise InputError for numbers that make no sense and names that do not exist."""
        for value, flag in ((self.n_labels, "--labels"), (self.batch, "--batch"), (self.n_jobs, "--jobs"),
                            (len(self.seeds), "--seeds")):  # fmt: skip
            if value < 1:
                raise InputError(f"{flag} must be at least 1")
        if not 0 < self.test_share < 1:
            raise InputError("--test-share must lie between 0 and 1")
        if self.output is not None and self.output.suffix not in OUTPUTS:
            raise InputError(f"--output {self.output} must end in {' or '.join(OUTPUTS)}")
        if self.output is not None and not self.output.parent.is_dir():
            raise InputError(f"there is no folder {self.output.parent} for --output: make it first")
        for strategy, classifier in itertools.product(self.strategies, self.classifiers):
            self.settings(strategy, classifier)

    def settings(self, strategy: str, classifier: str) -> RoundSettings:
        """The settings of the rounds of one run; ``anchors:top`` is anchors around `top`."""
        name, _, base = strategy.partition(":") if strategy.startswith("anchors:") else (strategy, "", "")
        given = {"strategy": name, "classifier": classifier, "random_share": self.random_share,
                 "n_queries": self.batch, "cross_validate": False} | ({"base": base} if base else {})  # fmt: skip
        try:
            return RoundSettings.from_dict(given)
        except ValueError as error:
            raise InputError(str(error)) from error


@dataclass(frozen=True)
class Subject:
    """The table as arrays on disk: where the features are, the classes of its labelled rows, what is wanted."""

    features: Path
    rows: NDArray[np.int64]
    classes: NDArray[np.int64]
    names: list[str]
    wanted: tuple[int, ...]


def run_plan(plan: Plan) -> pd.DataFrame:
    """Run everything of a plan, with a progress bar; writes ``plan.output`` when it is set.

    Returns
    -------
    DataFrame
        One row a strategy, classifier, seed and round.
    """
    with tempfile.TemporaryDirectory(prefix="rareloop-") as folder:
        subject = prepare_subject(plan, Path(folder))
        runs = list(itertools.product(plan.strategies, plan.classifiers, plan.seeds))
        records: list[dict[str, Any]] = []
        with tqdm(total=len(runs), desc="simulating", unit="run", leave=False, disable=None) as bar:
            for result in _run_all(plan, subject, runs):
                records += result
                bar.update()
    frame = pd.DataFrame(records).sort_values(["strategy", "classifier", "seed", "round"], ignore_index=True)
    if plan.output is not None:
        if plan.output.suffix == ".csv":
            frame.to_csv(plan.output, index=False)
        else:
            frame.to_parquet(plan.output, index=False)
    return frame


def prepare_subject(plan: Plan, folder: Path) -> Subject:
    """Read the table, its features and its truth.

    Raises
    ------
    InputError
        When there is no label column, a wanted class does not occur, or the features do not fit.
    """
    if (plan.source / "workspace.toml").exists():
        workspace = Workspace.open(plan.source)
        table, roles = workspace.table, workspace.roles
    else:
        table = import_table(plan.source, folder / "table.arrow")
        roles = guess_roles(table)
    roles.label = plan.label or roles.label
    if roles.label is None:
        raise InputError(f"{plan.source.name} has no column that looks like a label: name it with --label")
    roles.label_use = "truth"
    roles.id = plan.id or roles.id
    roles.features = [name for name in plan.features or roles.features if name != roles.label]
    check_roles(table, roles)
    truth = pd.Series(table.column(roles.label).cast("string").to_pandas())
    known = np.flatnonzero(truth.notna() & (truth != ""))
    codes, names = pd.factorize(truth.iloc[known], sort=True)
    wanted = _wanted(plan, list(names), codes, roles.label)
    target = folder / "features.npy"
    build_features(table, roles.features, target, infinite=plan.infinite)  # type: ignore[arg-type]
    return Subject(target, known.astype(np.int64), codes.astype(np.int64), [str(n) for n in names], wanted)


def _wanted(plan: Plan, names: list[str], codes: NDArray[np.int64], label: str) -> tuple[int, ...]:
    missing = [name for name in plan.rare if name not in names]
    if missing:
        known = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
        raise InputError(f"column '{label}' has no class '{missing[0]}' (it has {known}): correct --rare")
    if plan.rare:
        return tuple(names.index(name) for name in plan.rare)
    shares = np.bincount(codes, minlength=len(names)) / len(codes)
    rare = tuple(int(i) for i in np.flatnonzero(shares < RARE_SHARE)) or (int(shares.argmin()),)
    return rare if len(rare) < len(names) else rare[:1]


def run_one(plan: Plan, subject: Subject, strategy: str, classifier: str, seed: int) -> list[dict[str, Any]]:
    """One run: hold rows out, then label by the truth; one record a round."""
    features = open_features(subject.features)
    train, test = _split_rows(subject, plan.test_share, seed)
    with threadpool_limits(THREADS):
        records = simulate(
            features[subject.rows[train]],
            subject.classes[train],
            features[subject.rows[test]],
            subject.classes[test],
            settings=plan.settings(strategy, classifier),
            n_labels=plan.n_labels,
            batch=plan.batch,
            start=plan.start,  # type: ignore[arg-type]
            seed=seed,
            wanted=subject.wanted,
        )
    return [
        {"strategy": strategy, "classifier": classifier, "seed": seed, "round": number} | record
        for number, record in enumerate(records)
    ]


def _split_rows(subject: Subject, share: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of the pool and of the held-out rows, stratified where every class has two members."""
    positions = np.arange(len(subject.rows))
    stratify = subject.classes if np.bincount(subject.classes).min() > 1 else None
    try:
        return train_test_split(positions, test_size=share, random_state=seed, stratify=stratify)
    except ValueError:
        return train_test_split(positions, test_size=share, random_state=seed)


def _run_all(plan: Plan, subject: Subject, runs: list[tuple[str, str, int]]) -> Iterable[list[dict[str, Any]]]:
    """The records of each run as it ends; in processes of one thread each when there are several."""
    n_jobs = min(plan.n_jobs, len(runs))
    if n_jobs == 1:
        for run in runs:
            yield run_one(plan, subject, *run)
        return
    with capped_threads(), ProcessPoolExecutor(n_jobs, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(run_one, plan, subject, *run) for run in runs]
        for future in as_completed(futures):
            yield future.result()


def summarise(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard error over seeds of the last round of each strategy and classifier."""
    last = frame.sort_values("round").groupby(["strategy", "classifier", "seed"], as_index=False).last()
    grouped = last.groupby(["strategy", "classifier"])
    summary = pd.DataFrame({"seeds": grouped.size(), "labels": grouped["n_labels"].mean()})
    for name in ("n_found", "n_total", "average_precision", "f1"):
        summary[name] = grouped[name].mean()
        summary[f"{name}_se"] = grouped[name].std(ddof=1) / np.sqrt(grouped.size())
    means = frame.groupby(["strategy", "classifier"])
    summary["seconds_per_round"] = means["seconds_fit"].mean() + means["seconds_query"].mean()
    return summary.reset_index().sort_values("n_found", ascending=False, ignore_index=True)


def print_summary(frame: pd.DataFrame, say: Callable[[str], None]) -> None:
    """Print the summary as a table: mean ± standard error over the seeds."""
    header = (
        f"{'strategy':<18} {'classifier':<12} {'labels':>6} {'found':>15} {'of':>6} "
        f"{'AP':>14} {'F1':>14} {'s/round':>8}"
    )
    say(header)
    say("-" * len(header))
    for line in summarise(frame).itertuples():
        say(
            f"{line.strategy:<18} {line.classifier:<12} {line.labels:>6.0f} "
            f"{_plus_minus(line.n_found, line.n_found_se, 1):>15} {line.n_total:>6.0f} "
            f"{_plus_minus(line.average_precision, line.average_precision_se, 3):>14} "
            f"{_plus_minus(line.f1, line.f1_se, 3):>14} {line.seconds_per_round:>8.3f}"
        )


def _plus_minus(mean: Any, error: Any, digits: int) -> str:
    if not np.isfinite(mean):
        return "–"
    return f"{mean:.{digits}f}" + (f" ± {error:.{digits}f}" if np.isfinite(error) else "")


def _split(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]
