"""The table and the distributions: what they send to the browser for what is asked of them."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import panel as pn
import pytest
from rareloop.dashboard.components.searchfield import SearchField
from rareloop.dashboard.items import ItemCards
from rareloop.dashboard.page import Page
from rareloop.dashboard.saved_views import SavedViews
from rareloop.dashboard.session import LabellingSession
from rareloop.dashboard.view_links import ViewLinks
from rareloop.dashboard.views.distributions import DistributionsView
from rareloop.dashboard.views.table import TableView
from rareloop.data.workspace import Workspace, workspace_folder

N = 400


@pytest.fixture
def page(tmp_path):
    rng = np.random.default_rng(0)
    source = tmp_path / "sky.csv"
    table = {
        "mag": np.arange(N) / 10,
        "colour": rng.normal(size=N),
        "kind": [("a", "b", "c")[i % 3] for i in range(N)],
    }
    pd.DataFrame(table).to_csv(source, index=False)
    workspace = Workspace.create(workspace_folder(source), source)
    workspace.roles.label, workspace.roles.label_use, workspace.roles.shown = (
        None,
        "ignore",
        ["mag", "colour", "kind"],
    )
    workspace.confirm(workspace.roles, ["quasar", "star"], wanted=["quasar"])
    workspace.prepare()
    yield Page(LabellingSession(workspace, "ann"), ItemCards(workspace))
    workspace.close()


class Browser:
    """Keeps what a view sends, and waits for what it should."""

    def __init__(self, component):
        self.state = {}
        component.send = self.state.update

    def wait(self, **expected):
        until = time.monotonic() + 30
        while {name: self.state.get(name) for name in expected} != expected:
            assert time.monotonic() < until, {name: self.state.get(name) for name in expected}
            time.sleep(0.005)


def test_the_table_pages_sorts_and_exports_what_is_selected(page, tmp_path):
    view = TableView(page)
    browser = Browser(view.listing)
    view._on_message({"type": "hello"})
    browser.wait(total=N, n_pages=8, page=0)
    view._on_message({"type": "sort", "key": ".mag"})
    view._on_message({"type": "sort", "key": ".mag"})
    browser.wait(sort={"key": ".mag", "ascending": False})
    page.finder.search("mag < 20 and kind == 'a'")
    browser.wait(total=67, n_pages=2, can_save=True)
    assert browser.state["rows"][0]["row"] == 198
    view._on_message({"type": "page", "page": 1})
    browser.wait(page=1)
    assert [line["row"] for line in browser.state["rows"]] == list(range(48, -1, -3))
    view._on_message({"type": "export", "format": "csv"})
    browser.wait(name="sky-view.csv")
    exported = pd.read_csv(page.session.workspace.folder / "exports" / "sky-view.csv")
    assert exported["item"].tolist() == list(range(198, -1, -3))
    page.param.update(selection=np.array([3, 4]), selection_name="the map")
    browser.wait(total=2, can_save=False)
    view._on_message({"type": "clear"})
    browser.wait(total=N, can_clear=False)
    page.finder.search("mag < -1")
    browser.wait(total=0, can_clear=True)
    view._on_message({"type": "clear"})
    browser.wait(total=N, can_clear=False)
    assert (page.found, page.selection_name) == (None, "")


def test_a_view_is_saved_opened_and_refused(page):
    view = TableView(page)
    browser = Browser(view.listing)
    page.finder.search("mag < 10")
    browser.wait(total=100)
    view._on_message({"type": "sort", "key": ".colour"})
    browser.wait(sort={"key": ".colour", "ascending": True})
    view._on_message({"type": "view", "do": "save", "name": "bright"})
    browser.wait(views=["bright"])
    page.finder.clear()
    view._on_message({"type": "sort", "key": "id"})
    browser.wait(total=N, sort={"key": "id", "ascending": True})
    view._on_message({"type": "view", "do": "open", "name": "bright"})
    browser.wait(total=100, sort={"key": ".colour", "ascending": True})
    page.param.update(selection=np.array([3, 4]), selection_name="the map")
    browser.wait(total=2)
    view._on_message({"type": "view", "do": "save", "name": "by hand"})
    view._on_message({"type": "view", "do": "delete", "name": "nothing"})
    browser.wait(views=["bright"])


def test_charts_filter_each_other_and_forget_their_filters_with_another_selection(page):
    view = DistributionsView(page)
    browser = Browser(view.charts)
    view._on_message({"type": "hello"})
    browser.wait(chosen=["mag", "colour", "kind"], n_selected=0)
    view._on_message({"type": "range", "name": "mag", "low": 10, "high": 19.9})
    browser.wait(n_selected=100, chips=["10 <= mag <= 19.9"])
    view._on_message({"type": "bar", "name": "kind", "place": 0})
    view._on_message({"type": "bar", "name": "kind", "place": 1})
    browser.wait(n_selected=67, chips=["10 <= mag <= 19.9", "kind == 'a' or kind == 'b'"])
    charts = {chart["name"]: chart for chart in browser.state["charts"]}
    assert sum(charts["mag"]["selected"]) == 67
    assert charts["kind"]["places"] == [0, 1]
    view._on_message({"type": "remove", "rule": "10 <= mag <= 19.9"})
    browser.wait(n_selected=267, chips=["kind == 'a' or kind == 'b'"])
    view._on_message({"type": "class", "rule": "class == '?'"})
    browser.wait(n_selected=267, chips=["kind == 'a' or kind == 'b'", "class == '?'"])
    page.param.update(selection=np.array([3]), selection_name="the map")
    browser.wait(n_selected=1, chips=[])
    page.finder.filter(["mag < 5"])
    browser.wait(n_selected=50, chips=["mag < 5"])
    view._on_message({"type": "range", "name": "mag", "low": None, "high": 2})
    browser.wait(n_selected=21, chips=["mag < 5", "mag <= 2"])
    view._on_message({"type": "clear"})
    browser.wait(n_selected=0, chips=[])


class Places:
    """Stands for the places of a page: what it was told to show, and whether that takes a new page."""

    def __init__(self, is_other=False):
        self.is_other, self.taken, self.reloaded = is_other, [], 0

    def text(self):
        return "the layout with its tabs"

    def take(self, text):
        self.taken.append(text)
        return self.is_other

    def reload(self):
        self.reloaded += 1


def test_a_view_brings_its_layout_and_tabs_with_it(page, monkeypatch):
    page.places = Places()
    view = TableView(page)
    browser = Browser(view.listing)
    page.finder.search("mag < 10")
    browser.wait(total=100)
    view._on_message({"type": "view", "do": "save", "name": "bright"})
    browser.wait(views=["bright"])
    page.finder.clear()
    browser.wait(total=N)
    asked = page.wanted_view
    view._on_message({"type": "view", "do": "open", "name": "bright"})
    browser.wait(total=100)
    assert page.places.taken == ["the layout with its tabs"]
    assert page.wanted_view == asked  # the tabs are those of the view, not always the table's


def test_a_view_in_the_address_opens_without_a_table_on_the_page(page, monkeypatch):
    SavedViews(page.session.workspace, "ann").save(
        "bright", {"rule": "mag < 10"}, {"key": ".mag", "ascending": False}
    )
    location = SimpleNamespace(query_params={"view": "bright"}, update_query=lambda **_: None, reload=False)
    monkeypatch.setattr(pn.state.__class__, "location", property(lambda _: location))
    ViewLinks(page).open_address()
    until = time.monotonic() + 30
    while page.found is None:
        assert time.monotonic() < until
        time.sleep(0.005)
    assert (len(page.selection), page.list_sort, location.reload) == (100, (".mag", False), False)


def test_a_view_with_other_places_loads_the_page_anew_once(page, monkeypatch):
    SavedViews(page.session.workspace, "ann").save("bright", {"rule": "mag < 10"}, {"key": ""}, "sky")
    location = SimpleNamespace(query_params={}, update_query=lambda **_: None, reload=False)
    monkeypatch.setattr(pn.state.__class__, "location", property(lambda _: location))
    page.places = Places(is_other=True)
    ViewLinks(page).open("bright")
    assert (page.places.reloaded, page.found, location.reload) == (1, None, False)
    ViewLinks(page).open("bright", is_start=True)
    assert location.reload


def test_the_search_field_says_by_what_the_selection_was_found(page):
    field, said = SearchField(page), []
    field._send_msg = said.append
    page.finder.search("mag < 10")
    until = time.monotonic() + 30
    while not said:
        assert time.monotonic() < until
        time.sleep(0.005)
    page.param.update(selection=np.array([3]), selection_name="the map")
    page.finder.search("mag < 20")
    while len(said) < 3:
        assert time.monotonic() < until
        time.sleep(0.005)
    field._handle_msg({"type": "clear"})
    assert said == [{"text": "mag < 10"}, {"text": ""}, {"text": "mag < 20"}, {"text": ""}]
    assert not len(page.selection)
