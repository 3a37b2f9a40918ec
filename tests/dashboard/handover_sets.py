"""A workspace in which everything has happened that a package tells of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rareloop.dashboard.handover import make_package
from rareloop.data.labels import Action, Event, new_event_id

from .test_session import RARE, label, opened, settle, survey, wait

PUBLICATION = {
    "title": "Rare quasars, curated",
    "description": "Objects of a survey that does not exist, labelled as quasars and stars.",
    "creators": [{"name": "Ann Example", "orcid": "0000-0001-2345-6789", "affiliation": "Nowhere"}],
    "licence": "CC-BY-4.0",
    "contact": "ann@example.org",
    "keywords": ["astronomy"],
    "limitations": "Made up.",
    "personal": "None: the rows are made up.",
}


def answer(session):
    """Answer the first question as the page does."""
    queued = session.queue[0]
    label(session, queued.row, round=queued.round)
    return queued


def curated(tmp_path, campaign=30):
    """A workspace with an audit, a campaign, conflicts, notes, duplicates; and which item is what."""
    one = opened(survey(tmp_path))
    one.update_settings(audit_share=0.4)
    for row in (0, 40, 1, 2, 5, 101):
        label(one, row)
    settle(one)
    for _ in range(40):
        answer(one)
    settle(one)
    if campaign:
        one.begin_campaign(campaign).result(60)
        for _ in range(1000):
            if not one.campaign:
                break
            if one.queue:
                answer(one)
            settle(one)
        wait(one, lambda: not one.campaign, "the end of the campaign")
    unsure, flagged, skipped, undone, disputed, agreed, _fresh = free = unanswered(one)[:7]
    one.decide([{"row": unsure, "action": "unsure"}, {"row": flagged, "action": "flag"}], annotator="ann").result(
        60
    )
    remark = {"row": 0, "action": "note", "note": "private remark"}
    one.decide([{"row": skipped, "action": "skip"}, remark], annotator="ann").result(60)
    label(one, undone, "quasar")
    one.undo(annotator="ann").result(60)
    label(one, disputed, "star")
    label(one, agreed, "star")
    settle(one)
    workspace = one.workspace
    one.close()
    for row, name in ((disputed, "quasar"), (agreed, "star")):
        event = Event(new_event_id(), Action.LABEL, f"o{row}", "bob", datetime.now(UTC), label=name, input="key")
        workspace.log.append(event)
    workspace.settings["publication"] = PUBLICATION
    workspace.save()
    names = ("unsure", "flagged", "skipped", "undone", "disputed", "agreed", "fresh")
    return workspace, dict(zip(names, (f"o{row}" for row in free), strict=True))


def unanswered(session):
    """Rows without an answer and without duplicates."""
    items = session.state.items
    return [row for row in range(200, 400) if f"o{row}" not in items and row not in RARE]


@dataclass(frozen=True)
class Made:
    """A folder with a workspace and its package, and which item is what."""

    folder: Path
    items: dict[str, str]


def made_package(folder):
    """The workspace of `curated` with its package."""
    workspace, items = curated(folder)
    make_package(workspace, folder / "package")
    workspace.close()
    return Made(folder, items)
