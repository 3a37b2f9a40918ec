"""The Guidelines tab: key g, writing versions, and what changed."""

from __future__ import annotations

import os

import pytest
from rareloop.tests.browser.actions import expect, press_and_wait, wait_for_item, wait_until_saved

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_guidelines_are_written_in_versions_that_answers_remember(page, serve, digits):
    digits.settings["round"] = {"audit_share": 0.0}
    digits.save()
    served = serve(digits)
    session = served.session
    wait_for_item(page)
    page.keyboard.press("g")
    expect(page.get_by_text("There are no guidelines yet.")).to_be_visible()
    page.get_by_role("button", name="Write").click()
    box = page.get_by_label("Guidelines in Markdown")
    box.fill(
        "# Eights\n\nTwo **closed** loops. <img src=x onerror=alert(1)> ![far](https://elsewhere.example/x.png)"
    )
    expect(page.get_by_test_id("guideline-preview").locator("strong")).to_have_text("closed")
    expect(page.get_by_test_id("guideline-preview").locator("img")).to_have_count(0)
    page.get_by_role("button", name="Save as version 1").click()
    expect(page.get_by_test_id("guideline-head")).to_contain_text("Version 1, in force")
    press_and_wait(page, "8")
    wait_until_saved(page)
    page.get_by_role("button", name="Write").click()
    box.fill("# Eights\n\nTwo loops that **touch**.")
    page.get_by_role("button", name="Save as version 2").click()
    expect(page.get_by_test_id("guideline-head")).to_contain_text("Version 2, in force")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_test_id("guideline-diff")).to_contain_text("Two loops that **touch**.")
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=f"{folder}/guidelines-light.png")
    press_and_wait(page, "3")
    wait_until_saved(page)
    assert sorted(item.event.guideline for item in session.state.items.values()) == [1, 2]
