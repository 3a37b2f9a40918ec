"""Labelling in a real browser: keys, undo, reload, export, several tabs."""

from __future__ import annotations

import csv

import pytest
from rareloop.tests.browser.actions import (
    MOVED_ON,
    PATIENCE,
    current_row,
    expect,
    press_and_wait,
    truth_of,
    wait_for_item,
    wait_until_saved,
)

pytestmark = pytest.mark.browser


def test_thirty_digits_by_keyboard_alone_with_undo_and_reload(page, serve, digits, tmp_path):
    served = serve(digits)
    wait_for_item(page)
    truth = truth_of(served)
    keyed: dict[int, str] = {}
    for number in range(30):
        row = wait_for_item(page)
        key = truth[row]
        before, _ = press_and_wait(page, key)
        keyed[before] = key
        if number == 9:  # a slip of the finger, undone and mended
            page.keyboard.press("z")
            expect(page.locator("section.surface")).to_have_attribute("data-row", str(before))
            wrong = str((int(key) + 1) % 10)
            press_and_wait(page, wrong)
            page.keyboard.press("z")
            expect(page.locator("section.surface")).to_have_attribute("data-row", str(before))
            press_and_wait(page, key)
        if number == 19:
            wait_until_saved(page)
            page.reload(wait_until="domcontentloaded")
            wait_for_item(page)
    wait_until_saved(page)
    served.wait(lambda: served.session.state.n_labelled == 30, "30 labels in the log")

    # What was keyed is what comes out.
    page.get_by_role("tab", name="Export").click()
    page.get_by_role("button", name="Export labels").click()
    expect(page.get_by_test_id("exported")).to_contain_text("30 labelled items")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    target = tmp_path / "labels.csv"
    download.value.save_as(target)
    ids = served.session.workspace.ids
    with target.open(newline="", encoding="utf-8") as file:
        exported = {ids.row(line["item_id"]): line["label"] for line in csv.DictReader(file)}
    assert exported == keyed


def test_a_round_follows_two_classes_and_says_so_on_the_item(page, serve, digits):
    digits.settings["round"] = {"audit_share": 0.0}  # its questions come without a suggestion
    digits.save()
    served = serve(digits)
    wait_for_item(page)
    truth = truth_of(served)
    for _ in range(12):
        press_and_wait(page, truth[wait_for_item(page)])
    served.wait(lambda: bool(served.session.report.get("has_model")), "a round with a model")
    expect(page.get_by_test_id("round")).to_contain_text("round")
    press_and_wait(page, truth[wait_for_item(page)])
    expect(page.get_by_test_id("round-badge")).to_contain_text("round")
    expect(page.get_by_test_id("suggestion")).to_contain_text("Most likely")
    expect(page.get_by_test_id("estimate-source")).to_contain_text("audit")


def test_skip_defer_unsure_and_flag_are_four_things_and_never_a_class(page, serve, digits):
    served = serve(digits)
    wait_for_item(page)
    skipped, _ = press_and_wait(page, " ")
    deferred, _ = press_and_wait(page, "d")
    unsure, _ = press_and_wait(page, "u")
    flagged, _ = press_and_wait(page, "f")
    wait_until_saved(page)
    served.wait(lambda: len(served.session.state.items) == 4, "four answers")
    statuses = [served.session.item_state(row)["status"] for row in (skipped, deferred, unsure, flagged)]
    assert statuses == ["skipped", "deferred", "unsure", "flagged"]
    assert served.session.state.n_labelled == 0


def test_redo_brings_back_what_was_undone(page, serve, digits):
    served = serve(digits)
    wait_for_item(page)
    row, _ = press_and_wait(page, "3")
    served.wait(lambda: served.session.state.n_labelled == 1, "one label")
    page.keyboard.press("z")
    served.wait(lambda: served.session.state.n_labelled == 0, "undone")
    page.keyboard.press("Shift+Z")
    served.wait(lambda: served.session.state.n_labelled == 1, "redone")
    assert served.session.item_state(row)["label"] == "3"


def test_keys_stay_silent_while_typing_a_note(page, serve, digits):
    served = serve(digits)
    row = wait_for_item(page)
    page.keyboard.press("n")
    page.keyboard.type("u f z 3 is not a key here")
    page.get_by_role("button", name="Save note").click()
    served.wait(lambda: bool(served.session.workspace.log.events()), "the note in the log")
    assert current_row(page) == row
    events = served.session.workspace.log.events()
    assert [event.action.value for event in events] == ["note"]
    assert events[0].note == "u f z 3 is not a key here"


def test_the_key_sheet_shows_every_class_and_closes(page, serve, digits):
    serve(digits)
    wait_for_item(page)
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keys")
    expect(sheet).to_be_visible()
    expect(sheet).to_contain_text("undo")
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()


def test_two_tabs_are_not_asked_the_same_item_and_what_one_answers_leaves_the_other(page, serve, digits):
    served = serve(digits)
    row = wait_for_item(page)
    second = page.context.new_page()
    second.goto(served.url)
    other = wait_for_item(second)
    assert other != row
    served.session.decide(
        [{"row": other, "action": "label", "label": "3"}], annotator=served.session.annotator
    ).result(PATIENCE / 1000)
    second.wait_for_function(MOVED_ON, arg=other)
    assert current_row(second) != row == current_row(page)


def test_answers_given_while_the_server_is_away_are_kept_shown_and_sent_later(page, serve, digits):
    page.expected_errors = ("WebSocket", "Failed to load resource", "ERR_", "Lost websocket")
    served = serve(digits)
    wait_for_item(page)
    session = served.session
    append = session.workspace.log.append

    def refuse(events):
        raise OSError(28, "No space left on device")

    session.workspace.log.append = refuse
    row, _ = press_and_wait(page, "4")
    expect(page.get_by_role("alert").first).to_contain_text("kept in this browser")
    assert session.state.n_labelled == 0
    session.workspace.log.append = append
    wait_until_saved(page)
    assert session.item_state(row)["label"] == "4"
    assert len(session.workspace.log.events()) == 1  # sent more than once, stored once


def test_the_pixels_are_pictures_on_the_card(page, serve, digits):
    serve(digits)
    wait_for_item(page)
    picture = page.locator("section.surface figure img")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 8
