"""Queries waiting to be shown: made from a round, kept in the round log, and restored from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data.roundlog import QueryRecord, RoundRecord, Selection
from ..data.workspace import Workspace
from ..strategies.rounds import Round
from .reasons import described


@dataclass(frozen=True)
class Queued:
    """One query waiting to be shown.

    `rank` counts from 0 within its round; `selection` says whether the choice was deterministic or
    random, with the selection `probability`; `arm_probability` is the probability with which its place
    went to the strategy that asked; `n_labels` is how many labels the round had seen; `reason` is what
    `reasons.described` makes of the round's reason.
    """

    row: int
    round: int
    strategy: str
    rank: int
    n_labels: int
    probability: float | None = None
    score: float | None = None
    arm_probability: float | None = None
    selection: Selection = "unknown"
    reason: dict[str, Any] | None = None
    suggested: str | None = None
    suggested_probability: float | None = None


def queue_of(result: Round, number: int, workspace: Workspace) -> tuple[Queued, ...]:
    """The queries of a round, in the order in which they are asked."""
    taxonomy, queries = workspace.taxonomy, result.queries
    wanted = [i for i, c in enumerate(taxonomy) if c.wanted]
    reasons = [
        described(reason, taxonomy.names, wanted, workspace.ids, workspace.feature_report)
        for reason in result.reasons
    ]
    return tuple(
        Queued(
            row=int(queries.rows[i]),
            round=number,
            strategy=queries.strategy[i],
            rank=int(queries.rank[i]),
            n_labels=result.n_labels,
            probability=_known(queries.probability[i]),
            score=_known(queries.score[i]),
            arm_probability=_known(queries.arm_probability[i]),
            selection=_selection(queries.strategy[i], queries.probability[i]),
            reason=reasons[i] if reasons else None,
            **_suggestion(result.shown_probabilities[i], taxonomy.names),
        )
        for i in range(len(queries.rows))
    )


def records_of(queue: Sequence[Queued], workspace: Workspace) -> tuple[QueryRecord, ...]:
    """What the round log keeps of a queue."""
    texts = workspace.ids.texts([q.row for q in queue])
    return tuple(
        QueryRecord(
            rank=q.rank,
            item_id=text,
            strategy=q.strategy,
            probability=q.probability,
            score=q.score,
            arm_probability=q.arm_probability,
            selection=q.selection,
            reason=q.reason,
        )
        for q, text in zip(queue, texts, strict=True)
    )


def restored(record: RoundRecord, workspace: Workspace) -> tuple[Queued, ...]:
    """The queue of a round as the log keeps it; without suggestions, and items that the table has lost."""
    rows = workspace.ids.find([query.item_id for query in record.queries])
    return tuple(
        Queued(
            row=int(row),
            round=record.number,
            strategy=query.strategy,
            rank=query.rank,
            n_labels=record.n_labels,
            probability=query.probability,
            score=query.score,
            arm_probability=query.arm_probability,
            selection=query.selection,
            reason=query.reason,
        )
        for row, query in zip(rows, record.queries, strict=True)
        if row >= 0
    )


def _selection(strategy: str, probability: float) -> Selection:
    """A strategy that is not ours may have drawn its choice."""
    if math.isfinite(probability):
        return "random"
    return "unknown" if ":" in strategy.rpartition(": ")[2] else "deterministic"


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _suggestion(probabilities: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    """The most likely class of one item with its probability, where there is a model."""
    if not len(probabilities) or not np.isfinite(probabilities).any():
        return {}
    best = int(np.nanargmax(probabilities))
    return {"suggested": names[best], "suggested_probability": float(probabilities[best])}
