"""The history in a real browser: filters, answers changed in place, and the deferred items gone through."""

from __future__ import annotations

import pytest
from rareloop.tests.browser.actions import expect, press_and_wait, wait_for_item, wait_until_saved

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def open_history(page):
    page.get_by_role("tab", name="History").click()
    part = page.get_by_role("region", name="History")
    expect(part.get_by_test_id("history-count")).to_contain_text("of")
    return part


def test_an_answer_is_changed_and_undone_in_its_line(page, serve, digits):
    served = serve(digits)
    session = served.session
    wait_for_item(page)
    first, _ = press_and_wait(page, "1")
    second, _ = press_and_wait(page, "2")
    wait_until_saved(page)
    part = open_history(page)
    expect(part.get_by_test_id("history-count")).to_have_text("1–2 of 2")
    part.get_by_role("button", name=session.workspace.ids.text(first), exact=True).click()
    part.get_by_label("Other answer").select_option(label="7")
    part.get_by_role("button", name="Change").click()
    served.wait(lambda: session.item_state(first)["label"] == "7", "the other answer")
    expect(part.get_by_test_id("history-count")).to_have_text("1–3 of 3")
    expect(part.locator("tr", has_text="now 7")).to_have_count(1)

    part.get_by_role("button", name="Undo this").click()  # still the line of the first answer
    served.wait(lambda: session.state.n_events == 4, "the undo")
    assert session.item_state(first)["label"] == "7"  # which was given after it
    part.get_by_label("Which events").select_option(label="changed my mind")
    expect(part.get_by_test_id("history-count")).to_have_text("1–1 of 1")
    part.get_by_label("Which events").select_option(label="everything")
    part.get_by_label("Answer", exact=True).select_option(label="2")
    expect(part.get_by_test_id("history-count")).to_have_text("1–1 of 1")
    part.get_by_role("button", name=session.workspace.ids.text(second), exact=True).click()
    part.get_by_role("textbox", name="Note", exact=True).fill("looks like a 7")
    part.get_by_role("button", name="Save note").click()
    served.wait(lambda: session.item_state(second)["note"] == "looks like a 7", "the note")


def test_deferred_items_are_listed_and_gone_through_before_the_queue(page, serve, digits):
    served = serve(digits)
    wait_for_item(page)
    one, _ = press_and_wait(page, "d")
    press_and_wait(page, "3")
    two, waiting = press_and_wait(page, "d")
    wait_until_saved(page)
    part = open_history(page)
    part.get_by_label("Which events").select_option(label="deferred items")
    expect(part.get_by_test_id("history-count")).to_have_text("1–2 of 2")
    part.get_by_role("button", name="Work through them").click()
    card = page.locator("section.surface")
    expect(card).to_have_attribute("data-row", str(one))
    expect(page.get_by_test_id("round-badge")).to_have_text("deferred items: 1 of 2")
    press_and_wait(page, "4")
    expect(card).to_have_attribute("data-row", str(two))
    press_and_wait(page, "5")
    expect(card).to_have_attribute("data-row", str(waiting))
    served.wait(lambda: served.session.item_state(two).get("label") == "5", "an answer at second sight")
    expect(part.get_by_test_id("history-count")).to_have_text("none")


def test_answers_may_come_while_the_tab_is_left_and_entered(page, serve, digits):
    serve(digits)
    wait_for_item(page)
    part = page.get_by_role("region", name="History")
    for n in range(1, 7):
        page.get_by_role("tab", name="History" if n % 2 else "Metrics").click()
        press_and_wait(page, str(n))
    wait_until_saved(page)
    page.get_by_role("tab", name="History").click()
    expect(part.get_by_test_id("history-count")).to_have_text("1–6 of 6")
