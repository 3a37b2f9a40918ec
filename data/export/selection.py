"""How each item came to be labelled, and in which probability samples it stands."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..campaigns import CampaignRecord
from ..events import IMPORTED
from ..log_state import LogState
from ..workspace import Workspace
from .replay import BULK, DUPLICATE, TABLE, reason_unresolved

AUDIT, CAMPAIGN, OPENED, RANDOM = "audit", "campaign", "opened", "random"  # as `query_strategy`
PURITY = "purity check"  # a random sample of a selection


@dataclass(frozen=True)
class Member:
    """One item of a probability sample; see the columns of ``samples.parquet``."""

    sample: str
    item_id: str
    inclusion_prob: float
    reached: bool = False
    stratum: int | None = None
    stratum_size: int | None = None
    answer: str = "labelled"

    @property
    def weight(self) -> float | None:
        """What the item counts in its sample; None where it was asked otherwise as well."""
        return None if self.reached else 1 / self.inclusion_prob


@dataclass(frozen=True)
class Sampled:
    """The probability samples of a workspace.

    `pending` are items that a sample has asked for and that do not count in it yet: they may do so later, and
    stay out of the training split. `populations` tells for each sample how many items it stands for.
    """

    members: tuple[Member, ...] = ()
    pending: frozenset[str] = frozenset()
    populations: Mapping[str, int] | None = None

    def by_item(self) -> dict[str, Member]:
        """The sample that each item stands in: one in which it has a weight, the audit before campaigns."""
        chosen: dict[str, Member] = {}
        for member in sorted(self.members, key=lambda m: (m.reached, not m.sample.startswith(AUDIT))):
            chosen.setdefault(member.item_id, member)
        return chosen

    def with_answers(self, state: LogState) -> Sampled:
        """The same, with what each item was answered."""
        return replace(self, members=tuple(replace(m, answer=_answer(state, m.item_id)) for m in self.members))


def _answer(state: LogState, item_id: str) -> str:
    item = state.items.get(item_id)
    if reason_unresolved(state, item_id) is not None:
        return "unresolved"
    return "labelled" if item is not None and item.status == "labelled" else "put_off"


def campaign_members(records: Iterable[CampaignRecord], state: LogState) -> tuple[list[Member], set[str]]:
    """The samples of campaigns that have ended, and what those under way have been answered.

    Of a campaign that was stopped, the questions before the first one without an answer count: they are a random
    sample of each stratum, of the size that they happen to have.
    """
    members: list[Member] = []
    pending: set[str] = set()
    for record in records:
        if record.status == "open":
            pending |= {item.item_id for item in record.items if item.item_id in state.items}
            continue
        n = int((record.certificate or {}).get("n_questions", 0))
        asked = Counter(item.stratum for item in record.items[:n])
        sizes = record.design["strata"]["sizes"]
        members += [
            Member(
                f"{CAMPAIGN}-{record.number}",
                item.item_id,
                asked[item.stratum] / int(sizes[item.stratum]),
                stratum=item.stratum,
                stratum_size=int(sizes[item.stratum]),
            )
            for item in record.items[:n]
        ]
    return members, pending


# ---- items outside the samples ----------------------------------------------------------------------


class Selections:
    """How items outside the samples were selected, from the round log.

    Parameters
    ----------
    workspace
        Its round log is read once.
    state
        The label log, folded.
    """

    def __init__(self, workspace: Workspace, state: LogState) -> None:
        self._state = state
        wanted: dict[int, set[str]] = defaultdict(set)
        for item_id, item in state.items.items():
            if item.event.round:
                wanted[item.event.round].add(item_id)
        self._known: dict[str, tuple[str, float | None]] = {}
        for number, items in wanted.items():
            for query in workspace.rounds.queries(number):
                if query.item_id in items:
                    self._known[query.item_id] = (query.selection, query.probability)

    def of(self, item_id: str, member: Member | None, uniform: Mapping[str, bool]) -> dict[str, Any]:
        """The columns of `columns.SELECTION`; `uniform` tells of each sample whether it is uniform."""
        row: dict[str, Any] = dict.fromkeys(("selection_prob", "sample", "inclusion_prob", "sample_weight"))
        if member is not None:
            row |= {
                "selection_mechanism": "uniform" if uniform[member.sample] else "stochastic",
                "sample": member.sample,
                "inclusion_prob": member.inclusion_prob,
                "sample_weight": member.weight,
            }
            return row
        mechanism, probability = self._mechanism(item_id)
        return row | {"selection_mechanism": mechanism, "selection_prob": probability}

    def _mechanism(self, item_id: str) -> tuple[str, float | None]:
        event = self._state.items[item_id].event
        if event.input == TABLE or event.strategy == IMPORTED:
            return "imported", None
        if event.input == BULK or event.strategy == BULK:
            return "bulk", None
        if event.strategy == DUPLICATE:
            return "duplicate", None
        if event.strategy == OPENED:
            return "search", None
        if event.strategy in (AUDIT, CAMPAIGN, PURITY):
            return "stochastic", None
        how, probability = self._known.get(item_id, ("unknown", None))
        if how == "random" or (how == "unknown" and event.strategy == RANDOM):
            probability = event.probability if probability is None else probability
            return "uniform" if event.strategy == RANDOM else "stochastic", probability
        return ("deterministic" if how in ("deterministic", "sealed") else "unknown"), None


def uniform_samples(members: Sequence[Member]) -> dict[str, bool]:
    """Which samples include every item with the same probability."""
    found: dict[str, set[float]] = defaultdict(set)
    for member in members:
        found[member.sample].add(member.inclusion_prob)
    return {sample: len(values) == 1 for sample, values in found.items()}
