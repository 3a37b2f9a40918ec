"""Long work of the model and of imports in the page: shown with a bar, cancelled by mouse and by key."""

from __future__ import annotations

import os

import pytest
from rareloop.dashboard.views import imports
from rareloop.tests.browser.actions import expect, press_and_wait, wait_for_item
from rareloop.tests.dashboard.waiting import STRATEGY, a_gate, endless_reading

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def shoot(page, name):
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=f"{folder}/{name}.png")


def test_a_long_round_is_cancelled_by_mouse_and_by_key_and_labelling_goes_on(page, serve, digits):
    digits.settings["round"] = {"audit_share": 0.0}
    digits.save()
    with a_gate() as gate:
        gate.open()
        served = serve(digits)
        session = served.session
        for key in "12":
            press_and_wait(page, key)
        served.wait(lambda: session.report.get("has_model") and not session.round_running, "a model")
        badge, box = page.get_by_test_id("working"), page.get_by_test_id("job")
        for way in ("mouse", "key"):
            gate.shut()
            session.update_settings(strategy=STRATEGY)
            served.wait(lambda: gate.has_begun, "a round under way")
            number = session.report["round"] + 1
            expect(badge).to_be_visible()
            if way == "mouse":
                badge.click()
            else:
                badge.focus()
                page.keyboard.press("Enter")
            expect(box).to_contain_text(f"Round {number}")
            expect(box).to_contain_text("choosing what to ask next")
            bar = box.get_by_role("progressbar", name=f"Round {number}")
            expect(bar).to_have_attribute("aria-valuenow", "20")
            cancel = page.get_by_role("button", name=f"Cancel Round {number}")
            size = cancel.bounding_box()
            assert min(size["width"], size["height"]) >= 24
            shoot(page, f"cancel-{way}")
            if way == "mouse":
                cancel.click()
                expect(box).to_contain_text("being cancelled")
                expect(cancel).to_have_count(0)
                gate.open()
            else:
                expect(cancel).to_be_focused()
                page.keyboard.press("Enter")  # the strategy never listens: its process is ended
            expect(
                page.get_by_text(f"Round {number} cancelled; the next one starts after 5 more labels.")
            ).to_be_visible()
            expect(box).to_have_count(0)
            expect(badge).to_be_hidden()
            assert session.report["round"] == number - 1
            page.get_by_test_id("theme").click()
        n = session.state.n_labelled
        press_and_wait(page, "1")
        served.wait(lambda: session.state.n_labelled == n + 1, "the label is stored")
        gate.open()
        for _ in range(4):
            press_and_wait(page, "1")
        served.wait(lambda: session.report["round"] == number, "the next round")


def test_reading_a_large_file_is_cancelled_and_one_over_the_limit_gets_a_sentence(
    page, serve, digits, tmp_path, monkeypatch
):
    monkeypatch.setattr(imports, "read_apart", endless_reading)
    large, huge = tmp_path / "large.csv", tmp_path / "huge.csv"
    large.write_bytes(b"item,label\n" + b" " * 2 * 2**20)
    huge.write_bytes(b"item,label\n" + b" " * 33 * 2**20)
    served = serve(digits)
    wait_for_item(page)
    page.get_by_role("tab", name="Import").click()
    page.locator("input[type=file]").set_input_files(str(large))
    served.wait(lambda: served.session.jobs.running, "the job")
    page.get_by_test_id("working").click()
    expect(page.get_by_test_id("job")).to_contain_text("row 30,000")
    shoot(page, "import-reading")
    page.get_by_role("button", name="Cancel Reading large.csv").click()
    expect(page.get_by_test_id("import-cancelled")).to_contain_text("nothing was imported")
    page.expected_errors = ["Upload error"]
    page.locator("input[type=file]").set_input_files(str(huge))
    expect(page.get_by_test_id("import-refused")).to_contain_text("This file is larger than 32 MB")
    shoot(page, "import-huge")
