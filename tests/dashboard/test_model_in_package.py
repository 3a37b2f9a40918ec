"""A model beside the data of a package: as a whole, as it was saved, and never a pickle."""

from __future__ import annotations

import json
import pickle
import shutil

import pandas as pd
import pytest
import rareloop
from rareloop.dashboard.cli import main
from rareloop.dashboard.handover import verify_package
from rareloop.data.export.files import SUMS, facts_in, sums_text
from rareloop.data.workspace import Workspace

from .handover_sets import curated

FILES = ["MODEL_CARD.md", "manifest.json", "model.skops"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A workspace with a package that has a model. Not to be changed."""
    place = tmp_path_factory.mktemp("made")
    workspace, _ = curated(place, campaign=0)
    workspace.close()
    flags = ["--to", str(place / "package"), "--format", "package", "--model"]
    assert main(["export", str(place / "survey.rareloop"), *flags]) == 0
    return place


@pytest.fixture
def package(folder, tmp_path):
    """A copy of the package, to be broken."""
    return shutil.copytree(folder / "package", tmp_path / "package")


def first(package):
    return verify_package(package)[0]


def sealed(package):
    """Write the checksums anew, as somebody would who wants to deceive."""
    (package / SUMS).write_text(sums_text(facts_in(package)))
    return first(package)


def test_a_package_with_a_model_passes_its_checks_and_is_made_again(folder):
    package = folder / "package"
    assert sorted(path.name for path in (package / "model").iterdir()) == FILES
    assert all(f"model/{name}\n" in (package / SUMS).read_text() for name in FILES)
    results = verify_package(package, folder / "survey.rareloop")
    assert [(r.number, r.sentence) for r in results if r.verdict != "pass"] == []
    assert "model/MODEL_CARD.md" in (package / "README.md").read_text()
    model = rareloop.load_model(package / "model")
    assert len(model.predict(pd.read_csv(folder / "survey.csv"))) == 400


@pytest.mark.parametrize("name", FILES)
def test_a_part_of_a_model_is_none(package, name):
    (package / "model" / name).unlink()
    assert first(package).verdict == "fail" and name in first(package).sentence
    assert sealed(package).sentence == f"model/{name} is missing, and the rest of a model is there"


def test_a_pickle_or_another_archive_in_place_of_the_model_is_refused(package, folder):
    (package / "model/model.skops").write_bytes(pickle.dumps({"a": 1}))
    assert "checksum differs" in first(package).sentence
    assert "no model that rareloop wrote" in sealed(package).sentence
    shutil.copy(folder / "package/model/model.skops", package / "model/model.skops")
    manifest = json.loads((package / "model/manifest.json").read_text())
    manifest["members"] = {}
    (package / "model/manifest.json").write_text(json.dumps(manifest))
    assert "not the model that its manifest tells of" in sealed(package).sentence


def test_no_other_file_comes_with_a_model(package):
    (package / "model/extra.pkl").write_bytes(b"")
    assert "model/extra.pkl is no file of a package" in sealed(package).sentence


def test_a_model_of_columns_that_stay_at_home_is_not_handed_over(folder, tmp_path, capsys):
    shutil.copytree(folder / "survey.rareloop", tmp_path / "survey.rareloop")
    workspace = Workspace.open(tmp_path / "survey.rareloop")
    workspace.settings["publication"] = {**workspace.settings["publication"], "columns": ["mag"]}
    workspace.save()
    workspace.close()
    flags = ["--to", str(tmp_path / "package"), "--format", "package", "--model"]
    assert main(["export", str(tmp_path / "survey.rareloop"), *flags]) == 2
    assert "the model takes column 'colour', which is not handed over" in capsys.readouterr().err
    assert main(["export", str(tmp_path / "survey.rareloop"), "--to", "x.csv", "--model"]) == 2
