"""The workspace: made, opened, locked, changed underneath, and what is refused."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rareloop.data.errors import InputError
from rareloop.data.labels import Action, Event, new_event_id
from rareloop.data.taxonomy import RESERVED_KEYS, Taxonomy
from rareloop.data.workspace import SCHEMA_VERSION, Workspace, workspace_folder


def table(n=100, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"id": [f"i{i}" for i in range(n)], "x": rng.normal(size=n), "y2": rng.normal(size=n)})


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "survey.csv"
    table().to_csv(path, index=False)
    return path


@pytest.fixture
def workspace(source):
    made = Workspace.create(workspace_folder(source), source)
    made.confirm(made.roles, ["rare", "other"], wanted=["rare"])
    made.prepare()
    yield made
    made.close()


def label(workspace, item, name="rare"):
    now = datetime.now(UTC)
    return workspace.log.append(Event(new_event_id(), Action.LABEL, item, "ann", now, label=name))


def test_it_is_made_beside_the_table_and_opens_as_it_was(workspace, source):
    assert workspace.folder == source.parent / "survey.rareloop"
    label(workspace, "i7")
    again = Workspace.open(workspace.folder)
    assert again.is_ready
    assert again.roles == workspace.roles
    assert again.taxonomy.to_list() == workspace.taxonomy.to_list()
    assert again.features.shape == (100, 2)
    assert again.log.state().items["i7"].label == "rare"
    assert again.notes == []
    again.close()


def test_comments_of_the_user_survive_a_save(workspace):
    path = workspace.folder / "workspace.toml"
    path.write_text("# my own words\n" + path.read_text())
    again = Workspace.open(workspace.folder)
    again.settings["retrain_every"] = 7
    again.save()
    text = path.read_text()
    assert "# my own words" in text
    assert tomllib.loads(text)["settings"]["retrain_every"] == 7


def test_a_changed_table_is_refused_and_can_be_accepted(workspace, source):
    label(workspace, "i3")
    workspace.close()
    changed = table().assign(x=lambda f: f["x"] + 1)
    pd.concat([changed, table(5, 1).assign(id=[f"n{i}" for i in range(5)])]).to_csv(source, index=False)
    with pytest.raises(InputError, match=r"has changed since.*--accept-change"):
        Workspace.open(workspace.folder)
    again = Workspace.open(workspace.folder, accept_change=True)
    assert again.table.n_rows == 105
    assert not again.is_ready  # the features are made anew
    again.prepare()
    assert again.features.shape == (105, 2)
    assert again.log.state().items["i3"].label == "rare"
    again.close()
    Workspace.open(workspace.folder).close()


def test_a_changed_table_that_lost_an_answered_item_is_never_accepted(workspace, source):
    label(workspace, "i3")
    workspace.close()
    table().query("id != 'i3'").to_csv(source, index=False)
    with pytest.raises(InputError, match=r"lost 1 items.*'i3'"):
        Workspace.open(workspace.folder, accept_change=True)
    table().to_csv(source, index=False)
    again = Workspace.open(workspace.folder)
    assert again.is_ready
    assert again.log.state().items["i3"].label == "rare"
    again.close()


def test_a_table_that_is_gone_is_said_and_the_copy_used(workspace, source):
    source.unlink()
    again = Workspace.open(workspace.folder)
    assert again.table.n_rows == 100
    assert "not there any more" in again.notes[0]


def test_a_table_that_was_sent_along_is_found_beside_the_workspace(workspace, source, tmp_path):
    workspace.close()
    elsewhere = tmp_path / "a colleague's"
    elsewhere.mkdir()
    folder = Path(shutil.move(workspace.folder, elsewhere))
    moved = Path(shutil.move(source, elsewhere))
    again = Workspace.open(folder)
    assert (again.source, again.images_root, again.notes) == (moved, elsewhere, [])
    again.close()
    moved.write_text("another table\n1\n")
    assert "not there any more" in Workspace.open(folder).notes[0]


def test_caches_that_were_deleted_are_made_anew(workspace):
    for path in (workspace.folder / "cache").iterdir():
        path.unlink()
    again = Workspace.open(workspace.folder)
    assert again.table.n_rows == 100
    assert not again.is_ready
    again.prepare()
    assert again.is_ready


def test_a_newer_workspace_is_left_alone(workspace):
    path = workspace.folder / "workspace.toml"
    text = re.sub(r"schema_version = \d+", f"schema_version = {SCHEMA_VERSION + 1}", path.read_text())
    path.write_text(text)
    with pytest.raises(InputError, match="newer rareloop"):
        Workspace.open(workspace.folder)
    assert path.read_text() == text


@pytest.mark.parametrize(
    ("content", "part"), [("x = [", "is damaged"), ("a = 1", "no schema_version"), (None, "is no workspace")]
)
def test_what_is_no_workspace_is_said(tmp_path, content, part):
    if content is not None:
        (tmp_path / "workspace.toml").write_text(content)
    with pytest.raises(InputError, match=part):
        Workspace.open(tmp_path)


def test_a_folder_with_something_else_in_it_is_not_taken(tmp_path, source):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="is no workspace"):
        Workspace.create(folder, source)
    assert (folder / "thesis.txt").read_text() == "precious"


def test_a_folder_that_cannot_be_made_is_said(tmp_path, source):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="--workspace"):
        Workspace.create(tmp_path / "file" / "w.rareloop", source)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that nobody can write to")
def test_an_unwritable_folder_is_said(source):
    with pytest.raises(InputError, match=r"cannot be written.*--workspace"):
        Workspace.create(Path("/proc/self/w.rareloop"), source)


def test_a_table_that_cannot_be_read_leaves_no_folder_behind(tmp_path):
    bad = tmp_path / "bad.csv"
    bad.write_text("a,b\n")
    with pytest.raises(InputError):
        Workspace.create(tmp_path / "bad.rareloop", bad)
    assert not (tmp_path / "bad.rareloop").exists()


def test_one_server_at_a_time(workspace):
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    lock = workspace.folder / "lock.json"
    lock.write_text(json.dumps({"pid": other.pid, "url": "http://here/"}))
    with pytest.raises(InputError, match=rf"process {other.pid}, http://here/"):
        workspace.lock("mine")
    other.communicate(b"\n")
    workspace.lock("mine")  # its process is gone: taken over
    assert json.loads(lock.read_text())["pid"] == os.getpid()
    workspace.release()
    assert not lock.exists()


def test_labels_to_start_from_are_entered_once(tmp_path):
    frame = table().assign(label=["quasar" if i == 4 else "star" if i < 30 else None for i in range(100)])
    path = tmp_path / "t.csv"
    frame.to_csv(path, index=False)
    made = Workspace.create(tmp_path / "t.rareloop", path)
    assert made.roles.label_use == "start"
    made.confirm(made.roles, [])
    for _ in range(2):
        made.prepare()
    assert made.log.state().counts == {"star": 29, "quasar": 1}
    assert {e.input for e in made.log.events()} == {"table"}
    assert made.truth() is not None
    made.close()


@pytest.mark.parametrize(
    ("classes", "wanted", "part"),
    [(["a"], [], "at least two"), (["a", "a"], [], "two classes named 'a'"), (["a", " "], [], "needs a name"),
     (["a", "b"], ["c"], "'c' is looked for")],
)  # fmt: skip
def test_classes_that_cannot_be_are_refused_and_nothing_changes(source, classes, wanted, part):
    made = Workspace.create(workspace_folder(source), source)
    with pytest.raises(InputError, match=part):
        made.confirm(made.roles, classes, wanted=wanted)
    assert not Workspace.open(made.folder).is_confirmed


def test_keys_are_the_names_where_names_are_single_characters():
    assert [c.key for c in Taxonomy(["3", "a", "7"])] == ["3", "a", "7"]
    assert [c.key for c in Taxonomy(["star", "b"])] == ["1", "2"]
    assert [c.key for c in Taxonomy(["u", "a"])] == ["1", "2"]  # u is taken by 'unsure'
    many = Taxonomy([f"c{i}" for i in range(13)])
    keys = [c.key for c in many if c.key]
    assert len(set(keys)) == len(keys) == 10
    assert not set(keys) & RESERVED_KEYS
    assert many.add("late").key == ""


def test_a_wanted_class_has_a_colour_of_its_own():
    taxonomy = Taxonomy([f"c{i}" for i in range(8)], wanted=["c3"])
    colours = [c.colour for c in taxonomy]
    assert colours.count(taxonomy[3].colour) == 1


def test_other_roles_get_other_features(workspace):
    roles = workspace.roles
    roles.features = ["x"]
    workspace.confirm(roles, ["rare", "other"])
    assert not workspace.is_ready
    workspace.prepare()
    assert workspace.features.shape == (100, 1)
    assert workspace.feature_report.names == ["x"]


@pytest.mark.parametrize("name", ["table.arrow", "features.npy"])
def test_a_cache_that_was_cut_short_is_made_anew(workspace, name):
    label(workspace, "i7")
    workspace.close()
    path = workspace.folder / "cache" / name
    path.write_bytes(path.read_bytes()[:90])
    again = Workspace.open(workspace.folder)
    again.prepare()
    assert again.is_ready
    assert again.features.shape == (100, 2)
    assert again.log.state().items["i7"].label == "rare"
    again.close()


def test_what_a_killed_import_left_does_not_stop_the_next(source):
    folder = workspace_folder(source)
    (folder / "cache").mkdir(parents=True)
    (folder / "cache" / "table.arrow.partial").write_bytes(b"half")
    (folder / "workspace.toml.partial").write_bytes(b"schema_ver")
    assert Workspace.create(folder, source).table.n_rows == 100


def test_row_numbers_never_slip_to_other_rows(tmp_path):
    source = tmp_path / "t.csv"
    frame = table().drop(columns="id")
    frame.to_csv(source, index=False)
    made = Workspace.create(tmp_path / "t.rareloop", source)
    assert made.roles.id is None
    made.confirm(made.roles, ["rare", "other"])
    label(made, "3")
    made.close()
    pd.concat([frame.iloc[:1], frame]).to_csv(source, index=False)  # a row put in before it
    with pytest.raises(InputError, match="row numbers are the identifiers"):
        Workspace.open(made.folder, accept_change=True)
    pd.concat([frame, frame.iloc[:1]]).to_csv(source, index=False)  # a row put after it
    again = Workspace.open(made.folder, accept_change=True)
    assert again.table.n_rows == 101
    again.close()


def test_identifiers_cannot_be_changed_under_answers(workspace):
    label(workspace, "i3")
    roles = workspace.roles
    roles.id = None
    with pytest.raises(InputError, match=r"lost 1 items.*'i3'"):
        workspace.confirm(roles, ["rare", "other"])


def test_labels_to_start_from_never_replace_an_answer(tmp_path):
    frame = table().assign(label=["star" if i % 2 else "quasar" if i < 50 else None for i in range(100)])
    frame.to_csv(tmp_path / "t.csv", index=False)
    made = Workspace.create(tmp_path / "t.rareloop", tmp_path / "t.csv")
    made.confirm(made.roles, [])
    label(made, "i1", "quasar")
    for _ in range(2):
        made.prepare()
    assert made.log.state().items["i1"].label == "quasar"
    assert made.log.state().n_events == 75
    made.close()


@pytest.mark.parametrize(
    ("old", "new"), [("[source]", "[sauce]"), ('path = "', 'size_ = "'), ("created_at", "made_at")]
)
def test_settings_that_lost_something_are_said(workspace, old, new):
    path = workspace.folder / "workspace.toml"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(InputError, match=r"is damaged.*labels are safe"):
        Workspace.open(workspace.folder)


def test_comments_inside_the_settings_survive_a_change_beside_them(workspace):
    workspace.settings = {"a": 1, "b": 2}
    workspace.save()
    path = workspace.folder / "workspace.toml"
    path.write_text(path.read_text().replace("a = 1", "a = 1 # because"))
    workspace.settings = {"a": 1, "c": 3}
    workspace.save()
    assert "a = 1 # because" in path.read_text()
    assert tomllib.loads(path.read_text())["settings"] == {"a": 1, "c": 3}


def test_a_lock_of_a_process_whose_number_was_given_away_is_taken_over(workspace):
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    held = {"pid": other.pid, "url": "http://here/", "started": "another boot 1"}
    (workspace.folder / "lock.json").write_text(json.dumps(held))
    if os.path.exists("/proc/self/stat"):
        workspace.lock("mine")
        workspace.release()
    other.communicate(b"\n")


def test_a_start_that_was_killed_at_any_moment_can_be_done_again(source):
    program = (
        "import sys; from pathlib import Path; from rareloop.data.workspace import Workspace, workspace_folder\n"
        "source = Path(sys.argv[1]); folder = workspace_folder(source)\n"
        "print('go', flush=True)\n"
        "is_made = (folder / 'workspace.toml').exists()\n"
        "made = Workspace.open(folder) if is_made else Workspace.create(folder, source)\n"
        "made.confirm(made.roles, ['a', 'b']); made.prepare()\n"
    )
    for wait in (0.0, 0.005, 0.01, 0.02, 0.04):
        victim = subprocess.Popen([sys.executable, "-c", program, str(source)], stdout=subprocess.PIPE)
        victim.stdout.readline()
        time.sleep(wait)
        victim.kill()
        victim.communicate()
    assert subprocess.run([sys.executable, "-c", program, str(source)]).returncode == 0
    again = Workspace.open(workspace_folder(source))
    assert again.is_ready
    assert again.features.shape == (100, 2)
