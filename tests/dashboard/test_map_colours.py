"""What maps are coloured by: legends that say what is seen, and colours that rare points keep."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from rareloop.dashboard.pool_scores import MODEL, NO_MODEL, UNLIKE
from rareloop.dashboard.session import LabellingSession
from rareloop.dashboard.views.map_colours import CLASS, DENSITY, choices, coloured
from rareloop.dashboard.views.raster import LIGHT, coloured_layer, density_layer
from rareloop.data.errors import InputError
from rareloop.data.workspace import Workspace, workspace_folder

PATIENCE = 120
N = 400


@pytest.fixture
def session(tmp_path):
    rng = np.random.default_rng(0)
    truth = np.where(np.arange(N) % 10 == 0, "rare", "common")
    table = pd.DataFrame(
        {
            "a": rng.normal(size=N) + 4 * (truth == "rare"),
            "b": rng.normal(size=N),
            "kind": np.where(np.arange(N) % 4, "often", "seldom"),
            "name": [f"item {i % 150}" for i in range(N)],
            "key": [f"key {i}" for i in range(N)],
            "gap": np.where(np.arange(N) < 10, np.nan, np.arange(N)),
            "day": [dt.date(2020, 1, 1) + dt.timedelta(days=i) for i in range(N)],
        }
    )
    source = tmp_path / "t.parquet"
    table.to_parquet(source)
    workspace = Workspace.create(workspace_folder(source), source)
    roles = workspace.roles
    roles.features = ["a", "b"]
    workspace.confirm(roles, ["common", "rare"], wanted=["rare"])
    workspace.settings["round"] = {"audit_share": 0.0}
    workspace.save()
    workspace.prepare()
    workspace.lock("test")
    session = LabellingSession(workspace, "tester")
    session.truth = truth
    yield session
    session.close()


def column(session, name):
    return coloured(session, f"column: {name}")


def test_numbers_are_clipped_to_their_percentiles_and_missing_ones_are_said(session):
    found = column(session, "gap")
    assert found.colouring.is_mean
    levels = found.colouring.levels
    assert np.isnan(levels[:10]).all()
    assert levels[10] == 0 and levels[-1] == 255
    assert np.all(np.diff(levels[10:]) >= 0)
    assert "10 missing" in found.legend.note
    assert "1st to 99th percentile" in found.legend.words()


def test_dates_are_numbers_with_dates_in_the_legend(session):
    legend = column(session, "day").legend
    assert (legend.low, legend.high) == ("2020-01-04", "2021-01-30")


def test_few_values_have_a_colour_each_and_the_rarest_is_on_top(session):
    found = column(session, "kind")
    assert [entry.text for entry in found.legend.entries] == ["often 300", "seldom 100"]
    assert found.colouring.levels[0] > found.colouring.levels[1]


def test_many_values_are_the_most_frequent_ones_and_others(session):
    found = column(session, "name")
    assert len(found.legend.entries) == 20
    assert found.legend.entries[-1].text.startswith("131 other values")
    assert found.colouring.levels.max() == 19
    assert "and 8 more" in found.legend.html(dark=False)


def test_too_many_values_are_refused_in_one_sentence(session, monkeypatch):
    monkeypatch.setattr("rareloop.dashboard.views.map_colours.MOST_VALUES", 200)
    with pytest.raises(InputError, match="column 'key' has more than 200 different values"):
        column(session, "key")


def test_the_labels_of_a_table_are_no_colour(session):
    session.workspace.roles.label, session.workspace.roles.label_use = "kind", "truth"
    assert "column: kind" not in [value for value, _, _ in choices(session)]
    assert "column: name" in [value for value, _, _ in choices(session)]


def test_density_needs_no_colours(session):
    assert coloured(session, DENSITY).colouring is None


def wait_for_scores(session, kind, number):
    session.scores.renew(kind)
    until = pd.Timestamp.now() + pd.Timedelta(seconds=PATIENCE)
    while (files := getattr(session.scores, kind)) is None or files.round < number:
        assert pd.Timestamp.now() < until, session.scores.why
        session.scores.renew(kind)
    return files


def wait_for_round(session, number):
    until = pd.Timestamp.now() + pd.Timedelta(seconds=PATIENCE)
    while session.round_running or session.report.get("round", 0) < number:
        assert pd.Timestamp.now() < until, session.problem


def test_what_the_model_says_is_in_files_and_follows_the_rounds(session, monkeypatch):
    session.start()
    wait_for_round(session, 1)
    session.scores.renew(MODEL)
    until = pd.Timestamp.now() + pd.Timedelta(seconds=PATIENCE)
    while MODEL not in session.scores.why:
        assert pd.Timestamp.now() < until
    assert session.scores.why[MODEL] == NO_MODEL
    assert coloured(session, "uncertainty").legend.note == NO_MODEL

    rows = [*range(0, 60, 10), *range(1, 30)]
    session.decide(
        [{"event_id": f"e{r}", "row": r, "action": "label", "label": str(session.truth[r])} for r in rows],
        annotator="ann",
    ).result(PATIENCE)
    wait_for_round(session, 2)
    files = wait_for_scores(session, MODEL, session.report["round"])
    assert MODEL not in session.scores.why
    probability = np.asarray(files.values("p1"), float)
    assert probability[session.truth == "rare"].mean() > 0.5 > probability[session.truth == "common"].mean()
    predicted = files.values("predicted")
    assert (predicted == (session.truth == "rare")).mean() > 0.9
    uncertainty = np.asarray(files.values("uncertainty"), float)
    assert uncertainty == pytest.approx(1 - np.abs(2 * probability - 1), abs=2e-3)

    found = coloured(session, "probability: rare")
    assert f"as of round {files.round}" in found.legend.note
    assert np.argmax(found.colouring.levels) == np.argmax(probability)
    assert [e.text for e in coloured(session, "predicted").legend.entries][1].startswith("rare ")
    moved = type(files)(files.folder, files.round, files.classes, ("rare", "gone"))
    monkeypatch.setattr(session.scores, "model", moved)
    assert [e.text.split()[0] for e in coloured(session, "predicted").legend.entries] == ["rare"]
    assert coloured(session, "probability: common").legend.note == "known after the next round"

    unlike = wait_for_scores(session, UNLIKE, session.report["round"]).values("unlike")
    X = session.workspace.features
    brute = np.sqrt(((X[:, None] - X[rows][None]) ** 2).sum(axis=2)).min(axis=1)
    assert np.asarray(unlike, float) == pytest.approx(brute, abs=1e-2)
    assert len(list(files.folder.glob("uncertainty-*.npy"))) == 1  # earlier rounds leave nothing


def test_given_classes_and_the_rest_grey(session):
    session.start()
    wait_for_round(session, 1)
    session.decide(
        [{"event_id": f"e{r}", "row": r, "action": "label", "label": str(session.truth[r])} for r in range(11)],
        annotator="ann",
    ).result(PATIENCE)
    found = coloured(session, CLASS)
    assert np.isfinite(found.colouring.levels).sum() == 11
    assert found.colouring.levels[0] > found.colouring.levels[1]  # rare ones lie on top
    assert {e.text for e in found.legend.entries} == {"common 9", "rare 2"}


def test_a_rare_point_keeps_its_colour_among_many():
    import datashader as ds

    many = 50_000
    frame = pd.DataFrame({"x": np.zeros(many, "f4"), "y": np.zeros(many, "f4"), "level": np.zeros(many, "f4")})
    frame.loc[123, "level"] = 1.0
    palette = np.array([[10, 20, 30], [200, 100, 50]], np.uint8)
    canvas = ds.Canvas(20, 20, x_range=(-1, 1), y_range=(-1, 1))
    pixels = coloured_layer(canvas, frame, palette, False).to_numpy()
    colours = {tuple(pixel.tobytes()[:3]) for pixel in pixels[pixels > 0]}
    assert colours == {(200, 100, 50)}
    assert (density_layer(canvas, frame, LIGHT.points).to_numpy() > 0).any()
