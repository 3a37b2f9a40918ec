"""Bringing in labels that exist already: what is asked before, and the one step that stores them."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..data.errors import InputError
from ..data.events import CLASS_ACTIONS, Action, Event, class_event
from ..data.import_files import Choice, Read
from ..data.import_package import plan_package, read_events
from ..data.imports import Plan, Policy, plan_labels, read_file
from ..data.tables import Progress
from ..data.workspace import Workspace
from .audits import Auditor
from .taxonomy_editing import check_text

PART = 1_000  # labels that are unpacked at once, while a page waits
STORING = "The labels are stored in one step, which cannot be cancelled once it has begun."

if TYPE_CHECKING:
    from .session import Commit, LabellingSession


class Imported:
    """A file or package that has been read; `plan` compares it with the labels as of now.

    Parameters
    ----------
    path
        A file with labels, or the folder of a package.
    choice
        The columns, and what its classes are called here.
    read
        What a file says, where that has been read already.

    Raises
    ------
    InputError
        When it cannot be read, contradicts itself, or the workspace has no roles yet.
    """

    def __init__(
        self,
        path: Path,
        workspace: Workspace,
        choice: Choice | None = None,
        progress: Progress | None = None,
        read: Read | None = None,
    ) -> None:
        if not workspace.is_confirmed:
            raise InputError(
                f"{workspace.folder} has no identifiers and classes yet: open it once with `rareloop serve`"
            )
        self.path, self.choice = path, choice or Choice()
        self._content: Read | Sequence[Event]
        if read is not None:
            self._content = read
        elif path.is_dir():
            self._content = read_events(path, progress)
        else:
            self._content = read_file(path, workspace, self.choice, progress)

    def plan(self, workspace: Workspace) -> Plan:
        """What it would change now; raises InputError when it has no item of the table."""
        if isinstance(self._content, Read):
            return plan_labels(workspace, self._content)
        return plan_package(workspace, self.path, self._content, self.choice)


def read_apart(progress: Progress, path: Path, folder: Path, choice: Choice) -> tuple[Read, list[bytes]]:
    """Read a file with labels in a process of its own; `put_together` makes one of what is sent back.

    Parameters
    ----------
    folder
        The workspace.

    Returns
    -------
    read : Read
        Without its labels.
    parts : list of bytes
        These, packed a thousand at a time: whoever unpacks all at once holds up every page meanwhile.
    """
    workspace = Workspace.open(folder)
    try:
        read = read_file(path, workspace, choice, progress)
    finally:
        workspace.close()
    parts = [pickle.dumps(read.labels[i : i + PART]) for i in range(0, len(read.labels), PART)]
    return replace(read, labels=()), parts


def put_together(read: Read, parts: Sequence[bytes]) -> Read:
    """What a file says, from what `read_apart` has sent; for a thread."""
    labels = (given for part in parts for given in pickle.loads(part))  # noqa: S301 (from a process of ours)
    return replace(read, labels=tuple(labels))


def what_is_in_the_way(plan: Plan, policy: Policy, *, add_classes: bool) -> str:
    """Why an import cannot be done as it was asked for, or nothing; conflicts are told by the plan."""
    if plan.new_classes and not add_classes:
        first = next(iter(plan.new_classes))
        meant = ""
        if {"0", "1"} & set(plan.new_classes):
            meant = " (as ASReview's: --map 1=relevant,0=irrelevant)"
        return (
            f"{len(plan.new_classes):,} classes of {plan.name} are not here, the first is '{first[:60]}': say "
            f"what they are called here with --map{meant}, or add them with --add-classes"
        )
    if plan.conflicts and policy == "refuse":
        return (
            f"{len(plan.conflicts):,} items have another answer here, so nothing is imported: keep ours with "
            "--conflicts keep, or take those of the file with --conflicts replace"
        )
    return ""


def carry_out(
    workspace: Workspace,
    plan: Plan,
    policy: Policy,
    annotator: str,
    auditor: Auditor,
    *,
    add_classes: bool = False,
) -> list[Event]:
    """Store an import, and the classes that it adds, in one transaction.

    Items of the sealed audit that the file names are known to the user by other ways than the audit's: that is
    recorded before.

    Returns
    -------
    list of Event
        The answers and notes as stored, without the events about classes.

    Raises
    ------
    InputError
        When something is in the way, a class cannot be added, or a campaign is under way; nothing is stored then.
    OSError
        When the disk refuses.
    """
    if why := what_is_in_the_way(plan, policy, add_classes=add_classes):
        raise InputError(why)
    if workspace.campaigns.under_way() is not None:
        raise InputError("a campaign is under way: its questions are answered one by one, so end it first")
    events = plan.events(policy, annotator)
    given = {event.label for event in events}
    added = [name for name in plan.new_classes if name in given]
    for name in added:
        check_text(name)
    if not events:
        return []
    auditor.record_reached(plan.matching)
    if not added:
        return workspace.log.append(events)
    now = datetime.now(UTC)
    classes = [class_event(Action.CLASS_ADD, name, annotator, now) for name in added]
    return [e for e in workspace.change_classes([*classes, *events]) if e.action not in CLASS_ACTIONS]


def import_into(
    session: LabellingSession, source: Imported, shown: Plan, policy: Policy, *, add_classes: bool
) -> Future[Commit]:
    """Store an import in the turn of the answers, as `carry_out` does.

    Returns
    -------
    Future
        Fails with `InputError` also when labels were given since the plan was shown that change its conflicts or
        its classes.
    """

    def store() -> list[Event]:
        plan = source.plan(session.workspace)
        if plan.conflicts != shown.conflicts or plan.new_classes != shown.new_classes:
            raise InputError("labels or classes have changed meanwhile, so nothing was imported: look again")
        stored = carry_out(
            session.workspace, plan, policy, session.annotator, session.auditor, add_classes=add_classes
        )
        if plan.new_classes:
            session.taxonomy_revision += 1
        return stored

    def store_shown() -> list[Event]:
        with session.tasks.shown(f"Import of {shown.name}", STORING):
            return store()

    return session.in_turn_of_answers(store_shown)
