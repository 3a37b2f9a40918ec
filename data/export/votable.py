"""Tables as VOTable: XML, written in blocks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pyarrow as pa
import pyarrow.compute as pc

from ..astronomy import unit_of
from ..errors import InputError
from .cells import json_texts
from .spool import Spool, item_type

NAMESPACE = "http://www.ivoa.net/xml/VOTable/v1.3"
FORBIDDEN = r"[^\t\n\r\x20-\x{D7FF}\x{E000}-\x{FFFD}\x{10000}-\x{10FFFF}]"  # in XML 1.0
BLANKS = {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}
TYPES = {
    pa.bool_(): "boolean", pa.uint8(): "unsignedByte", pa.int8(): "short", pa.int16(): "short",
    pa.uint16(): "int", pa.int32(): "int", pa.uint32(): "long", pa.int64(): "long", pa.uint64(): "long",
    pa.float32(): "float", pa.float64(): "double",
}  # fmt: skip


def write_votable(path: Path, blocks: Iterator[pa.Table]) -> None:
    """Write tables of one schema as one VOTable 1.4.

    A missing cell is an empty one. Lists of numbers are arrays unless a whole number is missing; whole numbers
    beyond 2^63 make a column of text.

    Raises
    ------
    InputError
        When a text has a character that XML has not.
    """
    with Spool(blocks, path.parent) as spool, path.open("w", encoding="utf-8", newline="\n") as sink:
        kinds = [_kind(spool, field) for field in spool.schema]
        sink.write('<?xml version="1.0" encoding="UTF-8"?>\n')
        sink.write(f'<VOTABLE version="1.4" xmlns="{NAMESPACE}">\n<RESOURCE>\n')
        sink.write(f'<TABLE name="labels" nrows="{spool.n_rows}">\n')
        for field, (kind, size) in zip(spool.schema, kinds, strict=True):
            sink.write(_field(field, kind, size))
        sink.write("<DATA><TABLEDATA>\n")
        for block in spool:
            columns = [_cells(block, place, kind) for place, (kind, _) in enumerate(kinds)]
            sink.writelines(f"<TR>{''.join(row)}</TR>\n" for row in zip(*columns, strict=True))
        sink.write("</TABLEDATA></DATA>\n</TABLE>\n</RESOURCE>\n</VOTABLE>\n")


def _kind(spool: Spool, field: pa.Field) -> tuple[str, str]:
    """The VOTable type of a column and its array size."""
    kind, facts = item_type(field.type), spool.facts[field.name]
    nested = pa.types.is_nested(field.type)
    incomplete = facts.has_holes and not pa.types.is_floating(kind)
    deep = nested and pa.types.is_nested(field.type.value_type)
    beyond = pa.types.is_uint64(kind) and (nested or (facts.highest or 0) >= 2**63)
    shape = spool.shape(field.name)
    if kind not in TYPES or beyond or (nested and (incomplete or (deep and shape is None))):
        return "unicodeChar", "*"
    if not nested:
        return TYPES[kind], ""
    return TYPES[kind], "*" if shape is None else "x".join(str(n) for n in reversed(shape))


def _field(field: pa.Field, kind: str, size: str) -> str:
    facts = {"name": field.name, "datatype": kind, "arraysize": size, "unit": unit_of(field)}
    given = " ".join(f"{key}={quoteattr(_checked(value))}" for key, value in facts.items() if value)
    return f"<FIELD {given}/>\n"


def _checked(text: str) -> str:
    if re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", text):
        raise InputError(f"the column name {text!r} has a character that VOTable has not: choose another format")
    return text


def _cells(block: pa.Table, place: int, kind: str) -> Iterable[str]:
    """The cells of a column of a block, with their tags."""
    column = block.column(place)
    if kind == "unicodeChar":
        texts = _texts(block, place)
        return (f"<TD>{escape(text, BLANKS)}</TD>" if text else "<TD/>" for text in texts)
    if pa.types.is_nested(column.type):
        return (f"<TD>{_numbers(value)}</TD>" if value else "<TD/>" for value in column.to_pylist())
    if pa.types.is_boolean(column.type):
        words = {True: "<TD>T</TD>", False: "<TD>F</TD>", None: "<TD/>"}
        return (words[value] for value in column.to_pylist())
    texts = column.cast(pa.string()).to_pylist()
    return ("<TD/>" if text is None else f"<TD>{WORDS.get(text, text)}</TD>" for text in texts)


WORDS = {"nan": "NaN", "-nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}


def _texts(block: pa.Table, place: int) -> list[str]:
    column, name = block.column(place), block.column_names[place]
    texts = json_texts(column) if pa.types.is_nested(column.type) else column.cast(pa.string())
    texts = texts.fill_null("")
    wrong = pc.match_substring_regex(texts, FORBIDDEN)
    if pc.any(wrong).as_py():
        row = pc.index(wrong, True).as_py()
        item = f" of item '{block.column('item_id')[row]}'" if "item_id" in block.column_names else ""
        raise InputError(
            f"column '{name}'{item} has a character that VOTable has not: take it out, or choose another format"
        )
    made: list[str] = texts.to_pylist()
    return made


def _numbers(value: list[Any]) -> str:
    """The numbers of an array cell, the last index running fastest."""
    if value and isinstance(value[0], list):
        return " ".join(_numbers(each) for each in value)
    return " ".join("NaN" if x is None else WORDS.get(str(x), str(x)) for x in value)
