"""Updates that Panel puts off while a page's socket is busy arrive in the page, in the order of their making."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import panel.io.document as panel_document
import pytest
from bokeh.document import Document
from rareloop.dashboard.write_order import write_in_order
from tornado.locks import Lock
from tornado.websocket import WebSocketClosedError


class Connection:
    """A page's connection: its messages are their updates as they are, and writes take a moment."""

    def __init__(self):
        self.sent = []
        self.broken = set()
        self._socket = SimpleNamespace(write_lock=Lock())
        self.protocol = SimpleNamespace(create=lambda kind, events: events[0])

    def write(self, _connection, msg):
        async def written():
            await asyncio.sleep(0)
            if msg in self.broken:
                raise WebSocketClosedError
            self.sent.append(msg)

        return [written()]

    async def send(self, message):
        """As Bokeh does by itself."""
        with await self._socket.write_lock.acquire():
            await asyncio.sleep(0)
            self.sent.append(message)


@pytest.fixture
def connection(monkeypatch):
    """The connection that Panel writes to; Panel is as it was afterwards."""
    connection = Connection()
    monkeypatch.setattr(panel_document, "schedule_write_events", panel_document.schedule_write_events)
    monkeypatch.setattr(panel_document, "dispatch_tornado", connection.write)
    write_in_order()
    return connection


def put_off(doc, connection, message):
    panel_document.schedule_write_events(doc, [connection], [message])


def run(work):
    """In a thread: the test's own has a loop already after tests of the browser."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


async def ticks(n=50):
    for _ in range(n):
        await asyncio.sleep(0)


def test_an_update_that_was_put_off_is_not_overtaken_by_a_later_one_of_bokeh(connection):
    async def messages():
        doc = Document()
        busy = asyncio.ensure_future(connection.send("under way"))
        await asyncio.sleep(0)
        put_off(doc, connection, "brings a part")
        await connection.send("changes the part")
        put_off(doc, connection, "changes it again")
        await busy
        await ticks()

    run(messages())
    assert connection.sent == ["under way", "brings a part", "changes the part", "changes it again"]


def test_an_update_that_comes_as_an_earlier_one_ends_is_sent(connection):
    async def messages():
        doc = Document()
        put_off(doc, connection, "first")
        while not connection.sent:
            await asyncio.sleep(0)
        put_off(doc, connection, "second")
        await ticks()

    run(messages())
    assert connection.sent == ["first", "second"]


def test_a_write_that_fails_holds_up_none_after_it(connection):
    connection.broken = {"lost"}

    async def messages():
        doc = Document()
        put_off(doc, connection, "lost")
        put_off(doc, connection, "next")
        await ticks()

    run(messages())
    assert connection.sent == ["next"]
