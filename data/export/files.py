"""The files of a package: their sizes and checksums, and the list of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SUMS = "SHA256SUMS"
BLOCK = 2**20


@dataclass(frozen=True)
class FileFacts:
    """Bytes and SHA-256 (hex) of a file."""

    size: int
    sha256: str


def file_facts(path: Path) -> FileFacts:
    """Read a file once."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            size += len(block)
    return FileFacts(size, digest.hexdigest())


def facts_in(folder: Path) -> dict[str, FileFacts]:
    """All files of a folder by their path in it, in the order of the paths."""
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {path: file_facts(folder / path) for path in paths if path != SUMS}


def sums_text(files: Mapping[str, FileFacts]) -> str:
    """The text of SHA256SUMS, as ``sha256sum --check`` reads it."""
    return "".join(f"{files[path].sha256}  {path}\n" for path in sorted(files))


def write_text(path: Path, text: str) -> None:
    """Write a text with plain line ends, and have it on disk."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
