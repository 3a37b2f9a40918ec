"""Layout files: what is accepted, and the sentence for what is not."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rareloop.layouts.schema import LayoutError, layout_names, load_layout

VIEWS = {
    "audit",
    "bulk",
    "checks",
    "classes",
    "distributions",
    "export",
    "import",
    "grid",
    "guidelines",
    "history",
    "item",
    "map",
    "metrics",
    "progress",
    "stop",
    "strategy",
    "table",
    "time",
}


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_layout_that_is_shipped_can_be_read():
    assert "default" in layout_names()
    for name in layout_names():
        assert "item" in load_layout(name, VIEWS).root.views()


def test_a_layout_of_the_users_own_is_read_with_its_sizes(tmp_path):
    path = write(tmp_path, "arrange:\n  row:\n    - {view: item, size: 3}\n    - tabs: [metrics, history]\n")
    layout = load_layout(path, VIEWS)
    assert layout.name == "mine"
    assert layout.root.kind == "row"
    assert [child.size for child in layout.root.children] == [3.0, 1.0]
    assert layout.root.views() == ["item", "metrics", "history"]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("arrange: {row: [nothing]}", "names the view 'nothing'"),
        ("arrange: {row: [item, item]}", "shows the view 'item' twice"),
        ("arrange: {row: []}", "without a list"),
        ("arrange: {row: [item], column: [map]}", "exactly one of"),
        (
            "arrange: {row: [item, {column: [map, {tabs: [history, nothing]}]}]}",
            "arrange.row[2].column[2].tabs[2], names",
        ),
        ("arrange: {row: [item], width: 3}", "has an unknown key 'width'"),
        ("arrange: {row: [item, {tabs: [map, history]}]}", "needs a place of its own"),
        ("arrange: {row: [item, {tabs: [{row: [map]}]}]}", "only names of views"),
        ("arrange: {tabs: [item, history], open: stop}", "opens the tab 'stop'"),
        ("arrange: {row: [{view: item, size: true}]}", "size True"),
        ("arrange: {row: [[item]]}", "at arrange.row[1], has ['item']"),
        ("arrange: " + 20 * "{row: [" + "item" + 20 * "]}", "nested too deeply"),
        ("arrange: item\nname: 3", "has 3 as 'name'"),
        ("arrange: item\n1: 3", "unknown entry '1'"),
        ("arrange: {row: [{view: item, size: 0}]}", "size 0"),
        ("arrange: {row: [{view: item, size: wide}]}", "size 'wide'"),
        ("arrange: {row: [3]}", "has 3 where"),
        ("views: [item]", "needs an entry 'arrange'"),
        ("arrange: {view: item}\ncolour: red", "unknown entry 'colour'"),
        ("arrange: {row: [item", "no valid YAML"),
        ("- item", "needs an entry 'arrange'"),
    ],
)
def test_a_bad_layout_is_refused_with_one_sentence_that_names_the_file(tmp_path, text, part):
    path = write(tmp_path, text)
    with pytest.raises(LayoutError) as caught:
        load_layout(path, VIEWS)
    assert part in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_layout_names_those_that_exist():
    with pytest.raises(LayoutError, match="default"):
        load_layout("nowhere", VIEWS)


@given(st.text(max_size=200))
def test_no_text_at_all_leads_to_anything_but_a_layout_or_its_error(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("layouts") / "any.yaml"
    path.write_text(text, encoding="utf-8", errors="replace")
    with contextlib.suppress(LayoutError):
        load_layout(path, VIEWS)
