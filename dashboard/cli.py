"""The command line: serve, demo, simulate, export, describe, verify, diff, import, predict, model, check, info."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..data.errors import InputError
from ..data.export.formats import FORMATS, export_labels
from ..data.roles import Roles, guess_roles
from ..data.workspace import Workspace, workspace_folder
from ..layouts.schema import LayoutError
from ..version import __version__
from .distances import keep_metric
from .handover_commands import add_package_commands, add_package_flags, check_no_package_flags, export_package
from .import_commands import add_import_command
from .model_commands import add_model_commands

DEMO_FOLDER = "rareloop-demo"
ROLE_FLAGS = ("id", "label", "label_use", "features", "shown", "text", "image", "image_kind", "classes", "rare")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns
    -------
    int
        0 when done, 1 when a check fails, 2 for bad input, after one sentence on standard error.
    """
    logging.basicConfig(
        level=os.environ.get("RARELOOP_LOG", "ERROR"), format="%(levelname)s %(name)s: %(message)s"
    )
    if "RARELOOP_LOG" not in os.environ:
        # A tab that closes while it is written to is no news for the terminal.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    parser = build_parser()
    options = parser.parse_args(arguments)
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # classifiers and strategies of the user's own lie beside the table
    try:
        return int(options.run(options) or 0)
    except (InputError, LayoutError) as error:
        print(f"rareloop: {error}", file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        return 130


def say(text: str) -> None:
    """Write a line for the user; whoever reads the lines may have gone, which ends no work."""
    try:
        print(text, flush=True)  # noqa: T201
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Bar:
    """A progress bar on standard error for work that reports a share and what is being done."""

    def __init__(self) -> None:
        self._bar = tqdm(total=100, bar_format="{desc:<38.38} {bar} {n:3.0f} %", leave=False, disable=None)

    def __call__(self, share: float, text: str) -> None:
        """Show the share done, 0 to 1, and what is being done."""
        self._bar.set_description_str(text, refresh=False)
        self._bar.update(100 * share - self._bar.n)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()


# ---- parser -----------------------------------------------------------------------------------------


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="rareloop", description="Find and label the rare classes of a large table, with active learning."
    )
    parser.add_argument("--version", action="version", version=f"rareloop {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_serve(commands)
    _add_demo(commands)
    _add_simulate(commands)
    _add_export(commands)
    add_package_commands(commands, say, Bar)
    add_import_command(commands, say, Bar)
    add_model_commands(commands, say, Bar)
    _add_check(commands)
    _add_info(commands)
    return parser


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _add_server_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--layout", default="default", metavar="NAME|FILE", help="which views stand where")
    parser.add_argument("--port", type=int, help="the port to listen on; 5006 or the next free one by default")
    parser.add_argument(
        "--address", default="127.0.0.1", metavar="HOST",
        help="the address to listen on; others than this machine's own need RARELOOP_PASSWORD in the environment",
    )  # fmt: skip
    parser.add_argument("--no-show", action="store_true", help="do not open a browser")
    parser.add_argument(
        "--card", metavar="MODULE:CLASS", help="a card of your own, a class derived from rareloop.Card"
    )
    parser.add_argument("--annotator", metavar="NAME", help="whose labels these are; your user name by default")
    parser.add_argument("--workspace", type=Path, metavar="DIR", help="where the workspace is kept")


def _add_model_flags(parser: argparse.ArgumentParser, several: bool = False) -> None:
    many = ",..." if several else ""
    parser.add_argument(
        "--classifier", metavar=f"NAME{many}", help="logistic, forest, boosting, lda, or module:object of your own"
    )
    parser.add_argument(
        "--strategy",
        metavar=f"NAME{many}",
        help="auto (a mixture that follows what works), top, similar, margin, entropy, least_confidence, direct, "
        "committee, vote_entropy, tail, search, lookout, contrast, unlike, coverage, probcover, typiclust, "
        "random, anchors, seals, or module:function of your own",
    )


def _add_role_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "roles", "what the columns are for; guessed, and asked on the page, without these"
    )
    group.add_argument("--id", metavar="COL", help="the identifier; 'row' for row numbers")
    group.add_argument("--label", metavar="COL", help="a column with labels that exist")
    group.add_argument("--label-use", choices=["start", "truth", "ignore"], help="what to do with it (start)")
    group.add_argument("--features", type=_names, metavar="COL,...", help="what the model learns from")
    group.add_argument("--shown", type=_names, metavar="COL,...", help="what the item card shows")
    group.add_argument("--text", type=_names, metavar="COL,...", help="columns with texts to read")
    group.add_argument("--image", metavar="COL", help="the column with pictures")
    group.add_argument("--image-kind", choices=["path", "url", "bytes", "array"], help="what it contains")
    group.add_argument(
        "--images", type=Path, metavar="DIR", help="the folder of the pictures; the table's by default"
    )
    group.add_argument("--classes", type=_names, metavar="A,B,...", help="the classes, in the order of their keys")
    group.add_argument("--rare", type=_names, metavar="A,...", help="those of them that are looked for")
    group.add_argument(
        "--infinite", choices=["error", "missing"], default="error", help="what infinite values mean"
    )


