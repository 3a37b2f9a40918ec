"""Packages in processes of their own: what has changed, writing one from a copy of the moment, checking it."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..data import audits, guidelines
from ..data.export.checklist import REQUIRED, what_is_missing
from ..data.export.checks import Result
from ..data.export.files import BLOCK
from ..data.export.versions import FIRST, RELEASES, next_version
from ..data.settings_file import LOG_FILE, SETTINGS_FILE
from ..data.tables import Progress
from ..data.workspace import CACHE, Workspace
from .handover import change_so_far, make_package, verify_package

MOMENT = "moment"  # in the stage: a folder with the copy of the workspace
PACKAGE = "package"  # in the stage: the package as it is written
COPIED = (guidelines.FOLDER, RELEASES)
LINKED = (CACHE, audits.FOLDER)  # large, and never changed in place
EARLIEST = (1980, 1, 1, 0, 0, 0)  # the first date that a zip can hold: the same package gives the same bytes


@dataclass(frozen=True)
class Proposal:
    """What the next version would be: its number at least, the one before, and what has changed since."""

    version: str
    before: str
    sentences: tuple[str, ...]
    n_events: int


@dataclass(frozen=True)
class Made:
    """A package that lies in the stage, with its zip beside it, both under the name that they shall have."""

    name: str
    version: str
    digest: str
    is_draft: bool
    sentences: tuple[str, ...]
    n_items: int
    n_bytes: int


def propose(progress: Progress, folder: Path) -> Proposal:
    """What the next version of a workspace would be; nothing is written."""
    workspace = Workspace.open(folder)
    try:
        n_events = workspace.log.state().n_events
        found = change_so_far(workspace, progress)
    finally:
        workspace.close()
    if found is None:
        return Proposal(FIRST, "", (), n_events)
    before, change = found
    said = change.sentences()
    if change.level == "patch":
        said = [f"The labels are those of {before.version}: it stays {before.version} unless a text differs."]
    return Proposal(next_version(before.version, change.level), before.version, tuple(said), n_events)


def make(progress: Progress, folder: Path, stage: Path, version: str | None) -> Made:
    """Write a package and its zip into the stage, an empty folder; a draft when something needed is missing.

    It is made from a copy of the moment, so that labelling can go on and the package can be made again from the
    same copy. The workspace itself is only read.
    """
    progress(0.0, "copying the log")
    workspace = Workspace.open(copy_moment(folder, stage / MOMENT))
    try:
        is_draft = any(key in REQUIRED for key, _ in what_is_missing(workspace))
        written = make_package(
            workspace,
            stage / PACKAGE,
            version=version,
            draft=is_draft,
            memory=stage,
            progress=lambda share, text: progress(0.05 + 0.75 * share, text),
        )
    finally:
        workspace.close()
    release = written.release
    name = f"{written.name}-{release.version}"
    written.folder.rename(stage / name)
    n_bytes = make_zip(stage / name, lambda share: progress(0.8 + 0.2 * share, "packing the zip"))
    said = written.change.sentences() if written.change is not None else ["This is the first version."]
    return Made(name, release.version, release.digest, is_draft, tuple(said), len(release.index), n_bytes)


def check(progress: Progress, package: Path, moment: Path) -> list[Result]:
    """The eleven checks of a package, with the copy that it was made from."""
    return verify_package(package, moment, progress)


def copy_moment(folder: Path, target: Path) -> Path:
    """A copy of a workspace as it is now under the same name, in a new folder; returns where it is.

    The log is copied as of one moment, whoever writes to it; what is large is linked.
    """
    copy = target / folder.name
    copy.mkdir(parents=True)
    for name in LINKED:
        if (folder / name).is_dir():
            _link(folder / name, copy / name)
    shutil.copyfile(folder / SETTINGS_FILE, copy / SETTINGS_FILE)
    source = sqlite3.connect((folder / LOG_FILE).resolve().as_uri() + "?mode=ro", uri=True)
    with contextlib.closing(source), contextlib.closing(sqlite3.connect(copy / LOG_FILE)) as log:
        source.backup(log)
    for name in COPIED:  # after the log, so that no event names a version that is not here
        if (folder / name).is_dir():
            shutil.copytree(folder / name, copy / name)
    return copy


def _link(folder: Path, target: Path) -> None:
    try:
        target.symlink_to(folder.resolve(), target_is_directory=True)
    except OSError:  # Windows, without the right to
        shutil.copytree(folder, target, copy_function=os.link)


def make_zip(folder: Path, progress: Callable[[float], object] | None = None) -> int:
    """Pack a folder into ``NAME.zip`` beside it, unpressed; the same folder gives the same bytes.

    Parquet is compressed already. Returns the size of the zip in bytes.
    """
    target = folder.with_name(f"{folder.name}.zip")
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    total, done = sum(path.stat().st_size for path in paths) or 1, 0
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as pack:
        for path in paths:
            entry = zipfile.ZipInfo(f"{folder.name}/{path.relative_to(folder).as_posix()}", EARLIEST)
            entry.external_attr = 0o644 << 16
            entry.file_size = path.stat().st_size
            with path.open("rb") as file, pack.open(entry, "w") as packed:
                while block := file.read(BLOCK):
                    packed.write(block)
                    done += len(block)
                    if progress is not None:
                        progress(done / total)
    return target.stat().st_size
