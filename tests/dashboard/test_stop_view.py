"""What the Stop tab draws of a statement."""

import pytest
from rareloop.dashboard.stopping import _with_total
from rareloop.dashboard.views.stop import found_bar, meter
from rareloop.strategies.intervals import Interval
from rareloop.strategies.stopping import Look, share_found

TOTALS = [None, Interval(0.0, 0.0, 0.0), Interval(0.0, 0.0, 40.0), Interval(7.0, 2.0, 900.0)]


def said(certain, status="amber", low=0.4, high=0.9):
    return {"status": status, "certain": certain, "share": [0.7, low, high], "target": 0.8, "class": "quasar"}


def test_the_meter_tells_of_the_class_that_is_least_certain():
    assert meter({"classes": [said(0.55), said(0.314)]}) == "◐ at least 31 % found"
    assert meter({"classes": [said(0.95, "green")]}) == "● at least 95 % found"


def test_the_meter_is_silent_while_a_class_has_no_statement():
    assert meter({}) == meter({"classes": []}) == ""
    assert meter({"classes": [said(0.5), said(0.1, "grey")]}) == ""
    assert meter({"classes": [said(None)]}) == ""


def test_the_bar_says_in_words_what_it_draws():
    html = found_bar(said(0.25), "#123456")
    assert 'aria-label="found 40 to 90 %, certain 25 %, target 80 %"' in html
    assert "left:40.0%;width:50.0%" in html
    assert "left:80.0%" in html
    for unknown in (None, [None, None, None], [None, 0.0, None]):
        assert found_bar(said(0.25) | {"share": unknown}, "#123456") == ""


@pytest.mark.parametrize("total", TOTALS)
def test_a_statement_has_limits_whatever_the_estimates_say(total):
    one = share_found((), Look(0, (), True, 5, 100))
    shown = _with_total(one, total)
    assert 0 <= shown.share.low <= shown.share.high <= 1
    assert 0 <= shown.total.low <= shown.total.high <= 100
    assert shown.certain == one.certain
