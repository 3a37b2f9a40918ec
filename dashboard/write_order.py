"""Updates that Panel puts off while a page's socket is busy: they reach the page in the order of their making."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import panel.io.document as panel_document
from bokeh.document import Document
from tornado.websocket import WebSocketClosedError

log = logging.getLogger(__name__)

Turn = Awaitable[AbstractContextManager[None]]


def write_in_order() -> None:
    """Have Panel's updates wait for their turn at the socket, beside those that Bokeh sends by itself.

    Panel 1.9 puts updates off while a document's socket is busy: it collects messages, and looks every ten
    milliseconds whether the socket is free. What Bokeh sends meanwhile waits in the socket's own queue and goes
    first, so that the page hears of changes of parts which an earlier message brings ("reference isn't known");
    and a message that comes as the ones before it are done may stay unsent. Here each message takes its place
    in the socket's queue when it is made. Does nothing when called again.
    """
    panel_document.schedule_write_events = _write_in_turn


def _write_in_turn(doc: Document, connections: Sequence[Any], events: Sequence[Any]) -> None:
    for connection in connections:
        # Made now: which parts the page knows by then is part of it.
        message = connection.protocol.create("PATCH-DOC", events)
        turn = connection._socket.write_lock.acquire()
        panel_document._dispatch_write_task(doc, _write, turn, connection, message)


async def _write(turn: Turn, connection: Any, message: Any) -> None:
    with await turn:
        try:
            for written in panel_document.dispatch_tornado(connection, msg=message):
                await written
        except WebSocketClosedError:
            log.info("an update was not sent: the page has gone")
