"""The Bulk tab: a lasso, a check of a sample with the usual keys, one step, and one undo."""

from __future__ import annotations

import os

import numpy as np
import pytest
from rareloop.tests.browser.actions import (
    current_row,
    expect,
    on_screen,
    press_and_wait,
    wait_for_item,
    wait_for_map,
    wait_until_saved,
)  # fmt: skip
from rareloop.tests.browser.test_map import drag

pytestmark = pytest.mark.browser


def test_a_lasso_is_checked_labelled_and_taken_back_in_one_step(page, serve, digits):
    digits.settings["round"] = {"audit_share": 0.0}
    digits.save()
    served = serve(digits)
    session = served.session
    wait_for_item(page)
    wait_for_map(page)
    page.get_by_label("Across", exact=True).select_option("ink")
    page.get_by_label("Up", exact=True).select_option("symmetry")
    wait_for_map(page, ["ink", "symmetry"])
    table = session.workspace.table
    x0, x1 = np.quantile(table.floats("ink"), (0.3, 0.8))
    y0, y1 = np.quantile(table.floats("symmetry"), (0.3, 0.9))
    corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
    drag(page, [on_screen(page, *corner) for corner in corners])
    expect(page.get_by_test_id("map-note")).to_contain_text("selected")
    page.get_by_role("tab", name="Bulk").click()
    expect(page.get_by_test_id("bulk")).to_contain_text("without a label")
    page.get_by_label("Sample", exact=True).fill("5")
    page.get_by_label("Sample", exact=True).press("Tab")
    expect(page.get_by_role("button", name="Label")).to_be_hidden()
    page.get_by_role("button", name="Check a sample").click()
    served.wait(lambda: session.bulker.check is not None, "the check")
    sample = session.bulker.check.sample
    assert len(sample) == 5
    expect(page.get_by_test_id("round-badge")).to_contain_text("purity check: 1 of 5")
    for place in range(5):
        assert current_row(page) == sample[place]
        press_and_wait(page, "0" if place else "1")
    wait_until_saved(page)
    expect(page.get_by_test_id("purity")).to_contain_text("4 of 5 are '0'")
    button = page.get_by_role("button", name="Label")
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=f"{folder}/bulk-light.png")
    button.click()
    served.wait(lambda: len(session.workspace.bulks.records()) == 1, "the step")
    (record,) = session.workspace.bulks.records().values()
    served.wait(lambda: session.state.counts == {"0": record.n_labelled + 4, "1": 1}, "the labels")
    expect(page.get_by_test_id("bulk")).to_contain_text("without a label 0")
    page.keyboard.press("z")
    served.wait(lambda: session.state.counts == {"0": 4, "1": 1}, "the step taken back")
    expect(page.get_by_test_id("bulk")).to_contain_text(f"without a label {record.n_labelled}")
