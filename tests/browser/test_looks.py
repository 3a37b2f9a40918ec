"""What has to fit: the estimates in their tab, beside their chart or above it."""

from __future__ import annotations

import pytest
from rareloop.tests.browser.actions import expect, wait_for_item

pytestmark = [pytest.mark.browser, pytest.mark.slow]

OVERFLOW = "node => { const box = node.parentElement; return box.scrollWidth - box.clientWidth }"


@pytest.fixture
def two_classes(tmp_path):
    """A workspace with two classes, of which one is looked for."""
    import pyarrow.parquet as pq
    from rareloop.data.samples import sky
    from rareloop.data.workspace import Workspace

    source = tmp_path / "sky.parquet"
    pq.write_table(sky(500), source)
    workspace = Workspace.create(tmp_path / "sky.rareloop", source)
    workspace.roles.label = None
    workspace.roles.label_use = "ignore"
    workspace.confirm(workspace.roles, ["quasar", "other"], wanted=["quasar"])
    return workspace


def test_the_estimates_of_two_classes_fit_and_their_parts_stand_apart_when_narrow(page, serve, two_classes):
    served = serve(two_classes)
    wait_for_item(page)
    entry = {"class": 0, "n_members": 12, "left": [150.0, 100.0, 620.0], "note": "", "precision_at": None}
    wide = {"total": [663_000.0, 593_000.0, 1_517_000.0], "prevalence": [0.033, 0.03, 0.076]}
    names = ("precision", "recall", "f1", "completeness", "purity", "ap", "auroc")
    entries = [entry | wide | {name: [0.5, 0.3, 1.0] for name in names} | {"class": place} for place in (0, 1)]
    numbers = {"n_audit": 60, "method": "gamma", "n_rest": 400, "n_items": 500, "n_unjudged": 0}
    served.session.estimates = numbers | {"classes": entries}
    table = page.get_by_test_id("estimates")
    expect(table.locator("tr[data-measure=total] td").first).to_have_text("593,000–1,517,000, perhaps 663,000")
    assert table.evaluate(OVERFLOW) <= 0

    page.set_viewport_size({"width": 1024, "height": 768})
    chart = page.get_by_label("Chart", exact=True)
    page.wait_for_function(
        "([one, other]) => other.getBoundingClientRect().top > one.parentElement.getBoundingClientRect().bottom",
        arg=[table.element_handle(), chart.element_handle()],
    )
    assert table.evaluate(OVERFLOW) <= 0
