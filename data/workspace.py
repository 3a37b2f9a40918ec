"""One folder per labelling project: settings, roles, classes, the label log and caches."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from . import lock, settings_file
from .audits import AuditLog
from .bulks import BulkLog
from .campaigns import CampaignLog
from .classes import ClassTable, base_facts
from .errors import InputError
from .events import class_event
from .features import FeatureReport, build_features, load_report, open_features, save_report
from .growth import rows_before, same_rows
from .guidelines import Guidelines
from .identifiers import ItemIds
from .labels import Action, Event, LabelLog, new_event_id
from .roles import Roles, check_roles, guess_roles, item_ids, label_counts, label_texts
from .roundlog import RoundLog
from .settings_file import LOG_FILE, SCHEMA_VERSION, SETTINGS_FILE
from .tables import Fingerprint, Progress, Table, fingerprint, fingerprint_matches, import_table
from .taxonomy import MOST_CLASSES, Taxonomy

LOCK_FILE = "lock.json"
CACHE = "cache"
SUFFIX = ".rareloop"
SOURCE_FILE = "source.parquet"  # a table that came without a file
# What may be there before: that table, or what a process left that was killed while it made a workspace.
LEFT_BEHIND = {CACHE, SETTINGS_FILE + ".partial", SOURCE_FILE}
LABEL_BLOCK = 50_000


def workspace_folder(source: Path) -> Path:
    """Where the workspace of a table is kept: ``NAME.rareloop`` beside it."""
    return source.with_name(source.stem + SUFFIX)


class Workspace:
    """A labelling project; made by `create` or `open`.

    Attributes
    ----------
    folder, source
        Where it is, and the table's file.
    roles, taxonomy, settings
        What the columns are for, the classes, and plain settings; `save` keeps changes.
    infinite
        Whether infinite values are an ``error`` or count as ``missing``.
    images_root
        The folder that pictures are read from.
    notes
        What a user should know, in sentences.
    """

    def __init__(self, folder: Path, content: dict[str, Any]) -> None:
        self.folder = folder
        self.notes: list[str] = []
        self._read(content)

    # ---- making and opening ----------------------------------------------------------------------

    @classmethod
    def create(cls, folder: Path, source: Path, *, progress: Progress | None = None) -> Workspace:
        """Make a workspace for a table: copies it into the cache and guesses the roles.

        Raises
        ------
        InputError
            When the table cannot be read, the folder cannot be written, or holds something else.
        """
        if folder.exists() and (
            not folder.is_dir() or any(path.name not in LEFT_BEHIND for path in folder.iterdir())
        ):
            raise InputError(f"{folder} exists and is no workspace: choose another folder with --workspace")
        tell = progress or (lambda share, text: None)
        is_new = not folder.exists()
        mark = fingerprint(source, lambda share, text: tell(0.3 * share, text))
        try:
            (folder / CACHE).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{folder} cannot be written ({error.strerror}): choose another folder with --workspace"
            ) from error
        try:
            table = import_table(source, folder / CACHE / "table.arrow", lambda s, text: tell(0.3 + 0.5 * s, text))
            tell(0.8, "guessing what the columns are for")
            roles = guess_roles(table)
        except BaseException:
            shutil.rmtree(folder if is_new else folder / CACHE, ignore_errors=True)
            raise
        workspace = cls(
            folder,
            {
                "schema_version": SCHEMA_VERSION,
                "created_at": datetime.now(UTC),
                "confirmed": False,
                "source": {"path": str(source.resolve()), **asdict(mark)},
                "roles": roles.to_dict(),
            },
        )
        workspace.notes += table.notes
        workspace.save()
        tell(1.0, "ready")
        return workspace

    @classmethod
    def open(cls, folder: Path, *, accept_change: bool = False, progress: Progress | None = None) -> Workspace:
        """Open a workspace.

        Parameters
        ----------
        accept_change
            Go on although the table's file has changed: its new content is read, and the labels follow
            the ids.

        Raises
        ------
        InputError
            When it is no workspace, damaged, of a newer version, or its table has changed.
        """
        workspace = cls(folder, settings_file.load(folder))
        workspace._check_source(accept_change, progress)
        return workspace

    def reload(self) -> None:
        """Read the settings again, and the caches that another process may have made."""
        self._read(settings_file.load(self.folder))
        for name in ("features", "feature_report", "ids"):
            self.__dict__.pop(name, None)
        if "log" in self.__dict__:
            self.log.close()
            del self.__dict__["log"]

    def _read(self, content: dict[str, Any]) -> None:
        try:
            self._take(content)
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{self.folder / SETTINGS_FILE} is damaged ({type(error).__name__}: {error}): mend it; the labels "
                f"are safe in {LOG_FILE}"
            ) from error

    def _take(self, content: dict[str, Any]) -> None:
        self.fingerprint = Fingerprint(**{k: v for k, v in content["source"].items() if k != "path"})
        kept = Path(content["source"]["path"])
        self.source = self._found(kept)
        self.created_at: datetime = content["created_at"]
        self.is_confirmed = bool(content.get("confirmed", False))
        self.roles = Roles.from_dict(content.get("roles", {}))
        self.infinite = str(content.get("infinite", "error"))
        root = Path(content.get("images_root") or kept.parent)
        self.images_root = self.source.parent if root == kept.parent else root
        self._listed = Taxonomy.from_list(content.get("classes", []))
        self.settings: dict[str, Any] = dict(content.get("settings", {}))

    def _found(self, kept: Path) -> Path:
        """Where the table is now: one that was sent to somebody with the workspace lies beside it again."""
        beside = self.folder.parent / kept.name
        is_moved = not kept.exists() and beside.is_file() and beside.stat().st_size == self.fingerprint.size
        return beside if is_moved else kept

    @property
    def name(self) -> str:
        """The name of the folder without its suffix."""
        return self.folder.name.removesuffix(SUFFIX)

    def _check_source(self, accept_change: bool, progress: Progress | None) -> None:
        if not self.source.exists():
            if not _is_whole(self._table_file):
                raise InputError(f"{self.source} is gone, and so is its copy in {self.folder}: put the file back")
            self.notes.append(f"{self.source} is not there any more; the copy in the workspace is used.")
            return
        if not fingerprint_matches(self.source, self.fingerprint):
            if not accept_change:
                raise InputError(
                    f"{self.source} has changed since {self.folder.name} was made: put the old file back, or go "
                    "on with the new one with --accept-change (labels follow the ids)"
                )
            self._take_change(progress)
        elif not _is_whole(self._table_file):
            self._table_file.parent.mkdir(exist_ok=True)
            import_table(self.source, self._table_file, progress)

    def _take_change(self, progress: Progress | None) -> None:
        """Read the changed table, when it still has every item that has been answered."""
        candidate = self.folder / CACHE / "changed.arrow"
        mark = fingerprint(self.source)
        (self.folder / CACHE).mkdir(exist_ok=True)
        table = import_table(self.source, candidate, progress)
        try:
            if self.is_confirmed:
                check_roles(table, self.roles)
            self._check_answers(table, self.roles)
        except InputError:
            candidate.unlink()
            raise
        old = self.table if _is_whole(self._table_file) else None
        self.settings["rows_before"] = rows_before(self.rows_before, old, table, self.roles)
        self._drop_caches()
        candidate.replace(self._table_file)
        self.__dict__.pop("table", None)
        self.fingerprint = mark
        self.save()
        self.notes.append(f"{self.source.name} has changed; its {table.n_rows:,} rows have been read anew.")

    def _check_answers(self, table: Table, roles: Roles) -> None:
        """Raise InputError when items that have an answer are not to be found in a table under these roles."""
        answered = list(self.log.state().items)
        rows = item_ids(table, roles).find(answered)
        missing = [item_id for item_id, row in zip(answered, rows, strict=True) if row < 0]
        if missing:
            raise InputError(
                f"{self.source} has lost {len(missing):,} items that have an answer, for example "
                f"'{missing[0]}': put the old file back, or choose the identifiers that the answers have"
            )
        if roles.id is None and _is_whole(self._table_file) and not same_rows(self.table, table, rows):
            raise InputError(
                f"{self.source} has other values in rows with an answer, and row numbers are the identifiers: "
                "put the old file back, or make a new workspace"
            )

    def _drop_caches(self) -> None:
        """Remove what was computed from the table, so that it is computed anew."""
        for path in (self.folder / CACHE).iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.suffix != ".arrow":
                path.unlink()
        for name in ("ids", "features", "feature_report"):
            self.__dict__.pop(name, None)

    # ---- confirming and preparing ----------------------------------------------------------------

    def confirm(
        self, roles: Roles, classes: Sequence[str], wanted: Sequence[str] = (), infinite: str = "error"
    ) -> None:
        """Take roles and classes; with labels to start from, the column's own classes are added.

        Raises
        ------
        InputError
            When the roles do not fit the table or the classes are not usable; nothing is changed then.
        """
        check_roles(self.table, roles)
        names = list(classes)
        if roles.label is not None and roles.label_use == "start":
            found = list(label_counts(self.table, roles.label))
            names += [name for name in found if name.strip() not in names]
        if len(names) > MOST_CLASSES:
            raise InputError(f"{len(names):,} classes are more than {MOST_CLASSES}: name the ones that matter")
        if (self.folder / LOG_FILE).exists():
            self._check_answers(self.table, roles)
        taxonomy = Taxonomy(names, wanted)
        if len(taxonomy) < 2:
            raise InputError("labelling needs at least two classes: name the rare one, and one for all others")
        self._drop_caches()  # first: features of other roles would be taken for these after a crash
        self.roles, self.infinite, self.is_confirmed = roles, infinite, True
        self._take_classes(taxonomy)
        self.save()

    def _take_classes(self, taxonomy: Taxonomy) -> None:
        """Take the classes of the settings; where the log knows them already, what is new to it is added."""
        known = self.taxonomy
        if known is self._listed:
            self._listed = taxonomy
            return
        added = [c for c in taxonomy if c.name not in known.places]
        now = datetime.now(UTC)
        self.log.append([class_event(Action.CLASS_ADD, c.name, "table", now, {"wanted": c.wanted}) for c in added])

    def class_table(self) -> ClassTable:
        """The classes as the log tells them, or would after the first change; a copy."""
        table = self.log.state().classes.copy()
        for event in () if table.has_events else self._first_class_events():
            table.take(event)
        return table

    def _first_class_events(self) -> list[Event]:
        return [
            class_event(Action.CLASS_ADD, c.name, "settings", self.created_at, base_facts(self._listed, place))
            for place, c in enumerate(self._listed)
        ]

    def change_classes(self, events: Sequence[Event]) -> list[Event]:
        """Store events about classes in one transaction; before the first ones come those for the classes so far.

        Raises
        ------
        InputError
            When a change cannot be; nothing is stored then.
        OSError
            When the disk refuses.
        """
        first = [] if self.log.state().classes.has_events else self._first_class_events()
        stored = self.log.append([*first, *events])[len(first) :]
        self.save()
        return stored

    def unconfirm(self) -> None:
        """Ask for the roles again, after they turned out not to work."""
        self.is_confirmed = False
        self.save()

    @property
    def is_ready(self) -> bool:
        """Whether labelling can go on: roles are confirmed and the features are built."""
        if not (self.is_confirmed and self._report_file.exists()):
            return False
        try:
            return len(open_features(self._features_file)) == self.table.n_rows
        except (OSError, ValueError):  # gone, or cut short
            return False

    def prepare(self, progress: Progress | None = None) -> None:
        """Build the features, then store the labels to start from; doing it twice does no harm.

        Raises
        ------
        InputError
            When a feature has infinite values, or the disk is full.
        """
        tell = progress or (lambda share, text: None)
        if not self.is_ready:
            report = build_features(
                self.table,
                self.roles.features,
                self._features_file,
                infinite=self.infinite,  # type: ignore[arg-type]
                progress=lambda share, text: tell(0.9 * share, text),
            )
            save_report(report, self._report_file)
        if self.roles.label is not None and self.roles.label_use == "start":
            tell(0.9, "storing the labels to start from")
            self._store_start_labels(self.roles.label)
        tell(1.0, "ready")

    def _store_start_labels(self, column: str) -> None:
        """Enter the label column into the log, in blocks; items that have had an answer keep it.

        So it can be done again after it was broken off, after the user has undone or changed some, and after
        the table has got new rows.
        """
        texts = label_texts(self.table, column)
        rows = np.flatnonzero(texts.is_valid().to_numpy())
        for start in range(0, len(rows), LABEL_BLOCK):
            block, state, now = rows[start : start + LABEL_BLOCK], self.log.state(), datetime.now(UTC)
            labels = texts.take(pa.array(block)).to_pylist()
            self.log.append(
                [
                    Event(new_event_id(), Action.LABEL, item_id, "table", now, label=label, input="table",
                          strategy="imported")
                    for item_id, label in zip(self.ids.texts(block), labels, strict=True)
                    if not state.n_events_of(item_id)
                ]
            )  # fmt: skip

    def truth(self) -> list[str | None] | None:
        """The label column as text, missing ones None, in the order of the table; None without such a column."""
        if self.roles.label is None:
            return None
        texts: list[str | None] = label_texts(self.table, self.roles.label).to_pylist()
        return texts

    @property
    def taxonomy(self) -> Taxonomy:
        """The classes: as the log tells them, or as the settings list them where it tells nothing of classes."""
        if "log" in self.__dict__ or (self.folder / LOG_FILE).exists():
            classes = self.log.state().classes
            if classes.has_events:
                return classes.taxonomy
        return self._listed

    # ---- what it holds ---------------------------------------------------------------------------

    @cached_property
    def table(self) -> Table:
        """The table, memory-mapped."""
        return Table(self._table_file)

    @property
    def rows_before(self) -> list[int]:
        """The numbers of rows that the table had before each time that rows were appended, oldest first."""
        return [int(n) for n in self.settings.get("rows_before", [])]

    @cached_property
    def ids(self) -> ItemIds:
        """The identifiers of the items."""
        return item_ids(self.table, self.roles)

    @cached_property
    def features(self) -> NDArray[np.float32]:
        """The feature matrix ``(n_items, n_features)``, memory-mapped."""
        return open_features(self._features_file)

    @cached_property
    def feature_report(self) -> FeatureReport:
        """What was done to make the features."""
        return load_report(self._report_file)

    @cached_property
    def log(self) -> LabelLog:
        """The label log."""
        return LabelLog(self.folder / LOG_FILE)

    @cached_property
    def rounds(self) -> RoundLog:
        """The round log."""
        return RoundLog(self.folder / LOG_FILE)

    @cached_property
    def audits(self) -> AuditLog:
        """The audit log."""
        return AuditLog(self.folder / LOG_FILE)

    @cached_property
    def campaigns(self) -> CampaignLog:
        """The campaign log."""
        return CampaignLog(self.folder / LOG_FILE)

    @cached_property
    def guidelines(self) -> Guidelines:
        """The labelling guidelines, in versions."""
        return Guidelines(self.folder)

    @cached_property
    def bulks(self) -> BulkLog:
        """The bulk log."""
        return BulkLog(self.folder / LOG_FILE)

    @property
    def _table_file(self) -> Path:
        return self.folder / CACHE / "table.arrow"

    @property
    def _features_file(self) -> Path:
        return self.folder / CACHE / "features.npy"

    @property
    def _report_file(self) -> Path:
        return self.folder / CACHE / "features.json"

    # ---- keeping ---------------------------------------------------------------------------------

    def save(self) -> None:
        """Write ``workspace.toml``: whole or not at all, the user's own comments kept.

        Raises
        ------
        InputError
            When it cannot be written.
        """
        settings_file.write(self.folder, self._content())

    def _content(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "created_at": self.created_at,
            "confirmed": self.is_confirmed,
            "infinite": self.infinite,
            "images_root": str(self.images_root),
            "source": {"path": str(self.source.resolve()), **asdict(self.fingerprint)},
            "roles": self.roles.to_dict(),
            "settings": settings_file.plain(self.settings),
            "classes": self.taxonomy.to_list(),
        }

    def close(self) -> None:
        """Close the log and give the lock back."""
        for name in ("log", "rounds", "audits", "campaigns", "bulks"):
            if name in self.__dict__:
                self.__dict__.pop(name).close()
        self.release()

    # ---- one server at a time --------------------------------------------------------------------

    def lock(self, url: str) -> None:
        """Take the workspace for this process; a lock whose process is gone is taken over.

        Raises
        ------
        InputError
            When another process serves it, with the address at which it does.
        """
        lock.take(self.folder / LOCK_FILE, url)

    def release(self) -> None:
        """Give the lock back, if it is this process's."""
        lock.release(self.folder / LOCK_FILE)


def _is_whole(table_file: Path) -> bool:
    """Whether the copy of the table is there and can be read."""
    try:
        Table(table_file)
    except (OSError, pa.ArrowException):
        return False
    return True
