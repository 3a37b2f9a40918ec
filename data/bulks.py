"""The bulk log: what is known of each step in which a selection got one label."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from .database import METADATA, Store, from_microseconds, to_microseconds


@dataclass(frozen=True)
class BulkRecord:
    """One step: which selection got which label, and what a sample of it said before.

    `bulk` is the id that its events have. Of `n_checked` items drawn at random, `n_right` were of the class;
    `low` and `high` are the limits of the share of the class among the labelled items with 95 % confidence, None
    where nothing was checked. `sample` are the ids of the items drawn.
    """

    bulk: str
    label: str
    source: str
    annotator: str
    n_labelled: int
    created_at: datetime
    n_checked: int = 0
    n_right: int = 0
    low: float | None = None
    high: float | None = None
    sample: tuple[str, ...] = ()


BULKS = sa.Table(
    "bulks",
    METADATA,
    sa.Column("bulk", sa.String(64), primary_key=True),
    sa.Column("label", sa.String, nullable=False),
    sa.Column("source", sa.String, nullable=False),
    sa.Column("annotator", sa.String, nullable=False),
    sa.Column("n_labelled", sa.Integer, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("n_checked", sa.Integer, nullable=False),
    sa.Column("n_right", sa.Integer, nullable=False),
    sa.Column("low", sa.Float),
    sa.Column("high", sa.Float),
    sa.Column("sample", sa.String, nullable=False),
)


class BulkLog(Store):
    """Bulk steps in the workspace's database, one writer at a time.

    Parameters
    ----------
    path
        The database of the label log.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, [BULKS])

    def add(self, record: BulkRecord) -> None:
        """Store a step; before its events, so that none is without."""
        row = record.__dict__ | {
            "created_at": to_microseconds(record.created_at.astimezone(UTC)),
            "sample": json.dumps(record.sample, ensure_ascii=False),
        }
        with self._writing() as connection:
            connection.execute(sa.insert(BULKS), row)

    def records(self) -> dict[str, BulkRecord]:
        """All steps by their ids, the oldest first; one whose events were not stored is among them."""
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(BULKS).order_by(BULKS.c.created_at, BULKS.c.bulk)).mappings().all()
        return {row["bulk"]: _from_row(dict(row)) for row in rows}


def _from_row(row: dict[str, Any]) -> BulkRecord:
    return BulkRecord(
        **row | {"created_at": from_microseconds(row["created_at"]), "sample": tuple(json.loads(row["sample"]))}
    )
