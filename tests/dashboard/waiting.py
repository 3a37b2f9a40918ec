"""A strategy of the user's own that waits until a test lets it go."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

STRATEGY = "rareloop.tests.dashboard.waiting:first_ones"


def first_ones(learner, X_pool, n_instances=1):
    """The first items, once the test allows it; runs in the worker, a child of the process of the test."""
    folder = _folder(multiprocessing.parent_process().pid)
    if folder.exists():
        (folder / "begun").touch()
        while folder.exists() and not (folder / "free").exists():
            time.sleep(0.01)
    return np.arange(n_instances)


def _folder(process: int) -> Path:
    return Path(tempfile.gettempdir()) / f"rareloop-waits-{process}"


class Gate:
    """Whether the strategy has begun, and the leave to end."""

    def __init__(self) -> None:
        self.folder = _folder(os.getpid())

    @property
    def has_begun(self) -> bool:
        """Whether a round is in the midst of the strategy."""
        return (self.folder / "begun").exists()

    def open(self) -> None:
        """Let it end, and the next ones pass."""
        (self.folder / "free").touch()

    def shut(self) -> None:
        """Have the next one wait again."""
        for name in ("begun", "free"):
            (self.folder / name).unlink(missing_ok=True)


@contextmanager
def a_gate() -> Iterator[Gate]:
    """The strategy waits inside."""
    gate = Gate()
    shutil.rmtree(gate.folder, ignore_errors=True)
    gate.folder.mkdir()
    try:
        yield gate
    finally:
        shutil.rmtree(gate.folder)


def endless_reading(progress, path, folder, choice):
    """In the place of `read_apart`: a file that takes for ever."""
    while path.stat().st_size:
        progress(0.3, "row 30,000")
        time.sleep(0.05)
