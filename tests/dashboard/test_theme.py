"""Which theme the server draws first: the one that this browser showed last."""

from __future__ import annotations

import pytest
from rareloop.dashboard.components.theme import COOKIE, was_dark


@pytest.mark.parametrize(
    ("cookies", "dark"),
    [({}, False), ({COOKIE: "dark"}, True), ({COOKIE: "system-dark"}, True), ({COOKIE: "light"}, False),
     ({COOKIE: "system-light"}, False), ({COOKIE: "nonsense"}, False), ({"other": "dark"}, False)],
)  # fmt: skip
def test_the_first_picture_is_in_the_theme_of_the_last_visit(cookies, dark):
    assert was_dark(cookies) is dark
