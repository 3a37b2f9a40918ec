"""The server: address, login, sessions, and the routes beside the page."""

from __future__ import annotations

import builtins
import contextlib
import ipaddress
import secrets
import socket
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import panel as pn
from bokeh.util.warnings import BokehUserWarning
from panel.io.resources import DIST_DIR, JS_VERSION
from tornado.web import StaticFileHandler

from ..data.errors import InputError
from ..layouts.schema import Layout
from . import cards as own_cards
from . import certificates, headers, images
from .app import VIEWS, App
from .arrangement import Arrangement
from .items import ItemCards
from .session import LabellingSession
from .views import export
from .visitors import checked_name
from .write_order import write_in_order

DEFAULT_PORT = 5006
PORTS_TRIED = 20
LOGIN_PAGE = Path(__file__).with_name("login.html")
TOKEN_SECONDS = 7 * 24 * 3600  # a page whose token is older could not connect again


@dataclass(frozen=True)
class Address:
    """Where to listen, and the password that is asked for there (None: no login)."""

    host: str = "127.0.0.1"
    port: int | None = None
    password: str | None = None


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def choose_port(address: Address) -> int:
    """The port asked for, or the first free one from 5006 on.

    Raises
    ------
    InputError
        When the port asked for is in use or not allowed, or the host is none of this machine's.
    """
    candidates = [address.port] if address.port is not None else range(DEFAULT_PORT, DEFAULT_PORT + PORTS_TRIED)
    problem: OSError | OverflowError | None = None
    for port in candidates:
        try:
            family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address.host, port))
                return int(probe.getsockname()[1])
        except (OSError, OverflowError) as error:
            problem = error
    if isinstance(problem, socket.gaierror) or getattr(problem, "errno", 0) == 99:
        raise InputError(f"this machine has no address {address.host}: choose another with --address")
    if address.port is not None:
        reason = getattr(problem, "strerror", None) or str(problem)
        raise InputError(f"port {address.port} cannot be used ({reason}): choose another with --port")
    raise InputError(
        f"the ports {DEFAULT_PORT} to {DEFAULT_PORT + PORTS_TRIED - 1} are in use: choose one with --port"
    )


def check_address(address: Address) -> None:
    """Refuse to be reachable from other machines without a login.

    Raises
    ------
    InputError
        When the host is not this machine's own loopback and no password is set.
    """
    if not is_loopback(address.host) and not address.password:
        raise InputError(
            f"listening on {address.host} lets other machines in: set a password in the environment variable "
            "RARELOOP_PASSWORD first, or leave --address out"
        )


def page_factory(session: LabellingSession, layout: Layout) -> Callable[[], pn.viewable.Viewable]:
    """A function that makes the page of one visitor; the card contents are shared by all.

    Who has logged in is the annotator of what they answer; without a login it is the session's.
    """
    with _outside_a_notebook():
        pn.extension(notifications=True, reconnect=True)
    # Of views that are made later and ask for their state at once: nothing that whoever serves can do.
    warnings.filterwarnings("ignore", message="reference already known", category=BokehUserWarning)
    write_in_order()
    cards = ItemCards(session.workspace, session.card)
    arrangements: dict[str, Arrangement] = {}

    def make() -> pn.viewable.Viewable:
        user = pn.state.user
        try:
            annotator = session.annotator if user is None else checked_name(user)
        except InputError as error:
            return pn.pane.HTML(f"<p>{escape(str(error))}.</p><p><a href='logout'>Log in again</a></p>")
        if annotator not in arrangements:
            arrangements[annotator] = Arrangement(session, annotator, layout, VIEWS)
        return App(session, cards, arrangements[annotator]).__panel__()

    return make


@contextlib.contextmanager
def _outside_a_notebook() -> Iterator[None]:
    """Keep Panel from putting its scripts into a cell's output, which has no use for them: the page has its own.

    Afterwards Panel counts as not loaded there, as before, for the user's own use of it.
    """
    loaded, marker = pn.extension._loaded, builtins.__dict__.pop("__IPYTHON__", None)
    try:
        yield
    finally:
        if marker is not None:
            pn.extension._loaded = loaded
            builtins.__dict__["__IPYTHON__"] = marker


def server_options(session: LabellingSession, address: Address, port: int) -> dict[str, Any]:
    """What `panel.serve` needs besides the page: routes, origins, limits, login."""
    workspace: dict[str, Any] = {"workspace": session.workspace}
    hosts = (
        {address.host, "localhost", "127.0.0.1"}
        if is_loopback(address.host)
        else {address.host, socket.gethostname()}
    )
    options: dict[str, Any] = {
        "title": f"rareloop · {session.workspace.name}",
        "address": address.host,
        "port": port,
        "websocket_origin": [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host in sorted(hosts)],
        "extra_patterns": [
            (rf"/_panel/{JS_VERSION}/dist/(.*)", StaticFileHandler, {"path": str(DIST_DIR)}),
            (rf"/{images.ROUTE}/(\d{{1,12}})", images.ImageHandler, workspace),
            (rf"/{export.ROUTE}/([^/]+)", export.ExportHandler, workspace),
            (rf"/{certificates.ROUTE}/([^/]+)", export.ExportHandler, workspace | {"folder": certificates.FOLDER}),
        ],
        "transforms": [headers.transform(loopback=is_loopback(address.host))],
        "keep_alive_milliseconds": 25_000,
        "unused_session_lifetime_milliseconds": 120_000,
        "session_token_expiration": TOKEN_SECONDS,
        "check_unused_sessions_milliseconds": 5_000,
        "websocket_max_message_size": 64 * 2**20,
        "verbose": False,
    }
    if session.card is not None:
        route = rf"/{own_cards.ROUTE}/(\d{{1,12}})/(\d{{1,3}})"
        options["extra_patterns"].append((route, own_cards.CardPictureHandler, {"runner": session.card}))
    if address.password:
        options |= {
            "basic_auth": address.password,
            "basic_login_template": str(LOGIN_PAGE),
            "cookie_secret": secrets.token_urlsafe(32),
        }
    return options


def run(
    session: LabellingSession, layout: Layout, address: Address, *, show: bool, say: Callable[[str], None]
) -> None:
    """Serve the session's pages until Ctrl-C; then store what is under way and release the workspace.

    Parameters
    ----------
    show
        Whether to open the page in the user's browser.
    say
        Takes lines for the user.

    Raises
    ------
    InputError
        When the address cannot be used, or the workspace is open in another process.
    """
    check_address(address)
    port = choose_port(address)
    host = f"[{address.host}]" if ":" in address.host else address.host
    url = f"http://{host}:{port}/"
    session.workspace.lock(url)
    try:
        session.start()
        say(f"rareloop is at {url} (Ctrl-C ends it)")
        with contextlib.suppress(KeyboardInterrupt):
            pn.serve({"/": page_factory(session, layout)}, show=show, **server_options(session, address, port))
    finally:
        session.close()
        say("Everything is saved.")
