"""What each column is for: guessed from the data, confirmed by the user."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .errors import InputError
from .identifiers import ItemIds
from .tables import Table, holds_numbers

LabelUse = Literal["start", "truth", "ignore"]
ImageKind = Literal["path", "url", "bytes", "array"]

ID_NAME = re.compile(
    r"(^|_)(id|oid|uid|uuid|key|objid|specobjid|evid|rowid|index|name)$|^(id|kepid)", re.IGNORECASE
)
LABEL_NAME = re.compile(
    r"^(y|label|labels|class|target|truth|category|kind|type|intent|digit|species|outcome)$"
    r"|(_|^)(class|label|target|disposition|category)(_name)?$|^classification$",
    re.IGNORECASE,
)
# Numbers of these names are never features, even where they repeat (as in single precision).
SURE_ID_NAME = re.compile(r"(^|_)(id|uid|uuid|objid|evid|kepid)$|objid$", re.IGNORECASE)
IMAGE_SUFFIX = re.compile(r"\.(png|jpe?g|gif|webp|bmp|tiff?)$", re.IGNORECASE)
SERIES_NAME = re.compile(
    r"(^|_)(flux|fluxes|spectrum|spectra|light_?curve|curve|signal|wave_?form|intensity|trace|series|counts)(_|$)",
    re.IGNORECASE,
)
SAMPLE = 2_000
MOST_LABEL_VALUES = 200
MOST_CATEGORIES = 32
LONG_TEXT = 60  # characters, on average
SHORT_TEXT = 20
MOSTLY = 0.5
SMALLEST_PICTURE = 16
MOST_SHOWN = 14
MOST_NAMED = 5


@dataclass
class Roles:
    """What each column is for.

    ``id`` None means that row numbers, from 0 and as text, are the identifiers. `label_use` says what a
    label column is: labels to start from, hidden truth, or nothing. `series` are columns of lists that are
    drawn as curves, such as spectra. `notes` tells in sentences what the guess left out and why.
    """

    id: str | None = None
    label: str | None = None
    label_use: LabelUse = "ignore"
    features: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    image: str | None = None
    image_kind: ImageKind | None = None
    notes: list[str] = field(default_factory=list)
    series: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """The roles as plain values, without those that are None."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Roles:
        """The roles from plain values; what is not known is left out."""
        known = {f.name for f in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})


# ---- guessing ---------------------------------------------------------------------------------------


def guess_roles(table: Table) -> Roles:
    """Guess what each column is for, from its name, type and values.

    Touches whole columns to find out whether an identifier is unique and a number constant.
    """
    roles = Roles()
    rows = np.unique(np.linspace(0, table.n_rows - 1, min(SAMPLE, table.n_rows)).astype(np.int64))
    sample = table.take(rows)
    roles.id = _guess_id(table)
    roles.label = _guess_label(table, roles.id)
    if roles.label is not None:
        roles.label_use = "start" if label_texts(table, roles.label).null_count else "truth"
    roles.image, roles.image_kind = _guess_image(sample)
    for name in table.names:
        if name not in (roles.id, roles.label):
            _place(table, sample, name, roles)
    if len(roles.shown) > MOST_SHOWN:
        roles.notes.append(f"The first {MOST_SHOWN} of {len(roles.shown)} columns are shown on the card.")
        roles.shown = roles.shown[:MOST_SHOWN]
    if roles.id is None:
        roles.notes.append("No column names every row, so row numbers are the identifiers.")
    return roles


