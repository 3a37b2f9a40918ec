"""The grid in a real browser: many items in one step, by keys alone, and nothing that was not on the screen."""

from __future__ import annotations

import pytest
from rareloop.tests.browser.actions import expect, press_and_wait, truth_of, wait_for_item, wait_until_saved

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def tiles(page):
    return page.locator("section.grid .tile")


def rows_of(page) -> list[int]:
    return [int(row) for row in tiles(page).evaluate_all("all => all.map(one => one.dataset.row)")]


def open_grid(page):
    """By its key; the card's item is first in the queue, so that something is there."""
    page.keyboard.press("r")
    expect(tiles(page).first).to_be_focused()


def test_a_page_is_marked_by_keys_stored_in_one_step_and_undone_in_one(page, serve, digits):
    served = serve(digits)
    session = served.session
    wait_for_item(page)
    open_grid(page)
    page.get_by_label("How many").select_option("12")
    expect(tiles(page)).to_have_count(12)
    rows = rows_of(page)
    tiles(page).first.focus()
    for key in ("3", "4", " ", "ArrowRight", "8"):
        page.keyboard.press(key)
    expect(page.get_by_test_id("grid-said")).to_have_text("3 of 12 marked")
    page.keyboard.press("Enter")
    expect(tiles(page).first).not_to_have_attribute("data-row", str(rows[0]))
    served.wait(lambda: session.state.n_labelled == 3, "three labels")
    assert [session.item_state(rows[i])["label"] for i in (0, 1, 4)] == ["3", "4", "8"]
    events = session.workspace.log.events()
    assert len({event.bulk for event in events}) == 1 and events[0].bulk
    assert {event.input for event in events} == {"grid"}
    assert all(not session.item_state(row) for row in rows[5:])

    page.keyboard.press("z")
    served.wait(lambda: session.state.n_labelled == 0, "one undo for all")
    expect(tiles(page)).to_have_count(3)  # they are back with their marks
    expect(tiles(page).first).to_have_attribute("data-row", str(rows[0]))
    page.keyboard.press("Escape")
    wait_until_saved(page)


def test_suggestions_are_marked_and_questions_of_the_audit_never(page, serve, digits):
    served = serve(digits)
    session = served.session
    truth = truth_of(served)
    for _ in range(12):
        press_and_wait(page, truth[wait_for_item(page)])
    served.wait(lambda: any(q.suggested for q in session.queue), "a round that suggests")
    served.wait(lambda: not session.round_running, "no round under way")
    open_grid(page)
    page.get_by_label("Marks", exact=True).select_option("suggested")
    page.get_by_label("Least probability").select_option("0")
    page.get_by_label("How many").select_option("60")
    expect(tiles(page).locator("visible=true").first).to_be_visible()
    suggested = {q.row: q.suggested for q in session.queue}
    shown = page.locator("section.grid .tile").evaluate_all(
        "all => all.map(one => [Number(one.dataset.row), one.getAttribute('aria-label').split(': ').at(-1)])"
    )
    assert any(words != "left out" for _, words in shown)
    for row, words in shown:
        if row in suggested:
            assert words == (suggested[row] or "left out")
