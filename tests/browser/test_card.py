"""The item card in a browser: what it shows, what it refuses, and what the user chooses on it."""

from __future__ import annotations

import io
import os
import sys
import types

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rareloop
from PIL import Image
from rareloop.card import Picture, Text
from rareloop.dashboard.cards import load_card
from rareloop.data.workspace import Workspace, workspace_folder
from rareloop.tests.browser.actions import (
    current_row,
    expect,
    press_and_wait,
    wait_for_item,
    wait_until_saved,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow]

N = 120
SCRIPT = '<img src=x onerror="window.hurt=1"><script>window.hurt=1</script>'
FITS = """selector => {
    const find = root => root.querySelector(selector) ||
        [...root.querySelectorAll('*')].map(e => e.shadowRoot && find(e.shadowRoot)).find(Boolean)
    const node = find(document)
    return node && node.scrollWidth <= node.clientWidth && node.scrollHeight <= node.clientHeight
}"""


def png(size=(40, 30)):
    target = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(target, "PNG")
    return target.getvalue()


def columns_of(n_columns):
    rng = np.random.default_rng(0)
    values = {f"column {i:02d}": rng.normal(size=N) for i in range(n_columns)}
    values["column 01"][0] = 1e6
    return {"object": [f"o{i}" for i in range(N)], **values}


def make(tmp_path, columns, classes=("star", "quasar"), **settings):
    source = tmp_path / "survey.parquet"
    pq.write_table(pa.table(columns), source)
    workspace = Workspace.create(workspace_folder(source), source)
    workspace.settings |= {"round": {"audit_share": 0.0}, "hide_suggestion_share": 0.0} | settings
    roles = workspace.roles
    roles.features = [name for name in roles.features if name.startswith("column")]
    workspace.confirm(roles, list(classes), wanted=[classes[-1]])
    return workspace


def test_twelve_columns_are_seen_at_once_each_in_its_place(page, serve, tmp_path):
    served = serve(make(tmp_path, columns_of(12)))
    row = wait_for_item(page)
    body = page.locator("section.surface .body")
    expect(body.locator(".strip")).to_have_count(12)
    assert page.evaluate(FITS, "section.surface .body")
    values = served.session.workspace.table.doubles("column 00")
    share = 100 * ((values < values[row]).mean() + 0.5 / N)
    said = body.locator(".strip").first.get_attribute("aria-label")
    assert float(said.split("above ")[1].split(" %")[0]) == pytest.approx(share, abs=0.5)
    expect(body.locator(".tail.right").first).to_be_visible()  # the outlier of column 01


def test_the_user_chooses_columns_and_their_order_and_it_is_kept(page, serve, tmp_path):
    served = serve(make(tmp_path, columns_of(4)))
    wait_for_item(page)
    page.get_by_role("button", name="Card …").click()
    dialog = page.get_by_role("dialog", name="What the card shows")
    dialog.get_by_label("column 00").uncheck()
    dialog.get_by_label("most unusual values first").check()
    page.keyboard.press("1")  # no label while a dialog is open
    dialog.get_by_role("button", name="Show").click()
    names = page.locator("section.surface .field dt")
    expect(names).to_have_count(3)
    press_and_wait(page, " ")
    expect(names).to_have_count(3)  # the next card, which was in the page before
    cards = served.session.workspace.settings["card"]
    assert (cards["columns"], cards["order"]) == ([f"column 0{i}" for i in (1, 2, 3)], "unusual")
    assert not served.session.state.n_labelled


