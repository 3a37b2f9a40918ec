"""The Metrics tab: numbers from the audit as its answers come, every chart, and both themes."""

from __future__ import annotations

import re

import pytest
from rareloop.dashboard.views.sentences import CHARTS
from rareloop.tests.browser.actions import choose, expect, press_and_wait, truth_of, wait_for_item

pytestmark = [pytest.mark.browser, pytest.mark.slow]

AXES = {
    "Over labels": ("labels", "Recall (95 % limits)"),
    "Precision–recall": ("recall", "precision"),
    "Reliability": ("predicted probability", "observed share"),
    "Discovery": ("labels", "found: 3"),
    "Cost per find": ("labels", "labels per find"),
    "Arms": ("wanted items found per label", ""),
    "Cross-validation": ("labels", "Recall on the labels"),
}


def expect_axes(page, across, up):
    chart = page.get_by_test_id("chart")
    expect(chart.locator("[data-axis=x]")).to_have_text(across)
    expect(chart.locator("[data-axis=y]")).to_have_text(up)


def expect_chart(page):
    expect(page.get_by_test_id("chart")).to_have_attribute("aria-label", re.compile(r"3: .*–"))


@pytest.fixture
def served(page, serve, digits):
    """A session that looks for threes, of which every tenth item is one, and audits half of the time."""
    for one in digits.taxonomy:
        one.wanted = one.name == "3"
    digits.settings["round"] = {"audit_share": 0.5}
    digits.save()
    one = serve(digits)
    wait_for_item(page)
    return one


def answer(served, n):
    """Answers to the first n questions of the queue, given elsewhere."""
    session, truth = served.session, truth_of(served)
    for _ in range(0, n, 5):
        decisions = [
            {"row": q.row, "action": "label", "label": truth[q.row], "round": q.round} for q in session.queue[:5]
        ]
        session.decide(decisions, annotator=session.annotator).result(30)
        served.wait(lambda: not session.round_running and len(session.queue) > 5, "an idle session")


def cell(page, measure, column=0):
    return page.get_by_test_id("estimates").locator(f"tr[data-measure={measure}] td").nth(column)


def test_numbers_come_with_the_answers_of_the_audit(page, served):
    served.wait(lambda: bool(served.session.report), "the first round, which begins the audit")
    source = page.get_by_test_id("estimate-source")
    expect(source).to_contain_text("0 of the first 50 audit questions answered")
    expect(cell(page, "recall")).to_have_text("–")
    expect(page.get_by_test_id("chart-note")).to_contain_text("answer audit questions")
    truth = truth_of(served)
    for _ in range(12):
        press_and_wait(page, truth[wait_for_item(page)])
    served.wait(lambda: served.session.estimates.get("n_audit", 0) > 0, "estimates")
    expect(source).to_contain_text(re.compile(r"^From \d+ sealed audit answers?"))
    expect(cell(page, "total")).to_contain_text(re.compile(r"\d+–[\d,]+"))
    expect(page.get_by_test_id("estimates").locator("thead th").nth(1)).to_contain_text("3 wanted")
    before = source.inner_text()
    answer(served, 20)
    expect(source).not_to_have_text(before)
    expect(cell(page, "found")).to_have_text(str(served.session.found()["3"]))
    chart = page.get_by_test_id("chart")
    expect(chart).to_have_attribute("aria-label", re.compile(r"^Recall over labels\. 3: "))
    # While it is exchanged there is no box.
    served.wait(
        lambda: (box := chart.bounding_box()) and box["height"] > 100 < box["width"], "a chart of some size"
    )


def test_every_chart_is_shown_with_its_sentence(page, served):
    answer(served, 60)
    expect_chart(page)
    for name in [*CHARTS, "Over labels"]:
        choose(page, "Chart", name)
        if name == "Confusion":
            expect(page.get_by_test_id("confusion")).to_be_visible()
            expect(page.get_by_test_id("confusion").locator("tbody tr")).to_have_count(10)
        else:
            expect_axes(page, *AXES[name])
        note = page.get_by_test_id("chart-note")
        expect(note).to_be_visible()
        expect(note).to_have_text(CHARTS[name])
        expect(page.get_by_label("Class", exact=True)).to_be_visible(
            visible=name in ("Precision–recall", "Reliability", "Discovery", "Cost per find")
        )
    choose(page, "Measure", "Prevalence")
    expect_axes(page, "labels", "Prevalence (95 % limits)")


def test_cross_validation_is_the_last_choice_and_keeps_its_warning(page, served):
    answer(served, 40)
    choose(page, "Chart", list(CHARTS)[-1])
    expect(page.get_by_test_id("metrics-title")).to_have_text("On the labels you collected, not the pool")
    expect(page.get_by_test_id("metrics").locator("tbody tr")).to_have_count(10)
    expect(page.get_by_test_id("estimates")).to_have_count(0)
    choose(page, "Measure", "F1")
    expect_axes(page, "labels", "F1 on the labels")
    choose(page, "Chart", "Over labels")
    expect(page.get_by_test_id("estimates")).to_be_visible()
    expect(page.get_by_test_id("metrics-title")).to_have_count(0)


def test_themes_other_tabs_and_other_classes_leave_the_chart_alive(page, served):
    answer(served, 30)
    expect_chart(page)
    expect(page.get_by_test_id("chart")).to_have_css("color", "rgb(36, 41, 47)")
    page.get_by_test_id("theme").click()
    expect(page.get_by_test_id("chart")).to_have_css("color", "rgb(230, 237, 243)")
    page.get_by_role("tab", name="Checks").click()
    answer(served, 10)
    served.session.set_wanted(["3", "8"], annotator=served.session.annotator)
    page.get_by_role("tab", name="Metrics").click()
    expect(cell(page, "found", 1)).to_have_text(str(served.session.found()["8"]))
    choose(page, "Chart", "Discovery")
    choose(page, "Class", "8")
    expect_axes(page, "labels", "found: 8")
    served.session.set_wanted(["3"], annotator=served.session.annotator)
    expect_axes(page, "labels", "found: 3")
