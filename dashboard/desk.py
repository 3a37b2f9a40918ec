"""What the worker process does: it prepares a workspace, fits models and scores pools, one task at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..data.audits import stage_path, store_codes
from ..data.errors import InputError
from ..data.workspace import Workspace
from ..strategies.audit import Rates, SealedAudit, Stage, permanent_numbers
from ..strategies.base import RandomSampling
from ..strategies.labels import Labels
from ..strategies.pool import Pool, pca_plane
from ..strategies.rounds import Round, re_estimate, run_round
from .audits import AuditFiles, AuditTask, NewStage
from .checks import checks_report, run_checks
from .frozen import Drawing, Frame, Frozen, certified, model_facts
from .pool_scores import CLUSTER, MODEL, Judge, ScoreFiles, write_clusters, write_model_scores, write_unlike
from .stopping import StopTask, stopping_report
from .worker import Progress, RoundResult, RoundTask, plane_path


class Desk:
    """What the worker process keeps between tasks: the workspace and its pool, opened once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._pool: Pool | None = None
        self._audits: AuditFiles | None = None
        self._scoring: Any = None  # what estimates need of the newest round's model
        self._frozen: Frozen | None = None  # what campaigns need of it
        self._judge: Judge | None = None  # what maps need of it

    @property
    def audits(self) -> AuditFiles:
        """The arrays of the workspace's audits."""
        if self._audits is None:
            self._audits = AuditFiles(Workspace.open(self.folder))
        return self._audits

    @property
    def pool(self) -> Pool:
        """The pool over the workspace's feature matrix."""
        if self._pool is None:
            self._pool = Pool(Workspace.open(self.folder).features)
        return self._pool

    def prepare(self, progress: Progress) -> None:
        """Build the features and the map's plane; touches the whole table."""
        workspace = Workspace.open(self.folder)
        workspace.prepare(progress=lambda share, text: progress(0.8 * share, text))
        target = plane_path(workspace)
        if not target.exists():
            progress(0.85, "placing the items on the map")
            plane, _ = pca_plane(workspace.features, np.random.default_rng(0))
            partial = target.with_suffix(".partial.npy")
            np.save(partial, plane)
            partial.replace(target)
        workspace.log.close()
        progress(1.0, "ready")

    def round(self, progress: Progress, task: RoundTask) -> RoundResult:
        """Run one round; touches the whole pool."""
        audit = None if task.audit is None else self.audits.sealed_audit(task.audit)
        result = run_round(
            self.pool, task.labels, task.settings, np.random.default_rng(task.seed), audit, progress
        )
        self._keep(result, task)
        stage = self._new_stage(task, result)
        # The page shows numbers; the fitted model and what belongs to it stay here.
        result.estimator = result.scoring = result.next_rates = None
        number = None if task.audit is None else task.audit.number
        stopping = (
            None if task.stop is None else stopping_report(task.stop, audit, number, task.labels, result.estimates)
        )
        return RoundResult(result, stage, stopping)

    def _keep(self, result: Round, task: RoundTask) -> None:
        """Keep what later tasks need of a round's model."""
        self._scoring = result.scoring
        self._freeze(result, task.number)
        self._judge = Judge.of(self.pool, result, task.labels, task.settings, task.number)

    def _recover(self, progress: Progress, newest: RoundTask | None) -> None:
        """Make the model of the newest round again where a process before this one had it, and was killed."""
        if self._judge is None and newest is not None:
            audit = None if newest.audit is None else self.audits.sealed_audit(newest.audit)
            self._keep(self._model_of(newest, audit, progress), newest)

    def _model_of(self, task: RoundTask, audit: SealedAudit | None, progress: Progress) -> Round:
        """A round for its model alone: that does not depend on what is asked, so nothing is chosen or measured."""
        settings = replace(task.settings, strategy=RandomSampling.name, cross_validate=False)
        rng = np.random.default_rng(task.seed)
        result = run_round(self.pool, task.labels, settings, rng, audit, progress)
        if result.scoring is not None:
            result.scoring.settings = task.settings
        return result

    def _new_stage(self, task: RoundTask, result: Round) -> NewStage | None:
        """Keep the rates of a new stage of the audit in a file, before anything is asked by them."""
        if task.audit is None or result.audit is None or result.next_rates is None:
            return None
        path = stage_path(self.folder, task.audit.number, len(task.audit.stages))
        store_codes(path, result.next_rates.codes)
        levels = tuple(float(level) for level in result.next_rates.levels)
        return NewStage(task.audit.number, float(result.audit["reach"]), levels, path.name)

    def estimate(
        self,
        progress: Progress,
        labels: Labels,
        task: AuditTask,
        stop: StopTask,
        newest: RoundTask | None = None,
    ) -> dict[str, Any]:
        """Estimates and statements with the model of the newest round and new answers; touches the whole pool."""
        self._recover(progress, newest)
        audit = self.audits.sealed_audit(task)
        estimates = None if self._scoring is None else re_estimate(self._scoring, labels, audit)
        return {"estimates": estimates, "stopping": stopping_report(stop, audit, task.number, labels, estimates)}

    def scores(
        self, progress: Progress, kind: str, names: tuple[str, ...], newest: RoundTask | None = None
    ) -> ScoreFiles:
        """Write what maps and rules know of every item, by the newest round; touches the whole pool."""
        self._recover(progress, newest)
        folder = self.folder / "cache" / "scores"
        if kind == MODEL:
            return write_model_scores(folder, self._judge, names, progress)
        if kind == CLUSTER:
            return write_clusters(folder, self._judge, self.pool, progress)
        return write_unlike(folder, self._judge, self.pool, progress)

    # ---- campaigns -------------------------------------------------------------------------------

    def plan_campaign(
        self, progress: Progress, task: RoundTask, names: Sequence[str], sizes: Sequence[int]
    ) -> dict[str, Any]:
        """What campaigns of several sizes would tell of the newest round's model; may score the whole pool."""
        return self._frame(progress, task, names)[1].plan(sizes)

    def draw_campaign(
        self, progress: Progress, task: RoundTask, names: Sequence[str], n: int, seed: int
    ) -> tuple[Drawing, dict[str, Any]]:
        """The questions of a campaign about the newest round's model, and what is frozen of it."""
        frozen, frame = self._frame(progress, task, names)
        return frame.draw(n, seed), model_facts(frozen, names)

    def certify(self, progress: Progress, *arguments: Any) -> dict[str, Any]:
        """The certificate of a campaign, see `frozen.certified`."""
        return certified(*arguments)

    def _freeze(self, result: Round, number: int) -> None:
        scoring = result.scoring
        self._frozen = None if scoring is None else Frozen(scoring, number, result.prevalence, result.n_labels)

    def _frame(self, progress: Progress, task: RoundTask, names: Sequence[str]) -> tuple[Frozen, Frame]:
        if not task.settings.wanted:
            raise InputError("no class is looked for: choose one in the Strategy tab first")
        audit = None if task.audit is None else self.audits.sealed_audit(task.audit)
        if audit is None:
            numbers = permanent_numbers(self.audits.workspace.ids.keys(), task.seed)
            audit = SealedAudit(numbers, (Stage(Rates.uniform(len(numbers))),))
        if self._frozen is None or self._frozen.wanted != task.settings.wanted:
            self._freeze(self._model_of(task, audit, progress), 0)
        if self._frozen is None:
            raise InputError("there is no model yet: label items of at least two classes first")
        return self._frozen, self._frozen.frame(task.labels, audit, names, progress)

    def checks(self, progress: Progress) -> dict[str, Any]:
        """Run the checks; touches the whole pool."""
        workspace = Workspace.open(self.folder)
        try:
            return checks_report(workspace, run_checks(workspace, self.pool, progress))
        finally:
            workspace.close()
