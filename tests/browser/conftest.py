"""A browser and a served session for the tests of the page.

A test waits for a state, never for a time. It fails on any error in the page and on any request that
leaves this machine.
"""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rareloop.tests.browser.actions import PATIENCE

playwright_api = pytest.importorskip("playwright.sync_api")

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars",
    "--force-color-profile=srgb",
]  # fmt: skip
LOCAL = ("http://localhost", "http://127.0.0.1", "ws://localhost", "ws://127.0.0.1", "data:", "blob:")


def find_browser(playwright: Any) -> str | None:
    """Playwright's own Chromium, or one that the system has."""
    own = Path(playwright.chromium.executable_path)
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    candidates = [os.environ.get("CHROMIUM"), str(own) if own.exists() else None, *map(shutil.which, names)]
    return next((path for path in candidates if path), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    with playwright_api.sync_playwright() as playwright:
        path = find_browser(playwright)
        if path is None:
            reason = "no Chromium or Chrome was found: install one, or run `playwright install chromium`"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)
        instance = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield instance
        instance.close()


@pytest.fixture
def screen() -> dict[str, Any]:
    """The window and its preferences; a test can be parametrised with others."""
    return {"viewport": {"width": 1366, "height": 768}}


@pytest.fixture
def page(browser: Any, screen: dict[str, Any]) -> Iterator[Any]:
    """A page that fails its test on errors in it and on requests to other hosts."""
    with _page_of(browser, screen) as one:
        yield one


@pytest.fixture
def second_page(browser: Any, screen: dict[str, Any]) -> Iterator[Any]:
    """The page of another person: it shares neither cookies nor storage with the first one."""
    with _page_of(browser, screen) as one:
        yield one


@contextmanager
def _page_of(browser: Any, screen: dict[str, Any]) -> Iterator[Any]:
    context = browser.new_context(
        reduced_motion="reduce", locale="en-GB", timezone_id="UTC", accept_downloads=True, **screen
    )
    context.set_default_timeout(PATIENCE)
    elsewhere: list[str] = []
    errors: list[str] = []

    def guard(route: Any) -> None:
        if route.request.url.startswith(LOCAL):
            route.continue_()
        else:
            elsewhere.append(route.request.url)
            route.abort()

    context.route("**/*", guard)
    one = context.new_page()
    one.elsewhere = elsewhere
    one.on("pageerror", lambda error: errors.append(f"{error} {error.stack}"))
    one.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    one.on("websocket", lambda ws: None if ws.url.startswith(LOCAL) else elsewhere.append(ws.url))
    yield one
    context.close()
    assert not elsewhere, f"the page asked other hosts: {elsewhere}"
    expected = getattr(one, "expected_errors", ())
    unexpected = [text for text in errors if not any(part in text for part in expected)]
    assert not unexpected, f"errors in the page: {unexpected}"


class Served:
    """One served session, and its address."""

    def __init__(self, workspace: Any, card: Any = None, password: str | None = None) -> None:
        from rareloop.dashboard.app import read_layout
        from rareloop.dashboard.serve import Address, choose_port, page_factory, server_options
        from rareloop.dashboard.session import LabellingSession

        import panel as pn  # isort: skip (after ours, which say where its files are)

        self.session = LabellingSession(workspace, "tester")
        self.session.card = card
        workspace.lock("test")
        self.session.start()
        address = Address(password=password)
        port = choose_port(Address(port=0))
        options = server_options(self.session, address, port)
        factory = page_factory(self.session, read_layout("default"))
        self.thread: threading.Thread = pn.serve({"/": factory}, threaded=True, show=False, **options)
        self.url = f"http://127.0.0.1:{port}/"
        self.wait(lambda: _listens(port), "the server listens")

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until the session is in a state."""
        until = time.monotonic() + PATIENCE / 1000
        while not condition():
            assert time.monotonic() < until, f"never happened: {what}"
            time.sleep(0.02)

    def close(self) -> None:
        """Stop the server, then the session."""
        import panel as pn

        pn.state.kill_all_servers()
        pn.state.reset()
        self.session.close()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def serve(page: Any) -> Iterator[Callable[..., Served]]:
    """Serves a workspace and opens its page; closes both afterwards."""
    served: list[Served] = []

    def start(workspace: Any, card: Any = None) -> Served:
        one = Served(workspace, card)
        served.append(one)
        page.goto(one.url, wait_until="domcontentloaded")
        return one

    yield start
    page.goto("about:blank")
    for one in served:
        one.close()


@pytest.fixture
def serve_with_login(page: Any, second_page: Any) -> Iterator[Callable[[Any, str], Served]]:
    """Serves a workspace to whoever knows the password; opens no page."""
    served: list[Served] = []

    def start(workspace: Any, password: str) -> Served:
        served.append(Served(workspace, password=password))
        return served[-1]

    yield start
    for one in (page, second_page):
        one.goto("about:blank")
    for server in served:
        server.close()


@pytest.fixture
def digits(tmp_path: Path) -> Any:
    """A confirmed workspace of the digits demo."""
    import pyarrow.parquet as pq
    from rareloop.data.samples import digits
    from rareloop.data.workspace import Workspace

    source = tmp_path / "digits.parquet"
    pq.write_table(digits(), source)
    workspace = Workspace.create(tmp_path / "digits.rareloop", source)
    workspace.settings["hide_suggestion_share"] = 0.0  # a test that waits for a suggestion must get it
    roles = workspace.roles
    roles.label_use = "truth"
    workspace.confirm(roles, [str(digit) for digit in range(10)], wanted=["8"])
    return workspace
