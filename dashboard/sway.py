"""How much suggestions sway the answers: some are held back by lot, and agreement is compared.

The lot depends on the item and the round alone, so that it is known afterwards. A share of
``hide_suggestion_share`` (setting of the workspace, 0.1) of the questions that have a suggestion come
without it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..data.events import Event
from ..data.log_state import ItemState
from ..data.workspace import Workspace
from ..strategies.intervals import Interval, newcombe
from .queue import Queued
from .session import LabellingSession

SHARE = 0.1


@dataclass(frozen=True)
class Sway:
    """Answers that agree with the suggestion, and all, where it was seen and where it was held back."""

    agreed_shown: int
    shown: int
    agreed_hidden: int
    hidden: int

    @property
    def difference(self) -> Interval:
        """Agreement with the suggestion when it is seen minus when it is not, with 95 % limits."""
        return newcombe(self.agreed_shown, self.shown, self.agreed_hidden, self.hidden)


def hide_share(settings: dict[str, Any]) -> float:
    """The share of suggestions that is held back."""
    share = settings.get("hide_suggestion_share", SHARE)
    return float(share) if isinstance(share, int | float) and 0 <= share <= 1 else SHARE


def is_withheld(item_id: str, round_: int | None, share: float) -> bool:
    """Whether the suggestion on an item in a round is held back; the same always and everywhere."""
    digest = hashlib.sha256(f"{item_id}\0{round_}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < share


def withheld_of(session: LabellingSession, queue: Sequence[Queued]) -> list[bool]:
    """Which of these questions have a suggestion that is held back."""
    workspace: Workspace = session.workspace
    share = hide_share(workspace.settings)
    texts = workspace.ids.texts([queued.row for queued in queue])
    return [
        queued.suggested is not None and is_withheld(text, queued.round, share)
        for queued, text in zip(queue, texts, strict=True)
    ]


def sway(items: Iterable[ItemState], share: float) -> Sway:
    """Compare the answers in force that came with a suggestion.

    Hidden are those whose suggestion was held back by lot, in rounds in which another one was seen: where the
    user has switched suggestions off, there is nothing to compare with.

    Parameters
    ----------
    share
        The share that is held back.
    """
    events = [item.event for item in items if _counts(item.event)]
    shown = [event for event in events if event.suggestion_shown]
    rounds = {event.round for event in shown}
    hidden = [
        event
        for event in events
        if not event.suggestion_shown and event.round in rounds and is_withheld(event.item_id, event.round, share)
    ]
    return Sway(_n_agreed(shown), len(shown), _n_agreed(hidden), len(hidden))


def _counts(event: Event) -> bool:
    known = event.suggested is not None and event.suggestion_shown is not None
    return known and event.label is not None and event.bulk is None


def _n_agreed(events: Sequence[Event]) -> int:
    return sum(event.label == event.suggested for event in events)


def sway_sentence(found: Sway) -> str:
    """One sentence on how much suggestions sway the answers; empty where none was seen."""
    if not found.shown:
        return ""
    if not found.hidden:
        return f"Sway: {found.shown:,} answers saw a suggestion; none had it held back yet."
    seen, unseen = found.agreed_shown / found.shown, found.agreed_hidden / found.hidden
    limits = found.difference
    point, low, high = (f"{100 * value:+.0f}" for value in (limits.point, limits.low, limits.high))
    verdict = (
        "suggestions sway the answers"
        if limits.low > 0
        else "they work against the answers"
        if limits.high < 0
        else "no sway is seen"
    )
    return (
        f"Sway: answers agree with the suggestion in {seen:.0%} of {found.shown:,} cases where it was seen and in "
        f"{unseen:.0%} of {found.hidden:,} where it was held back by lot; difference {point} points "
        f"(95 % interval {low} to {high}): {verdict}."
    )
