"""The Progress tab, and the notes of the top bar: pace, work under way, a break."""

from __future__ import annotations

import time

import pytest
from rareloop.dashboard.pace_meter import Known
from rareloop.tests.browser.actions import expect, press_and_wait, wait_for_item, wait_until_saved

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def count_slowly(progress, until):
    """A job that goes on until it is cancelled."""
    for i in range(until):
        progress(i / until, f"step {i} of {until}")
        time.sleep(0.05)


def test_counts_and_pace_follow_the_answers_and_a_break_is_suggested_when_asked_for(page, serve, digits):
    served = serve(digits)
    wait_for_item(page)
    page.get_by_role("tab", name="Progress").click()
    for key in ("8", "1", "1"):
        press_and_wait(page, key)
    wait_until_saved(page)
    progress = page.get_by_test_id("progress")
    first = progress.get_by_role("table", name="Labels by class").get_by_role("row").first
    expect(first).to_contain_text("8 wanted")
    expect(progress.get_by_role("row", name="this session")).to_contain_text("3.0")  # labels per find
    expect(page.get_by_test_id("pace")).to_contain_text("labels/h")
    session = served.session
    session.pace_of(session.annotator).measure = lambda: Known(since_break=3700.0)
    expect(page.get_by_test_id("break-note")).to_be_hidden()
    field = page.get_by_label("Break after minutes")
    field.fill("45")
    field.press("Tab")
    served.wait(lambda: digits.settings.get("break_minutes") == 45, "the setting is kept")
    note = page.get_by_test_id("break-note")
    expect(note).to_contain_text("62 min without a break")
    assert not note.evaluate("node => node.matches('dialog, [role=dialog]')")
    note.get_by_role("button", name="Dismiss").click()
    expect(note).to_be_hidden()


def test_long_work_is_shown_and_can_be_cancelled(page, serve, digits):
    served = serve(digits)
    wait_for_item(page)
    job = served.session.jobs.start("Counting", count_slowly, 10_000)
    badge = page.get_by_test_id("working")
    expect(badge).to_contain_text("Working")
    badge.click()
    expect(page.get_by_test_id("job").filter(has_text="Counting")).to_contain_text("of 10000")
    page.get_by_role("button", name="Cancel Counting").click()
    served.wait(lambda: job.state == "cancelled", "the job is cancelled")
    expect(page.get_by_test_id("job").filter(has_text="Counting")).to_have_count(0)
