"""Certificates as files of the workspace, and as a page."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..strategies.certificate import markdown

FOLDER = "certificates"
ROUTE = "certificate-file"  # where they can be downloaded


def file_name(number: int, suffix: str) -> str:
    """What the certificate of a campaign is called: ``certificate-001.json`` or ``.md``."""
    return f"certificate-{number:03d}.{suffix}"


def keep(folder: Path, number: int, certificate: Mapping[str, Any]) -> None:
    """Write a certificate into a workspace as JSON and as Markdown: each whole and on disk, or not at all.

    Raises
    ------
    OSError
        When the disk refuses.
    """
    target = folder / FOLDER
    target.mkdir(exist_ok=True)
    _write(target / file_name(number, "json"), json.dumps(certificate, indent=2, ensure_ascii=False) + "\n")
    _write(target / file_name(number, "md"), markdown(certificate))


def _write(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


# ---- as a page --------------------------------------------------------------------------------------


def as_html(certificate: Mapping[str, Any]) -> str:
    """A certificate as HTML: headings, lists and tables; whatever the names are, they stay text."""
    parts: list[str] = []
    block: list[str] = []
    kind = ""
    for line in [*markdown(certificate).splitlines(), ""]:
        new_kind = {"- ": "list", "| ": "table"}.get(line[:2], "")
        if new_kind != kind:
            parts += _block(kind, block)
            block, kind = [], new_kind
        if kind:
            block.append(line)
        elif line.startswith("#"):
            level = len(line) - len(line.lstrip("#"))
            parts.append(f"<h{level + 2}>{_safe(line[level:])}</h{level + 2}>")
        elif line:
            parts.append(f"<p>{_safe(line)}</p>")
    return "".join(parts)


def _block(kind: str, lines: list[str]) -> list[str]:
    if kind == "list":
        return ["<ul>", *(f"<li>{_safe(line[2:])}</li>" for line in lines), "</ul>"]
    if kind != "table":
        return []
    head, _, *rows = (line.strip("| ").replace("\\|", "\0").split(" | ") for line in lines)
    cells = "".join(f"<th scope='col'>{_safe(cell)}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{_safe(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return [f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"]


def _safe(text: str) -> str:
    return html.escape(html.unescape(text.replace("\0", "|")).strip())
