"""What the newest model says of every item, in files that pages map into memory: written when a map shows it."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import param
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from ..data.errors import InputError
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
LARGEST = 60_000.0  # what float16 holds, and a bit less
MODEL, UNLIKE = "model", "unlike"
NO_MODEL = "there is no model yet: label items of at least two classes first"


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

    `classes` are those with a file of their probability; `names` are those of all classes as the round knew
    them, since classes may be merged or moved later.
    """

    folder: Path
    round: int
    classes: tuple[int, ...] = ()
    names: tuple[str, ...] = ()

    def path(self, what: str) -> Path:
        """The file of ``predicted``, ``uncertainty``, ``unlike``, or ``p3``: the probability of class 3."""
        return self.folder / f"{what}-{self.round}.npy"

    def values(self, what: str) -> NDArray[Any]:
        """The scores ``(n_items,)``, float16 (predicted: uint8), memory-mapped."""
        return np.load(self.path(what), mmap_mode="r")


def write_model_scores(
    folder: Path, judge: Judge | None, names: tuple[str, ...], progress: Progress
) -> ScoreFiles:
    """Write what a model says of all items; touches the whole pool.

    The files are the predicted class, the uncertainty (one minus the difference between the two largest
    probabilities), and the probability of each wanted class, or of each class where none is wanted.

    Raises
    ------
    InputError
        When there is no model.
    """
    if judge is None or judge.scoring is None:
        raise InputError(NO_MODEL)
    scoring = judge.scoring
    classes = judge.settings.wanted or tuple(range(scoring.n_classes))
    files = ScoreFiles(folder, judge.number, tuple(classes), names[: scoring.n_classes])
    folder.mkdir(parents=True, exist_ok=True)
    n_items, partials = scoring.pool.n_items, {}
    for what in ("predicted", "uncertainty", *(f"p{c}" for c in classes)):
        path = folder / f"{what}.partial.npy"
        dtype = np.uint8 if what == "predicted" else np.float16
        partials[what] = (path, open_memmap(path, mode="w+", dtype=dtype, shape=(n_items,)))
    for start in range(0, n_items, BLOCK):
        progress(start / n_items, "scoring the pool for the map")
        rows = np.arange(start, min(start + BLOCK, n_items), dtype=np.int64)
        p = np.asarray(scoring.of_rows(rows))
        partials["predicted"][1][rows] = scoring.thresholds.decide(p)
        best = np.partition(p, p.shape[1] - 2, axis=1)
        partials["uncertainty"][1][rows] = 1 - (best[:, -1] - best[:, -2])
        for c in classes:
            partials[f"p{c}"][1][rows] = p[:, c]
    for what, (path, values) in partials.items():
        values.flush()
        path.replace(files.path(what))
    _drop_older(files, partials)
    return files


def write_unlike(folder: Path, judge: Judge | None, pool: Pool) -> ScoreFiles:
    """Write the distance of each item to the nearest labelled one, see `Landscape.reach`; touches the whole pool.

    Raises
    ------
    InputError
        When nothing is labelled.
    """
    if judge is None or not len(judge.labels.rows):
        raise InputError("nothing is labelled yet: label an item first")
    landscape = pool.landscape(judge.settings.metric)  # type: ignore[arg-type]
    distance = landscape.reach(np.asarray(pool.X[np.sort(judge.labels.rows)]), "labelled, for the map")
    files = ScoreFiles(folder, judge.number)
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / "unlike.partial.npy"
    np.save(partial, np.minimum(distance, LARGEST).astype(np.float16))
    partial.replace(files.path(UNLIKE))
    _drop_older(files, (UNLIKE,))
    return files


def _drop_older(files: ScoreFiles, names: Any) -> None:
    """Remove the same scores of earlier rounds; pages that still show them keep them open."""
    kept = {files.path(what) for what in names}
    for path in files.folder.glob("*.npy"):
        what = path.stem.rpartition("-")[0]
        if what in names and path not in kept:
            with contextlib.suppress(OSError):  # open files stay on some systems, until the next round
                path.unlink()


class PoolScores(param.Parameterized):
    """The scores that maps show, shared by all pages of a session; nothing is scored that no map shows.

    The parameters change in threads. `model` and `unlike` are `ScoreFiles` or None; `why` says per kind why
    there are none.
    """

    model = param.Parameter(default=None)
    unlike = param.Parameter(default=None)
    why = param.Dict(default={})

    def __init__(self, session: LabellingSession) -> None:
        super().__init__()
        self.session = session
        self._lock = threading.Lock()
        self._under_way: dict[str, int | None] = {}

    def renew(self, kind: str) -> None:
        """Have the scores of one kind written, unless those of the newest round are there or under way."""
        number = self.session.report.get("round")
        files = getattr(self, kind)
        with self._lock:
            if kind in self._under_way or (files is not None and files.round == number):
                return
            self._under_way[kind] = number
        try:
            future = self.session.worker.submit("scores", kind, tuple(self.session.workspace.taxonomy.names))
        except RuntimeError as error:
            self._fail(kind, str(error))
            return
        future.add_done_callback(lambda done: self._take(kind, done))

    def _take(self, kind: str, future: Future[ScoreFiles]) -> None:
        error = future.exception()
        if error is not None:
            if not isinstance(error, InputError):
                log.error("scoring the pool failed: %s", error)
            self._fail(kind, str(error))
            return
        files = future.result()
        with self._lock:
            self._under_way.pop(kind, None)
        self.param.update(why={k: v for k, v in self.why.items() if k != kind}, **{kind: files})

    def _fail(self, kind: str, text: str) -> None:
        with self._lock:
            self._under_way.pop(kind, None)
        self.why = self.why | {kind: text}
