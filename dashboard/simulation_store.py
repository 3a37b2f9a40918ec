"""The finished runs of a simulation, kept beside its output so that it can go on where it stopped."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..data.errors import InputError

FORMAT = 1
SUFFIX = ".runs.jsonl"
RESTART = "throw it away with --restart, or choose another --output"

Run = tuple[str, str, int]
Records = list[dict[str, Any]]


class RunStore:
    """A file of JSON lines: first the plan that the runs belong to, then one finished run a line.

    A line is written at once and flushed to the disk, so that a simulation that is stopped, or a machine
    that loses its power, loses only the runs under way. What an interrupted write left of a last line is
    cut off.

    Parameters
    ----------
    output
        The output of the simulation; the file lies beside it.
    facts
        The plan, but for what only says which runs are made: JSON-able, the name of each fact being what
        the user would call it.
    restart
        Throw away what is there.

    Raises
    ------
    InputError
        When the runs that are there belong to another plan, the file is damaged, or cannot be written.
    """

    def __init__(self, output: Path, facts: dict[str, Any], *, restart: bool = False) -> None:
        self.path = output.with_name(output.name + SUFFIX)
        self.runs: dict[Run, Records] = {}
        try:
            if restart:
                self.path.unlink(missing_ok=True)
            length = self._read(facts) if self.path.exists() else 0
            self._file = self.path.open("ab")
            self._file.truncate(length)
            if not length:
                self._write({"format": FORMAT, "plan": facts})
        except OSError as error:
            raise InputError(
                f"{self.path} cannot be written ({error.strerror}): choose another --output"
            ) from error

    def _read(self, facts: dict[str, Any]) -> int:
        """Take the runs that are there; returns how many bytes of the file are whole lines."""
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if not whole:
            return 0
        try:
            first, *others = [json.loads(line) for line in whole.splitlines()]
            known_format, known = first["format"], dict(first["plan"])
            self.runs = {(str(o["strategy"]), str(o["classifier"]), int(o["seed"])): _records(o) for o in others}
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self.path} is damaged ({type(error).__name__}: {error}): {RESTART}") from error
        if known_format != FORMAT:
            raise InputError(f"{self.path} was written by another version of rareloop: {RESTART}")
        self._compare(known, json.loads(json.dumps(facts)))
        return len(whole)

    def _compare(self, known: dict[str, Any], facts: dict[str, Any]) -> None:
        for name in facts | known:
            if known.get(name) != facts.get(name):
                was, now = _short(known.get(name)), _short(facts.get(name))
                raise InputError(
                    f"{self.path} holds the runs of another plan (its {name}: {was}; now: {now}): {RESTART}"
                )

    def keep(self, run: Run, records: Records) -> None:
        """Keep a finished run; raises InputError when the disk does not take it."""
        strategy, classifier, seed = run
        try:
            self._write({"strategy": strategy, "classifier": classifier, "seed": seed, "records": records})
        except OSError as error:
            raise InputError(f"{self.path} cannot be written ({error.strerror}): make room") from error
        self.runs[run] = records

    def _write(self, content: dict[str, Any]) -> None:
        self._file.write(json.dumps(content, ensure_ascii=False).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()


def _records(content: dict[str, Any]) -> Records:
    records = content["records"]
    for number, record in enumerate(records):
        if record["round"] != number:
            raise ValueError(f"round {record['round']} stands where round {number} should")
        record["n_labels"], record["hits"], record["arms"]
    if not records:
        raise ValueError("a run without rounds")
    return list(records)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"
