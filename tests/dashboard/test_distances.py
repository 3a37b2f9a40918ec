"""Which distance is proposed for which features."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rareloop.dashboard.distances import embeddings, keep_metric, usual_metric
from rareloop.dashboard.session import LabellingSession
from rareloop.data.workspace import Workspace, workspace_folder


def arrays(width, kind, n=50):
    values = np.random.default_rng(0).integers(0, 200, (n, width))
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel().astype(kind)), width)


@pytest.fixture
def workspace(tmp_path):
    columns = {
        "id": [f"i{i}" for i in range(50)],
        "mag": np.arange(50.0),
        "sentence": arrays(64, "f4"),
        "short": arrays(63, "f4"),
        "pixels": arrays(64, "u1"),
        "pixels_as_floats": arrays(64, "f4"),
        "loose": [list(map(float, range(80)))] * 50,
    }
    source = tmp_path / "t.parquet"
    pq.write_table(pa.table(columns), source)
    made = Workspace.create(workspace_folder(source), source)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("features", "metric"),
    [
        (["mag"], "euclidean"),
        (["mag", "sentence"], "cosine"),
        (["loose"], "cosine"),
        (["mag", "short"], "euclidean"),
        (["pixels"], "euclidean"),
        (["pixels_as_floats"], "euclidean"),  # the picture on the card
        ([], "euclidean"),
    ],
)
def test_the_cosine_is_for_arrays_of_many_floats_that_are_no_picture(workspace, features, metric):
    assert usual_metric(workspace.table, features, "pixels_as_floats") == metric
    assert bool(embeddings(workspace.table, features, "pixels_as_floats")) == (metric == "cosine")


def test_the_metric_is_kept_with_the_settings_of_the_rounds(workspace):
    roles = workspace.roles
    roles.features = ["mag", "sentence"]
    workspace.confirm(roles, ["a", "b"])
    keep_metric(workspace)
    session = LabellingSession(Workspace.open(workspace.folder))
    assert session.settings.metric == "cosine"
    keep_metric(session.workspace, "euclidean")
    assert session.settings.metric == "euclidean"
    assert session.settings.strategy == "auto"
    session.close()
