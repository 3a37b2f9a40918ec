"""The map: lasso, box, tap, axes; everything is selected on the full data."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from rareloop.tests.browser.actions import current_row, expect, on_screen, wait_for_item, wait_for_map

pytestmark = pytest.mark.browser

X, Y = "ink", "symmetry"


@pytest.fixture
def mapped(page, serve, digits):
    """A served session whose map shows two columns; their values."""
    served = serve(digits)
    wait_for_item(page)
    wait_for_map(page)
    for label, name in (("Across", X), ("Up", Y)):
        page.get_by_label(label, exact=True).click()
        page.get_by_role("menuitem", name=name, exact=True).click()
        expect(page.locator(".MuiPopover-root")).to_have_count(0)  # while it closes, the menu takes all clicks
    table = served.session.workspace.table
    x, y = table.floats(X), table.floats(Y)
    wait_for_map(page, [X, Y])
    return served, x, y


def drag(page, points) -> None:
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=5)
    page.mouse.up()


def test_a_lasso_selects_on_the_full_data_and_lists_it(page, mapped):
    served, x, y = mapped
    x0, x1, y0, y1 = np.quantile(x, 0.3), np.quantile(x, 0.8), np.quantile(y, 0.3), np.quantile(y, 0.9)
    corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
    drag(page, [on_screen(page, *corner) for corner in corners])
    note = page.get_by_test_id("map-note")
    expect(note).to_contain_text("selected")
    expected = int(shapely.contains_xy(shapely.Polygon(corners), x, y).sum())
    found = int(note.inner_text().split(" selected")[0].split("·")[-1].strip().replace(",", ""))
    assert found == pytest.approx(expected, rel=0.05)  # the corners are whole pixels
    page.get_by_role("tab", name="Table").click()
    expect(page.get_by_test_id("table-note")).to_contain_text(f"{found:,} items")
    page.locator("tr[data-row]").first.click()
    inside = set(np.flatnonzero(shapely.contains_xy(shapely.Polygon(corners).buffer(1), x, y)).tolist())
    served.wait(lambda: current_row(page) in inside, "an item of the list opens")
    page.get_by_role("button", name="Clear selection").click()
    expect(note).not_to_contain_text("selected")


def test_a_box_selects(page, mapped):
    _, x, y = mapped
    page.locator(".bk-tool-icon-box-select").first.click()
    x0, x1, y0, y1 = (float(np.quantile(v, q)) for v, q in ((x, 0.2), (x, 0.9), (y, 0.2), (y, 0.9)))
    drag(page, [on_screen(page, x0, y0), on_screen(page, x1, y1)])
    expect(page.get_by_test_id("map-note")).to_contain_text("selected")
    expected = int(((x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)).sum())
    found = int(page.get_by_test_id("map-note").inner_text().split(" selected")[0].split("·")[-1].replace(",", ""))
    assert found == pytest.approx(expected, rel=0.05)


def test_a_tap_opens_the_nearest_item_and_its_label_is_a_search(page, mapped):
    served, x, y = mapped
    current = current_row(page)
    far = np.argsort(x)[-3:]
    row = int(next(r for r in far if r != current))
    page.mouse.click(*on_screen(page, x[row], y[row]))
    same_place = {str(r) for r in np.flatnonzero((np.abs(x - x[row]) < 0.5) & (np.abs(y - y[row]) < 0.02))}
    served.wait(
        lambda: page.locator("section.surface").get_attribute("data-row") in same_place, "the tapped item opens"
    )
    opened = current_row(page)
    page.keyboard.press("8")
    served.wait(lambda: served.session.item_state(opened).get("label") == "8", "the label of the tapped item")
    event = served.session.state.items[served.session.workspace.ids.text(opened)].event
    assert event.label == "8"


def test_zooming_draws_a_new_image(page, mapped):
    _, x, y = mapped
    image_left = """() => [...Bokeh.documents[0]._all_models.values()]
        .find(m => m.type === 'ColumnDataSource' && m.data.image).data.dw[0]"""
    width = page.evaluate(image_left)
    page.mouse.move(*on_screen(page, float(np.median(x)), float(np.median(y))))
    page.mouse.wheel(0, -400)
    page.wait_for_function(f"width => ({image_left})() < width", arg=width)
