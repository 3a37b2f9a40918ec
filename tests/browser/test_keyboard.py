"""The whole page by the keyboard alone: from the body to the classes, tabs, lists, search, export and help."""

from __future__ import annotations

import pytest
from rareloop.tests.browser.actions import MOVED_ON, current_row, expect, wait_for_item, wait_until_saved

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MOST_STOPS = 200  # of the Tab key on the whole page
IS_FOCUSED = "node => node.getRootNode().activeElement === node"


def tab_to(page, target, key="Tab"):
    """Press Tab until the focus is on an element."""
    for _ in range(MOST_STOPS):
        if target.evaluate(IS_FOCUSED):
            return
        page.keyboard.press(key)
    raise AssertionError(f"{key} does not reach {target}")


def open_tab(page, name):
    """Reach a view's tab by the arrow keys, through the menu where it is not in the row, and open it."""
    tab_to(page, page.get_by_role("tab", selected=True))
    page.keyboard.press("Home")
    tab, more = page.get_by_role("tab", name=name, exact=True), page.get_by_role("button", name="More views")
    while not tab.evaluate(IS_FOCUSED) and not more.evaluate(IS_FOCUSED):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    entry = page.get_by_role("menuitem", name=name, exact=True)
    if not tab.evaluate(IS_FOCUSED):
        expect(page.get_by_role("menu", name="More views")).to_be_visible()
        while not entry.evaluate(IS_FOCUSED):
            page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
    expect(tab).to_have_attribute("aria-selected", "true")
    expect(tab).to_be_focused()


def label(page, press):
    """Answer the item on the card, and wait for the next."""
    before = current_row(page)
    press()
    page.wait_for_function(MOVED_ON, arg=before)


def test_everything_is_reached_without_a_mouse(page, serve, digits):
    served = serve(digits)
    wait_for_item(page)
    assert page.evaluate("() => document.activeElement === document.body")
    label(page, lambda: page.keyboard.press("8"))
    tab_to(page, page.locator("section.surface [data-class='3']"))
    label(page, lambda: page.keyboard.press("Enter"))
    wait_until_saved(page)
    assert [item.label for item in served.session.state.items.values()] == ["8", "3"]

    open_tab(page, "Strategy")
    strategy = page.get_by_role("combobox", name="Strategy", exact=True)
    expect(strategy).to_be_visible()
    chosen = strategy.inner_text()
    tab_to(page, strategy)
    page.keyboard.press("Enter")
    expect(page.get_by_role("menuitem", name=chosen, exact=True)).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(".MuiPopover-root")).to_have_count(0)
    expect(strategy).not_to_have_text(chosen)
    expect(strategy).to_be_focused()
    served.wait(lambda: served.session.settings.strategy != "auto", "another strategy")

    open_tab(page, "Table")
    header = page.get_by_role("columnheader", name="ink")
    expect(header).to_be_visible()
    tab_to(page, header.get_by_role("button"))
    page.keyboard.press("Enter")
    expect(header).to_have_attribute("aria-sort", "ascending")

    search = page.get_by_role("searchbox")
    tab_to(page, search, "Shift+Tab")
    page.keyboard.type("width == 3")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("table-note")).to_contain_text("width == 3")

    open_tab(page, "Export")
    export = page.get_by_role("button", name="Export labels")
    expect(export).to_be_visible()
    tab_to(page, export)
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("exported")).to_contain_text("2 labelled items")

    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keys")
    expect(sheet).to_be_visible()
    tab_to(page, sheet.get_by_role("button", name="Close"))
    page.keyboard.press("Enter")
    expect(sheet).to_be_hidden()
    label(page, lambda: page.keyboard.press("1"))
    wait_until_saved(page)
