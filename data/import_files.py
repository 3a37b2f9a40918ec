"""Labels that a table has: CSV, TSV, Parquet or JSON lines, with the columns of rareloop or ASReview."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .errors import InputError
from .export.safety import UnsafeError, open_parquet, row_groups
from .readers import CSV, delimiter_of
from .tables import Progress

JSON_LINES = (".jsonl", ".ndjson")
ASREVIEW_LABELS = ("asreview_label", "included", "label_included")  # 1, 0, and -1 or nothing for not seen
LABELS = ("label", *ASREVIEW_LABELS, "choice")
OURS = {"annotator": "annotator", "given_at": "labelled_at", "note": "note"}
THEIRS = {"annotator": "asreview_user_name", "given_at": "asreview_time", "note": "asreview_note"}
MOST_CELL = 2**26  # characters
MOST_TEXT = 10_000  # characters of an identifier, label, name or note
MOST_LABELS = 500_000


@dataclass(frozen=True)
class Choice:
    """Which columns to read (None: guessed), and what to call the labels of the file; "" leaves them out."""

    id: str | None = None
    label: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Given:
    """One label as a file gives it; `place` is where, for messages."""

    item_id: str
    label: str
    place: str
    annotator: str | None = None
    given_at: datetime | None = None
    note: str | None = None


@dataclass(frozen=True)
class Read:
    """What a file says: at most one label an item.

    Attributes
    ----------
    name, form
        The file's name, and what it was taken for.
    n_rows
        Rows, tasks or records in it.
    n_empty
        Those without a label.
    disputed
        Items to which annotators gave different labels, with these; they have none in `labels`.
    """

    name: str
    form: str
    n_rows: int
    n_empty: int
    labels: tuple[Given, ...]
    disputed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def read_rows_file(path: Path, id_name: str | None, choice: Choice, tell: Progress) -> Read:
    """Read the labels of a CSV, TSV, Parquet or JSON lines file; raises InputError."""
    suffix = path.suffix.lower()
    if suffix in CSV:
        return read_rows(path, suffix[1:].upper(), _csv_rows(path, CSV[suffix], tell), id_name, choice)
    if suffix in JSON_LINES:
        return read_rows(path, "JSON lines", _line_rows(path, tell), id_name, choice)
    try:
        return read_rows(path, "Parquet", _parquet_rows(path, id_name, choice, tell), id_name, choice)
    except UnsafeError as error:
        raise InputError(f"{path.name} cannot be read: {error}") from error


# ---- rows -------------------------------------------------------------------------------------------

Row = tuple[str, Mapping[str, Any]]  # its place, and its cells


def _csv_rows(path: Path, usual: str, tell: Progress) -> Iterator[Row]:
    """Rows of texts; the header is row 1, as spreadsheets count."""
    csv.field_size_limit(MOST_CELL)
    size = max(path.stat().st_size, 1)
    with path.open("rb") as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter_of(path, usual), strict=True)
        try:
            header = next(reader, [])
            _check_header(path, header)
            for number, cells in enumerate(reader, 2):
                if not cells:
                    continue
                if len(cells) != len(header):
                    raise InputError(
                        f"{path.name} row {number} has {len(cells)} cells, the header has {len(header)}: mend it"
                    )
                if not number % 10_000:
                    tell(min(raw.tell() / size, 1.0), "reading the file")
                yield f"row {number}", dict(zip(header, cells, strict=True))
        except csv.Error as error:
            raise InputError(f"{path.name} line {reader.line_num} is damaged ({error}): mend it") from error


def _check_header(path: Path, header: Sequence[str]) -> None:
    if not header:
        raise InputError(f"{path.name} is empty: there are no labels in it")
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{path.name} has two columns named '{twice}': rename one of them")


def _line_rows(path: Path, tell: Progress) -> Iterator[Row]:
    size, done = max(path.stat().st_size, 1), 0
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(MOST_CELL), b""), 1):
            done += len(line)
            if not number % 10_000:
                tell(done / size, "reading the file")
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InputError(f"{path.name} line {number} is no JSON: mend it") from error
            if not isinstance(row, dict):
                raise InputError(f"{path.name} line {number} is no JSON object: mend it")
            yield f"line {number}", row


def _parquet_rows(path: Path, id_name: str | None, choice: Choice, tell: Progress) -> Iterator[Row]:
    file = open_parquet(path.parent, path.name)
    total, number = max(file.metadata.num_rows, 1), 0
    wanted = columns_of(path.name, file.schema_arrow.names, id_name, choice)
    for block in row_groups(file, path.name, list(wanted.values())):
        for batch in block.to_batches(10_000):
            for row in batch.to_pylist():
                number += 1
                yield f"row {number}", row
            tell(number / total, "reading the file")


def columns_of(name: str, columns: Iterable[str], id_name: str | None, choice: Choice) -> dict[str, str]:
    """Which column is the id, the label, and where there are any annotator, given_at and note.

    Raises
    ------
    InputError
        When a column that was named is not there, or one that was not cannot be guessed.
    """
    there = list(columns)
    listed = ", ".join(there[:20])
    for flag, given in (("--id", choice.id), ("--label", choice.label)):
        if given is not None and given not in there:
            raise InputError(f"there is no column '{given}' in {name} ({flag}): its columns are {listed}")
    label = choice.label or next((each for each in LABELS if each in there), None)
    ids = (choice.id, id_name, "item_id", "record_id" if label in ASREVIEW_LABELS else None)
    item_id = next((each for each in ids if each is not None and each in there), None)
    for flag, column, what in (("--id", item_id, "the identifiers"), ("--label", label, "the labels")):
        if column is None:
            raise InputError(f"which column of {name} has {what}? name it with {flag}: there are {listed}")
    found = {"id": str(item_id), "label": str(label)}
    for key in OURS:
        known = next((each for each in (OURS[key], THEIRS[key]) if each in there), None)
        if known is not None and known not in found.values():
            found[key] = known
    return found


def read_rows(path: Path, form: str, rows: Iterable[Row], id_name: str | None, choice: Choice) -> Read:
    """The labels of rows, one an item; rows that contradict each other are an error."""
    columns: dict[str, str] = {}
    once: dict[str, Given] = {}
    n_rows = n_empty = 0
    for place, row in rows:
        columns = columns or columns_of(path.name, row, id_name, choice)
        n_rows += 1
        given = given_of(path.name, place, row, columns, choice)
        if given is None:
            n_empty += 1
            continue
        other = once.setdefault(given.item_id, given)
        if other.label != given.label:
            raise InputError(
                f"{path.name} contradicts itself: '{given.item_id}' is '{other.label}' in {other.place} and "
                f"'{given.label}' in {given.place}: mend one of them"
            )
        check_size(path.name, len(once))
    if columns.get("label") in ASREVIEW_LABELS:
        form = f"ASReview, {form}"
    return Read(path.name, form, n_rows, n_empty, tuple(once.values()))


def check_size(name: str, n: int) -> None:
    """Raise InputError when there are more labels than one import takes."""
    if n > MOST_LABELS:
        raise InputError(f"{name} has more than the {MOST_LABELS:,} labels of one import: divide it")


def given_of(
    name: str, place: str, row: Mapping[str, Any], columns: Mapping[str, str], choice: Choice
) -> Given | None:
    """The label of a row, None where it has none."""
    where = f"{name} {place}"
    label = label_of(where, row.get(columns["label"]), columns["label"], choice)
    if label is None:
        return None
    item_id = text_of(row.get(columns["id"]))
    if not item_id:
        raise InputError(f"{where} has a label but nothing in '{columns['id']}': mend it, or name another --id")
    more = {key: row.get(columns[key]) for key in OURS if key in columns}
    return Given(
        checked(where, "an identifier", item_id),
        label,
        place,
        annotator_of(where, more.get("annotator")),
        moment_of(where, more.get("given_at")),
        checked(where, "a note", (text_of(more.get("note")) or "").strip()) or None,
    )


# ---- values -----------------------------------------------------------------------------------------


def text_of(value: Any) -> str | None:
    """A cell as text; whole numbers in floating point lose their ``.0``."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else str(value)


