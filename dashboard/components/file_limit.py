"""Tells of files that a button for uploads is given and does not take, since they are too large."""

from __future__ import annotations

from collections.abc import Callable

import param

from . import HERE
from .messenger import Messenger


class FileLimit(Messenger):
    """Shows nothing; calls a function with the name of a file over a limit that is chosen or dropped.

    Parameters
    ----------
    button
        CSS class of the button.
    most
        Bytes that a file may have.
    on_refused
        Called with the name, without the document's lock.
    """

    _esm = HERE / "file_limit.js"

    button = param.String(default="", doc="CSS class of the button.")
    most = param.Integer(default=0, doc="Bytes that a file may have.")

    def __init__(self, button: str, most: int, on_refused: Callable[[str], None]) -> None:
        def receive(message: dict[str, object]) -> None:
            on_refused(str(message.get("name", "the file"))[:200])

        super().__init__(receive, button=button, most=most, width=0, height=0, margin=0)
