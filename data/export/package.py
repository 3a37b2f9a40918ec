"""A curated data set as a folder for others: written whole or not at all, and the same each time."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from ...version import __version__
from ..errors import InputError
from ..tables import Progress
from .card import card
from .checklist import REQUIRED, what_is_missing
from .columns import item_columns, schema_of
from .content import Content, Tally
from .croissant import croissant
from .datapackage import datapackage
from .files import SUMS, FileFacts, facts_in, sums_text, write_text
from .safety import MODEL, MODEL_FOLDER
from .texts import (
    as_json,
    changelog_text,
    citation_text,
    guidelines_text,
    licence_text,
    provenance_json,
    taxonomy_json,
)
from .versions import DRAFT, Change, Release, compare, decide
from .writing import write_tables

CERTIFICATES = "certificates"
FIELDS = {"licence": "--licence", "description": "--description", "creators": "--creator"}


@dataclass(frozen=True)
class Written:
    """A package that has been written: its short name, what is to be remembered, what changed, rows by file."""

    folder: Path
    name: str
    release: Release
    change: Change | None
    n_rows: Mapping[str, int]


def write_package(
    content: Content,
    target: Path,
    *,
    version: str | None = None,
    before: Release | None = None,
    progress: Progress | None = None,
) -> Written:
    """Write a package into a new folder.

    Parameters
    ----------
    target
        The folder; it may exist when it is empty.
    version
        What it is called; by default the least that the changes allow.
    before
        The version before this one.

    Raises
    ------
    InputError
        When the folder is not empty or cannot be written, there is no label, the version is too small, or what
        a package needs is missing and it is no draft; nothing is left behind then.
    """
    _check_target(target)
    _check_complete(content)
    tell = progress or (lambda share, text: None)
    partial: Path | None = None
    try:
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        written = _fill(content, partial, version, before, tell)
        partial.chmod(0o755)
        if target.exists():
            target.rmdir()
        partial.rename(target)
    except OSError as error:
        raise InputError(
            f"{target} cannot be written ({error.strerror or error}): choose another place"
        ) from error
    except pa.ArrowException as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"the columns cannot be written as Parquet ({reason}): leave that column out") from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)
    tell(1.0, "ready")
    return Written(target, content.name, written[0], written[1], written[2])


def _check_target(target: Path) -> None:
    if not target.parent.is_dir():
        raise InputError(f"there is no folder {target.parent}: make it first")
    with contextlib.suppress(NotADirectoryError):
        if not target.exists() or not any(target.iterdir()):
            return
    raise InputError(f"{target} exists and is not empty: name a new folder")


def _check_complete(content: Content) -> None:
    if content.is_draft:
        return
    missing = [key for key, _ in what_is_missing(content.workspace, content.state) if key in REQUIRED]
    if missing and missing[0] != "labels":
        flag = FIELDS[missing[0]]
        raise InputError(
            f"the data set has no {missing[0]} yet: give it with `rareloop describe {content.workspace.folder} "
            f"{flag} ...`, or make a draft with --draft"
        )


def _fill(
    content: Content, folder: Path, version: str | None, before: Release | None, tell: Progress
) -> tuple[Release, Change | None, Mapping[str, int]]:
    """Write all files: the tables first, from which the version follows, then the texts, then the checksums."""
    tally = write_tables(content, folder, tell)
    _write_certificates(content, folder)
    _copy_model(content, folder)
    write_text(folder / "taxonomy.json", as_json(taxonomy_json(content)))
    write_text(folder / "GUIDELINES.md", guidelines_text(content))
    write_text(folder / "LICENSE", licence_text(content))
    tell(0.9, "checksums")
    files = facts_in(folder)
    release = release_of(content, _digest(content, files))
    change = None if before is None else compare(before, release)
    number = decide(version, before, change) + (DRAFT if content.is_draft else "")
    release = replace(release, version=number, entries=_entries(content, number, before, change))
    _write_texts(content, tally, folder, release, files)
    files = facts_in(folder)
    write_text(folder / SUMS, sums_text(files))
    _sync(folder, tally)
    return release, change, tally.n_rows


def release_of(content: Content, digest: str = "") -> Release:
    """What is remembered of a version, which has no number yet; without a digest it is like no other."""
    items = content.state.items
    index = {item_id: (str(items[item_id].label), split) for item_id, split in content.splits.items()}
    columns = tuple(schema_of(item_columns(content.source)).names)
    return Release("", index, columns, len(content.events), digest)


def _digest(content: Content, files: Mapping[str, FileFacts]) -> str:
    """A digest of everything that a package is made from but the version."""
    facts = {
        "files": {path: facts.sha256 for path, facts in files.items()},
        "publication": content.publication.to_dict(),
        "draft": content.is_draft,
        "rareloop": __version__,
        "pyarrow": pa.__version__,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _entries(
    content: Content, number: str, before: Release | None, change: Change | None
) -> tuple[Mapping[str, Any], ...]:
    """What is said of each version so far; packages that are the same say the same."""
    if before is None or change is None:
        said = ["First version."]
    elif change.is_same:
        return before.entries
    else:
        said = change.sentences()
    earlier = () if before is None else before.entries
    return (*earlier, {"version": number, "date": f"{content.moment:%Y-%m-%d}", "sentences": said})


def _write_certificates(content: Content, folder: Path) -> None:
    """The certificates of the campaigns, with the annotators as they are called in the package."""
    for record in content.workspace.campaigns.records():
        if record.certificate is None:
            continue
        facts = dict(record.certificate.get("facts", {}))
        if "Annotators" in facts:
            called = content.names.names
            people = [name for name in str(facts["Annotators"]).split(", ") if name in called]
            facts["Annotators"] = ", ".join(called[name] for name in people) or "not listed"
        path = folder / CERTIFICATES / f"certificate-{record.number:03d}.json"
        write_text(path, as_json(record.certificate | {"facts": facts}))


def _copy_model(content: Content, folder: Path) -> None:
    """The model with its manifest and card."""
    if content.model is None:
        return
    (folder / MODEL_FOLDER).mkdir()
    for name in MODEL:
        shutil.copyfile(content.model / Path(name).name, folder / name)
        with (folder / name).open("rb+") as file:
            os.fsync(file.fileno())


def _write_texts(
    content: Content, tally: Tally, folder: Path, release: Release, files: Mapping[str, FileFacts]
) -> None:
    version, entries = release.version, release.entries
    sizes = {path: facts.size for path, facts in files.items()}
    texts = {
        "README.md": card(content, tally, version, sizes),
        "CITATION.cff": citation_text(content, version),
        "CHANGELOG.md": changelog_text(content, entries),
        "provenance.json": as_json(provenance_json(content, version, release.digest, entries)),
        "datapackage.json": as_json(datapackage(content, tally, version, files)),
        "croissant.json": as_json(croissant(content, tally, version, files)),
    }
    for name, text in texts.items():
        write_text(folder / name, text)


def _sync(folder: Path, tally: Tally) -> None:
    for path in tally.n_rows:
        with (folder / path).open("rb+") as file:
            os.fsync(file.fileno())