def _add_serve(commands: Any) -> None:
    parser = commands.add_parser("serve", help="label a table, or go on with a workspace")
    parser.add_argument("source", type=Path, metavar="TABLE|WORKSPACE")
    parser.add_argument(
        "--accept-change",
        action="store_true",
        help="go on although the table's file has changed; labels follow the ids",
    )
    _add_role_flags(parser)
    _add_model_flags(parser)
    _add_server_flags(parser)
    parser.set_defaults(run=serve)


def _add_demo(commands: Any) -> None:
    parser = commands.add_parser("demo", help="try it on handwritten digits or a synthetic sky")
    parser.add_argument("sample", nargs="?", default="digits", choices=["digits", "sky"])
    parser.add_argument("--rows", type=int, default=100_000, metavar="N", help="how many objects the sky has")
    parser.add_argument("--seed", type=int, default=0)
    _add_model_flags(parser)
    _add_server_flags(parser)
    parser.set_defaults(run=demo)


def _add_simulate(commands: Any) -> None:
    parser = commands.add_parser(
        "simulate", help="how many labels would a strategy have needed, on a table with labels"
    )
    parser.add_argument("source", type=Path, metavar="TABLE|WORKSPACE")
    parser.add_argument("--label", metavar="COL", help="the column with the true classes")
    parser.add_argument(
        "--rare", type=_names, metavar="A,...", help="the classes that are looked for; below 5 %% by default"
    )
    parser.add_argument("--features", type=_names, metavar="COL,...")
    parser.add_argument("--id", metavar="COL")
    parser.add_argument("--infinite", choices=["error", "missing"], default="error")
    _add_model_flags(parser, several=True)
    parser.add_argument("--labels", type=int, default=500, metavar="N", help="the budget (500)")
    parser.add_argument("--batch", type=int, default=10, metavar="N", help="labels between two rounds (10)")
    parser.add_argument("--start", choices=["warm", "cold", "biased"], default="warm",
                        help="warm: 5 wanted items and random ones first; cold: none; biased: 5 wanted items of "
                        "one part of the class, and others")  # fmt: skip
    parser.add_argument("--metric", choices=["euclidean", "cosine"], default="euclidean",
                        help="in which items are near each other")  # fmt: skip
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="how many runs of each (5)")
    parser.add_argument("--first-seed", type=int, default=0, metavar="N")
    parser.add_argument("--test-share", type=float, default=0.3, metavar="P", help="share of rows held out (0.3)")
    parser.add_argument(
        "--audit-share", type=float, default=0.0, metavar="P", help="share of questions of the sealed audit (0)"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="runs at a time")
    parser.add_argument(
        "--against", metavar="NAME", help="the strategy that the others are compared with; the best by default"
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE",
        help="one row a round, as .parquet or .csv; finished runs are kept beside it, and not made again",
    )  # fmt: skip
    parser.add_argument("--restart", action="store_true", help="throw the runs away that are kept beside --output")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="the curves, as .html, .png or .svg")
    parser.set_defaults(run=simulate)


def _add_export(commands: Any) -> None:
    parser = commands.add_parser("export", help="write the labels of a workspace to a file")
    parser.add_argument("workspace", type=Path)
    parser.add_argument(
        "--to",
        type=Path,
        required=True,
        metavar="FILE|DIR",
        help="ends in .csv, .parquet, .jsonl, .fits, .vot or .json (Label Studio), or a new folder",
    )
    parser.add_argument(
        "--format", choices=[*dict.fromkeys(FORMATS.values()), "package"], help="by default what the name ends in"
    )
    add_package_flags(parser)
    parser.set_defaults(run=export)


def _add_check(commands: Any) -> None:
    parser = commands.add_parser("check", help="are labels, features and audit of a workspace fit for use")
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--json", action="store_true", help="as JSON, with the numbers behind each verdict")
    parser.set_defaults(run=check)


