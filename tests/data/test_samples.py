"""The demos' tables."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc
from rareloop.data.samples import SKY_KINDS, digits, sky


def test_one_digit_is_rare_and_the_others_are_all_there():
    table = digits(rare=8)
    names = np.array(table.column("digit").to_pylist())
    assert 0.008 < (names == "8").mean() < 0.012
    assert {str(d) for d in range(10)} == set(names)
    pixels = table.column("pixels").to_pylist()
    assert {len(p) for p in pixels} == {64}
    assert max(map(max, pixels)) == 255
    assert digits(rare=8).equals(table)


def test_the_sky_has_its_populations_and_a_rare_class_in_two_clusters():
    table = sky(200_000, seed=1)
    counts = {e["values"]: e["counts"] for e in pc.value_counts(table.column("kind")).to_pylist()}
    assert set(counts) == set(SKY_KINDS)
    assert counts["cataclysmic"] == 200
    rare = table.filter(pc.equal(table.column("kind"), "cataclysmic"))
    colours = np.array(rare.column("g_r").to_pylist())
    blue, red = colours[colours < 0.33], colours[colours >= 0.33]
    assert min(len(blue), len(red)) > 60
    assert red.mean() - blue.mean() > 3 * max(red.std(), blue.std())
    assert 0 < table.column("parallax").null_count < 2_000
    assert abs(np.array(table.column("dec").to_pylist())).max() <= 90
    assert sky(200_000, seed=1).equals(table)
    assert not sky(200_000, seed=2).equals(table)
