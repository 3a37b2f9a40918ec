"""Predictions of the whole pool and of new tables: what is in the file, and that nothing else decides it."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rareloop.dashboard.cli import main
from rareloop.dashboard.handover import make_package
from rareloop.dashboard.model_files import save_model
from rareloop.dashboard.predictions import predict
from rareloop.dashboard.saved_model import load_model
from rareloop.dashboard.taxonomy_editing import Change, change_classes
from rareloop.data.errors import InputError
from rareloop.data.labels import Action
from rareloop.data.workspace import Workspace

from .handover_sets import PUBLICATION
from .model_sets import RARE, N, label_event, labelled, rows
from .test_session import label, label_queue, opened, settle, survey

PROBABILITIES = ["probability_=rare", "probability_common"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("predict")
    workspace = labelled(place, prevalence=[[0, 0.02, 0.08]])
    workspace.close()
    return workspace.folder


@pytest.fixture
def workspace(folder):
    one = Workspace.open(folder)
    yield one
    one.close()


def facts_of(path):
    return json.loads(pq.read_schema(path).metadata[b"rareloop"])


def test_each_item_has_its_probabilities_suggestion_and_distance(workspace, tmp_path):
    done = predict(workspace, tmp_path / "p.parquet")
    frame = pd.read_parquet(tmp_path / "p.parquet")
    assert frame["item_id"].tolist() == [f"o{i}" for i in range(N)] and done.n_rows == N
    p = frame[PROBABILITIES].to_numpy()
    np.testing.assert_allclose(p.sum(axis=1), 1)
    np.testing.assert_allclose(frame["suggested_confidence"], p.max(axis=1))
    assert (frame["suggested_label"] == np.array(["=rare", "common"])[p.argmax(axis=1)]).all()
    assert (frame["suggested_label"][list(RARE)] == "=rare").mean() > 0.8
    assert frame["is_labelled"].sum() == 28 and frame["is_labelled"][0] and not frame["is_labelled"][2]
    unlike = frame["unlike_labelled"].to_numpy()
    assert unlike[frame["is_labelled"]].max() < 0.01 < unlike[~frame["is_labelled"]].min()
    assert done.counts == frame["suggested_label"].value_counts().to_dict()


def test_probabilities_are_brought_to_the_prevalence_and_the_file_says_so(workspace, tmp_path):
    done = predict(workspace, tmp_path / "p.parquet")
    facts = facts_of(tmp_path / "p.parquet")
    assert facts["correction"]["kind"] == "matched" and "given by you" in done.correction
    assert facts["correction"]["in_words"] == done.correction
    assert facts["classes_without_labels"] == ["other"]
    frame = pd.read_parquet(tmp_path / "p.parquet")
    assert frame["probability_=rare"][~frame["is_labelled"]].mean() == pytest.approx(0.04, rel=0.05)


def test_a_csv_has_its_facts_beside_it_and_no_formula(workspace, tmp_path):
    predict(workspace, tmp_path / "p.parquet")
    for name in ("p.csv", "p.jsonl"):
        predict(workspace, tmp_path / name)
        assert json.loads((tmp_path / f"{name}.json").read_text()) == facts_of(tmp_path / "p.parquet")
    frame = pd.read_csv(tmp_path / "p.csv")
    assert set(frame["suggested_label"]) == {"'=rare", "common"}
    assert len((tmp_path / "p.jsonl").read_text().splitlines()) == N
    assert not list(tmp_path.glob("*.partial"))


def test_the_same_log_gives_the_same_file(workspace, tmp_path):
    for name in ("a.parquet", "b.parquet"):
        predict(workspace, tmp_path / name)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(block=st.integers(1, N), seed=st.integers(0, 99))
def test_neither_the_order_of_the_rows_nor_the_blocks_matter(workspace, tmp_path, block, seed):
    predict(workspace, tmp_path / "whole.parquet")
    rows().sample(frac=1, random_state=seed).to_parquet(tmp_path / "new.parquet", index=False)
    predict(workspace, tmp_path / "new.out.parquet", table=tmp_path / "new.parquet", block=block)
    whole = pd.read_parquet(tmp_path / "whole.parquet").set_index("item_id")
    new = pd.read_parquet(tmp_path / "new.out.parquet").set_index("item_id").loc[whole.index]
    assert (new["suggested_label"] == whole["suggested_label"]).all()
    assert (new["is_labelled"] == whole["is_labelled"]).all()
    np.testing.assert_allclose(new[PROBABILITIES], whole[PROBABILITIES], atol=1e-5)
    np.testing.assert_allclose(new["unlike_labelled"], whole["unlike_labelled"], atol=5e-3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.drop(columns="mag"), "no column 'mag'"),
        (lambda f: f.assign(mag="bright"), "column 'mag' of new.parquet holds text"),
        (lambda f: f.assign(band="z"), "column 'band' of new.parquet has 'z' in row 0"),
        (lambda f: f.assign(spectrum=[[1.0, 2.0]] * N), "no array of 4 numbers in row 0"),
        (lambda f: f.assign(mag=np.inf), "infinite value in row 0"),
        (lambda f: f.assign(object="twice"), "column 'object' has 1 values more than once"),
        (lambda f: f.drop(columns="object"), "no column 'object'"),
    ],
)
def test_a_new_table_that_does_not_fit_is_refused_by_the_name_of_its_column(workspace, tmp_path, change, said):
    change(rows()).to_parquet(tmp_path / "new.parquet", index=False)
    with pytest.raises(InputError, match=said):
        predict(workspace, tmp_path / "p.csv", table=tmp_path / "new.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["new.parquet"]


def test_breaking_it_off_leaves_no_file(workspace, tmp_path):
    def stop(share, text):
        if text == "predicting":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict(workspace, tmp_path / "p.csv", block=50, progress=stop)
    assert not list(tmp_path.iterdir())


def test_the_command_says_what_was_predicted_and_corrected(folder, tmp_path, capsys):
    assert main(["predict", str(folder), "--to", str(tmp_path / "p.csv"), "--classifier", "forest"]) == 0
    said = capsys.readouterr().out
    assert (
        f"{N} predictions" in said
        and "moved so that their means over the items to be asked are the prevalence" in said
    )
    assert main(["predict", str(folder), "--to", str(tmp_path / "p.txt")]) == 2
    assert main(["predict", str(folder), "--to", str(tmp_path / "p.csv"), "--classifier", "none"]) == 2


def test_classes_have_the_names_of_now_and_merged_ones_are_one(tmp_path):
    workspace = labelled(tmp_path)
    workspace.log.append([label_event(101, "other"), label_event(103, "other")])
    changes = [
        Change(Action.CLASS_MERGE, "other", {"into": "common"}),
        Change(Action.CLASS_RENAME, "common", {"to": "usual"}),
    ]
    change_classes(workspace, changes, "ann", False)
    predict(workspace, tmp_path / "p.parquet")
    save_model(workspace, tmp_path / "m.skops")
    facts, model = facts_of(tmp_path / "p.parquet"), load_model(tmp_path / "m.skops")
    assert facts["classes"] == model.classes == ["=rare", "usual"] and facts["classes_without_labels"] == []
    assert model.manifest["provenance"]["labels"] == {"=rare": 8, "usual": 22}
    workspace.close()


def test_labels_of_one_class_are_no_model(tmp_path):
    workspace = labelled(tmp_path, labels=[1, 2, 3])
    with pytest.raises(InputError, match="at least two classes"):
        predict(workspace, tmp_path / "p.csv")
    workspace.close()


def test_predictions_are_machine_labels_of_a_package_without_what_people_labelled(workspace, tmp_path):
    predict(workspace, tmp_path / "p.parquet")
    workspace.settings["publication"] = PUBLICATION
    make_package(workspace, tmp_path / "package", machine_labels=tmp_path / "p.parquet")
    machine = pd.read_parquet(tmp_path / "package/data/machine_labels.parquet")
    assert len(machine) == N - 28 and machine["confidence"].between(0, 1).all()
    assert set(machine["machine_label"]) == {"=rare", "common"}
    assert machine["model_version"].str.startswith("rareloop-").all()


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_it_is_the_model_of_the_newest_round(tmp_path, share):
    session = opened(survey(tmp_path))
    session.update_settings(audit_share=share, retrain_every=1000, prevalence=[[0, 0.01, 0.05]])
    for row in (0, 40, 1, 2, 5):
        label(session, row)
    for _ in range(30):
        label_queue(session, 1)
    session.start_round()
    settle(session)
    judge, workspace = session.worker.desk._judge, session.workspace
    rows_ = np.arange(workspace.table.n_rows)
    predict(workspace, tmp_path / "p.parquet")
    frame = pd.read_parquet(tmp_path / "p.parquet")
    found = frame[["probability_quasar", "probability_star"]].to_numpy()
    if share:
        np.testing.assert_allclose(found, judge.scoring.of_rows(rows_), atol=1e-6)
        decided = np.array(["quasar", "star"])[judge.scoring.thresholds.decide(judge.scoring.of_rows(rows_))]
        assert (frame["suggested_label"] == decided).all()
    else:
        asked = {q.row: q.suggested_probability for q in session.queue}
        assert asked
        for row, probability in asked.items():
            assert found[row].max() == pytest.approx(probability, abs=1e-6)
    session.close()
