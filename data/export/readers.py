"""Checks of a package with the readers that others use: mlcroissant, frictionless, datasets; always offline."""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any
from unittest import mock

from .checks import TITLES, CheckError, PackageChecks, Result, result_of
from .croissant import CONTEXT
from .datapackage import PROFILE
from .safety import is_inside, open_parquet, read_front_matter, read_json, read_text

CROISSANT_NEEDS = ("name", "description", "license", "url", "creator", "datePublished", "version", "conformsTo")
# Of a table, for readers that take long; the package's own checks see every row.
MOST_RECORDS = 1_000
MOST_ROWS = 200  # for frictionless, which takes a hundredth of a second for one
NOT_OURS = {
    "transform",
    "regex",
    "jsonPath",
    "containedIn",
    "fileProperty",
    "replace",
    "@context within it",
}
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
           "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}  # fmt: skip
PLACEHOLDER = "[More Information Needed]"
TEXT = {"type": "string"}
FIELD = {
    "type": "object",
    "required": ["name", "type"],
    "additionalProperties": False,
    "properties": {
        **dict.fromkeys(("name", "type", "description"), TEXT),
        "categories": {"type": "array"},
        "constraints": {
            "type": "object",
            "additionalProperties": False,
            "properties": {key: {} for key in ("required", "enum", "minimum", "maximum")},
        },
    },
}
PACKAGE = {
    "type": "object",
    "required": ["$schema", "name", "version", "created", "licenses", "resources"],
    "not": {"anyOf": [{"required": [name]} for name in ("profile", "profiles", "dialect", "dialects")]},
    "properties": {
        "$schema": {"const": PROFILE},
        "name": {"type": "string", "pattern": "^[a-z0-9._-]+$"},
        "version": {"type": "string", "pattern": "^\\d+\\.\\d+\\.\\d+(-draft)?$"},
        "created": {"type": "string", "pattern": "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ$"},
        "licenses": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "object", "anyOf": [{"required": ["name"]}, {"required": ["path"]}]},
        },
        "resources": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["name", "path", "schema", "sha256"],
                "additionalProperties": False,
                "properties": {
                    **dict.fromkeys(("type", "path", "format", "mediatype", "sha256"), TEXT),
                    "name": {"type": "string", "pattern": "^[a-z0-9._-]+$"},
                    "schema": {
                        "type": "object",
                        "required": ["fields"],
                        "additionalProperties": False,
                        "properties": {
                            "fields": {"type": "array", "items": FIELD},
                            "primaryKey": {"type": "array", "items": {"type": "string"}},
                        },
                    },
                },
            },
        },
    },
}


def readers_results(checks: PackageChecks) -> list[Result]:
    """The checks 7 to 9; those whose reader is not installed are not done."""
    return [
        _with(7, ("mlcroissant",), lambda: _croissant(checks)),
        _with(8, ("frictionless", "jsonschema"), lambda: _datapackage(checks)),
        _with(9, ("datasets", "huggingface_hub"), lambda: _hugging_face(checks)),
    ]


def _with(number: int, modules: tuple[str, ...], check: Callable[[], str]) -> Result:
    with _quiet():
        for module in modules:
            try:
                importlib.import_module(module)
            except ImportError:
                said = f"{module} is not installed: pip install 'rareloop[publish]'"
                return Result(number, TITLES[number], "not done", said)
        return result_of(number, lambda: _guarded(check))


def _guarded(check: Callable[[], str]) -> str:
    """Whatever a reader stumbles over is a fault of the package."""
    try:
        return check()
    except CheckError:
        raise
    except Exception as error:
        said = " ".join(str(error).split())[:200]
        raise CheckError(f"it cannot be read ({type(error).__name__}: {said})") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Offline and without words: what readers print is not for the user."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            mock.patch.dict(os.environ, OFFLINE),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            yield
    finally:
        logging.disable(before)


# ---- 7: Croissant -----------------------------------------------------------------------------------


def _croissant(checks: PackageChecks) -> str:
    document = read_json(checks.folder, "croissant.json")
    missing = next((name for name in CROISSANT_NEEDS if not document.get(name)), None)
    if missing is not None:
        raise CheckError(f"croissant.json has no {missing}, which Croissant demands")
    if document.get("@context") != CONTEXT:
        raise CheckError("croissant.json has another @context than packages have")
    odd = next((key for key in _keys(document) if key in NOT_OURS), None)
    if odd is not None:
        raise CheckError(f"croissant.json has '{odd}', which no package has")
    for one in document["distribution"]:
        for name in (one.get("contentUrl", "x"), one.get("includes", "x")):
            if not is_inside(name):
                raise CheckError(f"croissant.json names a file outside the package: {str(name)[:80]!r}")
    import mlcroissant

    dataset = mlcroissant.Dataset(str(checks.folder / "croissant.json"))
    issues = [*dataset.metadata.ctx.issues.errors, *dataset.metadata.ctx.issues.warnings]
    if issues:
        raise CheckError(f"croissant.json: {min(issues)}")
    n_records = 0
    for record_set in dataset.metadata.record_sets:
        n = sum(1 for _ in islice(dataset.records(record_set.id), MOST_RECORDS))
        expected = _rows_behind(checks, record_set.id)
        if expected is not None and n != min(expected, MOST_RECORDS):
            raise CheckError(f"croissant.json: {record_set.id} has {n:,} records, its files {expected:,} rows")
        n_records += n
    return f"no warnings, and {n_records:,} records of {len(dataset.metadata.record_sets)} sets can be read"


