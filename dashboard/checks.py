"""The checks of a workspace: gathers what the rules of `strategies` need, and runs them."""

from __future__ import annotations

import logging
import textwrap
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..data.audits import AuditRecord
from ..data.errors import InputError
from ..data.settings_file import SETTINGS_FILE
from ..data.tables import Progress
from ..data.workspace import Workspace
from ..later import Later
from ..strategies import audit_fitness, fitness, shift
from ..strategies.audit_fitness import Audited
from ..strategies.classifiers import classifier_spec
from ..strategies.crossval import fit_quietly
from ..strategies.fitness import Finding, Verdict, counted
from ..strategies.labels import Labels
from ..strategies.near_duplicates import near_groups
from ..strategies.pool import Pool
from ..strategies.priors import soften
from ..strategies.rows import Rows, blocks, predict_proba
from ..strategies.settings import RoundSettings
from .audits import AuditFiles, task_of
from .reasons import array_columns
from .training import labels_of

special = Later("scipy.special")

log = logging.getLogger(__name__)

MOST_LABELS = 20_000  # of which single features are compared with the classes
ORDER_SAMPLE = 100_000

LINE = 110
WORDS = {"pass": "passed", "warn": "warning", "fail": "failed", "open": "not yet"}
WIDEST_WORD = max(map(len, WORDS.values()))

Step = Callable[[], list[Finding]]


def run_checks(workspace: Workspace, pool: Pool | None = None, progress: Progress | None = None) -> list[Finding]:
    """All checks of a workspace, in the order in which they are shown; touches the whole pool.

    Parameters
    ----------
    pool
        The workspace's pool where it is open already, with what it has worked out.

    Raises
    ------
    InputError
        When the workspace has no roles or features yet, or its settings are damaged.
    """
    if not workspace.is_ready:
        raise InputError(f"{workspace.folder} is not ready to be checked: set it up first with rareloop serve")
    checks = _Checks(workspace, pool or Pool(workspace.features))
    steps = list(checks.steps())
    findings: list[Finding] = []
    for number, (text, step) in enumerate(steps):
        if progress is not None:
            progress(number / len(steps), text)
        findings += step()
    if progress is not None:
        progress(1.0, "checked")
    return findings


def checks_report(workspace: Workspace, findings: list[Finding]) -> dict[str, Any]:
    """Findings as JSON-able values: when they were made, on how many labels, and how many there are of each."""
    return {
        "workspace": workspace.name,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "items": workspace.table.n_rows,
        "labels": workspace.log.state().n_labelled,
        "counts": {verdict.value: sum(f.verdict == verdict for f in findings) for verdict in Verdict},
        "findings": [finding.to_dict() for finding in findings],
    }


def checks_text(report: dict[str, Any]) -> str:
    """A report of `checks_report` as an aligned table of at most 110 characters a line."""
    width = max(len(finding["rule"]) for finding in report["findings"])
    lines = [f"{report['workspace']}: {counted(report['labels'], 'label')} on {report['items']:,} items"]
    for finding in report["findings"]:
        head = f"  {WORDS[finding['verdict']]:<{WIDEST_WORD}}  {finding['rule']:<{width}}  "
        lines += textwrap.wrap(finding["text"], LINE, initial_indent=head, subsequent_indent=" " * len(head))
    lines.append("  " + ", ".join(f"{n} {WORDS[name]}" for name, n in report["counts"].items() if n))
    return "\n".join(lines)


# ---- what the audit was answered --------------------------------------------------------------------


def audited_of(workspace: Workspace, audit: AuditRecord | None, labels: Labels) -> Audited:
    """The sample of the audit under way with its inclusion probabilities as of now, and what models learn from.

    Parameters
    ----------
    labels
        What models learn from.
    """
    task = task_of(workspace, workspace.log.state(), audit)
    if task is None:
        nothing = np.empty(0, np.int64)
        return Audited(nothing, nothing, np.empty(0), labels.rows)
    sealed = AuditFiles(workspace).sealed_audit(task).beside(labels)
    inside = sealed.in_sample
    return Audited(
        sealed.answers.rows[inside], sealed.answers.classes[inside], sealed.inclusion[inside], labels.rows
    )


# ---- the checks -------------------------------------------------------------------------------------


def settings_of(workspace: Workspace) -> RoundSettings:
    """The stored settings of the rounds; raises InputError when one of them is not allowed any more."""
    try:
        return RoundSettings.from_dict(dict(workspace.settings.get("round") or {}))
    except ValueError as error:
        raise InputError(f"{error}; the setting is in {workspace.folder / SETTINGS_FILE}") from error


