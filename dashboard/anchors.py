"""The anchors of a round: the labelled items from whose neighbours it asked, as its report keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..strategies.rows import unpacked


def anchors_of(report: Mapping[str, Any]) -> dict[int, NDArray[np.int64]]:
    """Rows of the anchors by the place of their class, each int64 and sorted; empty where a round had none."""
    return {int(place): unpacked(text) for place, text in (report.get("anchors") or {}).items()}


def anchor_rows(report: Mapping[str, Any]) -> NDArray[np.int64]:
    """Rows of the anchors of all classes, int64, sorted."""
    found = list(anchors_of(report).values())
    return np.sort(np.concatenate(found)) if found else np.empty(0, np.int64)
