"""The packages of a session: proposing the next one, making it, checking it, and keeping it whole."""

from __future__ import annotations

import contextlib
import logging
import shutil
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import param

from ..data.errors import InputError
from ..data.export.checks import Result
from ..data.export.reading import open_package
from ..data.export.versions import RELEASES, entries_so_far
from ..data.publication import KEY, Publication
from . import package_jobs
from .jobs import Job
from .package_jobs import MOMENT, Made, Proposal

if TYPE_CHECKING:
    from .session import LabellingSession

log = logging.getLogger(__name__)

FOLDER = "exports"
STAGE = ".making-"  # begins the names of folders in which packages are made
TITLES = {
    "proposing": "What has changed",
    "making": "Making the package",
    "checking": "Checking the package",
}


@dataclass(frozen=True)
class Status:
    """Where the newest package stands.

    `doing` is a key of `TITLES`, or empty; `proposal`, `made` and `results` are what came of the last time;
    `problem` is why something did not, one sentence, and `note` what else is to be said.
    """

    doing: str = ""
    proposal: Proposal | None = None
    made: Made | None = None
    results: tuple[Result, ...] = ()
    problem: str = ""
    note: str = ""


class Packages(param.Parameterized):
    """Makes the packages of one session, one at a time; shared by all its pages.

    A package is made in a folder of its own beside its place and moved there when it is whole, by this process:
    a job that is cancelled or killed leaves nothing. The parameters change in threads.
    """

    status = param.Parameter(default=Status(), doc="A Status.")
    progress = param.Parameter(default=(0.0, ""), doc="Share done of what is under way, and what is being done.")
    saved = param.Integer(default=0, doc="Counts changes of the publication.")

    def __init__(self, session: LabellingSession) -> None:
        super().__init__()
        self.session = session
        self._lock = threading.RLock()
        self._job: Job | None = None
        self._stage: Path | None = None

    @property
    def folder(self) -> Path:
        """Where packages are kept."""
        return self.session.workspace.folder / FOLDER

    # ---- what is said of the data set --------------------------------------------------------------

    def describe(self, changes: Mapping[str, Any]) -> Future[Publication]:
        """Store fields of the publication, in the writer thread; None forgets one.

        Returns
        -------
        Future
            The publication. Fails with `InputError` when a value cannot be used or the disk refuses; nothing is
            changed then.
        """
        return self.session.afterwards(lambda: self._describe(dict(changes)))

    def _describe(self, changes: dict[str, Any]) -> Publication:
        workspace = self.session.workspace
        before = workspace.settings.get(KEY)
        values = {k: v for k, v in ({**(before or {}), **changes}).items() if v is not None}
        publication = Publication.from_dict(values)
        workspace.settings[KEY] = publication.to_dict()
        try:
            workspace.save()
        except BaseException:
            workspace.settings[KEY] = before or {}
            raise
        self.saved += 1
        return publication

    def versions(self) -> list[dict[str, Any]]:
        """What is said of each version so far, the oldest first; reads a file, so use it in threads."""
        return entries_so_far(self.session.workspace.folder)

    # ---- what is started ---------------------------------------------------------------------------

    def propose(self) -> None:
        """Find out what has changed since the last version; nothing happens while something is under way."""
        with self._lock:
            if not self.status.doing:
                self.status = Status("proposing", made=self.status.made, results=self.status.results)
                self._start(package_jobs.propose, self._proposed, self.session.workspace.folder)

    def make(self, version: str | None = None) -> None:
        """Make a package and check it; nothing happens while something is under way.

        Parameters
        ----------
        version
            By default the least that the changes allow.
        """
        with self._lock:
            if self.status.doing:
                return
            stage = self.folder / f"{STAGE}{uuid4().hex[:12]}"
            self.status = Status("making", proposal=self.status.proposal)
            try:
                self._sweep()
                stage.mkdir(parents=True)
            except OSError as error:
                self._fail(f"{self.folder} cannot be written ({error.strerror}): check its permissions")
                return
            self._stage = stage
            self._start(package_jobs.make, self._made, self.session.workspace.folder, stage, version)

    def cancel(self) -> None:
        """Stop what is under way; returns when its process is gone."""
        job = self._job
        if job is not None:
            job.cancel()

    def _start(self, function: Callable[..., Any], then: Callable[[Any], None], *arguments: Any) -> None:
        self.progress = (0.0, "starting")
        job = self._job = self.session.jobs.start(TITLES[self.status.doing], function, *arguments)
        job.param.watch(lambda *_: setattr(self, "progress", (job.share, job.text)), ["share", "text"])
        ended = threading.Event()  # it may end while it is being watched, or before

        def end() -> None:
            with self._lock:
                if job.state != "running" and not ended.is_set():
                    ended.set()
                    self._ended(job, then)

        job.param.watch(lambda _: end(), "state")
        end()

    # ---- what comes of it --------------------------------------------------------------------------

    def _ended(self, job: Job, then: Callable[[Any], None]) -> None:
        if job.state == "done":
            try:
                then(job.result)
            except (InputError, OSError) as error:
                self._fail(str(error))
        elif job.state == "failed":
            self._fail(job.error)
        elif self.status.doing == "checking":
            self._settle(note="The checks were cancelled; the package is there.")
        else:
            self._settle(note="Cancelled: nothing was written.")

    def _proposed(self, proposal: Proposal) -> None:
        self._settle(proposal=proposal)

    def _made(self, made: Made) -> None:
        if (stage := self._stage) is None:
            return
        target = keep(made, stage, self.session.workspace.folder)
        self.status = replace(self.status, doing="checking", proposal=None, made=made)
        self._start(package_jobs.check, self._checked, target, next((stage / MOMENT).iterdir()))

    def _checked(self, results: list[Result]) -> None:
        self._settle(results=tuple(results))

    def _fail(self, problem: str) -> None:
        self._settle(problem=problem)

    def _settle(self, **facts: Any) -> None:
        """Say how it ended, with nothing left of how it was made."""
        if self._stage is not None:
            shutil.rmtree(self._stage, ignore_errors=True)
            self._stage = None
        self._job = None
        self.status = replace(self.status, doing="", **facts)

    def _sweep(self) -> None:
        """Remove what a server left that was killed while it made a package."""
        for path in self.folder.glob(f"{STAGE}*") if self.folder.is_dir() else ():
            shutil.rmtree(path, ignore_errors=True)