def _keys(value: Any, depth: int = 0) -> Iterator[str]:
    """All keys within a document but those of its context."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield f"{key} within it" if depth and key == "@context" else key
            if depth or key != "@context":
                yield from _keys(each, depth + 1)
    elif isinstance(value, list):
        for each in value:
            yield from _keys(each, depth + 1)


def _rows_behind(checks: PackageChecks, record_set: str) -> int | None:
    if record_set in ("classes", "splits"):
        return None
    if record_set == "items":
        return sum(_n_rows(checks, path) for split, path in checks.splits.items() if split != "held_out")
    name = record_set.removeprefix("items-")
    return _n_rows(checks, "metrics.parquet" if name == "metrics" else f"data/{name}.parquet")


def _n_rows(checks: PackageChecks, path: str) -> int:
    return int(open_parquet(checks.folder, path).metadata.num_rows)


# ---- 8: Data Package --------------------------------------------------------------------------------


def _datapackage(checks: PackageChecks) -> str:
    document = read_json(checks.folder, "datapackage.json")
    import jsonschema

    try:
        jsonschema.validate(document, PACKAGE)
    except jsonschema.ValidationError as error:
        raise CheckError(f"datapackage.json: {error.message[:150]}") from error
    for resource in document["resources"]:
        if not is_inside(resource["path"]):
            raise CheckError(f"datapackage.json names a file outside the package: {resource['path'][:80]!r}")
    from frictionless import Package

    report = Package(str(checks.folder / "datapackage.json")).validate(limit_rows=MOST_ROWS)
    if not report.valid:
        message = report.flatten(["message"])[0][0]
        raise CheckError(f"frictionless: {' '.join(str(message).split())[:200]}")
    return f"{len(document['resources'])} tables are as datapackage.json describes them"


# ---- 9: Hugging Face --------------------------------------------------------------------------------


def _hugging_face(checks: PackageChecks) -> str:
    head = read_front_matter(checks.folder)
    if PLACEHOLDER in read_text(checks.folder, "README.md"):
        raise CheckError(f"README.md still has a '{PLACEHOLDER}'")
    for config in head["configs"]:
        if not set(config) <= {"config_name", "default", "data_files"}:
            raise CheckError(f"README.md: the configuration {config['config_name']} has settings of no package")
        files = config["data_files"]
        for path in [files] if isinstance(files, str) else [one["path"] for one in files]:
            if not is_inside(path):
                raise CheckError(f"README.md names a file outside the package: {str(path)[:80]!r}")
    from huggingface_hub import DatasetCard

    DatasetCard(read_text(checks.folder, "README.md"))
    n_rows = 0
    with tempfile.TemporaryDirectory() as cache:
        for config in head["configs"]:
            n_rows += _check_config(checks, config, cache)
    return f"{len(head['configs'])} configurations with {n_rows:,} rows can be loaded"


def _check_config(checks: PackageChecks, config: dict[str, Any], cache: str) -> int:
    """Load one configuration, and compare its rows and classes with the files."""
    import datasets

    name, files = config["config_name"], config["data_files"]
    with _no_network():
        loaded = datasets.load_dataset(str(checks.folder), name, cache_dir=cache)
    expected = {"train": files} if isinstance(files, str) else {one["split"]: one["path"] for one in files}
    for split, path in expected.items():
        if loaded[split].num_rows != _n_rows(checks, path):
            raise CheckError(f"the configuration {name} loads another number of rows of {path} than it has")
        label = loaded[split].features.get("label")
        if name == "default" and isinstance(label, datasets.ClassLabel) and label.names != checks.classes:
            raise CheckError("README.md has other classes than taxonomy.json")
    return sum(each.num_rows for each in loaded.values())


@contextlib.contextmanager
def _no_network() -> Iterator[None]:
    """Offline also where the library was imported before, and read its environment then."""
    config, constants = sys.modules["datasets.config"], sys.modules["huggingface_hub.constants"]
    with (
        mock.patch.object(config, "HF_HUB_OFFLINE", True),
        mock.patch.object(constants, "HF_HUB_OFFLINE", True),
    ):
        yield
