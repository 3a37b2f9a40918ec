"""The labelling guidelines of a workspace: Markdown in numbered versions that never change."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .errors import InputError

FOLDER = "guidelines"
LONGEST = 200_000  # characters
FENCE = "---\n"


@dataclass(frozen=True)
class Guideline:
    """One version: its number from 1, who wrote it and when (UTC), and its Markdown."""

    number: int
    author: str
    created_at: datetime
    text: str


class Guidelines:
    """The versions in a folder, one file each: ``0001.md``, ``0002.md`` ...

    Parameters
    ----------
    folder
        The workspace; the files are in its folder ``guidelines``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / FOLDER
        self._lock = threading.Lock()
        self._newest: int | None = None

    @property
    def newest(self) -> int | None:
        """The number of the version in force, None before the first."""
        if self._newest is None:
            numbers = self.numbers()
            self._newest = numbers[-1] if numbers else 0
        return self._newest or None

    def numbers(self) -> list[int]:
        """The numbers of the versions, ascending."""
        if not self.folder.is_dir():
            return []
        return sorted(int(path.stem) for path in self.folder.glob("*.md") if path.stem.isdecimal())

    def read(self, number: int) -> Guideline:
        """One version; raises InputError when there is none, or its file is damaged."""
        path = self._path(number)
        try:
            head, text = path.read_text(encoding="utf-8").removeprefix(FENCE).split(FENCE, 1)
            facts = dict(line.split(": ", 1) for line in head.splitlines())
            return Guideline(
                number, json.loads(facts["author"]), datetime.fromisoformat(facts["created_at"]), text
            )
        except FileNotFoundError:
            raise InputError(f"there is no version {number} of the guidelines: reload the page") from None
        except (ValueError, KeyError, OSError) as error:
            raise InputError(f"{path} cannot be read ({error}): put a copy of it in its place") from error

    def add(self, text: str, author: str) -> Guideline:
        """Store the next version: whole and on disk, or not at all.

        Raises
        ------
        InputError
            When it is too long, or says what the version in force says.
        OSError
            When the disk refuses.
        """
        text = text.replace("\r\n", "\n").strip() + "\n"
        if len(text) > LONGEST:
            raise InputError(f"the guidelines have {len(text):,} characters, more than {LONGEST:,}: shorten them")
        with self._lock:
            numbers = self.numbers()
            if numbers and self.read(numbers[-1]).text == text:
                raise InputError(f"nothing has changed since version {numbers[-1]}: there is nothing to save")
            number = (numbers[-1] if numbers else 0) + 1
            one = Guideline(number, author, datetime.now(UTC), text)
            self._store(one)
            self._newest = number
            return one

    def _store(self, one: Guideline) -> None:
        self.folder.mkdir(exist_ok=True)
        target = self._path(one.number)
        partial = target.with_suffix(".partial")
        head = f"author: {json.dumps(one.author, ensure_ascii=False)}\ncreated_at: {one.created_at.isoformat()}\n"
        try:
            with partial.open("w", encoding="utf-8", newline="\n") as file:
                file.write(f"{FENCE}{head}{FENCE}{one.text}")
                file.flush()
                os.fsync(file.fileno())
            os.link(partial, target)  # which fails where another process was first
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:04d}.md"
