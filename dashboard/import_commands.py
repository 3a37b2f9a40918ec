"""The command that brings in labels that exist already: its flags, its summary and its exit codes."""

from __future__ import annotations

import argparse
import getpass
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from ..data.errors import InputError
from ..data.import_files import Choice
from ..data.imports import POLICIES, SHOWN, Plan
from ..data.tables import Progress
from ..data.workspace import Workspace

Say = Callable[[str], None]
Bar = Callable[[], AbstractContextManager[Progress]]


def add_import_command(commands: Any, say: Say, bar: Bar) -> None:
    """Add import to the commands."""
    parser = commands.add_parser("import", help="bring in labels that exist already")
    parser.add_argument("workspace", type=Path)
    parser.add_argument(
        "source", type=Path, metavar="FILE|DIR",
        help="CSV, TSV, JSON lines, Parquet; JSON of Label Studio; an ASReview project; the folder of a package",
    )  # fmt: skip
    parser.add_argument("--id", metavar="COL", help="the column with the identifiers; guessed")
    parser.add_argument(
        "--label", metavar="COL", help="the column (in Label Studio: the choice) of the labels; guessed"
    )
    parser.add_argument(
        "--map", type=_pair, action="extend", metavar="OLD=NEW,...", default=[],
        help="what its classes are called here; OLD= leaves a class out",
    )  # fmt: skip
    parser.add_argument("--add-classes", action="store_true", help="add classes that are not here")
    parser.add_argument(
        "--conflicts", choices=POLICIES, default="refuse",
        help="items that have another answer here: import nothing (refuse), keep it, or replace it",
    )  # fmt: skip
    parser.add_argument(
        "--annotator", metavar="NAME", help="who gave labels of which the file does not say it; your user name"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be imported, and write nothing")
    parser.add_argument("--json", action="store_true", help="the summary as JSON, with all conflicts")
    parser.set_defaults(run=lambda options: import_labels(options, say, bar))


def _pair(text: str) -> list[tuple[str, str]]:
    pairs = [part.partition("=") for part in text.split(",")]
    if any(not old.strip() or not sign for old, sign, _ in pairs):
        raise argparse.ArgumentTypeError(f"write OLD=NEW,... instead of {text!r}")
    return [(old.strip(), new.strip()) for old, _, new in pairs]


def import_labels(options: argparse.Namespace, say: Say, bar: Bar) -> int:
    """Say what a file would change, then change it; returns 1 when there are conflicts that nobody decided."""
    workspace = Workspace.open(options.workspace)
    try:
        if not options.dry_run:
            workspace.lock("rareloop import")  # a server keeps the labels in memory, and would not see these
            workspace.reload()
        return _import(workspace, options, say, bar)
    finally:
        workspace.close()


def _import(workspace: Workspace, options: argparse.Namespace, say: Say, bar: Bar) -> int:
    from .audits import Auditor
    from .imports import Imported, carry_out, what_is_in_the_way

    with bar() as progress:
        choice = Choice(options.id, options.label, dict(options.map))
        source = Imported(options.source, workspace, choice, lambda s, text: progress(0.7 * s, text))
        progress(0.7, "comparing with the labels here")
        plan = source.plan(workspace)
    why = what_is_in_the_way(plan, options.conflicts, add_classes=options.add_classes)
    stored = None
    if not (why or options.dry_run):
        with bar() as progress:
            progress(0.8, "storing the labels")
            auditor = Auditor(workspace)
            auditor.audit = workspace.audits.current()
            annotator = options.annotator or getpass.getuser()
            stored = carry_out(
                workspace, plan, options.conflicts, annotator, auditor, add_classes=options.add_classes
            )
        workspace.save()
    _say_plan(plan, None if stored is None else len(stored), options, say)
    if plan.new_classes and not options.add_classes:
        raise InputError(why)
    if why:
        say(why[0].upper() + why[1:] + ".")
    return int(bool(why))


def _say_plan(plan: Plan, n_stored: int | None, options: argparse.Namespace, say: Say) -> None:
    if options.json:
        facts = plan.to_dict() | {"dry_run": options.dry_run, "stored_events": n_stored or 0}
        say(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    first, *others = plan.sentences()
    say(first)
    for sentence in others:
        say(f"  {sentence}")
    for conflict in plan.conflicts[:SHOWN]:
        say(f"    {conflict.item_id}: {conflict.old} → {conflict.new} ({conflict.place})")
    if len(plan.conflicts) > SHOWN:
        say(f"    and {len(plan.conflicts) - SHOWN:,} more (all with --json)")
    if n_stored is not None:
        said = "the first undo on the page takes them back" if plan.is_one_step else "each keeps its own history"
        say(f"{n_stored:,} events are stored; {said}." if n_stored else "There is nothing new in it.")
    elif options.dry_run:
        say("Nothing was written (--dry-run).")
