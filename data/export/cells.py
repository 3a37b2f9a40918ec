"""Cells of any Arrow type as what plain files can hold: strict JSON, texts."""

from __future__ import annotations

import json
import math
from typing import Any

import pyarrow as pa

BINARY = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)


def json_text(value: Any) -> str:
    """Strict JSON: numbers that it does not have (not a number, infinite) are null."""
    try:
        return json.dumps(value, default=_jsonable, ensure_ascii=False, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), default=_jsonable, ensure_ascii=False, allow_nan=False)


def json_texts(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Lists and structures as JSON texts."""
    return pa.array([None if v is None else json_text(v) for v in column.to_pylist()], pa.string())


def hex_texts(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Bytes as hexadecimal texts."""
    return pa.array([None if v is None else v.hex() for v in column.to_pylist()], pa.string())


def is_binary(kind: pa.DataType) -> bool:
    """Whether cells of a type are bytes."""
    return any(test(kind) for test in BINARY)


def flat(block: pa.Table) -> pa.Table:
    """Lists and structures as JSON texts, bytes as hexadecimal, which a CSV cell can hold."""
    columns = {}
    for name in block.column_names:
        column = block.column(name)
        if pa.types.is_nested(column.type):
            column = json_texts(column)
        elif is_binary(column.type):
            column = hex_texts(column)
        columns[name] = column
    return pa.table(columns)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _jsonable(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value.hex() if isinstance(value, bytes) else str(value)
