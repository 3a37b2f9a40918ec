"""What the axes of a map can show: the plane of the principal components, UMAP, columns of numbers."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..projections import MISSING, UmapSettings, is_installed, umap_path
from ..session import LabellingSession
from ..worker import plane_path

PLANE = ("principal component 1", "principal component 2")
UMAP = ("UMAP 1", "UMAP 2")
ROW_NUMBER = "row number"
TEXTS = {PLANE[0]: "PC 1 (principal component)", PLANE[1]: "PC 2 (principal component)"}


def is_projection(name: str) -> bool:
    """Whether distances along an axis are not real ones."""
    return name in PLANE or name in UMAP


def partner(name: str) -> str:
    """The other axis of a projection."""
    pair = PLANE if name in PLANE else UMAP
    return pair[1 - pair.index(name)]


class Axes:
    """The coordinates that maps of one page show, each kept while a map shows it."""

    def __init__(self, session: LabellingSession) -> None:
        self.session = session
        self._kept: dict[str, NDArray[np.float32]] = {}
        self._lock = threading.Lock()

    @cached_property
    def umap(self) -> UmapSettings:
        """The settings of the UMAP: distances are measured as strategies do."""
        return UmapSettings(metric=str(self.session.settings.metric))

    @cached_property
    def umap_path(self) -> Path:
        """Where the UMAP is kept."""
        return umap_path(self.session.workspace, self.umap)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All axes: projections, then columns of numbers, those shown on the card first."""
        return (*self.projections, *self.columns)

    @cached_property
    def projections(self) -> tuple[str, ...]:
        """The axes that are made of all features."""
        return (*(PLANE if plane_path(self.session.workspace).exists() else ()), *UMAP)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Columns of numbers, but no labels."""
        roles, table = self.session.workspace.roles, self.session.workspace.table
        numeric = [name for name in table.names if table.is_number(name) and name != roles.id]
        if roles.label_use != "ignore":
            numeric = [name for name in numeric if name != roles.label]
        preferred = [name for name in (*roles.shown, *roles.features) if name in numeric]
        return (*dict.fromkeys([*preferred, *numeric]), ROW_NUMBER)

    @property
    def usual(self) -> tuple[str, str]:
        """The axes of a first map."""
        if PLANE[0] in self.projections:
            return PLANE
        return (self.columns[0], self.columns[min(1, len(self.columns) - 1)])

    def groups(self) -> list[list[object]]:
        """The axes as a list to choose from: groups of ``(value, text)``."""
        return [
            ["projections", [(name, TEXTS.get(name, name)) for name in self.projections]],
            ["columns", [(name, name) for name in self.columns]],
        ]

    def refusal(self, name: str) -> str:
        """Why an axis cannot be shown, one sentence, or empty."""
        if name in UMAP and not self.is_ready((name,)) and not is_installed():
            return MISSING
        return "" if name in self.names else f"there is no axis '{name}'"

    def is_ready(self, names: Sequence[str]) -> bool:
        """Whether axes can be shown at once."""
        return not any(name in UMAP for name in names) or self.umap_path.exists()

    def values(self, name: str) -> NDArray[np.float32]:
        """The coordinates of all items, float32 ``(n_items,)``; touches the whole pool the first time."""
        with self._lock:
            known = self._kept.get(name)
        if known is None:
            known = self._read(name)
            with self._lock:
                self._kept[name] = known
        return known

    def forget(self, shown: Collection[str]) -> None:
        """Keep nothing but what maps show."""
        with self._lock:
            self._kept = {name: values for name, values in self._kept.items() if name in shown}

    def _read(self, name: str) -> NDArray[np.float32]:
        if is_projection(name):
            pair, path = (PLANE, plane_path(self.session.workspace)) if name in PLANE else (UMAP, self.umap_path)
            return np.ascontiguousarray(np.load(path, mmap_mode="r")[:, pair.index(name)])
        if name == ROW_NUMBER and name not in self.session.workspace.table.names:
            return np.arange(self.session.workspace.table.n_rows, dtype=np.float32)
        return self.session.workspace.table.floats(name)
