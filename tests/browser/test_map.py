"""The maps: lasso, box, polygon, tap, axes, colours, several maps; everything is selected on the full data."""

from __future__ import annotations

import re

import numpy as np
import pytest
import shapely
from rareloop.tests.browser.actions import current_row, expect, on_screen, wait_for_item, wait_for_map

pytestmark = pytest.mark.browser

X, Y = "ink", "symmetry"


def choose_axes(page, x, y, number=1):
    suffix = "" if number == 1 else f", map {number}"
    page.get_by_label(f"Across{suffix}", exact=True).select_option(x)
    page.get_by_label(f"Up{suffix}", exact=True).select_option(y)
    wait_for_map(page, [x, y], number)


@pytest.fixture
def mapped(page, serve, digits):
    """A served session whose map shows two columns; their values."""
    served = serve(digits)
    wait_for_item(page)
    wait_for_map(page)
    choose_axes(page, X, Y)
    table = served.session.workspace.table
    return served, table.floats(X), table.floats(Y)


def drag(page, points, key=None) -> None:
    if key:
        page.keyboard.down(key)
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=5)
    page.mouse.up()
    if key:
        page.keyboard.up(key)


def press(page, name) -> None:
    """Choose a tool or a mode, and wait until it is in force."""
    button = page.get_by_role("button", name=name, exact=True)
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")


def n_selected(page) -> int:
    note = page.get_by_test_id("map-note")
    expect(note).to_contain_text("selected")
    return int(re.findall(r"([\d,]+) selected", note.inner_text())[0].replace(",", ""))


def wait_for_selected(page, served, expected) -> None:
    """Wait until about so many are selected: corners are whole pixels."""
    served.wait(lambda: n_selected(page) == pytest.approx(expected, rel=0.05), f"about {expected} are selected")


def corners_of(x, y, low, high):
    x0, x1, y0, y1 = (float(np.quantile(v, q)) for v, q in ((x, low), (x, high), (y, low), (y, high)))
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def test_a_lasso_selects_on_the_full_data_and_lists_it(page, mapped):
    served, x, y = mapped
    x0, x1, y0, y1 = np.quantile(x, 0.3), np.quantile(x, 0.8), np.quantile(y, 0.3), np.quantile(y, 0.9)
    corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
    drag(page, [on_screen(page, *corner) for corner in corners])
    expected = int(shapely.contains_xy(shapely.Polygon(corners), x, y).sum())
    wait_for_selected(page, served, expected)
    page.get_by_role("tab", name="Table").click()
    expect(page.get_by_test_id("table-note")).to_contain_text(f"{n_selected(page):,} items")
    page.locator("tr[data-row]").first.click()
    inside = set(np.flatnonzero(shapely.contains_xy(shapely.Polygon(corners).buffer(1), x, y)).tolist())
    served.wait(lambda: current_row(page) in inside, "an item of the list opens")
    page.get_by_role("button", name="Clear selection").click()
    expect(page.get_by_test_id("map-note")).not_to_contain_text("selected")


def test_boxes_and_polygons_add_up(page, mapped):
    served, x, y = mapped
    outer, inner = corners_of(x, y, 0.1, 0.95), corners_of(x, y, 0.4, 0.7)
    within = [shapely.contains_xy(shapely.Polygon(c).buffer(1e-6), x, y) for c in (outer, inner)]
    press(page, "Box")
    drag(page, [on_screen(page, *outer[0]), on_screen(page, *outer[2])])
    wait_for_selected(page, served, within[0].sum())
    drag(page, [on_screen(page, *inner[0]), on_screen(page, *inner[2])], key="Alt")
    wait_for_selected(page, served, (within[0] & ~within[1]).sum())
    drag(page, [on_screen(page, *inner[0]), on_screen(page, *inner[2])], key="Shift")
    wait_for_selected(page, served, within[0].sum())

    before = current_row(page)
    press(page, "Polygon")
    press(page, "Subtract")
    for corner in inner:
        page.mouse.click(*on_screen(page, *corner))
        page.wait_for_timeout(350)  # two taps in a third of a second are a double tap, wherever they are
    expect(page.get_by_test_id("map-note")).to_contain_text("4 corners")
    page.keyboard.press("Enter")
    wait_for_selected(page, served, (within[0] & ~within[1]).sum())
    assert current_row(page) == before  # neither the taps nor Enter were meant for the card
    assert not served.session.state.n_events

    page.get_by_role("button", name="Invert selection").click()
    wait_for_selected(page, served, len(x) - (within[0] & ~within[1]).sum())


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


