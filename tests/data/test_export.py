"""The labels as one file: what is in it, in every format."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rareloop.data.errors import InputError
from rareloop.data.export.formats import export_blocks, export_labels
from rareloop.data.labels import Action, Event, new_event_id
from rareloop.data.workspace import Workspace


@pytest.fixture
def workspace(tmp_path):
    rng = np.random.default_rng(0)
    source = tmp_path / "t.parquet"
    columns = {
        "name": [f"n{i}" for i in range(50)],
        "x": rng.normal(size=50),
        "v": pa.array([[i, i + 1] for i in range(50)], pa.list_(pa.int32(), 2)),
        "label": ["from the table"] * 50,
        "remark": ['comma, "quote"\nand line'] * 50,
    }
    pq.write_table(pa.table(columns), source)
    made = Workspace.create(tmp_path / "t.rareloop", source)
    roles = made.roles
    roles.id, roles.label, roles.features, roles.label_use = "name", None, ["x"], "ignore"
    made.confirm(roles, ["rare", "other"], wanted=["rare"])
    now = datetime(2026, 3, 4, 5, 6, 7, 891011, tzinfo=UTC)

    def say(item, action=Action.LABEL, label=None, **more):
        made.log.append(Event(new_event_id(), action, item, "ann", now, label=label, **more))

    say("n9", label="other", round=2, strategy="random", probability=0.02, dwell_ms=900, input="key")
    say("n3", label="other", input="mouse")
    say("n3", label="rare", round=1, strategy="margin", input="key")
    say("n3", Action.NOTE, note="sure of it")
    say("n4", Action.SKIP)
    say("n5", Action.FLAG)
    yield made
    made.close()


def test_parquet_has_one_row_for_each_labelled_item_in_the_order_of_the_table(workspace, tmp_path):
    assert export_labels(workspace, tmp_path / "out.parquet") == 2
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.column("item_id").to_pylist() == ["n3", "n9"]
    assert table.column("label").to_pylist() == ["rare", "other"]
    assert table.column("source_label").to_pylist() == ["from the table"] * 2
    assert table.column("v").to_pylist() == [[3, 4], [9, 10]]
    assert table.column("query_strategy").to_pylist() == ["margin", "random"]
    assert table.column("selection_probability").to_pylist() == [None, 0.02]
    assert table.column("n_events").to_pylist() == [3, 1]
    assert table.column("note").to_pylist() == ["sure of it", None]
    assert table.column("labelled_at").to_pylist()[0] == datetime(2026, 3, 4, 5, 6, 7, 891011, tzinfo=UTC)
    assert table.schema.field("labelled_at").type == pa.timestamp("us", tz="UTC")
    assert not any(pa.types.is_large_string(f.type) for f in table.schema)


def test_csv_and_json_lines_say_the_same(workspace, tmp_path):
    export_labels(workspace, tmp_path / "out.parquet")
    export_labels(workspace, tmp_path / "out.csv")
    export_labels(workspace, tmp_path / "out.jsonl")
    expected = pq.read_table(tmp_path / "out.parquet").to_pylist()
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    frame = pd.read_csv(tmp_path / "out.csv")
    for key in ("item_id", "label", "remark", "annotator", "input"):
        assert [line[key] for line in lines] == [row[key] for row in expected]
        assert frame[key].tolist() == [row[key] for row in expected]
    assert lines[0]["v"] == [3, 4]
    assert json.loads(frame["v"][0]) == [3, 4]
    np.testing.assert_allclose(frame["x"], [row["x"] for row in expected])


def test_an_undone_label_is_not_exported(workspace, tmp_path):
    for _ in range(5):
        workspace.log.undo("ann")
    assert export_labels(workspace, tmp_path / "out.csv") == 1


@pytest.mark.parametrize(("name", "part"), [("out.xls", "no known format"), ("nowhere/out.csv", "no folder")])
def test_a_target_that_cannot_be_is_said(workspace, tmp_path, name, part):
    with pytest.raises(InputError, match=part):
        export_labels(workspace, tmp_path / name)


def test_without_labels_nothing_is_written(workspace, tmp_path):
    while workspace.log.undo("ann"):
        pass
    with pytest.raises(InputError, match="no labels yet"):
        export_labels(workspace, tmp_path / "out.csv")
    assert not list(tmp_path.glob("out*"))


def test_json_lines_are_strict_json_where_numbers_are_not(tmp_path):
    source = tmp_path / "n.parquet"
    table = {"x": [1.0, 2.0, 3.0], "y": [np.nan, np.inf, 1.0], "source_label": [1, 2, 3], "label": ["a", "b", "a"]}
    pq.write_table(pa.table(table), source)
    made = Workspace.create(tmp_path / "n.rareloop", source)
    roles = made.roles
    roles.label, roles.label_use, roles.features = None, "ignore", ["x"]
    made.confirm(roles, ["a", "b"])
    now = datetime.now(UTC)
    made.log.append([Event(new_event_id(), Action.LABEL, str(i), "ann", now, label="a") for i in range(3)])
    export_labels(made, tmp_path / "n.jsonl")
    export_labels(made, tmp_path / "n.parquet2", "parquet")
    made.close()

    def refuse(name):
        raise AssertionError(name)

    lines = [json.loads(line, parse_constant=refuse) for line in (tmp_path / "n.jsonl").read_text().splitlines()]
    assert [line["y"] for line in lines] == [None, None, 1.0]
    names = pq.read_schema(tmp_path / "n.parquet2").names
    assert len(set(names)) == len(names)
    assert [line["source_label"] for line in lines] == [1, 2, 3]
    assert [line["source_source_label"] for line in lines] == ["a", "b", "a"]


def test_an_export_while_answers_come_in_is_of_one_moment(workspace, tmp_path, monkeypatch):
    import rareloop.data.export.formats as formats

    blocks = formats._blocks

    def disturbed(*arguments):
        while workspace.log.undo("ann"):
            pass
        return blocks(*arguments)

    monkeypatch.setattr(formats, "_blocks", disturbed)
    assert export_labels(workspace, tmp_path / "out.csv") == 2
    assert pd.read_csv(tmp_path / "out.csv")["label"].tolist() == ["rare", "other"]


def test_a_target_that_is_a_folder_is_said_and_nothing_is_left(workspace, tmp_path):
    (tmp_path / "out.csv").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        export_labels(workspace, tmp_path / "out.csv")
    assert not list(tmp_path.glob("*.partial"))


def test_a_csv_of_a_view_holds_no_formulas(tmp_path):
    cells = ["=1+1", "+1", "-2", "@x", "\tx", "\rx", "fine", "a=1", "", None]
    numbers = [-1.5] * len(cells)
    block = pa.table({"text": pa.array(cells, pa.large_string()), "x": numbers})
    export_blocks(iter([block, block]), tmp_path / "view.csv")
    read = pd.read_csv(tmp_path / "view.csv", keep_default_na=False, lineterminator="\n")
    assert read["text"].tolist() == 2 * ["'=1+1", "'+1", "'-2", "'@x", "'\tx", "'\rx", "fine", "a=1", "", ""]
    assert read["x"].tolist() == 2 * numbers
    export_blocks(iter([block]), tmp_path / "view.parquet")
    assert pq.read_table(tmp_path / "view.parquet").column("text").to_pylist() == cells
    with pytest.raises(InputError, match="no known format"):
        export_blocks(iter([block]), tmp_path / "view.docx")