def test_markup_in_the_table_is_text(page, serve, tmp_path):
    columns = columns_of(2) | {
        "morph": [SCRIPT] * (N // 2) + ["plain"] * (N // 2),
        "page": [f"https://example.org/{i}?a=1&b=%22" if i % 2 else "javascript:alert(1)" for i in range(N)],
        "comment": [f"{SCRIPT}\nsecond line of number {i} " + "and more words " * 70_000 for i in range(N)],
    }
    names = ['quasar "odd" <b>\'s', "🚀 rocket", "w" * 200]
    workspace = make(tmp_path, columns, names, card={"links": {SCRIPT: "https://example.org/q?c={morph}"}})
    serve(workspace)
    wait_for_item(page)
    body = page.locator("section.surface .body")
    expect(body.locator(".text p").first).to_contain_text("window.hurt=1")
    expect(body).to_contain_text("The first 20,000 of 1,")
    body.get_by_role("button", name="more").click()
    expect(body.get_by_role("button", name="less")).to_be_visible()
    buttons = page.locator("section.surface .classes button")
    expect(buttons).to_have_count(3)
    assert len({round(buttons.nth(i).bounding_box()["height"]) for i in range(3)}) == 1
    assert page.evaluate(FITS, "section.surface .classes")
    page.keyboard.press("1")
    wait_until_saved(page)
    for _ in range(3):
        press_and_wait(page, " ")
        for link in body.get_by_role("link").all():
            assert link.get_attribute("href").startswith("https://example.org/")
            assert (link.get_attribute("rel"), link.get_attribute("target")) == ("noopener noreferrer", "_blank")
    assert page.evaluate("window.hurt") is None
    assert page.locator("section.surface img").count() == 0


def test_a_picture_is_enlarged_by_key_and_one_that_is_refused_says_why(page, serve, tmp_path):
    page.expected_errors = ("404",)
    (tmp_path / "good.png").write_bytes(png())
    (tmp_path / "bad.svg.png").write_bytes(b"<svg xmlns='http://www.w3.org/2000/svg' onload='window.hurt=1'/>")
    names = ["good.png" if i % 2 else "bad.svg.png" for i in range(N)]
    serve(make(tmp_path, columns_of(3) | {"picture": names}))
    row = wait_for_item(page)
    seen = set()
    for _ in range(30):
        if row % 2:
            expect(page.locator("figure img")).to_be_visible()
            page.keyboard.press("+")
            large = page.get_by_role("dialog", name="Picture")
            expect(large).to_contain_text("40 × 30 pixels")
            page.keyboard.press("Escape")
            expect(large).to_be_hidden()
        else:
            said = f"row {row} of survey.parquet: the picture is in no format that can be shown"
            expect(page.get_by_test_id("no-picture")).to_have_text(said)
        seen.add(row % 2)
        if len(seen) == 2:
            break
        row = press_and_wait(page, " ")[1]
    assert seen == {0, 1}
    assert page.evaluate("window.hurt") is None


def test_curves_have_gaps_and_a_readout(page, serve, tmp_path):
    wave = np.linspace(4000, 9000, 5000)
    flux = np.sin(wave / 300)
    flux[2000:2500] = np.nan
    columns = columns_of(2) | {"flux": [flux.tolist()] * N, "wavelength": [wave.tolist()] * N}
    serve(make(tmp_path, columns))
    wait_for_item(page)
    frame = page.locator(".curve .frame")
    expect(frame).to_have_attribute("aria-label", "flux against wavelength: 5,000 points, -1 to 1")
    assert page.locator(".curve .line").get_attribute("d").count("M") == 2
    box = frame.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 5, box["y"] + 20)
    expect(page.locator(".curve .readout")).to_contain_text("wavelength 500")


def test_the_nearest_items_are_a_key_away_and_nothing_jumps(page, serve, tmp_path):
    served = serve(make(tmp_path, columns_of(3)))
    press_and_wait(page, "1")
    near = page.get_by_test_id("near")
    expect(near.get_by_text("Nearest labelled")).to_be_visible()
    expect(near.get_by_role("button")).to_have_count(6)
    place = page.locator("section.surface .classes").bounding_box()
    page.keyboard.press("]")
    page.keyboard.press("]")
    chosen = int(near.locator("button:focus").get_attribute("data-row"))
    page.keyboard.press("[")
    page.keyboard.press("]")
    page.keyboard.press("Enter")
    expect(page.locator("section.surface")).to_have_attribute("data-row", str(chosen))
    expect(near.get_by_role("button")).to_have_count(6)
    assert page.locator("section.surface .classes").bounding_box() == place
    assert served.session.state.n_labelled == 1  # Enter opened, and accepted nothing


def test_suggestions_can_be_switched_off_and_what_was_seen_is_kept(page, serve, digits):
    digits.settings["round"] = {"audit_share": 0.0}
    digits.save()
    served = serve(digits)
    for key in "1212":
        press_and_wait(page, key)
    served.wait(lambda: any(q.suggested for q in served.session.queue), "a model")
    suggestion = page.get_by_test_id("suggestion")
    for _ in range(60):
        press_and_wait(page, " ")
        if "Most likely" in suggestion.inner_text():
            break
    seen = current_row(page)
    press_and_wait(page, "3")
    expect(suggestion).to_contain_text("Most likely")
    page.get_by_role("button", name="Card …").click()
    page.get_by_label("suggestions of the model").uncheck()
    page.get_by_role("button", name="Show").click()
    expect(suggestion).to_be_empty()
    press_and_wait(page, " ")
    unseen = current_row(page)
    page.keyboard.press("Enter")  # accepts nothing
    press_and_wait(page, "3")
    wait_until_saved(page)
    events = {served.session.workspace.ids.row(e.item_id): e for e in served.session.workspace.log.events()}
    assert events[seen].suggestion_shown is True
    assert events[unseen].suggestion_shown is False
    assert events[unseen].suggested is not None
    assert events[unseen].label == "3"


