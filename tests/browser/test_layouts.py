"""Layouts in the page: handles, moving and closing views, saving, and the card alone."""

from __future__ import annotations

import json

import pytest
from rareloop.tests.browser.actions import current_row, expect, press_and_wait, wait_for_item, wait_for_map

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CARD = "section.surface"


def width(page):
    return page.locator(CARD).bounding_box()["width"]


def kept_share(workspace, annotator):
    """Percent of the page's width that the kept layout gives to what stands on its left."""
    text = workspace.settings.get("layout", {}).get(annotator)
    sizes = [] if text is None else [part.get("size", 1) for part in json.loads(text)["arrange"]["row"]]
    return 100 * sizes[0] / sum(sizes) if sizes else 0


def choose(page, *names):
    page.get_by_test_id("layout").click()
    for name in names:
        page.get_by_role("menuitemradio", name=name, exact=True).or_(
            page.get_by_role("menuitem", name=name, exact=True)
        ).click()


def loaded_anew(page, action):
    """Do what loads the page anew, and wait for its item."""
    page.evaluate("() => { window.before = true }")
    action()
    page.wait_for_function("() => !window.before")
    wait_for_item(page)


def test_a_handle_moves_with_the_keys_the_map_follows_and_it_lasts(page, serve, digits):
    served = serve(digits)
    wait_for_map(page)
    row, before = wait_for_item(page), width(page)
    handle = page.get_by_role("separator", name="Size of Item against")
    handle.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    expect(handle).to_have_attribute("aria-valuenow", "52")
    assert width(page) > before + 100
    assert current_row(page) == row  # the arrow is not the card's
    wait_for_map(page)
    served.wait(lambda: 51.5 < kept_share(digits, served.session.annotator) < 52.5, "the last size is kept")
    after = width(page)
    page.reload()
    wait_for_item(page)
    wait_for_map(page)
    assert abs(width(page) - after) < 2


def test_views_move_close_and_come_back_while_the_item_stays(page, serve, digits):
    serve(digits)
    wait_for_map(page)
    press_and_wait(page, "1")
    row = press_and_wait(page, "1")[1]
    choose(page, "Arrange views…")
    page.get_by_role("button", name="Move or close Metrics").click()
    page.keyboard.press("End")
    expect(page.get_by_role("menuitem", name="Close Metrics")).to_be_focused()
    loaded_anew(page, lambda: page.keyboard.press("Enter"))
    expect(page.locator(CARD)).to_have_attribute("data-row", str(row))
    expect(page.get_by_test_id("round-badge")).not_to_have_text("opened by you")
    expect(page.get_by_role("tab", name="Metrics")).to_have_count(0)
    page.get_by_role("button", name="Move or close History").click()
    loaded_anew(page, lambda: page.get_by_role("menuitem", name="below Item").click())
    wait_for_map(page)
    expect(page.get_by_role("tab", name="History")).to_have_count(0)
    expect(page.get_by_role("separator")).to_have_count(3)
    page.get_by_role("button", name="+ Add view").last.click()
    loaded_anew(page, lambda: page.get_by_role("menuitem", name="Metrics").click())
    expect(page.get_by_role("tab", name="Metrics", selected=True)).to_be_visible()
    expect(page.locator(CARD)).to_have_attribute("data-row", str(row))


def test_a_layout_is_saved_chosen_and_deleted(page, serve, digits):
    served = serve(digits)
    wait_for_item(page)
    choose(page, "Save as…")
    page.get_by_label("Name of the layout").fill("mine")
    page.get_by_role("button", name="Save", exact=True).click()
    served.wait(lambda: (digits.folder / "layouts" / "mine.yaml").exists(), "the layout is saved")
    loaded_anew(page, lambda: choose(page, "text"))
    expect(page.get_by_role("separator")).to_have_count(2)
    loaded_anew(page, lambda: choose(page, "mine"))
    wait_for_map(page)
    choose(page, "Delete mine")
    served.wait(lambda: not (digits.folder / "layouts" / "mine.yaml").exists(), "the layout is deleted")


def test_focus_shows_the_card_alone_and_the_map_is_whole_afterwards(page, serve, digits):
    serve(digits)
    wait_for_map(page)
    wait_for_item(page)
    page.get_by_test_id("focus").click()
    expect(page.get_by_test_id("map-note")).to_be_hidden()
    assert width(page) > 1300
    press_and_wait(page, "1")
    page.get_by_test_id("focus").click()
    expect(page.get_by_test_id("map-note")).to_be_visible()
    wait_for_map(page)
