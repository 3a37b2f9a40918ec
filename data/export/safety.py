"""Looking into a package without trusting it: paths, sizes, and what may be in it; nothing of it is ever run."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

MAGIC = b"PAR1"
MOST_TEXT = 2**26  # bytes of a text file
MOST_GROUP = 2**30  # bytes of a row group in memory
MOST_ROWS = 2**20  # of a row group
MOST_FILE_ROWS = 2**31
MOST_COLUMNS = 20_000
MOST_FILES = 10_000
MOST_FOOTER = 2**26
TEXTS = (
    "README.md", "croissant.json", "datapackage.json", "LICENSE", "CITATION.cff", "GUIDELINES.md", "CHANGELOG.md",
    "taxonomy.json", "provenance.json", "SHA256SUMS",
)  # fmt: skip
PARQUET = re.compile(
    r"metrics\.parquet|data/(label_events|unresolved|samples|rounds|selection_log|machine_labels|held_out|"
    r"(train|validation|test)-00000-of-00001)\.parquet"
)
CERTIFICATE = re.compile(r"certificates/certificate-\d{3,}\.json")
OUTSIDE = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*:")


class UnsafeError(Exception):
    """What makes a package, or a file of it, unfit to be read; one sentence."""


def is_inside(path: object) -> bool:
    """Whether a name is a plain relative path that stays in its folder."""
    if not isinstance(path, str) or not path or len(path) > 500 or not path.isprintable():
        return False
    pieces = PurePosixPath(path).parts
    is_plain = "\\" not in path and not OUTSIDE.match(path) and not path.startswith(("/", "~", "$"))
    return is_plain and ".." not in pieces


def files_of(folder: Path) -> list[str]:
    """The paths of all files in a package, sorted.

    Raises
    ------
    UnsafeError
        When there is a link, something that is no file, a file that may be run or that no package has, or there
        are too many.
    """
    found: list[str] = []
    for path in _walk(folder):
        name = path.relative_to(folder).as_posix()
        mode = path.lstat().st_mode
        if not stat.S_ISREG(mode):
            raise UnsafeError(f"{name} is no plain file (a link or a device): a package has none")
        if mode & 0o111:
            raise UnsafeError(f"{name} may be executed: a package has nothing to run")
        if name not in TEXTS and not PARQUET.fullmatch(name) and not CERTIFICATE.fullmatch(name):
            raise UnsafeError(f"{name} is no file of a package: nothing but tables and texts belongs there")
        found.append(name)
        if len(found) > MOST_FILES:
            raise UnsafeError(f"there are more than {MOST_FILES:,} files")
    return sorted(found)


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)
        else:
            yield path


def read_text(folder: Path, name: str) -> str:
    """A text of a package; raises UnsafeError when it is too large, no text, or not there."""
    path = folder / name
    try:
        if path.is_symlink() or path.stat().st_size > MOST_TEXT:
            raise UnsafeError(f"{name} is a link or larger than {MOST_TEXT // 2**20} MB")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UnsafeError(f"{name} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UnsafeError(f"{name} is no text") from error
    if "\0" in text:
        raise UnsafeError(f"{name} is no text")
    return text


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """A JSON document of a package; raises UnsafeError when it is none."""
    try:
        value = json.loads(read_text(folder, name))
    except (ValueError, RecursionError) as error:
        raise UnsafeError(f"{name} is no JSON ({str(error)[:100]})") from error
    if not isinstance(value, dict):
        raise UnsafeError(f"{name} is no JSON object")
    return value


def read_front_matter(folder: Path) -> dict[str, Any]:
    """The YAML at the top of README.md; raises UnsafeError when there is none, or it has aliases."""
    pieces = read_text(folder, "README.md").split("---\n", 2)
    if len(pieces) < 3 or pieces[0]:
        raise UnsafeError("README.md does not begin with a block of YAML")
    return read_yaml(pieces[1], "README.md")


def read_yaml(text: str, name: str) -> dict[str, Any]:
    """A YAML mapping without aliases, which could make it endless; raises UnsafeError when it is none."""
    try:
        if any(isinstance(token, yaml.AliasToken | yaml.AnchorToken | yaml.TagToken) for token in yaml.scan(text)):
            raise UnsafeError(f"{name} has YAML aliases or tags, which a package has not")
        value = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise UnsafeError(f"{name} has damaged YAML ({' '.join(str(error).split())[:100]})") from error
    if not isinstance(value, dict):
        raise UnsafeError(f"{name} has no YAML mapping")
    return value


# ---- tables -----------------------------------------------------------------------------------------


def open_parquet(folder: Path, name: str) -> pq.ParquetFile:
    """A Parquet file after a look at its footer alone.

    Texts are read as dictionaries, so that a few bytes cannot become many before `checked` has seen them.

    Raises
    ------
    UnsafeError
        When it is none, or its footer tells of more than a package has.
    """
    path = folder / name
    try:
        _check_footer(path, name)
        metadata = pq.read_metadata(path, memory_map=True)
        if metadata.num_columns > MOST_COLUMNS or metadata.num_rows > MOST_FILE_ROWS:
            raise UnsafeError(f"{name} tells of {metadata.num_columns:,} columns and {metadata.num_rows:,} rows")
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            if group.num_rows > MOST_ROWS or group.total_byte_size > MOST_GROUP:
                raise UnsafeError(
                    f"{name} tells of a block of {group.num_rows:,} rows and {group.total_byte_size:,} bytes, "
                    "which is more than any package has"
                )
        schema = metadata.schema.to_arrow_schema()
        texts = [f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_binary(f.type)]
        return pq.ParquetFile(path, read_dictionary=texts, memory_map=True)
    except (OSError, pa.ArrowException) as error:
        raise UnsafeError(
            f"{name} is no Parquet file that can be read ({' '.join(str(error).split())[:100]})"
        ) from error


def _check_footer(path: Path, name: str) -> None:
    if path.is_symlink():
        raise UnsafeError(f"{name} is a link")
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(max(size - 8, 0))
        tail = file.read(8)
    length = int.from_bytes(tail[:4], "little")
    if head != MAGIC or tail[4:] != MAGIC or length > min(MOST_FOOTER, size):
        raise UnsafeError(f"{name} is no Parquet file")


def row_groups(file: pq.ParquetFile, name: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """The row groups of a file one after another, with plain texts; raises UnsafeError when one is too large."""
    try:
        for number in range(file.metadata.num_row_groups):
            yield _expanded(file.read_row_group(number, columns=columns, use_threads=False), name)
    except (OSError, pa.ArrowException) as error:
        raise UnsafeError(f"{name} is damaged ({' '.join(str(error).split())[:100]})") from error


def _expanded(block: pa.Table, name: str) -> pa.Table:
    """A block with its dictionaries written out, after counting the bytes that this takes."""
    total, columns = 0, []
    for column in block.columns:
        if pa.types.is_dictionary(column.type):
            for chunk in column.chunks:
                lengths = pc.binary_length(chunk.dictionary)
                total += pc.sum(pc.take(lengths, chunk.indices)).as_py() or 0
            if total > MOST_GROUP:
                raise UnsafeError(f"{name} grows to more than {MOST_GROUP // 2**30} GB when it is read")
            column = column.cast(column.type.value_type)
        columns.append(column)
    return pa.table(columns, names=block.column_names)


def read_table(folder: Path, name: str, columns: list[str] | None = None) -> pa.Table:
    """Some columns of a whole file."""
    file = open_parquet(folder, name)
    blocks = list(row_groups(file, name, columns))
    if blocks:
        return pa.concat_tables(blocks)
    schema = file.schema_arrow if columns is None else pa.schema([file.schema_arrow.field(c) for c in columns])
    return _expanded(schema.empty_table(), name)
