"""What every answer of the server tells the browser: who may show the page in a frame, and what not to guess."""

from __future__ import annotations

from tornado.httputil import HTTPHeaders
from tornado.web import OutputTransform

# A notebook on this machine shows the page in a frame; a page from elsewhere may not, and so cannot lure clicks.
LOOPBACK = " ".join(f"{scheme}://{host}:*" for scheme in ("http", "https") for host in ("localhost", "127.0.0.1"))


def headers(*, loopback: bool) -> dict[str, str]:
    """The headers of all answers, by name.

    Parameters
    ----------
    loopback
        Whether only this machine reaches the server: then pages of this machine may show it in a frame.
    """
    ancestors = f"'self' {LOOPBACK}" if loopback else "'self'"
    return {
        "Content-Security-Policy": f"frame-ancestors {ancestors}; base-uri 'self'; object-src 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }


def transform(*, loopback: bool) -> type[OutputTransform]:
    """A Tornado transform that puts the headers on every answer, whichever handler gives it."""
    added = headers(loopback=loopback)

    class Headers(OutputTransform):
        def transform_first_chunk(
            self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
        ) -> tuple[int, HTTPHeaders, bytes]:
            for name, value in added.items():
                headers[name] = value
            return status_code, headers, chunk

    return Headers
