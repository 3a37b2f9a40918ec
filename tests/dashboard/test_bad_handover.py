"""What cannot be handed over is refused in one sentence with exit code 2, and nothing is written over."""

from __future__ import annotations

import errno
import json
import shutil

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rareloop.dashboard.cli import main
from rareloop.data.errors import InputError
from rareloop.data.events import class_event
from rareloop.data.export import formats, package, spool, writing
from rareloop.data.labels import Action
from rareloop.data.workspace import Workspace

from .handover_sets import made_package
from .test_session import survey

SUFFIXES = tuple(formats.FORMATS)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Not to be changed."""
    return made_package(tmp_path_factory.mktemp("made"))


@pytest.fixture
def folder(made, tmp_path):
    """A copy of the workspace, to be changed."""
    return shutil.copytree(made.folder / "survey.rareloop", tmp_path / "survey.rareloop")


def refused(capsys, *arguments):
    """The one sentence that a command says when it refuses."""
    assert main([str(one) for one in arguments]) == 2
    said = capsys.readouterr()
    sentence = said.err.splitlines()[-1]
    assert sentence.startswith("rareloop: ")
    assert "Traceback" not in said.err
    return sentence


def content(path):
    """Everything in a folder but the database, whose side files come and go."""
    files = (p for p in path.rglob("*") if p.is_file() and "labels.db" not in p.name)
    return {str(p.relative_to(path)): p.read_bytes() for p in files}


@pytest.mark.parametrize("suffix", [*SUFFIXES, ""])
def test_without_labels_nothing_is_written(tmp_path, capsys, suffix):
    survey(tmp_path).close()
    target = tmp_path / f"out{suffix}"
    flags = [] if suffix else ["--format", "package", "--draft"]
    assert "has no labels yet" in refused(capsys, "export", tmp_path / "survey.rareloop", "--to", target, *flags)
    assert not target.exists()


def test_without_a_licence_the_command_says_which_flag(folder, tmp_path, capsys):
    workspace = Workspace.open(folder)
    del workspace.settings["publication"]["licence"]
    workspace.save()
    workspace.close()
    assert "--licence" in refused(capsys, "export", folder, "--to", tmp_path / "out", "--format", "package")
    assert not (tmp_path / "out").exists()


def test_a_folder_with_something_in_it_is_left_as_it_is(folder, made, tmp_path, capsys):
    target = shutil.copytree(made.folder / "package", tmp_path / "out")
    before = content(target)
    sentence = refused(capsys, "export", folder, "--to", target, "--format", "package")
    assert "exists and is not empty" in sentence
    assert content(target) == before


class FullDisk:
    """A file on a disk that has room for so many bytes."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def write(self, data):
        self.room -= memoryview(data).nbytes if not isinstance(data, str) else len(data.encode())
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.file.write(data)

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()


def fill_disk(monkeypatch, room):
    """Let the disk be full after so many bytes of the file that is written."""
    opened = formats.Path.open

    def open_(path, mode="r", *arguments, **named):
        file = opened(path, mode, *arguments, **named)
        return FullDisk(file, room) if path.name.endswith(".partial") and "w" in mode else file

    monkeypatch.setattr(formats.Path, "open", open_)
    writer = pq.ParquetWriter

    class Writer(writer):
        def __init__(self, path, *arguments, **named):
            sink = FullDisk(opened(path, "wb"), room)
            super().__init__(sink, *arguments, **named)

    for module in (formats, writing):
        monkeypatch.setattr(module.pq, "ParquetWriter", Writer)


@pytest.mark.parametrize("room", [0, 1_000])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_disk_that_fills_keeps_the_old_file(folder, tmp_path, capsys, monkeypatch, suffix, room):
    target = tmp_path / f"out{suffix}"
    target.write_text("the one before")
    names = sorted(path.name for path in tmp_path.iterdir())
    fill_disk(monkeypatch, room)
    assert "No space left on device" in refused(capsys, "export", folder, "--to", target)
    assert target.read_text() == "the one before"
    assert sorted(path.name for path in tmp_path.iterdir()) == names


@pytest.mark.parametrize("suffix", [".fits", ".vot"])
def test_a_disk_that_fills_while_rows_are_kept_for_a_second_reading(folder, tmp_path, capsys, monkeypatch, suffix):
    made = spool.tempfile.TemporaryFile
    monkeypatch.setattr(spool.tempfile, "TemporaryFile", lambda **where: FullDisk(made(**where), 1_000))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert "No space left on device" in refused(capsys, "export", folder, "--to", tmp_path / f"out{suffix}")
    assert sorted(path.name for path in tmp_path.iterdir()) == names


