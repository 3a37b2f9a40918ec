"""Queries waiting to be shown: made from a round, kept in the round log, and restored from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data.events import LATER
from ..data.log_state import LogState
from ..data.roundlog import QueryRecord, RoundRecord, Selection
from ..data.workspace import Workspace
from ..strategies.rounds import Round
from .reasons import AUDIT, SKIPPED, described

RANDOM = "random"
SEALED: Selection = "sealed"


@dataclass(frozen=True)
class Queued:
    """One query waiting to be shown.

    `rank` counts from 0 within its round; `selection` says whether the choice was deterministic or
    random, with the selection `probability`, or that the audit has the answer already, so that the item is
    not shown; `arm_probability` is the probability with which its place
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
    offered = [place for place, _ in taxonomy.offered]
    wanted = [i for i, c in enumerate(taxonomy) if c.wanted]
    reasons = [
        described(reason, taxonomy.names, wanted, workspace.ids, workspace.feature_report)
        for reason in result.reasons
    ]

    def _hints(i: int) -> dict[str, Any]:
        """What may sway the annotator: questions of the audit come without."""
        reason = reasons[i] if reasons else None
        return {"reason": reason} | _suggestion(result.shown_probabilities[i], taxonomy.names, offered)

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
            selection=SEALED if queries.sealed[i] else _selection(queries.strategy[i], queries.probability[i]),
            **({} if queries.strategy[i] == AUDIT else _hints(i)),
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


def random_queue(
    workspace: Workspace, state: LogState, has_sealed: Callable[[int], bool], n: int
) -> tuple[Queued, ...]:
    """At most n uniformly drawn items, those that the audit has sealed among them, before there is a round.

    Parameters
    ----------
    has_sealed
        Whether the audit has the answer of a row.
    """
    n_items = workspace.table.n_rows
    rng = np.random.default_rng((int(workspace.settings.get("seed", 0)), len(state.items)))
    drawn = rng.choice(n_items, size=min(n, n_items), replace=False)
    texts = workspace.ids.texts(drawn)
    sealed = [text in state.items and has_sealed(int(row)) for row, text in zip(drawn, texts, strict=True)]
    kept = [
        (int(row), is_sealed)
        for row, text, is_sealed in zip(drawn, texts, sealed, strict=True)
        if is_sealed or text not in state.items
    ]
    chance = len(kept) / max(n_items - len(state.items), 1)
    number = workspace.rounds.next_number() - 1
    return tuple(
        Queued(row, number, RANDOM, rank, state.n_labelled, probability=chance,
               selection=SEALED if is_sealed else "random")
        for rank, (row, is_sealed) in enumerate(kept)
    )  # fmt: skip


def skipped_queue(workspace: Workspace, state: LogState, number: int, n_labels: int, n: int) -> tuple[Queued, ...]:
    """Skipped and deferred mean later: at most n of the items that come back when nothing else is left."""
    skipped = {i: item for i, item in state.items.items() if item.status in LATER}
    texts = list(skipped)[:n]
    rows = workspace.ids.rows(texts)
    return tuple(
        Queued(int(row), number, AUDIT if skipped[text].event.strategy == AUDIT else SKIPPED, rank, n_labels,
               probability=skipped[text].event.probability, selection="deterministic")
        for rank, (text, row) in enumerate(zip(texts, rows, strict=True))
    )  # fmt: skip


def _selection(strategy: str, probability: float) -> Selection:
    """A strategy that is not ours may have drawn its choice."""
    if math.isfinite(probability):
        return "random"
    return "unknown" if ":" in strategy.rpartition(": ")[2] else "deterministic"


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _suggestion(probabilities: np.ndarray, names: Sequence[str], offered: Sequence[int]) -> dict[str, Any]:
    """The most likely class of one item with its probability, where there is a model; of those on offer by now."""
    known = [place for place in offered if place < len(probabilities) and math.isfinite(probabilities[place])]
    if not known:
        return {}
    best = max(known, key=lambda place: float(probabilities[place]))
    return {"suggested": names[best], "suggested_probability": float(probabilities[best])}
