"""The campaign log: what each audit campaign froze and drew, and the certificate that it led to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa

from .database import METADATA, Store, from_microseconds, to_microseconds

CampaignStatus = Literal["open", "done", "stopped"]


@dataclass(frozen=True)
class CampaignRecord:
    """One campaign: what was frozen (`design`, JSON-able), its items in their order, and its certificate."""

    number: int
    started_at: datetime
    status: CampaignStatus
    design: dict[str, Any]
    ended_at: datetime | None = None
    certificate: dict[str, Any] | None = None
    items: tuple[CampaignItem, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class CampaignItem:
    """One item that a campaign drew: its stratum, and the probability with which it was drawn."""

    item_id: str
    stratum: int
    probability: float


CAMPAIGNS = sa.Table(
    "campaigns",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("started_at", sa.BigInteger, nullable=False),
    sa.Column("ended_at", sa.BigInteger),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("design", sa.String, nullable=False),
    sa.Column("certificate", sa.String),
)
CAMPAIGN_ITEMS = sa.Table(
    "campaign_items",
    METADATA,
    sa.Column("campaign", sa.Integer, sa.ForeignKey("campaigns.number"), primary_key=True),
    sa.Column("place", sa.Integer, primary_key=True),
    sa.Column("item_id", sa.String, nullable=False),
    sa.Column("stratum", sa.Integer, nullable=False),
    sa.Column("probability", sa.Float, nullable=False),
)


class CampaignLog(Store):
    """Campaigns in the workspace's database, one writer at a time.

    Parameters
    ----------
    path
        The database of the label log.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, [CAMPAIGNS, CAMPAIGN_ITEMS])

    def begin(self, design: Mapping[str, Any], items: Sequence[CampaignItem]) -> CampaignRecord:
        """Record a campaign before its first question is asked."""
        now = datetime.now(UTC)
        with self._writing() as connection:
            number = self._newest_number(connection, CAMPAIGNS) + 1
            connection.execute(
                sa.insert(CAMPAIGNS),
                {
                    "number": number,
                    "started_at": to_microseconds(now),
                    "status": "open",
                    "design": json.dumps(design, ensure_ascii=False),
                },
            )
            if items:
                connection.execute(
                    sa.insert(CAMPAIGN_ITEMS),
                    [
                        {
                            "campaign": number,
                            "place": place,
                            "item_id": item.item_id,
                            "stratum": item.stratum,
                            "probability": item.probability,
                        }
                        for place, item in enumerate(items)
                    ],
                )
        return self.get(number)

    def end(self, number: int, status: CampaignStatus, certificate: Mapping[str, Any] | None) -> None:
        """Close a campaign, with its certificate where it has one."""
        with self._writing() as connection:
            connection.execute(
                sa.update(CAMPAIGNS)
                .where(CAMPAIGNS.c.number == number)
                .values(
                    status=status,
                    ended_at=to_microseconds(datetime.now(UTC)),
                    certificate=None if certificate is None else json.dumps(certificate, ensure_ascii=False),
                )
            )

    def get(self, number: int) -> CampaignRecord:
        """One campaign with its items; raises KeyError when there is none of that number."""
        with self._engine.connect() as connection:
            query = sa.select(CAMPAIGNS).where(CAMPAIGNS.c.number == number)
            row = connection.execute(query).mappings().first()
            if row is None:
                raise KeyError(number)
            items = (
                connection.execute(
                    sa.select(CAMPAIGN_ITEMS)
                    .where(CAMPAIGN_ITEMS.c.campaign == number)
                    .order_by(CAMPAIGN_ITEMS.c.place)
                )
                .mappings()
                .all()
            )
        return _campaign(
            row, tuple(CampaignItem(item["item_id"], item["stratum"], item["probability"]) for item in items)
        )

    def records(self) -> list[CampaignRecord]:
        """All campaigns in their order, without their items."""
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(CAMPAIGNS).order_by(CAMPAIGNS.c.number)).mappings().all()
        return [_campaign(row) for row in rows]

    def under_way(self) -> CampaignRecord | None:
        """The campaign that is under way with its items, or None."""
        number = next((c.number for c in reversed(self.records()) if c.status == "open"), None)
        return None if number is None else self.get(number)


def _campaign(row: Any, items: tuple[CampaignItem, ...] = ()) -> CampaignRecord:
    return CampaignRecord(
        number=row["number"],
        started_at=from_microseconds(row["started_at"]),
        status=row["status"],
        design=json.loads(row["design"]),
        ended_at=None if row["ended_at"] is None else from_microseconds(row["ended_at"]),
        certificate=None if row["certificate"] is None else json.loads(row["certificate"]),
        items=items,
    )
