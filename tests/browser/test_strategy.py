"""The Strategy tab: shares of the arms, distances, strategies around others, and what a failed one says."""

from __future__ import annotations

import pytest
from rareloop.tests.browser.actions import choose, expect, truth_of, wait_for_item

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def broken(learner, X_pool, n_instances=1):
    raise RuntimeError("no <b>luck</b> today")


def label_some(served, n=12):
    """Labels of n digits, the wanted one among them."""
    session, truth = served.session, truth_of(served)
    rows = [truth.index("8"), *range(n)]
    decisions = [{"row": row, "action": "label", "label": truth[row]} for row in dict.fromkeys(rows)]
    session.decide(decisions, annotator=session.annotator).result(30)
    served.wait(lambda: session.report.get("n_labels") == len(decisions), "a round on them")


def arms_of(served):
    return {entry["arm"] for entry in served.session.report["arms"]}


@pytest.fixture
def strategy_tab(page, serve, digits):
    served = serve(digits)
    wait_for_item(page)
    label_some(served)
    page.get_by_role("tab", name="Strategy").click()
    expect(page.get_by_test_id("arms")).to_be_visible()
    return served


def test_shares_of_ones_own_change_the_next_round_and_automatic_ones_come_back(page, strategy_tab):
    session = strategy_tab.session
    expect(page.get_by_test_id("arms")).to_contain_text("More like these")
    page.get_by_role("button", name="My own").click()
    box = page.get_by_label("Unlike anything labelled (%)")
    expect(box).to_be_visible()
    strategy_tab.wait(lambda: dict(session.settings.shares), "shares of one's own")
    own = dict(session.settings.shares)
    assert sum(own.values()) == pytest.approx(100, abs=4)  # whole per cents
    expect(box).to_have_value(f"{own.get('unlike', 0):g}")
    box.fill("100")
    box.press("Tab")
    strategy_tab.wait(lambda: dict(session.settings.shares).get("unlike") == 100, "the new share")
    for arm, share in session.settings.shares:
        if arm != "unlike" and share:
            other = page.get_by_label(f"{LABELS[arm]} (%)")
            expect(other).to_have_value(f"{share:g}")
            other.fill("0")
            other.press("Tab")
    strategy_tab.wait(lambda: dict(session.settings.shares) == {"unlike": 100.0}, "one arm alone")
    strategy_tab.wait(lambda: arms_of(strategy_tab) == {"unlike"}, "a round of that arm")
    assert {queued.strategy for queued in session.queue} <= {"unlike", "audit"}
    expect(page.get_by_test_id("arms")).not_to_contain_text("More like these")
    page.get_by_role("button", name="Automatic").click()
    strategy_tab.wait(lambda: session.settings.shares == (), "automatic shares")
    strategy_tab.wait(lambda: {"top", "similar"} <= arms_of(strategy_tab), "a round with all arms")
    expect(box).to_be_hidden()


LABELS = {
    "top": "Most likely rare", "similar": "More like these", "margin": "Margin", "lookout": "Look-out",
    "contrast": "Local contrast", "coverage": "Coverage", "random": "Random",
}  # fmt: skip


def test_what_is_put_around_another_strategy_asks_around_which(page, strategy_tab):
    session = strategy_tab.session
    around = page.get_by_label("Around which strategy", exact=True)
    expect(around).to_be_hidden()
    choose(page, "Strategy", "Neighbours (SEALS)")
    expect(around).to_be_visible()
    expect(page.get_by_role("button", name="My own")).to_be_hidden()
    around.click()
    for name in ("Anchors", "Neighbours (SEALS)"):
        expect(page.get_by_role("menuitem", name=name, exact=True)).to_have_count(0)
    page.get_by_role("menuitem", name="Most likely rare", exact=True).click()
    strategy_tab.wait(lambda: "seals: top" in arms_of(strategy_tab), "a round of it")
    expect(page.get_by_test_id("strategy-info")).to_contain_text("subpool of")
    assert session.settings.base == "top"


def test_the_metric_can_be_chosen(page, strategy_tab):
    choose(page, "What is near what", "Cosine distance (embeddings)")
    newest = strategy_tab.session.workspace.rounds.newest
    strategy_tab.wait(lambda: newest().settings["metric"] == "cosine", "a round in the cosine metric")


def test_a_strategy_that_fails_is_named_in_a_notice_and_on_the_tab(page, strategy_tab):
    strategy_tab.session.update_settings(strategy="rareloop.tests.browser.test_strategy:broken")
    strategy_tab.wait(lambda: strategy_tab.session.report["messages"], "the round with a message")
    expect(page.get_by_test_id("strategy-info")).to_contain_text("no <b>luck</b> today")
    notice = page.get_by_text("the items of this round are random").last
    expect(notice).to_be_visible()
    assert set(arms_of(strategy_tab)) == {"random"}
