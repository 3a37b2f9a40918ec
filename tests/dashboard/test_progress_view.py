"""What the Progress tab and the notes of the top bar say."""

from __future__ import annotations

import numpy as np
from rareloop.dashboard.pace import Pace
from rareloop.dashboard.pace_meter import Known
from rareloop.dashboard.time_machine import moment
from rareloop.dashboard.views.estimates_table import Look
from rareloop.dashboard.views.progress import cost_sentence, counts_table, curve, duration, pace_table
from rareloop.dashboard.views.time_machine import as_of
from rareloop.dashboard.views.work import break_words
from rareloop.strategies.intervals import Interval
from rareloop.strategies.progress import statement
from rareloop.strategies.stopping import Pace as StopPace
from rareloop.tests.dashboard.test_pace import columns_of, event
from rareloop.tests.dashboard.test_time_machine import NAMES

CLASSES = [
    Look(0, "star", "#0072b2", False),
    Look(1, "<b>quasar", "#d55e00", True),
    Look(2, "comet", "#009e73", False),
]


def test_a_find_costs_the_labels_of_the_stop_tab_times_the_time_of_a_label():
    pace = StopPace(50, 4, Interval(0.08, 0.03, 0.19), Interval(12.5, 5.3, 33.0))
    said = statement(None, pace, None, 0.9, "quasar", 0, 0)
    sentence = cost_sentence(said, 10.0)
    assert sentence.startswith("quasar: About 12 labels per new find at the present pace")
    assert sentence.endswith("At 10.0 s a label that is 2 min for each.")
    assert sentence.startswith(cost_sentence(said, None))


def test_without_a_find_no_time_is_made_up():
    pace = StopPace(50, 0, Interval(0.0, 0.0, 0.07), Interval(np.inf, 14.0, np.inf))
    assert "s a label" not in cost_sentence(statement(None, pace, None, 0.9, "quasar", 0, 0), 10.0)
    assert cost_sentence({"class": "quasar"}, 10.0) == ""  # a round of an earlier version


def test_time_spans_are_said_in_the_unit_that_fits():
    assert [duration(s) for s in (0, 89, 90, 3599, 5400, 9000)] == [
        "0 s", "89 s", "2 min", "60 min", "1 h 30 min", "2 h 30 min",
    ]  # fmt: skip
    assert break_words(2715) == "45 min without a break"


def test_wanted_classes_come_first_then_the_rarest_and_names_are_no_markup():
    table = counts_table(CLASSES, {"star": 9, "<b>quasar": 4, "comet": 2})
    places = [table.index(name) for name in ("&lt;b&gt;quasar <small>", "comet", "star")]
    assert places == sorted(places)
    assert "<b>" not in table


def test_annotators_are_compared_where_there_are_several():
    one = Pace(30, 3, 600.0, 180.0, 12.0)
    table = pace_table(Known(session=one, overall=one, by_annotator={"ada": one, "<bob>": one}), "ada")
    assert "ada (you)" in table
    assert "&lt;bob&gt;" in table
    assert table.count("10 min") == 4


def test_the_curve_is_empty_before_the_first_label_and_says_why():
    assert curve(Known(), "#000000").is_empty
    drawn = curve(
        Known(overall=Pace(2, 1, 5.0, 1.0, 1.0), curve=(np.arange(1, 3), np.array([100.0, 50.0]))), "#000000"
    )
    assert "50 finds per 100 labels among the last 2, 50.0 over all" in drawn.text


def test_the_banner_says_label_entry_and_time():
    columns = columns_of(event(0, 0), event(1, 60))
    assert as_of(moment(columns, 1, NAMES)) == "As of label 1 of 2 (entry 1 of 2, 2026-05-01 09:00:00 UTC)"
    assert as_of(moment(columns, 0, NAMES)) == "As of label 0 of 2 (entry 0 of 2)"
