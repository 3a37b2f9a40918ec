"""The button for the theme: light, dark, or as the system has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from . import HERE
from .messenger import Component

COOKIE = "rareloop-theme"


class ThemeButton(Component):
    """Says which theme the browser wants, at once and whenever that changes.

    Parameters
    ----------
    on_change
        Is called with whether the theme is dark.
    """

    _esm = HERE / "theme.js"
    _stylesheets = [HERE / "theme.css"]  # noqa: RUF012 (Panel's own form)

    def __init__(self, on_change: Callable[[bool], None], **params: Any) -> None:
        super().__init__(**params)
        self._on_change = on_change

    def _handle_msg(self, data: Any) -> None:
        if isinstance(data, dict):
            self._on_change(bool(data.get("dark")))


def was_dark(cookies: Mapping[str, str]) -> bool:
    """Whether this browser showed the dark theme when it was here last."""
    return cookies.get(COOKIE, "").endswith("dark")
