"""Import: labels that exist already, from a file; what it would change is shown before anything is written."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from html import escape
from pathlib import Path, PurePath
from typing import Any

import panel as pn
import panel_material_ui as pmui

from ...data.errors import InputError
from ...data.import_files import Choice
from ...data.imports import SUFFIXES, Plan, Policy
from ..bulk import MOST
from ..imports import Imported, import_into, put_together, read_apart, what_is_in_the_way
from ..jobs import Job
from ..page import Page
from ..session import Commit, LabellingSession
from .marks import SMALL

MOST_BYTES = 32 * 2**20
LARGE_BYTES = 2**20  # above, a file is read in a process of its own, with a bar and a way to cancel it
MOST_SHOWN = 200  # conflicts in the table
CHOICES: dict[str, Policy] = {
    "Import nothing yet": "refuse",
    "Keep the answers here": "keep",
    "Take those of the file": "replace",
}
START = (
    "A table with an identifier and a label column (CSV, TSV, JSON lines, Parquet), Label Studio's JSON, or an "
    f"ASReview project, at most {MOST_BYTES // 2**20} MB. Nothing is written before you have seen what changes. "
    "Larger files, and packages of rareloop, come in with <code>rareloop import</code>."
)
# What the command line calls its flags, and this view its fields.
FIELDS = {
    "--conflicts keep": "below",
    "--conflicts replace": "below",
    "--add-classes": "the box below",
    "--map": "“Call classes”",
    "--label": "“Labels in”",
    "--id": "“Identifiers in”",
}


class ImportView(pn.viewable.Viewer):
    """A file, which of its columns count, the summary with the conflicts, and the one step that stores it."""

    title = "Import"

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self.session: LabellingSession = page.session
        self._file: tuple[str, bytes] | None = None
        self._read: tuple[Imported, Plan] | None = None
        self._asked = 0
        self._job: Job | None = None
        small: dict[str, Any] = {"size": "small", "margin": (6, 10)}
        self.file = pmui.FileInput(
            label="Choose a file", uploaded_label="Choose another file", accept=",".join(SUFFIXES),
            max_file_size=MOST_BYTES, **small
        )  # fmt: skip
        self._receive = self.file._handle_msg
        self.file._handle_msg = self._upload
        self.id = pmui.TextInput(label="Identifiers in", placeholder="guessed", width=140, **small)
        self.label = pmui.TextInput(label="Labels in", placeholder="guessed", width=140, **small)
        self.names = pmui.TextInput(label="Call classes", placeholder="1=relevant,0=other", width=210, **small)
        self.what = pn.pane.HTML("", sizing_mode="stretch_width", margin=(2, 10), styles=SMALL)
        self.add = pmui.Checkbox(
            label="Add the classes that are not here", visible=False, size="small", margin=(0, 10)
        )
        self.policy = pmui.RadioBoxGroup(
            label="Items in conflict", options=list(CHOICES), value=next(iter(CHOICES)), visible=False,
            inline=True, size="small", margin=(0, 10),
        )  # fmt: skip
        self.commit = pmui.Button(label="Import", variant="contained", visible=False, **small)
        self.table = pn.pane.HTML("", margin=(2, 10), max_width=420, styles=SMALL)
        self.file.param.watch(lambda _: page.hop(self._take), "value")
        for field in (self.id, self.label, self.names):
            field.param.watch(lambda _: page.hop(self._look), "value")
        for choice in (self.add, self.policy):
            choice.param.watch(lambda _: page.hop(self._offer), "value")
        self.commit.on_click(lambda _: self._import())
        self._say(START)

    def __panel__(self) -> pn.viewable.Viewable:
        side = pmui.Column(self.what, self.policy, pmui.Row(self.commit, self.add), sizing_mode="stretch_width")
        return pmui.Column(
            pmui.Row(self.file, self.id, self.label, self.names),
            pmui.Row(side, self.table, sizing_mode="stretch_width"),
            sizing_mode="stretch_both", styles={"overflow": "auto"},
        )  # fmt: skip

    # ---- looking into the file -------------------------------------------------------------------

    def _take(self) -> None:
        """Take a file that was chosen."""
        content, name = self.file.value, PurePath(str(self.file.filename or "file")).name
        if content is None:
            return
        self.file.clear()  # the same file can be chosen again once it was mended
        self._file = name, content
        self._look()

    def _upload(self, message: dict[str, Any]) -> None:
        """Take what the button sends; that it refuses a file it shows in a tooltip, and Panel as an error."""
        if message.get("status") == "error":
            self.page.hop(self._refuse_large)
        else:
            self._receive(message)

    def _refuse_large(self) -> None:
        self._file = None
        self._asked += 1
        self._stop_reading()
        self._refuse(f"this file is larger than {MOST_BYTES // 2**20} MB: use `rareloop import` for it")

    def _look(self) -> None:
        """Read the file and compare it with the labels here."""
        if self._file is None:
            return
        self._asked += 1
        asked, (name, content) = self._asked, self._file
        self._forget()
        self._stop_reading()
        self._say(f"<span role='status'>Reading {escape(name)} …</span>")
        try:
            choice = Choice(self.id.value.strip() or None, self.label.value.strip() or None, self._names())
        except InputError as error:
            self._refuse(str(error))
            return

        if len(content) > LARGE_BYTES:
            self._read_apart(asked, name, content, choice)
        else:
            self._compare(asked, lambda: _read(name, content, self.session, choice))

    def _compare(self, asked: int, source_of: Callable[[], Imported]) -> None:
        """Compare what has been read with the labels here."""

        def work() -> tuple[Imported, Plan] | str:
            try:
                source = source_of()
                plan = source.plan(self.session.workspace)
            except InputError as error:
                return str(error)
            if plan.n_events > MOST:
                return f"{plan.name} would bring more than {MOST:,} answers at once: use `rareloop import` for it"
            return source, plan

        self.page.in_background(work, lambda found: self._show(found) if asked == self._asked else None)

    def _read_apart(self, asked: int, name: str, content: bytes, choice: Choice) -> None:
        """Read a large file as a job, which the top bar shows and cancels."""

        def begun(started: tuple[Job, Path]) -> None:
            job, path = started
            if asked == self._asked:
                self._job = job
            else:
                self.page.in_background(job.cancel, lambda _: None)
            self.page.watch(job, lambda: ended(job, path), "state")
            if job.state != "running":
                ended(job, path)

        def ended(job: Job, path: Path) -> None:
            if asked != self._asked:
                return
            self._job = None
            workspace = self.session.workspace
            if job.state == "done":
                self._compare(asked, lambda: Imported(path, workspace, choice, read=put_together(*job.result)))
            elif job.state == "cancelled":
                self._file = None
                self._say(
                    "<span role='status' data-testid='import-cancelled'>Reading was cancelled; nothing was "
                    "imported.</span>"
                )
            else:
                self._refuse(job.error)

        def start() -> tuple[Job, Path]:
            path = _stored(name, content)
            job = self.session.jobs.start(f"Reading {name}", read_apart, path, workspace.folder, choice)
            job.param.watch(lambda _: shutil.rmtree(path.parent, ignore_errors=True), "state")
            return job, path

        workspace = self.session.workspace
        self.page.in_background(start, begun)

    def _stop_reading(self) -> None:
        """Give up what is being read: another file, or other columns, are wanted."""
        if self._job is not None:
            self.page.in_background(self._job.cancel, lambda _: None)
            self._job = None

    def _names(self) -> dict[str, str]:
        pairs = [part.partition("=") for part in self.names.value.split(",") if part.strip()]
        if any(not old.strip() or not sign for old, sign, _ in pairs):
            raise InputError("write what classes are called as old=new,old=new")
        return {old.strip(): new.strip() for old, _, new in pairs}

    # ---- what would change -----------------------------------------------------------------------

    def _show(self, found: tuple[Imported, Plan] | str) -> None:
        if isinstance(found, str):
            self._refuse(found)
            return
        self._read, plan = found, found[1]
        first, *others = plan.sentences()
        lines = "".join(f"<li>{escape(line)}</li>" for line in others)
        self._say(
            f"<div role='status' data-testid='import-summary'><b>{escape(first)}</b>"
            f"<ul style='margin:2px 0;padding-left:18px;line-height:1.35'>{lines}</ul></div>"
        )
        self.table.object = conflict_table(plan) if plan.conflicts else ""
        self._offer()

    def _offer(self) -> None:
        """Show what is to be decided, and the button once it is."""
        if self._read is None:
            return
        plan, policy = self._read[1], CHOICES[self.policy.value]
        self.add.visible = bool(plan.new_classes)
        self.policy.visible = bool(plan.conflicts)
        n = plan.n_fresh + (len(plan.conflicts) if policy == "replace" else 0)
        is_free = not what_is_in_the_way(plan, policy, add_classes=bool(self.add.value))
        # Gone rather than disabled: a disabled button would keep the focus, and with it the keys.
        self.commit.visible = is_free and bool(plan.n_events) and (n > 0 or not plan.conflicts)
        self.commit.label = f"Import {n:,} label{'s' if n != 1 else ''}" if n else "Import the notes"

    def _forget(self) -> None:
        self._read = None
        self.add.param.update(visible=False, value=False)
        self.policy.param.update(visible=False, value=next(iter(CHOICES)))
        self.commit.visible = False
        self.table.object = ""

    def _refuse(self, why: str) -> None:
        self._forget()
        for flag, field in FIELDS.items():
            why = why.replace(flag, field)
        self._say(f"<span role='alert' data-testid='import-refused'>{escape(why[0].upper() + why[1:])}.</span>")

    def _say(self, html: str) -> None:
        self.what.object = html

    # ---- the step --------------------------------------------------------------------------------

    def _import(self) -> None:
        if self._read is None:
            return
        source, plan = self._read
        self.commit.visible = False
        future = import_into(
            self.session, source, plan, CHOICES[self.policy.value], add_classes=bool(self.add.value)
        )
        self.page.deliver(future, lambda commit: self._done(commit, plan.name))
        future.add_done_callback(lambda done: self.page.hop(self._look) if done.exception() else None)

    def _done(self, commit: Commit, name: str) -> None:
        self._file = None
        self._forget()
        n = len(commit.rows)
        items = f"{n:,} item{'s' if n != 1 else ''}"
        self._say(
            f"<span role='status' data-testid='imported'>{items} got what {escape(name)} says of them. "
            "One undo takes it back.</span>"
        )


def _read(name: str, content: bytes, session: LabellingSession, choice: Choice) -> Imported:
    """Read an upload through a file of the same name, in a folder of its own that is gone afterwards."""
    path = _stored(name, content)
    try:
        return Imported(path, session.workspace, choice)
    finally:
        shutil.rmtree(path.parent, ignore_errors=True)


def _stored(name: str, content: bytes) -> Path:
    """A file with what was uploaded, in a new folder."""
    is_plain = name.isprintable() and len(name) < 200
    path = Path(tempfile.mkdtemp(prefix="rareloop")) / (name if is_plain else f"file{PurePath(name).suffix}")
    path.write_bytes(content)
    return path


def conflict_table(plan: Plan) -> str:
    """The items that have another answer here, as an HTML table."""
    head = "".join(f"<th scope='col'>{name}</th>" for name in ("Item", "Here", "In the file", "Where"))
    lines = "".join(
        f"<tr><td>{escape(c.item_id[:100])}</td><td>{escape(c.old)}</td><td>{escape(c.new[:200])}</td>"
        f"<td>{escape(c.place)}</td></tr>"
        for c in plan.conflicts[:MOST_SHOWN]
    )
    more = len(plan.conflicts) - MOST_SHOWN
    return (
        "<table data-testid='conflicts' style='border-spacing:10px 3px'>"
        f"<caption style='text-align:left'>Items that have another answer here</caption>"
        f"<thead><tr style='text-align:left'>{head}</tr></thead><tbody>{lines}</tbody></table>"
        + (f"<p>and {more:,} more</p>" if more > 0 else "")
    )
