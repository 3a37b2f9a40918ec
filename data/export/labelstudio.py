"""Labels as tasks that Label Studio imports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from .cells import json_text

CONTROL, OBJECT = "label", "item"  # the names of <Choices> and <Text> in the labelling set-up
META = ("query_round", "query_strategy", "selection_probability", "n_events", "input", "note")


def write_tasks(path: Path, blocks: Iterator[pa.Table], own: frozenset[str], names: Mapping[str, str]) -> None:
    """Write blocks of an export as one JSON list of Label Studio tasks.

    A task has the identifier and the columns of the table as `data`, the label in force as an annotation, and
    the model's suggestion as a prediction where the annotator saw it. Label Studio takes no `completed_by` of
    people that it does not know, so that an annotation has the pseudonym as `created_username`, and the task has
    it in `meta`, which an import keeps.

    Parameters
    ----------
    own
        The columns that are not of the table.
    names
        What annotators are called in the file.
    """
    with path.open("w", encoding="utf-8", newline="\n") as sink:
        sink.write("[")
        separator = "\n"
        for block in blocks:
            for row in block.to_pylist():
                sink.write(separator + json_text(_task(row, own, names)))
                separator = ",\n"
        sink.write("\n]\n")


def _task(row: Mapping[str, Any], own: frozenset[str], names: Mapping[str, str]) -> dict[str, Any]:
    annotator, moment = names[row["annotator"]], row["labelled_at"].isoformat()
    annotation = {
        "result": [_choice(row["label"])],
        "created_at": moment,
        "updated_at": moment,
        "created_username": annotator,
        "was_cancelled": False,
        "ground_truth": False,  # an import takes what does not say so for one
        "lead_time": None if row["dwell_ms"] is None else row["dwell_ms"] / 1000,
    }
    task = {
        "data": {name: value for name, value in row.items() if name not in own or name == "item_id"},
        "meta": {"annotator": annotator} | {name: row[name] for name in META},
        "annotations": [annotation],
        "predictions": [],
    }
    if row["suggestion_shown"] and row["suggested_label"] is not None:
        task["predictions"] = [_prediction(row)]
    return task


def _prediction(row: Mapping[str, Any]) -> dict[str, Any]:
    made = {"result": [_choice(row["suggested_label"])], "score": row["suggested_confidence"]}
    if row["query_round"] is not None:
        made["model_version"] = f"round-{row['query_round']}"
    return made


def _choice(label: str) -> dict[str, Any]:
    return {"from_name": CONTROL, "to_name": OBJECT, "type": "choices", "value": {"choices": [label]}}
