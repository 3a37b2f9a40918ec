"""What the metrics show: numbers with limits, where they come from, and the data of each chart."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from rareloop.dashboard.views import charts, label_charts
from rareloop.dashboard.views.drawing import REFERENCE, Axis, Drawing, Line, Point, Words, picture, round_ticks
from rareloop.dashboard.views.estimates_table import (
    Look,
    confusion_table,
    cross_validation_table,
    estimates_table,
    interval_html,
    interval_text,
    looks,
    source_sentence,
    unlabelled,
)
from rareloop.dashboard.views.sentences import CHARTS, note_html
from rareloop.data.taxonomy import Taxonomy
from rareloop.strategies.calibration import no_thresholds
from rareloop.strategies.estimates import estimate
from rareloop.strategies.totals import AuditSample, Rest

RARE = Look(1, "quasar", "#D55E00", True)
COMMON = Look(0, "star", "#0072B2", False)
UNKNOWN = [None, None, None]


def audited(n=60, n_members=12, n_items=1_000, seed=0):
    """The report of estimates of an audit whose members come first, and score higher."""
    rng = np.random.default_rng(seed)
    member = np.arange(n) < n_members
    p = np.clip(rng.normal(np.where(member, 0.7, 0.2), 0.15), 0.001, 0.999)
    probabilities = np.column_stack([1 - p, p])
    sample = AuditSample(
        np.arange(n), member.astype(np.int64), np.full(n, n / n_items), rng.uniform(0, n / n_items, n)
    )
    rest = Rest(n_rest=n_items - 40, n_items=n_items, n_found=np.array([30, 10]))
    return estimate(sample, probabilities, rest, rng=rng, thresholds=no_thresholds(2), wanted=(1,)).report()


# ---- numbers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "counts", "text"),
    [
        ([0.83, 0.71, 0.92], False, "0.83 (0.71–0.92)"),
        ([0.6, 0.21, 0.92], False, "0.21–0.92, perhaps 0.60"),
        ([None, 0.0, 1.0], False, "0.00–1.00"),
        ([None, 0.9, 1.0], False, "0.90–1.00"),
        ([0.5, None, None], False, "0.50"),
        (UNKNOWN, False, "–"),
        ([1234.4, 1100.0, 1400.0], True, "1,234 (1,100–1,400)"),
        ([148.0, 100.0, 620.0], True, "100–620, perhaps 148"),
        ([0.0, 0.0, 0.0], True, "0 (0–0)"),
    ],
)
def test_a_point_never_stands_alone_where_limits_are_known(limits, counts, text):
    assert interval_text(limits, counts) == text
    assert re.sub("</?b>", "", interval_html(limits, counts)) == text


def test_a_point_is_bold_up_to_thirty_points_of_width_only():
    assert interval_html([0.5, 0.4, 0.7]) == "<b>0.50</b> (0.40–0.70)"
    assert "<b>" not in interval_html([0.5, 0.4, 0.701])
    assert "<b>" not in interval_html([0.5, None, 0.6])
    assert "<b>" in interval_html([90, 70, 100], counts=True)
    assert "<b>" not in interval_html([90, 69, 100], counts=True)


def test_sealed_members_have_a_label_and_are_not_left():
    assert unlabelled({"left": [20.0, 3.0, 50.0], "n_members": 5}) == [15.0, 0.0, 45.0]
    assert unlabelled({"left": [None, 3.0, 50.0], "n_members": 0}) == [None, 3.0, 50.0]


def test_found_and_left_add_up_to_the_total():
    report = audited()
    entry = report["classes"][1]
    found = entry["n_found"] + entry["n_members"]
    assert found + unlabelled(entry)[0] == pytest.approx(entry["total"][0])


# ---- where they come from ---------------------------------------------------------------------------


def test_the_source_says_how_many_answers_which_method_and_of_what():
    text = source_sentence(audited(), {"n_answered": 60}, 7)
    assert text == (
        "From 60 sealed audit answers (7 more in the queue), method: beta-binomial limits; model on the 960 of "
        "1,000 items it did not learn from."
    )
    one = audited() | {"n_audit": 1, "n_unjudged": 3, "method": "gamma"}
    assert source_sentence(one, None, 0).startswith(
        "From 1 sealed audit answer (none in the queue), method: gamma"
    )
    assert "3 unsure or flagged" in source_sentence(one, None, 0)


@pytest.mark.parametrize(
    ("audit", "n_queued", "words"),
    [
        (None, 0, "if the audit share in the Strategy tab is 0"),
        (
            None,
            2,
            "0 of the first 50 audit questions answered (2 more in the queue); numbers begin with the first",
        ),
        (
            {"n_answered": 12},
            1,
            "12 of the first 50 audit questions answered (1 more in the queue); numbers begin",
        ),
    ],
)
def test_without_numbers_the_source_says_why(audit, n_queued, words):
    assert words in source_sentence({}, audit, n_queued)


# ---- tables -----------------------------------------------------------------------------------------


def test_wanted_classes_come_first_and_keep_their_place_in_the_taxonomy():
    taxonomy = Taxonomy()
    for name in ("star", "galaxy", "quasar"):
        taxonomy.add(name)
    for one in taxonomy:
        one.wanted = one.name == "quasar"
    assert [(look.index, look.name, look.wanted) for look in looks(taxonomy)] == [
        (2, "quasar", True), (0, "star", False), (1, "galaxy", False),
    ]  # fmt: skip


def test_every_measure_of_the_table_is_marked_with_where_it_comes_from():
    html = estimates_table([RARE, COMMON], audited(), {"quasar": 22, "star": 78}, dark=False)
    rows = re.findall(r'<tr data-measure="(\w+)">(.*?)</tr>', html)
    assert [key for key, _ in rows] == [
        "found", "total", "prevalence", "unlabelled", "precision", "recall", "f1", "completeness", "purity",
        "precision_at_k", "recall_at_k", "ap", "auroc",
    ]  # fmt: skip
    assert re.findall(r">(\w+)</small>", html) == ["labels", "audit"]  # at the first row of each
    for key, cells in rows:
        assert f"; from the {'labels' if key == 'found' else 'audit'}" in cells
        values = [re.sub("<.*?>", "", cell) for cell in re.findall(r"<td.*?</td>", cells)]
        assert len(values) == 2
        assert all(key == "found" or "–" in value for value in values)
    assert html.index("quasar") < html.index("star")


def test_names_and_notes_are_escaped_and_notes_stand_below():
    report = audited(n_members=0)
    report["classes"][1]["note"] += " <i>"
    html = estimates_table([Look(1, "<b>q</b>", "#fff", True)], report, {}, dark=True)
    assert "<b>q</b>" not in html
    assert "&lt;b&gt;q&lt;/b&gt;: No member among 60 audited items" in html
    assert "<i>" not in html


def test_before_the_first_estimates_and_for_a_new_class_there_are_dashes():
    html = estimates_table([RARE, COMMON, Look(2, "new", "#fff", False)], {}, {"quasar": 3}, dark=False)
    assert "<td" in html
    assert html.count(">–</td>") == 36
    assert ">3</td>" in html
    assert ">–</td>" in estimates_table([Look(2, "new", "#fff", False)], audited(), {}, dark=False)


def test_the_confusion_has_wanted_classes_first_and_words_for_small_cells():
    html = confusion_table([RARE, COMMON], [[700.4, 0.3], [0.0, 1_250.0]], dark=False)
    rows = [re.findall(r"<td.*?>(.*?)</td>", row) for row in re.findall(r"<tr>.*?</tr>", html)[1:]]
    assert rows == [["1,250", "·"], ["< 1", "700"]]


def test_cross_validation_keeps_its_own_table():
    html = cross_validation_table(
        [RARE], [{"class": 1, "n": 3, "precision": 0.5, "recall": None, "f1": 0.25}], {"quasar": 3}
    )
    assert re.findall(r"<td.*?>(.*?)</td>", html) == ["3", "0.25", "0.50", "–"]


# ---- charts of the audit ----------------------------------------------------------------------------


def rounds(*entries):
    return [{"n_labels": n, "estimates": estimates} for n, estimates in entries]


def test_a_measure_over_labels_skips_rounds_that_know_nothing_and_ends_with_the_newest():
    first, newest = audited(40, 8), audited(60, 12)
    bare = {**first, "classes": first["classes"][:1]}
    known = charts.history(rounds((10, None), (20, bare), (30, first)), newest, 33, 1, "recall")
    assert known == [(30, first["classes"][1]["recall"]), (33, newest["classes"][1]["recall"])]
    again = charts.history(rounds((30, newest)), newest, 33, 1, "recall")
    assert again == [(30, newest["classes"][1]["recall"])]
    undone = charts.history(rounds((30, first)), newest, 30, 1, "recall")
    assert undone == [(30, newest["classes"][1]["recall"])]


def test_over_labels_draws_a_band_from_low_to_high_and_names_the_class():
    first, newest = audited(40, 8), audited(60, 12)
    drawing = charts.over_labels(rounds((30, first), (50, newest)), newest, 50, [RARE], "Completeness")
    low, high = ([e["classes"][1]["completeness"][k] for e in (first, newest)] for k in (1, 2))
    assert (drawing.bands[0].low, drawing.bands[0].high) == (low, high)
    assert drawing.lines[0].x == [30, 50]
    assert drawing.points[-1].size > drawing.points[0].size
    assert "quasar: " in drawing.text
    assert drawing.words[0].text.strip() == "quasar"


def test_a_point_that_is_not_known_breaks_the_line_and_not_the_band():
    report = audited()
    report["classes"][1]["f1"] = [None, 0.1, 0.9]
    drawing = charts.over_labels(rounds((30, report)), report, 30, [RARE], "F1")
    assert math.isnan(drawing.lines[0].y[0])
    assert drawing.bands[0].low == [0.1]
    assert not drawing.points


def test_a_prevalence_fills_its_axis_and_many_rounds_are_thinned():
    report = audited()
    many = rounds(*((n, report) for n in range(1, 1_001)))
    drawing = charts.over_labels(many, report, 1_000, [RARE], "Prevalence")
    assert drawing.y.span[1] == pytest.approx(1.12 * report["classes"][1]["prevalence"][2])
    assert len(drawing.lines[0].x) == charts.MOST_ROUNDS
    assert (drawing.lines[0].x[0], drawing.lines[0].x[-1]) == (1, 1_000)


def test_the_precision_recall_curve_has_its_base_rate_equal_f1_and_the_model():
    report = audited()
    drawing = charts.precision_recall(report, RARE)
    base = report["curves"]["1"]["base_rate"]
    dashed = [line for line in drawing.lines if line.dash == "dashed"]
    assert [line.y for line in dashed] == [[base, base]]
    assert any(words.text.startswith("base rate") for words in drawing.words)
    for line in drawing.lines[:4]:
        r, p = np.array(line.x), np.array(line.y)
        assert np.ptp(2 * p * r / (p + r)) < 1e-12
        assert p.max() <= 1 + 1e-12
    entry = report["classes"][1]
    assert (drawing.points[0].x, drawing.points[0].y) == (entry["recall"][0], entry["precision"][0])
    assert len(drawing.whiskers) == 2


def test_reliability_is_drawn_in_logarithms_and_zeros_stand_at_the_edge():
    report = audited()
    drawing = charts.reliability(report, RARE)
    bins = report["curves"]["1"]["reliability"]
    assert len(drawing.points) == sum(n > 0 for n in bins["n"])
    for point, p, o in zip(
        drawing.points,
        [p for p in bins["predicted"] if p is not None],
        [o for o in bins["observed"] if o is not None],
        strict=True,
    ):
        assert 10**point.x == pytest.approx(p)
        assert point.y == (charts.LEAST if o == 0 else pytest.approx(math.log10(o)))


@pytest.mark.parametrize(
    "drawing",
    [
        charts.over_labels([], {}, 0, [RARE], "Recall"),
        charts.precision_recall({}, RARE),
        charts.precision_recall(audited(n_members=0), RARE),
        charts.reliability({}, RARE),
        label_charts.finds([], 100, UNKNOWN, RARE),
        label_charts.costs([], RARE),
        label_charts.arms([]),
        label_charts.cross_validation([], [RARE], "F1"),
        label_charts.no_class(),
    ],
)
def test_where_nothing_is_known_there_are_axes_and_a_sentence(drawing):
    assert drawing.is_empty
    assert drawing.text.endswith(".")


@pytest.mark.parametrize(
    ("span", "ticks"),
    [
        ((-0.03, 1.03), [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        ((-8, 496), [0, 100, 200, 300, 400]),
        ((-0.0003, 0.0112), [0, 0.002, 0.004, 0.006, 0.008, 0.01]),
        ((0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        ((-0.02, 1.24), [0, 0.5, 1.0]),
    ],
)
def test_ticks_are_round_numbers_within_the_axis(span, ticks):
    assert round_ticks(*span) == pytest.approx(ticks)


# ---- charts of the labels ---------------------------------------------------------------------------


def test_discovery_stands_between_a_random_and_a_perfect_search():
    found = [True, False] * 50
    drawing = label_charts.finds(found, 1_000, [80.0, 60.0, 120.0], RARE)
    mine, random, perfect = drawing.lines
    assert (mine.y[-1], random.y[-1], perfect.y[-1]) == (50, 8.0, 80.0)
    assert (drawing.bands[0].low[-1], drawing.bands[0].high[-1]) == (6.0, 12.0)
    assert "50 of 'quasar' found among 100 labels" in drawing.text
    assert "about 8.0" in drawing.text
    bare = label_charts.finds(found, 1_000, UNKNOWN, RARE)
    assert len(bare.lines) == 1
    assert not bare.bands


def test_a_window_without_a_find_is_open_above():
    drawing = label_charts.costs([True] * 25 + [False] * 25 + [False] * 50, RARE)
    first, second = drawing.points
    assert 10**first.y == pytest.approx(2)
    assert second.marker == "triangle"
    top = drawing.y.span[1]
    assert drawing.whiskers[1].y[1] == top
    assert drawing.whiskers[0].y[1] < top
    assert "no find among 50, at least 14.0 labels per find" in drawing.text  # Wilson: 3.84 / 53.84


def test_arms_are_ordered_by_yield_and_those_that_asked_nothing_are_left_out():
    entries = [
        {"arm": "margin", "share": 0.5, "asked": 20, "found": 1},
        {"arm": "top", "share": 0.5, "asked": 20, "found": 10},
        {"arm": "random", "share": 0.0, "asked": 0, "found": 0},
    ]
    drawing = label_charts.arms(entries)
    assert [words.text for words in drawing.words] == ["1 of 20", "10 of 20"]
    assert list(drawing.y.ticks.values()) == ["Margin", "Most likely rare"]
    low, high = drawing.whiskers[1].x
    assert (low, high) == (pytest.approx(0.299, abs=1e-3), pytest.approx(0.701, abs=1e-3))  # Wilson, closed form
    assert {point.colour for point in drawing.points} == {REFERENCE}


def test_cross_validation_has_a_line_a_class_without_a_band():
    metric = {"class": 1, "n": 9, "precision": 0.5, "recall": 0.25, "f1": None}
    reports = [{"n_labels": n, "metrics": [metric | {"precision": n / 100}]} for n in (10, 20)]
    drawing = label_charts.cross_validation([*reports, {"n_labels": 30}], [RARE, COMMON], "Precision")
    assert [(line.x, line.y) for line in drawing.lines] == [([10, 20], [0.1, 0.2])]
    assert not drawing.bands


# ---- pictures ---------------------------------------------------------------------------------------


def test_a_picture_has_its_words_as_text_alternative_and_escapes_names():
    axis = Axis("<b>labels</b>", (0, 10))
    drawing = Drawing(axis, Axis("y", (0, 1)), 'says "<i>"', words=(Words(5, 0.5, "<u>"),))
    html = picture(drawing, dark=False)
    assert 'role="img" aria-label="says &quot;&lt;i&gt;&quot;"' in html
    assert "&lt;b&gt;labels&lt;/b&gt;" in html
    assert not re.search("<[biu]>", html)


def test_a_picture_puts_places_in_shares_of_its_frame_and_breaks_lines_at_nan():
    line = Line([0, 5, 6, 10], [0.0, 0.5, math.nan, 1.0], "#123456", dash="dashed")
    point = Point(2.5, 0.75, "#123456", "square", 10, "here")
    html = picture(Drawing(Axis("", (0, 10)), Axis("", (0, 1)), "", lines=(line,), points=(point,)), dark=False)
    assert 'd="M0.0 1000.0L500.0 500.0M1000.0 0.0"' in html
    assert 'stroke-dasharray="6 4"' in html
    assert re.search(r'title="here" style="position:absolute;left:25.00%;top:25.00%.*?>■<', html)


def test_ticks_outside_the_axis_are_left_out_and_colours_follow_the_theme():
    axis = Axis("", (0, 1), {-1.0: "below", 0.5: "half"})
    drawing = Drawing(axis, Axis("", (0, 1)), "", lines=(Line([0, 1], [0, 1], REFERENCE),))
    light, dark = (picture(drawing, dark=dark) for dark in (False, True))
    assert ">half<" in light
    assert "below" not in light
    assert light != dark


@pytest.mark.parametrize("chart", CHARTS)
def test_every_chart_has_its_sentence_or_says_why_it_is_empty(chart):
    assert CHARTS[chart] in note_html(chart)
    assert CHARTS[chart] not in note_html(chart, "not <yet>.")
    assert "<b>not &lt;yet&gt;.</b>" in note_html(chart, "not <yet>.")
