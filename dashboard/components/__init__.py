"""What the browser itself must do: Panel components with their scripts and styles beside them."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent


def script(*names: str) -> str:
    """One browser module of several files of this folder, in their order.

    A component runs as a single module that cannot import its neighbours, so parts that components share,
    and parts of a large one, are put one after the other: only the last exports something.
    """
    return "\n".join((HERE / f"{name}.js").read_text(encoding="utf-8") for name in names)
