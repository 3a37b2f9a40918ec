"""Colours of classes: seen on both grounds, and told apart there."""

from __future__ import annotations

import pytest
from rareloop.dashboard.views.marks import RAISED_ON_DARK, contrast, on_ground
from rareloop.data.taxonomy import COLOURS, WANTED_COLOURS

EVERY = (*WANTED_COLOURS, *COLOURS)


def test_the_contrast_of_black_and_white_and_of_a_colour_with_itself():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#ffffff", "#767676") == pytest.approx(4.54, abs=0.01)  # the grey that WCAG's texts name
    assert contrast("#0072B2", "#0072B2") == 1


@pytest.mark.parametrize("colour", EVERY)
def test_every_colour_stands_out_on_the_dark_ground(colour):
    assert contrast(on_ground(colour, True), RAISED_ON_DARK) >= 3
    assert on_ground(colour, False) == colour


def test_colours_stay_different_on_the_dark_ground_and_the_same_where_they_stand_out_already():
    assert len({on_ground(colour, True) for colour in EVERY}) == len(EVERY)
    assert on_ground("#D55E00", True) == "#D55E00"
    assert on_ground(on_ground("#882255", True), True) == on_ground("#882255", True)


@pytest.mark.parametrize("other", ["", "red", "#fff"])
def test_what_is_no_six_digit_colour_is_given_back(other):
    assert on_ground(other, True) == other
