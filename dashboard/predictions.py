"""What the model says of every item, of the pool or of a new table, as one file."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..data.errors import InputError
from ..data.export.files import write_text
from ..data.export.formats import Format, export_blocks, format_of
from ..data.identifiers import ItemIds
from ..data.roles import check_id, item_ids
from ..data.tables import Progress, Table, import_table
from ..data.workspace import Workspace
from .newest_model import NewestModel, correction_in_words, fit_newest

BLOCK = 16_384
BLOCK_VALUES = 2**22  # of features in one block
KEY = "rareloop"  # of the metadata of a Parquet file
FITTED = 0.2  # the share of the work that is done when the model is fitted


@dataclass(frozen=True)
class Predictions:
    """What was written: rows, how many were predicted of each class, and how the probabilities were corrected."""

    n_rows: int
    counts: dict[str, int]
    correction: str
    messages: tuple[str, ...]


@dataclass(frozen=True)
class _Items:
    """The items that are predicted: a table with its identifiers, and which of them have a label."""

    table: Table
    ids: ItemIds
    name: str
    is_labelled: NDArray[np.bool_]
    is_pool: bool


def predict(
    workspace: Workspace,
    target: Path,
    *,
    table: Path | None = None,
    classifier: str | None = None,
    block: int | None = None,
    progress: Progress | None = None,
) -> Predictions:
    """Write what the newest model says of all items, block by block; touches the whole pool.

    Columns: ``item_id``; ``suggested_label`` and ``suggested_confidence``, the class that the model predicts and
    its probability; ``unlike_labelled``, the distance to the nearest labelled item; ``is_labelled``, whether a
    person has labelled the item (the label itself is not written); ``model_version``; and ``probability_CLASS``
    for each class that has labels. How the probabilities were corrected is in the metadata of a Parquet file, in
    ``FILE.json`` beside the others. The same log gives the same file.

    Parameters
    ----------
    target
        The file to write: .csv, .parquet or .jsonl.
    table
        New rows instead of the pool: a table with the same columns.
    classifier
        Another one than the rounds have.
    block
        Rows at a time; by default what fits into 16 MB.

    Raises
    ------
    InputError
        When there is no model, the table lacks a column or has other values, or a file cannot be written.
    """
    tell = progress or (lambda share, text: None)
    kind = format_of(target)
    model = fit_newest(workspace, classifier, lambda share, text: tell(FITTED * share, text))
    size = block or max(min(BLOCK, BLOCK_VALUES // max(model.recipe.n_features, 1)), 64)
    with tempfile.TemporaryDirectory(prefix="rareloop-") as place:
        items = _pool(model) if table is None else _new_items(model, table, Path(place))
        facts = _facts(model, items)
        counts = np.zeros(len(model.classes), np.int64)
        made = _blocks(model, items, size, facts, counts, tell)
        _write(made, target, kind, facts)
    by_class = dict(zip(model.classes, counts.tolist(), strict=True))
    said = correction_in_words(facts["correction"], model.classes)
    return Predictions(items.table.n_rows, by_class, said, model.fitted.messages)


def _write(blocks: Iterator[pa.Table], target: Path, kind: Format, facts: dict[str, Any]) -> None:
    """Write the file, and what must be known of it beside it where it cannot hold that: both or none."""
    if kind == "parquet":
        export_blocks(blocks, target, kind)
        return
    beside = target.with_name(target.name + ".json")
    partial = beside.with_name(beside.name + ".partial")
    try:
        write_text(partial, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
        export_blocks(blocks, target, kind)
        partial.replace(beside)
    except OSError as error:
        raise InputError(f"{beside} cannot be written ({error.strerror}): choose another place") from error
    finally:
        partial.unlink(missing_ok=True)


# ---- which items ------------------------------------------------------------------------------------


def _pool(model: NewestModel) -> _Items:
    workspace = model.workspace
    is_labelled = np.zeros(workspace.table.n_rows, bool)
    is_labelled[workspace.ids.rows(_labelled(model))] = True
    return _Items(workspace.table, workspace.ids, workspace.source.name, is_labelled, True)


def _new_items(model: NewestModel, path: Path, place: Path) -> _Items:
    """A new table with the columns that the model takes; its identifiers are all different."""
    table = import_table(path, place / "new.arrow")
    roles = model.workspace.roles
    if roles.id is not None:
        if roles.id not in table.names:
            raise InputError(f"{path.name} has no column '{roles.id}', which names the items: add it")
        check_id(table, roles.id, f"mend the column in {path.name}")
    model.recipe.check_schema(table.schema, path.name)
    ids = item_ids(table, roles)
    is_labelled = np.zeros(table.n_rows, bool)
    if roles.id is not None:  # row numbers of another table name other items
        found = ids.find(_labelled(model))
        is_labelled[found[found >= 0]] = True
    return _Items(table, ids, path.name, is_labelled, False)


def _labelled(model: NewestModel) -> list[str]:
    return [item_id for item_id, item in model.state.items.items() if item.status == "labelled"]


# ---- what is written --------------------------------------------------------------------------------


def _facts(model: NewestModel, items: _Items) -> dict[str, Any]:
    """What a reader must know of the file, JSON-able."""
    correction = model.correction_facts()
    return {
        "made_by": "rareloop predict",
        "model_version": model.version,
        "items": {"table": items.name, "n": items.table.n_rows, "is_pool": items.is_pool},
        "classes": model.classes,
        "classes_without_labels": model.unlearnt,
        "correction": correction | {"in_words": correction_in_words(correction, model.classes)},
        "thresholds": dict(zip(model.classes, model.threshold_facts(), strict=True)),
        "unlike_labelled": f"distance ({model.settings.metric}) to the nearest labelled item, in scaled features",
        "labels": "of the model alone, on labelled items too: labels of people are not among them",
        "provenance": model.provenance(),
    }


def _blocks(
    model: NewestModel,
    items: _Items,
    size: int,
    facts: dict[str, Any],
    counts: NDArray[np.int64],
    tell: Progress,
) -> Iterator[pa.Table]:
    """The rows of the file; adds what was predicted to `counts`."""
    landscape = model.pool.landscape(model.settings.metric)  # type: ignore[arg-type]
    places = landscape.places_of(np.asarray(model.pool.X[np.sort(model.labels.rows)]))
    metadata = {KEY: json.dumps(facts, ensure_ascii=False)}
    names = pa.array(model.classes, pa.string())
    n_rows = items.table.n_rows
    for start in range(0, n_rows, size):
        rows = np.arange(start, min(start + size, n_rows), dtype=np.int64)
        X = _features(model, items, rows)
        p = model.fitted.probabilities(X)
        decided = model.fitted.decide(p)
        counts += np.bincount(decided, minlength=len(counts))
        columns = {
            "item_id": pa.array(items.ids.texts(rows), pa.string()),
            "suggested_label": names.take(pa.array(decided)),
            "suggested_confidence": p[np.arange(len(rows)), decided],
            "unlike_labelled": landscape.distance_to(places, X),
            "is_labelled": items.is_labelled[rows],
            "model_version": pa.array([model.version] * len(rows), pa.string()),
            **{f"probability_{name}": p[:, k] for k, name in enumerate(model.classes)},
        }
        yield pa.table(columns).replace_schema_metadata(metadata)
        tell(FITTED + (1 - FITTED) * (start + len(rows)) / n_rows, "predicting")


def _features(model: NewestModel, items: _Items, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    if items.is_pool:
        return np.asarray(model.pool.X[rows[0] : rows[-1] + 1])
    names = list(model.recipe.columns)
    return model.recipe.features(items.table.take(rows, names), items.name, int(rows[0]))
