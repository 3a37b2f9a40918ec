"""Models that were saved: the same elsewhere, clear about wrong tables, and deaf to files of others."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import rareloop
import skops.io
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rareloop.dashboard.cli import main
from rareloop.dashboard.model_files import save_model
from rareloop.dashboard.predictions import predict
from rareloop.data.errors import InputError
from rareloop.data.model_archive import CARD, MANIFEST, SCHEMA, checksums, members_of, packed
from rareloop.data.workspace import Workspace

from .handover_sets import PUBLICATION
from .model_sets import N, labelled, rows
from .test_session import label, label_queue, opened, settle, survey

OFFERED = ["logistic", "forest", "boosting", "lda"]
COLUMNS = ["mag", "colour", "band", "spectrum", "seen"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A workspace with the files of all models on offer beside it, and what the pool was predicted as."""
    place = tmp_path_factory.mktemp("models")
    workspace = labelled(place, prevalence=[[0, 0.02, 0.08]])
    workspace.settings["publication"] = PUBLICATION | {"description": "<b>Objects</b>"}
    workspace.save()
    for name in OFFERED:
        save_model(workspace, place / f"{name}.skops", classifier=name)
        predict(workspace, place / f"{name}.parquet", classifier=name)
    save_model(workspace, place / "folder")
    workspace.close()
    return place


@pytest.fixture(scope="module")
def model(folder):
    return rareloop.load_model(folder / "logistic.skops")


def predicted(folder, name):
    frame = pd.read_parquet(folder / f"{name}.parquet")
    return frame["suggested_label"], frame[["probability_=rare", "probability_common"]]


# ---- the same elsewhere -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", OFFERED)
def test_a_saved_model_says_of_the_raw_columns_what_the_pool_was_predicted_as(folder, name):
    model = rareloop.load_model(folder / f"{name}.skops")
    suggested, probabilities = predicted(folder, name)
    frame = rows().set_index("object")
    found = model.predict_proba(frame)
    assert model.classes == list(found.columns) == ["=rare", "common"] and model.columns == COLUMNS
    assert (found.index == frame.index).all()
    np.testing.assert_allclose(found, probabilities, atol=1e-6)
    assert (model.predict(frame) == suggested.to_numpy()).all()