def _add_info(commands: Any) -> None:
    parser = commands.add_parser("info", help="what a workspace holds")
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=info)


# ---- commands ---------------------------------------------------------------------------------------


def serve(options: argparse.Namespace) -> None:
    """Open or make the workspace, and serve its page."""
    workspace = open_or_create(options.source, options.workspace, accept_change=options.accept_change)
    if options.images is not None:
        if not options.images.is_dir():
            raise InputError(f"there is no folder {options.images}: name the folder of the pictures with --images")
        workspace.images_root = options.images.resolve()
        workspace.save()
    apply_role_flags(workspace, options)
    run_server(workspace, options)


def demo(options: argparse.Namespace) -> None:
    """Make the sample's table and workspace where they do not exist yet, and serve the page."""
    import pyarrow.parquet as pq

    from ..data import samples

    if options.rows < 1_000:
        raise InputError("a sky has at least 1,000 rows: choose a larger --rows")
    folder = options.workspace or Path(DEMO_FOLDER)
    name = "digits" if options.sample == "digits" else f"sky-{options.rows}"
    source = folder / f"{name}.parquet"
    if not source.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            table = (
                samples.digits(seed=options.seed) if name == "digits" else samples.sky(options.rows, options.seed)
            )
            pq.write_table(table, source)
        except OSError as error:
            raise InputError(
                f"{folder} cannot be written ({error.strerror}): choose a folder with --workspace"
            ) from error
    say(f"The demo is kept in {folder}{os.sep}; delete the folder to start anew.")
    workspace = open_or_create(source, None)
    if not workspace.is_confirmed:
        roles = workspace.roles
        roles.label_use = "truth"
        if name == "digits":
            workspace.confirm(roles, [str(digit) for digit in range(10)], wanted=["8"])
        else:
            kinds = samples.SKY_KINDS
            workspace.confirm(roles, kinds, wanted=[kinds[-1]])
    run_server(workspace, options)


def simulate(options: argparse.Namespace) -> None:
    """Run the loop with the known labels as the oracle, and print what each strategy found."""
    from .simulation_plots import plot
    from .simulation_report import print_report
    from .simulations import Plan, run_plan

    plan = Plan.from_options(options)
    frame = run_plan(plan, say)
    print_report(frame, say, plan.against)
    if plan.plot is not None:
        plot(frame, plan.plot, plan.title)


def export(options: argparse.Namespace) -> None:
    """Write the labelled items to a file."""
    workspace = Workspace.open(options.workspace)
    if options.format == "package":
        export_package(workspace, options, say, Bar)
        return
    check_no_package_flags(options)
    with Bar() as bar:
        n_rows = export_labels(workspace, options.to, options.format, progress=bar)
    say(f"{n_rows:,} labelled items are in {options.to}")


def check(options: argparse.Namespace) -> int:
    """Run the checks of a workspace; returns 1 when one fails."""
    from .checks import checks_report, checks_text, run_checks

    workspace = Workspace.open(options.workspace)
    with Bar() as bar:
        findings = run_checks(workspace, progress=bar)
    report = checks_report(workspace, findings)
    say(json.dumps(report, indent=2, ensure_ascii=False) if options.json else checks_text(report))
    return int(report["counts"]["fail"] > 0)


