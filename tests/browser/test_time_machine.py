"""Back in time with the slider: the map and the counts follow, the card does not."""

from __future__ import annotations

import pytest
from rareloop.tests.browser.actions import (
    current_row,
    expect,
    press_and_wait,
    wait_for_item,
    wait_for_map,
    wait_until_saved,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LABELLED = """n => {
    const models = [...window.Bokeh.documents[0]._all_models.values()]
    return models.some(m => m.type === 'ColumnDataSource' && m.data.marker && m.data.x.length === n)
}"""


def test_the_slider_goes_back_and_labels_are_still_given_for_now(page, serve, digits):
    served = serve(digits)
    wait_for_map(page)
    for key in ("8", "1", "2", "3"):
        press_and_wait(page, key)
    wait_until_saved(page)
    page.wait_for_function(LABELLED, arg=4)
    page.get_by_role("tab", name="Time machine").click()
    slider = page.get_by_role("slider")
    expect(slider).to_have_attribute("max", "4")
    row = current_row(page)
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    banner = page.get_by_test_id("time-banner")
    expect(banner).to_contain_text("As of label 1 of 4 (entry 1 of 4")
    expect(page.get_by_test_id("past-note")).to_contain_text("As of entry 1 of 4")
    page.wait_for_function(LABELLED, arg=1)
    assert current_row(page) == row
    page.get_by_test_id("item-id").click()  # away from the slider, whose keys are its own
    slider.blur()
    press_and_wait(page, "5")
    served.wait(lambda: served.session.state.n_events == 5, "the answer is stored")
    expect(banner).to_contain_text("As of label 1 of 5")
    page.wait_for_function(LABELLED, arg=1)
    page.get_by_test_id("past-note").get_by_role("button", name="Back to now").click()
    page.wait_for_function(LABELLED, arg=5)
    expect(banner).to_contain_text("This is now")
    expect(page.get_by_test_id("past-note")).to_be_hidden()
    wait_for_item(page)

    page.get_by_label("Speed").select_option("4")
    page.get_by_role("button", name="Play").focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Pause")).to_be_focused()
    expect(banner).to_contain_text("entry 2 of 5")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Play")).to_be_focused()
    page.keyboard.press("Enter")
    expect(banner).to_contain_text("This is now")  # at the end it stops
    expect(page.get_by_role("button", name="Play")).to_be_visible()
