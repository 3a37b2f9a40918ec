"""The Export tab: from what is missing to a package that others can check."""

from __future__ import annotations

import os
import zipfile

import pytest
from rareloop.dashboard.cli import main
from rareloop.tests.browser.actions import expect, wait_for_item

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_data_set_is_described_packed_checked_and_handed_over(page, serve, digits, tmp_path):
    digits.settings["round"] = {"audit_share": 0.0}
    digits.save()
    served = serve(digits)
    wait_for_item(page)
    truth = digits.truth()
    decisions = [{"row": row, "action": "label", "label": str(truth[row])} for row in range(30)]
    served.session.decide(decisions, annotator=served.session.annotator).result(60)

    page.get_by_role("tab", name="Export").click()
    expect(page.get_by_test_id("ready")).to_have_text("3 things are missing")
    page.get_by_role("button", name="Fill in: licence").click()
    licence = page.get_by_label("Licence", exact=True)
    expect(licence).to_be_focused()
    licence.select_option("CC-BY-4.0")
    page.get_by_role("button", name="Fill in: creators").click()
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.type("Ann Example")
    page.get_by_label("ORCID", exact=True).fill("0000-0002-1825-0098")
    page.keyboard.press("Tab")
    wrong = page.get_by_role("alert").filter(has_text="is no ORCID")
    expect(wrong).to_be_visible()
    expect(page.get_by_test_id("publication-saved")).to_have_text("1 field is not saved")
    page.get_by_label("ORCID", exact=True).fill("0000-0002-1825-0097")
    page.keyboard.press("Tab")
    expect(wrong).to_have_count(0)
    page.get_by_role("button", name="Fill in: description").click()
    expect(page.get_by_label("Description", exact=True)).to_be_focused()
    page.keyboard.type("Digits written by hand; the class is the digit.")
    expect(page.get_by_test_id("publication-saved")).to_have_text("saved ✓")
    expect(page.get_by_test_id("ready")).to_have_text("yes ✓")

    page.get_by_role("button", name="Make package 1.0.0").click()
    expect(page.get_by_test_id("checks-tally")).to_contain_text("11 checks:", timeout=120_000)
    verdicts = page.get_by_test_id("handover-package").locator("li[data-verdict]")
    expect(verdicts).to_have_count(11)
    expect(page.get_by_test_id("handover-package").locator("li[data-verdict=fail]")).to_have_count(0)
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=f"{folder}/handover-light.png")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download digits-1.0.0.zip").click()
    download.value.save_as(tmp_path / "got.zip")
    with zipfile.ZipFile(tmp_path / "got.zip") as pack:
        pack.extractall(tmp_path / "got")
    assert main(["verify", str(tmp_path / "got" / "digits-1.0.0")]) == 0
