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

from ..model_archive import CARD, MANIFEST, SKOPS_FILE

MAGIC = b"PAR1"
MOST_TEXT = 2**26  # bytes of a text file
MOST_GROUP = 2**30  # bytes of a row group in memory
MOST_TABLE = 2**32  # bytes of what is read of a file at once
MOST_ROWS = 2**20  # of a row group
MOST_FILE_ROWS = 2**31
MOST_COLUMNS = 20_000
MOST_FILES = 10_000
MOST_FOOTER = 2**26
WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 8, "FLOAT": 4, "DOUBLE": 8, "BYTE_ARRAY": 4}
TEXTS = (
    "README.md", "croissant.json", "datapackage.json", "LICENSE", "CITATION.cff", "GUIDELINES.md", "CHANGELOG.md",
    "taxonomy.json", "provenance.json", "SHA256SUMS",
)  # fmt: skip
PARQUET = re.compile(
    r"metrics\.parquet|data/(label_events|unresolved|samples|rounds|selection_log|machine_labels|held_out|"
    r"(train|validation|test)-00000-of-00001)\.parquet"
)
MODEL_FOLDER = "model"
MODEL = tuple(f"{MODEL_FOLDER}/{name}" for name in (MANIFEST, CARD, SKOPS_FILE))
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
        if name not in (*TEXTS, *MODEL) and not PARQUET.fullmatch(name) and not CERTIFICATE.fullmatch(name):
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


def _is_linked(folder: Path, name: str) -> bool:
    """Whether a file of a package, or a folder on the way to it, is a link."""
    path = PurePosixPath(name)
    return any((folder / piece).is_symlink() for piece in (path, *path.parents[:-1]))


def read_text(folder: Path, name: str) -> str:
    """A text of a package; raises UnsafeError when it is too large, no text, or not there."""
    path = folder / name
    try:
        if _is_linked(folder, name) or path.stat().st_size > MOST_TEXT:
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
        if _is_linked(folder, name):
            raise UnsafeError(f"{name} is a link")
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
            if _bytes_read(group) > MOST_GROUP:
                raise UnsafeError(f"{name} grows to more than {MOST_GROUP // 2**30} GB when it is read")
        leaves = [metadata.schema.column(place) for place in range(metadata.num_columns)]
        texts = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
        return pq.ParquetFile(path, read_dictionary=texts, memory_map=True)
    except (OSError, pa.ArrowException) as error:
        raise UnsafeError(
            f"{name} is no Parquet file that can be read ({' '.join(str(error).split())[:100]})"
        ) from error


def _bytes_read(group: pq.RowGroupMetaData) -> int:
    """Bytes of a row group in memory, with texts as dictionaries: a constant column is tiny in the file alone."""
    columns = (group.column(place) for place in range(group.num_columns))
    return sum(column.num_values * WIDTHS.get(column.physical_type, 16) for column in columns)


def _check_footer(path: Path, name: str) -> None:
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
    total = 0
    for column in block.columns:
        total += sum(_text_bytes(chunk) for chunk in column.chunks)
        if total > MOST_GROUP:
            raise UnsafeError(f"{name} grows to more than {MOST_GROUP // 2**30} GB when it is read")
    kinds = [plain_type(column.type) for column in block.columns]
    columns = [c if c.type == kind else c.cast(kind) for c, kind in zip(block.columns, kinds, strict=True)]
    return pa.table(columns, names=block.column_names)


def _text_bytes(cells: pa.Array) -> int:
    """Bytes of the texts in cells that are, or hold, dictionaries of texts."""
    if pa.types.is_dictionary(cells.type):
        lengths = pc.binary_length(cells.dictionary)
        return int(pc.sum(pc.take(lengths, cells.indices)).as_py() or 0)
    if pa.types.is_struct(cells.type):
        return sum(_text_bytes(part) for part in cells.flatten())
    if pa.types.is_map(cells.type):
        return _text_bytes(cells.keys) + _text_bytes(cells.items)
    return _text_bytes(cells.values) if pa.types.is_nested(cells.type) else 0


def plain_type(kind: pa.DataType) -> pa.DataType:
    """A type with what dictionaries hold in place of them, at every depth."""
    types = pa.types
    if types.is_dictionary(kind):
        return plain_type(kind.value_type)
    if types.is_struct(kind):
        return pa.struct([field.with_type(plain_type(field.type)) for field in kind])
    if types.is_map(kind):
        return pa.map_(plain_type(kind.key_type), plain_type(kind.item_type))
    if types.is_fixed_size_list(kind):
        return pa.list_(kind.value_field.with_type(plain_type(kind.value_type)), kind.list_size)
    if types.is_list(kind):
        return pa.list_(kind.value_field.with_type(plain_type(kind.value_type)))
    return kind


def read_table(folder: Path, name: str, columns: list[str] | None = None) -> pa.Table:
    """Some columns of a whole file; raises UnsafeError when it is damaged or more than fits into memory."""
    file, blocks, n_bytes = open_parquet(folder, name), [], 0
    for block in row_groups(file, name, columns):
        n_bytes += block.nbytes
        if n_bytes > MOST_TABLE:
            raise UnsafeError(f"{name} grows to more than {MOST_TABLE // 2**30} GB when it is read")
        blocks.append(block)
    if blocks:
        return pa.concat_tables(blocks)
    schema = file.schema_arrow if columns is None else pa.schema([file.schema_arrow.field(c) for c in columns])
    return _expanded(schema.empty_table(), name)
