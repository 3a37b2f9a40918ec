"""Updates that Panel leaves unsent when writes overlap: sent after all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import panel.io.document as panel_document
from bokeh.document import Document

Dispatch = Callable[[Document], Awaitable[None]]


def send_what_is_left() -> None:
    """Have Panel send every update that it has put off, also when an earlier one ends in between.

    Panel 1.9 puts updates off while a document's socket is busy: it notes that writes are under way,
    collects messages, and starts a task for each. A task that ends takes the note away, even where
    messages have come meanwhile; the task of those then finds no note and leaves without sending them,
    so that the page shows an old state until something else changes. Here such a task puts the note
    back first. Does nothing when called again.
    """
    dispatch: Dispatch = panel_document._dispatch_msgs
    if getattr(dispatch, "sends_what_is_left", False):
        return

    async def dispatch_all(doc: Document) -> None:
        if doc in panel_document._WRITE_MSGS:
            panel_document._WRITE_BLOCK[doc] = True
        await dispatch(doc)

    dispatch_all.sends_what_is_left = True  # type: ignore[attr-defined]
    panel_document._dispatch_msgs = dispatch_all
