"""Links on the card: addresses in the table, and templates of the user's own filled with its values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from string import Formatter
from typing import Any
from urllib.parse import quote, urlsplit

from ..data.errors import InputError

ADDRESS = re.compile(r"^https?://[^\s<>\"'`\\]+$", re.IGNORECASE)
LONGEST = 2_000


def as_link(value: Any) -> str | None:
    """The value when it is an http(s) address and nothing else, or None."""
    if not isinstance(value, str) or len(value) > LONGEST or not ADDRESS.match(value):
        return None
    try:
        return value if urlsplit(value).hostname else None
    except ValueError:
        return None


def columns_of(template: str) -> list[str]:
    """The columns that a template such as ``https://host/path?ra={ra}`` uses.

    Raises
    ------
    InputError
        When it is no http(s) address, its host depends on the table, or its braces do not match.
    """
    try:
        names = [name for _, name, _, _ in Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise InputError(f"the link '{template}' cannot be read ({error}): write {{column}}") from error
    head = template.split("{", 1)[0]
    has_host = re.match(r"^https?://[^/?#]+[/?#]", head, re.IGNORECASE)
    if not has_host or as_link(head) is None:
        raise InputError(f"the link '{template}' must begin with http(s):// and a host of its own")
    return names


def filled(template: str, values: Mapping[str, Any]) -> str | None:
    """A template with the values of one row, URL-encoded; None when one of them is missing."""
    names = columns_of(template)
    if any(values.get(name) is None or values[name] != values[name] for name in names):  # None or NaN
        return None
    parts: Iterable[tuple[str, str | None]] = ((text, name) for text, name, _, _ in Formatter().parse(template))
    return "".join(text + ("" if name is None else quote(str(values[name]), safe="")) for text, name in parts)
