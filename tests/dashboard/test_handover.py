"""Packages: what is in them, that they are the same each time, versions, and what the commands say."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rareloop.dashboard.cli import main
from rareloop.dashboard.handover import duplicate_groups, make_package, samples_of, verify_package
from rareloop.data.bulks import BulkRecord
from rareloop.data.errors import InputError
from rareloop.data.events import class_event
from rareloop.data.export.checklist import what_is_missing
from rareloop.data.export.files import facts_in
from rareloop.data.export.reading import read_release
from rareloop.data.labels import Action, Event, new_event_id
from rareloop.data.workspace import Workspace

from .handover_sets import curated, made_package
from .test_session import TWINS, survey


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Not to be changed."""
    return made_package(tmp_path_factory.mktemp("made"))


@pytest.fixture
def workspace(made, tmp_path):
    """A copy of the workspace, to be changed."""
    shutil.copytree(made.folder / "survey.rareloop", tmp_path / "survey.rareloop")
    one = Workspace.open(tmp_path / "survey.rareloop")
    yield one
    one.close()


def rows(folder, name):
    return pq.read_table(folder / name).to_pylist()


def splits(folder):
    paths = sorted((folder / "data").glob("t*-*.parquet")) + sorted((folder / "data").glob("validation-*"))
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


def held_out(folder):
    path = folder / "data" / "held_out.parquet"
    return pq.read_table(path).to_pylist() if path.exists() else []


def say(workspace, item, label, annotator="ann"):
    now = max(event.created_at for event in workspace.log.events())
    workspace.log.append(Event(new_event_id(), Action.LABEL, item, annotator, now, label=label, input="key"))


def test_test_rows_are_of_samples_and_nothing_else_has_a_probability(made):
    samples = {(r["sample"], r["item_id"]): r for r in rows(made.folder / "package", "data/samples.parquet")}
    assert {name for name, _ in samples} == {"audit-1", "campaign-1"}
    for row in splits(made.folder / "package"):
        if row["split"] == "test":
            member = samples[row["sample"], row["item_id"]]
            assert row["inclusion_prob"] == member["inclusion_prob"]
            assert (row["sample_weight"] is None) == member["reached"]
        else:
            assert row["inclusion_prob"] is None and row["sample"] is None


def test_weights_of_a_campaign_add_up_to_what_it_was_drawn_from(made):
    package = made.folder / "package"
    drawn = [r for r in rows(package, "data/samples.parquet") if r["sample"] == "campaign-1"]
    design = json.loads((package / "provenance.json").read_text())["samples"][1]
    assert sum(1 / row["inclusion_prob"] for row in drawn) == pytest.approx(design["n_rest"])


def test_what_a_user_computes_from_the_audit_is_what_the_estimates_say(tmp_path):
    workspace, _ = curated(tmp_path, campaign=0)
    make_package(workspace, tmp_path / "package")
    known = splits(tmp_path / "package") + held_out(tmp_path / "package")
    drawn = [row for row in known if row["sample_weight"] is not None]
    others = [row for row in known if row["sample_weight"] is None]
    n_rest = workspace.table.n_rows - len(others) - len(rows(tmp_path / "package", "data/unresolved.parquet"))
    share = sum(row["sample_weight"] for row in drawn if row["label"] == "star")
    share /= sum(row["sample_weight"] for row in drawn)
    total = share * n_rest + sum(row["label"] == "star" for row in others)
    metrics = rows(tmp_path / "package", "metrics.parquet")
    said = [m["estimate"] for m in metrics if (m["class"], m["measure"]) == ("star", "total")]
    assert total == pytest.approx(said[-1], abs=6)  # rounds do not see the very last answers


