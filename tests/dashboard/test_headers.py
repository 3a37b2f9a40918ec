"""Who may show the page in a frame."""

from __future__ import annotations

import pytest
from rareloop.dashboard.headers import headers


def ancestors(loopback):
    policy = dict(
        part.strip().split(" ", 1) for part in headers(loopback=loopback)["Content-Security-Policy"].split(";")
    )
    return policy["frame-ancestors"].split()


def test_pages_of_this_machine_may_frame_what_only_this_machine_reaches():
    assert "http://localhost:*" in ancestors(True) and "http://127.0.0.1:*" in ancestors(True)


@pytest.mark.parametrize("loopback", [True, False])
def test_no_page_from_elsewhere_may(loopback):
    assert all(one == "'self'" or "//localhost:" in one or "//127.0.0.1:" in one for one in ancestors(loopback))


def test_a_server_that_others_reach_is_framed_by_its_own_pages_alone():
    assert ancestors(False) == ["'self'"]