def test_zooming_draws_a_new_image_and_reset_goes_back(page, mapped):
    _, x, y = mapped
    image_left = """() => [...Bokeh.documents[0]._all_models.values()]
        .find(m => m.type === 'Figure' && m.name === 'map 1').renderers[0].data_source.data.dw[0]"""
    width = page.evaluate(image_left)
    page.mouse.move(*on_screen(page, float(np.median(x)), float(np.median(y))))
    page.mouse.wheel(0, -400)
    page.wait_for_function(f"width => ({image_left})() < width", arg=width)
    page.get_by_role("button", name="Reset zoom").click()
    page.wait_for_function(f"width => ({image_left})() === width", arg=width)


def test_several_maps_are_linked_and_come_back(page, mapped):
    served, x, y = mapped
    page.get_by_role("button", name="Add a map").click()
    wait_for_map(page, [X, Y], 2)
    wait_for_map(page, [X, Y], 1)
    choose_axes(page, Y, X, 2)
    page.get_by_label("Colour, map 2", exact=True).select_option(label="ink")
    expect(page.get_by_test_id("map-legend").nth(1)).to_contain_text("percentile")
    corners = corners_of(x, y, 0.2, 0.8)
    drag(page, [on_screen(page, b, a, 2) for a, b in [*corners, corners[0]]])
    wait_for_selected(page, served, shapely.contains_xy(shapely.Polygon(corners), x, y).sum())
    assert "selected" in page.get_by_test_id("map-words").first.get_attribute("aria-label")
    settings = served.session.workspace.settings
    served.wait(lambda: len(settings.get("maps", {}).get("panels", ())) == 2, "two maps are remembered")
    page.reload()
    wait_for_item(page)
    wait_for_map(page, [X, Y], 1)
    wait_for_map(page, [Y, X], 2)
    expect(page.get_by_test_id("map-legend").nth(1)).to_contain_text("ink")
    page.get_by_role("button", name="Close map 2").click()
    expect(page.get_by_role("button", name="Close map 1")).to_have_count(0)


def test_the_map_shows_what_the_model_says_and_follows_its_rounds(page, serve, digits):
    digits.settings["round"] = {"audit_share": 0.0}
    digits.save()
    served = serve(digits)
    wait_for_item(page)
    wait_for_map(page)
    page.get_by_label("Colour", exact=True).select_option(label="probability of 8")
    legend = page.get_by_test_id("map-legend")
    expect(legend).to_contain_text("label items of at least two classes first")
    truth = digits.truth()
    rows = [truth.index(str(digit)) for digit in range(10)]
    decide = [{"event_id": f"e{r}", "row": r, "action": "label", "label": truth[r]} for r in rows]
    served.session.decide(decide, annotator=served.session.annotator).result(30)
    expect(legend).to_contain_text(re.compile(r"as of round \d+"))
    page.get_by_label("Colour", exact=True).select_option(label="unlike anything labelled")
    expect(legend).to_contain_text("distance to a label, as of round")
    page.get_by_label("Colour", exact=True).select_option(label="predicted class")
    expect(legend).to_contain_text("predicted class")
    page.get_by_role("button", name="Layers").click()
    page.get_by_label("labelled items").uncheck()
    served.wait(lambda: served.session.workspace.settings["maps"]["layers"]["labelled"] is False, "remembered")
