"""Two people on one server, each in a browser of their own."""

from __future__ import annotations

import pytest
from rareloop.tests.browser.actions import expect, press_and_wait, wait_for_item, wait_until_saved

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PATIENT = 600  # s: two pages label in turn, which takes its time on a busy machine
PASSWORD = "a password for two"


def log_in(page, url, name):
    page.goto(url, wait_until="domcontentloaded")
    page.locator("input[name=username]").fill(name)
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("[type=submit], button").first.click()
    page.wait_for_url(url, wait_until="domcontentloaded")


@pytest.mark.timeout(PATIENT)
def test_two_people_label_beside_each_other(page, second_page, serve_with_login, digits):
    served = serve_with_login(digits, PASSWORD)
    pages = {"ann": page, "Zoë <b>": second_page}
    served.wait(lambda: served.session.phase == "labelling", "the pool is prepared")
    for name, one in pages.items():
        log_in(one, served.url, name)
    first = [wait_for_item(one) for one in pages.values()]
    assert len(set(first)) == 2
    expect(page.get_by_test_id("who")).to_have_text("ann · 2 here")
    expect(page.get_by_test_id("who")).to_have_attribute(
        "title", "Your answers are stored as given by ann. Here too: Zoë <b>."
    )
    expect(second_page.get_by_test_id("who")).to_have_text("Zoë <b> · 2 here")

    answered = []
    for _ in range(10):
        for name, one in pages.items():
            row, _ = press_and_wait(one, "3" if name == "ann" else "5")
            answered.append((served.session.workspace.ids.text(row), name))
    for one in pages.values():
        wait_until_saved(one)
        expect(one.get_by_test_id("found")).to_contain_text("20 labels")
        expect(one.locator("[data-count='3']")).to_have_text("10")
        expect(one.locator("[data-count='5']")).to_have_text("10")
    events = served.session.workspace.log.events()
    assert sorted((e.item_id, e.annotator) for e in events) == sorted(answered)
    assert len({e.item_id for e in events}) == 20

    page.keyboard.press("z")
    served.wait(lambda: served.session.state.n_labelled == 19, "the undo")
    undone = served.session.workspace.log.events()[-1]
    assert (undone.annotator, served.session.state.event(undone.target).annotator) == ("ann", "ann")
    expect(second_page.get_by_test_id("found")).to_contain_text("19 labels")
