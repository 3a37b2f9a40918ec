"""Handing a data set over: a package with what only strategies and audits know of it."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..data.errors import InputError
from ..data.export.checks import TITLES, CheckError, PackageChecks, Result, result_of
from ..data.export.content import Content
from ..data.export.files import facts_in
from ..data.export.package import Written, release_of, write_package
from ..data.export.readers import readers_results
from ..data.export.reading import read_release
from ..data.export.replay import answered_items
from ..data.export.safety import MODEL_FOLDER
from ..data.export.selection import Member, Sampled, campaign_members
from ..data.export.versions import DRAFT, Change, Release, compare, parts, remember, remembered
from ..data.features import read_rows
from ..data.log_state import LogState
from ..data.publication import Publication
from ..data.settings_file import SETTINGS_FILE
from ..data.tables import Progress
from ..data.workspace import Workspace
from ..strategies.near_duplicates import near_groups
from .audits import AuditFiles, current_audit, task_of
from .model_files import save_model
from .training import labels_of

MOST_VALUES = 2**26  # of features in memory; beyond that only equal features count as duplicates
BLOCK = 20_000
NOW = "now"  # in the place of a version, where there is none yet
SAFE = (1, 2)  # checks that a package must pass before other programs read it
NOTICE = "a package is made from features that are not there: open the workspace once with `rareloop serve`"


def make_package(
    workspace: Workspace,
    target: Path,
    *,
    version: str | None = None,
    include: Sequence[str] = (),
    previous: Path | None = None,
    machine_labels: Path | None = None,
    model: bool = False,
    draft: bool = False,
    memory: Path | None = None,
    progress: Progress | None = None,
) -> Written:
    """Write the data set of a workspace as a package, and remember its version unless it is a draft.

    Parameters
    ----------
    include
        ``note`` and ``annotators`` (their names), beside what the publication includes.
    previous
        The package before this one; by default what the workspace remembers.
    memory
        The folder in which the version is remembered; by default that of the workspace.
    model
        Whether to put the newest model beside the data, see `model_files.save_model`.

    Raises
    ------
    InputError
        As `write_package`, and when the features are not built; with a model as `save_model`, and when it takes a
        column that is not handed over.
    """
    tell = progress or (lambda share, text: None)
    tell(0.0, "reading the log")
    content = content_of(workspace, include, machine_labels, draft, lambda s, text: tell(0.2 * s, text))
    before = read_release(previous) if previous is not None else _last_release(workspace)
    with _with_model(content, model) as whole:
        written = write_package(
            whole, target, version=version, before=before, progress=lambda s, text: tell(0.2 + 0.8 * s, text)
        )
    if not draft:
        remember(memory or workspace.folder, written.release)
    return written


def change_so_far(workspace: Workspace, progress: Progress | None = None) -> tuple[Release, Change] | None:
    """The last version of a workspace, and what has changed since in items, columns and events.

    Whether a text or an estimate differs is known only once the files are written: where nothing else does, this
    says that something might. None before the first version.

    Raises
    ------
    InputError
        As `content_of`, when there is no label, and when what is remembered is damaged.
    """
    before = _last_release(workspace)
    if before is None:
        return None
    content = content_of(workspace, progress=progress)
    return before, compare(before, release_of(content))


def release_in(folder: Path, progress: Progress | None = None) -> Release:
    """What is remembered of a package, or what a package of a workspace would hold now.

    Raises
    ------
    InputError
        When the folder is neither, or as `content_of`.
    """
    if not (folder / SETTINGS_FILE).is_file():
        return read_release(folder)
    workspace = Workspace.open(folder)
    try:
        return replace(release_of(content_of(workspace, progress=progress)), version=NOW)
    finally:
        workspace.close()


def content_of(
    workspace: Workspace,
    include: Sequence[str] = (),
    machine_labels: Path | None = None,
    draft: bool = False,
    progress: Progress | None = None,
) -> Content:
    """One moment of a workspace with its samples and duplicates; raises InputError when it has no features."""
    tell = progress or (lambda share, text: None)
    said = Publication.of(workspace.settings)
    publication = Publication.from_dict(said.to_dict() | {"include": sorted({*said.include, *include})})
    state = workspace.log.snapshot()  # labelling goes on meanwhile
    labelled, unresolved = answered_items(state)
    if labelled and not workspace.is_ready:
        raise InputError(NOTICE)
    tell(0.3, "looking for duplicates")
    groups = duplicate_groups(workspace, [*labelled, *unresolved]) if labelled else {}
    tell(0.6, "reading the samples")
    sampled = samples_of(workspace, state)
    return Content(
        workspace, publication, list(state.by_id.values()), state, sampled, groups, machine_labels, is_draft=draft
    )


@contextlib.contextmanager
def _with_model(content: Content, is_wanted: bool) -> Iterator[Content]:
    """The same content with the newest model, which is saved in a folder of its own until it is copied."""
    if not is_wanted:
        yield content
        return
    handed_over = {column.original for column in content.source}
    hidden = next((name for name in content.workspace.roles.features if name not in handed_over), None)
    if hidden is not None:
        raise InputError(
            f"the model takes column '{hidden}', which is not handed over: add it with `rareloop describe "
            f"{content.workspace.folder} --columns ...`, or leave --model out"
        )
    with tempfile.TemporaryDirectory(prefix="rareloop-") as place:
        folder = Path(place) / MODEL_FOLDER
        save_model(content.workspace, folder)
        yield replace(content, model=folder)


def _last_release(workspace: Workspace) -> Release | None:
    return next(reversed(remembered(workspace.folder)), None)


# ---- what strategies and session know ---------------------------------------------------------------


def duplicate_groups(workspace: Workspace, items: Sequence[str]) -> dict[str, str]:
    """The group of each item that has near-duplicates among them, named after its first item.

    Of more than 67 million features, only equal ones make duplicates.
    """
    rows = np.sort(workspace.ids.rows(items))
    X = workspace.features
    if len(rows) * X.shape[1] <= MOST_VALUES:
        numbers = near_groups(read_rows(X, rows), np.random.default_rng(0)).tolist()
    else:
        numbers = _equal_groups(X, rows)
    groups: dict[str, str] = {}
    first: dict[int, str] = {}
    for item_id, number in zip(workspace.ids.texts(rows), numbers, strict=True):
        if number >= 0:
            groups[item_id] = first.setdefault(number, item_id)
    return groups


def _equal_groups(X: NDArray[np.float32], rows: NDArray[np.int64]) -> list[int]:
    """The group of each row that has equals, −1 for the others; reads the features in blocks."""
    digests: list[bytes] = []
    for start in range(0, len(rows), BLOCK):
        block = read_rows(X, rows[start : start + BLOCK]) + np.float32(0)  # −0 and 0 are equal
        digests += [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in block]
    sizes = Counter(digests)
    numbers = {digest: i for i, digest in enumerate(d for d, n in sizes.items() if n > 1)}
    return [numbers.get(digest, -1) for digest in digests]


def samples_of(workspace: Workspace, state: LogState) -> Sampled:
    """The probability samples of a workspace: the sealed audit as of now, and the campaigns."""
    records = [workspace.campaigns.get(record.number) for record in workspace.campaigns.records()]
    members, pending = campaign_members(records, state)
    audit = current_audit(workspace)
    task = task_of(workspace, state, audit)
    if audit is None or task is None or not len(task.answers.rows):
        return Sampled(tuple(members), frozenset(pending))
    sealed = AuditFiles(workspace).sealed_audit(task).beside(labels_of(state, workspace, audit))
    texts = workspace.ids.texts(task.answers.rows)
    for item_id, pi, reached in zip(texts, sealed.inclusion.tolist(), task.answers.reached.tolist(), strict=True):
        if pi > 0:
            members.append(Member(f"audit-{audit.number}", item_id, pi, bool(reached)))
        else:  # answered ahead of a question that was put off
            pending.add(item_id)
    return Sampled(tuple(members), frozenset(pending - {m.item_id for m in members}))


# ---- checking ---------------------------------------------------------------------------------------


def verify_package(folder: Path, workspace: Path | None = None, progress: Progress | None = None) -> list[Result]:
    """The eleven checks of a package, in their order; nothing of it is run, and no address is opened.

    Parameters
    ----------
    workspace
        Where it was made: it is made again from there, and every byte is compared.

    Raises
    ------
    InputError
        When the folder is no package, a newer rareloop made it, or the workspace cannot be opened.
    """
    tell = progress or (lambda share, text: None)
    tell(0.0, "checking files and history")
    checks = PackageChecks(folder)
    results = checks.here()
    tell(0.4, "reading it as others do")
    if any(r.verdict == "fail" and r.number in SAFE for r in results):
        # Other programs are not let near what has turned out to be damaged or dangerous.
        said = "not read by other programs, since its files or schemas are not as they should be"
        results += [Result(n, TITLES[n], "not done", said) for n in (7, 8, 9)]
    else:
        results += readers_results(checks)
    tell(0.8, "making it again")
    results.append(_made_again(checks, workspace))
    return sorted(results, key=lambda result: result.number)


def _made_again(checks: PackageChecks, folder: Path | None) -> Result:
    if folder is None:
        said = "needs the workspace that it was made from: name it with --workspace"
        return Result(11, TITLES[11], "not done", said)
    workspace = Workspace.open(folder)
    try:
        return result_of(11, lambda: _compared(checks, workspace))
    finally:
        workspace.close()


def _compared(checks: PackageChecks, workspace: Workspace) -> str:
    """Make the package again beside nothing, and compare every byte."""
    provenance = checks.provenance
    version = str(provenance["version"]).removesuffix(DRAFT)
    machine_labels = checks.folder / "data/machine_labels.parquet"
    with tempfile.TemporaryDirectory() as place:
        target = Path(place) / "again"
        content = content_of(
            workspace,
            [str(each) for each in provenance["included"]],
            machine_labels if machine_labels.exists() else None,
            bool(provenance["draft"]),
        )
        with _with_model(content, (checks.folder / MODEL_FOLDER).exists()) as whole:
            write_package(whole, target, version=version, before=_before(workspace, version))
        again, given = facts_in(target), facts_in(checks.folder)
    for name in sorted(again.keys() | given.keys()):
        if again.get(name) != given.get(name):
            raise CheckError(f"{name} is not what the workspace gives now")
    return f"the workspace gives the same {len(given)} files, byte by byte"


def _before(workspace: Workspace, version: str) -> Release | None:
    """The version of which a package was the next one: what the workspace remembers of before it, or of itself."""
    releases = [release for release in remembered(workspace.folder) if parts(release.version) <= parts(version)]
    return releases[-1] if releases else None
