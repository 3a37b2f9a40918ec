"""Labels in Label Studio's JSON: the full export and JSON_MIN, with several annotators and cancelled answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .errors import InputError
from .import_files import (
    Choice,
    Given,
    Read,
    annotator_of,
    check_size,
    checked,
    columns_of,
    given_of,
    label_of,
    moment_of,
    read_rows,
    text_of,
)
from .tables import Progress

MOST_JSON = 2**28  # bytes of a JSON document, which is read whole


@dataclass(frozen=True)
class _Answer:
    """One annotator's answer to a task; `is_truth` where Label Studio has it as ground truth."""

    given: Given
    is_truth: bool = False


def read_json_file(path: Path, id_name: str | None, choice: Choice, tell: Progress) -> Read:
    """Read the labels of a JSON file: tasks of Label Studio, or a list of rows; raises InputError."""
    if path.stat().st_size > MOST_JSON:
        raise InputError(f"{path.name} is larger than {MOST_JSON // 2**20} MB: export it as CSV, or divide it")
    tell(0.0, "reading the file")
    try:
        tasks = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        if isinstance(error, UnicodeDecodeError):
            raise
        raise InputError(f"{path.name} is no JSON that can be read: export it again") from error
    tasks = [tasks] if isinstance(tasks, dict) else tasks
    if not isinstance(tasks, list) or not tasks or not all(isinstance(task, dict) for task in tasks):
        raise InputError(f"{path.name} is no list of tasks: export it from Label Studio as JSON or JSON_MIN")
    places = [f"task {task.get('id', number)}" for number, task in enumerate(tasks, 1)]
    pairs = list(zip(places, tasks, strict=True))
    if isinstance(tasks[0].get("data"), dict):
        return _settled(
            path.name, "Label Studio", pairs, lambda place, task: _answers(path.name, place, task, id_name, choice)
        )
    if "annotation_id" in tasks[0]:
        if id_name == "id" and choice.id is None:
            raise InputError(
                f"'id' in {path.name} is Label Studio's own number: export it as JSON (not JSON_MIN), or name the "
                "column with your identifiers with --id"
            )
        columns = columns_of(path.name, tasks[0], id_name, choice) | {"given_at": "updated_at"}
        return _settled(
            path.name, "Label Studio, JSON_MIN", pairs,
            lambda place, task: _flat_answer(path.name, place, task, columns, choice),
        )  # fmt: skip
    return read_rows(path, "JSON", pairs, id_name, choice)


def _flat_answer(
    name: str, place: str, task: Mapping[str, Any], columns: Mapping[str, str], choice: Choice
) -> list[_Answer]:
    if task.get("was_cancelled"):
        return []
    given = given_of(name, place, task, columns, choice)
    return [] if given is None else [_Answer(given)]


def _answers(name: str, place: str, task: Mapping[str, Any], id_name: str | None, choice: Choice) -> list[_Answer]:
    """The answers to a task that were submitted and not cancelled, and name a class."""
    where, data = f"{name} {place}", task.get("data")
    names = [each for each in (choice.id, id_name, "item_id") if each is not None]
    found = next((each for each in names if isinstance(data, dict) and each in data), None)
    item_id = None if found is None or not isinstance(data, dict) else text_of(data[found])
    answers = []
    for annotation in task.get("annotations") or task.get("completions") or ():
        if not isinstance(annotation, dict) or annotation.get("was_cancelled") or annotation.get("skipped"):
            continue
        label = _choice_in(where, annotation.get("result") or (), choice)
        if label is None:
            continue
        if not item_id:
            raise InputError(
                f"{where} has no {' or '.join(repr(each) for each in names)} in its data: name the key with --id"
            )
        answers.append(
            _Answer(
                Given(
                    checked(where, "an identifier", item_id),
                    label,
                    place,
                    annotator_of(where, annotation.get("completed_by")),
                    moment_of(where, annotation.get("updated_at") or annotation.get("created_at")),
                ),
                annotation.get("ground_truth") is True,
            )
        )
    return answers


def _choice_in(where: str, results: Iterable[Any], choice: Choice) -> str | None:
    """The class that an annotation chose, by the control named or the only one there is."""
    chosen: dict[str, Any] = {}
    for result in results:
        value = result.get("value") if isinstance(result, dict) else None
        if isinstance(value, dict) and "choices" in value:
            control = str(result.get("from_name"))
            if choice.label is None or control == choice.label:
                chosen[control] = value["choices"]
    if len(chosen) > 1:
        raise InputError(f"{where} has several choices ({', '.join(chosen)}): name one with --label")
    return label_of(where, next(iter(chosen.values()), None), "choices", choice)


def _settled(
    name: str, form: str, tasks: Sequence[tuple[str, Any]], answers: Callable[[str, Any], list[_Answer]]
) -> Read:
    """One label an item: ground truth before others, the newest answer of each annotator, and all agree."""
    by_item: dict[str, list[_Answer]] = {}
    n_empty = 0
    for place, task in tasks:
        found = answers(place, task)
        n_empty += not found
        for answer in found:
            by_item.setdefault(answer.given.item_id, []).append(answer)
    check_size(name, len(by_item))
    labels: list[Given] = []
    disputed: dict[str, tuple[str, ...]] = {}
    for item_id, all_answers in by_item.items():
        counting = [answer for answer in all_answers if answer.is_truth] or all_answers
        ordered = sorted((a.given for a in counting), key=lambda g: g.given_at or datetime.min.replace(tzinfo=UTC))
        newest = {given.annotator: given for given in ordered}
        said = tuple(dict.fromkeys(given.label for given in newest.values()))
        if len(said) == 1:
            labels.append(next(iter(newest.values())))
        else:
            disputed[item_id] = said
    return Read(name, form, len(tasks), n_empty, tuple(labels), disputed)
