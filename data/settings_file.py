"""The settings file of a workspace: TOML that is written whole or not at all, with the user's comments kept."""

from __future__ import annotations

import os
import tomllib
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import tomlkit

from .errors import InputError

SCHEMA_VERSION = 1
SETTINGS_FILE = "workspace.toml"
LOG_FILE = "labels.db"
HEADER = "A labelling project of rareloop. Made to be read; edit it only while rareloop is not running."


def load(folder: Path) -> dict[str, Any]:
    """The settings of a workspace.

    Raises
    ------
    InputError
        When the folder is no workspace, its settings are damaged, or a newer rareloop made it.
    """
    path = folder / SETTINGS_FILE
    if not path.exists():
        raise InputError(f"{folder} is no workspace (it has no {SETTINGS_FILE}): name a folder that rareloop made")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} is damaged ({error}): mend that line; the labels are safe in {LOG_FILE}"
        ) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check its permissions") from error
    version = content.get("schema_version")
    if not isinstance(version, int):
        raise InputError(f"{path} has no schema_version: it is no workspace of rareloop")
    if version > SCHEMA_VERSION:
        raise InputError(
            f"{folder} was made by a newer rareloop (workspace version {version}, this one knows "
            f"{SCHEMA_VERSION}): install the newer one"
        )
    return content


def write(folder: Path, content: dict[str, Any]) -> None:
    """Change what differs from `content` in the file, or make it.

    Raises
    ------
    InputError
        When the file cannot be written, or was edited into something that cannot be read.
    """
    path = folder / SETTINGS_FILE
    if path.exists():
        load(folder)
        document = tomlkit.parse(path.read_text(encoding="utf-8"))
    else:
        document = tomlkit.document()
        document.add(tomlkit.comment(HEADER))
    _merge(document, content)
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(tomlkit.dumps(document))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}): make room or check permissions") from error


def plain(value: Any) -> Any:
    """Values as TOML has them: no None, no tuples."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value


def _merge(document: MutableMapping[str, Any], values: dict[str, Any]) -> None:
    """Change what differs and nothing else, so that comments stay where they are."""
    for key, value in values.items():
        known = document.get(key)
        if isinstance(value, dict) and isinstance(known, MutableMapping):
            for gone in [name for name in known if name not in value]:
                del known[gone]
            _merge(known, value)
        elif key not in document or _unwrapped(known) != value:
            document[key] = value


def _unwrapped(item: Any) -> Any:
    return item.unwrap() if hasattr(item, "unwrap") else item