def test_it_works_in_another_process_without_the_workspace(folder, tmp_path):
    for name in ("logistic.skops", "folder"):
        copy = shutil.copy if name.endswith(".skops") else shutil.copytree
        copy(folder / name, tmp_path / name)
        rows().to_parquet(tmp_path / "rows.parquet", index=False)
        code = (
            "import sys, pandas, rareloop\n"
            f"model = rareloop.load_model({name!r})\n"
            "model.predict_proba(pandas.read_parquet('rows.parquet')).to_csv('out.csv', index=False)\n"
            "assert not {'panel', 'bokeh'} & set(sys.modules)\n"
        )
        root = Path(rareloop.__file__).parents[1]
        subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, check=True, env=os.environ | {"PYTHONPATH": str(root)}
        )
        np.testing.assert_allclose(pd.read_csv(tmp_path / "out.csv"), predicted(folder, "logistic")[1], atol=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_it_is_the_model_of_the_newest_round(tmp_path, share):
    session = opened(survey(tmp_path))
    session.update_settings(audit_share=share, retrain_every=1000)
    for row in (0, 40, 1, 2, 5):
        label(session, row)
    for _ in range(60):
        label_queue(session, 1)
    session.start_round()
    settle(session)
    save_model(session.workspace, tmp_path / "m.skops")
    model = rareloop.load_model(tmp_path / "m.skops")
    frame = pd.read_csv(tmp_path / "survey.csv")
    scoring = session.worker.desk._judge.scoring
    shown = scoring.of_rows(np.arange(len(frame)))
    found = model.predict_proba(frame)
    assert model.classes == ["quasar", "star"]
    np.testing.assert_allclose(found, shown, atol=1e-6)
    assert (model.predict(frame) == np.array(["quasar", "star"])[scoring.thresholds.decide(shown)]).all()
    if share:
        assert "Recall of the model on the rest" in model.card and "of the very labels" in model.card
        assert f"for the model of round {session.report['round']}" in " ".join(model.card.split())
    else:
        assert "has not been measured" in model.card
    session.close()


def test_the_same_log_gives_the_same_file(folder, tmp_path):
    workspace = Workspace.open(folder / "objects.rareloop")
    save_model(workspace, tmp_path / "logistic.skops")
    workspace.close()
    assert (tmp_path / "logistic.skops").read_bytes() == (folder / "logistic.skops").read_bytes()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_neither_the_order_nor_the_number_of_rows_matters(model, data):
    frame = rows()
    chosen = data.draw(st.lists(st.integers(0, N - 1), max_size=40))
    whole = model.predict_proba(frame).iloc[chosen]
    pd.testing.assert_frame_equal(model.predict_proba(frame.iloc[chosen]), whole, atol=1e-5)
    assert len(model.predict(frame.iloc[chosen])) == len(chosen)


# ---- tables -----------------------------------------------------------------------------------------


def test_columns_in_any_order_more_of_them_and_other_types_of_the_same_kind_are_taken(model):
    frame = rows()
    expected = model.predict_proba(frame)
    other = frame[COLUMNS[::-1]].assign(
        more="x", band=frame["band"].astype("category"), mag=frame["mag"].astype("Float64")
    )
    pd.testing.assert_frame_equal(model.predict_proba(other), expected)
    np.testing.assert_allclose(model.predict_proba(pa.Table.from_pandas(frame)), expected)
    assert np.isfinite(model.predict_proba(frame.assign(band=None, colour=np.nan, seen=None))).all(axis=None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.drop(columns=["colour"]), "no column 'colour'"),
        (lambda f: f.assign(mag="bright"), "column 'mag' of the table holds text, and the model takes numbers"),
        (lambda f: f.assign(mag=[1.0] * (N - 1) + ["?"]), "column 'mag' mixes kinds of values"),
        (lambda f: f.assign(band=1), "column 'band' of the table holds numbers"),
        (lambda f: f.assign(band="zz"), "column 'band' of the table has 'zz' in row 0"),
        (lambda f: f.assign(seen=1.0), "column 'seen' of the table holds numbers"),
        (lambda f: f.assign(spectrum=[[1.0]] * N), "no array of 4 numbers in row 0"),
        (lambda f: f.assign(mag=np.inf), "column 'mag' of the table has an infinite value in row 0"),
        (lambda f: f.assign(mag=1e300), "column 'mag' of the table has a value in row 0 that is too large"),
        (lambda f: pd.concat([f, f[["mag"]]], axis=1), "two columns 'mag'"),
        (lambda f: f.to_numpy(), "takes a pandas DataFrame"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_by_the_name_of_its_column(model, change, said):
    with pytest.raises(InputError, match=said):
        model.predict(change(rows()))


# ---- files of others --------------------------------------------------------------------------------


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def forged(folder, target, change, name="logistic"):
    """A model with some members changed, and checksums that fit again."""
    with zipfile.ZipFile(folder / f"{name}.skops") as archive:
        members = {each: archive.read(each) for each in archive.namelist()}
    manifest = json.loads(members[MANIFEST])
    change(members, manifest)
    manifest["members"] = checksums({k: v for k, v in members.items() if k not in (MANIFEST, CARD)})
    members[MANIFEST] = json.dumps(manifest).encode()
    target.write_bytes(packed(members))
    return target


def test_a_pickle_is_refused_whatever_it_is_called(tmp_path):
    (tmp_path / "model.skops").write_bytes(pickle.dumps(Evil(str(tmp_path / "evil"))))
    with pytest.raises(InputError, match="no model that rareloop wrote"):
        rareloop.load_model(tmp_path / "model.skops")
    assert not (tmp_path / "evil").exists()


def test_a_model_of_another_program_and_no_model_at_all_are_refused(tmp_path):
    from sklearn.linear_model import LogisticRegression

    skops.io.dump(LogisticRegression().fit([[0], [1]], [0, 1]), tmp_path / "other.skops")
    (tmp_path / "empty").mkdir()
    for name in ("other.skops", "empty", "missing.skops"):
        with pytest.raises(InputError):
            rareloop.load_model(tmp_path / name)


def test_a_changed_file_is_refused(folder, tmp_path):
    with zipfile.ZipFile(folder / "logistic.skops") as archive:
        members = {each: archive.read(each) for each in archive.namelist()}
    for name in members:
        if name in (MANIFEST, CARD):
            continue
        changed = bytearray(members[name])
        changed[-2] ^= 1
        (tmp_path / "m.skops").write_bytes(packed(members | {name: bytes(changed)}))
        with pytest.raises(InputError):
            rareloop.load_model(tmp_path / "m.skops")
    whole = (folder / "logistic.skops").read_bytes()
    for cut in (10, len(whole) // 2, len(whole) - 5):
        (tmp_path / "m.skops").write_bytes(whole[:cut])
        with pytest.raises(InputError, match="damaged"):
            rareloop.load_model(tmp_path / "m.skops")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_schema_or_manifest_is_refused_or_changes_nothing(folder, model, tmp_path, data):
    def damage(members, manifest):
        content = bytearray(members[SCHEMA])
        for _ in range(data.draw(st.integers(1, 3))):
            place = data.draw(st.integers(0, len(content) - 1))
            content[place] = data.draw(st.sampled_from(b'0123456789"{}[],.aeNO_x'))
        members[SCHEMA] = bytes(content)

    path = forged(folder, tmp_path / "m.skops", damage)
    try:
        found = rareloop.load_model(path)
        found.predict(rows().iloc[:3])
    except InputError:
        return
    assert found.classes == model.classes


def as_class(members, module, name):
    schema = json.loads(members[SCHEMA])
    members[SCHEMA] = json.dumps(schema | {"__module__": module, "__class__": name}).encode()


def array(dtype="<f8", shape=(10**9,), content=b"12345678"):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": dtype, "fortran_order": False, "shape": shape})
    return buffer.getvalue() + content


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda members, m: as_class(members, "os", "system"), "no classifier on offer"),
        (lambda members, m: as_class(members, "sklearn.svm._classes", "SVC"), "trusted="),
        (lambda members, m: members.update({"../x.npy": b""}), "as no model of rareloop does"),
        (lambda members, m: members.update({"00000.npy": array()}), "not what it says"),
        (lambda members, m: members.update({"00000.npy": array("|O", (1,))}), "not what it says"),
        (lambda members, m: m.update(classes=["a", "b", "c"]), "damaged"),
        (lambda members, m: m.update(places=[1, 0]), "not the one it tells of"),
        (lambda members, m: m["features"]["columns"].pop(), "damaged"),
        (lambda members, m: m["correction"].update(offsets=[float("nan")] * 2), "damaged"),
        (lambda members, m: m.update(model_format=99), "newer rareloop"),
        (lambda members, m: m.clear(), "damaged"),
    ],
)
def test_a_file_that_was_made_to_deceive_is_refused(folder, tmp_path, change, said):
    with pytest.raises(InputError, match=said):
        rareloop.load_model(forged(folder, tmp_path / "m.skops", change))


