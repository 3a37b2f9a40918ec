"""What the browser tests do and wait for, in the words of a user."""

from __future__ import annotations

from typing import Any

PATIENCE = 30_000  # ms until a state that does not come is a failure

MOVED_ON = """before => {
    const find = root => root.querySelector('section.surface') ||
        [...root.querySelectorAll('*')].map(e => e.shadowRoot && find(e.shadowRoot)).find(Boolean)
    const row = find(document)?.dataset.row
    return row && row !== String(before)
}"""
# Where a point of the data is on the screen, by BokehJS itself.
ON_SCREEN = """([x, y, name]) => {
    const views = []
    const walk = view => { views.push(view); (view.child_views || []).forEach(walk) }
    for (const root of Object.values(Bokeh.index)) walk(root)
    const all = [...(Bokeh.index.all_views ? Bokeh.index.all_views() : []), ...views]
    const plot = all.find(v => v.frame_view && v.model.name === name)
    const place = (value, range) => (value - range.start) / (range.end - range.start)
    const frame = plot.frame.bbox
    const sx = frame.left + place(x, plot.model.x_range) * frame.width
    const sy = frame.bottom - place(y, plot.model.y_range) * frame.height
    const box = plot.canvas_view.el.getBoundingClientRect()
    return [box.left + sx, box.top + sy]
}"""
MAP_IS_DRAWN = """([names, name]) => {
    const doc = window.Bokeh?.documents[0]
    if (!doc?.is_idle) return false
    const plot = [...doc._all_models.values()].find(m => m.type === 'Figure' && m.name === name)
    const image = plot?.renderers.find(r => r.data_source?.data.image?.length === 1)?.data_source
    const axes = [plot?.below[0].axis_label, plot?.left[0].axis_label]
    return plot && image && (names === null || names.every((name, i) => name === axes[i])) &&
        image.data.x[0] === plot.x_range.start && image.data.y[0] === plot.y_range.start &&
        Math.abs(image.data.dw[0] - (plot.x_range.end - plot.x_range.start)) < 1e-6 * image.data.dw[0]
}"""


def expect(locator: Any) -> Any:
    """Playwright's expectation, which waits until it holds."""
    from playwright.sync_api import expect as playwright_expect

    playwright_expect.set_options(timeout=PATIENCE)
    return playwright_expect(locator)


def truth_of(served: Any) -> list[str]:
    """The true digit of each row of a served demo."""
    return [str(value) for value in served.session.workspace.table.column("digit").to_pylist()]


def current_row(page: Any) -> int:
    """The row of the item on the card."""
    return int(page.locator("section.surface").get_attribute("data-row"))


def wait_for_item(page: Any) -> int:
    """Wait until an item is on the card; returns its row."""
    page.wait_for_selector("section.surface[data-row]:not([data-row=''])")
    return current_row(page)


def press_and_wait(page: Any, key: str) -> tuple[int, int]:
    """Press a key that moves on; returns the rows before and after."""
    before = wait_for_item(page)
    page.keyboard.press(key)
    page.wait_for_function(MOVED_ON, arg=before)
    return before, current_row(page)


def wait_until_saved(page: Any) -> None:
    """Wait until the page says that everything is on disk."""
    expect(page.get_by_test_id("saved")).to_have_text("saved ✓")


def choose(page: Any, label: str, name: str) -> None:
    """Choose an entry of a list by its label, and wait until the list is closed and takes no keys."""
    page.get_by_role("combobox", name=label, exact=True).click()
    page.get_by_role("option", name=name, exact=True).or_(
        page.get_by_role("menuitem", name=name, exact=True)
    ).click()
    expect(page.locator(".MuiPopover-root")).to_have_count(0)


def wait_for_map(page: Any, names: list[str] | None = None, number: int = 1) -> None:
    """Wait until a map's image shows what its axes, of these names, do."""
    argument = [names, f"map {number}"]
    page.wait_for_function(MAP_IS_DRAWN, arg=argument)
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.wait_for_function(MAP_IS_DRAWN, arg=argument)


def on_screen(page: Any, x: float, y: float, number: int = 1) -> tuple[float, float]:
    """The pixel at which a map shows a point of the data."""
    left, top = page.evaluate(ON_SCREEN, [float(x), float(y), f"map {number}"])
    return left, top
