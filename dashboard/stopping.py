"""How far the search for each wanted class is: looks at the audit, and what a page says of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..strategies.audit import SealedAudit
from ..strategies.intervals import Interval
from ..strategies.labels import Labels
from ..strategies.progress import statement
from ..strategies.stopping import Look, MoreAnswers, ShareFound, due, labels_per_find, more_answers, share_found


@dataclass(frozen=True)
class StopTask:
    """What the worker needs to say how far one is.

    `wanted` are class indices with their names; `history` the looks so far by class, those of the audit under
    way last; `n_earlier` how many of them belong to audits before it.
    """

    wanted: dict[int, str]
    target: float
    history: dict[int, tuple[Look, ...]]
    n_earlier: dict[int, int]


def stop_task(
    wanted: Mapping[int, str],
    target: float,
    reports: Iterable[Mapping[str, Any]],
    audit: int | None,
    since: Mapping[int, int] | None = None,
) -> StopTask:
    """The task, with the looks that earlier rounds have kept.

    Parameters
    ----------
    wanted
        Names by class index.
    reports
        Of the rounds, in their order.
    audit
        The number of the audit under way.
    since
        By class index, the first round from which the class has its present extent: looks before were at another
        class of that name. Others have always had it.
    """
    since = since or {}
    history: dict[int, list[Look]] = {c: [] for c in wanted}
    n_earlier = dict.fromkeys(wanted, 0)
    for report in reports:
        kept = report.get("stopping") or {}
        for key, look in (kept.get("looks") or {}).items():
            if int(key) in history and report.get("round", 0) >= since.get(int(key), 0):
                history[int(key)].append(Look.from_dict(look))
                n_earlier[int(key)] += kept.get("audit") != audit
    return StopTask(dict(wanted), target, {c: tuple(looks) for c, looks in history.items()}, n_earlier)


def look_of(audit: SealedAudit, labels: Labels, c: int, largest: float) -> Look:
    """What the audit says of a class as of now.

    Parameters
    ----------
    largest
        The largest weight that an item without a label could have had.
    """
    answers, inside = audit.answers, audit.in_sample & ~audit.answers.reached
    known = inside | answers.reached
    members = answers.classes == c
    return Look(
        n_found=int((labels.classes == c).sum() + (members & known).sum()),
        weights=tuple((1.0 / audit.inclusion[inside & members]).tolist()),
        equal=len(audit.stages) == 1,
        n_audited=int(inside.sum()),
        n_rest=len(audit.numbers) - len(labels.rows) - len(labels.excluded) - int(known.sum()),
        largest=largest,
    )


def stopping_report(
    task: StopTask,
    audit: SealedAudit | None,
    number: int | None,
    labels: Labels,
    estimates: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A statement for each wanted class, and the looks that were due; touches the whole pool.

    Parameters
    ----------
    number
        Of the audit.
    estimates
        The report of the estimates, whose totals are told where there are some: they use the model, too.

    Returns
    -------
    dict
        ``audit`` (its number), ``classes``: a `progress.statement` each with its ``class_index``, ``looks``
        by class index as text; JSON-able.
    """
    if audit is None:
        classes = [_statement(task, c, None, None, labels, 0, 0) for c in task.wanted]
        return {"audit": None, "classes": classes, "looks": {}}
    audit = audit.beside(labels)
    rest = np.ones(len(audit.numbers), bool)
    rest[labels.rows] = False
    least = float(audit.inclusion_of(np.flatnonzero(rest)).min(initial=1.0))
    looks: dict[str, Any] = {}
    classes = []
    for c in task.wanted:
        now = look_of(audit, labels, c, 1.0 / max(least, 1e-12))
        history = task.history[c]
        if due(now.n_audited, history[task.n_earlier[c] :]):
            history = (*history, now)
            looks[str(c)] = now.to_dict()
        unjudged = int((audit.answers.classes < 0).sum())
        share = _with_total(share_found(history, now), _total_of(c, estimates))
        needed = more_answers(history, now, task.target)
        classes.append(_statement(task, c, share, needed, labels, len(audit.answers.rows), unjudged))
    return {"audit": number, "classes": classes, "looks": looks}


def _total_of(c: int, estimates: Mapping[str, Any] | None) -> Interval | None:
    """The estimated members of a class in the whole pool; None where they are not known."""
    entries = () if estimates is None else estimates["classes"]
    total = next((entry["total"] for entry in entries if entry["class"] == c), None)
    return None if total is None or None in total else Interval(*total)


def _with_total(share: ShareFound, total: Interval | None) -> ShareFound:
    """The same number of members as in the table of estimates; what is certain stays what it is."""
    if total is None or not share.n_rest:
        return share
    most = share.n_found + share.n_rest
    point, low, high = (min(max(v, share.n_found), most) for v in (total.point, total.low, total.high))
    left = Interval(point - share.n_found, low - share.n_found, high - share.n_found)
    middle, least, most_found = (share.n_found / v if v else math.nan for v in (point, high, low))
    # Nothing found of nothing: any share is possible.
    shares = Interval(middle, 0.0 if math.isnan(least) else least, 1.0 if math.isnan(most_found) else most_found)
    return replace(share, total=Interval(point, low, high), left=left, share=shares)


def _statement(
    task: StopTask,
    c: int,
    share: ShareFound | None,
    needed: MoreAnswers | None,
    labels: Labels,
    n_audited: int,
    n_unjudged: int,
) -> dict[str, Any]:
    asked = labels.rounds >= 0 if len(labels.rounds) else np.zeros(len(labels.rows), bool)
    pace = labels_per_find(labels.classes[asked] == c)
    said = statement(share, pace, needed, task.target, task.wanted[c], n_audited, n_unjudged)
    return said | {"class_index": c}
