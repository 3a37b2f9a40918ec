"""Guidelines as HTML that is safe to show, and what one version changed of another."""

from __future__ import annotations

import difflib
from html import escape
from typing import Any

from markdown_it import MarkdownIt

CONTEXT = 2  # unchanged lines around a change
SIGNS = {"+ ": ("+", "rgba(0, 158, 115, 0.22)", "added"), "- ": ("−", "rgba(213, 94, 0, 0.22)", "removed")}


def _parser() -> MarkdownIt:
    """CommonMark with tables; HTML stays text, and no picture is loaded: no other host is ever asked."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")

    def link_open(self: Any, tokens: Any, index: int, options: Any, env: Any) -> str:
        tokens[index].attrSet("target", "_blank")
        tokens[index].attrSet("rel", "noopener noreferrer")
        return str(self.renderToken(tokens, index, options, env))

    parser.add_render_rule("link_open", link_open)
    return parser


PARSER = _parser()


def rendered(markdown: str) -> str:
    """Markdown as HTML; HTML in it is shown as text, scripts in links are left out, pictures are not loaded."""
    return str(PARSER.render(markdown))


def difference(before: str, after: str) -> str:
    """What has changed as HTML: lines added and removed, each with its sign, and a little around them."""
    lines = [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[:2] != "? "]
    near = {j for i, line in enumerate(lines) if line[:2] in SIGNS for j in range(i - CONTEXT, i + CONTEXT + 1)}
    parts: list[str] = []
    was_near = True
    for i, line in enumerate(lines):
        if i not in near:
            was_near = False
            continue
        if not was_near and parts:
            parts.append("<div aria-hidden='true'>⋯</div>")
        parts.append(_line(line))
        was_near = True
    return "".join(parts) or "<p>Nothing has changed.</p>"


def _line(line: str) -> str:
    sign, ground, word = SIGNS.get(line[:2], (" ", "transparent", ""))
    spoken = f"<span class='sr-only' style='position:absolute;left:-9999px'>{word}: </span>" if word else ""
    return (
        f"<div style='background:{ground};white-space:pre-wrap;font-family:monospace;padding:0 6px'>{spoken}"
        f"<span aria-hidden='true'>{sign}</span> {escape(line[2:])}</div>"
    )
