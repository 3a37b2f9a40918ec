"""FITS and VOTable tables in: types, missing cells, units, and one sentence for what cannot be read."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Column, MaskedColumn, Table
from rareloop.data import astronomy
from rareloop.data.errors import InputError
from rareloop.data.export.formats import export_blocks
from rareloop.data.tables import import_table
from rareloop.data.workspace import Workspace


def catalogue():
    missing = [False, True, False]
    return Table(
        {
            "name": ["007", "M 31", "α"],
            "mag": MaskedColumn([15.5, 0, np.inf], mask=missing, unit="mag", dtype=">f4"),
            "n": MaskedColumn([2**53 + 1, 5, -3], mask=missing, dtype=">i8"),
            "small": Column([1, 2, 3], dtype=np.int16),
            "yes": [True, False, True],
            "pair": [[1.0, np.nan], [3.0, 4.0], [5.0, 6.0]],
            "grid": np.arange(18, dtype=np.int32).reshape(3, 2, 3),
        }
    )


EXPECTED = {
    "mag": [15.5, None, np.inf],
    "n": [2**53 + 1, None, -3],
    "small": [1, 2, 3],
    "yes": [True, False, True],
    "grid": np.arange(18).reshape(3, 2, 3).tolist(),
}


@pytest.mark.parametrize("suffix", [".fits", ".vot", ".xml"])
def test_a_table_of_astropy_comes_in(tmp_path, suffix, monkeypatch):
    monkeypatch.setattr(astronomy, "ROWS", 2)
    source = tmp_path / f"sky{suffix}"
    table = catalogue()
    if suffix == ".fits":
        table["name"][2] = "a"
        table.write(source)
    else:
        table.write(source, format="votable")
    read = import_table(source, tmp_path / "c.arrow")
    seen = Table.read(source, format=None if suffix == ".fits" else "votable")  # astropy turns grids of VOTables
    for name, cells in (EXPECTED | {"grid": seen["grid"].tolist()}).items():
        assert read.column(name).to_pylist() == cells, name
    assert read.column("name").to_pylist()[:2] == ["007", "M 31"]
    assert read.column("pair").to_pylist()[1:] == [[3, 4], [5, 6]]
    kinds = {name: read.schema.field(name).type for name in ("mag", "small", "yes", "grid")}
    sizes = seen["grid"].shape
    grid = pa.list_(pa.list_(pa.int32(), sizes[2]), sizes[1])
    assert kinds == {"mag": pa.float32(), "small": pa.int16(), "yes": pa.bool_(), "grid": grid}
    assert np.isnan(read.doubles("mag")[1])
    assert read.schema.field("mag").metadata[b"unit"] == b"mag"
    assert read.notes == []


def test_units_go_out_as_they_came_in(tmp_path):
    catalogue()[["mag", "n"]].write(tmp_path / "a.fits")
    read = import_table(tmp_path / "a.fits", tmp_path / "c.arrow")
    for name, form in (("b.fits", "fits"), ("b.vot", "votable")):
        export_blocks(iter([read.take([0, 1])]), tmp_path / name)
        assert Table.read(tmp_path / name, format=form)["mag"].unit == "mag"
    export_blocks(iter([read.take([0, 1])]), tmp_path / "b.parquet")
    assert pq.read_schema(tmp_path / "b.parquet").field("mag").metadata[b"unit"] == b"mag"


def test_arrays_of_any_length_texts_and_scaled_columns(tmp_path, monkeypatch):
    monkeypatch.setattr(astronomy, "ROWS", 1)
    ragged = np.empty(2, object)
    ragged[:] = [np.array([1, 2, 3], np.int32), np.array([], np.int32)]
    columns = [
        fits.Column("ragged", "PJ()", array=ragged),
        fits.Column("blank", "5A", array=["", "x  "]),
        fits.Column("unsigned", "I", bzero=2**15, array=np.array([0, 65535], np.uint16)),
    ]
    columns = fits.ColDefs(columns[:3]) + fits.Column("scaled", "I", bscale=0.5, bzero=1)
    hdu = fits.BinTableHDU.from_columns(columns, nrows=2)
    hdu.data["scaled"] = [2.0, 3.5]
    hdu.writeto(tmp_path / "a.fits")
    read = import_table(tmp_path / "a.fits", tmp_path / "c.arrow")
    assert read.column("ragged").to_pylist() == [[1, 2, 3], []]
    assert read.column("blank").to_pylist() == [None, "x"]
    assert read.column("unsigned").to_pylist() == [0, 65535]
    assert read.column("scaled").to_pylist() == [2.0, 3.5]


def test_the_first_table_with_rows_is_read_and_named(tmp_path):
    empty = fits.BinTableHDU(Table({"a": np.empty(0)}), name="EMPTY")
    stars = fits.BinTableHDU(Table({"name": ["a", "b"], "x": [1.0, 2.0]}), name="STARS")
    other = fits.BinTableHDU(Table({"y": [1]}), name="OTHER")
    fits.HDUList([fits.PrimaryHDU(np.zeros((2, 2))), empty, stars, other]).writeto(tmp_path / "a.fits")
    made = Workspace.create(tmp_path / "a.rareloop", tmp_path / "a.fits")
    assert made.table.names == ["name", "x"]
    assert made.notes == ["a.fits holds 3 tables: 'STARS' was read, the first with rows"]
    made.close()


def test_an_ascii_table_comes_in(tmp_path):
    columns = [fits.Column("n", "I5", array=[1, 2]), fits.Column("t", "A3", array=["a", "b"])]
    fits.TableHDU.from_columns(columns).writeto(tmp_path / "a.fits")
    read = import_table(tmp_path / "a.fits", tmp_path / "c.arrow")
    assert [read.row(i) for i in range(2)] == [{"n": 1, "t": "a"}, {"n": 2, "t": "b"}]


def image(path):
    fits.HDUList([fits.PrimaryHDU(np.zeros((4, 4))), fits.ImageHDU(np.zeros(3))]).writeto(path)


def compressed_image(path):
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(np.zeros((64, 64), np.int16))]).writeto(path)


def cut(path):
    Table({"x": np.arange(10_000.0)}).write(path)
    path.write_bytes(path.read_bytes()[:20_000])


def complex_numbers(path):
    Table({"z": [1 + 2j]}).write(path)


def latin(path):
    fits.BinTableHDU.from_columns([fits.Column("t", "3A", array=np.array([b"abc", b"abd"]))]).writeto(path)
    path.write_bytes(path.read_bytes().replace(b"abd", b"ab\xe9"))


@pytest.mark.parametrize(
    ("name", "make", "part"),
    [
        ("a.fits", image, "holds no table but 2 image"),
        ("a.fits", compressed_image, "holds no table"),
        ("a.fits", cut, "cannot be read as FITS"),
        ("a.fits", complex_numbers, "column 'z' of a.fits holds complex numbers"),
        ("a.fits", latin, "column 't' of a.fits is neither ASCII nor UTF-8|cannot be read as FITS"),
        ("a.fits", lambda path: path.write_bytes(b""), "a.fits"),
        ("a.fits", lambda path: path.write_text("no such thing"), "cannot be read as FITS"),
        ("a.vot", lambda path: path.write_text("no such thing"), "cannot be read as VOTable"),
        ("a.vot", lambda path: path.write_text("<VOTABLE><RESOURCE></RESOURCE></VOTABLE>"), "holds no table"),
        ("a.xml", lambda path: path.write_text("<html><p>no</p></html>"), "a.xml"),
        ("a.fits", lambda path: Table({"x": np.empty(0)}).write(path), "is empty"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_sentence(tmp_path, name, make, part):
    make(tmp_path / name)
    with pytest.raises(InputError, match=part) as caught:
        import_table(tmp_path / name, tmp_path / "c.arrow")
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "c.arrow").exists()


@pytest.mark.parametrize("name", ["a.fits", "a.vot"])
def test_without_astropy_it_says_how_to_get_it(tmp_path, name, monkeypatch):
    (tmp_path / name).write_text("x")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'pip install "rareloop\[astro\]"'):
        import_table(tmp_path / name, tmp_path / "c.arrow")