def test_a_card_of_ones_own_and_its_errors(page, serve, tmp_path, monkeypatch):
    class Own(rareloop.Card):
        columns = ("column 00",)

        def render(self, values):
            if values["column 00"] > 0:
                raise RuntimeError(SCRIPT)
            return [Text(SCRIPT, "mine"), Picture(np.eye(8), "eye")]

    module = types.ModuleType("own_card")
    module.Own = Own
    monkeypatch.setitem(sys.modules, "own_card", module)
    workspace = make(tmp_path, columns_of(2))
    served = serve(workspace, card=load_card("own_card:Own", workspace))
    row = wait_for_item(page)
    values = served.session.workspace.table.doubles("column 00")
    seen = set()
    for _ in range(30):
        if values[row] > 0:
            expect(page.get_by_test_id("card-problems")).to_contain_text(
                "Your card own_card:Own failed: RuntimeError"
            )
        else:
            expect(page.locator(".text p")).to_have_text(SCRIPT)
            expect(page.locator("figure img")).to_be_visible()
        seen.add(bool(values[row] > 0))
        if len(seen) == 2:
            break
        row = press_and_wait(page, "1")[1]
    assert seen == {False, True}
    assert page.evaluate("window.hurt") is None


def test_texts_a_link_a_picture_and_a_curve_are_chosen_on_the_card(page, serve, tmp_path):
    rng = np.random.default_rng(0)
    columns = columns_of(3) | {
        "remark": [f"words on number {i}" for i in range(N)],
        "stamp": pa.array(rng.integers(0, 255, (N, 12)).tolist(), pa.list_(pa.uint8())),
        "flux": pa.array(rng.random((N, 50)).tolist(), pa.list_(pa.float64())),
    }
    workspace = make(tmp_path, columns)
    workspace.roles.text, workspace.roles.series = [], []
    workspace.save()
    served = serve(workspace)
    row = wait_for_item(page)
    page.get_by_role("button", name="Card …").click()
    dialog = page.get_by_role("dialog", name="What the card shows")
    dialog.get_by_text("Texts").click()
    dialog.get_by_role("group", name="Texts").get_by_label("remark").check()
    dialog.locator("summary", has_text="Picture").click()
    dialog.get_by_label("Picture", exact=True).select_option("stamp")
    dialog.get_by_label("Shape").fill("5 × 5")
    dialog.locator("summary", has_text="Links").click()
    dialog.get_by_role("button", name="+ Link").click()
    dialog.get_by_label("Name of the link").fill("archive")
    address = dialog.get_by_label("Address of the link")
    address.fill("ftp://archive.org/{object}")
    expect(dialog.get_by_test_id("link-preview")).to_contain_text("must begin with http(s)://")
    address.fill("https://archive.org/{object}")
    expect(dialog.get_by_test_id("link-preview")).to_have_text(f"https://archive.org/o{row}")
    dialog.locator("summary", has_text="Curves").click()
    dialog.get_by_role("button", name="+ Curve").click()
    dialog.get_by_label("Curve", exact=True).select_option("flux")
    shots(page, "card-dialog")
    dialog.get_by_role("button", name="Show").click()
    expect(dialog.get_by_test_id("card-problem")).to_contain_text("12 numbers do not fill a picture of 5 × 5")
    dialog.get_by_label("Shape").fill("3 × 4")
    dialog.get_by_role("button", name="Show").click()
    expect(dialog).to_be_hidden()
    body = page.locator("section.surface .body")
    expect(body.get_by_text(f"words on number {row}")).to_be_visible()
    expect(body.get_by_role("link", name="archive")).to_have_attribute("href", f"https://archive.org/o{row}")
    expect(body.locator(".curve")).to_have_count(1)
    page.wait_for_function(PICTURE_IS_THERE)
    assert not served.session.state.n_labelled  # no key of the dialog was an answer
    press_and_wait(page, "1")
    wait_until_saved(page)


PICTURE_IS_THERE = """() => {
    const find = root => root.querySelector('figure img') ||
        [...root.querySelectorAll('*')].map(e => e.shadowRoot && find(e.shadowRoot)).find(Boolean)
    const image = find(document)
    return image && image.naturalWidth === 4 && image.naturalHeight === 3
}"""


def shots(page, name):
    """Pictures in both themes, where a folder for them is given."""
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=f"{folder}/{name}.png")
