"""The labels that a round learns from, folded from the log."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..data.audits import AuditRecord
from ..data.log_state import ItemState, LogState
from ..data.workspace import Workspace
from ..strategies.rounds import Labels, RoundSettings
from .audits import is_sealed
from .reasons import OPENED, array_columns


def round_settings(workspace: Workspace) -> RoundSettings:
    """The settings of the next round, with the wanted classes of the taxonomy.

    Raises
    ------
    ValueError
        When a stored setting is not allowed.
    """
    taxonomy = workspace.taxonomy
    wanted = tuple(i for i, c in enumerate(taxonomy) if c.wanted)
    settings = RoundSettings.from_dict(dict(workspace.settings.get("round") or {}))
    ranges = tuple(r for r in settings.prevalence if r[0] < len(taxonomy) and taxonomy[r[0]].is_learnt)
    unexplained = array_columns(workspace.feature_report) if workspace.is_ready else ()
    return replace(settings, wanted=wanted, prevalence=ranges, unexplained=unexplained)


def labels_of(
    state: LogState, workspace: Workspace, audit: AuditRecord | None = None, *, retired: bool = False
) -> Labels:
    """The labels that a model may learn from as arrays, in the order in which they were given.

    What the audit has sealed is neither among them nor among the items that must not be asked. Labels of retired
    classes are not learnt, unless `retired`; their items are only not asked.

    An item that was labelled again stands where its newest label was given; one whose label was undone
    and brought back, where it was. `arms` names what asked: a strategy, ``opened`` for items that the user
    opened, ``imported`` for labels to start from, ``duplicate`` for those of their twins.
    """
    items = [entry for entry in state.items.items() if not is_sealed(entry[1], state, audit)]
    taxonomy = workspace.taxonomy
    place = taxonomy.places
    learnt = {name for name, index in place.items() if retired or taxonomy[index].is_learnt}
    labelled = sorted((i for i in items if i[1].label in learnt), key=lambda i: i[1].event.seq)
    excluded = [item_id for item_id, item in items if item.label not in learnt]
    arms = tuple(_arm(item) for _, item in labelled)
    rounds = (-1 if item.event.round is None else item.event.round for _, item in labelled)
    return Labels(
        rows=workspace.ids.rows([item_id for item_id, _ in labelled]),
        classes=np.array([place[str(item.label)] for _, item in labelled], dtype=np.int64),
        excluded=workspace.ids.rows(excluded),
        n_classes=len(taxonomy),
        arms=arms,
        rounds=np.fromiter(rounds, np.int64, len(labelled)),
    )


def _arm(item: ItemState) -> str:
    event = item.event
    # Earlier versions called an item that the user opened a search, as a strategy is called now.
    return OPENED if event.round is None and event.strategy == "search" else event.strategy or ""
