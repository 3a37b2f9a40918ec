"""Exporting the labels as one file, in a process of its own."""

from __future__ import annotations

from pathlib import Path

from ..data.errors import InputError
from ..data.export.formats import export_labels
from ..data.tables import Progress
from ..data.workspace import Workspace


def write_labels(progress: Progress, folder: Path, target: Path) -> int:
    """Write the labelled items of the workspace in a folder, as `export_labels`; returns how many."""
    workspace = Workspace.open(folder)
    try:
        target.parent.mkdir(exist_ok=True)
        return export_labels(workspace, target, progress=progress)
    except OSError as error:
        raise InputError(f"{target.parent} cannot be made ({error.strerror}): free space or permit it") from error
    finally:
        workspace.close()
