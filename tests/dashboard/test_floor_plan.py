"""The floor plan: which views are made when, and what commands and wishes do with their tabs."""

from __future__ import annotations

from types import SimpleNamespace

import panel as pn
import pytest
from rareloop.dashboard.app import VIEWS
from rareloop.dashboard.components.messenger import Messenger
from rareloop.dashboard.components.places import Place
from rareloop.dashboard.floor_plan import FloorPlan
from rareloop.dashboard.page import Page
from rareloop.layouts.schema import Layout, check_layout
from rareloop.layouts.tree import places

TITLES = {name: view.title for name, view in VIEWS.items()}


class Standing:
    """An arrangement that keeps what is changed."""

    note = ""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def change(self, root) -> None:
        self.layout = Layout("one", "", root)

    def shipped(self):
        return []

    yours = shipped


@pytest.fixture
def plan():
    content = {"row": ["item", {"column": ["map", {"tabs": ["metrics", "table", "grid"], "open": "table"}]}]}
    visitors = SimpleNamespace(enter=lambda visitor: None, look_at=lambda visitor, row: None)
    session = SimpleNamespace(nearest=None, annotator="ann", pace_of=lambda name: None, visitors=visitors)
    made = []
    page = Page(session, cards=None)
    one = FloorPlan(
        page,
        Standing(check_layout({"arrange": content}, "one", VIEWS)),
        TITLES,
        lambda name: made.append(name) or pn.pane.HTML(name),
    )
    one.made, one.built = made, one.build()
    return one


def in_tabs(plan):
    (place,) = [part for part in plan.built.select(Place) if part.has_tabs]
    return place.body[0].object


def kept(plan):
    return next(place.open for place in places(plan.arrangement.layout.root) if place.kind == "tabs")


def test_views_are_made_when_their_tab_is_first_opened(plan):
    assert plan.made == ["item", "map", "table"]
    assert in_tabs(plan) == "table"
    for name in ("metrics", "table", "metrics"):
        plan.page.show_view(name)
        assert in_tabs(plan) == kept(plan) == name
    assert plan.made == ["item", "map", "table", "metrics"]


def test_a_command_makes_the_view_that_it_is_for_and_goes_back_the_second_time(plan):
    plan.page.run("grid", None)
    assert in_tabs(plan) == "grid"
    plan.page.run("grid", None)
    assert in_tabs(plan) == "table"


def test_a_browser_opens_only_tabs_that_there_are(plan):
    (place,) = [part for part in plan.built.select(Place) if part.has_tabs]
    place._handle_msg({"type": "open", "view": "metrics"})
    assert in_tabs(plan) == "metrics"
    place._handle_msg({"type": "open", "view": "../etc"})
    assert in_tabs(plan) == "metrics"


def test_a_component_marks_itself_as_part_of_its_page_once():
    class Inside(Messenger):
        _esm = "export function render() { return document.createElement('i') }"

    one = Inside()
    root = one.get_root()
    for _ in range(2):
        one._patch_datamodel_ref(root.data, root.ref["id"])
    assert [tag for tag in root.data.tags if "__ref" in str(tag)] == [f"__ref:{root.ref['id']}"]
