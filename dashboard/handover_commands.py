"""The commands that hand a data set over: flags of export, describe, verify, diff."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from ..data.errors import InputError
from ..data.export.checklist import what_is_missing
from ..data.export.versions import compare
from ..data.publication import INCLUDABLE, KEY, Publication
from ..data.tables import Progress
from ..data.workspace import Workspace

Say = Callable[[str], None]
Bar = Callable[[], AbstractContextManager[Progress]]
PACKAGE_FLAGS = {
    "version": None,
    "include": None,
    "previous": None,
    "machine_labels": None,
    "model": False,
    "draft": False,
}
TEXTS = {
    "name": "a short name for files, lower case",
    "title": "the title of the data set",
    "description": "what the rows are, and what the classes mean",
    "licence": "an SPDX id as CC-BY-4.0, or LicenseRef-NAME with the next two",
    "licence_name": "the name of a licence of your own",
    "licence_url": "where its text is",
    "citation": "how to cite the data set",
    "contact": "whom to ask",
    "url": "where the data set can be found",
    "language": "of the texts in the rows, as en",
    "source_title": "what the table is called",
    "source_url": "where the table is from",
    "collection": "how the rows of the table were collected",
    "uses": "what the data are for",
    "unsuited": "what they are not for",
    "limitations": "biases and limitations that a user must know",
    "personal": "what there is of personal or sensitive information",
}


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def add_package_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of ``export`` that concern packages."""
    group = parser.add_argument_group(
        "packages", "a folder with data, history and descriptions (--format package)"
    )
    group.add_argument("--version", metavar="X.Y.Z", help="by default the least that the changes allow")
    group.add_argument(
        "--include", type=_names, metavar="A,...",
        help="what is left out otherwise: note (of items), annotators (their names)",
    )  # fmt: skip
    group.add_argument(
        "--previous", type=Path, metavar="DIR", help="the package before; the last one made by default"
    )
    group.add_argument(
        "--machine-labels", type=Path, metavar="FILE",
        help="labels of a model alone, as Parquet with item_id, machine_label, confidence, model_version",
    )  # fmt: skip
    group.add_argument(
        "--model", action="store_true", help="put the newest model beside the data, as `rareloop model` saves it"
    )
    group.add_argument(
        "--draft", action="store_true", help="although licence, description or creators are missing"
    )


def check_no_package_flags(options: argparse.Namespace) -> None:
    """Raise InputError when a flag of packages is given for another format."""
    for flag, default in PACKAGE_FLAGS.items():
        if getattr(options, flag) != default:
            raise InputError(f"--{flag.replace('_', '-')} is for packages: add --format package")


def add_package_commands(commands: Any, say: Say, bar: Bar) -> None:
    """Add describe, verify and diff to the commands."""
    parser = commands.add_parser("describe", help="say what a package needs: title, licence, creators")
    parser.add_argument("workspace", type=Path)
    for name, words in TEXTS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", metavar="TEXT", help=words)
    parser.add_argument(
        "--creator",
        action="append",
        metavar="NAME[;ORCID[;AFFILIATION]]",
        help="who made it; once for each person",
    )
    parser.add_argument("--keyword", action="append", metavar="WORD", help="once for each")
    parser.add_argument(
        "--columns",
        type=_names,
        metavar="COL,...",
        help="columns of the table that may be handed over; all by default",
    )
    parser.set_defaults(run=lambda options: describe(options, say))
    parser = commands.add_parser("verify", help="is a package whole, consistent and readable")
    parser.add_argument("package", type=Path, metavar="DIR")
    parser.add_argument("--workspace", type=Path, metavar="DIR", help="make it again from there, and compare")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=lambda options: verify(options, say, bar))
    parser = commands.add_parser("diff", help="what changed from one package to another, or until now")
    parser.add_argument("before", type=Path, metavar="A", help="a package, or a workspace as it is now")
    parser.add_argument("now", type=Path, metavar="B", help="the other one")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=lambda options: diff(options, say, bar))


