"""How each reader of a package wants its columns described: Arrow types as other languages name them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

TESTS = (
    (pa.types.is_boolean, "boolean", "sc:Boolean"),
    (pa.types.is_integer, "integer", "sc:Integer"),
    (pa.types.is_floating, "number", "sc:Float"),
    (pa.types.is_decimal, "number", "sc:Float"),
    (pa.types.is_timestamp, "datetime", "sc:DateTime"),
    (pa.types.is_date, "date", "sc:Date"),
    (pa.types.is_string, "string", "sc:Text"),
)
UNITS = {"s": "s", "ms": "ms", "us": "us", "ns": "ns"}


def type_words(kind: pa.DataType) -> str:
    """A type for people: lists as what is in them."""
    if pa.types.is_fixed_size_list(kind):
        return f"{kind.list_size} × {type_words(kind.value_type)}"
    return f"list of {type_words(kind.value_type)}" if pa.types.is_list(kind) else str(kind)


def frictionless_type(kind: pa.DataType, *, may_be_null: bool) -> str:
    """The type of a field in a table schema; its readers know no whole numbers among which some are missing."""
    name = next((name for test, name, _ in TESTS if test(kind)), "any")
    return "number" if name == "integer" and may_be_null else name


def croissant_type(kind: pa.DataType) -> str | None:
    """The type of a field of a record set; None for what only Parquet can say (lists, structures, bytes)."""
    return next((name for test, _, name in TESTS if test(kind)), None)


def hugging_face_feature(kind: pa.DataType) -> dict[str, Any] | list[Any] | str | None:
    """A feature as the YAML of a dataset card has it; None for types that have none there.

    A text is a plain type; a mapping is a list or structure.
    """
    types = pa.types
    if types.is_struct(kind):
        inner = [_named(field.name, field.type) for field in kind]
        return None if None in inner else {"struct": inner}
    if types.is_list(kind) or types.is_fixed_size_list(kind):
        feature = hugging_face_feature(kind.value_type)
        if feature is None:
            return None
        values: Any = feature["struct"] if isinstance(feature, dict) and "struct" in feature else feature
        width = {"length": kind.list_size} if types.is_fixed_size_list(kind) else {}
        return {"list": values} | width
    return _plain(kind)


def _plain(kind: pa.DataType) -> str | None:
    types = pa.types
    if types.is_timestamp(kind):
        zone = f", tz={kind.tz}" if kind.tz else ""
        return f"timestamp[{UNITS[kind.unit]}{zone}]"
    if types.is_decimal128(kind):
        return f"decimal128({kind.precision}, {kind.scale})"
    names = {
        pa.bool_(): "bool", pa.string(): "string", pa.binary(): "binary", pa.float32(): "float32",
        pa.float64(): "float64", pa.date32(): "date32", pa.date64(): "date64",
    }  # fmt: skip
    return str(kind) if types.is_integer(kind) else names.get(kind)


def _named(name: str, kind: pa.DataType) -> dict[str, Any] | None:
    feature = hugging_face_feature(kind)
    if feature is None:
        return None
    return {"name": name} | (feature if isinstance(feature, dict) else {"dtype": feature})


def hugging_face_features(schema: pa.Schema, classes: list[str]) -> list[dict[str, Any]] | None:
    """The columns of the split files for the YAML of a card; None where one of them has no form there."""
    features = [_named(field.name, field.type) for field in schema]
    if None in features:
        return None
    place = schema.get_field_index("label")
    names = {str(i): name for i, name in enumerate(classes)}
    features[place] = {"name": "label", "dtype": {"class_label": {"names": names}}}
    return [feature for feature in features if feature is not None]
