"""The Checks tab: run in the background, a table with words, and what a failed run says."""

from __future__ import annotations

import pytest
from rareloop.tests.browser.actions import expect, press_and_wait, wait_for_item, wait_for_map

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def checks_tab(page, serve, digits):
    digits.settings["round"] = {"audit_share": 0.0}  # what the audit asks is no training label
    digits.save()
    served = serve(digits)
    wait_for_item(page)
    wait_for_map(page)
    page.get_by_role("tab", name="Checks").click()
    expect(page.get_by_role("button", name="Run the checks")).to_be_enabled()
    return served


def test_checks_run_beside_the_labelling_and_their_table_has_words(page, checks_tab):
    page.get_by_role("button", name="Run the checks").click()
    table = page.get_by_test_id("checks")
    expect(table).to_be_visible()
    first = table.locator("tbody tr").first
    expect(first).to_contain_text("✗ failed")
    expect(first).to_contain_text("Labels are in 0 of 10 classes")
    expect(page.get_by_text("1 failed", exact=False)).to_be_visible()
    press_and_wait(page, "3")
    expect(page.get_by_text("1 label more since", exact=False)).to_be_visible()
    page.get_by_role("button", name="Run the checks").click()
    expect(first).to_contain_text("Labels are in 1 of 10 classes")
    expect(page.get_by_text("more since", exact=False)).to_have_count(0)


def test_colours_follow_the_theme(page, checks_tab):
    page.get_by_role("button", name="Run the checks").click()
    verdict = page.get_by_test_id("checks").locator("tbody tr[data-verdict=pass] td").first
    expect(verdict).to_have_css("color", "rgb(27, 110, 32)")
    page.get_by_test_id("theme").click()
    expect(verdict).to_have_css("color", "rgb(123, 209, 129)")


def test_a_worker_that_is_killed_is_said_and_the_checks_can_be_run_again(page, checks_tab):
    session = checks_tab.session
    checks_tab.wait(lambda: not session.round_running, "an idle worker")
    session.worker._process.kill()
    session.worker._process.join(10)
    button = page.get_by_role("button", name="Run the checks")
    button.click()
    expect(page.get_by_test_id("checks").or_(page.get_by_role("alert")).first).to_be_visible()
    expect(button).to_be_enabled()
    button.click()
    expect(page.get_by_test_id("checks")).to_be_visible()
