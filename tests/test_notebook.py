"""The page from a notebook or a script: a data frame goes in, labels come out while one works."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request

import numpy as np
import pandas as pd
import pytest
import rareloop
from rareloop.data.errors import InputError

N = 60


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {"mag": rng.normal(size=N), "width": rng.normal(size=N), "word": [f"w{i}" for i in range(N)]}
    )


def opened(frame, tmp_path, **given):
    given = {"classes": ["star", "quasar"], "rare": ["quasar"], "workspace": tmp_path / "kept"} | given
    return rareloop.open(frame, annotator="ann", **given)


def wait(condition, what):
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until, f"never happened: {what}"
        time.sleep(0.02)


def test_a_data_frame_is_served_and_its_labels_are_there_at_once(frame, tmp_path):
    frame.index = pd.Index([f"o{i}" for i in range(N)], name="object")
    with opened(frame, tmp_path) as dashboard:
        with urllib.request.urlopen(dashboard.url, timeout=30) as answer:
            assert answer.status == 200
            assert "http://localhost:*" in answer.headers["Content-Security-Policy"]  # so that a notebook shows it
        assert dashboard.url.startswith("http://127.0.0.1:")
        html = dashboard._repr_html_()
        assert f'<iframe src="{dashboard.url}"' in html and str(tmp_path / "kept") in html
        wait(lambda: dashboard.session.phase == "labelling" and len(dashboard.queue), "a queue")
        assert dashboard.labels.empty and dashboard.estimates.empty
        asked = dashboard.queue.iloc[0]
        assert asked["id"] == f"o{asked['row']}"
        decisions = [
            {"row": int(asked["row"]), "action": "label", "label": "quasar"},
            {"row": 7, "action": "skip"},
            {"row": 7, "action": "note", "note": "a <b>"},
        ]
        dashboard.session.decide(decisions, annotator=dashboard.session.annotator).result(30)
        labels = dashboard.labels.set_index("id")
        assert list(labels.columns) == ["row", "label", "status", "annotator", "labelled_at", "note"]
        assert labels.loc[asked["id"], ["row", "label", "status", "annotator"]].to_list() == [
            asked["row"], "quasar", "labelled", "ann"
        ]  # fmt: skip
        assert labels.loc["o7", "status"] == "skipped" and labels.loc["o7", "note"] == "a <b>"
        assert str(labels["labelled_at"].dt.tz) == "UTC"
    assert "closed" in repr(dashboard)
    with pytest.raises(OSError):
        urllib.request.urlopen(dashboard.url, timeout=5)

    # The same cell run again goes on where it was; another table is refused.
    with opened(frame, tmp_path) as again:
        assert set(again.labels["id"]) == set(labels.index)
    with pytest.raises(InputError, match="another table"):
        opened(frame.assign(mag=0.0), tmp_path)


def test_without_a_folder_it_is_kept_in_a_temporary_one_that_is_named(frame):
    with rareloop.open(frame, features=["mag", "width"]) as dashboard:
        assert dashboard.folder.is_dir() and str(dashboard.folder) in repr(dashboard)
        assert dashboard.session.phase == "setup"  # no classes were named: the page asks
        assert dashboard.workspace.roles.id != "index"
        assert dashboard.workspace.roles.features == ["mag", "width"]


@pytest.mark.parametrize(
    ("change", "given", "words"),
    [
        (lambda f: f.set_index(["mag", "width"]), {}, "several levels"),
        (
            lambda f: f.rename_axis("word"),
            {},
            "both called 'word'",
        ),
        (lambda f: pd.concat([f, f[["mag"]]], axis=1), {}, "two columns 'mag'"),
        (lambda f: f.assign(odd=[object()] * N), {}, "'odd' cannot be written"),
        (lambda f: f, {"rare": ["comet"]}, "'comet' is looked for"),
        (lambda f: f, {"features": "mag"}, "give a list"),
        (lambda f: f, {"colour": "mag"}, "no argument 'colour'"),
        (lambda f: f.to_dict(), {}, "not a dict"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(frame, tmp_path, change, given, words):
    with pytest.raises(InputError, match=words) as problem:
        opened(change(frame), tmp_path, **given)
    assert "\n" not in str(problem.value)


def test_a_folder_with_something_else_is_left_alone(frame, tmp_path):
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(InputError, match="choose another folder"):
        opened(frame, tmp_path, workspace=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_import_is_light_and_open_is_there():
    code = (
        "import sys, rareloop\n"
        "assert not {'panel', 'pandas', 'numpy', 'bokeh'} & set(sys.modules), 'import rareloop is not light'\n"
        "assert callable(rareloop.open)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.mark.slow
def test_in_a_notebook_a_cell_shows_the_page_and_nothing_else(tmp_path):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    cells = [
        "import pandas as pd, rareloop\n"
        "frame = pd.DataFrame({'mag': range(40), 'width': [i % 7 for i in range(40)]})\n"
        "dashboard = rareloop.open(frame, classes=['star', 'quasar'], workspace='kept')\n"
        "dashboard",
        "print(len(dashboard.labels))\ndashboard.close()",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown, counted = (cell.outputs for cell in notebook.cells)
    assert len(shown) == 1 and "<iframe" in shown[0]["data"]["text/html"]
    assert [output["text"] for output in counted] == ["0\n"]
    assert (tmp_path / "kept" / "workspace.toml").exists()
