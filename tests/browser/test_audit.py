"""The Audit tab: a campaign from its plan to the certificate, and the sealed audit with its unsealing."""

from __future__ import annotations

import json

import pytest
from rareloop.tests.browser.actions import (
    current_row,
    expect,
    press_and_wait,
    truth_of,
    wait_for_item,
    wait_until_saved,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def audit_tab(page, serve, digits):
    """A served session with a model and some answers of the sealed audit; the Audit tab is open."""
    digits.settings["round"] = {"audit_share": 0.5}
    digits.save()
    served = serve(digits)
    wait_for_item(page)
    session, truth = served.session, truth_of(served)
    eights = [row for row, digit in enumerate(truth) if digit == "8"][:4]
    rows = [*eights, *range(8)]
    decisions = [{"row": row, "action": "label", "label": truth[row]} for row in dict.fromkeys(rows)]
    session.decide(decisions, annotator=session.annotator).result(30)
    served.wait(lambda: session.report.get("has_model") and not session.round_running, "a model")
    asked = [q for q in session.queue if q.strategy == "audit"][:6]
    session.decide(
        [{"row": q.row, "action": "label", "label": truth[q.row], "round": q.round} for q in asked],
        annotator=session.annotator,
    ).result(30)
    served.wait(lambda: not session.round_running, "rest")
    page.get_by_role("tab", name="Audit").click()
    expect(page.get_by_test_id("sealed-audit")).to_contain_text("6 items drawn by lot")
    return served


def part(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def label_truly(page, served, n):
    """Label n items by keys as they are."""
    truth = truth_of(served)
    for _ in range(n):
        press_and_wait(page, truth[wait_for_item(page)])


def begin(page, served, n):
    part(page, "Campaign")
    box = page.get_by_label("Questions")
    box.fill(str(n))
    box.press("Tab")
    served.wait(lambda: not served.session.round_running, "rest")
    page.get_by_role("button", name="Freeze the model and begin").click()
    expect(page.get_by_test_id("campaign")).to_contain_text(f"of {n}")
    expect(page.get_by_test_id("reason")).to_contain_text("Audit campaign")
    page.get_by_test_id("item-id").click()  # so that keys go to the card


def test_a_campaign_from_its_plan_to_the_certificate_by_keys(page, audit_tab):
    session = audit_tab.session
    part(page, "Campaign")
    page.get_by_role("button", name="Plan").click()
    table = page.get_by_test_id("plan")
    expect(table).to_contain_text("Completeness")
    expect(table.locator("tbody tr").first).to_contain_text("100")
    begin(page, audit_tab, 12)
    expect(table).to_have_count(0)
    expect(page.get_by_test_id("reason")).to_contain_text("without a hint")
    expect(page.get_by_test_id("suggestion")).to_be_empty()
    expect(page.get_by_text("campaign: 0 of 12", exact=False)).to_be_visible()
    assert page.get_by_role("button", name="Plan").is_hidden()
    label_truly(page, audit_tab, 2)
    put_off, _ = press_and_wait(page, "Space")
    expect(page.get_by_test_id("campaign")).to_contain_text("1 put off until the end")
    undone, _ = press_and_wait(page, truth_of(audit_tab)[current_row(page)])
    page.keyboard.press("z")
    page.wait_for_function(SHOWN, arg=undone)
    expect(page.get_by_test_id("campaign")).to_contain_text("2 of 12")
    label_truly(page, audit_tab, 9)
    assert current_row(page) == put_off
    page.keyboard.press("Space")  # put off once more: nothing else is left
    page.wait_for_function(SHOWN, arg=put_off)
    wait_until_saved(page)
    page.wait_for_function(SHOWN, arg=put_off)
    page.keyboard.press(truth_of(audit_tab)[put_off])
    certificate = page.get_by_test_id("certificate")
    expect(certificate).to_contain_text("All 12 questions have been answered.")
    expect(certificate.locator("table").first).to_contain_text("Guaranteed range")
    wait_until_saved(page)
    audit_tab.wait(lambda: not session.campaign and session.queue and not session.round_running, "rounds again")
    assert current_row(page) in {q.row for q in session.queue if q.strategy != "campaign"}
    with page.expect_download() as download:
        page.get_by_role("link", name="JSON").click()
    kept = json.loads(download.value.path().read_text())
    assert kept == session.certificates()[0].certificate
    assert kept["n_answered"] == 12


SHOWN = """row => {
    const find = root => root.querySelector('section.surface') ||
        [...root.querySelectorAll('*')].map(e => e.shadowRoot && find(e.shadowRoot)).find(Boolean)
    return find(document)?.dataset.row === String(row)
}"""


def test_a_campaign_goes_on_after_a_reload_and_can_be_ended_early(page, audit_tab):
    begin(page, audit_tab, 40)
    label_truly(page, audit_tab, 3)
    wait_until_saved(page)
    row = current_row(page)
    page.reload(wait_until="domcontentloaded")
    assert wait_for_item(page) == row
    page.get_by_role("tab", name="Audit").click()
    part(page, "Campaign")
    n = audit_tab.session.campaign["n_answered"]
    expect(page.get_by_test_id("campaign")).to_contain_text(f"{n} of 40")
    page.get_by_role("button", name="End now").click()
    expect(page.get_by_role("alert").filter(has_text=f"{n} of 40 answers")).to_be_visible()
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="End now").click()
    page.get_by_role("button", name="End with the answers so far").click()
    expect(page.get_by_test_id("reason")).not_to_contain_text("Audit campaign")
    expect(page.get_by_test_id("certificate")).to_contain_text("broken off after")


def test_what_makes_no_campaign_is_said(page, audit_tab):
    part(page, "Campaign")
    box = page.get_by_label("Questions")
    box.fill("5000")
    box.press("Tab")
    page.get_by_role("button", name="Freeze the model and begin").click()
    expect(page.get_by_role("alert").filter(has_text="or fewer")).to_be_visible()
    expect(page.get_by_role("button", name="Freeze the model and begin")).to_be_enabled()
    part(page, "Certificates")
    expect(page.get_by_text("There is no certificate yet", exact=False)).to_be_visible()


def test_unsealing_asks_first_and_releases_the_answers(page, audit_tab):
    session = audit_tab.session
    number = session.auditor.audit.number
    page.get_by_role("button", name="Unseal").click()
    expect(page.get_by_role("alert").filter(has_text="released to training")).to_be_visible()
    page.get_by_role("button", name="Keep them sealed").click()
    assert session.auditor.audit.number == number
    page.get_by_role("button", name="Unseal").click()
    page.get_by_role("button", name="Release the answers").click()
    expect(page.get_by_test_id("sealed-audit")).to_contain_text("no answer yet")
    assert session.auditor.audit.number == number + 1


def test_the_share_of_the_audit_is_a_setting_of_the_rounds(page, audit_tab):
    session = audit_tab.session
    box = page.get_by_label("Audit share (0 to 1)").locator("visible=true")
    expect(box).to_have_value("0.5")
    box.fill("0.2")
    box.press("Tab")
    audit_tab.wait(lambda: session.settings.audit_share == 0.2, "the new share")
