"""Reading tables: round trips through every format, and one sentence for each that cannot be read."""

from __future__ import annotations

import csv
import datetime as dt
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rareloop.data.errors import InputError
from rareloop.data.tables import Table, fingerprint, fingerprint_matches, import_table

TABLE = pa.table(
    {
        "id": ["a", "b", None],
        "x": pa.array([1.5, None, -2.0]),
        "n": pa.array([1, 2, 3], pa.int32()),
        "flag": [True, False, None],
        "day": pa.array([dt.date(1970, 1, 2), dt.date(2026, 1, 1), None]),
        "v": pa.array([[1, 2], [3, 4], [5, 6]], pa.list_(pa.float32(), 2)),
    }
)


def write(table, path):
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=2)
    elif path.suffix == ".feather":
        feather.write_feather(table, path, compression="zstd")
    elif path.suffix == ".ipc":
        with ipc.new_stream(path, table.schema) as sink:
            sink.write_table(table)
    else:
        with ipc.new_file(path, table.schema) as sink:
            sink.write_table(table)


@pytest.mark.parametrize("suffix", [".parquet", ".feather", ".arrow", ".ipc"])
def test_arrow_formats_keep_every_value_and_type(tmp_path, suffix):
    source = tmp_path / f"t{suffix}"
    write(TABLE, source)
    table = import_table(source, tmp_path / "cache.arrow")
    assert (table.n_rows, table.names) == (3, TABLE.column_names)
    assert [table.row(i) for i in range(3)] == TABLE.to_pylist()
    assert table.take([2, 0, 2], ["n"]).to_pydict() == {"n": [3, 1, 3]}


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=12)


@given(
    rows=st.lists(st.tuples(CELLS, st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**53), 2**53)),
                  min_size=1, max_size=30),
    separator=st.sampled_from([",", "\t"]),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_csv_and_tsv_come_back_as_pandas_wrote_them(tmp_path_factory, rows, separator):
    folder = tmp_path_factory.mktemp("csv")
    source = folder / ("t.csv" if separator == "," else "t.tsv")
    frame = pd.DataFrame(rows, columns=["text", "x", "n"])
    frame["text"] = "t" + frame["text"]  # so that no text is taken for a number
    frame.to_csv(source, sep=separator, index=False, quoting=csv.QUOTE_NONNUMERIC)
    table = import_table(source, folder / "cache.arrow")
    assert table.column("text").to_pylist() == frame["text"].tolist()
    assert [float(v) for v in table.column("x").to_pylist()] == frame["x"].tolist()
    assert table.column("n").to_pylist() == frame["n"].tolist()


def test_rows_are_found_across_batches(tmp_path):
    n = 150_000
    pq.write_table(pa.table({"n": np.arange(n)}), tmp_path / "t.parquet")
    table = import_table(tmp_path / "t.parquet", tmp_path / "c.arrow")
    for row in (0, 65_535, 65_536, n - 1):
        assert table.row(row) == {"n": row}
    rows = np.random.default_rng(0).integers(0, n, 500)
    assert table.take(rows).column("n").to_pylist() == rows.tolist()
    with pytest.raises(IndexError):
        table.row(n)


def test_rows_that_are_read_are_those_that_are_mapped(tmp_path, monkeypatch):
    monkeypatch.setattr("rareloop.data.readers.BATCH_ROWS", 2)
    write(TABLE, tmp_path / "t.parquet")
    table = import_table(tmp_path / "t.parquet", tmp_path / "c.arrow")
    for rows in ([2, 0, 2], [], [1]):
        for names in (None, ["v", "id"], ["n"]):
            assert table.take(rows, names, mapped=False).equals(table.take(rows, names))


