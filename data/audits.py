"""The audit log: the sealed audits of a workspace, with their stages and hits."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from .database import METADATA, Store, from_microseconds, to_microseconds

FOLDER = "audit"


@dataclass(frozen=True)
class StageRecord:
    """One stage of an audit's ladder: the levels of its rates, the file with each row's level, and its reach.

    The first stage is uniform and has neither levels nor file. `reach` is None while the stage is open.
    """

    number: int
    levels: tuple[float, ...] = ()
    file: str | None = None
    reach: float | None = None


@dataclass(frozen=True)
class AuditRecord:
    """One audit: the seed of its permanent random numbers, and its stages in their order.

    Answers that the audit asked for after `sealed_since` are sealed: no model learns from them.
    """

    number: int
    seed: int
    n_items: int
    started_at: datetime
    sealed_since: datetime
    stages: tuple[StageRecord, ...]


AUDITS = sa.Table(
    "audits",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("n_items", sa.BigInteger, nullable=False),
    sa.Column("started_at", sa.BigInteger, nullable=False),
    sa.Column("sealed_since", sa.BigInteger, nullable=False),
)
STAGES = sa.Table(
    "audit_stages",
    METADATA,
    sa.Column("audit", sa.Integer, sa.ForeignKey("audits.number"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("opened_at", sa.BigInteger, nullable=False),
    sa.Column("levels", sa.String, nullable=False),
    sa.Column("file", sa.String),
    sa.Column("reach", sa.Float),
)
HITS = sa.Table(
    "audit_hits",
    METADATA,
    sa.Column("audit", sa.Integer, sa.ForeignKey("audits.number"), primary_key=True),
    sa.Column("item_id", sa.String, primary_key=True),
    sa.Column("hit_at", sa.BigInteger, nullable=False),
    sa.Column("asked_by", sa.String, nullable=False),
    sa.Column("round", sa.Integer),
)


class AuditLog(Store):
    """Audits in the workspace's database, one writer at a time.

    Parameters
    ----------
    path
        The database of the label log; the rates of the stages lie in the folder ``audit`` beside it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, [AUDITS, STAGES, HITS])

    def begin(self, seed: int, n_items: int, sealed_since: datetime | None = None) -> AuditRecord:
        """Begin an audit with its uniform stage; what earlier ones found keeps its record.

        Parameters
        ----------
        sealed_since
            Answers from then on stay sealed; from now on by default, which releases all earlier ones.
        """
        now = datetime.now(UTC)
        with self._writing() as connection:
            number = self._newest_number(connection, AUDITS) + 1
            connection.execute(
                sa.insert(AUDITS),
                {
                    "number": number,
                    "seed": seed,
                    "n_items": n_items,
                    "started_at": to_microseconds(now),
                    "sealed_since": to_microseconds(sealed_since or now),
                },
            )
            connection.execute(sa.insert(STAGES), _stage_row(number, 0, now, ()))
        return AuditRecord(number, seed, n_items, now, sealed_since or now, (StageRecord(0),))

    def open_stage(self, audit: int, reach: float, levels: Sequence[float], file: str) -> None:
        """Close the open stage at its reach and open the next one, whose rates are in a file of `stage_path`."""
        with self._writing() as connection:
            last = int(
                connection.execute(sa.select(sa.func.max(STAGES.c.number)).where(STAGES.c.audit == audit)).scalar()
                or 0
            )
            where = (STAGES.c.audit == audit) & (STAGES.c.number == last)
            connection.execute(sa.update(STAGES).where(where).values(reach=reach))
            connection.execute(sa.insert(STAGES), _stage_row(audit, last + 1, datetime.now(UTC), levels, file))

    def current(self) -> AuditRecord | None:
        """The audit that is under way, or None before the first."""
        with self._engine.connect() as connection:
            row = (
                connection.execute(sa.select(AUDITS).order_by(AUDITS.c.number.desc()).limit(1)).mappings().first()
            )
            if row is None:
                return None
            query = sa.select(STAGES).where(STAGES.c.audit == row["number"]).order_by(STAGES.c.number)
            stages = connection.execute(query).mappings().all()
        return AuditRecord(
            number=row["number"],
            seed=row["seed"],
            n_items=row["n_items"],
            started_at=from_microseconds(row["started_at"]),
            sealed_since=from_microseconds(row["sealed_since"]),
            stages=tuple(
                StageRecord(stage["number"], tuple(json.loads(stage["levels"])), stage["file"], stage["reach"])
                for stage in stages
            ),
        )

    def add_hits(self, audit: int, item_ids: Iterable[str], asked_by: str, number: int | None = None) -> None:
        """Record sealed items that were asked for otherwise: by a strategy, by the user, by a campaign."""
        now = to_microseconds(datetime.now(UTC))
        rows = [
            {"audit": audit, "item_id": item_id, "hit_at": now, "asked_by": asked_by, "round": number}
            for item_id in item_ids
        ]
        if rows:
            with self._writing() as connection:
                connection.execute(sa.insert(HITS).prefix_with("OR IGNORE"), rows)

    def hits(self, audit: int) -> set[str]:
        """Items of an audit that have been asked for otherwise."""
        with self._engine.connect() as connection:
            return set(connection.execute(sa.select(HITS.c.item_id).where(HITS.c.audit == audit)).scalars())

    def hits_by(self, audit: int) -> dict[str, str]:
        """Items of an audit that have been asked for otherwise, and who asked first."""
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(HITS.c.item_id, HITS.c.asked_by).where(HITS.c.audit == audit))
            return {row.item_id: row.asked_by for row in rows}


def stage_path(folder: Path, audit: int, stage: int) -> Path:
    """Where a workspace keeps each row's level in a stage of an audit, uint8 ``(n_items,)``."""
    return folder / FOLDER / f"{audit:04d}-{stage:04d}.npy"


def store_codes(path: Path, codes: NDArray[np.uint8]) -> None:
    """Write the levels of a stage: whole and on disk, or not at all."""
    path.parent.mkdir(exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.save(file, codes)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _stage_row(
    audit: int, number: int, moment: datetime, levels: Sequence[float], file: str | None = None
) -> dict[str, Any]:
    return {
        "audit": audit,
        "number": number,
        "opened_at": to_microseconds(moment),
        "levels": json.dumps([float(level) for level in levels]),
        "file": file,
        "reach": None,
    }