def info(options: argparse.Namespace) -> None:
    """Say what a workspace holds."""
    facts = workspace_facts(Workspace.open(options.workspace))
    if options.json:
        say(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    say(f"{facts['name']}: {facts['items']:,} items of {facts['source']}, {facts['rounds']} rounds")
    for name, count in facts["labels"].items():
        say(f"  {name:<24} {count:>8,} labels{'  (looked for)' if name in facts['wanted'] else ''}")
    others = ", ".join(f"{count} {status}" for status, count in facts["others"].items() if count)
    say(f"  other answers: {others or 'none'}; events in all: {facts['events']:,}")
    audit, numbers = facts["audit"], facts["certificates"]
    if audit is not None:
        say(f"  sealed audit: {audit['answered']:,} answers since {audit['sealed_since'][:10]}")
    say(f"  certificates: {', '.join(str(number) for number in numbers) or 'none'}")
    if facts["campaign"]:
        say(f"  campaign {facts['campaign']} is under way")
    say(f"  last event: {facts['last_event'] or 'none yet'}")


def workspace_facts(workspace: Workspace) -> dict[str, Any]:
    """Items, labels per class, rounds, audit, certificates and last event of a workspace, JSON-able."""
    from .audits import facts_of

    state = workspace.log.state()
    newest = workspace.log.events(newest_first=True, limit=1)
    statuses = [item.status for item in state.items.values()]
    audit = facts_of(workspace, state, workspace.audits.current())
    campaigns = workspace.campaigns.records()
    return {
        "name": workspace.name,
        "source": str(workspace.source),
        "items": workspace.table.n_rows,
        "ready": workspace.is_ready,
        "labels": {c.name: state.counts.get(c.name, 0) for _, c in workspace.taxonomy.shown},
        "wanted": [c.name for c in workspace.taxonomy if c.wanted],
        "others": {status: statuses.count(status) for status in ("skipped", "deferred", "unsure", "flagged")},
        "rounds": workspace.rounds.next_number() - 1,
        "audit": None
        if audit is None
        else {"answered": audit.n_answered, "sealed_since": audit.sealed_since.isoformat()},
        "certificates": [record.number for record in campaigns if record.certificate is not None],
        "campaign": next((record.number for record in campaigns if record.status == "open"), None),
        "events": newest[0].seq if newest else 0,
        "last_event": newest[0].created_at.isoformat() if newest else None,
    }


# ---- workspaces and flags ---------------------------------------------------------------------------


def open_or_create(source: Path, folder: Path | None, *, accept_change: bool = False) -> Workspace:
    """Open the workspace named, or the one of a table; make it when there is none.

    Raises
    ------
    InputError
        When the source is missing, unreadable or has changed, or the folder cannot be written.
    """
    is_workspace = (source / "workspace.toml").exists()
    target = source if is_workspace else folder or workspace_folder(source)
    with Bar() as bar:
        if is_workspace or (target / "workspace.toml").exists():
            workspace = Workspace.open(target, accept_change=accept_change, progress=bar)
        else:
            workspace = Workspace.create(target, source, progress=bar)
    for note in workspace.notes:
        say(note)
    return workspace


def apply_role_flags(workspace: Workspace, options: argparse.Namespace) -> None:
    """Take roles and classes from the command line; with classes or a label column the set-up page is skipped.

    Raises
    ------
    InputError
        When a flag names a column that is not there or does not fit, or when the workspace has its roles.
    """
    given = {flag: getattr(options, flag) for flag in ROLE_FLAGS if getattr(options, flag) is not None}
    if not given:
        return
    if workspace.is_confirmed:
        flag = "--" + next(iter(given)).replace("_", "-")
        raise InputError(
            f"{workspace.folder} has its roles and classes already, so {flag} cannot be used: leave it out, or "
            "start a new workspace with --workspace"
        )
    roles = roles_from_flags(guess_roles(workspace.table), given)
    if "classes" in given or (roles.label and roles.label_use == "start"):
        workspace.confirm(roles, given.get("classes", []), wanted=given.get("rare", []), infinite=options.infinite)
        keep_metric(workspace)
    else:
        workspace.roles = roles


def roles_from_flags(roles: Roles, given: dict[str, Any]) -> Roles:
    """The guessed roles with what the user said instead."""
    if "id" in given:
        roles.id = None if given["id"] == "row" else given["id"]
    if "label" in given:
        roles.label = given["label"]
        roles.label_use = given.get("label_use", "start")
    elif "label_use" in given:
        roles.label_use = given["label_use"]
    elif "classes" in given:
        roles.label_use = "ignore"
    for name in ("features", "shown", "text"):
        if name in given:
            setattr(roles, name, given[name])
    if "image" in given:
        roles.image = given["image"]
        roles.image_kind = given.get("image_kind") or roles.image_kind or "path"
    if roles.label_use != "ignore" or "label" in given:
        roles.features = [name for name in roles.features if name != roles.label]
        roles.shown = [name for name in roles.shown if name != roles.label]
    return roles


def run_server(workspace: Workspace, options: argparse.Namespace) -> None:
    """Serve a workspace's page until Ctrl-C."""
    from .session import LabellingSession

    session = LabellingSession(workspace, options.annotator)
    session.worker.start()  # its imports take seconds, and so do those of the page: both at once

    from .app import read_layout
    from .cards import load_card
    from .serve import Address, run

    layout = read_layout(options.layout)
    if options.card:
        session.card = load_card(options.card, workspace)
    changes = {name: getattr(options, name) for name in ("classifier", "strategy") if getattr(options, name)}
    if changes:
        session.update_settings(**changes)
    address = Address(options.address, options.port, os.environ.get("RARELOOP_PASSWORD") or None)
    run(session, layout, address, show=not options.no_show, say=say)
