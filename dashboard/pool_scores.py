"""What the newest model says of every item, in files that pages map into memory: written when it is asked for."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import param
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from ..data.errors import InputError, WorkCancelledError
from ..strategies.calibration import no_thresholds
from ..strategies.labels import Labels
from ..strategies.pool import Pool
from ..strategies.priors import Correction
from ..strategies.rounds import Round, RoundSettings
from ..strategies.scoring import Scoring

if TYPE_CHECKING:
    from .session import LabellingSession

log = logging.getLogger(__name__)

Progress = Callable[[float, str], None]
BLOCK = 65_536
MODEL, UNLIKE, CLUSTER = "model", "unlike", "cluster"
TITLES = {
    MODEL: "Scoring the pool", UNLIKE: "Distances to the labelled items", CLUSTER: "Clusters of the pool",
}  # fmt: skip
# What the model says of every item, and how it is kept.
KINDS_OF_MODEL: dict[str, Any] = {"predicted": np.uint8, "probability": np.float32, "uncertainty": np.float32}
WHATS = {MODEL: tuple(KINDS_OF_MODEL), UNLIKE: (UNLIKE,), CLUSTER: (CLUSTER,)}  # the files of each kind
NO_MODEL = "there is no model yet: label items of at least two classes first"
NO_ROUND = "no round has ended since the page was started: ask again once one has"
CANCELLED = "cancelled: the next round has it made, or choosing it again"


@dataclass(frozen=True)
class Judge:
    """The model of a round, and the labels it knew: all that scoring the pool needs."""

    scoring: Scoring | None
    labels: Labels
    settings: RoundSettings
    number: int

    @classmethod
    def of(cls, pool: Pool, result: Round, labels: Labels, settings: RoundSettings, number: int) -> Judge:
        """The judge of a round, made before the round gives up its model."""
        scoring = result.scoring
        if scoring is None and result.estimator is not None:  # without an audit nothing is scored in the round
            n = labels.n_classes
            scoring = Scoring(
                pool, result.estimator, Correction.NONE, n, settings, None, no_thresholds(n), None, None, 0, None
            )
        return cls(scoring, labels, settings, number)


@dataclass(frozen=True)
class ScoreFiles:
    """Where the scores of a round are.

    Beside ``predicted`` there is ``probability``, that of the predicted class. `classes` are those with a file of
    their probability; `names` are those of all classes as the round knew them, since classes may be merged or
    moved later.
    """

    folder: Path
    round: int
    classes: tuple[int, ...] = ()
    names: tuple[str, ...] = ()

    def path(self, what: str) -> Path:
        """The file of ``predicted``, ``probability``, ..., or ``p3``: that of class 3."""
        return self.folder / f"{what}-{self.round}.npy"

    def values(self, what: str) -> NDArray[Any]:
        """The scores ``(n_items,)``, float32 (p3: float16, predicted: uint8, cluster: uint16), memory-mapped."""
        return np.load(self.path(what), mmap_mode="r")


def write_model_scores(
    folder: Path, judge: Judge | None, names: tuple[str, ...], progress: Progress
) -> ScoreFiles:
    """Write what a model says of all items; touches the whole pool.

    The files are the predicted class and its probability, the uncertainty (one minus the difference between
    the two largest probabilities), and the probability of each wanted class, or of each class where none is
    wanted.

    Raises
    ------
    InputError
        When there is no model.
    """
    if judge is None:
        raise InputError(NO_ROUND)
    if judge.scoring is None:
        raise InputError(NO_MODEL)
    scoring = judge.scoring
    classes = judge.settings.wanted or tuple(range(scoring.n_classes))
    files = ScoreFiles(folder, judge.number, tuple(classes), names[: scoring.n_classes])
    folder.mkdir(parents=True, exist_ok=True)
    n_items, partials = scoring.pool.n_items, {}
    for what in (*KINDS_OF_MODEL, *(f"p{c}" for c in classes)):
        path = folder / f"{what}.partial.npy"
        dtype = KINDS_OF_MODEL.get(what, np.float16)
        partials[what] = (path, open_memmap(path, mode="w+", dtype=dtype, shape=(n_items,)))
    for start in range(0, n_items, BLOCK):
        progress(start / n_items, f"{start:,} of {n_items:,} items")
        rows = np.arange(start, min(start + BLOCK, n_items), dtype=np.int64)
        p = np.asarray(scoring.of_rows(rows))
        decided = scoring.thresholds.decide(p)
        partials["predicted"][1][rows] = decided
        partials["probability"][1][rows] = p[np.arange(len(p)), decided]
        best = np.partition(p, p.shape[1] - 2, axis=1)
        partials["uncertainty"][1][rows] = 1 - (best[:, -1] - best[:, -2])
        for c in classes:
            partials[f"p{c}"][1][rows] = p[:, c]
    for what, (path, values) in partials.items():
        values.flush()
        path.replace(files.path(what))
    _drop_older(files, partials)
    return files


def write_unlike(folder: Path, judge: Judge | None, pool: Pool, progress: Progress) -> ScoreFiles:
    """Write the distance of each item to the nearest labelled one, see `Landscape.reach`; touches the whole pool.

    Raises
    ------
    InputError
        When nothing is labelled.
    """
    if judge is None:
        raise InputError(NO_ROUND)
    if not len(judge.labels.rows):
        raise InputError("nothing is labelled yet: label an item first")
    landscape = pool.landscape(judge.settings.metric)  # type: ignore[arg-type]
    distance = landscape.reach(
        np.asarray(pool.X[np.sort(judge.labels.rows)]), "labelled, for the map", progress=progress
    )
    files = ScoreFiles(folder, judge.number)
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / "unlike.partial.npy"
    np.save(partial, distance.astype(np.float32))
    partial.replace(files.path(UNLIKE))
    _drop_older(files, (UNLIKE,))
    return files


def write_clusters(folder: Path, judge: Judge | None, pool: Pool, progress: Progress) -> ScoreFiles:
    """Write the k-means cell of each item, see `Landscape.cells`; touches the whole pool.

    Raises
    ------
    InputError
        Before the first round.
    """
    if judge is None:
        raise InputError(NO_ROUND)
    landscape = pool.landscape(judge.settings.metric)  # type: ignore[arg-type]
    files = ScoreFiles(folder, judge.number)
    folder.mkdir(parents=True, exist_ok=True)
    cells = np.empty(pool.n_items, np.uint16)
    for start in range(0, pool.n_items, BLOCK):
        progress(start / pool.n_items, f"{start:,} of {pool.n_items:,} items")
        cells[start : start + BLOCK] = landscape.cell_of(np.asarray(pool.X[start : start + BLOCK]))
    partial = folder / "cluster.partial.npy"
    np.save(partial, cells)
    partial.replace(files.path(CLUSTER))
    _drop_older(files, (CLUSTER,))
    return files


def _drop_older(files: ScoreFiles, names: Any) -> None:
    """Remove the same scores of earlier rounds; pages that still show them keep them open."""
    kept = {files.path(what) for what in names}
    for path in files.folder.glob("*.npy"):
        what = path.stem.rpartition("-")[0]
        if what in names and path not in kept:
            with contextlib.suppress(OSError):  # open files stay on some systems, until the next round
                path.unlink()


@dataclass(frozen=True)
class PoolValues:
    """The scores of all items that there are, memory-mapped: each ``(n_items,)``, or None.

    `predicted` are places in `names`, uint8; `names` are the names of the classes as of now. `probability` is
    that of the predicted class, float32; `cluster` is the number of a k-means cell, uint16. `rounds` says by kind
    which round the scores are of.
    """

    names: tuple[str, ...] = ()
    predicted: NDArray[np.uint8] | None = None
    probability: NDArray[np.float32] | None = None
    uncertainty: NDArray[np.float32] | None = None
    unlike: NDArray[np.float32] | None = None
    cluster: NDArray[np.uint16] | None = None
    rounds: Mapping[str, int] = field(default_factory=dict)

    def has(self, kind: str) -> bool:
        """Whether the scores of a kind are there."""
        return kind in self.rounds


class NotScoredYetError(InputError):
    """Scores are needed that are not there, or of an earlier round; `kinds` are theirs."""

    def __init__(self, kinds: Sequence[str]) -> None:
        super().__init__("the scores of the whole pool are not there yet: try again once a round has ended")
        self.kinds = tuple(kinds)


class PoolScores(param.Parameterized):
    """The scores that pages show or ask about, shared by all pages of a session; no others are made.

    The parameters change in threads. `model`, `unlike` and `cluster` are `ScoreFiles` or None; `why` says per
    kind why there are none.
    """

    model = param.Parameter(default=None)
    unlike = param.Parameter(default=None)
    cluster = param.Parameter(default=None)
    why = param.Dict(default={})

    def __init__(self, session: LabellingSession) -> None:
        super().__init__()
        self.session = session
        self._lock = threading.Lock()
        self._under_way: dict[str, int | None] = {}
        self._cancelled: dict[str, int | None] = {}  # the round whose scores a user did not want
        self._waiting: dict[str, list[Future[None]]] = {}

    @property
    def values(self) -> PoolValues:
        """The scores that are there, with the names of the classes as of now."""
        found: dict[str, Any] = {}
        rounds: dict[str, int] = {}
        for kind, whats in WHATS.items():
            files: ScoreFiles | None = getattr(self, kind)
            with contextlib.suppress(FileNotFoundError):  # newer ones have just taken their place
                if files is not None:
                    found |= {what: files.values(what) for what in whats}
                    rounds[kind] = files.round
        classes = self.session.state.classes
        names = tuple(classes.now(name) for name in self.model.names) if MODEL in rounds else ()
        return PoolValues(names, rounds=rounds, **found)

    def is_fresh(self, kind: str) -> bool:
        """Whether the scores of a kind are there, and of the newest round."""
        files = getattr(self, kind)
        return files is not None and files.round == self.session.report.get("round")

    def wanted(self, kinds: Iterable[str]) -> Future[None]:
        """Have scores made that are not there, or of an earlier round.

        Returns
        -------
        Future
            Done when they are there; fails with `InputError` where they cannot be made.
        """
        waits = []
        for kind in kinds:
            if not self.is_fresh(kind):
                wait: Future[None] = Future()
                with self._lock:
                    self._waiting.setdefault(kind, []).append(wait)
                waits.append(wait)
                self.ask_again(kind)
                self.renew(kind)
        return _all_of(waits)

    def ask_again(self, kind: str) -> None:
        """Let scores be made that a user has cancelled."""
        with self._lock:
            was_cancelled = self._cancelled.pop(kind, "") != ""
        if was_cancelled:
            self.why = {k: v for k, v in self.why.items() if k != kind}

    def renew(self, kind: str) -> None:
        """Have scores of one kind written, unless those of the newest round are there, under way or cancelled."""
        number = self.session.report.get("round")
        files = getattr(self, kind)
        with self._lock:
            is_there = files is not None and files.round == number
            if kind in self._under_way or self._cancelled.get(kind, "") == number:
                return
            if not is_there:
                self._under_way[kind] = number
        if is_there:
            for wait in self._ended(kind):
                wait.set_result(None)
            return
        try:
            names = tuple(self.session.workspace.taxonomy.names)
            newest = self.session.loop.newest_task
            future = self.session.tasks.submit("scores", kind, names, newest, title=TITLES[kind])
        except RuntimeError as error:
            self._fail(kind, str(error))
            return
        future.add_done_callback(lambda done: self._take(kind, done))

    def _take(self, kind: str, future: Future[ScoreFiles]) -> None:
        error = future.exception()
        if isinstance(error, WorkCancelledError):
            with self._lock:
                self._cancelled[kind] = self._under_way.get(kind)
            self._fail(kind, CANCELLED)
            return
        if error is not None:
            if not isinstance(error, InputError):
                log.error("scoring the pool failed: %s", error)
            self._fail(kind, str(error))
            return
        files = future.result()
        self.param.update(why={k: v for k, v in self.why.items() if k != kind}, **{kind: files})
        for wait in self._ended(kind):
            wait.set_result(None)

    def _fail(self, kind: str, text: str) -> None:
        self.why = self.why | {kind: text}
        for wait in self._ended(kind):
            wait.set_exception(InputError(text))

    def _ended(self, kind: str) -> list[Future[None]]:
        """Forget that scores are being made; returns who waits for them."""
        with self._lock:
            self._under_way.pop(kind, None)
            return self._waiting.pop(kind, [])


def _all_of(waits: Sequence[Future[None]]) -> Future[None]:
    """Done when all are, or failed with the first that fails."""
    whole: Future[None] = Future()
    left, lock = [len(waits)], threading.Lock()
    if not waits:
        whole.set_result(None)

    def ended(wait: Future[None]) -> None:
        error = wait.exception()
        with lock:
            left[0] -= 1
            is_news = not whole.done() and (error is not None or left[0] == 0)
            if is_news and error is not None:
                whole.set_exception(error)
            elif is_news:
                whole.set_result(None)

    for wait in waits:
        wait.add_done_callback(ended)
    return whole
