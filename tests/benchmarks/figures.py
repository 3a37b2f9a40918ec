"""Figures of the page's benchmark: printed and kept as they come, each beside its target and the load."""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

HARD_STOP = 3  # a case that hangs for so many of its limits ends the run; what was measured is kept


class Figure(NamedTuple):
    """One line of the report; `target` in the same unit, None where there is none."""

    name: str
    value: float
    unit: str
    target: float | None = None
    n: int = 1

    def line(self) -> str:
        """As it is printed."""
        beside = "" if self.target is None else f"{self.value / self.target:7.2f} × target {self.target:g}"
        return f"{self.name:<56} {self.value:10.2f} {self.unit:<4} {beside:<24} (n={self.n})"


def quantiles(name: str, values: list[float], targets: tuple[float | None, float | None]) -> list[Figure]:
    """Median and 95th percentile of times in milliseconds; nothing of no values."""
    return [
        Figure(f"{name}, p{share}", float(np.percentile(values, share)), "ms", target, len(values))
        for share, target in zip((50, 95), targets, strict=True)
        if values
    ]


class Deadline:
    """How long a case may go on; what it has measured until then counts."""

    def __init__(self, seconds: float) -> None:
        self.until = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds that are left, at least one tenth."""
        return max(self.until - time.monotonic(), 0.1)

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self.until


def timed(work: Callable[[], Any], most: int, deadline: Deadline) -> list[float]:
    """Milliseconds of each of up to `most` runs, as long as there is time; one at least."""
    taken: list[float] = []
    while len(taken) < most and not (taken and deadline.is_over):
        began = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - began))
    return taken


class Report:
    """Runs cases one after the other, prints their figures, and keeps all of them as JSON after each.

    Parameters
    ----------
    facts
        What was measured on, as plain values.
    output
        The file; None for none.
    limit
        Seconds that a case may take.
    chosen
        Words of which one must be in a case's name; all cases without any.
    """

    def __init__(self, facts: dict[str, Any], output: Path | None, limit: float, chosen: list[str]) -> None:
        self.content = facts | {"cores": os.cpu_count(), "cases": []}
        self.output, self.limit, self.chosen = output, limit, chosen

    def run(self, name: str, case: Callable[[Deadline], Iterable[Figure]]) -> None:
        """Run a case; what goes wrong in it is a line of the report, and the next one goes on."""
        if self.chosen and not any(word in name for word in self.chosen):
            return
        figures: list[Figure] = []
        before, began, error = os.getloadavg()[0], time.monotonic(), None
        faulthandler.dump_traceback_later(HARD_STOP * self.limit, exit=True)
        print(f"{name}: load {before:.1f}", flush=True)
        try:
            for figure in case(Deadline(self.limit)):
                figures.append(figure)
                print("  " + figure.line(), flush=True)
        except Exception as failure:
            error = f"{type(failure).__name__}: {str(failure).strip().splitlines()[0] if str(failure) else ''}"
            print(f"  not finished: {error}", file=sys.stderr, flush=True)
        finally:
            faulthandler.cancel_dump_traceback_later()
        self.content["cases"].append(
            {
                "case": name,
                "load": [round(before, 2), round(os.getloadavg()[0], 2)],
                "seconds": round(time.monotonic() - began, 1),
                "error": error,
                "figures": [figure._asdict() for figure in figures],
            }
        )
        if self.output is not None:
            self.output.write_text(json.dumps(self.content, indent=1))
