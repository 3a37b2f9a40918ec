"""Handing over at the size of a survey: seconds, CPU and memory of export and verify, and the same bytes again.

    python tests/benchmarks/handover.py --rows 10000000 --labels 100000
    python tests/benchmarks/handover.py --rows 200000 --labels 10000 --formats parquet,fits,votable

A synthetic sky of that many rows is made in a temporary folder, and labelled in random order by two annotators:
every tenth item twice, every hundredth with a note. Each command is a process of its own, as a user starts it.
Memory is the most that was resident at once, pages of mapped files included.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from rareloop.data.bulk import uncollected
from rareloop.data.events import Action, Event, new_event_ids
from rareloop.data.export.files import facts_in
from rareloop.data.export.formats import FORMATS
from rareloop.data.samples import SKY_KINDS, sky
from rareloop.data.workspace import Workspace

TARGETS = {"export package": 60.0, "verify": 60.0}  # seconds, of 100,000 labels of 10 million rows
BLOCK = 20_000
START = datetime(2026, 1, 1, tzinfo=UTC)
PUBLICATION = {
    "title": "A synthetic sky",
    "description": "Objects that there are not.",
    "creators": [{"name": "Nobody"}],
    "licence": "CC0-1.0",
}


@dataclass(frozen=True)
class Measured:
    """A command: its exit code, seconds on the clock and on the processors, most memory (MB), load before it."""

    name: str
    code: int
    wall: float
    cpu: float
    memory: float
    load: float

    @property
    def verdict(self) -> str:
        """Against the target, where there is one."""
        target = TARGETS.get(self.name)
        if self.code:
            return f"failed ({self.code})"
        return "" if target is None else f"{'within' if self.wall <= target else 'over'} {target:.0f} s"


def make_workspace(folder: Path, n_rows: int, n_labels: int, seed: int = 0) -> Workspace:
    """A synthetic sky with features and labels, in a folder of its own."""
    source = folder / "sky.parquet"
    pq.write_table(sky(n_rows, seed), source)
    workspace = Workspace.create(folder / "sky.rareloop", source)
    roles = workspace.roles
    roles.label_use = "truth"
    workspace.confirm(roles, SKY_KINDS, wanted=[SKY_KINDS[-1]])
    workspace.prepare()
    workspace.settings["publication"] = PUBLICATION
    workspace.save()
    with uncollected():
        for events in _answers(workspace, n_labels, np.random.default_rng(seed)):
            workspace.log.append(events)
    return workspace


def _answers(workspace: Workspace, n_labels: int, rng: np.random.Generator) -> Iterator[list[Event]]:
    rows = rng.permutation(workspace.table.n_rows)[:n_labels]
    for start in range(0, n_labels, BLOCK):
        block = rows[start : start + BLOCK]
        names = workspace.table.take(block, ["kind"]).column(0).to_pylist()
        items = workspace.ids.texts(block)
        said = [(n, item, name, "ann") for n, (item, name) in enumerate(zip(items, names, strict=True), start)]
        said += [(n, item, name, "bob") for n, item, name, _ in said[::10]]
        ids = iter(new_event_ids(len(said) + len(said[::100])))
        events = [
            Event(next(ids), Action.LABEL, item, who, START + timedelta(seconds=2 * n), label=name, dwell_ms=1_400,
                  input="key", strategy="search")
            for n, item, name, who in said
        ]  # fmt: skip
        events += [
            Event(next(ids), Action.NOTE, item, who, START + timedelta(seconds=2 * n + 1), note="a second look")
            for n, item, _, who in said[::100]
        ]
        yield events


def workspace_in(folder: Path, n_rows: int, n_labels: int) -> tuple[int, int]:
    """Make the workspace where it is not there; its numbers of rows and of labels."""
    if not (folder / "sky.rareloop" / "workspace.toml").exists():
        make_workspace(folder, n_rows, n_labels).close()
    workspace = Workspace.open(folder / "sky.rareloop")
    try:
        return workspace.table.n_rows, workspace.log.state().n_labelled
    finally:
        workspace.close()


def measure(name: str, *arguments: object) -> Measured:
    """Run a command of rareloop in a process of its own."""
    load, begin = os.getloadavg()[0], time.perf_counter()
    command = [sys.executable, "-m", "rareloop", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall, code = time.perf_counter() - begin, os.waitstatus_to_exitcode(status)
    process.returncode = code
    unit = 1 if sys.platform == "darwin" else 1_024  # of ru_maxrss, in bytes
    memory = used.ru_maxrss * unit / 1e6
    return Measured(name, code, wall, used.ru_utime + used.ru_stime, memory, load)


def measure_all(workspace: Path, place: Path, formats: Sequence[str] = ()) -> tuple[list[Measured], bool]:
    """Export, verify, export again, and the single files; whether both packages have the same bytes."""
    first, again = place / "package", place / "again"
    package = ("--format", "package")
    found = [
        measure("export package", "export", workspace, "--to", first, *package),
        measure("verify", "verify", first),
        measure("export again", "export", workspace, "--to", again, *package),
    ]
    for kind in formats:
        target = place / f"labels.{kind}"
        found.append(measure(f"export {kind}", "export", workspace, "--to", target, "--format", kind))
    return found, first.exists() and again.exists() and facts_in(first) == facts_in(again)


def report(found: Sequence[Measured], is_same: bool, n_rows: int, n_labels: int) -> str:
    """The measurements as a Markdown table, with the machine that they are of."""
    lines = [
        f"{n_labels:,} labels of {n_rows:,} rows; {os.cpu_count()} cores, {platform.machine()}, "
        f"Python {platform.python_version()}",
        "",
        "| command | wall (s) | CPU (s) | memory (MB) | load before | target |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {m.name} | {m.wall:.1f} | {m.cpu:.1f} | {m.memory:,.0f} | {m.load:.1f} | {m.verdict} |" for m in found
    ]
    return "\n".join([*lines, "", f"Exported again: {'the same bytes' if is_same else 'OTHER BYTES'}."])


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the workspace, measure, and print; returns 1 when a command failed or the bytes differ."""
    parser = argparse.ArgumentParser(description="Measure export and verify.")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the table")
    parser.add_argument("--labels", type=int, default=50_000)
    parser.add_argument("--formats", default="", metavar="A,...", help="single files to measure as well")
    parser.add_argument("--folder", type=Path, help="keep the workspace there, or use the one that is there")
    options = parser.parse_args(arguments)
    formats = [name for name in options.formats.split(",") if name]
    if set(formats) - set(FORMATS.values()):
        parser.error(f"--formats are among {', '.join(dict.fromkeys(FORMATS.values()))}")
    with tempfile.TemporaryDirectory(prefix="rareloop-handover-") as place:
        folder = options.folder or Path(place)
        folder.mkdir(parents=True, exist_ok=True)
        # In a process of its own: a command would begin with the memory of the one that starts it.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as apart:
            n_rows, n_labels = apart.submit(workspace_in, folder, options.rows, options.labels).result()
        found, is_same = measure_all(folder / "sky.rareloop", Path(place), formats)
    sys.stdout.write(report(found, is_same, n_rows, n_labels) + "\n")
    return int(not is_same or any(m.code for m in found))


if __name__ == "__main__":
    raise SystemExit(main())
