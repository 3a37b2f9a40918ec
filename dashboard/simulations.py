"""The `simulate` command: many runs of the loop with a known answer, in parallel, which can go on later."""

from __future__ import annotations

import argparse
import itertools
import json
import math
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
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
from ..data.tables import fingerprint, import_table
from ..data.workspace import Workspace
from ..strategies.rounds import RoundSettings
from ..strategies.simulate import simulate
from ..version import __version__
from .simulation_honesty import with_columns
from .simulation_jobs import Finished, OnRound, run_all
from .simulation_plots import check_plot
from .simulation_store import Records, Run, RunStore
from .worker import THREADS

RARE_SHARE = 0.05
OUTPUTS = (".parquet", ".csv")
NESTED = ("arms", "hits", "messages")


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
    metric: str = "euclidean"
    seeds: range = range(5)
    test_share: float = 0.3
    audit_share: float = 0.0
    n_jobs: int = 1
    against: str | None = None
    output: Path | None = None
    plot: Path | None = None
    restart: bool = False

    @classmethod
    def from_options(cls, options: argparse.Namespace) -> Plan:
        """The plan that the command line asks for.

        Raises
        ------
        InputError
            When a number is out of range, a strategy or classifier is not known, or a file cannot be
            what it is named.
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
            metric=options.metric,
            seeds=range(options.first_seed, options.first_seed + options.seeds),
            test_share=options.test_share,
            audit_share=options.audit_share,
            n_jobs=options.jobs,
            against=options.against,
            output=options.output,
            plot=options.plot,
            restart=options.restart,
        )
        plan.check()
        return plan

    def check(self) -> None:
        """Raise InputError for numbers that make no sense, names that do not exist, and files that cannot be."""
        for value, flag in ((self.n_labels, "--labels"), (self.batch, "--batch"), (self.n_jobs, "--jobs"),
                            (len(self.seeds), "--seeds")):  # fmt: skip
            if value < 1:
                raise InputError(f"{flag} must be at least 1")
        if self.seeds.start < 0:
            raise InputError("--first-seed must be at least 0")
        if not 0 < self.test_share < 1:
            raise InputError("--test-share must lie between 0 and 1")
        if self.against is not None and self.against not in self.strategies:
            raise InputError(
                f"--against {self.against} is not among the strategies ({', '.join(self.strategies)}): add it "
                "to --strategy"
            )
        self._check_files()
        for strategy, classifier in itertools.product(self.strategies, self.classifiers):
            self.settings(strategy, classifier)

    def _check_files(self) -> None:
        if self.output is not None and self.output.suffix not in OUTPUTS:
            raise InputError(f"--output {self.output} must end in {' or '.join(OUTPUTS)}")
        for path, flag in ((self.output, "--output"), (self.plot, "--plot")):
            if path is not None and not path.parent.is_dir():
                raise InputError(f"there is no folder {path.parent} for {flag}: make it first")
        if self.plot is not None:
            check_plot(self.plot)
        if self.restart and self.output is None:
            raise InputError(
                "--restart throws away the runs kept beside --output: name it, or leave --restart out"
            )

    def settings(self, strategy: str, classifier: str) -> RoundSettings:
        """The settings of the rounds of one run; ``anchors:top`` is anchors around `top`."""
        name, _, base = strategy.partition(":") if strategy.startswith("anchors:") else (strategy, "", "")
        given = {"strategy": name, "classifier": classifier, "audit_share": self.audit_share,
                 "n_queries": self.batch, "metric": self.metric,
                 "cross_validate": False} | ({"base": base} if base else {})  # fmt: skip
        try:
            return RoundSettings.from_dict(given)
        except ValueError as error:
            raise InputError(str(error)) from error

    @property
    def title(self) -> str:
        """What was done, for people."""
        sought = " ".join([self.label or "", ", ".join(self.rare)]).strip()
        subject = f"{self.source.name}, {sought}" if sought else self.source.name
        seeds = f"mean ± standard error of {len(self.seeds)} seeds" if len(self.seeds) > 1 else "one seed"
        return f"{subject}: {self.start} start, a round every {self.batch} labels, {seeds}"

    @property
    def runs(self) -> list[Run]:
        """Strategy, classifier and seed of each run; seed by seed, so that pairs are whole early."""
        return [(s, c, seed) for seed in self.seeds for s in self.strategies for c in self.classifiers]


@dataclass(frozen=True)
class Subject:
    """The table as arrays on disk: where the features are, the classes of its labelled rows, what is wanted.

    `facts` say what the table is, JSON-able and under the names that the user knows.
    """

    features: Path
    rows: NDArray[np.int64]
    classes: NDArray[np.int64]
    names: list[str]
    wanted: tuple[int, ...]
    facts: dict[str, Any] = field(default_factory=dict)


def run_plan(plan: Plan, say: Callable[[str], None] = lambda text: None) -> pd.DataFrame:
    """Make the runs of a plan that are not there yet, with a progress bar; writes ``plan.output``.

    Parameters
    ----------
    say
        Told how many runs are there already.

    Returns
    -------
    DataFrame
        One row a strategy, classifier, seed and round; see `strategies.simulate.simulate` for the other
        columns. In the file, those that hold lists are JSON.

    Raises
    ------
    InputError
        When the table, its columns or a file do not fit the plan, or a run fails.
    """
    with tempfile.TemporaryDirectory(prefix="rareloop-") as folder, ExitStack() as stack:
        subject = prepare_subject(plan, Path(folder))
        made: dict[Run, Records] = {}
        store: RunStore | None = None
        if plan.output is not None:
            store = stack.enter_context(RunStore(plan.output, plan_facts(plan, subject), restart=plan.restart))
            made = {run: store.runs[run] for run in plan.runs if run in store.runs}
        missing = [run for run in plan.runs if run not in made]
        if made:
            say(f"{len(made)} of {len(plan.runs)} runs are kept from before; {len(missing)} to go.")
        try:
            for run, records in stack.enter_context(closing(_make(plan, subject, missing))):
                if store is not None:
                    store.keep(run, records)
                made[run] = records
        except KeyboardInterrupt:
            if store is not None:
                say(f"Stopped: {len(made)} of {len(plan.runs)} runs are kept; the same command makes the others.")
            raise
    frame = to_frame(made)
    if plan.output is not None:
        write_frame(frame, plan.output)
    return frame


def _make(plan: Plan, subject: Subject, runs: list[Run]) -> Finished:
    """Make runs under a progress bar that moves with every round."""
    n_pool = len(subject.rows) - math.ceil(plan.test_share * len(subject.rows))
    total = len(runs) * min(plan.n_labels, n_pool)
    work = partial(run_one, plan, subject)
    with (
        tqdm(total=total, desc="simulating", unit=" labels", leave=False, disable=None) as bar,
        closing(run_all(work, runs, plan.n_jobs, lambda spent: bar.update(spent - bar.n))) as finished,
    ):
        yield from finished


def plan_facts(plan: Plan, subject: Subject) -> dict[str, Any]:
    """What runs must have in common to be compared: all of a plan but its strategies, classifiers and seeds."""
    return subject.facts | {
        "--labels": plan.n_labels,
        "--batch": plan.batch,
        "--start": plan.start,
        "--metric": plan.metric,
        "--infinite": plan.infinite,
        "--test-share": plan.test_share,
        "--audit-share": plan.audit_share,
        "version of rareloop": __version__,
    }


def to_frame(made: dict[Run, Records]) -> pd.DataFrame:
    """One row a strategy, classifier, seed and round."""
    frame = pd.DataFrame([record for records in made.values() for record in records])
    return frame.sort_values(["strategy", "classifier", "seed", "round"], ignore_index=True)


def write_frame(frame: pd.DataFrame, path: Path) -> None:
    """Write one row a round, lists as JSON; raises InputError when the file cannot be written."""
    flat = frame.assign(**{name: frame[name].map(json.dumps) for name in NESTED})
    try:
        if path.suffix == ".csv":
            flat.to_csv(path, index=False)
        else:
            flat.to_parquet(path, index=False)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror or error}): choose another --output"
        ) from error


def prepare_subject(plan: Plan, folder: Path) -> Subject:
    """Read the table, its features and its truth.

    Raises
    ------
    InputError
        When there is no label column, a wanted class does not occur, or the features do not fit.
    """
    if (plan.source / "workspace.toml").exists():
        workspace = Workspace.open(plan.source)
        table, roles, content = workspace.table, workspace.roles, workspace.fingerprint.sha256
    else:
        table = import_table(plan.source, folder / "table.arrow")
        roles, content = guess_roles(table), fingerprint(plan.source).sha256
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
    facts = {
        "table": content,
        "--label": roles.label,
        "--rare": [str(names[c]) for c in wanted],
        "--features": roles.features,
    }
    return Subject(target, known.astype(np.int64), codes.astype(np.int64), [str(n) for n in names], wanted, facts)


def _wanted(plan: Plan, names: list[str], codes: NDArray[np.int64], label: str) -> tuple[int, ...]:
    missing = [name for name in plan.rare if name not in names]
    if missing:
        known = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
        raise InputError(f"column '{label}' has no class '{missing[0]}' (it has {known}): correct --rare")
    if plan.rare:
        return tuple(sorted({names.index(name) for name in plan.rare}))
    shares = np.bincount(codes, minlength=len(names)) / len(codes)
    rare = tuple(int(i) for i in np.flatnonzero(shares < RARE_SHARE)) or (int(shares.argmin()),)
    return rare if len(rare) < len(names) else rare[:1]


def run_one(plan: Plan, subject: Subject, run: Run, on_round: OnRound) -> Records:
    """One run: hold rows out, then label by the truth; one record a round."""
    strategy, classifier, seed = run
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
            on_round=on_round,
        )
    return [
        {"strategy": strategy, "classifier": classifier, "seed": seed, "round": number}
        | with_columns(record, subject.names)
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


def _split(text: str | None) -> list[str]:
    return list(dict.fromkeys(name.strip() for name in (text or "").split(",") if name.strip()))