@pytest.mark.parametrize("name", ["forest", "boosting"])
def test_trees_that_lead_nowhere_are_refused_before_they_are_walked(folder, tmp_path, name):
    def break_trees(members, manifest):
        for each, content in members.items():
            if not each.endswith(".npy"):
                continue
            values = np.load(io.BytesIO(content))
            fields = values.dtype.names or ()
            left = next((f for f in ("left_child", "left") if f in fields), None)
            if left is not None and len(values) > 1:
                values[left][0] = 2**30
                buffer = io.BytesIO()
                np.save(buffer, values)
                members[each] = buffer.getvalue()

    with pytest.raises(InputError, match="not the one it tells of"):
        rareloop.load_model(forged(folder, tmp_path / "m.skops", break_trees, name))


def test_a_classifier_of_the_users_own_is_loaded_only_when_it_is_trusted(folder, tmp_path, monkeypatch):
    (tmp_path / "own.py").write_text(
        "from sklearn.naive_bayes import GaussianNB\n"
        "class Own(GaussianNB):\n    pass\n"
        "class Closed(GaussianNB):\n"
        "    def fit(self, X, y):\n        self.secret = (n for n in y)\n        return super().fit(X, y)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    workspace = Workspace.open(folder / "objects.rareloop")
    saved = save_model(workspace, tmp_path / "own.skops", classifier="own:Own")
    assert "trusted=['own.Own']" in saved.messages[-1]
    with pytest.raises(InputError, match=r"own\.Own, no classifier on offer"):
        rareloop.load_model(tmp_path / "own.skops")
    model = rareloop.load_model(tmp_path / "own.skops", trusted=["own.Own"])
    assert "trusted=['own.Own']" in model.card and len(model.predict(rows())) == N
    with pytest.raises(InputError, match="cannot be saved without pickle"):
        save_model(workspace, tmp_path / "closed.skops", classifier="own:Closed")
    workspace.close()
    assert not (tmp_path / "closed.skops").exists()


# ---- the card, the command, ONNX --------------------------------------------------------------------


def test_the_card_says_what_a_user_must_know_and_hugging_face_reads_it(folder, model):
    assert (folder / "folder" / CARD).read_text().replace("'folder'", "'logistic.skops'") == model.card
    from huggingface_hub import ModelCard

    read = ModelCard(model.card)
    assert read.data.license == "cc-by-4.0" and read.data.pipeline_tag == "tabular-classification"
    assert yaml.safe_load(model.card.split("---")[1])["library_name"] == "rareloop"
    text = " ".join(model.card.split())
    for said in (
        "Ann Example (Nowhere)", "=rare 4 %", "has not been measured", "no random sample",
        "unlike anything labelled",
        "Without a label, and so never predicted: other", "&lt;b&gt;", 'load_model(\'logistic.skops\')',
    ):  # fmt: skip
        assert said in text, said


def test_the_folder_has_the_model_its_manifest_and_its_card(folder):
    assert sorted(path.name for path in (folder / "folder").iterdir()) == [CARD, MANIFEST, "model.skops"]
    manifest = json.loads((folder / "folder" / MANIFEST).read_text())
    assert manifest["provenance"]["labels"] == {"=rare": 8, "common": 20}
    assert manifest["provenance"]["source_sha256"] and manifest["provenance"]["n_events"] == 28
    assert "object" not in json.dumps(manifest["features"])
    loaded = skops.io.load(folder / "folder/model.skops")
    assert type(loaded).__name__ == "LogisticRegression"  # skops reads it without us


def test_the_command_saves_and_refuses_in_one_sentence(folder, tmp_path, capsys):
    workspace = str(folder / "objects.rareloop")
    assert main(["model", workspace, "--to", str(tmp_path / "m.skops")]) == 0
    assert "The probabilities are moved" in capsys.readouterr().out
    for flags in (
        ["--to", str(tmp_path)],
        ["--to", str(tmp_path / "x.skops"), "--format", "onnx"],
        ["--to", str(tmp_path / "no/x.skops")],
        ["--to", str(tmp_path / "x.skops"), "--classifier", "none"],
    ):
        assert main(["model", workspace, *flags]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["m.skops"]


@pytest.mark.parametrize("name", OFFERED)
def test_an_onnx_graph_gives_the_probabilities_of_the_model_or_is_refused(folder, tmp_path, name):
    import onnxruntime

    workspace = Workspace.open(folder / "objects.rareloop")
    features = np.array(workspace.features)
    refused = None
    try:
        save_model(workspace, tmp_path / "onnx", classifier=name, fmt="onnx")
    except InputError as error:
        refused = str(error)
    workspace.close()
    if refused is not None:  # which classifiers skl2onnx can convert depends on its version
        assert name in ("boosting", "lda") and f"{name} cannot be written as ONNX" in refused
        assert not (tmp_path / "onnx").exists()
        return
    session = onnxruntime.InferenceSession(tmp_path / "onnx/model.onnx")
    (found,) = session.run(["shown_probabilities"], {"features": features})
    np.testing.assert_allclose(found, predicted(folder, name)[1], atol=1e-4)
    with pytest.raises(InputError):
        rareloop.load_model(tmp_path / "onnx")


def test_archives_do_not_depend_on_where_objects_lie_in_memory():
    from sklearn.linear_model import LogisticRegression

    one, other = (
        packed(members_of(skops.io.dumps(LogisticRegression().fit([[0.0], [1.0]], [0, 1])))) for _ in range(2)
    )
    assert one == other
    assert skops.io.loads(one).predict([[1.0]]) == [1]