@pytest.mark.parametrize("room", [0, 3_000])
def test_a_disk_that_fills_leaves_no_half_of_a_package(folder, tmp_path, capsys, monkeypatch, room):
    before = content(folder), sorted(path.name for path in tmp_path.iterdir())
    fill_disk(monkeypatch, room)
    sentence = refused(capsys, "export", folder, "--to", tmp_path / "out", "--format", "package")
    assert "No space left on device" in sentence
    assert (content(folder), sorted(path.name for path in tmp_path.iterdir())) == before


def test_a_disk_that_fills_at_the_last_step_leaves_no_half_of_a_package(folder, tmp_path, capsys, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    names = sorted(path.name for path in tmp_path.iterdir())
    monkeypatch.setattr(package, "_sync", full)
    refused(capsys, "export", folder, "--to", tmp_path / "out", "--format", "package")
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_a_version_that_cannot_be_remembered_says_where_the_package_is(folder, tmp_path, capsys):
    workspace = Workspace.open(folder)
    workspace.settings["publication"]["contact"] = "bob@example.org"
    workspace.save()
    workspace.close()
    shutil.rmtree(folder / "releases")
    (folder / "releases").write_text("no folder")
    sentence = refused(capsys, "export", folder, "--to", tmp_path / "out", "--format", "package")
    assert "the package was made" in sentence and "--previous" in sentence
    assert main(["verify", str(tmp_path / "out")]) == 0


def test_a_class_that_was_renamed_makes_a_new_version_and_diff_says_so(made, folder, tmp_path, capsys):
    workspace = Workspace.open(folder)
    moment = workspace.log.events()[-1].created_at
    for one in list(workspace.taxonomy):
        workspace.log.append(
            class_event(Action.CLASS_ADD, one.name, "ann", moment, {"base": True, "wanted": one.wanted})
        )
    workspace.log.append(class_event(Action.CLASS_RENAME, "quasar", "ann", moment, {"to": "active nucleus"}))
    workspace.close()
    arguments = ["export", folder, "--to", tmp_path / "next", "--format", "package"]
    assert main([str(one) for one in arguments]) == 0
    assert "version 2.0.0" in capsys.readouterr().out
    assert main(["diff", str(made.folder / "package"), str(tmp_path / "next"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["level"] == "major"
    assert {(old, new) for _, old, new in facts["relabelled"]} == {("quasar", "active nucleus")}
    words = (
        f"{len(facts['relabelled'])} labels changed: {len(facts['relabelled'])} from 'quasar' to 'active nucleus'."
    )
    assert words in facts["sentences"]
    assert words in (tmp_path / "next" / "CHANGELOG.md").read_text()


def test_items_of_machine_labels_that_come_twice_are_refused(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(writing, "MOST_ROWS", 2)
    path = tmp_path / "machine.parquet"
    for items in (["o1", "o2", "o3", "o1"], ["o4", "o4"]):
        pq.write_table(pa.table({"item_id": items, "machine_label": ["star"] * len(items)}), path)
        target = tmp_path / "out"
        flags = ["--format", "package", "--machine-labels", path]
        assert f"'{items[-1]}' twice" in refused(capsys, "export", folder, "--to", target, *flags)
        assert not target.exists()


def test_identifiers_that_are_not_unique_any_more_are_refused(made, tmp_path, capsys):
    shutil.copytree(made.folder, tmp_path / "here")
    folder = tmp_path / "here" / "survey.rareloop"
    workspace = Workspace.open(folder)
    source, name = workspace.source, workspace.roles.id
    workspace.close()
    changed = tmp_path / "here" / source.name
    settings = (folder / "workspace.toml").read_text().replace(str(source), str(changed))
    (folder / "workspace.toml").write_text(settings)
    frame = pd.read_csv(changed)
    frame.loc[1, name] = frame.loc[0, name]
    frame.to_csv(changed, index=False)
    before = content(folder)
    sentence = refused(capsys, "export", folder, "--to", tmp_path / "out.csv")
    assert "has changed" in sentence
    assert not (tmp_path / "out.csv").exists()
    with pytest.raises(InputError, match=f"'{frame.loc[0, name]}' in the rows 0 and 1"):
        Workspace.open(folder, accept_change=True)
    assert content(folder) == before


def test_a_package_before_of_a_newer_rareloop_is_refused(made, folder, tmp_path, capsys):
    newer = shutil.copytree(made.folder / "package", tmp_path / "newer")
    document = json.loads((newer / "provenance.json").read_text())
    (newer / "provenance.json").write_text(json.dumps(document | {"package_format": 99}))
    flags = ["--format", "package", "--previous", newer]
    assert "newer rareloop" in refused(capsys, "export", folder, "--to", tmp_path / "out", *flags)
    assert "newer rareloop" in refused(capsys, "diff", made.folder / "package", newer)
    assert not (tmp_path / "out").exists()
