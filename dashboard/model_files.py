"""The newest model to take along: one file, or a folder with its manifest and card; nothing of it is a pickle."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.errors import InputError
from ..data.model_archive import CARD, MANIFEST, SKOPS_FILE, checksums, look_into, members_of, packed
from ..data.tables import Progress
from ..data.workspace import Workspace
from .model_card import model_card
from .newest_model import NewestModel, correction_in_words, fit_newest, software
from .saved_model import FORMAT, NEEDS, OFFERED, PARTS

SUFFIX = ".skops"
ONNX_FILE = "model.onnx"
FORMATS = ("skops", "onnx")


@dataclass(frozen=True)
class Saved:
    """What was saved: the model's version, how its probabilities are corrected, and what a user should know."""

    version: str
    correction: str
    messages: tuple[str, ...]


def save_model(
    workspace: Workspace,
    target: Path,
    *,
    classifier: str | None = None,
    fmt: str = "skops",
    progress: Progress | None = None,
) -> Saved:
    """Fit the model of a workspace as its newest round would, and save it to be used without the workspace.

    Parameters
    ----------
    target
        A file that ends in .skops, or a new folder, in which manifest.json, MODEL_CARD.md and the model are.
    classifier
        Another one than the rounds have.
    fmt
        ``skops``, or ``onnx``: a graph on the features, in a folder.

    Raises
    ------
    InputError
        When there is no model, the classifier cannot be saved so, a package is missing, or the place cannot be
        written.
    """
    types: list[str] = []
    is_file = target.suffix.lower() == SUFFIX
    _check_target(target, is_file, fmt)
    model = fit_newest(workspace, classifier, progress)
    if fmt == "onnx":
        from .onnx_graph import onnx_graph

        members = {ONNX_FILE: onnx_graph(model)}
    else:
        members, types = _skops_members(model)
    manifest = _manifest(model, fmt, checksums(members), types)
    card = model_card(model, manifest, target.name)
    texts = {MANIFEST: (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode(), CARD: card.encode()}
    try:
        if is_file:
            _write_file(target, packed(members | texts))
        else:
            _write_folder(target, texts | (members if fmt == "onnx" else {SKOPS_FILE: packed(members)}))
    except OSError as error:
        raise InputError(f"{target} cannot be written ({error.strerror}): choose another place") from error
    foreign = f"the classifier is none on offer: it is loaded with trusted={types!r}"
    messages = (*model.fitted.messages, *([foreign] if types else []))
    return Saved(model.version, correction_in_words(manifest["correction"], model.classes), messages)


def _check_target(target: Path, is_file: bool, fmt: str) -> None:
    """Raise InputError before anything is fitted for nothing."""
    if fmt not in FORMATS:
        raise InputError(f"there is no format '{fmt}' of models: choose {' or '.join(FORMATS)}")
    if fmt == "onnx" and is_file:
        raise InputError(
            "a model as ONNX is a folder, since its features are described beside it: name one with --to"
        )
    needed = ("skops",) if fmt == "skops" else ("skl2onnx", "onnxruntime")
    if any(importlib.util.find_spec(name) is None for name in needed):
        raise InputError(NEEDS if fmt == "skops" else "a model as ONNX needs pip install 'rareloop[onnx]'")
    if not target.parent.is_dir():
        raise InputError(f"there is no folder {target.parent}: make it first")
    if not is_file and target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target} exists already: name a new folder, or a file that ends in {SUFFIX}")


def _skops_members(model: NewestModel) -> tuple[dict[str, bytes], list[str]]:
    """The classifier as members of an archive, and the types that a reader must trust beside those on offer.

    Raises
    ------
    InputError
        When skops has no way to save a classifier of the user's own.
    """
    import skops.io

    estimator = model.fitted.estimator
    kind = f"{type(estimator).__module__}.{type(estimator).__qualname__}"
    try:
        dumped = skops.io.dumps(estimator)
        foreign = ({kind} | set(skops.io.get_untrusted_types(data=dumped))) - OFFERED - PARTS
        skops.io.loads(dumped, trusted=sorted(PARTS | OFFERED | foreign))
        members = members_of(dumped)
        look_into(packed(members), model.settings.classifier)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"[:200]
        raise InputError(
            f"the classifier {model.settings.classifier} cannot be saved without pickle ({reason}): save one "
            "on offer "
            "with --classifier"
        ) from error
    return members, sorted(foreign)


def _manifest(model: NewestModel, fmt: str, members: Mapping[str, str], types: list[str]) -> dict[str, Any]:
    """All that is known of the model, as plain values."""
    return {
        "model_format": FORMAT,
        "format": fmt,
        "version": model.version,
        "software": software(),
        "classifier": model.settings.classifier,
        "classes": model.classes,
        "classes_without_labels": model.unlearnt,
        "wanted": model.wanted,
        "places": model.fitted.classes.tolist(),
        "features": model.recipe.to_dict(),
        "correction": model.correction_facts(),
        "thresholds": model.threshold_facts(),
        "provenance": model.provenance(),
        "trusted": types,
        "members": dict(members),
    }


def _write_file(target: Path, content: bytes) -> None:
    partial = target.with_name(target.name + ".partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _write_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder whole or not at all."""
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()
        for name, content in files.items():
            _write_file(partial / name, content)
        if target.exists():  # empty, as was checked
            target.rmdir()
        partial.replace(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
