"""Keys in a real browser: walking back through the answers, and other keys than the default ones."""

from __future__ import annotations

import pytest
from rareloop.tests.browser.actions import current_row, expect, press_and_wait, wait_for_item, wait_until_saved

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def shows(page, row: int) -> None:
    expect(page.locator("section.surface")).to_have_attribute("data-row", str(row))


def test_the_arrows_walk_through_the_answers_and_back_to_the_queue(page, serve, digits):
    served = serve(digits)
    wait_for_item(page)
    first, _ = press_and_wait(page, "1")
    second, waiting = press_and_wait(page, "2")
    page.keyboard.press("ArrowLeft")
    shows(page, second)
    expect(page.get_by_test_id("answer")).to_contain_text("Answered: 2")
    page.keyboard.press("ArrowLeft")
    shows(page, first)
    page.keyboard.press("ArrowRight")
    shows(page, second)
    page.keyboard.press("ArrowRight")
    shows(page, waiting)
    expect(page.get_by_test_id("answer")).to_be_hidden()

    page.keyboard.press("ArrowLeft")
    shows(page, second)
    page.keyboard.press("7")  # a walk is there to change one's mind
    shows(page, waiting)
    wait_until_saved(page)
    served.wait(lambda: served.session.item_state(second)["label"] == "7", "the other answer")
    assert [e.action.value for e in served.session.workspace.log.events()] == ["label", "label", "relabel"]


def test_a_key_is_changed_in_all_tabs_and_never_given_twice(page, serve, digits):
    served = serve(digits)
    row = wait_for_item(page)
    second = page.context.new_page()
    second.goto(served.url)
    wait_for_item(second)
    page.keyboard.press("?")
    page.get_by_role("button", name="Change keys").click()
    dialog = page.get_by_role("dialog", name="Change keys")
    dialog.get_by_role("button", name="Key of flag: bad data: f").click()
    page.keyboard.press("u")
    expect(page.get_by_test_id("key-said")).to_contain_text("unsure")
    page.keyboard.press("F5")
    expect(page.get_by_test_id("key-said")).to_contain_text("belongs to the browser")
    page.keyboard.press("3")
    expect(page.get_by_test_id("key-said")).to_contain_text("kept for classes")
    page.keyboard.press("x")
    expect(page.get_by_test_id("key-said")).to_contain_text("Kept in this workspace")
    dialog.get_by_role("button", name="Key of 8: 8").click()
    page.keyboard.press("e")
    expect(dialog.get_by_role("button", name="Key of 8: e")).to_be_visible()
    page.keyboard.press("Escape")

    expect(second.get_by_role("button", name="Flag x")).to_be_visible()
    expect(page.get_by_role("button", name="Flag x")).to_be_visible()
    assert current_row(page) == row
    press_and_wait(page, "x")
    press_and_wait(page, "e")
    wait_until_saved(page)
    served.wait(lambda: len(served.session.state.items) == 2, "two answers")
    assert [i.label or i.status for i in served.session.state.items.values()] == ["flagged", "8"]
    assert served.session.workspace.settings["keys"] == {"flag": "x"}

    page.keyboard.press("?")
    page.get_by_role("button", name="Change keys").click()
    dialog.get_by_role("button", name="Defaults").click()
    expect(second.get_by_role("button", name="Flag f")).to_be_visible()
