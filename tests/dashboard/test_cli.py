"""The command line: what it prints, what it writes, and one sentence with exit code 2 for bad input."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from rareloop.dashboard import cli
from rareloop.data.labels import Action, Event, new_event_id
from rareloop.data.workspace import Workspace, workspace_folder
from rareloop.strategies import STRATEGIES


@pytest.fixture
def source(tmp_path):
    rng = np.random.default_rng(0)
    n = 600
    y = (np.arange(n) % 20 == 0).astype(int)
    numbers = {"a": rng.normal(size=n) + 3 * y, "b": rng.normal(size=n)}
    frame = pd.DataFrame({"id": [f"i{i}" for i in range(n)], **numbers,
                          "text": [f"words and words number {i} about a thing or two" for i in range(n)],
                          "kind": np.where(y == 1, "rare", "common"), "flat": 1.0})  # fmt: skip
    frame.loc[7, "b"] = np.nan
    path = tmp_path / "survey.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.fixture
def served(monkeypatch):
    """What would be served, instead of serving it."""
    calls = []
    monkeypatch.setattr(cli, "run_server", lambda workspace, options: calls.append((workspace, options)))
    return calls


def refused(capsys, *arguments) -> str:
    """Run a command that must be refused; returns its sentence."""
    assert cli.main([str(a) for a in arguments]) == 2
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if line.startswith("rareloop: ")]
    assert len(lines) == 1
    assert "Traceback" not in captured.err
    return lines[0]


def test_serve_guesses_the_roles_and_asks(source, served):
    assert cli.main(["serve", str(source)]) == 0
    workspace, _ = served[0]
    assert not workspace.is_confirmed
    assert workspace.folder == workspace_folder(source)
    assert (workspace.roles.id, workspace.roles.label) == ("id", "kind")


def test_flags_say_the_same_and_skip_the_set_up_page(source, served):
    flags = ["--id", "id", "--features", "a,b", "--classes", "rare,common", "--rare", "rare", "--text", "text"]
    assert cli.main(["serve", str(source), *flags]) == 0
    workspace, _ = served[0]
    assert workspace.is_confirmed
    assert workspace.roles.features == ["a", "b"]
    assert workspace.roles.label_use == "ignore"
    assert [(c.name, c.wanted) for c in workspace.taxonomy] == [("rare", True), ("common", False)]


def test_a_label_column_gives_the_classes_and_the_labels_to_start_from(source, served):
    assert cli.main(["serve", str(source), "--label", "kind", "--rare", "rare"]) == 0
    workspace, _ = served[0]
    assert workspace.is_confirmed
    assert workspace.roles.label_use == "start"
    assert set(workspace.taxonomy.names) == {"rare", "common"}
    assert "kind" not in workspace.roles.features + workspace.roles.shown


def test_serve_goes_on_with_the_workspace_of_a_table(source, served):
    cli.main(["serve", str(source), "--classes", "x,y"])
    assert cli.main(["serve", str(source)]) == 0
    assert cli.main(["serve", str(workspace_folder(source))]) == 0
    assert all(workspace.taxonomy.names == ["x", "y"] for workspace, _ in served)


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (["--id", "kind", "--classes", "a,b"], "'kind'"),
        (["--id", "nope", "--classes", "a,b"], "no column 'nope'"),
        (["--features", "text", "--classes", "a,b"], "'text' is text"),
        (["--features", "a,flat", "--classes", "a,b"], "'flat' is constant"),
        (["--classes", "a"], "two classes"),
        (["--classes", "a,b", "--rare", "c"], "'c'"),
        (["--images", "no-such-folder"], "no-such-folder"),
    ],
)
def test_flags_that_do_not_fit_are_refused(source, served, capsys, flags, part):
    assert part in refused(capsys, "serve", source, *flags)
    assert served == []


def test_roles_are_not_changed_once_confirmed(source, served, capsys):
    cli.main(["serve", str(source), "--classes", "x,y"])
    assert "--workspace" in refused(capsys, "serve", source, "--classes", "p,q")


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [("none.csv", None, "no file"), ("t.json", "[]", "no format"), ("t.csv", "a,b\n", "is empty")],
)
def test_tables_that_cannot_be_read_are_refused(tmp_path, served, capsys, name, content, part):
    if content is not None:
        (tmp_path / name).write_text(content)
    assert part in refused(capsys, "serve", tmp_path / name)


def test_a_changed_table_is_refused_on_the_command_line(source, served, capsys):
    cli.main(["serve", str(source), "--classes", "x,y"])
    source.write_text(source.read_text() + "i9999,1,2,t,common,1.0\n")
    assert "--accept-change" in refused(capsys, "serve", source)
    assert cli.main(["serve", str(source), "--accept-change"]) == 0


def test_a_port_in_use_is_refused(source, capsys):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        message = refused(capsys, "serve", source, "--classes", "x,y", "--no-show", "--port", port)
    assert str(port) in message
    assert "--port" in message


def test_other_machines_need_a_password(source, capsys, monkeypatch):
    monkeypatch.delenv("RARELOOP_PASSWORD", raising=False)
    message = refused(capsys, "serve", source, "--classes", "x,y", "--no-show", "--address", "0.0.0.0")
    assert "RARELOOP_PASSWORD" in message


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (["--classifier", "nope"], "no classifier 'nope'"),
        (["--classifier", "no_such_module:thing"], "no_such_module"),
        (["--strategy", "nope"], "no strategy 'nope'"),
        (["--layout", "nope"], "no layout 'nope'"),
    ],
)
def test_names_that_do_not_exist_are_refused(source, capsys, flags, part):
    assert part in refused(capsys, "serve", source, "--classes", "x,y", "--no-show", *flags)


def test_the_help_names_every_strategy(capsys):
    with pytest.raises(SystemExit):
        cli.main(["serve", "--help"])
    words = capsys.readouterr().out.replace(",", " ").split()
    assert set(STRATEGIES) <= set(words)


@pytest.fixture
def labelled(source):
    workspace = Workspace.create(workspace_folder(source), source)
    workspace.confirm(workspace.roles, ["rare", "common"], wanted=["rare"])
    workspace.prepare()
    for number in range(3):
        workspace.log.append(
            Event(
                new_event_id(),
                Action.LABEL,
                f"i{number}",
                "ann",
                datetime.now(UTC),
                label="rare" if number else "common",
            )
        )
    workspace.close()
    return workspace.folder


def test_info_counts(labelled, capsys):
    assert cli.main(["info", str(labelled)]) == 0
    assert "2 labels  (looked for)" in capsys.readouterr().out
    assert cli.main(["info", str(labelled), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["items"] == 600
    assert facts["labels"] == {"rare": 2, "common": 1}
    assert facts["rounds"] == 0
    assert facts["events"] == 3
    assert facts["last_event"]
    assert (facts["audit"], facts["certificates"], facts["campaign"]) == (None, [], None)


def test_lines_that_nobody_reads_end_no_command(labelled):
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "rareloop", "info", str(labelled)]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_info_tells_of_audit_and_certificates(labelled, capsys):
    workspace = Workspace.open(labelled)
    workspace.audits.begin(7, workspace.table.n_rows)
    workspace.campaigns.begin({}, [])
    workspace.campaigns.end(1, "done", {"version": 1})
    workspace.campaigns.begin({}, [])
    workspace.close()
    assert cli.main(["info", str(labelled)]) == 0
    printed = capsys.readouterr().out
    assert "sealed audit: 0 answers since 20" in printed
    assert "certificates: 1\n" in printed
    assert "campaign 2 is under way" in printed


def test_check_passes_warns_and_fails(labelled, capsys):
    assert cli.main(["check", str(labelled)]) == 0  # a class with few labels is a warning
    printed = capsys.readouterr().out
    assert "warning  class counts" in printed
    assert "failed" not in printed
    assert cli.main(["check", str(labelled), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["counts"]["warn"] >= 1
    assert report["findings"][0]["details"]["labels"] == {"rare": 2, "common": 1}


def test_check_ends_with_one_when_a_check_fails(source, capsys):
    workspace = Workspace.create(workspace_folder(source), source)
    assert "rareloop serve" in refused(capsys, "check", workspace.folder)
    workspace.confirm(workspace.roles, ["rare", "common"], wanted=["rare"])
    workspace.prepare()
    workspace.log.append([
        Event(new_event_id(), Action.LABEL, f"i{i}", "ann", datetime.now(UTC), label="common") for i in range(12)
    ])  # fmt: skip
    workspace.close()
    assert cli.main(["check", str(workspace.folder)]) == 1
    assert "failed   class counts" in capsys.readouterr().out
    assert "no workspace" in refused(capsys, "check", source.parent)


def test_export_writes_what_was_labelled(labelled, tmp_path, capsys):
    assert cli.main(["export", str(labelled), "--to", str(tmp_path / "out.csv")]) == 0
    assert pd.read_csv(tmp_path / "out.csv")["label"].tolist() == ["common", "rare", "rare"]
    assert "3 labelled items" in capsys.readouterr().out
    assert "no known format" in refused(capsys, "export", labelled, "--to", tmp_path / "out.doc")
    assert "no workspace" in refused(capsys, "export", tmp_path, "--to", tmp_path / "out.csv")


def test_simulate_writes_a_row_a_round_and_prints_a_table(source, tmp_path, capsys):
    output = tmp_path / "runs.parquet"
    flags = ["--label", "kind", "--rare", "rare", "--strategy", "top,random", "--labels", "60", "--seeds", "2"]
    assert cli.main(["simulate", str(source), *flags, "--output", str(output), "--jobs", "1"]) == 0
    frame = pd.read_parquet(output)
    wanted = {"strategy", "classifier", "seed", "round", "n_labels", "n_found", "n_total", "average_precision",
              "f1", "seconds_fit", "seconds_query"}  # fmt: skip
    assert wanted <= set(frame.columns)
    assert frame.groupby(["strategy", "seed"])["n_labels"].max().eq(60).all()
    last = frame[frame["n_labels"] == 60].groupby("strategy")["n_found"].mean()
    assert last["top"] > last["random"]
    printed = capsys.readouterr().out
    assert "top" in printed
    assert "±" in printed


def test_simulations_do_not_depend_on_how_many_run_at_a_time(source, tmp_path):
    frames = []
    for jobs in ("1", "2"):
        output = tmp_path / f"{jobs}.csv"
        cli.main(["simulate", str(source), "--label", "kind", "--labels", "40", "--seeds", "2", "--jobs", jobs,
                  "--output", str(output)])  # fmt: skip
        frames.append(pd.read_csv(output).drop(columns=["seconds_fit", "seconds_query"]))
    pd.testing.assert_frame_equal(*frames)


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (["--label", "nope"], "'nope'"),
        (["--label", "kind", "--rare", "nope"], "no class 'nope'"),
        (["--label", "kind", "--strategy", "nope"], "no strategy 'nope'"),
        (["--label", "kind", "--labels", "0"], "--labels"),
        (["--label", "kind", "--output", "runs.txt"], ".parquet or .csv"),
        (["--label", "flat"], "'flat'"),
    ],
)
def test_simulations_that_make_no_sense_are_refused(source, capsys, flags, part):
    assert part in refused(capsys, "simulate", source, *flags)


def test_demo_makes_its_table_and_classes(tmp_path, served):
    assert cli.main(["demo", "--workspace", str(tmp_path / "demo")]) == 0
    workspace, _ = served[0]
    assert workspace.is_confirmed
    assert [c.name for c in workspace.taxonomy if c.wanted] == ["8"]
    assert [c.key for c in workspace.taxonomy] == list("0123456789")
    assert workspace.roles.label_use == "truth"
    assert cli.main(["demo", "sky", "--rows", "2000", "--workspace", str(tmp_path / "demo")]) == 0
    assert served[1][0].table.n_rows == 2000
