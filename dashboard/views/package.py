"""The panel of the package: what is missing, making one and checking it, and the versions so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ...data.errors import InputError
from ...data.export.checklist import REQUIRED, what_is_missing
from ...data.export.checks import Verdict
from ...data.export.versions import FIRST, parts
from ..components.handover import HandoverPanel
from ..latest import Latest
from ..packages import FOLDER, TITLES, Proposal, Status
from ..page import THREADS, Page
from ..session import LabellingSession

ROUTE = "export-file"
# What is no field of the form: the view where it is done, and what its button says.
ELSEWHERE = {
    "labels": ("table", "Pick one"),
    "audit": ("audit", "Open Audit"),
    "guideline": ("guidelines", "Write them"),
    "definitions": ("classes", "Define them"),
    "annotators": ("history", "See who"),
}
TALLY: tuple[tuple[Verdict, str], ...] = (("fail", "failed"), ("pass", "passed"), ("not done", "not done"))
MB = 1e6


class PackagePart:
    """The panel on one page; the package itself is the session's."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.session: LabellingSession = page.session
        self.packages = self.session.packages
        self.panel = HandoverPanel(
            self._on_message, dark=page.dark, sizing_mode="stretch_width", margin=(0, 10, 0, 8)
        )
        self._missing: list[tuple[str, str]] | None = None  # None before it is known
        self._problem = ""  # why it is not known what is missing
        self._versions: list[dict[str, Any]] = []  # what is said of each, the oldest first
        self._damaged = ""  # why the versions cannot be read
        self._refused = ""  # why a version cannot be had
        self._has_read = False  # whether the versions are known
        self._look = Latest(self._read, THREADS, lambda error: page.hop(lambda: page.complain(error)))
        page.react(lambda: setattr(self.panel, "dark", page.dark), "dark")
        told_by = ("committed", "taxonomy_revision", "guideline_revision", "campaign")
        page.watch(self.session, self._look.ask, *told_by)
        page.watch(self.packages, self._look.ask, "saved")
        page.watch(self.packages, self._moved_on, "status")
        page.watch(self.packages, self._show_progress, "progress")
        page.when_shown(self._look.ask)

    # ---- what is shown -----------------------------------------------------------------------------

    def _read(self) -> None:
        """Find out what is missing, and read the versions when there may be another; in a thread."""
        workspace = self.session.workspace
        try:
            self._missing, self._problem = what_is_missing(workspace, workspace.log.snapshot()), ""
        except InputError as error:
            self._missing, self._problem = [], str(error)
        if not self._has_read:
            self._has_read = True
            try:
                self._versions, self._damaged = self.packages.versions(), ""
            except InputError as error:
                self._versions, self._damaged = [], str(error)
        self.page.hop(self._show)

    def _moved_on(self) -> None:
        self._refused = ""
        if self.packages.status.made is not None:
            self._has_read = False
            self._look.ask()
        self._show()

    def _show_progress(self) -> None:
        share, text = self.packages.progress
        self.panel.send({"type": "progress", "share": share, "text": text})

    def _show(self) -> None:
        if (missing := self._missing) is None:
            return
        self.panel.show(
            {
                "type": "state",
                "missing": {"lines": [_line(key, said) for key, said in missing], "problem": self._problem},
                "package": self._package(self.packages.status, {key for key, _ in missing}),
                "versions": {"lines": self._version_lines(), "problem": self._damaged},
            }
        )

    def _package(self, status: Status, missing: set[str]) -> dict[str, Any]:
        return {
            "doing": status.doing,
            "title": TITLES.get(status.doing, ""),
            "note": status.note,
            "problem": self._refused or status.problem,
            "before": str(self._versions[-1].get("version", "")) if self._versions else "",
            "first": FIRST,
            "draft": bool(missing & set(REQUIRED)),
            "can_make": "labels" not in missing and not self._problem,
            "proposal": self._proposal(status),
            "made": self._made(status),
            "checks": [],
            "tally": "",
        } | self._checks(status)

    def _proposal(self, status: Status) -> dict[str, Any] | None:
        if (found := status.proposal) is None or not found.before:
            return None
        more = self.session.state.n_events - found.n_events
        since = f" as of entry {found.n_events:,} ({more:,} more since)" if more else ""
        return {
            "version": found.version,
            "sentences": list(found.sentences),
            "head": f"Since {found.before}{since}:",
            "stale": bool(more),
        }

    def _made(self, status: Status) -> dict[str, Any] | None:
        if (made := status.made) is None:
            return None
        kind = "a draft" if made.is_draft else f"version {made.version}"
        return {
            "file": f"{made.name}.zip",
            "address": f"{ROUTE}/{quote(made.name)}.zip",
            "words": f"({made.n_bytes / MB:,.1f} MB): {kind} with {made.n_items:,} labelled items, also in "
            f"{FOLDER}/{made.name} of the workspace.",
            "sentences": list(made.sentences),
        }

    def _checks(self, status: Status) -> dict[str, Any]:
        counts = Counter(result.verdict for result in status.results)
        said = ", ".join(f"{counts[verdict]} {word}" for verdict, word in TALLY if counts[verdict])
        return {
            "checks": [result.to_dict() for result in status.results],
            "tally": f"{len(status.results)} checks: {said}." if status.results else "",
        }

    def _version_lines(self) -> list[dict[str, Any]]:
        """All versions, the newest first, each with a link to its zip where that is still there."""
        return [
            {
                "version": str(entry.get("version", "")),
                "date": str(entry.get("date", "")),
                "sentences": [str(each) for each in entry.get("sentences", ())],
                "address": zip_address(self.packages.folder, str(entry.get("version", ""))),
            }
            for entry in reversed(self._versions)
        ]

    # ---- what the user does ------------------------------------------------------------------------

    def _on_message(self, message: Mapping[str, Any]) -> None:
        kind = message.get("type")
        if kind == "jump" and message.get("key") in ELSEWHERE:
            self.page.show_view(ELSEWHERE[str(message["key"])][0])
        elif kind == "propose":
            self.page.in_background(self.packages.propose, lambda _: None)
        elif kind == "make":
            self._make(message.get("version"))
        elif kind == "cancel":
            self.page.in_background(self.packages.cancel, lambda _: None)

    def _make(self, version: object) -> None:
        wanted = str(version) if version is not None else None
        try:
            if wanted is not None:
                check_version(wanted, self.packages.status.proposal)
        except InputError as error:
            self._refused = str(error)
            self.page.hop(self._show)
            return
        # After what has been written in the form, which may be on its way to the disk.
        self.page.deliver(
            self.session.afterwards(lambda: None),
            lambda _: self.page.in_background(lambda: self.packages.make(wanted), lambda _: None),
        )


def _line(key: str, said: str) -> dict[str, Any]:
    action = ELSEWHERE[key][1] if key in ELSEWHERE else "Fill in"
    return {"key": key, "text": said, "needed": key in REQUIRED, "action": action}


def check_version(wanted: str, proposal: Proposal | None) -> None:
    """Raise InputError when a version is none, or less than the changes demand."""
    if proposal is not None and parts(wanted) < parts(proposal.version):
        raise InputError(f"version {wanted} is less than the changes demand: write {proposal.version} or more")
    parts(wanted)


def zip_address(folder: Path, version: str) -> str | None:
    """Where the zip of a version can be had; None when it is not there any more, or two claim to be it."""
    found = [path for path in folder.glob("*.zip") if path.stem.endswith(f"-{version}")]
    return f"{ROUTE}/{quote(found[0].name)}" if len(found) == 1 else None
