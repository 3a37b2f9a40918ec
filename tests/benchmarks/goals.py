"""How the statistical benchmarks end: tables and goals, printed and kept, and whether a goal is met."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd


def met(is_met: bool) -> str:
    """Whether a goal is met, in words."""
    return "met" if is_met else "**not met**"


def reported(
    run: Callable[[], pd.DataFrame], parts: list[Callable[[pd.DataFrame], list[str]]], table: Path | None
) -> pd.DataFrame:
    """Run, then print the lines of all parts, and write them to a file where one is asked for."""
    try:
        frame = run()
    except ValueError as error:  # a set that is not known, or whose file is missing
        raise SystemExit(str(error)) from None
    text = "\n".join(line for part in parts for line in part(frame))
    print(text)
    if table is not None:
        table.write_text(text + "\n")
    return frame
