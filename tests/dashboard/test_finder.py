"""Finding on a page: ids, values, rules, likeness and filters become the selection; the list sorts all of it."""

from __future__ import annotations

import threading
import time

import numpy as np
import pandas as pd
import pytest
from rareloop.dashboard.items import ItemCards
from rareloop.dashboard.listing import Items, Sort, column_keys, exported, ordered, texts
from rareloop.dashboard.page import Page
from rareloop.dashboard.saved_views import SavedViews
from rareloop.dashboard.search import Found, find, search
from rareloop.dashboard.session import LabellingSession
from rareloop.data.errors import InputError
from rareloop.data.workspace import Workspace, workspace_folder
from rareloop.strategies.nearest_items import Nearest

N = 300


@pytest.fixture
def workspace(tmp_path):
    rng = np.random.default_rng(0)
    source = tmp_path / "sky.csv"
    table = {
        "object": [f"o{i}" for i in range(N)],
        "mag": rng.permutation(N) / 10,
        "colour": rng.normal(size=N),
        "kind": [("Spiral", "dwarf", None)[i % 3] for i in range(N)],
    }
    pd.DataFrame(table).to_csv(source, index=False)
    one = Workspace.create(workspace_folder(source), source)
    one.roles.label, one.roles.label_use = None, "ignore"
    one.roles.shown = ["mag", "colour", "kind"]
    one.confirm(one.roles, ["quasar", "star"], wanted=["quasar"])
    one.prepare()
    yield one
    one.close()


@pytest.fixture
def session(workspace):
    return LabellingSession(workspace, "ann")


@pytest.fixture
def nearest(workspace):
    return Nearest(workspace.features)


@pytest.fixture
def page(session):
    return Page(session, ItemCards(session.workspace))


def wait(condition):
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_an_id_is_an_item_and_a_rule_and_a_value_are_many(session, nearest):
    mag = session.workspace.table.doubles("mag")
    assert search(session, nearest, " o17 ") == 17
    by_rule = search(session, nearest, "mag < 1")
    assert by_rule.rows.tolist() == np.flatnonzero(mag < 1).tolist()
    assert by_rule.source == {"rule": "mag < 1"}
    by_value = search(session, nearest, "spir")
    assert by_value.rows.tolist() == list(range(0, N, 3))
    assert find(session, nearest, by_value.source).rows.tolist() == by_value.rows.tolist()
    assert not len(search(session, nearest, "nowhere").rows)


def test_what_looks_like_a_rule_and_is_none_says_why(session, nearest):
    with pytest.raises(InputError, match="the nearest is 'mag'"):
        search(session, nearest, "magg < 1")
    with pytest.raises(InputError, match="nothing to look for"):
        search(session, nearest, "  ")


def test_likeness_of_an_item_and_of_what_was_found(session, nearest):
    X = session.workspace.features.astype(float)
    found = find(session, nearest, {"similar": "o5", "k": 20})
    distances = np.linalg.norm(X - X[5], axis=1)
    assert set(found.rows) == set(np.argsort(distances)[1:21])
    assert np.allclose(found.distances, distances[found.rows])
    source = {"similar": {"rule": "mag < 2"}, "k": 20}
    rows = find(session, nearest, {"rule": "mag < 2"}).rows
    distances = np.linalg.norm(X - X[rows].mean(axis=0), axis=1)
    distances[rows] = np.inf
    assert set(find(session, nearest, source).rows) == set(np.argsort(distances)[:20])
    with pytest.raises(InputError, match="no item 'gone'"):
        find(session, nearest, {"similar": "gone"})


def test_all_items_within_a_distance_are_found_and_no_others(session, nearest, page):
    X = session.workspace.features.astype(float)
    distances = np.linalg.norm(X - X[5], axis=1)
    near = np.sort(distances)[30] + 1e-6
    found = find(session, nearest, {"similar": "o5", "within": near})
    assert set(found.rows) == set(np.flatnonzero(distances <= near)) - {5}
    assert np.allclose(found.distances, distances[found.rows])
    assert found.name.startswith("30 items within ")
    assert not len(find(session, nearest, {"similar": "o5", "within": 0}).rows)
    page.finder.within = near
    page.finder.similar_to_item(5)
    wait(lambda: page.found is not None)
    assert page.selection.tolist() == found.rows.tolist()
    page.finder.similar_to_selection()
    wait(lambda: "within" in page.found.source and isinstance(page.found.source["similar"], dict))
    assert find(session, nearest, page.found.source).rows.tolist() == page.selection.tolist()


def test_filters_are_joined_by_and_and_end_with_another_selection(page):
    page.finder.filter(["mag < 10", "kind == 'dwarf'"])
    wait(lambda: page.found is not None)
    mag = page.session.workspace.table.doubles("mag")
    expected = (mag < 10) & (np.arange(N) % 3 == 1)
    assert page.selection.tolist() == np.flatnonzero(expected).tolist()
    assert (page.filters == expected).all()
    assert page.finder.rules == ("mag < 10", "kind == 'dwarf'")
    page.param.update(selection=np.array([1, 2]), selection_name="the map")
    assert page.filters is None
    assert page.finder.rules == ()


