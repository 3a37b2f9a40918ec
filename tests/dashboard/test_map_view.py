"""The maps without a browser: what they remember, how they select, what they offer."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from rareloop.dashboard.items import ItemCards
from rareloop.dashboard.page import Page
from rareloop.dashboard.session import LabellingSession
from rareloop.dashboard.views.map import MapView
from rareloop.dashboard.views.map_axes import PLANE, UMAP
from rareloop.dashboard.views.marks import ANCHOR_COLOURS
from rareloop.data.roundlog import RoundRecord
from rareloop.data.workspace import Workspace, workspace_folder
from rareloop.strategies.pool import pca_plane
from rareloop.strategies.rows import packed

N = 200


@pytest.fixture
def page(tmp_path):
    rng = np.random.default_rng(0)
    source = tmp_path / "t.parquet"
    pd.DataFrame({"a": rng.normal(size=N), "b": rng.normal(size=N), "word": ["w"] * N}).to_parquet(source)
    workspace = Workspace.create(workspace_folder(source), source)
    workspace.confirm(workspace.roles, ["x", "y"], wanted=["y"])
    workspace.prepare()
    np.save(workspace.folder / "cache" / "plane.npy", pca_plane(workspace.features, rng)[0])
    workspace.lock("test")
    session = LabellingSession(workspace, "tester")
    page = Page(session, ItemCards(workspace))
    # Without a server there is no document whose lock could be had: all happens at once.
    page.in_background = lambda work, then: then(work())
    yield page
    page.close()
    session.close()


def test_maps_come_back_as_they_were(page):
    view = MapView(page)
    view._receive({"type": "add"})
    assert view.n_shown == 1
    view._coming.head._handle_msg({"type": "hello"})  # the browser has it
    view.shown[1]._receive({"type": "choose", "what": "x", "value": "a"})
    view.shown[1]._receive({"type": "choose", "what": "colour", "value": "column: b"})
    view._receive({"type": "layer", "name": "queued", "on": False})
    folder = page.session.workspace.folder
    stored = Workspace.open(folder).settings["maps"]
    assert stored["panels"] == [
        {"x": PLANE[0], "y": PLANE[1], "colour": "density"},
        {"x": "a", "y": PLANE[1], "colour": "column: b"},
    ]
    assert stored["layers"]["queued"] is False
    again = MapView(page)
    assert [panel.choice for panel in again.shown] == stored["panels"]
    assert again.layers == stored["layers"]
    again.close_map(again.shown[0])
    assert [panel.number for panel in again.shown] == [2]
    again.close_map(again.shown[0])
    assert again.n_shown == 1  # the last one stays


@pytest.mark.parametrize("damage", ["text", {"panels": "x"}, {"panels": [{"x": "gone"}, 3]}, {"layers": 4}])
def test_settings_that_a_user_has_damaged_give_the_usual_map(page, damage):
    page.session.workspace.settings["maps"] = damage
    view = MapView(page)
    assert view.shown[0].choice == {"x": PLANE[0], "y": PLANE[1], "colour": "density"}
    assert all(view.layers.values())


def test_gestures_add_up_to_one_selection(page):
    view = MapView(page)
    rows = np.arange(10)
    view.select(rows, None)
    assert (page.selection.tolist(), page.selection_name) == (list(range(10)), "the map")
    view.select(np.arange(5, 15), {"shift": True})
    view.select(np.array([0]), {"alt": True})
    assert page.selection.tolist() == list(range(1, 15))
    view._receive({"type": "invert"})
    assert page.selection.tolist() == [0, *range(15, N)]
    assert page.selection_name == "all but the map"
    view._receive({"type": "mode", "value": "subtract"})
    view.select(np.arange(1, N), None)
    assert page.selection.tolist() == [0]
    view._receive({"type": "clear"})
    assert (len(page.selection), page.selection_name) == (0, "")


def test_taps_make_a_polygon_only_with_its_tool(page):
    from bokeh.events import Tap

    view = MapView(page)
    scatter, opened = view.shown[0].scatter, []
    view.shown[0].scatter.handlers.tap = opened.append
    x, y = view.shown[0].x, view.shown[0].y

    def tap(px, py, **modifiers):
        event = Tap(None, x=float(px), y=float(py))
        event.modifiers = modifiers
        scatter._on_tap(event)

    tap(x[7], y[7])
    assert opened == [7]
    view._receive({"type": "tool", "value": "polygon"})
    far = 100.0
    for corner in ((-far, -far), (far, -far), (far, far), (-far, far)):
        tap(*corner)
    assert (view.corners, opened) == (4, [7])
    view._receive({"type": "close-polygon"})
    assert (view.corners, len(page.selection)) == (0, N)
    tap(0, 0)
    view._receive({"type": "drop-polygon"})
    assert (view.corners, len(page.selection)) == (0, N)


def test_an_axis_that_is_not_there_is_refused(page, monkeypatch):
    monkeypatch.setattr("rareloop.dashboard.views.map_axes.is_installed", lambda: False)
    view = MapView(page)
    panel = view.shown[0]
    panel._receive({"type": "choose", "what": "x", "value": UMAP[0]})
    assert panel.choice["x"] == PLANE[0]
    assert "pip install 'rareloop[projections]'" in view.axes.refusal(UMAP[0])
    panel._receive({"type": "choose", "what": "nothing", "value": "a"})
    panel._receive({"type": "unknown"})
    assert "word" not in view.axes.names


def test_a_projection_brings_its_other_axis_with_it(page, monkeypatch):
    begun = []
    monkeypatch.setattr("rareloop.dashboard.views.map_axes.is_installed", lambda: True)
    view = MapView(page)
    view.begin_projection = lambda: begun.append(1)
    panel = view.shown[0]
    panel._receive({"type": "choose", "what": "y", "value": UMAP[1]})
    assert (panel.choice["x"], panel.choice["y"], begun) == (*UMAP, [1])
    np.save(view.axes.umap_path, np.zeros((N, 2), np.float32))
    panel._receive({"type": "choose", "what": "x", "value": "a"})
    assert (panel.choice["x"], panel.choice["y"]) == ("a", UMAP[1])
    assert (panel.y == 0).all()


def test_the_words_say_what_is_seen(page):
    view = MapView(page)
    view.select(np.arange(3), None)
    words = view.shown[0].note.object
    assert f"Map 1: {N} items, principal component 1 across from" in words
    assert "3 selected." in words
    assert "not real distances" in view.note.object


def a_round(page, number, **anchors):
    """Keep a round with these anchors in the round log, and tell the pages of it as it is read again."""
    report = {"anchors": {place[1:]: packed(np.array(rows)) for place, rows in anchors.items()}}
    log = page.session.workspace.rounds
    log.add(RoundRecord(number, datetime.now(UTC), 0, 0, {}, report))
    page.session.report = log.newest().report | {"round": number}


@pytest.mark.parametrize("dark", [False, True])
def test_the_anchors_of_the_newest_round_are_framed(page, dark):
    page.dark = dark
    view = MapView(page)
    panel = view.shown[0]
    assert len(panel.anchored.data["x"]) == 0
    assert "anchors" not in panel.note.object
    a_round(page, 1, c0=[4, 9], c1=[7])
    assert panel.anchored.data["x"].tolist() == panel.x[[4, 7, 9]].tolist()
    assert f'color:{ANCHOR_COLOURS[dark]}">□</span> anchors 3' in panel.note.object
    assert view.session.report["anchors"].keys() == {"0", "1"}
    view._receive({"type": "layer", "name": "anchors", "on": False})
    assert len(panel.anchored.data["x"]) == 0
    assert "anchors" not in panel.note.object
    view._receive({"type": "layer", "name": "anchors", "on": True})
    page.at_label = 0  # they are of now
    assert len(panel.anchored.data["x"]) == 0
    page.at_label = None
    assert len(panel.anchored.data["x"]) == 3
    a_round(page, 2)
    assert len(panel.anchored.data["x"]) == 0


def test_gestures_that_come_while_one_is_worked_out_all_count(page):
    view = MapView(page)
    waiting = []
    page.in_background = lambda work, then: waiting.append((work, then))
    view._receive({"type": "mode", "value": "add"})
    for first in (0, 10, 20):
        view.select(np.arange(first, first + 5), None)
    while waiting:
        work, then = waiting.pop(0)
        then(work())
    assert page.selection.tolist() == [*range(5), *range(10, 15), *range(20, 25)]
