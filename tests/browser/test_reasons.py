"""Why an item is asked, on its card; and labels for items that equal labelled ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from rareloop.data.workspace import Workspace, workspace_folder
from rareloop.tests.browser.actions import (
    current_row,
    expect,
    press_and_wait,
    wait_for_item,
    wait_until_saved,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow]

N = 300
CLASS_BUTTONS = "section.surface .classes button"


@pytest.fixture
def twins(tmp_path):
    """A table in which rows 290 to 295 equal row 0."""
    rng = np.random.default_rng(0)
    numbers = {name: rng.normal(size=N) for name in ("mag", "colour")}
    numbers["mag"][10] = 9.0
    for values in numbers.values():
        values[290:296] = values[0]
    source = tmp_path / "survey.csv"
    pd.DataFrame({"object": [f"o{i}" for i in range(N)], **numbers}).to_csv(source, index=False)
    workspace = Workspace.create(workspace_folder(source), source)
    workspace.confirm(workspace.roles, ["quasar", "star"], wanted=["quasar"])
    return workspace


def label_by_hand(served, row, name):
    decision = {"row": row, "action": "label", "label": name}
    served.session.decide([decision], annotator=served.session.annotator).result(30)


def with_two_labels(served, page):
    """Wait until a round has seen a label of each class, and its queue is in the page."""
    label_by_hand(served, 0, "star")
    label_by_hand(served, 1, "quasar")
    served.wait(lambda: served.session.report.get("n_labels") == 2, "a round on two labels")
    number = served.session.report["round"]
    expect(page.locator("section.surface")).to_have_attribute("data-queue", str(number))
    press_and_wait(page, " ")
    expect(page.get_by_test_id("why").locator(".near button").first).to_be_attached()


def boxes(page):
    return [page.locator(CLASS_BUTTONS).nth(i).bounding_box() for i in range(page.locator(CLASS_BUTTONS).count())]


def test_the_reason_is_in_words_and_opens_by_key_and_by_mouse(page, serve, twins):
    served = serve(twins)
    wait_for_item(page)
    with_two_labels(served, page)
    why = page.get_by_test_id("why")
    closed = boxes(page)
    expect(page.get_by_test_id("reason")).to_be_visible()
    expect(page.get_by_test_id("why-arm")).to_be_hidden()
    page.keyboard.press("w")
    expect(page.get_by_test_id("why-arm")).to_be_visible()
    expect(page.get_by_test_id("why-arm")).to_contain_text("Asked by:")
    expect(page.get_by_test_id("why-arm")).to_contain_text("place")
    expect(why.get_by_role("button")).to_have_count(2)
    assert boxes(page) == closed  # nothing moves under the user's hands
    page.keyboard.press("w")
    expect(page.get_by_test_id("why-arm")).to_be_hidden()
    why.locator("summary").click()
    expect(page.get_by_test_id("why-arm")).to_be_visible()
    page.keyboard.press(" ")  # still skips: the line has not kept the focus
    expect(page.get_by_test_id("why-arm")).to_be_visible()
    served.wait(lambda: len(served.session.state.items) == 4, "two skips and two labels")


def test_it_stays_open_over_a_reload_and_its_height_is_the_same_for_all_items(page, serve, twins):
    served = serve(twins)
    wait_for_item(page)
    with_two_labels(served, page)
    page.keyboard.press("w")
    expect(page.get_by_test_id("why-arm")).to_be_visible()
    heights = set()
    for _ in range(5):
        press_and_wait(page, " ")
        heights.add(page.get_by_test_id("why").bounding_box()["height"])
    assert len(heights) == 1
    wait_until_saved(page)
    page.reload(wait_until="domcontentloaded")
    wait_for_item(page)
    expect(page.get_by_test_id("why-arm")).to_be_visible()
    page.locator(CLASS_BUTTONS).last.hover(timeout=5000)  # on the screen, and nothing over it


def test_a_neighbour_opens_and_the_item_comes_back_after_it(page, serve, twins):
    served = serve(twins)
    wait_for_item(page)
    with_two_labels(served, page)
    page.keyboard.press("w")
    row = current_row(page)
    neighbour = page.get_by_test_id("why").get_by_role("button", name="star")
    expect(neighbour).to_have_attribute("data-row", "0")
    neighbour.click()
    expect(page.locator("section.surface")).to_have_attribute("data-row", "0")
    expect(page.get_by_test_id("answer")).to_contain_text("star")
    expect(page.get_by_test_id("reason")).to_have_text("Opened by you")
    page.keyboard.press("2")
    expect(page.locator("section.surface")).to_have_attribute("data-row", str(row))


def test_the_features_in_which_an_item_is_unusual_are_named(page, serve, twins):
    served = serve(twins)
    wait_for_item(page)
    with_two_labels(served, page)
    page.keyboard.press("w")
    asked = next(q for q in served.session.queue if (q.reason or {}).get("unusual"))
    name, deviation = asked.reason["unusual"][0]
    side = "below" if deviation < 0 else "above"
    for _ in range(len(served.session.queue)):
        if current_row(page) == asked.row:
            break
        press_and_wait(page, " ")
    expect(page.get_by_test_id("why-unusual")).to_contain_text(f"{name}, {abs(deviation):g} robust sd {side}")


def test_an_item_that_comes_back_by_undo_is_still_asked_by_its_strategy(page, serve, twins):
    served = serve(twins)
    wait_for_item(page)
    with_two_labels(served, page)
    reason = page.get_by_test_id("reason").inner_text()
    row, _ = press_and_wait(page, "1")
    wait_until_saved(page)
    strategy = served.session.labels().arms[-1]
    assert strategy != "opened"
    page.keyboard.press("z")
    expect(page.locator("section.surface")).to_have_attribute("data-row", str(row))
    expect(page.get_by_test_id("reason")).to_have_text(reason)
    press_and_wait(page, "2")
    served.wait(lambda: served.session.item_state(row).get("label") == "star", "the mended label")
    assert served.session.labels().arms[-1] == strategy


def test_twins_are_labelled_with_one_click_and_taken_back_with_one_key(page, serve, twins):
    served = serve(twins)
    wait_for_item(page)
    notice = page.get_by_test_id("duplicates")
    expect(notice).to_be_hidden()
    before = boxes(page)
    with_two_labels(served, page)
    expect(notice).to_contain_text("6 items have exactly the features of labelled ones")
    assert boxes(page) == before
    page.get_by_role("tab", name="Strategy").click()
    expect(page.get_by_test_id("strategy-info")).to_contain_text("6 items have exactly the features")
    notice.get_by_role("button", name="Label them like their twins").click()
    served.wait(lambda: served.session.state.counts == {"star": 7, "quasar": 1}, "the labels of the twins")
    expect(notice).to_be_hidden()
    expect(page.get_by_test_id("found")).to_contain_text("8 labels")
    assert {served.session.item_state(row)["label"] for row in range(290, 296)} == {"star"}
    page.keyboard.press("z")
    served.wait(lambda: served.session.state.counts == {"star": 1, "quasar": 1}, "all of them taken back")
