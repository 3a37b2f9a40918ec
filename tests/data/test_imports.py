"""Labels that exist already: every form, conflicts, duplicates, unknown ids, and the way out and back in."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import tempfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rareloop.data.errors import InputError
from rareloop.data.export.formats import export_labels
from rareloop.data.export.replay import facts_of, looked
from rareloop.data.export.selection import Selections
from rareloop.data.import_files import Choice
from rareloop.data.imports import plan_labels, read_file
from rareloop.data.labels import Action, Event, new_event_id
from rareloop.data.workspace import Workspace

N = 40
WHEN = datetime(2026, 3, 4, 5, 6, 7, 891011, tzinfo=UTC)


def survey(folder, name="t", id_name="object", **columns):
    source = folder / "table.parquet"
    if not source.exists():
        numbers = {"x": np.random.default_rng(0).normal(size=N), **columns}
        pq.write_table(pa.table({"object": [f"o{i}" for i in range(N)], **numbers}), source)
    made = Workspace.create(folder / f"{name}.rareloop", source)
    roles = made.roles
    roles.id, roles.label, roles.features, roles.label_use = id_name, None, ["x"], "ignore"
    made.confirm(roles, ["rare", "other"], wanted=["rare"])
    return made


@pytest.fixture
def workspace(tmp_path):
    one = survey(tmp_path)
    yield one
    one.close()


def say(workspace, item, label=None, action=Action.LABEL, annotator="ann", **more):
    workspace.log.append(Event(new_event_id(), action, item, annotator, WHEN, label=label, input="key", **more))


def planned(workspace, path, **choice):
    return plan_labels(workspace, read_file(path, workspace, Choice(**choice)))


def brought(workspace, path, policy="refuse", **choice):
    """Import a file; returns the labels then."""
    workspace.log.append(planned(workspace, path, **choice).events(policy, "me"))
    return labels(workspace)


def labels(workspace):
    return {i: item.label for i, item in workspace.log.state().items.items() if item.label is not None}


def written(folder, name, text):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


# ---- tables -----------------------------------------------------------------------------------------

ROWS = [
    {"object": "o3", "label": "rare", "annotator": "eve", "labelled_at": "2026-03-04T05:06:07Z", "note": "sure"},
    {"object": "o1", "label": "other", "annotator": None, "labelled_at": None, "note": None},
    {"object": "o2", "label": None, "annotator": None, "labelled_at": None, "note": None},
    {"object": "zzz", "label": "rare", "annotator": None, "labelled_at": None, "note": None},
]


def table_of(folder, suffix):
    path = folder / f"labels{suffix}"
    frame = pd.DataFrame(ROWS)
    if suffix == ".parquet":
        frame.to_parquet(path)
    elif suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in ROWS))
    else:
        frame.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_a_table_gives_labels_annotators_times_and_notes(workspace, tmp_path, suffix):
    path = table_of(tmp_path, suffix)
    plan = planned(workspace, path)
    assert (plan.n_rows, plan.n_empty, plan.n_fresh, plan.n_same) == (4, 1, 2, 0)
    assert plan.unknown == ("zzz",) and plan.matching == ("o3", "o1")
    assert brought(workspace, path) == {"o3": "rare", "o1": "other"}
    state = workspace.log.state()
    event = state.items["o3"].event
    assert (event.annotator, event.created_at) == ("eve", datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC))
    assert state.items["o1"].event.annotator == "me"
    assert state.notes == {"o3": "sure"}
    assert planned(workspace, path).to_dict()["same_label"] == 2 and not planned(workspace, path).n_events


def test_columns_are_named_where_they_cannot_be_guessed(workspace, tmp_path):
    path = written(tmp_path, "l.csv", "name;kind\no1;a\no2;b\no3;c\n")
    with pytest.raises(InputError, match=r"identifiers\? name it with --id: there are name, kind"):
        planned(workspace, path)
    with pytest.raises(InputError, match=r"no column 'kin' in l\.csv"):
        planned(workspace, path, id="name", label="kin")
    assert brought(workspace, path, id="name", label="kind", names={"a": "rare", "b": "other", "c": ""}) == {
        "o1": "rare",
        "o2": "other",
    }


def test_classes_that_are_not_here_are_told_and_counted(workspace, tmp_path):
    path = written(tmp_path, "l.csv", "object,label\no1,nova\no2,nova\no3,rare\n")
    assert planned(workspace, path).new_classes == {"nova": 2}


def test_a_label_of_a_class_that_was_renamed_is_one_of_the_class_as_it_is_called_now(workspace, tmp_path):
    from rareloop.data.events import class_event

    workspace.change_classes([class_event(Action.CLASS_RENAME, "rare", "ann", WHEN, {"to": "nova"})])
    path = written(tmp_path, "l.csv", "object,label\no1,rare\n")
    assert not planned(workspace, path).new_classes
    assert brought(workspace, path) == {"o1": "nova"}


def test_rows_are_named_by_their_numbers_where_the_table_has_no_identifier(tmp_path):
    one = survey(tmp_path, id_name=None)
    pd.DataFrame({"item_id": [3.0, 5.0], "label": ["rare", "other"]}).to_parquet(tmp_path / "l.parquet")
    assert brought(one, tmp_path / "l.parquet") == {"3": "rare", "5": "other"}
    one.close()


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("l.csv", "object,label\no1,rare\no2,rare\no1,other\n", "'o1' is 'rare' in row 2 and 'other' in row 4"),
        ("l.csv", "object,label\no1,rare\no2\n", "row 3 has 1 cells"),
        ("l.csv", "object,label\n,rare\n", "row 2 has a label but nothing in 'object'"),
        ("l.csv", "object,label,labelled_at\no1,rare,yesterday\n", "row 2 has the time 'yesterday'"),
        ("l.csv", "object,label,label\no1,rare,x\n", "two columns named 'label'"),
        ("l.csv", "object,label\nx1,rare\nx2,rare\n", "none of the 2 ids"),
        ("l.csv", "", "is empty"),
        ("l.jsonl", '{"object": "o1", "label": "rare"}\n[1]\n', "line 2 is no JSON object"),
        ("l.jsonl", "{", "line 1 is no JSON"),
        ("l.json", "{", "is no JSON that can be read"),
        ("l.json", "[1]", "no list of tasks"),
        ("l.parquet", "PAR1", "no Parquet file"),
        ("l.asreview", "PK", "no ASReview project"),
        ("l.xlsx", "", "of no format with labels"),
    ],
)
def test_files_that_make_no_sense_are_refused_with_the_place(workspace, tmp_path, name, text, part):
    with pytest.raises(InputError, match=part.replace("(", r"\(")):
        planned(workspace, written(tmp_path, name, text))


def test_a_file_in_another_encoding_is_refused(workspace, tmp_path):
    (tmp_path / "l.csv").write_bytes("object,label\no1,Röntgen\n".encode("latin-1"))
    with pytest.raises(InputError, match="save the file as UTF-8"):
        planned(workspace, tmp_path / "l.csv")


def test_the_same_label_twice_counts_once(workspace, tmp_path):
    plan = planned(workspace, written(tmp_path, "l.csv", "object,label\no1,rare\no1,rare\n"))
    assert (plan.n_rows, plan.n_fresh, plan.n_events) == (2, 1, 1)


# ---- conflicts and steps ----------------------------------------------------------------------------


@pytest.fixture
def disputed(workspace, tmp_path):
    """A workspace with answers, and a file that has others."""
    say(workspace, "o1", "rare")
    say(workspace, "o2", "rare")
    say(workspace, "o3", action=Action.FLAG)
    say(workspace, "o4", action=Action.SKIP)
    text = "object,label,note\no1,rare,\no2,other,really\no3,rare,\no4,other,\no5,other,\n"
    return written(tmp_path, "l.csv", text)


def test_conflicts_are_listed_with_old_and_new(workspace, disputed):
    plan = planned(workspace, disputed)
    assert [(c.item_id, c.old, c.new, c.place) for c in plan.conflicts] == [
        ("o2", "rare", "other", "row 3"),
        ("o3", "(flagged)", "rare", "row 4"),
    ]
    assert (plan.n_fresh, plan.n_same) == (2, 1)


def test_conflicts_keep_ours_or_take_theirs(workspace, disputed):
    plan = planned(workspace, disputed)
    assert {e.item_id for e in plan.events("keep", "me")} == {"o4", "o5"}
    assert brought(workspace, disputed, "replace") == {
        "o1": "rare", "o2": "other", "o3": "rare", "o4": "other", "o5": "other",
    }  # fmt: skip
    assert workspace.log.state().items["o2"].event.action == Action.RELABEL


def test_one_undo_takes_an_import_back_whoever_gave_its_labels(workspace, tmp_path):
    say(workspace, "o9", "rare")
    path = written(tmp_path, "l.csv", "object,label,annotator\no1,rare,eve\no2,other,bob\no3,rare,\n")
    brought(workspace, path)
    log, state = workspace.log, workspace.log.state()
    newest = state.undoable("ann")
    batch = state.batch_of(newest, undone=False)
    assert [e.item_id for e in batch] == ["o1", "o2", "o3"]
    from rareloop.data.bulk import step_events

    log.append(step_events(Action.UNDO, batch, "ann", new_event_id()))
    assert labels(workspace) == {"o9": "rare"}
    again = state.batch_of(state.redoable("ann"), undone=True)
    log.append(step_events(Action.REDO, again, "ann", new_event_id()))
    assert len(labels(workspace)) == 4
    log.append(step_events(Action.UNDO, batch, "ann", new_event_id()))
    say(workspace, "o8", "rare")
    assert state.redoable("ann") is None  # who has answered since cannot bring it back
    assert log.undo("ann").item_id == "o8" and log.undo("ann").item_id == "o9"


def test_imported_labels_say_so_in_an_export(workspace, tmp_path):
    brought(workspace, written(tmp_path, "l.csv", "object,label,annotator\no1,rare,eve\n"))
    state = workspace.log.state()
    facts = facts_of(state, "o1", {"eve": "a1"})
    assert (facts["label_source"], facts["label_status"], facts["n_annotators"]) == ("imported", "unseen", 0)
    assert not looked(state.items["o1"].event)
    assert Selections(workspace, state).of("o1", None, {})["selection_mechanism"] == "imported"


# ---- out and in again -------------------------------------------------------------------------------

ANSWERS = st.lists(
    st.tuples(
        st.integers(0, N - 1),
        st.sampled_from(["rare", "other", "sp ace", 'ünder, "q"']),
        st.sampled_from(["ann", "bob"]),
        st.sampled_from([None, "a note", "=1+1", "two\nlines"]),
    ),
    min_size=1, max_size=25,
)  # fmt: skip


@settings(max_examples=15, deadline=None)
@given(ANSWERS, st.sampled_from(["csv", "parquet", "jsonl"]), st.booleans())
def test_what_is_exported_comes_back_the_same(answers, kind, has_id):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        here, there = (survey(folder, each, "object" if has_id else None) for each in ("here", "there"))
        from rareloop.data.events import class_event

        added = [class_event(Action.CLASS_ADD, c, "ann", WHEN) for c in ("sp ace", 'ünder, "q"')]
        for one in (here, there):
            one.change_classes(added)
        for row, label, annotator, note in answers:
            item = here.ids.text(row)
            say(here, item, label, annotator=annotator)
            if note is not None:
                say(here, item, action=Action.NOTE, note=note)
        export_labels(here, folder / f"labels.{kind}")
        assert brought(there, folder / f"labels.{kind}") == labels(here)
        ours, theirs = there.log.state(), here.log.state()
        assert ours.notes == theirs.notes
        for item, state in theirs.items.items():
            assert ours.items[item].event.annotator == state.event.annotator
            assert ours.items[item].event.created_at == WHEN
        here.close()
        there.close()


# ---- Label Studio -----------------------------------------------------------------------------------


def annotation(choices, annotator=1, at="2026-01-01T00:00:00Z", control="kind", **more):
    result = [{"from_name": control, "to_name": "x", "type": "choices", "value": {"choices": choices}}]
    return {"completed_by": annotator, "created_at": at, "updated_at": at, "result": result, **more}


def test_label_studio_with_several_annotators_and_cancelled_answers(workspace, tmp_path):
    tasks = [
        {"id": 1, "data": {"object": "o1"}, "annotations": [annotation(["rare"]), annotation(["rare"], 2)]},
        {"id": 2, "data": {"object": "o2"}, "annotations": [annotation(["rare"]), annotation(["other"], 2)]},
        {"id": 3, "data": {"object": "o3"}, "annotations": [
            annotation(["other"], was_cancelled=True), annotation(["rare"], {"id": 7, "email": "eve@x.org"}),
        ]},
        {"id": 4, "data": {"object": "o4"}, "annotations": [
            annotation(["other"], 1, "2026-01-02T00:00:00Z"), annotation(["rare"], 1, "2026-01-01T00:00:00Z"),
        ]},
        {"id": 5, "data": {"object": "o5"}, "annotations": [
            annotation(["other"], 1, ground_truth=True), annotation(["rare"], 2),
        ]},
        {"id": 6, "data": {"object": "o6"}, "annotations": [annotation(["other"], was_cancelled=True)]},
        {"id": 7, "data": {"object": "o7"}, "annotations": [], "predictions": [annotation(["rare"])]},
    ]  # fmt: skip
    path = written(tmp_path, "export.json", json.dumps(tasks))
    plan = planned(workspace, path)
    assert (plan.n_rows, plan.n_empty) == (7, 2)
    assert plan.disputed == {"o2": ("rare", "other")}
    assert brought(workspace, path) == {"o1": "rare", "o3": "rare", "o4": "other", "o5": "other"}
    assert workspace.log.state().items["o3"].event.annotator == "eve@x.org"


def test_label_studio_asks_which_of_several_choices_it_is(workspace, tmp_path):
    both = annotation(["rare"])
    both["result"] += annotation(["bright"], control="look")["result"]
    path = written(tmp_path, "e.json", json.dumps([{"id": 9, "data": {"item_id": "o1"}, "annotations": [both]}]))
    with pytest.raises(InputError, match=r"task 9 has several choices \(kind, look\)"):
        planned(workspace, path)
    assert brought(workspace, path, label="kind") == {"o1": "rare"}
    many = [{"id": 9, "data": {"object": "o1"}, "annotations": [annotation(["rare", "other"])]}]
    with pytest.raises(InputError, match="task 9 has 2 classes"):
        planned(workspace, written(tmp_path, "e.json", json.dumps(many)))


def test_label_studio_in_its_short_form(workspace, tmp_path):
    common = {"annotation_id": 5, "annotator": 3, "updated_at": "2026-01-01T00:00:00Z", "lead_time": 1.0}
    tasks = [
        {"id": 1, "object": "o1", "label": "rare", **common},
        {"id": 2, "object": "o2", "label": {"choices": ["other"]}, **common},
        {"id": 3, "object": "o3", "label": "rare", **common},
        {"id": 3, "object": "o3", "label": "other", **common, "annotator": 4},
    ]
    path = written(tmp_path, "min.json", json.dumps(tasks))
    assert brought(workspace, path) == {"o1": "rare", "o2": "other"}
    assert planned(workspace, path).disputed == {"o3": ("rare", "other")}
    assert workspace.log.state().items["o1"].event.annotator == "3"


# ---- ASReview ---------------------------------------------------------------------------------------

SEEN = {"1": "rare", "0": "other"}


def test_asreview_table(workspace, tmp_path):
    text = "record_id,title,included\no1,a,1\no2,b,0\no3,c,-1\no4,d,\no5,e,1.0\n"
    path = written(tmp_path, "r.csv", text)
    assert planned(workspace, path).new_classes == {"1": 2, "0": 1}
    assert brought(workspace, path, names=SEEN) == {"o1": "rare", "o2": "other", "o5": "rare"}
    text = "object,asreview_label,asreview_time,asreview_note\no7,1,2026-01-02 03:04:05,hm\n"
    brought(workspace, written(tmp_path, "r.csv", text), names=SEEN)
    state = workspace.log.state()
    assert state.items["o7"].event.created_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert state.notes["o7"] == "hm"


def project(folder, version=3, data="object,title\no9,a\no8,b\no7,c\n", view=False):
    """A project as ASReview writes it, as far as it is read."""
    results, records = folder / "results.db", folder / "data_store.db" if version == 2 else folder / "results.db"
    for path in {results, records}:
        path.unlink(missing_ok=True)
    with sqlite3.connect(results) as database:
        kind = "hidden" if view else "results"
        database.execute(
            f"CREATE TABLE {kind} (record_id INTEGER, label INTEGER, time FLOAT, note TEXT, user_id INTEGER)"
        )
        rows = [(10, 1, 1767225600.0, "seen", 4), (11, 0, None, None, None), (12, None, None, None, None)]
        database.executemany(f"INSERT INTO {kind} VALUES (?, ?, ?, ?, ?)", rows)
        if view:
            database.execute("CREATE VIEW results AS SELECT * FROM hidden")
    with sqlite3.connect(records) as database:
        database.execute("CREATE TABLE record (record_id INTEGER, dataset_row INTEGER)")
        database.executemany("INSERT INTO record VALUES (?, ?)", [(10, 2), (11, 0), (12, 1)])
    path = folder / "p.asreview"
    with zipfile.ZipFile(path, "w") as archive:
        config = {"version": "2.1", "project_file_version": version, "datasets": [{"id": "x", "name": "t.csv"}]}
        archive.writestr("project.json", json.dumps(config))
        archive.writestr("data/t.csv", data)
        archive.write(results, "results.db" if version != 2 else "reviews/0a1b/results.db")
        if version == 2:
            archive.write(records, "data_store.db")
        archive.writestr("../../outside.txt", "never written")
    return path


@pytest.mark.parametrize("version", [2, 3])
def test_asreview_project(workspace, tmp_path, version):
    path = project(tmp_path, version)
    assert brought(workspace, path, names=SEEN) == {"o7": "rare", "o9": "other"}
    state = workspace.log.state()
    event = state.items["o7"].event
    assert (event.annotator, event.created_at) == ("ASReview user 4", datetime(2026, 1, 1, tzinfo=UTC))
    assert state.notes == {"o7": "seen"}
    assert not (tmp_path.parent / "outside.txt").exists()


def test_asreview_project_by_row_numbers(tmp_path):
    one = survey(tmp_path, id_name=None)
    assert brought(one, project(tmp_path), names=SEEN) == {"2": "rare", "0": "other"}
    one.close()


def test_asreview_projects_that_cannot_be_read(workspace, tmp_path):
    with pytest.raises(InputError, match="version 4, and 2 and 3 are known"):
        planned(workspace, project(tmp_path, 4))
    with pytest.raises(InputError, match=r"version 1, .*export it from ASReview 2"):
        planned(workspace, project(tmp_path, 1))
    with pytest.raises(InputError, match="no table 'results'"):
        planned(workspace, project(tmp_path, view=True))
    with pytest.raises(InputError, match="no column 'object'"):
        planned(workspace, project(tmp_path, data="name\na\nb\nc\n"))
    with pytest.raises(InputError, match="is of row 2, which its data set has not"):
        planned(workspace, project(tmp_path, data="object\no1\n"))


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([".csv", ".json", ".jsonl", ".parquet", ".asreview", ".tsv"]))
def test_any_bytes_are_read_or_refused(fuzzed, content, suffix):
    path = fuzzed.folder / f"fuzz{suffix}"
    path.write_bytes(content)
    with contextlib.suppress(InputError):  # nothing else is raised
        planned(fuzzed, path)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory):
    one = survey(tmp_path_factory.mktemp("fuzzed"))
    yield one
    one.close()


def test_texts_that_cannot_be_stored_are_refused(workspace, tmp_path):
    with pytest.raises(InputError, match="half a character"):
        planned(workspace, written(tmp_path, "l.jsonl", '{"object": "o\\ud800", "label": "rare"}\n'))


def test_times_with_nanoseconds_are_taken(workspace, tmp_path):
    moment = pd.Timestamp("2026-03-04T05:06:07.123456789", tz="Europe/Paris")
    path = tmp_path / "l.parquet"
    pd.DataFrame({"object": ["o1"], "label": ["rare"], "labelled_at": [moment.as_unit("ns")]}).to_parquet(path)
    (given,) = read_file(path, workspace, Choice()).labels
    assert given.given_at == datetime(2026, 3, 4, 4, 6, 7, 123456, tzinfo=UTC)