# ---- what they do -----------------------------------------------------------------------------------


def export_package(workspace: Workspace, options: argparse.Namespace, say: Say, bar: Bar) -> None:
    """Write a package, and say what it still lacks."""
    from .handover import make_package

    wrong = next((name for name in options.include or () if name not in INCLUDABLE), None)
    if wrong is not None:
        raise InputError(f"'{wrong}' cannot be included: choose among {', '.join(INCLUDABLE)}")
    with bar() as progress:
        written = make_package(
            workspace,
            options.to,
            version=options.version,
            include=options.include or (),
            previous=options.previous,
            machine_labels=options.machine_labels,
            model=options.model,
            draft=options.draft,
            progress=progress,
        )
    say(f"version {written.release.version} with {len(written.release.index):,} labelled items is in {options.to}")
    for sentence in written.change.sentences() if written.change is not None else ():
        say(f"  {sentence}")
    _say_missing(workspace, say)


def describe(options: argparse.Namespace, say: Say) -> None:
    """Take what is said of the data set, and say what is still missing."""
    workspace = Workspace.open(options.workspace)
    workspace.lock("rareloop describe")  # a server keeps settings of its own, and would write these over
    try:
        workspace.reload()
        workspace.settings[KEY] = _described(workspace, options).to_dict()
        workspace.save()
        _say_missing(workspace, say)
    finally:
        workspace.close()


def _described(workspace: Workspace, options: argparse.Namespace) -> Publication:
    """What is said of the data set with what the flags say instead."""
    values = Publication.of(workspace.settings).to_dict()
    values |= {name: getattr(options, name) for name in TEXTS if getattr(options, name) is not None}
    if options.creator is not None:
        keys = ("name", "orcid", "affiliation")
        people = ([each.strip() for each in text.split(";")] for text in options.creator)
        values["creators"] = [dict(zip(keys, person, strict=False)) for person in people]
    if options.keyword is not None:
        values["keywords"] = options.keyword
    if options.columns is not None:
        missing = next((name for name in options.columns if name not in workspace.table.names), None)
        if missing is not None:
            raise InputError(f"there is no column '{missing}' in {workspace.source.name}: check --columns")
        values["columns"] = options.columns
    return Publication.from_dict(values)


def _say_missing(workspace: Workspace, say: Say) -> None:
    missing = what_is_missing(workspace)
    say("Nothing is missing: ready to publish." if not missing else "Still missing:")
    for key, sentence in missing:
        say(f"  {key:<12} {sentence}")


def verify(options: argparse.Namespace, say: Say, bar: Bar) -> int:
    """Check a package; returns 1 when a check fails."""
    from .handover import verify_package

    with bar() as progress:
        results = verify_package(options.package, options.workspace, progress)
    if options.json:
        say(json.dumps({"package": str(options.package), "checks": [r.to_dict() for r in results]}, indent=2))
    else:
        for result in results:
            say(f"{result.verdict:<9} {result.number:>2}  {result.title}: {result.sentence}")
    return int(any(result.verdict == "fail" for result in results))


def diff(options: argparse.Namespace, say: Say, bar: Bar) -> None:
    """Say what changed from one package or moment to another."""
    from .handover import release_in

    with bar() as progress:
        before, now = (release_in(folder, progress) for folder in (options.before, options.now))
    change = compare(before, now)
    if options.json:
        facts = {"before": before.version, "now": now.version} | change.to_dict()
        say(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    say(f"{before.version} → {now.version} ({change.level})")
    for sentence in change.sentences():
        say(f"  {sentence}")
    for title, changes in (("label", change.relabelled), ("split", change.moved)):
        for item_id, old, new in changes[:20]:
            say(f"  {item_id}: {title} {old} → {new}")
        if len(changes) > 20:
            say(f"  and {len(changes) - 20:,} more")
