"""Single files read back with the programs that people use: types, missing cells, texts of every script."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st
from rareloop.data.errors import InputError
from rareloop.data.export.formats import export_blocks, export_labels
from rareloop.data.labels import Action, Event, new_event_id
from rareloop.data.workspace import Workspace

BIG = 2**62 + 1
CELLS = {
    "item_id": pa.array(["007", "0012", "1e5", "nan"]),
    "big": pa.array([BIG, -BIG, 3, None], pa.int64()),
    "small": pa.array([0, 255, 7, 8], pa.uint8()),
    "signed": pa.array([-128, 127, None, 0], pa.int8()),
    "huge": pa.array([2**64 - 1, 0, 1, 2], pa.uint64()),
    "x": pa.array([0.1, None, -np.inf, 1e-300]),
    "single": pa.array([0.1, 2.5, None, 3], pa.float32()),
    "yes": pa.array([True, False, True, False]),
    "maybe": pa.array([True, None, False, True]),
    "text": pa.array(["a", "", None, " two "]),
    "script": pa.array(["Größe", "星", "C:\\new\\δ", "line\nend\t\r."]),
    "moment": pa.array([datetime(2026, 3, 4, 5, 6, 7, 891011, tzinfo=UTC), None, None, None]),
    "day": pa.array([date(2026, 3, 4), None, None, None]),
    "price": pa.array([Decimal("1.10"), None, Decimal("2.00"), None]),
    "pair": pa.array([[1.5, 2.5], None, [None, 4.5], [5.5, 6.5]], pa.list_(pa.float64(), 2)),
    "grid": pa.array([[[1, 2, 3], [4, 5, 6]]] * 4, pa.list_(pa.list_(pa.int32(), 3), 2)),
    "ragged": pa.array([[1, 2], [], [3], None], pa.list_(pa.int64())),
    "same": pa.array([[1, 2]] * 4, pa.list_(pa.int64())),
    "words": pa.array([["ä", "b"], [], None, ["c"]], pa.list_(pa.string())),
    "raw": pa.array([b"\x00\xff", None, b"", b"a"]),
    "parts": pa.array([{"a": 1}, None, {"a": 2}, {"a": None}], pa.struct([("a", pa.int64())])),
    "nothing": pa.nulls(4),
}


@pytest.fixture
def block():
    table = pa.table(CELLS)
    place = table.schema.get_field_index("x")
    return table.set_column(place, pa.field("x", pa.float64(), metadata={"unit": "mag"}), table.column("x"))


def masked(column):
    return [None if np.all(np.ma.getmaskarray(cell)) else cell.tolist() for cell in column]


def test_fits_keeps_types_and_missing_cells(block, tmp_path):
    export_blocks(iter([block.slice(0, 1), block.slice(1)]), tmp_path / "a.fits")
    with fits.open(tmp_path / "a.fits") as file:
        file.verify("exception")
        assert (
            file[1].header["TCOMM" + str(block.column_names.index("script") + 1)].startswith("text with escapes")
        )
    read = Table.read(tmp_path / "a.fits")
    assert read["item_id"].tolist() == CELLS["item_id"].to_pylist()
    for name in ("big", "small", "signed"):
        assert read[name].tolist() == CELLS[name].to_pylist(), name
        assert read[name].dtype.kind in "iu"
    assert read["huge"].tolist() == CELLS["huge"].to_pylist()
    assert read["x"].unit == "mag"
    np.testing.assert_array_equal(np.asarray(read["x"].filled(np.nan)), CELLS["x"].to_numpy(zero_copy_only=False))
    assert read["single"].dtype.itemsize == 4
    assert read["yes"].dtype == bool
    assert read["yes"].tolist() == [True, False, True, False]
    assert read["maybe"].tolist() == [1, None, 0, 1]
    assert [text or "" for text in read["text"].tolist()] == ["a", "", "", " two"]  # FITS ends texts with blanks
    told = [text.encode().decode("unicode_escape") for text in read["script"].tolist()]
    assert told == CELLS["script"].to_pylist()
    assert read["moment"].tolist()[0] == "2026-03-04T05:06:07.891011Z"
    assert read["day"].tolist()[0] == "2026-03-04"
    assert read["price"].tolist()[0] == "1.10"
    assert read["pair"].shape == (4, 2)
    np.testing.assert_array_equal(read["pair"].filled(np.nan)[2:], [[np.nan, 4.5], [5.5, 6.5]])
    assert read["grid"].tolist() == CELLS["grid"].to_pylist()
    assert read["same"].tolist() == CELLS["same"].to_pylist()
    assert json.loads(read["ragged"][0]) == [1, 2]
    assert json.loads(read["words"][0].encode().decode("unicode_escape")) == ["ä", "b"]
    assert read["raw"][0] == "00ff"
    assert json.loads(read["parts"][0]) == {"a": 1}


def test_votable_keeps_types_and_missing_cells(block, tmp_path):
    export_blocks(iter([block.slice(0, 1), block.slice(1)]), tmp_path / "a.vot")
    read = Table.read(tmp_path / "a.vot", format="votable")
    assert read["item_id"].tolist() == CELLS["item_id"].to_pylist()
    for name in ("big", "small", "signed", "yes", "maybe"):
        assert read[name].tolist() == CELLS[name].to_pylist(), name
    assert read["huge"].tolist() == [str(n) for n in CELLS["huge"].to_pylist()]
    assert read["x"].unit == "mag"
    np.testing.assert_array_equal(
        np.ma.filled(read["x"].astype(float), np.nan), CELLS["x"].to_numpy(zero_copy_only=False)
    )
    assert read["single"].dtype == np.float32
    assert [text or "" for text in read["text"].tolist()] == ["a", "", "", "two"]  # astropy strips
    assert read["script"].tolist() == CELLS["script"].to_pylist()
    assert read["moment"][0] == "2026-03-04T05:06:07.891011Z"
    assert read["price"][0] == "1.10"
    assert read["grid"].tolist() == CELLS["grid"].to_pylist()
    assert read["pair"].shape == (4, 2)
    assert [list(cell) for cell in read["ragged"]][:3] == [[1, 2], [], [3]]
    assert json.loads(read["words"][0]) == ["ä", "b"]


def test_a_votable_cannot_hold_every_character_and_says_which_item(tmp_path):
    table = pa.table({"item_id": ["a", "b"], "t": ["fine", "bell\x07"]})
    (tmp_path / "a.vot").write_text("the one before")
    with pytest.raises(InputError, match="column 't' of item 'b' has a character that VOTable has not"):
        export_blocks(iter([table]), tmp_path / "a.vot")
    assert (tmp_path / "a.vot").read_text() == "the one before"
    assert [path.name for path in tmp_path.iterdir()] == ["a.vot"]


texts = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), max_size=20))
integers = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(texts, integers, st.one_of(st.none(), st.floats())), min_size=1, max_size=8))
def test_any_text_and_number_comes_back(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("any")
    words, whole, real = (list(column) for column in zip(*rows, strict=True))
    table = pa.table(
        {"t": pa.array(words, pa.string()), "n": pa.array(whole, pa.int64()), "x": pa.array(real, pa.float64())}
    )
    for name, form in (("a.fits", "fits"), ("a.vot", "votable")):
        export_blocks(iter([table]), folder / name)
        read = Table.read(folder / name, format=form)
        assert read["n"].tolist() == whole
        np.testing.assert_array_equal(
            np.ma.filled(np.ma.asarray(read["x"], dtype=float), np.nan), [np.nan if x is None else x for x in real]
        )
        if form == "votable":
            assert [(text or "").strip() for text in read["t"].tolist()] == [
                (text or "").strip() for text in words
            ]


def test_csv_keeps_texts_that_look_like_numbers_and_tells_missing_from_empty(block, tmp_path):
    export_blocks(iter([block]), tmp_path / "a.csv")
    texts = {name: pa.string() for name in ("item_id", "text")}
    options = pa_csv.ConvertOptions(
        column_types=texts, strings_can_be_null=True, quoted_strings_can_be_null=False, null_values=[""]
    )
    parsed = pa_csv.ParseOptions(newlines_in_values=True)
    read = pa_csv.read_csv(tmp_path / "a.csv", convert_options=options, parse_options=parsed)
    for name in ("item_id", "text", "big", "yes"):
        assert read.column(name).to_pylist() == CELLS[name].to_pylist(), name
    frame = pd.read_csv(
        tmp_path / "a.csv", dtype={"item_id": str, "big": "Int64"}, keep_default_na=False, na_values=[""]
    )
    assert frame["item_id"].tolist() == CELLS["item_id"].to_pylist()
    assert frame["big"].astype(object).where(frame["big"].notna(), None).tolist() == CELLS["big"].to_pylist()
    lazy = pl.read_csv(tmp_path / "a.csv", schema_overrides={"item_id": pl.String, "huge": pl.UInt64})
    assert lazy["item_id"].to_list() == CELLS["item_id"].to_pylist()
    assert lazy["huge"].to_list() == CELLS["huge"].to_pylist()


def test_parquet_and_json_lines_keep_everything(block, tmp_path):
    export_blocks(iter([block]), tmp_path / "a.parquet")
    assert pq.read_table(tmp_path / "a.parquet").to_pylist() == block.to_pylist()
    frame = pl.read_parquet(tmp_path / "a.parquet")
    assert frame["big"].to_list() == CELLS["big"].to_pylist()
    found = duckdb.sql(f"select item_id, text, big from '{tmp_path}/a.parquet'").fetchall()
    assert found == list(zip(*(CELLS[name].to_pylist() for name in ("item_id", "text", "big")), strict=True))
    export_blocks(iter([block]), tmp_path / "a.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()]
    for name in ("item_id", "text", "big", "huge", "maybe", "script", "words", "grid", "parts"):
        assert [line[name] for line in lines] == CELLS[name].to_pylist(), name


def test_without_astropy_fits_says_how_to_get_it(block, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'pip install "rareloop\[astro\]"'):
        export_blocks(iter([block]), tmp_path / "a.fits")
    assert not list(tmp_path.iterdir())


def test_fits_is_written_in_blocks(tmp_path):
    def blocks():
        for start in range(0, 50_000, 10_000):
            rows = range(start, start + 10_000)
            yield pa.table({"item_id": [f"i{n}" for n in rows], "n": pa.array(rows, pa.int64())})

    export_blocks(blocks(), tmp_path / "a.fits")
    read = Table.read(tmp_path / "a.fits")
    assert (np.asarray(read["n"]) == np.arange(50_000)).all()
    assert read["item_id"][-1] == "i49999"


# ---- Label Studio -----------------------------------------------------------------------------------


@pytest.fixture
def workspace(tmp_path):
    source = tmp_path / "t.parquet"
    columns = {"name": [f"n{i}" for i in range(5)], "x": [0.0, 1.0, np.nan, 3.0, 4.0], "note": ["theirs"] * 5}
    pq.write_table(pa.table(columns), source)
    made = Workspace.create(tmp_path / "t.rareloop", source)
    roles = made.roles
    roles.id, roles.label, roles.features, roles.label_use = "name", None, ["x"], "ignore"
    made.confirm(roles, ["rare", "other"], wanted=["rare"])
    now = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    shown = {"suggested": "rare", "suggested_probability": 0.8, "round": 3, "dwell_ms": 1500}
    made.log.append(
        [
            Event(new_event_id(), Action.LABEL, "n2", "Ann Example", now, "rare", suggestion_shown=True, **shown),
            Event(new_event_id(), Action.LABEL, "n1", "Bob", now, "other", suggestion_shown=False, **shown),
        ]
    )
    yield made
    made.close()


def refuse(name):
    raise AssertionError(name)


def test_tasks_of_label_studio_have_what_an_import_asks_for(workspace, tmp_path):
    assert export_labels(workspace, tmp_path / "tasks.json") == 2
    text = (tmp_path / "tasks.json").read_text(encoding="utf-8")
    other, rare = json.loads(text, parse_constant=refuse)
    assert "Ann" not in text
    assert rare["data"] == {"item_id": "n2", "name": "n2", "x": None, "source_note": "theirs"}
    choice = {"from_name": "label", "to_name": "item", "type": "choices", "value": {"choices": ["rare"]}}
    (annotation,) = rare["annotations"]
    assert annotation["result"] == [choice]
    assert annotation["created_at"] == "2026-03-04T05:06:07+00:00"
    assert annotation["created_username"] == rare["meta"]["annotator"] == "a1"
    assert annotation["lead_time"] == 1.5
    assert annotation["ground_truth"] is False
    assert "completed_by" not in annotation  # Label Studio refuses people whom it does not know
    assert rare["predictions"] == [{"result": [choice], "score": 0.8, "model_version": "round-3"}]
    assert other["predictions"] == []
    assert other["meta"]["annotator"] == "a2"


def test_a_view_is_no_list_of_tasks(block, tmp_path):
    with pytest.raises(InputError, match="tasks of Label Studio"):
        export_blocks(iter([block]), tmp_path / "a.json")


def test_every_format_says_the_same_of_labels(workspace, tmp_path):
    names = ("item_id", "label", "annotator", "suggested_label", "suggestion_shown")
    export_labels(workspace, tmp_path / "a.parquet")
    expected = pq.read_table(tmp_path / "a.parquet", columns=list(names)).to_pylist()
    for name, form in (("a.fits", "fits"), ("a.vot", "votable")):
        export_labels(workspace, tmp_path / name)
        read = Table.read(tmp_path / name, format=form)
        assert [
            dict(zip(names, row, strict=True)) for row in zip(*(read[n].tolist() for n in names), strict=True)
        ] == expected
    assert pc.count(pq.read_table(tmp_path / "a.parquet").column("item_id")).as_py() == 2
