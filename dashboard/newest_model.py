"""The model of a workspace as of now: fitted as its newest round would, with all that it has learned from."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..data.audits import AuditRecord
from ..data.errors import InputError
from ..data.log_state import LogState
from ..data.recipes import FeatureRecipe
from ..data.roundlog import RoundRecord
from ..data.tables import Progress
from ..data.workspace import Workspace
from ..later import Later
from ..strategies.fitted import Fitted
from ..strategies.labels import Labels
from ..strategies.pool import Pool
from ..strategies.rounds import RoundSettings, fit_model
from ..version import __version__
from .audits import AuditFiles, AuditTask, current_audit, task_of
from .training import labels_of, round_settings

sklearn = Later("sklearn")

NOT_READY = "a model needs features, which are not built yet: open the workspace once with `rareloop serve`"


@dataclass(frozen=True)
class NewestModel:
    """A fitted model with its pool, the labels it knows, and where it comes from.

    `audit` is the one whose answers it has not seen, `round` the newest round, whose settings and seed it shares.
    """

    workspace: Workspace
    state: LogState
    fitted: Fitted
    recipe: FeatureRecipe
    pool: Pool
    labels: Labels
    settings: RoundSettings
    seed: int
    audit: AuditTask | None
    round: RoundRecord | None

    @property
    def classes(self) -> list[str]:
        """The names of its classes, in the order of its probabilities."""
        names = self.workspace.taxonomy.names
        return [names[c] for c in self.fitted.classes]

    @property
    def unlearnt(self) -> list[str]:
        """The classes on offer that it has no label of, and so no probability."""
        known = set(self.fitted.classes.tolist())
        return [c.name for place, c in self.workspace.taxonomy.shown if place not in known]

    @property
    def wanted(self) -> list[str]:
        """The classes that are looked for."""
        return [self.workspace.taxonomy.names[c] for c in self.settings.wanted]

    @property
    def is_of_round(self) -> bool:
        """Whether the newest round has measured this model: the same labels, classifier and correction."""
        if self.round is None:
            return False
        newest = self.workspace.log.events(newest_first=True, limit=1)
        if newest and newest[0].created_at > self.round.created_at:
            return False
        same = (self.round.settings.get(name) == value for name, value in self._decisive.items())
        return self.round.n_labels == self.n_labels and all(same)

    @property
    def n_labels(self) -> int:
        """Labels as rounds count them: those that it has learned from, and those of the audit."""
        audited = 0 if self.audit is None else int((self.audit.answers.classes >= 0).sum())
        return len(self.labels.rows) + audited

    @property
    def _decisive(self) -> dict[str, Any]:
        """The settings that a model depends on, as the round log has them."""
        names = ("classifier", "correction", "prevalence", "wanted", "objective", "objective_value", "beta")
        values = json.loads(json.dumps(self.settings.to_dict()))
        return {name: values[name] for name in names}

    @property
    def version(self) -> str:
        """What the model is called: rareloop's version, the classifier, and a digest of what it was made from."""
        return f"rareloop-{__version__}-{self.settings.classifier}-{self._digest()}"

    def _digest(self) -> str:
        """Twelve hexadecimal digits that depend on all that the model depends on."""
        facts = {
            "software": software(),
            "source": self.workspace.fingerprint.sha256,
            "recipe": self.recipe.to_dict(),
            "classes": self.workspace.taxonomy.names,
            "settings": self._decisive,
            "seed": self.seed,
            "rows": self.labels.rows.tolist(),
            "labels": self.labels.classes.tolist(),
            "audit": None if self.audit is None else [self.audit.number, *_answers(self.audit)],
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]

    def correction_facts(self) -> dict[str, Any]:
        """How the probabilities are corrected, JSON-able: with this and raw ones anybody can do the same."""
        fitted = self.fitted
        return {
            "kind": str(fitted.correction),
            "offsets": None if fitted.offsets is None else fitted.offsets.tolist(),
            "scale": None if fitted.scale is None else fitted.scale.tolist(),
            "n_labels": fitted.n_labels,
            "prevalence": [float(p) if np.isfinite(p) else None for p in fitted.prevalence],
            "prevalence_source": fitted.prevalence_source,
        }

    def threshold_facts(self) -> list[dict[str, Any]]:
        """From which probability on each class is predicted, and why."""
        return [
            {"value": float(value) if np.isfinite(value) else None, "source": source}
            for value, source in zip(self.fitted.thresholds, self.fitted.threshold_sources, strict=True)
        ]

    def provenance(self) -> dict[str, Any]:
        """Where it comes from, JSON-able."""
        workspace, taxonomy = self.workspace, self.workspace.taxonomy
        counts = np.bincount(self.labels.classes, minlength=len(taxonomy))
        return {
            "workspace": workspace.name,
            "source": workspace.source.name,
            "source_sha256": workspace.fingerprint.sha256,
            "n_items": workspace.table.n_rows,
            "n_events": self.state.n_events,
            "round": None if self.round is None else self.round.number,
            "seed": self.seed,
            "settings": self.settings.to_dict(),
            "labels": {taxonomy.names[c]: int(counts[c]) for c in self.fitted.classes},
            "n_audited": 0 if self.audit is None else len(self.audit.answers.rows),
        }


