"""What gestures on a map select: closed forms, and how selections add up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rareloop.dashboard.views.picking import ADD, REPLACE, SUBTRACT, combined, inside, inverted, mode_of, nearest

x, y = (v.ravel().astype(np.float32) for v in np.meshgrid(np.arange(10), np.arange(10)))


def test_a_box_takes_its_edges_whichever_way_it_is_drawn():
    rows = inside(x, y, {"type": "rect", "x0": 5, "x1": 2, "y0": 1, "y1": 3})
    assert set(zip(x[rows], y[rows], strict=True)) == {(a, b) for a in (2, 3, 4, 5) for b in (1, 2, 3)}


def test_a_triangle_and_a_line_that_crosses_itself():
    triangle = inside(x, y, {"type": "poly", "x": [-0.5, 4.6, -0.5], "y": [-0.5, -0.5, 4.6]})
    assert len(triangle) == 15  # x + y <= 4
    bow = inside(x, y, {"type": "poly", "x": [0, 9, 9, 0], "y": [-0.5, 9.5, -0.5, 9.5]})
    left, right = x[bow] < 4.5, x[bow] > 4.5
    assert left.sum() == right.sum() > 0  # both loops
    assert len(inside(x, y, {"type": "poly", "x": [0, 1], "y": [0, 1]})) == 0


def test_missing_coordinates_are_never_selected():
    holes = np.where(x == 3, np.nan, x)
    rows = inside(holes, y, {"type": "rect", "x0": 0, "x1": 9, "y0": 0, "y1": 9})
    assert len(rows) == 90
    assert nearest(holes, y, (3.0, 3.0), (0.5, 0.5)) is None


def test_the_nearest_point_within_reach():
    assert nearest(x, y, (3.2, 6.9), (0.5, 0.5)) == 73
    assert nearest(x, y, (3.45, 6.55), (0.5, 0.5)) is None  # inside the box of the ellipse, but not in it
    assert nearest(x[:0], y[:0], (0.0, 0.0), (1.0, 1.0)) is None


@pytest.mark.parametrize("n_corners", [3, 5, 30])
def test_many_points_are_judged_as_each_alone(n_corners):
    rng = np.random.default_rng(n_corners)
    a, b = rng.normal(size=(2, 120_000)).astype(np.float32)
    corners = rng.normal(size=(2, n_corners)) * 2
    geometry = {"type": "poly", "x": corners[0], "y": corners[1]}
    pieces = [inside(a[i : i + 10_000], b[i : i + 10_000], geometry) + i for i in range(0, len(a), 10_000)]
    assert inside(a, b, geometry).tolist() == np.concatenate(pieces).tolist()


bools = arrays(bool, 30)


@given(bools, bools)
def test_selections_add_up_as_sets(first, second):
    a, b = np.flatnonzero(first), np.flatnonzero(second)
    sets = set(a.tolist()), set(b.tolist())
    for mode, expected in ((REPLACE, sets[1]), (ADD, sets[0] | sets[1]), (SUBTRACT, sets[0] - sets[1])):
        assert combined(a, b, mode, 30).tolist() == sorted(expected)
    assert inverted(a, 30).tolist() == sorted(set(range(30)) - sets[0])


@pytest.mark.parametrize(
    ("modifiers", "mode"),
    [
        (None, "chosen"),
        ({"shift": False, "alt": False}, "chosen"),
        ({"shift": True}, ADD),
        ({"alt": True}, SUBTRACT),
        ({"alt": True, "shift": True}, SUBTRACT),
    ],
)
def test_keys_that_are_held_decide_what_a_gesture_does(modifiers, mode):
    assert mode_of(modifiers, "chosen") == mode


@given(st.floats(-1, 11), st.floats(-1, 11), st.floats(0.1, 4), st.floats(0.1, 4))
def test_the_nearest_point_is_that_of_brute_force(px, py, across, up):
    distance = ((x.astype(float) - px) / across) ** 2 + ((y.astype(float) - py) / up) ** 2
    found = nearest(x, y, (px, py), (across, up))
    if found is None:
        assert distance.min() > 1 - 1e-6
    else:
        assert distance[found] == pytest.approx(distance.min())