def _place(table: Table, sample: pa.Table, name: str, roles: Roles) -> None:
    """Give one column its roles: feature, shown, text or none."""
    kind = table.schema.field(name).type
    if _is_array(kind):
        has_width = _width(table.column(name)) is not None
        if name != roles.image and (SERIES_NAME.search(name) or not has_width):
            roles.series.append(name)
        if has_width:
            roles.features.append(name)
        else:
            roles.notes.append(f"'{name}' holds lists of different lengths and is left out of the features.")
        return
    if (
        name == roles.image
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_nested(kind)
    ):
        return
    if _follows_label(table, sample, name, roles.label):
        roles.notes.append(
            f"'{name}' follows from the label column and is left out, so that it gives nothing away."
        )
        return
    if _is_text(table, name):
        cells = sample.column(name).cast(pa.string())
        length = pc.mean(pc.utf8_length(cells)).as_py() or 0
        is_text = length > LONG_TEXT or (
            length > SHORT_TEXT and _distinct_share(cells) > MOSTLY and _has_spaces(cells)
        )
        (roles.text if is_text else roles.shown).append(name)
        return
    is_number = table.is_number(name) or pa.types.is_boolean(kind)
    problem = _number_problem(table, name) if is_number else None
    if problem:
        roles.notes.append(f"'{name}' {problem} and is left out.")
        return
    roles.shown.append(name)
    if is_number and _names_rows(sample.column(name), name):
        roles.notes.append(f"'{name}' looks like an identifier and is not a feature.")
    elif is_number:
        roles.features.append(name)


def _names_rows(cells: pa.ChunkedArray, name: str) -> bool:
    """Whether the numbers of a column identify something rather than measure it."""
    if SURE_ID_NAME.search(name):
        return True
    return bool(ID_NAME.search(name)) and _distinct_share(cells) > MOSTLY


def _number_problem(table: Table, name: str) -> str | None:
    column = table.column(name)
    if column.null_count == len(column):
        return "has no values"
    bounds = pc.min_max(column).as_py()
    low, high = bounds["min"], bounds["max"]
    if isinstance(low, float) and math.isnan(low):
        return "has no values"
    return f"is constant ({low})" if low == high else None


def giving_away(table: Table, names: Sequence[str], roles: Roles) -> set[str]:
    """Those columns that are the label or have one value for each label; touches those that a sample suspects."""
    if roles.label is None or roles.label_use == "ignore":
        return set()
    rows = np.unique(np.linspace(0, table.n_rows - 1, min(SAMPLE, table.n_rows)).astype(np.int64))
    others = [name for name in names if name != roles.label]
    sample = table.take(rows, [*others, roles.label])
    return {roles.label, *(name for name in others if _follows_label(table, sample, name, roles.label))}


def _follows_label(table: Table, sample: pa.Table, name: str, label: str | None) -> bool:
    """Whether a column has one value for each value of the label column, and more than one in all."""
    kind = table.column(name).type
    if label is None or not (pa.types.is_integer(kind) or pa.types.is_boolean(kind) or _is_text(table, name)):
        return False
    # Where the rows of the sample contradict it, the others need not be read.
    return all(_has_one_value_a_label(t.column(name), t.column(label)) for t in (sample, table)) and (
        pc.count_distinct(table.column(name), mode="all").as_py() > 1
    )


def _has_one_value_a_label(values: pa.ChunkedArray, labels: pa.ChunkedArray) -> bool:
    pairs = pa.table({"value": values, "label": labels}).group_by(["value", "label"]).aggregate([])
    return bool(pc.count_distinct(pairs.column("label"), mode="all").as_py() == pairs.num_rows)


def _distinct_share(cells: pa.ChunkedArray) -> float:
    return float(pc.count_distinct(cells).as_py() / max(len(cells), 1))


def _has_spaces(cells: pa.ChunkedArray) -> bool:
    return bool((pc.mean(pc.match_substring(cells, " ").cast(pa.uint8())).as_py() or 0) > MOSTLY)


def _guess_id(table: Table) -> str | None:
    named = [name for name in table.names if ID_NAME.search(name)]
    strings = [name for name in table.names if _is_text(table, name) and name not in named]
    for name in (*named, *strings):
        kind = table.column(name).type
        if (_is_text(table, name) or pa.types.is_integer(kind)) and _is_unique(table.column(name)):
            return name
    return None