def software() -> dict[str, str]:
    """The versions of what the model is made with."""
    return {
        "rareloop": __version__,
        "python": platform.python_version(),
        "scikit-learn": sklearn.__version__,
        "numpy": np.__version__,
    }


def _answers(audit: AuditTask) -> tuple[list[int], list[int], list[bool]]:
    answers = audit.answers
    return answers.rows.tolist(), answers.classes.tolist(), answers.reached.tolist()


def fit_newest(
    workspace: Workspace, classifier: str | None = None, progress: Progress | None = None
) -> NewestModel:
    """Fit the model of a workspace as of now, as its newest round would; nothing of the workspace is changed.

    The labels are those of the log without what the sealed audit has; settings, seed, correction and thresholds
    are those of the rounds.

    Parameters
    ----------
    classifier
        Another one than the rounds have.

    Raises
    ------
    InputError
        When the features are not built, fewer than two classes have labels, or the classifier cannot be fitted.
    """
    if not workspace.is_ready:
        raise InputError(NOT_READY)
    tell = progress or (lambda share, text: None)
    tell(0.0, "reading the log")
    state, newest = workspace.log.state(), workspace.rounds.newest()
    audit: AuditRecord | None = current_audit(workspace)
    task = task_of(workspace, state, audit)
    labels = labels_of(state, workspace, audit)
    pool = Pool(workspace.features)
    sealed = None if task is None else AuditFiles(workspace).sealed_audit(task)
    seed = _first_seed(workspace) if newest is None else newest.seed
    try:
        settings = round_settings(workspace)
        if classifier is not None:
            settings = replace(settings, classifier=classifier)
            settings.check()
        tell(0.3, "fitting the model")
        fitted = fit_model(pool, labels, settings, np.random.default_rng(seed), sealed)
    except ValueError as error:
        raise InputError(str(error)) from error
    tell(1.0, "fitted")
    recipe = FeatureRecipe.of(workspace)
    return NewestModel(workspace, state, fitted, recipe, pool, labels, settings, seed, task, newest)


def _first_seed(workspace: Workspace) -> int:
    """The seed that the first round will have."""
    session_seed = int(workspace.settings.get("seed", 0))
    return int(np.random.SeedSequence((session_seed, 1)).generate_state(1)[0])


def correction_in_words(correction: Mapping[str, Any], classes: list[str]) -> str:
    """What was done to the probabilities of a model, in one sentence."""
    if correction["offsets"] is None:
        if None not in correction["prevalence"]:
            return "The probabilities are the classifier's own: they are not corrected to the prevalence."
        return f"The probabilities are the classifier's own: the prevalence is {correction['prevalence_source']}."
    if correction["kind"] == "audit":
        return "The probabilities are calibrated on the sealed audit."
    shares = ", ".join(
        f"{name} {100 * share:.3g} %" for name, share in zip(classes, correction["prevalence"], strict=True)
    )
    how = (
        "so that their means over the items to be asked are the prevalence"
        if correction["kind"] == "matched"
        else "from the shares among the labels to the prevalence"
    )
    return f"The probabilities are moved {how} ({correction['prevalence_source']}): {shares}."
