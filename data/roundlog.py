"""The round log: what each round was, found, and asked, beside the label log."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa

from .database import METADATA, Store, from_microseconds, to_microseconds

Selection = Literal["deterministic", "random", "unknown", "sealed"]


@dataclass(frozen=True)
class QueryRecord:
    """One query of a round: the arm that asked it, and how its item was selected.

    `selection` tells a choice that could not have been another one (``deterministic``) from a draw
    (``random``, with its `probability`), from one of which it is not known, and from an item whose answer the
    audit has ``sealed``, which is not shown; `arm_probability` is the
    probability with which its place went to that arm. `reason` is what spoke about the item, JSON-able.
    """

    rank: int
    item_id: str
    strategy: str
    probability: float | None = None
    score: float | None = None
    arm_probability: float | None = None
    selection: Selection = "unknown"
    reason: dict[str, Any] | None = None


@dataclass(frozen=True)
class RoundRecord:
    """One round: its number (from 1), the labels it saw, its seed, settings, report and queries."""

    number: int
    created_at: datetime
    n_labels: int
    seed: int
    settings: dict[str, Any]
    report: dict[str, Any]
    queries: tuple[QueryRecord, ...] = ()


ROUNDS = sa.Table(
    "rounds",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("n_labels", sa.Integer, nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("settings", sa.String, nullable=False),
    sa.Column("report", sa.String, nullable=False),
)
QUERIES = sa.Table(
    "queries",
    METADATA,
    sa.Column("round", sa.Integer, sa.ForeignKey("rounds.number"), primary_key=True),
    sa.Column("rank", sa.Integer, primary_key=True),
    sa.Column("item_id", sa.String, nullable=False),
    sa.Column("strategy", sa.String, nullable=False),
    sa.Column("probability", sa.Float),
    sa.Column("score", sa.Float),
    sa.Column("arm_probability", sa.Float),
    sa.Column("selection", sa.String(16)),
    sa.Column("reason", sa.String),
)


class RoundLog(Store):
    """Rounds in the workspace's database, one writer at a time.

    Parameters
    ----------
    path
        The database of the label log.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, [ROUNDS, QUERIES])

    def add(self, record: RoundRecord) -> None:
        """Store a round with its queries in one transaction."""
        row = {
            "number": record.number,
            "created_at": to_microseconds(record.created_at),
            "n_labels": record.n_labels,
            "seed": record.seed,
            "settings": json.dumps(record.settings),
            "report": json.dumps(record.report),
        }
        queries = [
            {
                "round": record.number,
                "rank": rank,
                "item_id": query.item_id,
                "strategy": query.strategy,
                "probability": query.probability,
                "score": query.score,
                "arm_probability": query.arm_probability,
                "selection": query.selection,
                "reason": None if query.reason is None else json.dumps(query.reason, ensure_ascii=False),
            }
            for rank, query in enumerate(record.queries)
        ]
        with self._writing() as connection:
            connection.execute(sa.insert(ROUNDS), row)
            if queries:
                connection.execute(sa.insert(QUERIES), queries)

    def records(self) -> list[RoundRecord]:
        """All rounds in their order, without their queries."""
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(ROUNDS).order_by(ROUNDS.c.number)).mappings().all()
        return [_from_row(row) for row in rows]

    def moments(self) -> dict[int, datetime]:
        """When each round was stored, by its number."""
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(ROUNDS.c.number, ROUNDS.c.created_at)).all()
        return {number: from_microseconds(moment) for number, moment in rows}

    def newest(self) -> RoundRecord | None:
        """The newest round with its queries, or None before the first."""
        with self._engine.connect() as connection:
            row = (
                connection.execute(sa.select(ROUNDS).order_by(ROUNDS.c.number.desc()).limit(1)).mappings().first()
            )
        return None if row is None else _from_row(row, self.queries(row["number"]))

    def queries(self, number: int) -> tuple[QueryRecord, ...]:
        """What a round asked, best first."""
        query = sa.select(QUERIES).where(QUERIES.c.round == number).order_by(QUERIES.c.rank)
        with self._engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
        return tuple(
            QueryRecord(
                rank=row["rank"],
                item_id=row["item_id"],
                strategy=row["strategy"],
                probability=row["probability"],
                score=row["score"],
                arm_probability=row["arm_probability"],
                selection=row["selection"] or "unknown",
                reason=json.loads(row["reason"]) if row["reason"] else None,
            )
            for row in rows
        )

    def next_number(self) -> int:
        """The number of the next round, from 1."""
        with self._engine.connect() as connection:
            return self._newest_number(connection, ROUNDS) + 1


def _from_row(row: Any, queries: tuple[QueryRecord, ...] = ()) -> RoundRecord:
    return RoundRecord(
        number=row["number"],
        created_at=from_microseconds(row["created_at"]),
        n_labels=row["n_labels"],
        seed=row["seed"],
        settings=json.loads(row["settings"]),
        report=json.loads(row["report"]),
        queries=queries,
    )
