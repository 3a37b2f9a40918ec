"""UMAP: kept by features and settings, cancelled without a trace, and neighbours stay neighbours."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from rareloop.dashboard import projections
from rareloop.dashboard.projections import UmapSettings, begin, features_fingerprint, make_umap, umap_path
from rareloop.dashboard.session import LabellingSession
from rareloop.data.errors import InputError
from rareloop.data.workspace import Workspace, workspace_folder

PATIENCE = 240


def workspace_of(tmp_path, n, n_features, n_groups=3):
    rng = np.random.default_rng(0)
    centres = 12 * rng.normal(size=(n_groups, n_features))
    group = np.arange(n) % n_groups
    values = centres[group] + rng.normal(size=(n, n_features))
    source = tmp_path / "t.parquet"
    pd.DataFrame(values, columns=[f"f{i}" for i in range(n_features)]).to_parquet(source)
    workspace = Workspace.create(workspace_folder(source), source)
    workspace.confirm(workspace.roles, ["x", "y"])
    workspace.prepare()
    return workspace, group


def test_the_path_depends_on_the_features_and_the_settings(tmp_path):
    workspace, _ = workspace_of(tmp_path, 30, 2)
    path = umap_path(workspace, UmapSettings())
    assert path == umap_path(workspace, UmapSettings())
    assert path != umap_path(workspace, UmapSettings(metric="cosine"))
    X = np.asarray(workspace.features)
    other = X.copy()
    other[0, 0] += 1
    assert features_fingerprint(X) != features_fingerprint(other)
    workspace.close()


def test_landmarks_and_the_items_placed_among_them_keep_their_groups(tmp_path):
    pytest.importorskip("umap")
    from sklearn.neighbors import KNeighborsClassifier

    workspace, group = workspace_of(tmp_path, 900, 60)
    settings, shares = UmapSettings(landmarks=300), []
    target = umap_path(workspace, settings)
    make_umap(lambda share, text: shares.append(share), workspace.folder, target, settings)
    plane = np.load(target)
    assert plane.shape == (900, 2) and np.isfinite(plane).all()
    assert KNeighborsClassifier(5).fit(plane[::2], group[::2]).score(plane[1::2], group[1::2]) > 0.98
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1.0)
    assert not list(target.parent.glob("*partial*"))
    workspace.close()


def test_without_the_extra_one_sentence_says_what_to_do(tmp_path, monkeypatch):
    workspace, _ = workspace_of(tmp_path, 30, 2)
    workspace.lock("test")
    session = LabellingSession(workspace, "tester")
    monkeypatch.setattr(projections, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"UMAP is not installed: run pip install 'rareloop\[projections\]'"):
        begin(session, UmapSettings())
    session.close()


def test_one_job_for_all_pages_and_cancelling_leaves_nothing(tmp_path):
    pytest.importorskip("umap")
    workspace, _ = workspace_of(tmp_path, 900, 4)
    workspace.lock("test")
    session = LabellingSession(workspace, "tester")
    before = set(workspace.folder.rglob("*"))
    job = begin(session, UmapSettings())
    assert begin(session, UmapSettings()) is job
    until = time.monotonic() + PATIENCE
    while not job.text:
        assert time.monotonic() < until, job.error
        time.sleep(0.05)
    job.cancel()
    assert job.state == "cancelled"
    assert {p for p in set(workspace.folder.rglob("*")) - before if p.suffix == ".npy"} == set()
    session.close()
