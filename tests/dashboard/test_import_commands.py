"""The command import: exit codes, what it says, what it leaves alone, and packages that are gone on with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pyarrow.parquet as pq
import pytest
from rareloop.dashboard import import_commands
from rareloop.dashboard.cli import main
from rareloop.dashboard.handover import make_package, verify_package
from rareloop.dashboard.log_columns import LogColumns
from rareloop.data.bulk import step_events
from rareloop.data.events import class_event
from rareloop.data.import_files import Given
from rareloop.data.imports import LabelPlan
from rareloop.data.labels import Action, Event, fold, new_event_id
from rareloop.data.workspace import Workspace

from .handover_sets import PUBLICATION
from .test_session import opened, survey


@pytest.fixture
def folder(tmp_path):
    """The folder of a workspace with two labels, closed."""
    one = survey(tmp_path)
    say(one, "o1", "star")
    say(one, "o2", "quasar")
    one.close()
    return one.folder


def say(workspace, item, label=None, action=Action.LABEL, annotator="ann", **more):
    event = Event(new_event_id(), action, item, annotator, datetime.now(UTC), label=label, input="key", **more)
    return workspace.log.append(event)[0]


def run(capsys, *arguments):
    """Run a command; returns its exit code, what it wrote and its error."""
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def labels(folder):
    one = Workspace.open(folder)
    found = {i: item.label for i, item in one.log.state().items.items() if item.label is not None}
    one.close()
    return found


def n_events(folder):
    one = Workspace.open(folder)
    n = len(one.log.events())
    one.close()
    return n


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("object,label\no1,star\no3,quasar\no4,star\nx1,star\n")
    return path


def test_labels_are_brought_in_and_a_second_time_there_is_nothing_new(folder, file, capsys):
    code, out, _ = run(capsys, "import", folder, file)
    assert code == 0
    assert "items that get a label: 2, that have it already: 1" in out
    assert "ids that are not in this table: 1 (x1)" in out
    assert labels(folder) == {"o1": "star", "o2": "quasar", "o3": "quasar", "o4": "star"}
    code, out, _ = run(capsys, "import", folder, file)
    assert code == 0 and "nothing new" in out


@pytest.mark.parametrize("flags", [["--dry-run"], ["--dry-run", "--json"]])
def test_a_dry_run_writes_nothing(folder, file, capsys, flags):
    before = n_events(folder), (folder / "workspace.toml").read_bytes()
    code, out, _ = run(capsys, "import", folder, file, *flags)
    assert code == 0
    assert (n_events(folder), (folder / "workspace.toml").read_bytes()) == before
    if "--json" in flags:
        facts = json.loads(out)
        assert (facts["new_labels"], facts["stored_events"], facts["dry_run"]) == (2, 0, True)


def test_conflicts_are_decided_by_the_user(folder, file, capsys):
    file.write_text("object,label\no1,quasar\no3,quasar\n")
    code, out, _ = run(capsys, "import", folder, file)
    assert code == 1
    assert "o1: star → quasar (row 2)" in out and "--conflicts keep" in out
    assert n_events(folder) == 2
    assert run(capsys, "import", folder, file, "--conflicts", "keep")[0] == 0
    assert labels(folder) == {"o1": "star", "o2": "quasar", "o3": "quasar"}
    assert run(capsys, "import", folder, file, "--conflicts", "replace")[0] == 0
    assert labels(folder)["o1"] == "quasar"


def test_classes_that_are_not_here_need_a_word(folder, file, capsys):
    file.write_text("object,label\no3,nova\no4,1\n")
    code, _, err = run(capsys, "import", folder, file)
    assert code == 2 and "the first is 'nova'" in err and "--add-classes" in err
    assert n_events(folder) == 2
    assert run(capsys, "import", folder, file, "--map", "1=star", "--add-classes", "--annotator", "eve")[0] == 0
    assert labels(folder) == {"o1": "star", "o2": "quasar", "o3": "nova", "o4": "star"}
    one = Workspace.open(folder)
    assert [c.name for _, c in one.taxonomy.offered] == ["quasar", "star", "nova"]
    assert one.log.state().items["o3"].event.annotator == "eve"
    one.close()


@pytest.mark.parametrize(
    ("source", "part"),
    [("none.csv", "there is no file"), ("labels.csv", "name it with --label"), (".", "is no package")],
)
def test_what_cannot_be_imported_is_refused(folder, file, capsys, source, part):
    file.write_text("object,mark\no1,star\n")
    code, _, err = run(capsys, "import", folder, file.parent / source)
    assert code == 2 and part in err


def test_a_workspace_that_is_open_elsewhere_or_has_a_campaign_is_left_alone(folder, file, capsys):
    script = (
        "import sys, time; from pathlib import Path; from rareloop.data.workspace import Workspace\n"
        "Workspace.open(Path(sys.argv[1])).lock('http://here'); print('locked', flush=True); time.sleep(600)"
    )
    other = subprocess.Popen([sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE, env=os.environ)
    try:
        assert other.stdout.readline().strip() == b"locked"
        code, _, err = run(capsys, "import", folder, file)
        assert code == 2 and "is open in another rareloop" in err
        assert run(capsys, "import", folder, file, "--dry-run")[0] == 0
    finally:
        other.kill()
        other.wait()
    one = Workspace.open(folder)
    one.campaigns.begin({"strata": {"sizes": [1]}}, [])
    one.close()
    code, _, err = run(capsys, "import", folder, file)
    assert code == 2 and "campaign is under way" in err
    assert n_events(folder) == 2


def test_ctrl_c_before_the_labels_are_stored_writes_nothing(folder, file, capsys, monkeypatch):
    class Interrupted:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def __call__(self, share, text):
            if text == "storing the labels":
                raise KeyboardInterrupt

    from rareloop.dashboard import cli

    monkeypatch.setattr(cli, "Bar", Interrupted)
    assert run(capsys, "import", folder, file)[0] == 130
    assert n_events(folder) == 2
    assert not (folder / "lock.json").exists()


def test_an_import_is_undone_on_the_page_in_one_step(folder, file, capsys):
    file.write_text("object,label,annotator,note\no3,star,eve,hm\no4,star,bob,\no5,quasar,,\n")
    assert run(capsys, "import", folder, file)[0] == 0
    one = opened(Workspace.open(folder))
    columns = LogColumns(one.workspace)
    assert len(one.undo(annotator=one.annotator).result(60).rows) == 3
    assert one.state.counts == {"star": 1, "quasar": 1} and not one.state.notes
    assert len(columns.now().labelled()) == 2
    assert len(one.redo(annotator=one.annotator).result(60).rows) == 3
    assert one.state.counts == {"star": 3, "quasar": 2} and one.state.notes == {"o3": "hm"}
    assert len(columns.now().labelled()) == 5
    assert not columns.now().by_hand[[2, 3]].any()
    one.close()


def test_answers_imports_undos_and_redos_of_two_people_are_counted_alike_everywhere(folder):
    one = Workspace.open(folder)
    log, columns, rng = one.log, LogColumns(one), np.random.default_rng(3)
    for turn in range(400):
        kind, person = rng.choice(["answer", "import", "undo", "undo", "redo"]), str(rng.choice(["ann", "bob"]))
        items = [f"o{i}" for i in rng.choice(12, size=3, replace=False)]
        if kind == "answer":
            say(one, items[0], str(rng.choice(["star", "quasar"])), annotator=person)
        elif kind == "import":
            given = [Given(item, "star", "row", str(rng.choice(["ann", "eve"]))) for item in items]
            plan = LabelPlan("f", "CSV", 3, 0, entries=tuple((each, True, False) for each in given))
            log.append(plan.events("keep", "me"))
        else:
            state, action = log.state(), Action(str(kind))
            newest = state.undoable(person) if kind == "undo" else state.redoable(person)
            if newest is not None:
                batch = state.batch_of(newest, undone=kind == "redo")
                assert len(batch) == (3 if newest.input == "imported" else 1)
                log.append(step_events(action, batch, person, new_event_id()))
        now, items_now = columns.now(), log.state().items
        labelled = {one.ids.text(now.row[place]): now.labels[now.label[place]] for place in now.labelled()}
        assert labelled == {item: state.label for item, state in items_now.items()}, turn
    assert fold(log.events()) == log.state()
    one.close()


def test_an_import_stands_in_a_package_that_passes_its_checks(folder, file, tmp_path, capsys):
    assert run(capsys, "import", folder, file)[0] == 0
    one = Workspace.open(folder)
    one.settings["publication"] = PUBLICATION
    make_package(one, tmp_path / "package")
    one.close()
    rows = [
        row
        for path in (tmp_path / "package/data").glob("*-of-*.parquet")
        for row in pq.read_table(path).to_pylist()
    ]
    said = {row["item_id"]: (row["label_source"], row["selection_mechanism"]) for row in rows}
    assert said["o3"] == ("imported", "imported") and said["o2"][0] == "manual"
    results = {r.title: r.verdict for r in verify_package(tmp_path / "package", None)}
    assert "fail" not in results.values()


# ---- packages ---------------------------------------------------------------------------------------


@pytest.fixture
def colleague(folder, tmp_path):
    """A package that goes on where the workspace stands: more answers, one corrected, one taken back."""
    shutil.copytree(folder, tmp_path / "theirs.rareloop")
    one = Workspace.open(tmp_path / "theirs.rareloop")
    one.change_classes([class_event(Action.CLASS_ADD, "nova", "bob", datetime.now(UTC))])
    say(one, "o3", "quasar", annotator="bob", dwell_ms=900, round=3, strategy="margin", guideline=1)
    say(one, "o4", "nova", annotator="bob")
    say(one, "o5", "star", annotator="bob")
    say(one, "o6", annotator="bob", action=Action.UNSURE)
    say(one, "o3", annotator="bob", action=Action.NOTE, note="look again")
    say(one, "o7", "star", annotator="bob")
    one.log.undo("bob")
    say(one, "o2", "star", annotator="bob")
    one.settings["publication"] = PUBLICATION
    make_package(one, tmp_path / "package", include=["note", "annotators"], draft=True)
    one.close()
    return tmp_path / "package"


def test_a_package_brings_the_history_that_is_not_known_here(folder, colleague, capsys):
    code, out, _ = run(capsys, "import", folder, colleague, "--map", "nova=quasar")
    assert code == 1 and "o2: quasar → star (package)" in out
    command = ("import", folder, colleague, "--map", "nova=quasar", "--conflicts", "replace")
    assert run(capsys, *command)[0] == 0
    expected = {"o1": "star", "o2": "star", "o3": "quasar", "o4": "quasar", "o5": "star"}
    assert labels(folder) == expected
    one = Workspace.open(folder)
    events = one.log.events()
    state = fold(events)
    assert state.notes == {"o3": "look again"} and state.items["o6"].status == "unsure"
    assert "o7" not in state.items and state.n_events_of("o7") == 1
    event = state.items["o3"].event
    assert (event.annotator, event.dwell_ms, event.input) == ("bob", 900, "key")
    assert (event.round, event.guideline, event.strategy) == (None, None, "imported")  # theirs mean nothing here
    one.close()
    code, out, _ = run(capsys, *command)
    assert code == 0 and "nothing new" in out
    assert len(events) == n_events(folder)


def test_a_package_keeps_ours_and_adds_its_classes_when_it_is_told_to(folder, colleague, capsys):
    code, _, err = run(capsys, "import", folder, colleague, "--conflicts", "keep")
    assert code == 2 and "'nova'" in err
    assert run(capsys, "import", folder, colleague, "--conflicts", "keep", "--add-classes")[0] == 0
    assert labels(folder) == {"o1": "star", "o2": "quasar", "o3": "quasar", "o4": "nova", "o5": "star"}


def test_an_export_of_a_package_comes_back_into_a_fresh_workspace(folder, colleague, tmp_path, capsys):
    (tmp_path / "fresh").mkdir()
    fresh = survey(tmp_path / "fresh")
    fresh.close()
    assert run(capsys, "import", fresh.folder, colleague, "--add-classes")[0] == 0
    assert labels(fresh.folder) == labels(tmp_path / "theirs.rareloop")


def test_packages_that_are_newer_or_damaged_are_refused(folder, colleague, capsys):
    before = n_events(folder)
    path = colleague / "data/label_events.parquet"
    content = path.read_bytes()
    path.write_bytes(content[:-20] + b"\0" * 20)
    code, _, err = run(capsys, "import", folder, colleague)
    assert code == 2 and "checksum differs" in err
    path.write_bytes(content)
    provenance = json.loads((colleague / "provenance.json").read_text())
    (colleague / "provenance.json").write_text(json.dumps(provenance | {"package_format": 99}))
    code, _, err = run(capsys, "import", folder, colleague)
    assert code == 2 and "newer rareloop" in err
    assert n_events(folder) == before


def test_what_to_map_is_written_as_pairs(folder, file, capsys):
    assert import_commands._pair("1=relevant,0=") == [("1", "relevant"), ("0", "")]
    with pytest.raises(SystemExit):
        main(["import", str(folder), str(file), "--map", "1"])
    assert "OLD=NEW" in capsys.readouterr().err