def _guess_label(table: Table, id_name: str | None) -> str | None:
    for name in sorted((n for n in table.names if n != id_name and LABEL_NAME.search(n)),
                       key=lambda n: not _is_text(table, n)):  # fmt: skip
        kind = table.column(name).type
        is_exact = _is_text(table, name) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)
        if not is_exact and not _is_whole(table.column(name)):
            continue
        n_values = pc.count_distinct(label_texts(table, name)).as_py()
        if 2 <= n_values <= min(MOST_LABEL_VALUES, max(table.n_rows // 2, 2)):
            return name
    return None


def _is_whole(column: pa.ChunkedArray) -> bool:
    """Whether floating-point numbers are all whole: what other tools make of integers with missing values."""
    if not pa.types.is_floating(column.type):
        return False
    known = column.filter(pc.invert(pc.is_nan(column)))
    return bool(len(known) and pc.all(pc.and_(pc.is_finite(known), pc.equal(known, pc.round(known)))).as_py())


def _guess_image(sample: pa.Table) -> tuple[str | None, ImageKind | None]:
    for name in sample.column_names:
        column = sample.column(name).drop_null()
        kind = column.type
        if not len(column):
            continue
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            values = column.to_pylist()
            if all(IMAGE_SUFFIX.search(value.split("?")[0]) for value in values):
                return name, "url" if all(v.startswith(("http://", "https://")) for v in values) else "path"
        elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            if all(value.startswith((b"\x89PNG", b"\xff\xd8", b"GIF8", b"RIFF")) for value in column.to_pylist()):
                return name, "bytes"
        elif is_list(kind) and _is_picture(column, name):
            return name, "array"
    return None, None


def _is_picture(column: pa.ChunkedArray, name: str) -> bool:
    """Whether lists look like pixels: bytes that fill a square, or lists of lists."""
    if _is_array(column.type.value_type):
        return not SERIES_NAME.search(name)
    return pa.types.is_uint8(column.type.value_type) and _is_square(_width(column) or 0)


def _is_square(n_pixels: int) -> bool:
    return n_pixels >= SMALLEST_PICTURE and any(
        n_pixels % channels == 0 and math.isqrt(n_pixels // channels) ** 2 == n_pixels // channels
        for channels in (1, 3)
    )


def _is_text(table: Table, name: str) -> bool:
    kind = table.column(name).type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_unique(column: pa.ChunkedArray) -> bool:
    if column.null_count:
        return False
    head = column.slice(0, SAMPLE)
    if pc.count_distinct(head).as_py() < len(head):
        return False
    return bool(pc.count_distinct(column).as_py() == len(column))


def is_list(kind: pa.DataType) -> bool:
    """Whether the cells of a type are lists."""
    return bool(pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _is_array(kind: pa.DataType) -> bool:
    return is_list(kind) and (pa.types.is_integer(kind.value_type) or pa.types.is_floating(kind.value_type))


def _width(column: pa.ChunkedArray) -> int | None:
    """The common length of the lists in a column, or None when they differ or one is missing."""
    if column.null_count:
        return None
    if pa.types.is_fixed_size_list(column.type):
        return int(column.type.list_size)
    bounds = pc.min_max(pc.list_value_length(column)).as_py()
    return int(bounds["min"]) if bounds["min"] == bounds["max"] and bounds["min"] else None


def array_width(table: Table, name: str) -> int | None:
    """Numbers in each cell of a column of equally long lists, None for any other column."""
    return _width(table.column(name)) if _is_array(table.column(name).type) else None


# ---- checking ---------------------------------------------------------------------------------------


def check_roles(table: Table, roles: Roles) -> None:
    """Check that the roles fit the table.

    Raises
    ------
    InputError
        When a column is missing; the identifier is missing or repeated in a row; a feature is text,
        constant or empty; there is no feature; or the label column has fewer than two classes.
    """
    _check_names(table, roles)
    if roles.id is not None:
        check_id(table, roles.id)
    if not roles.features:
        raise InputError("there is no feature for the model to learn from: name columns with numbers (--features)")
    twice = next((name for name in roles.features if roles.features.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"column '{twice}' is a feature twice: name it once")
    for name in roles.features:
        _check_feature(table, name, roles)
    if roles.label is not None and roles.label_use != "ignore":
        check_label(table, roles.label, roles.label_use)


def _check_names(table: Table, roles: Roles) -> None:
    single = [name for name in (roles.id, roles.label, roles.image) if name is not None]
    for name in [*single, *roles.features, *roles.shown, *roles.text, *roles.series]:
        if name not in table.names:
            near = difflib.get_close_matches(name, table.names, n=3, cutoff=0.5) or table.names[:MOST_NAMED]
            raise InputError(f"there is no column '{name}': did you mean {' or '.join(repr(n) for n in near)}?")


def check_id(
    table: Table, name: str, remedy: str = "choose another identifier, or use row numbers (--id row)"
) -> None:
    """Check that a column names each row; raises InputError when it misses or repeats one, and says what to do."""
    column = table.column(name)
    if column.null_count:
        first = int(pc.index(column.is_null(), True).as_py())
        raise InputError(
            f"column '{name}' has no value in {column.null_count:,} rows, the first is row {first}: {remedy}"
        )
    if not (_is_text(table, name) or pa.types.is_integer(column.type) or pa.types.is_date(column.type)):
        raise InputError(f"column '{name}' is {column.type} and cannot name the rows: {remedy}")
    if pc.count_distinct(column).as_py() == len(column):
        return
    counted = pc.value_counts(column)
    again = pc.filter(counted.field("values"), pc.greater(counted.field("counts"), 1))
    first = pc.index(column, again[0]).as_py()
    second = first + 1 + pc.index(column.slice(first + 1), again[0]).as_py()
    raise InputError(
        f"column '{name}' has {len(again):,} values more than once, for example '{again[0].as_py()}' in the rows "
        f"{first} and {second}: {remedy}"
    )


def _check_feature(table: Table, name: str, roles: Roles) -> None:
    column = table.column(name)
    kind = column.type
    remedy = "leave it out of the features"
    if name == roles.label and roles.label_use != "ignore":
        raise InputError(f"column '{name}' is the label and cannot be a feature: {remedy}")
    if _is_array(kind):
        if _width(table.column(name)) is None:
            raise InputError(f"column '{name}' holds lists that are missing or differ in length: {remedy}")
        return
    if column.null_count == len(column):
        raise InputError(f"column '{name}' has no values at all: {remedy}")
    if _is_text(table, name):
        n_values = pc.count_distinct(column).as_py()
        if n_values > MOST_CATEGORIES:
            raise InputError(
                f"column '{name}' is text ({n_values:,} different values), and only numbers and categories of at "
                f"most {MOST_CATEGORIES} values can be features: {remedy}"
            )
        if n_values < 2:
            raise InputError(f"column '{name}' is constant, so it can tell no class from another: {remedy}")
        return
    if not holds_numbers(kind):
        raise InputError(f"column '{name}' is {kind} and holds no numbers: {remedy}")
    problem = _number_problem(table, name)
    if problem:
        raise InputError(f"column '{name}' {problem}, so it can tell no class from another: {remedy}")


def check_label(table: Table, name: str, use: LabelUse) -> None:
    """Raise InputError when a label column has fewer than two classes (one is enough to start from)."""
    kind = table.column(name).type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        raise InputError(f"the label column '{name}' is {kind} and names no classes: name another, or ignore it")
    found = list(label_counts(table, name))
    if not found:
        raise InputError(f"the label column '{name}' is empty: ignore it (--label-use ignore) or name another")
    if len(found) < 2 and use == "truth":
        raise InputError(
            f"the label column '{name}' has one class only ('{found[0]}'): name another, or ignore it"
        )


# ---- labels and identifiers -------------------------------------------------------------------------


def label_texts(table: Table, name: str) -> pa.ChunkedArray:
    """A label column as text; integers stored as floating point lose their ``.0``, blank texts are missing."""
    column = table.column(name)
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
        if _is_whole(column):
            column = column.cast(pa.int64())
    texts = pc.utf8_trim_whitespace(column.cast(pa.string()))
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)


def label_counts(table: Table, name: str) -> dict[str, int]:
    """How many rows each value of a label column has, the most frequent first; missing ones left out."""
    counted = pc.value_counts(label_texts(table, name)).to_pylist()
    pairs = [(entry["values"], entry["counts"]) for entry in counted if entry["values"] is not None]
    return dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))


def item_ids(table: Table, roles: Roles) -> ItemIds:
    """The identifiers of a table's items."""
    return ItemIds(table, roles.id)
