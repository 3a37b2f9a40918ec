"""Pieces of Markdown that texts of users cannot break out of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def plain(text: str) -> str:
    """Text of a user in Markdown: no HTML comes of it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").strip()


def code(text: str) -> str:
    """Text of a user as code."""
    return f"`{text.replace('`', ' ')}`"


def _cell(text: str) -> str:
    return " ".join(plain(str(text)).replace("|", "\\|").split())


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, one line a row."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def bullets(lines: Iterable[str]) -> str:
    """A list, one line an entry."""
    return "\n".join(f"- {line}" for line in lines)
