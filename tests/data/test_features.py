"""Features: scaling against scikit-learn, missing values, categories, arrays, bad values."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rareloop.data.errors import InputError
from rareloop.data.features import build_features, load_report, open_features, read_rows, save_report
from rareloop.data.tables import import_table
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import StandardScaler


def build(folder, columns, names=None, **options):
    pq.write_table(pa.table(columns), folder / "t.parquet")
    table = import_table(folder / "t.parquet", folder / "c.arrow")
    report = build_features(table, names or list(columns), folder / "f.npy", **options)
    return open_features(folder / "f.npy"), report


@given(
    values=st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=3, max_size=60).filter(
        lambda v: len({x for x in v if x is not None}) > 1
    )
)
@settings(max_examples=60, deadline=None)
def test_numbers_are_imputed_and_standardised_as_scikit_learn_does(tmp_path_factory, values):
    matrix, report = build(tmp_path_factory.mktemp("f"), {"x": pa.array(values, pa.float64())})
    column = np.array([[np.nan if v is None else v] for v in values])
    filled = SimpleImputer(strategy="median").fit_transform(column)
    expected = StandardScaler().fit_transform(filled / (np.abs(filled).max() or 1.0))  # else it underflows
    if np.ptp(filled) > 1e-6 * np.abs(filled).max():  # else both are rounding noise
        np.testing.assert_allclose(matrix, expected, rtol=1e-3, atol=1e-3)
    assert report.imputed.get("x", 0) == sum(v is None for v in values)


def test_large_offsets_keep_their_precision(tmp_path):
    values = 1.7e9 + np.arange(1000.0)
    matrix, _ = build(tmp_path, {"t": values})
    np.testing.assert_allclose(matrix[:, 0], (values - values.mean()) / values.std(), atol=1e-5)


def test_categories_arrays_dates_and_yes_no(tmp_path):
    matrix, report = build(
        tmp_path,
        {
            "c": ["a", "b", None, "a"],
            "v": pa.array([[0.0, 2.0], [4.0, 6.0], [0.0, 2.0], [4.0, 6.0]], pa.list_(pa.float64(), 2)),
            "d": [dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 3), None, dt.datetime(2020, 1, 2)],
            "f": [True, False, False, True],
        },
    )
    assert report.names == ["c=a", "c=b", "v[0]", "v[1]", "d", "f"]
    assert matrix[:, 0].tolist() == [1, 0, 0, 1]
    assert matrix[:, 1].tolist() == [0, 1, 0, 0]
    np.testing.assert_allclose(
        matrix[:, 2:4], (np.array([[0, 2], [4, 6], [0, 2], [4, 6]]) - 3) / np.sqrt(5), rtol=1e-5
    )
    assert matrix[2, 4] == pytest.approx(0, abs=1e-6)  # the median is the mean here
    assert sorted({round(float(x), 3) for x in matrix[:, 5]}) == [-1.0, 1.0]
    assert matrix.dtype == np.float32
    assert matrix.flags.c_contiguous


def test_infinite_values_are_an_error_until_they_mean_missing(tmp_path):
    columns = {"x": [1.0, 2.0, np.inf, 4.0, -np.inf]}
    with pytest.raises(InputError, match=r"'x' has 2 infinite values, the first in row 2.*--infinite missing"):
        build(tmp_path, columns)
    assert not (tmp_path / "f.npy").exists()
    matrix, report = build(tmp_path, columns, infinite="missing")
    assert report.imputed == {"x": 2}
    assert np.isfinite(matrix).all()
    assert matrix[2, 0] == matrix[1, 0] == matrix[4, 0]  # the median


def test_the_report_is_kept_and_speaks_of_missing_values(tmp_path):
    _, report = build(tmp_path, {"x": [1.0, None, 3.0]})
    save_report(report, tmp_path / "r.json")
    assert load_report(tmp_path / "r.json") == report
    assert report.notes() == ["'x': 1 missing, counted as the median (2)."]


def test_many_rows_are_written_in_blocks(tmp_path):
    values = np.random.default_rng(0).normal(size=200_000)
    matrix, _ = build(tmp_path, {"a": values, "b": values[::-1].copy()})
    np.testing.assert_allclose(matrix[:, 0], ((values - values.mean()) / values.std()), atol=1e-5)
    np.testing.assert_array_equal(matrix[:, 0], matrix[::-1, 1])


def test_infinite_values_in_arrays_are_found_and_missing_ones_counted(tmp_path):
    columns = {"v": pa.array([[1.0, 2.0], [None, 4.0], [5.0, np.inf]], pa.list_(pa.float64(), 2))}
    with pytest.raises(InputError, match=r"'v' has infinite values in its arrays, the first in row 2"):
        build(tmp_path, columns)
    assert not list(tmp_path.glob("f.npy*"))
    matrix, report = build(tmp_path, columns, infinite="missing")
    assert report.imputed == {"v": 2}
    assert matrix[1, 0] == matrix[2, 1] == 0  # the mean
    assert "2 missing in its arrays" in report.notes()[0]


@pytest.mark.parametrize("unit", [1e-300, 1e-30, 1e30, 1e308])
def test_very_large_and_very_small_numbers_are_standardised_all_the_same(tmp_path, unit):
    values = np.array([1.0, 1.1, -1.0])
    matrix, _ = build(tmp_path, {"x": values * unit})
    np.testing.assert_allclose(matrix[:, 0], (values - values.mean()) / values.std(), rtol=1e-5)


def test_lists_of_one_length_are_arrays_whatever_their_type_is_called(tmp_path):
    cells = [[i % 251, i % 7, 255] for i in range(500)]
    fixed, _ = build(tmp_path, {"v": pa.array(cells, pa.list_(pa.uint8(), 3))})
    fixed = np.array(fixed)
    free, _ = build(tmp_path, {"v": pa.array(cells, pa.list_(pa.uint8()))})
    np.testing.assert_array_equal(fixed, free)


def test_rows_are_read_as_they_are_mapped(tmp_path, monkeypatch):
    monkeypatch.setattr("rareloop.data.features.BLOCK_ROWS", 7)
    matrix = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    np.save(tmp_path / "m.npy", matrix)
    rows = np.array([0, 0, 6, 7, 30, 39])
    for one in (matrix, open_features(tmp_path / "m.npy")):
        np.testing.assert_array_equal(read_rows(one, rows), matrix[rows])
        assert read_rows(one, np.array([], np.int64)).shape == (0, 3)
