"""Labels in an ASReview project (``.asreview``): a zip with SQLite inside, of project files of version 2 and 3."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .errors import InputError
from .import_files import MOST_CELL, Choice, Given, Read, check_size, label_of, moment_of, text_of
from .readers import CSV, delimiter_in
from .tables import Progress

CONFIG = "project.json"
RESULTS = {3: re.compile(r"results\.db"), 2: re.compile(r"reviews/[0-9A-Za-z_-]+/results\.db")}
RECORDS = {3: re.compile(r"results\.db"), 2: re.compile(r"data_store\.db")}
NEWEST = 3
MOST_MEMBERS = 10_000
MOST_BYTES = 2**28  # of one file in the project
MOST_STEPS = 2_000  # millions of SQLite's instructions: more is no question of ours


def read_project(path: Path, id_name: str | None, choice: Choice, tell: Progress) -> Read:
    """Read the decisions of an ASReview project.

    The items are known by the column of the data set that has the workspace's identifiers, or by their row.

    Raises
    ------
    InputError
        When it is no project of a version that is known, damaged, or the data set has no such column.
    """
    tell(0.0, "reading the project")
    try:
        with zipfile.ZipFile(path) as project:
            if len(project.infolist()) > MOST_MEMBERS:
                raise InputError(f"{path.name} has more than {MOST_MEMBERS:,} files: it is no ASReview project")
            return _read(path.name, project, id_name, choice, tell)
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{path.name} is no ASReview project that can be read: export it again") from error
    except sqlite3.Error as error:
        raise InputError(f"{path.name} has a damaged database ({error}): export the project again") from error


def _read(name: str, project: zipfile.ZipFile, id_name: str | None, choice: Choice, tell: Progress) -> Read:
    config = _config(name, project)
    version = config.get("project_file_version") or int(f"{config.get('version', 0)}"[:1] or 0)
    if version not in RESULTS:
        remedy = "export it from ASReview 2 or newer" if version < NEWEST else "export the labels as CSV instead"
        raise InputError(f"{name} is a project file of version {version}, and 2 and 3 are known: {remedy}")
    results = _matching(name, project, RESULTS[version])
    records = _matching(name, project, RECORDS[version])
    answers = _rows(project, name, results, "results", ("record_id", "label", "time", "note", "user_id"))
    tell(0.4, "reading the project")
    rows = {row[0]: row[1] for row in _rows(project, name, records, "record", ("record_id", "dataset_row"))}
    ids = _identifiers(name, project, config, id_name, choice)
    tell(0.9, "reading the project")
    labels, n_empty = {}, 0
    for record, decision, moment, note, user in answers:
        where = f"{name} record {record}"
        label = label_of(where, decision, "asreview_label", choice)
        row = rows.get(record)
        if label is None or not isinstance(row, int):
            n_empty += 1
            continue
        if ids is not None and not 0 <= row < len(ids):
            raise InputError(f"{where} is of row {row}, which its data set has not: export the project again")
        item_id = str(row) if ids is None else ids[row]
        labels[item_id] = Given(
            item_id, label, f"record {record}", f"ASReview user {user}" if user is not None else None,
            _moment(where, moment), (text_of(note) or "").strip() or None,
        )  # fmt: skip
    check_size(name, len(labels))
    return Read(name, "ASReview project", len(answers), n_empty, tuple(labels.values()))


def _moment(where: str, seconds: Any) -> datetime | None:
    try:
        return moment_of(where, None if seconds is None else datetime.fromtimestamp(float(seconds), UTC))
    except (OverflowError, ValueError, TypeError, OSError):
        raise InputError(f"{where} has a time that is none: export the project again") from None


def _config(name: str, project: zipfile.ZipFile) -> Mapping[str, Any]:
    try:
        config = json.loads(_content(name, project, CONFIG))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} has a damaged {CONFIG}: export the project again") from error
    if not isinstance(config, dict):
        raise InputError(f"{name} has a damaged {CONFIG}: export the project again")
    return config


def _matching(name: str, project: zipfile.ZipFile, pattern: re.Pattern[str]) -> str:
    found = [member for member in project.namelist() if pattern.fullmatch(member)]
    if len(found) != 1:
        raise InputError(f"{name} has {len(found)} databases instead of one: export the labels as CSV instead")
    return found[0]


def _content(name: str, project: zipfile.ZipFile, member: str) -> bytes:
    """What a file of the project holds, never more than is allowed whatever the zip says."""
    if member not in project.namelist():
        raise InputError(f"{name} has no {member}: it is no ASReview project")
    with project.open(member) as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise InputError(f"{name} has a {member} of more than {MOST_BYTES // 2**20} MB: it is no ASReview project")
    return content


# ---- the databases ----------------------------------------------------------------------------------


def _rows(
    project: zipfile.ZipFile, name: str, member: str, table: str, columns: tuple[str, ...]
) -> list[tuple[Any, ...]]:
    """Some columns of a table; those that an older version has not are None."""
    with _database(_content(name, project, member)) as database:
        kinds = dict(database.execute("SELECT name, type FROM sqlite_master WHERE name = ?", (table,)).fetchall())
        if kinds.get(table) != "table":  # a view could run whatever it likes
            raise InputError(f"{name} has no table '{table}' in {member}: it is no ASReview project")
        there = {row[1] for row in database.execute(f"PRAGMA table_info({table})").fetchall()}
        if not set(columns[:2]) <= there:
            raise InputError(f"{name} has no column '{columns[1]}' in {member}: it is no ASReview project")
        chosen = ", ".join(column if column in there else "NULL" for column in columns)
        return database.execute(f"SELECT {chosen} FROM {table}").fetchall()  # noqa: S608


@contextlib.contextmanager
def _database(content: bytes) -> Iterator[sqlite3.Connection]:
    """A database that somebody made: it is read alone, and not for long."""
    with tempfile.TemporaryDirectory(prefix="rareloop") as folder:
        path = Path(folder) / "project.db"
        path.write_bytes(content)
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            connection.execute("PRAGMA trusted_schema = OFF")
            steps = iter(range(MOST_STEPS))
            connection.set_progress_handler(lambda: next(steps, None) is None, 1_000_000)
            yield connection
        finally:
            connection.close()


# ---- identifiers ------------------------------------------------------------------------------------


def _identifiers(
    name: str, project: zipfile.ZipFile, config: Mapping[str, Any], id_name: str | None, choice: Choice
) -> list[str] | None:
    """The identifiers of the rows of the data set; None where rows count, in the project as in the workspace."""
    column = choice.id or id_name
    if column is None:
        return None
    datasets = config.get("datasets")
    dataset = datasets[0].get("name") if isinstance(datasets, list) and datasets else None
    suffix = Path(str(dataset)).suffix.lower()
    if suffix not in CSV:
        raise InputError(
            f"the data set of {name} ({dataset}) is neither CSV nor TSV: export the labels from ASReview as CSV"
        )
    text = _content(name, project, f"data/{dataset}").decode("utf-8-sig")
    csv.field_size_limit(MOST_CELL)
    try:
        delimiter = delimiter_in(text[: text.find("\n")], CSV[suffix])
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        header = next(reader, [])
        if column not in header:
            listed = ", ".join(header[:20])
            raise InputError(f"the data set of {name} has no column '{column}': name one with --id among {listed}")
        place = header.index(column)
        return [cells[place] for cells in reader if cells]
    except (csv.Error, IndexError) as error:
        raise InputError(f"the data set of {name} is damaged: export the labels from ASReview as CSV") from error
