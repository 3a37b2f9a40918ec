"""Arrow arrays from Python and back without pandas.

What pyarrow has for it imports pandas, whatever it is given: half a second for which a start need not wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def of_rows(rows: NDArray[np.int64]) -> pa.Int64Array:
    """Row numbers ``(n_rows,)`` as an Arrow array over the same memory.

    Examples
    --------
    >>> of_rows(np.array([3, 1])).to_pylist()
    [3, 1]
    """
    buffer = pa.py_buffer(np.ascontiguousarray(rows, dtype=np.int64))
    return pa.Array.from_buffers(pa.int64(), len(rows), [None, buffer])


def of_texts(texts: Sequence[str]) -> pa.LargeStringArray:
    """Texts as an Arrow array.

    Examples
    --------
    >>> of_texts(["a", "", "ö"]).to_pylist()
    ['a', '', 'ö']
    """
    encoded = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.large_string(), len(texts), buffers)


def numbers(array: pa.Array) -> NDArray[Any]:
    """An Arrow array of numbers, none of them missing, as a NumPy array over the same memory.

    Examples
    --------
    >>> numbers(of_rows(np.array([3, 1])))
    array([3, 1])
    """
    return np.from_dlpack(array)
