"""Counts of columns: every item is in one bar, and the rule of a bar chooses just its items."""

from __future__ import annotations

import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rareloop.dashboard.column_counts import balance, chart, choices, range_rule
from rareloop.dashboard.columns import Answers, Columns
from rareloop.dashboard.rules import parse
from rareloop.data.workspace import Workspace, workspace_folder

N = 3_000


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("distributions")
    rng = np.random.default_rng(0)
    x = rng.normal(size=N)
    x[::10] = np.nan
    table = {
        "object": [f"o{i}" for i in range(N)],
        "x": x,
        "empty": np.full(N, np.nan),
        "odd name": rng.integers(0, 5, N),
        "kind": [None if i % 50 == 0 else f"it's {min(i % 40, i % 70)}" for i in range(N)],
        "good": [i % 3 == 0 for i in range(N)],
    }
    pq.write_table(pa.table(table), folder / "sky.parquet")
    one = Workspace.create(workspace_folder(folder / "sky.parquet"), folder / "sky.parquet")
    one.roles.id, one.roles.label, one.roles.features = "object", None, ["x"]
    one.confirm(one.roles, ["quasar", "star"], wanted=["quasar"])
    yield one
    one.close()


@pytest.fixture(scope="module")
def columns(workspace):
    return Columns(workspace, Answers.of(workspace))


def test_a_histogram_counts_as_numpy_does(columns):
    x = columns.table.doubles("x")
    one = chart(columns, "x")
    counts, edges = np.histogram(x[np.isfinite(x)], 40)
    assert np.allclose(one.edges, edges)
    assert one.pool.tolist() == counts.tolist()
    assert one.note == "300 without a value"
    rows = np.arange(0, N, 7)
    assert sum(one.counts(rows)) == np.isfinite(x[rows]).sum()
    assert chart(columns, "empty").note == "no values"


def test_each_bar_has_a_rule_that_chooses_its_items(columns):
    for name in ("kind", "good"):
        one = chart(columns, name)
        assert one.pool.sum() == N
        for place, rule in enumerate(one.rules):
            assert parse(rule, columns).rows(columns).tolist() == np.flatnonzero(one.codes == place).tolist()
    labels = chart(columns, "kind").labels
    assert len(labels) == 22
    assert labels[-2:] == ("other (20 values)", "missing")


def test_a_range_is_a_rule(columns):
    x = columns.table.doubles("x")
    for low, high in ((-0.5, 0.25), (None, 0.25), (0.1, None)):
        rule = range_rule(columns, "x", low, high)
        low, high = -np.inf if low is None else low, np.inf if high is None else high
        assert parse(rule, columns).rows(columns).tolist() == np.flatnonzero((x >= low) & (x <= high)).tolist()
    assert range_rule(columns, "odd name", 1, 2) == "1 <= `odd name` <= 2"


def test_classes_are_counted_with_what_has_none(workspace, columns):
    parts = balance(columns, workspace)
    assert [(p["label"], p["count"]) for p in parts] == [("quasar", 0), ("star", 0), ("unlabelled", N)]
    assert choices(workspace, columns)[0] != "object"


def test_a_million_values_are_counted_quickly(tmp_path):
    n = 1_000_000
    source = tmp_path / "many.parquet"
    pq.write_table(pa.table({"x": np.arange(n) / 7, "name": [f"s{i // 2}" for i in range(n)]}), source)
    one = Workspace.create(workspace_folder(source), source)
    columns = Columns(one, Answers.of(one))
    before = time.perf_counter()
    many = chart(columns, "name")
    assert time.perf_counter() - before < 10
    assert many.labels[-1] == "other (499,980 values)"
    assert many.pool[-1] == n - 40
    one.close()
