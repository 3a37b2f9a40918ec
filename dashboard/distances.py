"""In which distance items are near each other, guessed from what the features are."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from ..data.roles import array_width
from ..data.tables import Table
from ..data.workspace import Workspace

METRICS = {"Euclidean distance": "euclidean", "Cosine distance (embeddings)": "cosine"}
LEAST_WIDTH = 64


def embeddings(table: Table, features: Sequence[str], image: str | None) -> list[str]:
    """The features that look like embeddings: arrays of at least 64 floats that are no picture."""
    return [name for name in features if name != image and _is_embedding(table, name)]


def _is_embedding(table: Table, name: str) -> bool:
    kind = table.column(name).type
    if not (pa.types.is_nested(kind) and hasattr(kind, "value_type") and pa.types.is_floating(kind.value_type)):
        return False
    return (array_width(table, name) or 0) >= LEAST_WIDTH


def usual_metric(table: Table, features: Sequence[str], image: str | None) -> str:
    """Cosine for embeddings, of which the direction says what something is; Euclidean for all else."""
    return "cosine" if embeddings(table, features, image) else "euclidean"


def keep_metric(workspace: Workspace, metric: str | None = None) -> None:
    """Store the metric of the rounds: the one given, or the usual one for the features of the workspace."""
    roles = workspace.roles
    chosen = metric or usual_metric(workspace.table, roles.features, roles.image)
    workspace.settings["round"] = {**(workspace.settings.get("round") or {}), "metric": chosen}
    workspace.save()
