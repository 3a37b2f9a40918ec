"""Versions of a package: what changed since the last one, and by how much the number grows."""

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import InputError

Level = Literal["none", "patch", "minor", "major"]
LEVELS: tuple[Level, ...] = ("none", "patch", "minor", "major")
SEMANTIC = re.compile(r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})")
FIRST = "1.0.0"
DRAFT = "-draft"
RELEASES = "releases"  # a folder of the workspace: what each version said of each item
INDEX = pa.schema([("item_id", pa.string()), ("label", pa.string()), ("split", pa.string())])
MOST_PAIRS = 5  # of classes before and now, in a sentence
MOST_NAMED = 1_000

Index = Mapping[str, tuple[str, str]]  # item → label, split


@dataclass(frozen=True)
class Change:
    """What is different from one version to the next; items by their identifiers."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    relabelled: tuple[tuple[str, str, str], ...] = ()  # item, label before, label now
    moved: tuple[tuple[str, str, str], ...] = ()  # item, split before, split now
    columns_removed: tuple[str, ...] = ()
    columns_added: tuple[str, ...] = ()
    n_events: tuple[int, int] = (0, 0)
    is_same: bool = field(default=False)

    @property
    def level(self) -> Level:
        """By how much the number must grow at least.

        A changed label, a removed item or column, or a moved split is major; more of anything is minor; the same
        data in other words are a patch.
        """
        if self.is_same:
            return "none"
        if self.removed or self.relabelled or self.moved or self.columns_removed:
            return "major"
        return "minor" if self.added or self.columns_added or self.n_events[0] != self.n_events[1] else "patch"

    def sentences(self) -> list[str]:
        """The change in words."""
        counts = [
            (len(self.removed), "item was removed", "items were removed"),
            (len(self.moved), "item moved to another split", "items moved to another split"),
            (len(self.added), "item was added", "items were added"),
        ]
        said = self._relabelled() + [f"{n:,} {one if n == 1 else more}." for n, one, more in counts if n]
        if self.columns_removed:
            said.append(f"Columns were removed: {', '.join(self.columns_removed)}.")
        if self.columns_added:
            said.append(f"Columns were added: {', '.join(self.columns_added)}.")
        before, now = self.n_events
        if before != now:
            said.append(f"The history went from {before:,} to {now:,} events.")
        if self.is_same:
            return ["Nothing has changed."]
        return said or ["The same labels; other files, texts or estimates."]

    def _relabelled(self) -> list[str]:
        """How many labels changed, and from which class to which; of a class with a new name all of them do."""
        if not self.relabelled:
            return []
        pairs = Counter((old, new) for _, old, new in self.relabelled).most_common()
        named = [f"{n:,} from '{old}' to '{new}'" for (old, new), n in pairs[:MOST_PAIRS]]
        if len(pairs) > MOST_PAIRS:
            named.append(f"{sum(n for _, n in pairs[MOST_PAIRS:]):,} others")
        n = len(self.relabelled)
        return [f"{n:,} label{'s' if n > 1 else ''} changed: {', '.join(named)}."]

    def to_dict(self) -> dict[str, Any]:
        """The change as plain values, at most a thousand items of each kind."""
        return {
            "level": self.level,
            "n_added": len(self.added),
            "n_removed": len(self.removed),
            "n_relabelled": len(self.relabelled),
            "n_moved": len(self.moved),
            "added": list(self.added[:MOST_NAMED]),
            "removed": list(self.removed[:MOST_NAMED]),
            "relabelled": [list(each) for each in self.relabelled[:MOST_NAMED]],
            "moved": [list(each) for each in self.moved[:MOST_NAMED]],
            "columns_removed": list(self.columns_removed),
            "columns_added": list(self.columns_added),
            "events": list(self.n_events),
            "sentences": self.sentences(),
        }


@dataclass(frozen=True)
class Release:
    """What is remembered of a version: its items, the columns of its splits, events, and a digest of all.

    `entries` say of each version so far its number, date and changes.
    """

    version: str
    index: Index
    columns: tuple[str, ...]
    n_events: int
    digest: str
    entries: tuple[Mapping[str, Any], ...] = ()


def compare(before: Release, now: Release) -> Change:
    """What changed from one version to the next."""
    old, new = before.index, now.index
    both = sorted(old.keys() & new.keys())
    return Change(
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        relabelled=tuple((i, old[i][0], new[i][0]) for i in both if old[i][0] != new[i][0]),
        moved=tuple((i, old[i][1], new[i][1]) for i in both if old[i][1] != new[i][1]),
        columns_removed=tuple(c for c in before.columns if c not in now.columns),
        columns_added=tuple(c for c in now.columns if c not in before.columns),
        n_events=(before.n_events, now.n_events),
        is_same=before.digest == now.digest,
    )


def next_version(before: str, level: Level) -> str:
    """The least version after a change.

    Examples
    --------
    >>> next_version("1.4.2", "minor")
    '1.5.0'
    """
    major, minor, patch = parts(before)
    return {
        "none": before,
        "patch": f"{major}.{minor}.{patch + 1}",
        "minor": f"{major}.{minor + 1}.0",
        "major": f"{major + 1}.0.0",
    }[level]


def parts(version: str) -> tuple[int, int, int]:
    """The three numbers of a version; raises InputError where it is none."""
    found = SEMANTIC.fullmatch(version.removesuffix(DRAFT))
    if found is None:
        raise InputError(f"'{version}' is no version: write three numbers, as in 1.0.0")
    major, minor, patch = (int(number) for number in found.groups())
    return major, minor, patch


def decide(wanted: str | None, before: Release | None, change: Change | None) -> str:
    """The version of a package.

    Parameters
    ----------
    wanted
        What the user asks for; None for the least that the change allows.
    before, change
        The last version and what has changed since; None for the first one.

    Raises
    ------
    InputError
        When the version asked for is less than the change demands.
    """
    if before is None or change is None:
        if wanted is not None:
            parts(wanted)
        return wanted or FIRST
    least = next_version(before.version, change.level)
    if wanted is None or wanted == least:
        return least
    if parts(wanted) < parts(least) or (change.is_same and wanted != before.version):
        raise InputError(
            f"version {wanted} is not to be had: {before.version} was the last one, and this one is {least} "
            f"at least ({' '.join(change.sentences())})"
        )
    return wanted


# ---- remembered in the workspace --------------------------------------------------------------------


def remember(folder: Path, release: Release) -> None:
    """Keep what a version said of each item, in the folder ``releases`` of a workspace.

    Raises
    ------
    InputError
        When that folder cannot be written.
    """
    items = sorted(release.index)
    table = pa.table(
        [items, [release.index[i][0] for i in items], [release.index[i][1] for i in items]], schema=INDEX
    )
    facts = {
        "version": release.version,
        "columns": "\n".join(release.columns),
        "n_events": str(release.n_events),
        "digest": release.digest,
        "entries": json.dumps(list(release.entries)),
    }
    target = folder / RELEASES / f"{release.version}.parquet"
    partial = target.with_suffix(".partial")
    try:
        target.parent.mkdir(exist_ok=True)
        pq.write_table(table.replace_schema_metadata(facts), partial, compression="zstd")
        partial.replace(target)
    except OSError as error:
        raise InputError(
            f"the package was made, but {target.parent} cannot be written ({error.strerror or error}): make room, "
            "and name this package with --previous next time"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def entries_so_far(folder: Path) -> list[dict[str, Any]]:
    """What is said of each version that a workspace remembers, the oldest first; no item is read.

    Raises
    ------
    InputError
        When the newest one is damaged.
    """
    paths = [path for path in (folder / RELEASES).glob("*.parquet") if SEMANTIC.fullmatch(path.stem)]
    if not paths:
        return []
    newest = max(paths, key=lambda path: parts(path.stem))
    try:
        return [dict(entry) for entry in json.loads(_facts(pq.read_schema(newest))["entries"])]
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError) as error:
        raise _damaged(newest) from error


def _facts(schema: pa.Schema) -> dict[str, str]:
    return {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}


def _damaged(path: Path) -> InputError:
    return InputError(f"{path} is damaged: delete it, and name the last package with --previous")


def remembered(folder: Path) -> list[Release]:
    """The versions that a workspace remembers, the oldest first; raises InputError when one is damaged."""
    releases = []
    for path in (folder / RELEASES).glob("*.parquet"):
        try:
            table = pq.read_table(path)
            facts = _facts(table.schema)
            releases.append(
                Release(
                    facts["version"],
                    index_of(table),
                    tuple(facts["columns"].split("\n")),
                    int(facts["n_events"]),
                    facts["digest"],
                    tuple(json.loads(facts["entries"])),
                )
            )
        except (OSError, pa.ArrowException, KeyError, ValueError) as error:
            raise _damaged(path) from error
    return sorted(releases, key=lambda release: parts(release.version))


def index_of(table: pa.Table) -> dict[str, tuple[str, str]]:
    """Label and split of each item of a table with these columns."""
    columns = (table.column(name).to_pylist() for name in INDEX.names)
    return {item_id: (label, split) for item_id, label, split in zip(*columns, strict=True)}