def label_of(where: str, value: Any, column: str, choice: Choice) -> str | None:
    """What a label is called here, None where there is none."""
    if isinstance(value, dict) and set(value) == {"choices"}:
        value = value["choices"]
    if isinstance(value, list):
        if len(value) > 1:
            raise InputError(f"{where} has {len(value)} classes, and an item can have one: leave one there")
        value = value[0] if value else None
    text = (text_of(value) or "").strip()
    if column in ASREVIEW_LABELS:
        text = re.sub(r"^(-?\d+)\.0*$", r"\1", text)
        text = "" if text == "-1" else text
    return checked(where, "a label", choice.names.get(text, text)) or None


def checked(where: str, what: str, text: str) -> str:
    """The text, where it is not too long and can be stored; raises InputError."""
    if len(text) > MOST_TEXT:
        raise InputError(f"{where} has {what} of more than {MOST_TEXT:,} characters: is this the right column?")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise InputError(f"{where} has {what} with half a character (a surrogate): mend it")
    return text


def annotator_of(where: str, value: Any) -> str | None:
    """A name of an annotator, None where there is none; raises InputError where it cannot be one."""
    if isinstance(value, dict):
        value = value.get("email") or value.get("id")
    name = (text_of(value) or "").strip()
    if len(name) > 200 or not name.isprintable():
        raise InputError(f"{where} has an annotator's name that is too long or not on one line: mend it")
    return name or None


def moment_of(where: str, value: Any) -> datetime | None:
    """A time, without a zone one of UTC; raises InputError where it is none."""
    if isinstance(value, str):
        value = value.strip()
        if not value:
            return None
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise InputError(f"{where} has the time '{value[:40]}': write it as 2026-03-04T05:06:07Z") from None
    if value is None or value != value:
        return None
    if hasattr(value, "to_pydatetime"):  # of pandas, with nanoseconds
        value = value.to_pydatetime(warn=False)
    if not isinstance(value, datetime):
        raise InputError(f"{where} has a time that is {type(value).__name__}: write it as 2026-03-04T05:06:07Z")
    try:
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise InputError(f"{where} has a time beyond all calendars: mend it") from None
