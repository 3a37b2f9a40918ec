"""Playing the log: the page follows, frames that come too fast are left out, and the end is now."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import pytest
from rareloop.dashboard.items import ItemCards
from rareloop.dashboard.page import Page
from rareloop.dashboard.session import LabellingSession
from rareloop.dashboard.views.time_machine import TimeMachineView
from rareloop.data.labels import Action, Event, new_event_id
from rareloop.data.workspace import Workspace, workspace_folder

N = 8


@pytest.fixture
def page(tmp_path):
    source = tmp_path / "t.csv"
    pd.DataFrame({"a": range(N), "b": range(N)}).to_csv(source, index=False)
    workspace = Workspace.create(workspace_folder(source), source)
    workspace.confirm(workspace.roles, ["x", "y"], wanted=["y"])
    workspace.prepare()
    events = [
        Event(new_event_id(), Action.LABEL, str(row), "me", datetime.now(UTC), label="y") for row in range(N)
    ]
    workspace.log.append(events)
    page = Page(LabellingSession(workspace, "me"), ItemCards(workspace))
    page.waiting = []
    page.in_background = lambda work, then: page.waiting.append((work, then))
    yield page
    page.close()
    workspace.close()


def count(page):
    """Let what waits be counted, until nothing does."""
    while page.waiting:
        work, then = page.waiting.pop(0)
        then(work())


@pytest.fixture
def view(page):
    view = TimeMachineView(page)
    view.sent = []
    view.player.send = view.sent.append
    count(page)
    return view


def play(view, n):
    view._on_player({"type": "go", "n": n})


def test_what_is_played_is_shown_and_ends_with_now(page, view):
    assert view.player._state == {"at": N, "end": N, "past": False, "dark": False}
    for n in (0, 3, 6):
        play(view, n)
        count(page)
        assert (page.at_label, view.slider.value) == (n, n)
        assert f"As of label {n} of {N}" in view.banner.object
        assert view.player._state["at"] == n
    play(view, N)
    count(page)
    assert (page.at_label, view.slider.value) == (None, N)
    assert "This is now" in view.banner.object
    assert {"type": "pause"} not in view.sent  # it stopped by itself


def test_places_that_come_while_one_is_counted_are_left_out(page, view):
    shown = []
    page.param.watch(lambda event: shown.append(event.new), "at_label")
    for n in range(7):
        play(view, n)
    assert len(page.waiting) == 1
    count(page)
    assert shown == [0, 6]


def test_whoever_goes_elsewhere_ends_what_is_played(page, view):
    play(view, 3)
    count(page)
    view.slider.value = 5
    count(page)
    assert (page.at_label, view.sent.count({"type": "pause"})) == (5, 1)
    play(view, 6)
    count(page)
    page.at_label = None  # by the note in the top bar
    count(page)
    assert view.sent.count({"type": "pause"}) == 2
    assert view.slider.value == N


@pytest.mark.parametrize("message", [{"type": "go"}, {"type": "go", "n": "3"}, {"type": "stop", "n": 3}, {}])
def test_messages_that_mean_nothing_change_nothing(page, view, message):
    view._on_player(message)
    assert page.at_label is None


def test_a_place_beyond_the_log_is_its_end(page, view):
    play(view, -5)
    count(page)
    assert page.at_label == 0
    play(view, 10**9)
    count(page)
    assert page.at_label is None
