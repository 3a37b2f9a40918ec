"""Finding items: by id, value and rule, by likeness and by filters; the table, its export, and saved views."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from rareloop.tests.browser.actions import current_row, expect, wait_for_item

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def served(page, serve, digits):
    digits.settings["round"] = {"audit_share": 0.0}
    digits.save()
    one = serve(digits)
    wait_for_item(page)
    return one


def search(page, text) -> None:
    page.keyboard.press("/")
    expect(page.get_by_label("Search", exact=True)).to_be_focused()
    page.keyboard.type(text)
    page.keyboard.press("Enter")


def note(page):
    return page.get_by_test_id("table-note")


def cells(page, place):
    return page.locator(f"tbody tr[data-row] td:nth-child({place + 1})").all_inner_texts()


def test_the_search_opens_an_item_and_lists_a_rule_and_the_table_sorts_and_exports(page, served):
    table = served.session.workspace.table
    search(page, "d1234")
    served.wait(lambda: current_row(page) == 1234, "the item of that id opens")

    ink = table.floats("ink")
    search(page, "ink > 80 and class == '?'")
    expected = np.flatnonzero(ink > 80)
    expect(note(page)).to_contain_text(f"{len(expected):,} items · 0 answered")
    expect(note(page)).to_contain_text("the rule ink > 80 and class == '?'")
    head = page.get_by_role("button", name="Sort by ink")
    head.click()
    expect(page.locator("th[aria-sort=ascending]")).to_have_text("ink ▲")
    head.click()
    expect(page.locator("th[aria-sort=descending]")).to_have_text("ink ▼")
    order = expected[np.argsort(-ink[expected], kind="stable")]
    first = page.locator("tbody tr[data-row]").first
    expect(first).to_have_attribute("data-row", str(order[0]))

    first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    served.wait(lambda: current_row(page) == order[1], "Enter opens the second item")
    page.keyboard.press("8")
    served.wait(lambda: served.session.state.n_labelled == 1, "the label of the opened item")
    expect(note(page)).to_contain_text("1 answered")

    page.get_by_role("button", name="Export ▾").click()
    page.get_by_role("button", name="CSV").click()
    with page.expect_download() as download:
        page.get_by_test_id("view-exported").get_by_role("link").click()
    exported = pd.read_csv(download.value.path())
    assert exported["item"].tolist() == [f"d{row:04d}" for row in order]
    assert exported["answer"].tolist()[1] == 8
    assert np.allclose(exported["ink"], ink[order])

    search(page, "ink > 1e9")
    expect(note(page)).to_contain_text("Nothing was found")
    search(page, "inks > 3")
    expect(page.get_by_text("the nearest is 'ink'")).to_be_visible()


def test_what_is_like_an_item_is_listed_by_distance_and_a_view_is_kept(page, served):
    row = current_row(page)
    page.get_by_role("tab", name="Table").click()
    expect(note(page)).to_contain_text(f"{served.session.workspace.table.n_rows:,} items")
    page.get_by_role("button", name="Similar ▾").click()
    page.get_by_label("How many").fill("25")
    page.get_by_role("button", name="Similar to this item").click()
    expect(note(page)).to_contain_text(f"25 items most like item d{row:04d}")
    features = served.session.workspace.features.astype(float)
    distances = np.linalg.norm(features - features[row], axis=1)
    distances[row] = np.inf
    expect(page.locator("tbody tr[data-row]").first).to_have_attribute("data-row", str(np.argmin(distances)))
    shown = [float(text) for text in cells(page, 8)]
    assert np.allclose(shown, np.sort(distances)[:25], rtol=1e-4)

    page.get_by_role("button", name="Views ▾").click()
    page.get_by_label("Name of the view").fill("like the first")
    page.get_by_role("button", name="Save this view").click()
    page.wait_for_function("() => location.search.startsWith('?view=')")
    address = page.url
    page.get_by_role("tab", name="Grid").click()  # another browser finds another tab open, and opens the table's
    served.wait(
        lambda: '"open": "grid"' in served.session.workspace.settings["layout"]["tester"], "the tab is kept"
    )
    page.goto("about:blank")
    page.goto(address)
    wait_for_item(page)
    expect(page.get_by_role("tab", name="Table")).to_have_attribute("aria-selected", "true")
    expect(note(page)).to_contain_text(f"25 items most like item d{row:04d}")

    page.get_by_role("button", name="Views ▾").click()
    page.get_by_role("button", name="Rename like the first").click()
    page.get_by_label("New name of like the first").fill("twins")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Views ▾").click()
    page.get_by_role("button", name="Delete twins").click()
    served.wait(lambda: not served.session.workspace.settings["views"]["tester"], "no view is left")


def test_ranges_bars_and_classes_filter_each_other(page, served):
    table = served.session.workspace.table
    ink, width = table.floats("ink"), table.floats("width")
    page.get_by_role("tab", name="Distributions").click()
    selected = page.get_by_test_id("distributions-note")
    brush = page.get_by_role("group", name="Range of ink")
    expect(brush).to_have_css("height", "84px")  # its style is there
    brush.hover()
    box = brush.bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.5 * box["width"] + 2, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 2, y, steps=4)
    page.mouse.up()
    edge = np.linspace(ink.min(), ink.max(), 41)[20]
    expect(selected).to_have_text(f"{int((ink >= edge).sum()):,} selected")

    high = page.get_by_label("width to")
    high.fill("5")
    high.press("Enter")
    both = (ink >= edge) & (width <= 5)
    expect(selected).to_have_text(f"{int(both.sum()):,} selected")
    expect(page.get_by_role("button", name="Remove the filter")).to_have_count(2)

    brush.focus()
    page.keyboard.press("ArrowLeft")
    lower = np.linspace(ink.min(), ink.max(), 41)[[19, 39]]
    moved = (ink >= lower[0]) & (ink <= lower[1]) & (width <= 5)
    expect(selected).to_have_text(f"{int(moved.sum()):,} selected")

    page.get_by_role("button", name="Remove the filter width <= 5").click()
    expect(selected).to_have_text(f"{int(((ink >= lower[0]) & (ink <= lower[1])).sum()):,} selected")
    page.get_by_role("button", name=f"unlabelled {table.n_rows:,}").click()
    expect(page.get_by_role("button", name="Remove the filter class == '?'")).to_be_visible()
    page.get_by_role("button", name="Clear all").click()
    expect(selected).to_have_text("")
    expect(page.get_by_role("button", name="Remove the filter")).to_have_count(0)
