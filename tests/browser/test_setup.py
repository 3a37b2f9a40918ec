"""The set-up page: from a table of one's own to the first label, and what it says of bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from rareloop.data.workspace import Workspace, workspace_folder
from rareloop.tests.browser.actions import expect, press_and_wait, wait_for_item, wait_until_saved

pytestmark = pytest.mark.browser


@pytest.fixture
def survey(tmp_path):
    rng = np.random.default_rng(0)
    n = 400
    numbers = {name: rng.normal(size=n) for name in ("mag", "colour", "broken")}
    kinds = np.where(np.arange(n) % 50 == 0, "quasar", "star")
    frame = pd.DataFrame({"object": [f"o{i}" for i in range(n)], **numbers, "kind": kinds})
    frame.loc[9, "broken"] = np.inf
    source = tmp_path / "survey.csv"
    frame.to_csv(source, index=False)
    return Workspace.create(workspace_folder(source), source)


def test_from_the_table_to_the_first_label_in_three_clicks(page, serve, survey):
    served = serve(survey)
    start = page.get_by_role("button", name="Start labelling")
    expect(page.get_by_label("Classes, separated by commas")).to_have_value("star, quasar")
    page.get_by_label("Treat infinite values as missing").check()  # 1
    start.click()  # 2
    wait_for_item(page)
    press_and_wait(page, "1")
    wait_until_saved(page)
    served.wait(lambda: served.session.state.counts == {"star": 1}, "the first label")
    assert served.session.workspace.roles.label_use == "truth"


def test_infinite_values_are_said_on_the_page_and_nothing_is_lost(page, serve, survey):
    served = serve(survey)
    page.get_by_label("Classes, separated by commas").fill("star, quasar, galaxy")
    page.get_by_role("button", name="Start labelling").click()
    alert = page.get_by_role("alert").filter(has_text="infinite")
    expect(alert).to_contain_text("'broken'")
    expect(alert).to_contain_text("row 9")
    expect(page.get_by_label("Classes, separated by commas")).to_have_value("star, quasar, galaxy")
    page.get_by_label("Treat infinite values as missing").check()
    page.get_by_role("button", name="Start labelling").click()
    wait_for_item(page)
    assert served.session.workspace.taxonomy.names == ["star", "quasar", "galaxy"]


def test_one_class_is_not_enough_and_the_page_says_so(page, serve, survey):
    serve(survey)
    page.get_by_label("Classes, separated by commas").fill("quasar")
    page.get_by_role("button", name="Start labelling").click()
    expect(page.get_by_role("alert").filter(has_text="two classes")).to_be_visible()


def test_labels_to_start_from_are_there_at_the_first_item(page, serve, survey):
    served = serve(survey)
    page.get_by_label("Labels to start from").check()
    page.get_by_label("Treat infinite values as missing").check()
    page.get_by_role("button", name="Start labelling").click()
    served.wait(lambda: served.session.phase == "labelling", "labelling")
    assert served.session.state.counts == {"star": 392, "quasar": 8}
