"""The table and the distributions: what they send to the browser for what is asked of them."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from rareloop.dashboard.items import ItemCards
from rareloop.dashboard.page import Page
from rareloop.dashboard.session import LabellingSession
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
    page.finder.clear()
    browser.wait(total=N)


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