def test_near_duplicates_of_test_items_are_held_out(made):
    held = {row["item_id"]: row for row in rows(made.folder / "package", "data/held_out.parquet")}
    tested = {row["duplicate_group"] for row in splits(made.folder / "package") if row["split"] == "test"} - {None}
    for row in splits(made.folder / "package"):
        assert row["split"] == "test" or row["duplicate_group"] not in tested
    assert all(row["duplicate_group"] in tested for row in held.values())


def test_items_with_equal_features_are_one_group_named_after_the_first(workspace):
    first, others = next(iter(TWINS.items()))
    items = [f"o{row}" for row in (first, *others, 200)]
    assert duplicate_groups(workspace, items[::-1]) == dict.fromkeys(items[:-1], f"o{first}")


def test_what_nobody_can_use_is_apart_and_notes_and_names_stay_at_home(made):
    package = made.folder / "package"
    unresolved = {row["item_id"]: row["reason"] for row in rows(package, "data/unresolved.parquet")}
    items = made.items
    assert unresolved == {items["unsure"]: "unsure", items["flagged"]: "flagged", items["disputed"]: "conflict"}
    names = {row["item_id"] for row in splits(package)}
    assert not names & ({*items.values()} - {items["agreed"]})
    assert items["agreed"] in names
    for path in package.rglob("*"):
        if path.is_file():
            assert b"private remark" not in path.read_bytes()
    assert {row["annotator"] for row in rows(package, "data/label_events.parquet")} == {"a1", "a2"}


def test_agreement_counts_those_who_looked(made):
    row = next(row for row in splits(made.folder / "package") if row["item_id"] == made.items["agreed"])
    assert (row["label"], row["label_status"], row["n_annotators"], row["agreement"]) == (
        "star",
        "consensus",
        2,
        1,
    )


def test_undone_answers_stay_in_the_history(made):
    events = rows(made.folder / "package", "data/label_events.parquet")
    about = [e for e in events if e["item_id"] == made.items["undone"]]
    assert [e["action"] for e in about] == ["label", "undo"]
    assert about[1]["target_event_id"] == about[0]["event_id"]


def test_notes_and_names_are_handed_over_when_they_are_asked_for(workspace, tmp_path):
    make_package(workspace, tmp_path / "open", include=("note", "annotators"))
    events = rows(tmp_path / "open", "data/label_events.parquet")
    assert {e["annotator"] for e in events} == {"ann", "bob"}
    assert "private remark" in {e["note"] for e in events}


def test_the_same_state_gives_the_same_bytes(workspace, made, tmp_path):
    make_package(workspace, tmp_path / "again")
    assert facts_in(tmp_path / "again") == facts_in(made.folder / "package")


def test_a_package_passes_its_own_checks(made):
    results = verify_package(made.folder / "package", made.folder / "survey.rareloop")
    assert [r.number for r in results] == list(range(1, 12))
    assert [r for r in results if r.verdict == "fail"] == []


