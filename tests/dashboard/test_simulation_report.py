"""The report of a simulation: against hand-worked numbers and scipy; and its curves."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rareloop.dashboard.simulation_plots import curves, plot, precision_range, reference_lines
from rareloop.dashboard.simulation_report import compare, difference, last_rounds, print_report, summarise
from rareloop.data.errors import InputError
from scipy import stats


def run(strategy, seed, hits, precision=0.5, classifier="logistic", n_total=10, n_labels=(4, 8, 12), **changes):
    """A run of three rounds that found wanted items at the places `hits`."""
    records = []
    for number, (before, n) in enumerate(zip((0, *n_labels), n_labels, strict=False)):
        new = [place for place in hits if before < place <= n]
        found = sum(place <= n for place in hits)
        records.append({
            "strategy": strategy, "classifier": classifier, "seed": seed, "round": number, "n_labels": n,
            "n_items": 104, "n_found": found, "n_total": n_total, "n_parts_found": 0, "n_parts": 0,
            "average_precision": precision, "f1": 0.25, "seconds_fit": 0.1 * number, "seconds_query": 0.1,
            "arms": {"start": [4, 1]} | ({strategy: [n - 4, found - 1]} if n > 4 else {}), "hits": new,
            "messages": [],
        } | changes)  # fmt: skip
    return records


@pytest.fixture
def frame():
    """Ten wanted items; `fast` finds 6, 5 and 4 of them with 12 labels, `slow` 3, 2 and 2."""
    return pd.DataFrame([
        *run("fast", 0, [2, 5, 6, 7, 9, 11], 0.8), *run("fast", 1, [1, 6, 8, 10, 12], 0.6),
        *run("fast", 2, [3, 8, 9, 10], 0.7),
        *run("slow", 0, [2, 8, 12], 0.9), *run("slow", 1, [1, 11], 0.5), *run("slow", 2, [3, 9], 0.5),
    ])  # fmt: skip


def printed(frame, against=None):
    lines = []
    print_report(frame, lines.append, against)
    return "\n".join(lines)


def test_means_errors_and_medians_by_hand(frame):
    summary = summarise(frame).set_index("strategy")
    assert list(summary.index) == ["fast", "slow"]
    fast = summary.loc["fast"]
    assert (fast["seeds"], fast["labels"], fast["n_total"]) == (3, 12, 10)
    assert fast["n_found"] == 5
    assert fast["n_found_se"] == pytest.approx(1 / np.sqrt(3))
    assert fast["recall"] == pytest.approx(0.5)
    assert fast["recall_se"] == pytest.approx(0.1 / np.sqrt(3))
    assert fast["average_precision"] == pytest.approx(0.7)
    assert fast["seconds"] == pytest.approx(0.2)  # of fitting and querying: 0.1, 0.2 and 0.3 a round
    # The first: 2, 1 and 3 labels. Five of ten: 9, 12 and never, so the median is the 12.
    assert (fast["first"], fast["first_reached"]) == (2, 1)
    assert (fast["50 %"], fast["50 %_reached"]) == (12, pytest.approx(2 / 3))
    assert (fast["80 %"], fast["80 %_reached"]) == (np.inf, 0)
    assert (summary.loc["slow", "50 %"], summary.loc["slow", "50 %_reached"]) == (np.inf, 0)


def test_the_median_of_two_runs_is_censored_when_one_is(frame):
    two = frame[frame["seed"] > 0]
    assert summarise(two).set_index("strategy").loc["fast", "50 %"] == np.inf
    text = printed(two)
    assert ">12 (50 %)" in text


def test_the_order_of_rows_does_not_matter(frame):
    shuffled = frame.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(summarise(shuffled), summarise(frame))
    pd.testing.assert_frame_equal(last_rounds(shuffled), last_rounds(frame))


def test_paired_differences_by_hand_and_by_scipy(frame):
    (row,) = compare(frame).to_dict("records")
    assert (row["strategy"], row["against"], row["against_classifier"]) == ("slow", "fast", "logistic")
    # 3-6, 2-5 and 2-4: mean -8/3, standard deviation 1/sqrt(3), standard error 1/3.
    assert row["found"] == pytest.approx(-8 / 3)
    assert row["found_se"] == pytest.approx(1 / 3)
    assert row["found_low"] == pytest.approx(-8 / 3 - 4.302652729911275 / 3)
    test = stats.ttest_rel([0.9, 0.5, 0.5], [0.8, 0.6, 0.7])
    interval = test.confidence_interval(0.95)
    assert (row["ap_low"], row["ap_high"]) == pytest.approx((interval.low, interval.high))
    assert row["ap"] / row["ap_se"] == pytest.approx(test.statistic)
    (other,) = compare(frame, "slow").to_dict("records")
    assert (other["strategy"], other["against"]) == ("fast", "slow")
    assert other["found"] == pytest.approx(8 / 3)


@given(st.lists(st.tuples(st.floats(-100, 100), st.floats(-100, 100)), min_size=2, max_size=30))
def test_the_interval_is_that_of_a_paired_t_test(pairs):
    values, reference = np.array(pairs).T
    mean, error, low, high, n = difference(values, reference)
    assert n == len(pairs)
    assert mean == pytest.approx((values - reference).mean(), abs=1e-9)
    if error > 1e-6:
        interval = stats.ttest_rel(values, reference).confidence_interval(0.95)
        assert (low, high) == pytest.approx((interval.low, interval.high), rel=1e-6, abs=1e-6)


def test_pairs_without_a_model_are_left_out():
    assert difference([1.0, np.nan, 5.0], [0.0, 1.0, 2.0])[4] == 2
    mean, error, *_, n = difference([1.0], [3.0])
    assert (mean, n) == (-2, 1)
    assert np.isnan(error)
    assert difference([np.nan], [1.0])[4] == 0


def test_only_seeds_that_both_have_are_paired(frame):
    some = frame[(frame["strategy"] == "fast") | (frame["seed"] != 1)]
    (row,) = compare(some).to_dict("records")
    assert row["found_pairs"] == 2
    assert row["found"] == pytest.approx(-2.5)


def test_classifiers_are_compared_with_the_same_one_when_a_strategy_is_named(frame):
    both = pd.concat([frame, frame.assign(classifier="forest", n_found=frame["n_found"] + 1)])
    named = compare(both, "slow")
    assert (named["strategy"] == "fast").all()
    assert (named["classifier"] == named["against_classifier"]).all()
    best = compare(both)
    assert len(best) == 3
    assert set(zip(best["against"], best["against_classifier"], strict=True)) == {("fast", "forest")}


def test_what_is_printed(frame):
    text = printed(frame, "slow")
    assert "5.0 ± 0.6" in text
    assert "0.500 ± 0.058" in text
    assert "12 (67 %)" in text
    assert ">12 (0 %)" in text
    assert "+2.7 ± 0.3 [+1.2, +4.1]" in text
    assert "slow, logistic" in text
    assert "parts" not in text
    assert "What asked" not in text
    lines = text.splitlines()
    assert len({len(line) for line in lines[1:3]}) == 1


def test_parts_arms_and_messages_are_printed_where_there_are_any(frame):
    mixed = frame.assign(
        n_parts=4, n_parts_found=np.where(frame["strategy"] == "fast", 3, 1),
        arms=[{"start": [4, 1], "top": [6, 3], "look-out": [2, 1]}] * len(frame),
        messages=[["strategy slow failed; random"]] * 9 + [[]] * 9,
    )  # fmt: skip
    text = printed(mixed)
    assert "3.0 ± 0.0 of 4" in text
    assert "1.0 ± 0.0 of 4" in text
    assert "fast      logistic    look-out     2.0    1.0  0.500" in text
    assert "in 9 of 9 rounds: strategy slow failed; random" in text


def test_one_run_is_printed_without_errors(frame):
    text = printed(frame[(frame["seed"] == 0) & (frame["strategy"] == "fast")])
    assert "±" not in text.split("\n", 1)[1]
    assert "Differences" not in text


def test_seeds_without_a_model_are_said(frame):
    some = frame.assign(average_precision=frame["average_precision"].where(frame["seed"] != 1))
    assert "(2 seeds)" in printed(some)
    assert "(2 pairs)" in printed(some)
    none = frame.assign(average_precision=np.nan, f1=np.nan)
    assert "–" in printed(none)


class Page(HTMLParser):
    """What a page holds, and what it would fetch from elsewhere."""

    def __init__(self):
        super().__init__()
        self.documents, self.elsewhere, self.title, self._within = [], [], "", None

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self._within = given.get("type", tag)
        self.elsewhere += [given[name] for name in ("src", "href") if name in given]

    def handle_data(self, data):
        if self._within == "application/json" and data.strip():
            self.documents.append(data)
        elif self._within == "title":
            self.title += data

    def handle_endtag(self, tag):
        self._within = None


# ---- curves -----------------------------------------------------------------------------------------


def test_discovery_curves_follow_the_order_of_labels(frame):
    fast, slow = curves(frame)
    assert (fast.name, slow.name) == ("fast", "slow")
    assert fast.found.labels.tolist() == list(range(4, 13))
    by_seed = np.array([[1, 2, 3, 4, 4, 5, 5, 6, 6], [1, 1, 2, 2, 3, 3, 4, 4, 5], [1, 1, 1, 1, 2, 3, 4, 4, 4]])
    assert fast.found.mean == pytest.approx(by_seed.mean(axis=0))
    assert fast.found.error == pytest.approx(by_seed.std(axis=0, ddof=1) / np.sqrt(3))
    assert fast.precision.labels.tolist() == [4, 8, 12]
    assert fast.precision.mean == pytest.approx([0.7] * 3)


def test_references_are_the_best_and_the_average_of_chance(frame):
    lines = reference_lines(frame)
    # All runs start with 1 of 10 wanted items in 4 of 104: one in a hundred/9 after that.
    assert lines["perfect"].labels.tolist() == [4, 12]
    assert lines["perfect"].mean.tolist() == [1, 9]
    assert lines["random, on average"].mean == pytest.approx([1, 1 + 8 * 9 / 100])
    few = reference_lines(frame.assign(n_total=6))
    assert few["perfect"].labels.tolist() == [4, 9, 12]
    assert few["perfect"].mean.tolist() == [1, 6, 6]


def test_precision_is_drawn_where_every_seed_has_a_model(frame):
    late = frame.assign(
        average_precision=frame["average_precision"].where((frame["round"] > 0) | (frame["seed"] > 0))
    )
    assert curves(late)[0].precision.labels.tolist() == [8, 12]
    never = frame.assign(average_precision=frame["average_precision"].where(frame["seed"] > 0))
    assert curves(never)[0].precision.labels.tolist() == []
    assert precision_range(curves(never)) == (0, 1)


def test_curves_differ_for_the_eye_and_are_named_with_their_classifier(frame):
    many = pd.concat([frame.assign(classifier=name) for name in "abcdefghijklmn"])
    drawn = curves(many)
    assert len({(c.colour, c.dash) for c in drawn}) == len(drawn) == 28
    assert drawn[0].name == "fast, a"


PLOT = (
    "import sys, pandas; from pathlib import Path; from rareloop.dashboard.simulation_plots import plot\n"
    "plot(pandas.read_pickle(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])"
)


def plot_alone(frame, target, title):
    """Plot as the command does: in a process without Panel, which adds its own files to all pages."""
    kept = target.with_suffix(".pickle")
    frame.to_pickle(kept)
    subprocess.run([sys.executable, "-c", PLOT, str(kept), str(target), title], check=True)


@pytest.mark.parametrize("n_seeds", [1, 3])
def test_a_page_holds_the_curves_and_needs_no_other_file(frame, tmp_path, n_seeds):
    plot_alone(frame[frame["seed"] < n_seeds], tmp_path / "curves.html", "survey: a <title>")
    page = Page()
    page.feed((tmp_path / "curves.html").read_text(encoding="utf-8"))
    (content,) = page.documents
    for text in ("fast", "slow", "perfect", "random, on average", "labels given (items)"):
        assert json.dumps(text) in content
    assert ('"VArea"' in content) == (n_seeds > 1)
    assert page.title == "survey: a <title>"
    assert page.elsewhere == []


def test_a_picture_can_be_read(frame, tmp_path):
    pytest.importorskip("matplotlib")
    image = pytest.importorskip("PIL.Image")
    plot(frame, tmp_path / "curves.png", "survey")
    with image.open(tmp_path / "curves.png") as picture:
        picture.load()
        assert picture.width > picture.height > 400
        colours = {colour[:3] for _, colour in picture.getcolors(10**6)}
    drawn = {tuple(int(c.colour[i : i + 2], 16) for i in (1, 3, 5)) for c in curves(frame)}
    assert drawn <= colours
    plot(frame, tmp_path / "curves.svg", "survey")
    assert ElementTree.parse(tmp_path / "curves.svg").getroot().tag.endswith("svg")


def test_curves_without_a_model_can_be_drawn(frame, tmp_path):
    blank = frame.assign(average_precision=np.nan)
    plot(blank, tmp_path / "curves.html", "survey")
    assert '"fast"' in (tmp_path / "curves.html").read_text(encoding="utf-8")
    pytest.importorskip("matplotlib")
    plot(blank, tmp_path / "curves.png", "survey")


def test_a_plot_that_cannot_be_written_is_refused(frame, tmp_path):
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(InputError, match="--plot"):
        plot(frame, tmp_path / "folder.html", "survey")
