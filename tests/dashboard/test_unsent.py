"""Updates that Panel puts off while a page's socket is busy arrive in the page."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import panel.io.document as panel_document
import pytest
from bokeh.document import Document
from rareloop.dashboard.unsent import send_what_is_left


class Socket:
    """A websocket whose writes end when the test says so."""

    def __init__(self):
        self.sent = []
        self.ends = []

    def write(self, connection, events=None, msg=None):
        self.sent.append(msg)
        self.ends.append(asyncio.get_running_loop().create_future())
        return [self.ends[-1]]


@pytest.fixture
def socket(monkeypatch):
    """The socket that Panel writes to; Panel is as it was afterwards."""
    socket = Socket()
    monkeypatch.setattr(panel_document, "_dispatch_msgs", panel_document._dispatch_msgs)
    monkeypatch.setitem(panel_document.extra_socket_handlers, SimpleNamespace, socket.write)
    return socket


def put_off(doc, connection, message):
    panel_document.schedule_write_events(doc, [connection], [message])


class Connection:
    """A page's connection, whose protocol makes a message of an update as it is."""

    def __init__(self):
        self._socket = SimpleNamespace()
        self.protocol = SimpleNamespace(create=lambda kind, events: events[0])


def test_an_update_that_comes_as_an_earlier_one_ends_is_sent(socket):
    send_what_is_left()

    async def messages():
        doc, connection = Document(), Connection()
        put_off(doc, connection, "first")
        await asyncio.sleep(0)
        socket.ends[0].set_result(None)  # the first task is due to go on ...
        put_off(doc, connection, "second")  # ... and takes the note away before the second begins
        for _ in range(5):
            await asyncio.sleep(0)
        return list(socket.sent)

    with ThreadPoolExecutor(1) as thread:  # the test's own thread has a loop already after tests of the browser
        assert thread.submit(asyncio.run, messages()).result() == ["first", "second"]


def test_calling_it_twice_wraps_once():
    send_what_is_left()
    once = panel_document._dispatch_msgs
    send_what_is_left()
    assert panel_document._dispatch_msgs is once
