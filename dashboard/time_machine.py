"""The state of the labels as of an earlier entry of the log, for the views of a page that goes back in time."""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .log_columns import Columns
from .page import Page
from .session import LabellingSession


@dataclass(frozen=True)
class Moment:
    """What was known after the first `n` of `n_events` entries of the log.

    `at` is None before the first entry; `report` is that of the newest round that was ready then, empty without
    one; `n_labels` of `n_labels_now` items had a label.
    """

    n: int
    n_events: int
    at: datetime | None
    counts: dict[str, int]
    n_labels: int
    n_labels_now: int
    report: Mapping[str, Any]


def moment(
    columns: Columns,
    n: int,
    names: Sequence[str],
    reports: Sequence[Mapping[str, Any]] = (),
    made_at: Mapping[int, datetime] | None = None,
) -> Moment:
    """The moment after the first n entries.

    Parameters
    ----------
    names
        The classes.
    reports
        Of the rounds, in their order, each with its ``round``.
    made_at
        When each round was ready, by number.
    """
    n = min(max(n, 0), len(columns))
    first = columns.first(n)
    counts = np.bincount(first.label[first.labelled()], minlength=len(columns.labels))
    known = {name: int(count) for name, count in zip(columns.labels, counts, strict=True)}
    at = datetime.fromtimestamp(float(first.at[-1]), UTC) if n else None
    times = made_at or {}
    ready = [report for report in reports if at is not None and report["round"] in times]
    place = bisect.bisect_right([times[report["round"]] for report in ready], at) if at is not None else 0
    return Moment(
        n=n,
        n_events=len(columns),
        at=at,
        counts={name: known.get(name, 0) for name in names},
        n_labels=int(counts.sum()),
        n_labels_now=len(columns.labelled()),
        report=ready[place - 1] if place else {},
    )


def labels_as_of(columns: Columns, n: int, names: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and class indices of the items that had a label after the first n entries, in the order of the log.

    Labels of classes that are not among `names` are left out.
    """
    first = columns.first(n)
    labelled = first.labelled()
    place = {name: index for index, name in enumerate(names)}
    index_of = np.array([place.get(name, -1) for name in columns.labels], dtype=np.int64)
    classes = index_of[first.label[labelled]]
    return first.row[labelled][classes >= 0], classes[classes >= 0]


def labels_at(page: Page) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and class indices of the labelled items as of the page's moment: now, unless it is back in time."""
    session: LabellingSession = page.session
    if page.at_label is None:
        labels = session.all_labels()
        return labels.rows, labels.classes
    return labels_as_of(session.columns.now(), page.at_label, session.workspace.taxonomy.names)


def found_over_log(columns: Columns, name: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The members of a class found so far over the entries of the log, of the labels in force now.

    Returns
    -------
    entries : int64 (n_found + 2,)
        Numbers of entries, from 0, at which one more was found; the last one is the end of the log.
    found : int64 (n_found + 2,)
    """
    labelled = columns.labelled()
    code = columns.labels.index(name) if name in columns.labels else -2
    entries = labelled[columns.label[labelled] == code] + 1
    found = np.arange(1, len(entries) + 1)
    return (
        np.concatenate([[0], entries, [len(columns)]]).astype(np.int64),
        np.concatenate([[0], found, [len(entries)]]).astype(np.int64),
    )