def keep(made: Made, stage: Path, folder: Path) -> Path:
    """Move a package, its zip and what is remembered of it from the stage to their places in a workspace.

    A draft takes the place of the one before; so does a package that says the same.

    Returns
    -------
    Path
        Where the package is.

    Raises
    ------
    InputError
        When something else is in its place, or it cannot be moved; nothing has changed then.
    """
    target = folder / FOLDER / made.name
    _check_free(target, made)
    moves = [(stage / made.name, target), (stage / f"{made.name}.zip", target.with_name(f"{made.name}.zip"))]
    release = Path(RELEASES) / f"{made.version}.parquet"
    if not made.is_draft:
        (folder / RELEASES).mkdir(exist_ok=True)
        moves.append((stage / release, folder / release))
    undo: list[tuple[Path, Path]] = []
    try:
        for place, (new, old) in enumerate(moves):
            if old.exists():
                aside = stage / f"before-{place}"
                old.rename(aside)
                undo.append((aside, old))
            new.rename(old)
            undo.append((old, new))
    except OSError as error:
        for now, then in reversed(undo):
            with contextlib.suppress(OSError):
                now.rename(then)
        raise InputError(f"{target} cannot be put in its place ({error.strerror}): check the folder") from error
    return target


def _check_free(target: Path, made: Made) -> None:
    if not target.exists():
        return
    with contextlib.suppress(InputError):
        there = open_package(target)
        if made.is_draft and there.get("draft") is True:
            return
        if there.get("digest") == made.digest:
            return
    raise InputError(
        f"{target} is there already and is another package: move it away, or give this one a higher version"
    )
