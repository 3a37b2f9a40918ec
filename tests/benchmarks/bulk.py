"""CPU and wall seconds of labelling 100,000 items at once, of taking that back, and of bringing it again.

    python tests/benchmarks/bulk.py --items 1000000 --labels 100000

Each step goes the whole way that it goes in a session: it is stored durably, the state is folded, and the
columns of the log, from which pace and metrics are counted, take it in. CPU is that of the whole process; the
line to meet is one second each. A busy machine makes CPU seconds longer too: mind the load.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rareloop.dashboard.session import LabellingSession
from rareloop.data.workspace import Workspace, workspace_folder

LIMIT = 1.0  # CPU seconds
WAITING = 600


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--labels", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3, help="the median is reported")
    return parser.parse_args(arguments)


class NoWorker:
    """A worker to which nothing is ever done: rounds take time of their own, which is not that of a step."""

    def start(self) -> None:
        """Nothing is started."""

    def submit(self, *_: Any, **__: Any) -> Future[Any]:
        """A future that is never done."""
        return Future()

    def close(self) -> None:
        """Nothing is stopped."""


def open_session(folder: Path, n_items: int) -> LabellingSession:
    """A session on a table of noise, with a text as id."""
    rng = np.random.default_rng(0)
    source = folder / "survey.parquet"
    columns = {name: rng.standard_normal(n_items).astype(np.float32) for name in "abcd"}
    pq.write_table(pa.table({"id": [f"J{i:09d}" for i in range(n_items)], **columns}), source)
    workspace = Workspace.create(workspace_folder(source), source)
    workspace.confirm(workspace.roles, ["star", "quasar"], wanted=["quasar"])
    workspace.prepare()
    session = LabellingSession(workspace, "ann")
    session.worker = NoWorker()  # type: ignore[assignment]
    session.start()
    until = time.monotonic() + WAITING
    while session.phase != "labelling" and time.monotonic() < until:
        time.sleep(0.01)
    return session


def timed(step: Callable[[], Any]) -> tuple[float, float]:
    """CPU and wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    step()
    return time.process_time() - cpu, time.perf_counter() - wall


def steps(session: LabellingSession, n: int) -> dict[str, Callable[[], Any]]:
    """The steps, in their order; undo and redo are of the one before."""
    rows = np.random.default_rng(1).choice(session.workspace.table.n_rows, n, replace=False)

    def done(future: Future[Any]) -> None:
        assert len(future.result(WAITING).events) == n
        session.columns.now()

    label = lambda: session.bulker.label(rows, "all", "star", annotator="ann", unchecked=True)  # noqa: E731
    return {
        "label": lambda: done(label()),
        "undo": lambda: done(session.undo(annotator="ann")),
        "redo": lambda: done(session.redo(annotator="ann")),
    }


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; 1 where a step takes more CPU than it may."""
    options = parse(arguments)
    with tempfile.TemporaryDirectory() as folder:
        session = open_session(Path(folder), options.items)
        session.columns.now()
        taken: dict[str, list[tuple[float, float]]] = {}
        for _ in range(options.repeats):
            for name, step in steps(session, options.labels).items():
                taken.setdefault(name, []).append(timed(step))
            steps(session, options.labels)["undo"]()  # the columns too: the next step does not pay for this one
        session.close()
    print(
        f"{options.labels:,} of {options.items:,} items, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )
    medians = {name: np.median(seconds, axis=0) for name, seconds in taken.items()}
    for name, (cpu, wall) in medians.items():
        print(f"{name:6} {cpu:6.2f} s CPU (limit {LIMIT:.0f} s) {wall:6.2f} s wall")
    return int(any(cpu > LIMIT for cpu, _ in medians.values()))


if __name__ == "__main__":
    sys.exit(main())
