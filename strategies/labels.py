"""What has been labelled, as arrays."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Labels:
    """What a model may learn from: labelled rows with their classes, and rows that must not be asked.

    In the order in which they were labelled: `rows` and `classes` are int64 ``(n_labels,)``, classes
    being indices into the taxonomy; `arms` are the strategies that asked, and `rounds`, int64, the rounds
    in which they did (−1 where there was none); both may be left empty. `excluded` is int64: skipped,
    unsure, flagged. What the audit has sealed is nowhere among them.
    """

    rows: NDArray[np.int64]
    classes: NDArray[np.int64]
    excluded: NDArray[np.int64]
    n_classes: int
    arms: tuple[str, ...] = ()
    rounds: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    def by_arm(self, wanted: tuple[int, ...]) -> dict[str, tuple[int, int]]:
        """How many labels each arm asked for, and how many of them are of wanted classes."""
        found = np.isin(self.classes, wanted)
        counts: dict[str, tuple[int, int]] = {}
        for arm, hit in zip(self.arms, found, strict=False):
            asked, hits = counts.get(arm, (0, 0))
            counts[arm] = (asked + 1, hits + int(hit))
        return counts