def test_the_newest_question_wins(page):
    for limit in range(20):
        page.finder.search(f"mag < {limit}")
    wait(lambda: page.found is not None and page.found.source == {"rule": "mag < 19"})
    assert page.wanted_view[0] == "table"


def test_s_finds_what_is_like_the_item(page):
    page.command = ("similar", 7, 1)
    wait(lambda: page.found is not None)
    assert page.selection_name == "100 items most like item o7"


def test_the_list_is_sorted_over_all_of_it_with_missing_values_last(session):
    items = Items(np.arange(N))
    mag = session.workspace.table.doubles("mag")
    assert ordered(session, items, Sort()).tolist() == list(range(N))
    assert ordered(session, items, Sort(".mag")).tolist() == np.argsort(mag).tolist()
    assert ordered(session, items, Sort(".mag", False)).tolist() == np.argsort(-mag).tolist()
    rows = np.arange(30)
    for ascending in (True, False):
        kinds = [row % 3 for row in ordered(session, Items(rows), Sort(".kind", ascending))]
        assert kinds == (10 * [0] + 10 * [1] if ascending else 10 * [1] + 10 * [0]) + 10 * [2]
    session.decide(
        [{"row": 8, "action": "label", "label": "star"}, {"row": 9, "action": "skip"}], annotator="ann"
    ).result()
    assert ordered(session, items, Sort("answer"))[:2].tolist() == [9, 8]


def test_neighbours_are_listed_by_distance(session, nearest):
    found = find(session, nearest, {"similar": "o5", "k": 20})
    items = Items(found.rows, found)
    order = ordered(session, items, Sort())
    place = column_keys(session, True).index("distance")
    shown = [float(line[place]) for line in texts(session, order, items)]
    assert shown == sorted(shown)
    table = exported(session, order, items)
    assert table.column("distance").to_pylist() == pytest.approx(np.sort(found.distances))
    assert table.column_names[:2] == ["item", "answer"]
    assert table.column("mag").to_pylist() == session.workspace.table.doubles("mag")[order].tolist()


def test_saved_views_are_personal_and_outlast_the_session(workspace):
    mine, theirs = SavedViews(workspace, "ann"), SavedViews(workspace, "bob")
    workspace.settings["maps"] = {"x": "mag"}
    mine.save("bright", {"rule": "mag < 3"}, {"key": ".mag", "ascending": False})
    mine.save("all", {}, {"key": "", "ascending": True})
    again = SavedViews(Workspace.open(workspace.folder), "ann")
    assert again.names == ["all", "bright"]
    assert again.get("bright") == {
        "source": {"rule": "mag < 3"}, "sort": {"key": ".mag", "ascending": False}, "maps": {"x": "mag"},
    }  # fmt: skip
    assert theirs.names == []
    mine.rename("bright", "very bright")
    mine.delete("all")
    assert mine.names == ["very bright"]
    for work in (
        lambda: mine.get("bright"), lambda: mine.delete("bright"), lambda: mine.save(" ", {}, {}),
        lambda: mine.save("x" * 99, {}, {}), lambda: mine.rename("very bright", ""),
    ):  # fmt: skip
        with pytest.raises(InputError):
            work()


def test_found_rows_that_are_selected_are_known_as_such(page):
    found = Found(np.array([1]), "one")
    page.param.update(found=found, selection=found.rows, selection_name=found.name)
    assert page.finder.shown is found
    page.finder.clear()
    assert page.finder.shown is None


def test_what_is_selected_by_hand_is_newer_than_what_is_still_being_looked_for(page, monkeypatch):
    may_answer = threading.Event()

    def slowly(*arguments, **options):
        may_answer.wait(30)
        return find(*arguments, **options)

    monkeypatch.setattr("rareloop.dashboard.finder.find", slowly)
    page.finder.find({"rule": "mag < 10"})
    assert page.finder.is_asking
    by_hand = np.array([1, 2])
    page.param.update(selection=by_hand, selection_name="the map")
    assert not page.finder.is_asking
    may_answer.set()
    page.finder.find({"rule": "mag < 1"})
    wait(lambda: page.found is not None)
    assert page.selection_name == "the rule mag < 1"
    page.param.update(selection=by_hand, selection_name="the map")
    assert (page.found, page.finder.shown) == (None, None)
    page.finder.clear()
    assert (len(page.selection), page.selection_name) == (0, "")


def test_the_hidden_truth_cannot_be_asked_for(session, nearest):
    session.workspace.roles.label, session.workspace.roles.label_use = "kind", "truth"
    with pytest.raises(InputError, match="'kind' is the hidden truth"):
        search(session, nearest, "kind == 'dwarf'")
    session.workspace.roles.shown = ["mag", "kind"]
    assert not len(search(session, nearest, "dwarf").rows)
