"""What the Audit tab says: classes that were added late, and the table of a plan."""

from __future__ import annotations

from rareloop.dashboard.views.audit import late_classes
from rareloop.dashboard.views.campaign import plan_table


def report(n_classes, n_answered):
    return {"class_prior": [0.5] * n_classes, "audit": {"n_answered": n_answered}}


def test_classes_that_came_late_are_known_from_the_rounds():
    assert late_classes([], 2) == {}
    assert late_classes([report(2, 0), report(3, 4)], 3) == {}
    assert late_classes([report(2, 5), report(2, 8), report(3, 9)], 4) == {2: 8, 3: 9}
    assert late_classes([report(2, 30), report(3, 2)], 3) == {}  # unsealed in between
    assert late_classes([{"class_prior": [0.1, 0.9]}], 3) == {}


def test_a_plan_of_several_classes_has_one_line_each_and_names_stay_text():
    one = {name: [0.1, 0.4] for name in ("precision", "recall", "f1", "prevalence", "completeness", "purity")}
    plan = {
        "n_rest": 900,
        "widths": [{"labels": 100, "classes": [one | {"class": 0}, one | {"class": 1, "f1": [None, None]}]}],
    }
    html = plan_table(plan, ["<b>a</b>", "b"], 6.0)
    assert html.count("<tr>") == 2
    assert "&lt;b&gt;a" in html
    assert "10 min" in html
    assert "10 – 40" in html
    single = {"n_rest": 900, "widths": [{"labels": 100, "classes": [one | {"class": 1, "purity": [0.8, 0.8]}]}]}
    assert "exact" in plan_table(single, ["a", "b"], None)
    assert "Time" not in plan_table(single, ["a", "b"], None)