def test_numbers_yes_no_and_dates_become_floats(tmp_path):
    write(TABLE, tmp_path / "t.parquet")
    table = import_table(tmp_path / "t.parquet", tmp_path / "c.arrow")
    assert table.floats("x").tolist()[::2] == [1.5, -2.0]
    assert math.isnan(table.floats("x")[1])
    assert table.floats("flag").tolist()[:2] == [1.0, 0.0]
    assert table.floats("day").tolist()[:2] == [1.0, (dt.date(2026, 1, 1) - dt.date(1970, 1, 1)).days]
    with pytest.raises(InputError, match="'id'"):
        table.floats("id")


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("missing.csv", None, "there is no file"),
        ("t.xlsx", b"x", "no format that can be opened"),
        ("t.csv", b"", "cannot be read|empty"),
        ("t.csv", b"a,b\n", "is empty"),
        ("t.csv", b"a,a\n1,2\n", "two columns named 'a'"),
        ("t.csv", b"a,b\n1,2\n3\n", "cannot be read as CSV"),
        ("t.parquet", b"PAR1 not really", "cannot be read"),
        ("t.arrow", b"not an arrow file at all", "cannot be read"),
        ("t.csv", "id,n\n1,\u00e9\n".encode("latin-1"), "column 'n' of t.csv is not in UTF-8"),
        ("t.csv", "id,\u00e9\n1,2\n".encode("latin-1"), "column names of t.csv are not in UTF-8"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_sentence_that_names_the_file(tmp_path, name, content, part):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=part) as caught:
        import_table(path, tmp_path / "c.arrow")
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "c.arrow").exists()


def test_a_folder_is_no_table(tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        import_table(tmp_path, tmp_path / "c.arrow")


def test_progress_ends_at_one(tmp_path):
    write(TABLE, tmp_path / "t.parquet")
    shares = []
    import_table(tmp_path / "t.parquet", tmp_path / "c.arrow", lambda share, text: shares.append(share))
    assert shares[-1] == 1.0
    assert shares == sorted(shares)


def test_a_fingerprint_notices_a_change_and_forgives_a_touch(tmp_path):
    path = tmp_path / "t.bin"
    path.write_bytes(b"abc")
    known = fingerprint(path)
    path.touch()
    assert fingerprint_matches(path, known)
    path.write_bytes(b"abd")
    assert not fingerprint_matches(path, known)


def test_a_cache_is_readable_again(tmp_path):
    write(TABLE, tmp_path / "t.parquet")
    import_table(tmp_path / "t.parquet", tmp_path / "c.arrow")
    assert Table(tmp_path / "c.arrow").row(0)["id"] == "a"


def test_semicolons_are_noticed(tmp_path):
    (tmp_path / "t.csv").write_text("id;x\n1;2.5\n")
    assert import_table(tmp_path / "t.csv", tmp_path / "c.arrow").row(0) == {"id": 1, "x": 2.5}


def test_types_that_few_tools_know_become_plain_ones(tmp_path):
    table = pa.table(
        {
            "view": pa.array(["a", None, "c"], pa.string_view()),
            "half": pa.array(np.array([1, 2, 3], np.float16)),
            "code": pa.array(["x", "y", "x"]).dictionary_encode(),
        }
    )
    write(table, tmp_path / "t.arrow")
    read = import_table(tmp_path / "t.arrow", tmp_path / "c.arrow")
    assert read.schema.types == [pa.large_string(), pa.float32(), pa.string()]
    assert read.take([2, 1]).to_pylist() == [
        {"view": "c", "half": 3.0, "code": "x"}, {"view": None, "half": 2.0, "code": "y"},
    ]  # fmt: skip


def test_many_small_batches_are_joined(tmp_path):
    with ipc.new_file(tmp_path / "t.arrow", pa.schema([("n", pa.int64())])) as sink:
        for start in range(0, 3000, 3):
            sink.write_batch(pa.record_batch({"n": pa.array([start, start + 1, start + 2])}))
    table = import_table(tmp_path / "t.arrow", tmp_path / "c.arrow")
    assert table.column("n").num_chunks == 1
    assert table.row(2999) == {"n": 2999}


def test_a_parquet_file_that_was_cut_short_is_said(tmp_path):
    write(TABLE, tmp_path / "t.parquet")
    content = (tmp_path / "t.parquet").read_bytes()
    (tmp_path / "t.parquet").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"t\.parquet cannot be read as PARQUET"):
        import_table(tmp_path / "t.parquet", tmp_path / "c.arrow")
    assert [p.name for p in tmp_path.iterdir()] == ["t.parquet"]