def test_a_target_that_is_not_empty_is_refused_and_left_alone(workspace, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("x")
    with pytest.raises(InputError, match="not empty"):
        make_package(workspace, tmp_path / "full")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine"]
    (tmp_path / "empty").mkdir()
    make_package(workspace, tmp_path / "empty")
    assert (tmp_path / "empty" / "README.md").exists()


def test_a_full_disk_leaves_nothing(workspace, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr("rareloop.data.export.package.write_text", full)
    with pytest.raises(InputError, match="No space left"):
        make_package(workspace, tmp_path / "out")
    assert sorted(tmp_path.iterdir()) == before


def test_without_a_licence_there_are_drafts_alone(workspace, tmp_path):
    del workspace.settings["publication"]["licence"]
    with pytest.raises(InputError, match=r"rareloop describe .* --licence"):
        make_package(workspace, tmp_path / "out")
    written = make_package(workspace, tmp_path / "draft", draft=True)
    assert written.release.version == "1.0.1-draft"
    assert "This is a draft" in (tmp_path / "draft" / "README.md").read_text()
    licence = next(r for r in verify_package(tmp_path / "draft") if r.number == 10)
    assert licence.verdict == "fail" and "draft" in licence.sentence


def test_a_workspace_without_labels_has_nothing_to_hand_over(tmp_path):
    with pytest.raises(InputError, match="no labels yet"):
        make_package(survey(tmp_path), tmp_path / "out", draft=True)


# ---- versions ---------------------------------------------------------------------------------------


def test_a_version_grows_by_what_changed(workspace, made, tmp_path):
    said = workspace.settings["publication"]
    said["contact"] = "bob@example.org"
    assert make_package(workspace, tmp_path / "patch").release.version == "1.0.1"
    say(workspace, made.items["fresh"], "star")
    minor = make_package(workspace, tmp_path / "minor")
    assert minor.release.version == "1.1.0"
    assert minor.change.added == (made.items["fresh"],)
    say(workspace, made.items["fresh"], "quasar")
    major = make_package(workspace, tmp_path / "major")
    assert major.release.version == "2.0.0"
    assert major.change.relabelled == ((made.items["fresh"], "star", "quasar"),)
    changes = (tmp_path / "major" / "CHANGELOG.md").read_text()
    assert (
        changes.index("## 2.0.0")
        < changes.index("## 1.1.0")
        < changes.index("## 1.0.1")
        < changes.index("## 1.0.0")
    )
    assert make_package(workspace, tmp_path / "same").release.version == "2.0.0"
    assert facts_in(tmp_path / "same") == facts_in(tmp_path / "major")


def test_a_version_cannot_be_less_than_the_changes_demand(workspace, made, tmp_path):
    say(workspace, made.items["fresh"], "star")
    with pytest.raises(InputError, match=r"1\.1\.0 at least"):
        make_package(workspace, tmp_path / "out", version="1.0.5")
    assert make_package(workspace, tmp_path / "out", version="3.0.0").release.version == "3.0.0"


def test_the_package_before_can_be_named(workspace, made, tmp_path):
    shutil.rmtree(workspace.folder / "releases")
    say(workspace, made.items["fresh"], "star")
    written = make_package(workspace, tmp_path / "next", previous=made.folder / "package")
    assert written.release.version == "1.1.0"
    assert read_release(tmp_path / "next") == written.release


def test_diff_says_what_changed(workspace, made, tmp_path, capsys):
    row = next(r for r in splits(made.folder / "package") if r["split"] == "train" and r["label"] == "star")
    say(workspace, row["item_id"], "quasar")
    make_package(workspace, tmp_path / "next")
    assert main(["diff", str(made.folder / "package"), str(tmp_path / "next"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["level"] == "major" and facts["relabelled"] == [[row["item_id"], "star", "quasar"]]
    assert main(["diff", str(made.folder / "package"), str(tmp_path / "next")]) == 0
    assert f"{row['item_id']}: label star → quasar" in capsys.readouterr().out


def test_diff_takes_a_workspace_as_it_is_now(workspace, made, capsys):
    assert main(["diff", str(made.folder / "package"), str(workspace.folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["relabelled"] == []
    row = next(r for r in splits(made.folder / "package") if r["split"] == "train" and r["label"] == "star")
    say(workspace, row["item_id"], "quasar")
    assert main(["diff", str(made.folder / "package"), str(workspace.folder)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("1.0.0 → now (major)")
    assert f"{row['item_id']}: label star → quasar" in said


# ---- labels of a model, classes, bulk steps, guidelines ----------------------------------------------------


def test_labels_of_a_model_are_kept_apart(workspace, made, tmp_path):
    path = tmp_path / "machine.parquet"
    pq.write_table(pa.table({"item_id": ["o1", "o2"], "machine_label": ["star", "quasar"]}), path)
    make_package(workspace, tmp_path / "with", machine_labels=path)
    table = pq.read_table(tmp_path / "with" / "data" / "machine_labels.parquet")
    assert table.column("machine_label").to_pylist() == ["star", "quasar"]
    assert [r for r in verify_package(tmp_path / "with") if r.verdict == "fail"] == []
    pq.write_table(pa.table({"item_id": ["o1"], "machine_label": ["comet"]}), path)
    with pytest.raises(InputError, match="'comet', which is no class"):
        make_package(workspace, tmp_path / "wrong", machine_labels=path)


def split_of(folder, item_id):
    return next(row for row in splits(folder) if row["item_id"] == item_id)


def test_labels_follow_their_classes_and_the_history_keeps_the_old_names(workspace, made, tmp_path):
    moment = workspace.log.events()[-1].created_at

    def change(action, name, **facts):
        workspace.log.append(class_event(action, name, "ann", moment, facts))

    for one in list(workspace.taxonomy):
        change(Action.CLASS_ADD, one.name, base=True, wanted=one.wanted, definition="as seen by <b>")
    change(Action.CLASS_ADD, "galaxy")
    change(Action.CLASS_RENAME, "quasar", to="active nucleus")
    say(workspace, made.items["fresh"], "galaxy")
    change(Action.CLASS_MERGE, "galaxy", into="star")
    workspace.reload()
    written = make_package(workspace, tmp_path / "next")
    assert written.change.level == "major" and written.change.added == (made.items["fresh"],)
    labels = {row["label"] for row in splits(tmp_path / "next")}
    assert labels == {"active nucleus", "star"}
    assert split_of(tmp_path / "next", made.items["fresh"])["label"] == "star"
    events = rows(tmp_path / "next", "data/label_events.parquet")
    assert {"quasar", "galaxy"} <= {e["label"] for e in events}
    assert [e["action"] for e in events if e["item_id"] == ""][-3:] == ["class_add", "class_rename", "class_merge"]
    assert "as seen by &lt;b&gt;" in (tmp_path / "next" / "README.md").read_text()
    assert [r for r in verify_package(tmp_path / "next", workspace.folder) if r.verdict == "fail"] == []


def test_a_bulk_step_is_told_from_a_page_of_answers(workspace, made, tmp_path):
    now = workspace.log.events()[-1].created_at
    fresh = made.items["fresh"]
    other = next(
        i for i in (f"o{n}" for n in range(399, 0, -1)) if i not in workspace.log.state().items and i != fresh
    )
    common = {"created_at": now, "label": "star", "annotator": "ann"}
    workspace.bulks.add(BulkRecord("step", "star", "a lasso", "ann", 1, now, 20, 19, 0.8, 0.99, ()))
    step = Event(new_event_id(), Action.LABEL, fresh, **common, input="bulk", strategy="bulk", bulk="step")
    page = Event(new_event_id(), Action.LABEL, other, **common, input="grid", strategy="top", bulk="page")
    workspace.log.append([step, page])
    make_package(workspace, tmp_path / "next")
    row = split_of(tmp_path / "next", fresh)
    assert (row["label_source"], row["label_status"], row["selection_mechanism"]) == ("bulk", "unseen", "bulk")
    assert (row["bulk_purity_low"], row["bulk_purity_high"], row["n_annotators"]) == (0.8, 0.99, 0)
    row = split_of(tmp_path / "next", other)
    assert (row["label_source"], row["label_status"], row["bulk_purity_low"]) == ("manual", "single", None)
    assert [r for r in verify_package(tmp_path / "next") if r.verdict == "fail"] == []


def test_guidelines_come_without_the_name_of_who_wrote_them(workspace, tmp_path):
    workspace.guidelines.add("# How to tell\n\nLook twice.", "ann")
    assert "guideline" not in dict(what_is_missing(workspace))
    make_package(workspace, tmp_path / "next")
    assert (tmp_path / "next" / "GUIDELINES.md").read_text() == "# How to tell\n\nLook twice.\n"
    assert "version 1" in (tmp_path / "next" / "README.md").read_text()


# ---- the checklist and the commands -----------------------------------------------------------------


def test_the_checklist_names_what_is_missing_with_the_most_needed_first(tmp_path):
    keys = [key for key, _ in what_is_missing(survey(tmp_path))]
    assert keys[:4] == ["labels", "licence", "description", "creators"]
    assert {"audit", "guideline"} <= set(keys)


def test_commands_describe_export_and_verify(made, tmp_path, capsys):
    folder = tmp_path / "survey.rareloop"
    shutil.copytree(made.folder / "survey.rareloop", folder)
    command = ["describe", str(folder), "--title", "Another title", "--creator", "Bo;0000-0001-2345-6789;There"]
    assert main([*command, "--keyword", "a", "--columns", "mag"]) == 0
    assert "Still missing" in capsys.readouterr().out
    assert main(["export", str(folder), "--to", str(tmp_path / "p"), "--format", "package"]) == 0
    assert "version 2.0.0" in capsys.readouterr().out  # a column is gone
    assert main(["verify", str(tmp_path / "p"), "--workspace", str(folder), "--json"]) == 0
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert {check["verdict"] for check in checks} <= {"pass", "not done"}
    assert "Bo" in (tmp_path / "p" / "CITATION.cff").read_text()
    assert "colour" not in pq.read_schema(tmp_path / "p" / "data" / "train-00000-of-00001.parquet").names


def test_a_column_that_gives_the_labels_away_stays_at_home_unless_it_is_named(workspace, tmp_path):
    workspace.roles.label, workspace.roles.label_use = "colour", "truth"
    make_package(workspace, tmp_path / "hidden")
    assert "colour" not in pq.read_schema(tmp_path / "hidden" / "data/train-00000-of-00001.parquet").names
    workspace.settings["publication"]["columns"] = ["colour"]
    make_package(workspace, tmp_path / "named")
    assert "colour" in pq.read_schema(tmp_path / "named" / "data/train-00000-of-00001.parquet").names


def test_settings_that_a_server_holds_are_not_written_over(workspace, capsys):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as server:
        (workspace.folder / "lock.json").write_text(json.dumps({"pid": server.pid, "url": "http://here"}))
        assert main(["describe", str(workspace.folder), "--title", "T"]) == 2
        server.communicate(b"\n")
    assert "http://here" in capsys.readouterr().err
    assert main(["describe", str(workspace.folder), "--title", "T", "--columns", ""]) == 0
    workspace.reload()
    assert workspace.settings["publication"]["title"] == "T"
    assert workspace.settings["publication"]["columns"] == []
    assert not (workspace.folder / "lock.json").exists()


def test_commands_say_what_is_wrong(made, tmp_path, capsys):
    folder = str(made.folder / "survey.rareloop")
    assert main(["describe", folder, "--licence", "free"]) == 2
    assert "is not known" in capsys.readouterr().err
    assert main(["export", folder, "--to", str(tmp_path / "x.csv"), "--draft"]) == 2
    assert "--format package" in capsys.readouterr().err
    assert main(["verify", str(tmp_path / "nothing")]) == 2
    assert main(["verify", folder]) == 2
    assert "is no package" in capsys.readouterr().err


def test_an_open_campaign_keeps_its_answers_out_of_training(made, workspace):
    record = workspace.campaigns.get(1)
    workspace.campaigns.begin(record.design, [record.items[0]])
    sampled = samples_of(workspace, workspace.log.state())
    assert record.items[0].item_id not in sampled.pending  # of the first campaign already
    fresh = next(
        i for i, s in workspace.log.state().items.items() if i not in {m.item_id for m in sampled.members}
    )
    workspace.campaigns.end(2, "stopped", None)
    workspace.campaigns.begin(record.design, [type(record.items[0])(fresh, 0, 0.5)])
    assert samples_of(workspace, workspace.log.state()).pending == {fresh}
