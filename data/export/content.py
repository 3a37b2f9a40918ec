"""What goes into a package: one moment of a workspace, with everything that follows from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from ..bulks import BulkRecord
from ..errors import InputError
from ..events import Event
from ..log_state import LogState
from ..publication import Publication
from ..workspace import Workspace
from .columns import SourceColumn, source_columns
from .replay import Pseudonyms, answered_items, newest_moment
from .selection import Member, Sampled, Selections, uniform_samples
from .splits import HELD_OUT, assign_splits


@dataclass
class Tally:
    """What was counted while the files were written; `n_rows` and `n_bytes` (in memory) are by file."""

    labels: Counter[tuple[str, str]] = field(default_factory=Counter)  # split, class
    mechanisms: Counter[tuple[str, str]] = field(default_factory=Counter)  # split, mechanism
    sources: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    annotators: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    agreements: list[float] = field(default_factory=list)
    n_rows: dict[str, int] = field(default_factory=dict)
    n_bytes: dict[str, int] = field(default_factory=dict)
    prevalence: dict[str, dict[str, Any]] = field(default_factory=dict)  # class → its newest estimate

    def of_split(self, split: str) -> int:
        """Rows of a split."""
        return sum(n for (each, _), n in self.labels.items() if each == split)


@dataclass(frozen=True)
class Content:
    """One moment of a workspace, and how it is handed over.

    `sampled` are its probability samples and `groups` the group of each item that has near-duplicates: both
    come from whoever knows them. `machine_labels` is a Parquet file with labels of a model alone, `model` a
    folder with a saved model.
    """

    workspace: Workspace
    publication: Publication
    events: Sequence[Event]
    state: LogState
    sampled: Sampled
    groups: Mapping[str, str]
    machine_labels: Path | None = None
    model: Path | None = None
    is_draft: bool = False

    @cached_property
    def _answered(self) -> tuple[list[str], list[str]]:
        labelled, unresolved = answered_items(self.state)
        if not labelled:
            name = self.workspace.folder.name
            raise InputError(f"{name} has no labels yet: there is nothing to export")
        return labelled, unresolved

    @property
    def unresolved(self) -> list[str]:
        """Items that are unsure, flagged, or in conflict."""
        return self._answered[1]

    @cached_property
    def by_item(self) -> dict[str, Member]:
        """The sample that each sampled item stands in."""
        return self.sampled.by_item()

    @cached_property
    def splits(self) -> dict[str, str]:
        """The split of each labelled item."""
        return assign_splits(self._answered[0], self.by_item.keys(), self.sampled.pending, self.groups)

    @cached_property
    def uniform(self) -> dict[str, bool]:
        """Which samples include every item with the same probability."""
        return uniform_samples(self.sampled.members)

    @cached_property
    def selections(self) -> Selections:
        """How the items were selected."""
        return Selections(self.workspace, self.state)

    @cached_property
    def names(self) -> Pseudonyms:
        """What the annotators are called."""
        return Pseudonyms(self.events, "annotators" in self.publication.include)

    @property
    def with_notes(self) -> bool:
        """Whether notes are handed over."""
        return "note" in self.publication.include

    @cached_property
    def source(self) -> list[SourceColumn]:
        """The columns of the table that are handed over."""
        roles = self.workspace.roles
        left_out = {roles.id, roles.label if roles.label_use != "ignore" else None}
        return source_columns(self.workspace.table.schema, self.publication.columns, left_out)

    @property
    def classes(self) -> list[str]:
        """The classes that a label can have, in their order."""
        return [one["name"] for one in self.taxonomy if one.get("status") not in ("merged", "removed")]

    @cached_property
    def taxonomy(self) -> list[dict[str, Any]]:
        """The classes as plain values."""
        return self.workspace.taxonomy.to_list()

    @cached_property
    def moment(self) -> datetime:
        """When the newest event was made."""
        return newest_moment(self.events)

    @property
    def title(self) -> str:
        """The title; the name of the workspace where there is none."""
        return self.publication.title or self.workspace.name

    @cached_property
    def name(self) -> str:
        """A short name for files: lower case without spaces."""
        made = "".join(c if c.isascii() and c.isalnum() else "-" for c in self.title.lower())
        return self.publication.name or "-".join(filter(None, made.split("-")))[:100] or "dataset"

    def citation(self, version: str) -> str:
        """How to cite the data set, made up from creators, year and title where the authors have not said."""
        people = ", ".join(c.name for c in self.publication.creators) or "Anonymous"
        return self.publication.citation or f"{people} ({self.moment.year}): {self.title}, version {version}."

    @cached_property
    def guidelines(self) -> list[int]:
        """The versions of the guidelines, the oldest first."""
        return self.workspace.guidelines.numbers()

    @cached_property
    def bulks(self) -> dict[str, BulkRecord]:
        """What is known of each bulk step."""
        return self.workspace.bulks.records()

    def items_of(self, split: str) -> list[str]:
        """The items of a split, in no special order."""
        return [item_id for item_id, each in self.splits.items() if each == split]

    @property
    def split_files(self) -> dict[str, str]:
        """The files of the splits that have a row, by split."""
        found = set(self.splits.values())
        return {split: split_path(split) for split in ("train", "validation", "test", HELD_OUT) if split in found}


def split_path(split: str) -> str:
    """Where the rows of a split are."""
    return f"data/{HELD_OUT}.parquet" if split == HELD_OUT else f"data/{split}-00000-of-00001.parquet"
