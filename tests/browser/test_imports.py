"""The Import tab: a file, its summary with conflicts, a decision, one step, and one undo."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest
from rareloop.data.labels import Action, Event, new_event_id
from rareloop.tests.browser.actions import expect, wait_for_item, wait_for_map

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def shoot(page, name):
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=f"{folder}/{name}.png")


def test_a_file_is_looked_at_decided_imported_and_taken_back(page, serve, digits, tmp_path):
    digits.settings["round"] = {"audit_share": 0.0}
    digits.save()
    item_ids = digits.ids.texts(range(4))
    digits.log.append(
        Event(new_event_id(), Action.LABEL, item_ids[0], "tester", datetime.now(UTC), label="3", input="key")
    )
    file = tmp_path / "labels.csv"
    lines = [f"{item_ids[0]},8", f"{item_ids[1]},eight", f"{item_ids[2]},1", "<b>x</b>,1"]
    file.write_text("\n".join(["name,digit", *lines]))
    served = serve(digits)
    session = served.session
    wait_for_item(page)
    wait_for_map(page)
    page.get_by_role("tab", name="Import").click()
    expect(page.get_by_role("button", name="Choose a file")).to_be_visible()
    page.locator("input[type=file]").set_input_files(str(file))
    expect(page.get_by_test_id("import-refused")).to_contain_text("Which column of labels.csv has")
    shoot(page, "import-refused")
    for name, text in (("Identifiers in", "name"), ("Labels in", "digit")):
        page.get_by_label(name, exact=True).fill(text)
        page.get_by_label(name, exact=True).press("Enter")
    summary = page.get_by_test_id("import-summary")
    expect(summary).to_contain_text("classes that are not here: 1 ('eight': 1)")
    expect(summary).to_contain_text("ids that are not in this table: 1 (<b>x</b>)")
    page.get_by_label("Call classes", exact=True).fill("eight=8")
    page.get_by_label("Call classes", exact=True).press("Enter")
    expect(summary).not_to_contain_text("classes that are not here")
    expect(summary).to_contain_text("items that get a label: 2, that have it already: 0")
    expect(page.get_by_test_id("conflicts").locator("tbody tr")).to_have_text([f"{item_ids[0]}38row 2"])
    expect(page.get_by_role("button", name="Import", exact=False).filter(has_text="labels")).to_have_count(0)
    shoot(page, "import-light")
    page.get_by_role("radio", name="Take those of the file").check()
    expect(page.get_by_role("button", name="Import 3 labels")).to_be_in_viewport(ratio=1)
    shown = (summary, page.get_by_label("Identifiers in", exact=True))
    light = [each.evaluate("e => getComputedStyle(e).color") for each in shown]
    page.get_by_test_id("theme").click()
    for each, colour in zip(shown, light, strict=True):
        expect(each).not_to_have_css("color", colour)
    shoot(page, "import-dark")
    page.get_by_role("button", name="Import 3 labels").click()
    expect(page.get_by_test_id("imported")).to_contain_text("3 items got what labels.csv says")
    assert session.state.counts == {"8": 2, "1": 1}
    page.keyboard.press("z")
    served.wait(lambda: session.state.counts == {"3": 1}, "the import taken back")
