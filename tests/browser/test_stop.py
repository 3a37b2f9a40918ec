"""The Stop tab: the statement, the target, and the meter in the top bar."""

from __future__ import annotations

import pytest
from rareloop.tests.browser.actions import choose, expect, truth_of, wait_for_item

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def answer(served, n):
    """Answer the first n questions of the queue as they are."""
    session, truth = served.session, truth_of(served)
    for _ in range(n):
        asked = session.queue[0]
        decision = {"row": asked.row, "action": "label", "label": truth[asked.row], "round": asked.round}
        session.decide([decision], annotator=session.annotator).result(30)
        served.wait(lambda: not session.round_running and session.queue, "rest")


@pytest.fixture
def stop_tab(page, serve, digits):
    digits.settings["round"] = {"audit_share": 1.0}
    digits.settings["retrain_every"] = 20
    digits.save()
    served = serve(digits)
    wait_for_item(page)
    page.get_by_role("tab", name="Stop").click()
    return served


def test_the_statement_follows_the_audit_and_the_target(page, stop_tab):
    session = stop_tab.session
    statement = page.get_by_test_id("stop-class")
    expect(statement).to_contain_text("of 50 audit questions answered")
    expect(statement).to_have_attribute("data-status", "grey")
    expect(page.get_by_test_id("stop-meter")).to_be_hidden()
    answer(stop_tab, 60)
    stop_tab.wait(lambda: session.stopping["classes"][0]["n_audited"] >= 50, "statements on fifty answers")
    expect(statement).not_to_contain_text("of 50 audit questions")
    target = page.get_by_label("Share of the class to be found", exact=False)
    target.fill("0.02")
    target.press("Tab")
    stop_tab.wait(lambda: session.settings.target == 0.02, "the target")
    stop_tab.wait(lambda: session.stopping["classes"][0]["target"] == 0.02, "a statement on it")
    said = session.stopping["classes"][0]
    expect(statement).to_contain_text(said["headline"])
    expect(statement).to_have_attribute("data-status", said["status"])


def test_the_threshold_can_be_chosen_for_another_purpose(page, stop_tab):
    session = stop_tab.session
    page.get_by_role("tab", name="Strategy").click()
    choose(page, "Threshold chosen for", "A target recall")
    stop_tab.wait(lambda: (session.settings.objective, session.settings.objective_value) == ("recall", 0.9), "it")
    box = page.get_by_label("Its value", exact=True)
    expect(box).to_have_value("0.9")
    box.fill("0.75")
    box.press("Tab")
    stop_tab.wait(lambda: session.settings.objective_value == 0.75, "another value")
    page.get_by_label("Guaranteed intervals").check()
    stop_tab.wait(lambda: session.settings.guarantee, "guaranteed intervals")
