"""A package read by what others use: pandas, polars, DuckDB, datasets, mlcroissant, frictionless."""

from __future__ import annotations

import datetime
import decimal
import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rareloop.dashboard.handover import make_package, verify_package
from rareloop.data.labels import Action, Event, new_event_id
from rareloop.data.workspace import Workspace

from .handover_sets import PUBLICATION

N = 60
TRAIN = "data/train-00000-of-00001.parquet"
TEXTS = ('comma, "quote"\nline', "= 1 + 1", "", "München – 雪 🎈", "<b>&amp;</b> | cell", "x" * 3000)


def everything():
    """A table with a column of every kind that a source may have."""
    rng = np.random.default_rng(0)
    small = rng.normal(size=(N, 4)).astype(np.float32)
    whole = [None if i % 7 == 0 else i for i in range(N)]
    texts = [TEXTS[i % len(TEXTS)] for i in range(N)]
    days = [datetime.date(2020, 1, 1) + datetime.timedelta(days=i) for i in range(N)]
    return pa.table(
        {
            "key": pa.array(range(N), pa.int32()),
            "x": small[:, 0].astype(float),
            "label": ["a label of the source"] * N,
            "half": pa.array(small[:, 1].astype(np.float16)),
            "whole": pa.array(whole, pa.int64()),
            "large": pa.array([2**63 + i for i in range(N)], pa.uint64()),
            "text": pa.array(texts, pa.large_string()),
            "kind": pa.array(texts).dictionary_encode(),
            "nothing": pa.nulls(N),
            "flag": pa.array([i % 3 == 0 if i % 5 else None for i in range(N)]),
            "day": pa.array(days),
            "moment": pa.array(np.arange(N), pa.timestamp("ns")),
            "money": pa.array([decimal.Decimal(i) / 4 for i in range(N)], pa.decimal128(12, 2)),
            "raw": pa.array([bytes([i, 255]) for i in range(N)]),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(small.ravel()), 4),
            "many": pa.array([list(range(i % 3)) for i in range(N)], pa.large_list(pa.int16())),
            "parts": pa.array([{"a": i, "b": "x"} for i in range(N)]),
        }
    )


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A package of that table, with names of classes that are hard to write."""
    folder = tmp_path_factory.mktemp("readers")
    source = folder / "every thing.parquet"
    pq.write_table(everything(), source)
    workspace = Workspace.create(folder / "w.rareloop", source)
    roles = workspace.roles
    roles.id, roles.label, roles.label_use, roles.features = "key", None, "ignore", ["x"]
    classes = ["yes: no", "quote \" and ' it", "Ünïcode 雪", "- # null"]
    workspace.confirm(roles, classes, wanted=classes[:1])
    workspace.prepare()
    now = datetime.datetime(2026, 3, 4, 5, 6, 7, 891011, tzinfo=datetime.UTC)
    for i in range(N - 5):
        name = classes[i % len(classes)]
        event = Event(new_event_id(), Action.LABEL, str(i), "ann", now, label=name, input="key", dwell_ms=900 + i)
        workspace.log.append(event)
    workspace.settings["publication"] = PUBLICATION | {"title": 'A "title": with – signs #1 & <b>'}
    make_package(workspace, folder / "package")
    workspace.close()
    return folder / "package"


@pytest.fixture(scope="module")
def expected(package):
    return pq.read_table(package / TRAIN)


def test_columns_of_the_source_keep_their_values(expected):
    items = [int(i) for i in expected.column("item_id").to_pylist()]
    source = everything().take(items)
    assert items == sorted(items)
    names = "x whole large text kind nothing flag day moment money raw vector many parts"
    for name in names.split():
        assert expected.column(name).to_pylist() == source.column(name).to_pylist(), name
    assert expected.column("source_label").to_pylist() == ["a label of the source"] * len(items)
    assert "key" not in expected.column_names
    assert not any(pa.types.is_large_string(t) or pa.types.is_dictionary(t) for t in expected.schema.types)


def test_all_checks_pass(package):
    assert [r for r in verify_package(package) if r.verdict == "fail"] == []


def test_pandas_and_polars_and_duckdb_read_the_same(package, expected):
    frame = pd.read_parquet(package / TRAIN)
    assert frame["item_id"].tolist() == expected.column("item_id").to_pylist()
    assert str(frame["labelled_at"].dtype) == "datetime64[us, UTC]"
    polars = pytest.importorskip("polars")
    assert polars.read_parquet(package / TRAIN)["label"].to_list() == expected.column("label").to_pylist()
    duckdb = pytest.importorskip("duckdb")
    query = f"select label, count(*) from '{package}/data/train-*.parquet' group by label order by label"
    counts = pd.Series(expected.column("label").to_pylist()).value_counts()
    assert dict(duckdb.sql(query).fetchall()) == counts.to_dict()


def test_datasets_loads_the_folder_with_real_classes(package, expected, tmp_path):
    pytest.importorskip("datasets")
    script = (
        "import datasets, json, sys\n"
        f"loaded = datasets.load_dataset({str(package)!r}, cache_dir={str(tmp_path)!r})\n"
        "train = loaded['train']\n"
        "names = train.features['label'].names\n"
        "print(json.dumps([names, [names[i] for i in train['label']], sorted(loaded)]))\n"
    )
    offline = os.environ | {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")}
    done = subprocess.run([sys.executable, "-c", script], env=offline, capture_output=True, text=True, check=True)
    names, labels, splits = json.loads(done.stdout.splitlines()[-1])
    classes = json.loads((package / "taxonomy.json").read_text())["classes"]
    assert names == [one["name"] for one in classes]
    assert labels == expected.column("label").to_pylist()
    assert splits == ["train", "validation"]


def test_features_in_the_card_are_what_datasets_makes_of_them(package):
    datasets = pytest.importorskip("datasets")
    hub = pytest.importorskip("huggingface_hub")
    data = hub.DatasetCard((package / "README.md").read_text()).data
    features = datasets.Features._from_yaml_list(data.dataset_info[0]["features"])
    arrow = datasets.Features.from_arrow_schema(pq.read_schema(package / TRAIN))
    assert list(features) == list(arrow)
    assert {k: v for k, v in features.items() if k != "label"} == {k: v for k, v in arrow.items() if k != "label"}


def test_mlcroissant_yields_the_labels(package, expected):
    croissant = pytest.importorskip("mlcroissant")
    dataset = croissant.Dataset(str(package / "croissant.json"))
    labels = {record["items/item_id"]: record["items/label"] for record in dataset.records("items")}
    for item_id, label in zip(*(expected.column(n).to_pylist() for n in ("item_id", "label")), strict=True):
        assert labels[item_id.encode()] == label.encode()


def test_frictionless_finds_every_table_valid(package):
    frictionless = pytest.importorskip("frictionless")
    assert frictionless.Package(str(package / "datapackage.json")).validate().valid
