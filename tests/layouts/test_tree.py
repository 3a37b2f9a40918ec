"""Changes of a layout: what a user moves, splits off, adds and closes, and that nothing else is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rareloop.layouts.schema import check_layout
from rareloop.layouts.tree import SIDES, add, close, move, open_tab, places, resize, split

VIEWS = ["item", "map", "metrics", "history", "strategy", "export"]


def tree(arrange):
    return check_layout({"arrange": arrange}, "here.yaml", VIEWS).root


def usual():
    return tree(
        {"row": [{"view": "item", "size": 5}, {"column": ["map", {"tabs": ["metrics", "history"]}], "size": 7}]}
    )


def test_a_view_moves_as_a_tab_and_is_the_open_one():
    moved = move(usual(), "history", "item")
    assert [place.views() for place in places(moved)] == [["item", "history"], ["map"], ["metrics"]]
    assert places(moved)[0].open == "history"


def test_a_view_moves_to_a_place_of_its_own():
    moved = move(usual(), "metrics", "item", "above")
    assert moved.children[0].to_dict() == {"column": [{"view": "metrics"}, {"view": "item"}], "size": 5.0}


def test_a_tab_is_split_off_from_its_own_place():
    assert [p.views() for p in places(move(usual(), "metrics", "metrics", "left"))] == [
        ["item"], ["map"], ["metrics"], ["history"],
    ]  # fmt: skip


def test_the_map_becomes_no_tab_and_takes_none():
    assert [p.kind for p in places(move(usual(), "map", "metrics"))] == ["view", "tabs", "view"]
    assert [p.views() for p in places(add(usual(), "export", "map"))][1:3] == [["map"], ["export"]]


def test_a_place_beside_others_joins_their_row():
    wide = split(tree({"row": ["item", "map"]}), "export", "map", "right")
    assert wide.kind == "row"
    assert [child.size for child in wide.children] == [1, 0.5, 0.5]


def test_closing_leaves_no_empty_place():
    left = close(close(usual(), "metrics"), "history")
    assert left.to_dict() == {"row": [{"view": "item", "size": 5.0}, {"view": "map", "size": 7.0}]}
    with pytest.raises(ValueError, match="at least one"):
        close(tree("item"), "item")


def test_sizes_change_where_they_fit_and_nowhere_else():
    root = usual()
    assert [child.size for child in resize(root, (1,), [30, 90]).children[1].children] == [25, 75]
    assert resize(root, (1, 0), [1, 2]).to_dict() == root.to_dict()
    assert resize(root, (), [1, 2, 3]) == resize(root, (9,), [1, 2]) == resize(root, (), [1, float("nan")]) == root


def test_the_open_tab_is_kept():
    assert check_layout({"arrange": open_tab(usual(), "history").to_dict()}, "x", VIEWS).root.children[1].children[
        1
    ].open == ("history")


@given(
    st.lists(st.tuples(st.sampled_from(VIEWS), st.sampled_from(VIEWS), st.sampled_from(["", *SIDES])), max_size=15)
)
def test_whatever_is_moved_every_view_stays_once_and_the_file_can_be_read_again(steps):
    root = add(usual(), "strategy", "metrics")
    for view, beside, side in steps:
        if {view, beside} <= set(root.views()):
            root = move(root, view, beside, side)
    assert sorted(root.views()) == ["history", "item", "map", "metrics", "strategy"]
    again = tree(root.to_dict())
    assert again.views() == root.views()
