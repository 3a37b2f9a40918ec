"""Bad input in the page: markup in every text of a table, odd names, pictures that are none, many values."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from rareloop.data.workspace import Workspace, workspace_folder
from rareloop.tests.browser.actions import (
    expect,
    press_and_wait,
    wait_for_item,
    wait_for_map,
    wait_until_saved,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow]

N = 240
EVIL = "\"'><b class=hurt><img src=x onerror=window.hurt=1></b><script>window.hurt=1</script>"
ODD = [EVIL, 'quasar "odd" \\ $$\\alpha$$', "🚀 rocket", "w" * 200]
# What the markup would have made, anywhere in the page; shadow roots included.
DAMAGE = """() => {
    const all = root => [...root.querySelectorAll('*')].flatMap(e =>
        e.shadowRoot ? [e, ...all(e.shadowRoot)] : [e])
    const made = all(document).filter(e => e.matches('.hurt, [onerror], img[src=x]')).map(e => e.outerHTML)
    const asked = performance.getEntriesByType('resource').filter(e => e.name.endsWith('/x')).length
    return {ran: window.hurt ?? null, asked, made}
}"""
UNHURT: dict[str, object] = {"ran": None, "asked": 0, "made": []}


def make(tmp_path, columns, classes, features, name="survey.parquet"):
    source = tmp_path / name
    pq.write_table(pa.table(columns), source)
    workspace = Workspace.create(workspace_folder(source), source)
    workspace.settings |= {"round": {"audit_share": 0.0}, "hide_suggestion_share": 0.0}
    workspace.roles.features = features
    workspace.confirm(workspace.roles, classes, wanted=classes[:1])
    return workspace


@pytest.fixture
def evil(tmp_path):
    """A table whose name, columns, ids, texts and addresses are markup, with classes of odd names."""
    rng = np.random.default_rng(0)
    across, up, kind = f"{EVIL} across", "$$up$$ " + EVIL, f"kind {EVIL}"
    columns = {
        f"id {EVIL}": [f"{EVIL} {i}" for i in range(N)],
        across: rng.normal(size=N) + 3 * (np.arange(N) % 10 == 0),
        up: rng.normal(size=N),
        kind: [f"{EVIL} {i % 4}" for i in range(N)],
        f"text {EVIL}": [f"{EVIL}\n{EVIL} {'words ' * i}" for i in range(N)],
        f"page {EVIL}": [f"https://example.org/{i}?a='\"><b class=hurt>" for i in range(N)],
    }
    folder = EVIL.replace("/", "")
    workspace = make(tmp_path, columns, ODD, [across, up, kind], f"{folder}.parquet")
    roles = workspace.roles
    roles.id, roles.shown = f"id {EVIL}", [name for name in columns if not name.startswith("id")]
    for one in workspace.taxonomy:
        one.definition, one.examples = EVIL, [f"{EVIL} 3"]
    workspace.guidelines.add(f"# {EVIL}\n\n{EVIL}", "tester")
    workspace.save()
    return workspace


def search(page, text):
    page.get_by_label("Search", exact=True).fill(text)
    page.keyboard.press("Enter")


def unhurt(page, where):
    assert page.evaluate(DAMAGE) == UNHURT, where


def test_markup_is_text_wherever_the_page_shows_it(page, serve, evil):
    served = serve(evil)
    session = served.session
    wait_for_item(page)
    unhurt(page, "card")
    assert page.get_by_test_id("item-id").inner_text().count("<img src=x") == 1
    for key in "1234":
        page.keyboard.press("n")
        page.get_by_role("textbox", name="Note", exact=True).first.fill(EVIL)
        page.get_by_role("button", name="Save note").first.click()
        press_and_wait(page, key)
    wait_until_saved(page)
    assert session.state.counts == dict.fromkeys(ODD, 1)
    served.wait(lambda: session.report.get("has_model") and not session.round_running, "a round with a model")
    press_and_wait(page, " ")
    expect(page.get_by_test_id("why").locator(".near button").first).to_be_attached()
    unhurt(page, "neighbours and reasons")

    # The map: its axes, every kind of colour, and the legend.
    wait_for_map(page)
    colours = page.get_by_label("Colour", exact=True)
    for choice in ("class", "predicted", f"column: kind {EVIL}", f"column: {EVIL} across", f"probability: {EVIL}"):
        colours.select_option(choice)
        legend = page.get_by_test_id("map-legend")
        expect(legend).to_contain_text("class" if choice in ("class", "predicted") else "<img src=x")
        unhurt(page, f"map coloured by {choice}")

    # A search that is refused is quoted in a notice; one that finds items is a selection for table and bulk.
    search(page, f"`{EVIL}` > 3")
    expect(page.get_by_text("there is no column").last).to_be_visible()
    unhurt(page, "notice")
    search(page, "onerror")
    expect(page.get_by_test_id("table-note")).to_contain_text(f"{N} items")
    unhurt(page, "table of a search")

    for tab in page.get_by_role("tab").all():
        tab.click()
        expect(tab).to_have_attribute("aria-selected", "true")
        page.wait_for_function("() => Bokeh.documents[0].is_idle")
        unhurt(page, tab.inner_text())
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 1366


def test_pictures_that_are_none_are_said_on_the_card_and_labelling_goes_on(page, serve, tmp_path):
    page.expected_errors = ("404",)
    folder = tmp_path / "survey"
    folder.mkdir()
    Image.new("1", (10_000, 10_000)).save(folder / "huge.png")  # 100 million pixels in a few kilobytes
    Image.new("1", (9, 9)).save(tmp_path / "secret.png")
    (folder / "text.png").write_text("no picture")
    said = {
        "missing.png": "'missing.png' cannot be read",
        "huge.png": "10,000 × 10,000 pixels",
        "text.png": "in no format that can be shown",
        "../secret.png": "a picture outside survey",
    }
    rng = np.random.default_rng(0)
    columns = {
        "object": [f"o{i}" for i in range(N)],
        "a": rng.normal(size=N),
        "b": rng.normal(size=N),
        "picture": [list(said)[i % len(said)] for i in range(N)],
    }
    workspace = make(folder, columns, ["star", "quasar"], ["a", "b"])
    # As a version with other views has left it.
    workspace.settings["layout"] = {"tester": json.dumps({"arrange": {"row": ["item", "gone"]}})}
    workspace.save()
    served = serve(workspace)
    wait_for_item(page)
    expect(page.get_by_text("names the view 'gone'")).to_be_visible()
    expect(page.get_by_role("tab", name="Table")).to_be_visible()
    for row, words in enumerate(said.values()):
        search(page, f"o{row}")
        expect(page.locator("section.surface")).to_have_attribute("data-row", str(row))
        expect(page.get_by_test_id("no-picture")).to_contain_text(words)
        page.get_by_test_id("item-id").click()  # away from the search field
        press_and_wait(page, "1")
    wait_until_saved(page)
    assert served.session.state.counts == {"star": len(said)}


def test_a_column_of_a_million_values_holds_up_nothing(page, serve, tmp_path):
    n = 1_000_000
    rng = np.random.default_rng(0)
    columns = {"x": rng.normal(size=n), "y": rng.normal(size=n), "name": [f"s{i // 2:06d}" for i in range(n)]}
    workspace = make(tmp_path, columns, ["star", "quasar"], ["x", "y"])
    workspace.prepare()  # which is not what this is about
    serve(workspace)
    wait_for_item(page)
    wait_for_map(page)
    page.get_by_label("Colour", exact=True).select_option("column: name")
    expect(page.get_by_test_id("map-legend")).to_contain_text("more than 1,000 different values")
    press_and_wait(page, "1")
    search(page, "s123456")
    expect(page.get_by_test_id("table-note")).to_contain_text("2 items")
    page.get_by_role("tab", name="Distributions").click()
    expect(page.get_by_text("other (499,980 values)")).to_be_visible()
    press_and_wait(page, "2")
    wait_until_saved(page)
