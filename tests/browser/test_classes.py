"""The Classes tab: every change says what it will do, is done at a click, and can be taken back."""

from __future__ import annotations

import os

import pytest
from rareloop.tests.browser.actions import choose, expect, press_and_wait, wait_for_item, wait_until_saved

pytestmark = pytest.mark.browser


def do_it(page):
    expect(page.get_by_test_id("effects")).to_contain_text("This will happen")
    page.get_by_role("button", name="Do it").click()


@pytest.fixture
def classes_tab(page, serve, digits):
    digits.settings["round"] = {"audit_share": 0.0}
    digits.save()
    served = serve(digits)
    wait_for_item(page)
    press_and_wait(page, "8")
    press_and_wait(page, "3")
    wait_until_saved(page)
    page.get_by_role("tab", name="Classes").click()
    expect(page.get_by_test_id("classes")).to_be_visible()
    return served


def test_rename_merge_and_take_back_with_their_effects_before(page, classes_tab):
    session = classes_tab.session
    choose(page, "Class", "8")
    box = page.get_by_label("Name", exact=True)
    expect(box).to_have_value("8")
    box.fill("3")
    expect(page.get_by_test_id("effects")).to_contain_text("there are two classes named '3'")
    expect(page.get_by_role("button", name="Do it")).to_be_hidden()
    box.fill("eight <b>")
    expect(page.get_by_test_id("effects")).to_contain_text("1 label of '8' (1 by tester) keeps being of it")
    do_it(page)
    expect(page.get_by_test_id("classes")).to_contain_text("eight <b>")
    expect(page.locator("section.surface [data-class='eight <b>']")).to_be_visible()
    expect(page.get_by_role("combobox", name="Class", exact=True)).to_have_text("eight <b>")
    assert session.state.counts == {"eight <b>": 1, "3": 1}

    choose(page, "Change", "merge into another")
    choose(page, "Into", "3")
    expect(page.get_by_test_id("effects")).to_contain_text("is of '3' then")
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=f"{folder}/classes-light.png")
        page.get_by_role("banner").get_by_role("button").last.click()
        page.wait_for_timeout(1500)
        page.screenshot(path=f"{folder}/classes-dark.png")
    do_it(page)
    classes_tab.wait(lambda: session.state.counts == {"3": 2}, "one class with both labels")
    expect(page.locator("section.surface [data-class='eight <b>']")).to_have_count(0)

    choose(page, "Change", "take back a change")
    expect(page.get_by_test_id("effects")).to_contain_text("1 label of '3' is of 'eight <b>' again")
    do_it(page)
    classes_tab.wait(lambda: session.state.counts == {"eight <b>": 1, "3": 1}, "two classes again")
    expect(page.locator("section.surface [data-class='eight <b>'] kbd")).to_have_text("8")
    press_and_wait(page, "8")  # the key still is the class's
    wait_until_saved(page)
    assert session.state.counts == {"eight <b>": 2, "3": 1}


def test_a_split_lists_the_items_to_label_anew(page, classes_tab):
    session = classes_tab.session
    choose(page, "Class", "8")
    choose(page, "Change", "split")
    page.get_by_label("New classes, separated by commas").fill("open 8, closed 8")
    do_it(page)
    expect(page.get_by_test_id("classes")).to_contain_text("to split: 1 left")
    page.get_by_role("tab", name="Table").click()
    expect(page.get_by_test_id("table-note")).to_contain_text("to split '8'")
    assert [c.name for _, c in session.workspace.taxonomy.offered][-2:] == ["open 8", "closed 8"]
