"""A package that somebody made: opening it, and what its version says of each item."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import InputError
from .columns import PACKAGE_FORMAT, SPLITS
from .content import split_path
from .safety import UnsafeError, open_parquet, read_json, read_table
from .splits import HELD_OUT
from .versions import INDEX, Release, index_of, parts


def open_package(folder: Path) -> dict[str, Any]:
    """What provenance.json of a package says.

    Raises
    ------
    InputError
        When the folder is no package, or a newer rareloop made it.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}: name the folder of a package")
    if not (folder / "provenance.json").is_file():
        raise InputError(f"{folder} is no package (it has no provenance.json): name a folder that export made")
    try:
        provenance = read_json(folder, "provenance.json")
    except UnsafeError as error:
        raise InputError(f"{folder} is no package that can be read: {error}") from error
    known = provenance.get("package_format")
    if not isinstance(known, int):
        raise InputError(f"{folder} does not say its package_format: it is no package of rareloop")
    if known > PACKAGE_FORMAT:
        raise InputError(
            f"{folder} was made by a newer rareloop (package format {known}, this one knows {PACKAGE_FORMAT}): "
            "install the newer one"
        )
    return provenance


def present_splits(folder: Path) -> dict[str, str]:
    """The files of the splits that a package has, by split."""
    paths = {split: split_path(split) for split in (*SPLITS, HELD_OUT)}
    return {split: path for split, path in paths.items() if (folder / path).exists()}


def read_release(folder: Path) -> Release:
    """What a package says of each item; raises InputError when it cannot be read."""
    provenance = open_package(folder)
    index: dict[str, tuple[str, str]] = {}
    columns: tuple[str, ...] = ()
    try:
        for path in present_splits(folder).values():
            index |= index_of(read_table(folder, path, list(INDEX.names)))
            columns = tuple(open_parquet(folder, path).schema_arrow.names)
        version = str(provenance["version"])
        parts(version)
        return Release(
            version,
            index,
            columns,
            int(provenance["n_events"]),
            str(provenance["digest"]),
            tuple(dict(entry) for entry in provenance.get("versions", ())),
        )
    except UnsafeError as error:
        raise InputError(f"{folder} cannot be read: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{folder} has a damaged provenance.json ({error}): get the package again") from error