class _Checks:
    """One run of the checks: what several of them need is gathered once."""

    def __init__(self, workspace: Workspace, pool: Pool) -> None:
        self.workspace = workspace
        self.pool = pool
        self.rng = np.random.default_rng(0)
        self.names = list(workspace.taxonomy.names)
        self.settings = settings_of(workspace)
        audit = workspace.audits.current()
        labels = labels_of(workspace.log.state(), workspace, audit)
        self.audited = audited_of(workspace, audit, labels)
        self.rows, self.classes = labels.rows, labels.classes

    def steps(self) -> Iterator[tuple[str, Step]]:
        """What is checked, in words, and how."""
        yield "counting labels", self._labels
        yield "comparing equal items", self._duplicates
        yield "looking at the features", self._features
        yield "looking for leaks", self._leaks
        yield "looking at the columns", self._columns
        yield "placing the labels in the pool", self._coverage
        yield "looking at the audit", self._audit
        yield "comparing new rows with old ones", self._new_rows

    def _labels(self) -> list[Finding]:
        counts = np.bincount(self.classes, minlength=len(self.names))
        offered = [place for place, _ in self.workspace.taxonomy.offered]
        return [fitness.class_counts(counts[offered], [self.names[place] for place in offered])]

    def _duplicates(self) -> list[Finding]:
        audited = np.setdiff1d(self.audited.rows, self.rows)
        rows = np.concatenate([self.rows, audited])
        groups = near_groups(np.asarray(self.pool.X[rows], np.float32), self.rng)
        is_audited = np.arange(len(rows)) >= len(self.rows)
        return [
            fitness.conflicts(groups[~is_audited], self.classes),
            audit_fitness.duplicates(groups, is_audited),
        ]

    def _features(self) -> list[Finding]:
        report = self.workspace.feature_report
        low, high = (np.asarray(self.pool.X[0], np.float32).copy() for _ in range(2))
        for _, values in blocks(self.pool.X):
            np.minimum(low, values.min(axis=0), out=low)
            np.maximum(high, values.max(axis=0), out=high)
        return [
            fitness.constants(low == high, report.names, array_columns(report)),
            fitness.missing(self._missing_shares()),
        ]

    def _missing_shares(self) -> dict[str, float]:
        table, report = self.workspace.table, self.workspace.feature_report
        counts = {name: table.column(name).null_count for name in report.categories} | report.imputed
        return {name: n / (table.n_rows * report.widths.get(name, 1)) for name, n in counts.items()}

    def _leaks(self) -> list[Finding]:
        rows, classes = self.rows, self.classes
        if len(rows) > MOST_LABELS:
            drawn = np.sort(self.rng.choice(len(rows), MOST_LABELS, replace=False))
            rows, classes = rows[drawn], classes[drawn]
        values = np.asarray(self.pool.X[rows], np.float32)
        return [fitness.leaks(values, classes, self.workspace.feature_report.names, self.names)]

    def _columns(self) -> list[Finding]:
        table, names = self.workspace.table, self.workspace.roles.features
        kinds = {name: table.column(name).type for name in names}
        dates = [name for name, kind in kinds.items() if pa.types.is_timestamp(kind) or pa.types.is_date(kind)]
        rows = np.unique(np.linspace(0, table.n_rows - 1, ORDER_SAMPLE).astype(np.int64))
        ids, in_order = [], {}
        for name in names:
            if name in dates or not table.is_number(name):
                continue
            values = table.doubles(name)
            if fitness.names_rows(values):
                ids.append(name)
            else:
                in_order[name] = fitness.follows_order(values[rows])
        return [fitness.identifiers(ids), fitness.time_order(in_order, dates)]

    def _coverage(self) -> list[Finding]:
        landscape = self.pool.landscape(self.settings.metric)  # type: ignore[arg-type]
        cells = [landscape.cell_of(values) for _, values in blocks(Rows(self.pool.X, self.rows))]
        labelled = np.concatenate([np.empty(0, np.int64), *cells])
        return [fitness.coverage(landscape.cell, labelled, landscape.cells.n_clusters)]

    def _audit(self) -> list[Finding]:
        if self.workspace.rows_before:
            is_later = self.audited.rows >= self.workspace.rows_before[-1]
            periods = ("the old rows", "the new rows")
        else:
            n = len(self.audited.rows)
            is_later, periods = np.arange(n) >= n // 2, ("the first half of the audit", "the second half")
        return [
            audit_fitness.independence(self.audited),
            audit_fitness.propensities(self.audited),
            self._prior_state(),
            audit_fitness.prior_by_period(self.audited, is_later, self.names, periods),
        ]

    def _prior_state(self) -> Finding:
        newest = self.workspace.rounds.newest()
        if newest is None:
            return Finding("prior state", Verdict.OPEN, "No round has been run yet.")
        known = newest.report
        return fitness.prior_state(
            str(known.get("correction")),
            known.get("prevalence"),
            known.get("prevalence_low"),
            known.get("prevalence_high"),
        )

    # ---- new rows --------------------------------------------------------------------------------

    def _new_rows(self) -> list[Finding]:
        n_before = self.workspace.rows_before[-1:]
        if not n_before:
            text = "The table has not grown since labelling began, as far as is known."
            return [Finding("new rows", Verdict.OPEN, text)]
        every = np.arange(self.pool.n_items)
        old, new = (Rows(self.pool.X, rows) for rows in np.split(every, n_before))
        try:
            domain = shift.domain_auroc(old, new, self.rng)
            frechet = shift.compare_frechet(old, new, self.rng)
        except ValueError as error:  # too few rows
            return [Finding("new rows", Verdict.OPEN, f"New rows cannot be compared: {error}.")]
        return [fitness.new_rows(domain, frechet, self._score_stability(old, new))]

    def _score_stability(self, old: Rows, new: Rows) -> shift.Stability | None:
        """How the scores of a model fitted to the labels differ; None where none can be fitted."""
        if len(np.unique(self.classes)) < 2:
            return None
        try:
            model = classifier_spec(self.settings.classifier).make(0)
            fit_quietly(model, np.asarray(self.pool.X[self.rows], np.float32), self.classes)
            before, after = (self._scores(model, shift.sample_rows(side, self.rng)) for side in (old, new))
        except Exception:  # a classifier of the user's own may do anything
            log.warning("no model could be fitted for the check of the scores", exc_info=True)
            return None
        return shift.population_stability(before, after)

    def _scores(self, model: Any, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Log-odds of the most likely wanted class; without one, of not being the most frequent class."""
        probabilities = soften(predict_proba(model, X), len(self.rows))
        wanted = [i for i, c in enumerate(self.workspace.taxonomy) if c.wanted]
        is_wanted = np.isin(model.classes_, wanted)
        if not is_wanted.any():
            is_wanted = model.classes_ != np.bincount(self.classes).argmax()
        return np.asarray(special.logit(probabilities[:, is_wanted].max(axis=1)))
