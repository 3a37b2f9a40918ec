"""UMAP of the pool: fitted on landmarks in a job, the other items placed among them, kept in the cache."""

from __future__ import annotations

import contextlib
import io
import json
import re
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.errors import InputError
from ..data.workspace import Workspace
from ..strategies.retrieval import unit
from ..strategies.rows import blocks
from .jobs import Job
from .worker import Progress

if TYPE_CHECKING:
    from .session import LabellingSession

Reducer = Callable[[NDArray[np.float32]], NDArray[np.float32]]

TITLE = "UMAP of the pool"
MISSING = "UMAP is not installed: run pip install 'rareloop[projections]' and start rareloop again"
LANDMARKS = 20_000
NEIGHBOURS = 5  # landmarks among which another item is placed
MOST_AXES = 50  # principal components that UMAP sees where there are more features
SAMPLE = 100_000  # items that the components come from
PLACED_AT_ONCE = 4_096
LEAST_ITEMS = 10


@dataclass(frozen=True)
class UmapSettings:
    """What a UMAP depends on besides the features; `metric` is that in which items are near each other."""

    metric: str = "euclidean"
    n_neighbors: int = 15
    min_dist: float = 0.1
    landmarks: int = LANDMARKS
    seed: int = 0


def is_installed() -> bool:
    """Whether the extra ``projections`` is there."""
    return find_spec("umap") is not None


def features_fingerprint(X: NDArray[np.float32]) -> str:
    """What tells feature matrices apart, in hex: the shape, and 256 rows spread over the matrix."""
    digest = blake2b(repr(X.shape).encode(), digest_size=8)
    rows = np.unique(np.linspace(0, len(X) - 1, 256).astype(np.int64))
    digest.update(np.ascontiguousarray(X[rows]).tobytes())
    return digest.hexdigest()


def umap_path(workspace: Workspace, settings: UmapSettings) -> Path:
    """Where the UMAP of a pool is kept, float32 ``(n_items, 2)``: another name for other features or settings."""
    facts = json.dumps([features_fingerprint(workspace.features), asdict(settings)])
    return workspace.folder / "cache" / f"umap-{blake2b(facts.encode(), digest_size=8).hexdigest()}.npy"


def begin(session: LabellingSession, settings: UmapSettings) -> Job:
    """The job that makes the UMAP of a session's pool: the one under way, or a new one.

    Raises
    ------
    InputError
        When the extra is not installed, or the pool is too small.
    """
    running = next((job for job in session.jobs.running if job.title == TITLE), None)
    if running is not None:
        return running
    if not is_installed():
        raise InputError(MISSING)
    n_items = session.workspace.table.n_rows
    if n_items < LEAST_ITEMS:
        raise InputError(f"UMAP needs at least {LEAST_ITEMS} items, and the pool has {n_items}: use two columns")
    target = umap_path(session.workspace, settings)
    job = session.jobs.start(TITLE, make_umap, session.workspace.folder, target, settings)
    # A process that was killed cannot clear up after itself.
    job.param.watch(lambda _: _partial(target).unlink(missing_ok=True), "state")
    return job


def make_umap(progress: Progress, folder: Path, target: Path, settings: UmapSettings) -> str:
    """Write the UMAP of a workspace's pool to a file, and give its name; for a process of its own.

    Fitted on at most `settings.landmarks` items drawn at random; the others are placed among them. The seed
    decides everything. Touches the whole pool.
    """
    progress(0.0, "starting UMAP")
    workspace = Workspace.open(folder)
    X = workspace.features
    rng = np.random.default_rng(settings.seed)
    reduce = _reducer(X, rng, settings)
    landmarks = np.arange(len(X))
    if len(X) > settings.landmarks:
        landmarks = np.sort(rng.choice(len(X), settings.landmarks, replace=False))
    fit_share = 0.9 if len(landmarks) == len(X) else 0.5
    model = _fitted(reduce(X[landmarks]), settings, lambda share, text: progress(0.05 + fit_share * share, text))
    plane = np.empty((len(X), 2), np.float32)
    plane[landmarks] = model.embedding_
    rest = 0.95 - fit_share

    def placed(share: float) -> None:
        progress(0.05 + fit_share + rest * share, "placing the items among the landmarks")

    _place_others(X, plane, landmarks, reduce, settings.metric, placed)
    np.save(_partial(target), plane)
    _partial(target).replace(target)
    workspace.close()
    return target.name


def _partial(target: Path) -> Path:
    return target.with_suffix(".partial.npy")


def _reducer(X: NDArray[np.float32], rng: np.random.Generator, settings: UmapSettings) -> Reducer:
    """What brings features to at most 50 principal components."""
    if X.shape[1] <= MOST_AXES:
        return lambda values: np.asarray(values, np.float32)
    from sklearn.decomposition import PCA

    rows = np.arange(len(X))
    if len(X) > SAMPLE:
        rows = np.sort(rng.choice(len(X), SAMPLE, replace=False))
    axes = min(MOST_AXES, len(rows))
    pca = PCA(axes, svd_solver="randomized", random_state=settings.seed).fit(X[rows])
    return lambda values: pca.transform(values).astype(np.float32)


def _fitted(values: NDArray[np.float32], settings: UmapSettings, progress: Progress) -> Any:
    from umap import UMAP

    progress(0.0, f"fitting UMAP on {len(values):,} items")
    counter = _Counter(lambda share: progress(share, f"fitting UMAP on {len(values):,} items"))
    model = UMAP(
        n_neighbors=min(settings.n_neighbors, len(values) - 1),
        min_dist=settings.min_dist,
        metric=settings.metric,
        random_state=settings.seed,
        n_jobs=1,
        verbose=True,
        tqdm_kwds={"file": counter, "mininterval": 0.2},
    )
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # of duplicates and graphs in several parts, which do no harm to a map
        model.fit(values)
    return model


def _place_others(
    X: NDArray[np.float32],
    plane: NDArray[np.float32],
    landmarks: NDArray[np.int64],
    reduce: Reducer,
    metric: str,
    progress: Callable[[float], None],
) -> None:
    """Place all other items among their nearest landmarks, the nearer the closer.

    UMAP's own way to place items takes minutes for ten thousand.
    """
    if len(landmarks) == len(X):
        return
    from sklearn.neighbors import NearestNeighbors

    def ready(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return unit(reduce(values)) if metric == "cosine" else reduce(values)

    places = plane[landmarks].copy()
    index = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(landmarks)), algorithm="brute").fit(
        ready(X[landmarks])
    )
    for piece, values in blocks(X, PLACED_AT_ONCE):
        distance, nearest = index.kneighbors(ready(values))
        weight = 1 / np.maximum(distance, 1e-12)
        weight /= weight.sum(axis=1, keepdims=True)
        plane[piece] = np.einsum("ij,ijk->ik", weight, places[nearest])
        progress(piece.stop / len(X))
    plane[landmarks] = places


class _Counter(io.TextIOBase):
    """Takes the text of a progress bar, and tells the share that it says, which never shrinks."""

    def __init__(self, tell: Callable[[float], None]) -> None:
        self._tell = tell
        self._share = 0.0

    def write(self, text: str) -> int:
        """Take a piece of the bar."""
        found = re.search(r"(\d+)%", text)
        if found:
            self._share = max(self._share, int(found.group(1)) / 100)
            self._tell(self._share)
        return len(text)
