"""Neighbours by libraries against exact search: seconds to build, milliseconds to search, recall, memory.

    python tests/benchmarks/retrieval.py --items 1000000 --features 64
    python tests/benchmarks/retrieval.py --items 100000 --features 384 --metric cosine

One search is what a round with anchors does: the 50 nearest items of 10 labelled ones, among all items but
the 500 that have a label. What has a setting that trades speed for recall is searched with the quickest
one, doubled from the first, that finds the share of the true neighbours that is asked for. The pool has
1,000 clusters that lie near planes of 16 dimensions, as embeddings do; `--noise` has no structure, which
is the hardest case. Each library is measured in a process of its own; one that is not installed is left
out, and one that takes too long to build is stopped.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from rareloop.strategies.retrieval import ExactIndex, FaissIndex, Metric, overlap, unit
from rareloop.strategies.rows import blocks
from threadpoolctl import threadpool_limits
from tqdm import tqdm

N_LABELS = 500
N_ANCHORS = 10
N_CLUSTERS, N_DIMENSIONS = 1_000, 16
PIECE = 20_000


class Library(ABC):
    """An index of a library: rows are added in pieces, and labelled ones are taken out.

    `effort` is the first value of the setting that is doubled until the recall suffices; None where search
    is exact.
    """

    name: ClassVar[str]
    package: ClassVar[str]
    effort: ClassVar[int | None] = None

    def __init__(self, X: NDArray[np.float32], metric: Metric) -> None:
        self.n_items, self.n_features = X.shape
        self.metric: Metric = metric
        self.prepare(X)

    def ready(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """The vectors as the library takes them."""
        return unit(values) if self.metric == "cosine" else values

    @abstractmethod
    def prepare(self, X: NDArray[np.float32]) -> None:
        """Make the empty index."""

    @abstractmethod
    def add(self, values: NDArray[np.float32], rows: NDArray[np.int64]) -> None:
        """Add rows."""

    @abstractmethod
    def remove(self, rows: NDArray[np.int64]) -> None:
        """Never find these again."""

    @abstractmethod
    def search(self, queries: NDArray[np.float32], k: int, effort: int | None) -> NDArray[np.int64]:
        """Rows of the k nearest."""


class Faiss(Library):
    """Of faiss, by the words of its index factory."""

    package = "faiss"
    words: ClassVar[str]

    def prepare(self, X: NDArray[np.float32]) -> None:
        import faiss

        kind = faiss.METRIC_INNER_PRODUCT if self.metric == "cosine" else faiss.METRIC_L2
        words = self.words.format(cells=int(np.sqrt(len(X))))
        self.index = faiss.index_factory(self.n_features, words, kind)
        if not self.index.is_trained:
            self.index.cp.niter = 10
            n = min(50 * int(np.sqrt(len(X))), len(X))
            rows = np.sort(np.random.default_rng(0).choice(len(X), n, replace=False))
            self.index.train(self.ready(X[rows]))

    def add(self, values: NDArray[np.float32], rows: NDArray[np.int64]) -> None:
        self.index.add(self.ready(values))

    def remove(self, rows: NDArray[np.int64]) -> None:
        import faiss

        free = np.ones(self.n_items, bool)
        free[rows] = False
        self.bits = np.packbits(free, bitorder="little")
        self.selector = faiss.IDSelectorBitmap(self.bits)

    def parameters(self, effort: int | None) -> Any:
        import faiss

        return faiss.SearchParameters(sel=self.selector)

    def search(self, queries: NDArray[np.float32], k: int, effort: int | None) -> NDArray[np.int64]:
        return self.index.search(self.ready(queries), k, params=self.parameters(effort))[1]


class FaissFlat(Faiss):
    name = "faiss Flat"
    words = "Flat"


class FaissCells(Faiss):
    name = "faiss IVF-Flat, cells"
    words = "IVF{cells},Flat"
    effort = 1

    def parameters(self, effort: int | None) -> Any:
        import faiss

        return faiss.SearchParametersIVF(sel=self.selector, nprobe=effort)


class FaissHalfCells(FaissCells):
    name = "faiss IVF-SQfp16, cells"
    words = "IVF{cells},SQfp16"


class FaissGraph(Faiss):
    name = "faiss HNSW32, ef"
    words = "HNSW32"
    effort = 50

    def parameters(self, effort: int | None) -> Any:
        import faiss

        return faiss.SearchParametersHNSW(sel=self.selector, efSearch=effort)


class Hnswlib(Library):
    name = "hnswlib M=16, ef"
    package = "hnswlib"
    effort = 50

    def prepare(self, X: NDArray[np.float32]) -> None:
        import hnswlib

        self.index = hnswlib.Index(space="cosine" if self.metric == "cosine" else "l2", dim=self.n_features)
        self.index.init_index(max_elements=len(X), M=16, ef_construction=100, random_seed=0)

    def add(self, values: NDArray[np.float32], rows: NDArray[np.int64]) -> None:
        self.index.add_items(values, rows, num_threads=1)

    def remove(self, rows: NDArray[np.int64]) -> None:
        for row in rows:
            self.index.mark_deleted(int(row))

    def search(self, queries: NDArray[np.float32], k: int, effort: int | None) -> NDArray[np.int64]:
        self.index.set_ef(effort)
        return self.index.knn_query(queries, k, num_threads=1)[0].astype(np.int64)


class Usearch(Library):
    name = "usearch M=16, ef"
    package = "usearch"
    effort = 50

    def prepare(self, X: NDArray[np.float32]) -> None:
        from usearch.index import Index

        metric = "cos" if self.metric == "cosine" else "l2sq"
        self.index = Index(ndim=self.n_features, metric=metric, dtype="f32", connectivity=16, expansion_add=100)

    def add(self, values: NDArray[np.float32], rows: NDArray[np.int64]) -> None:
        self.index.add(rows.astype(np.uint64), values, threads=1)

    def remove(self, rows: NDArray[np.int64]) -> None:
        self.index.remove(rows.astype(np.uint64))

    def search(self, queries: NDArray[np.float32], k: int, effort: int | None) -> NDArray[np.int64]:
        self.index.expansion_search = effort
        return np.asarray(self.index.search(queries, k, threads=1).keys).astype(np.int64)


LIBRARIES: tuple[type[Library], ...] = (FaissFlat, FaissCells, FaissHalfCells, FaissGraph, Hnswlib, Usearch)


@dataclass(frozen=True)
class Problem:
    """The pool, the rows with a label, and the searches: vectors ``(10, n_features)`` with their true rows."""

    X: NDArray[np.float32]
    metric: Metric
    labelled: NDArray[np.int64]
    searches: list[NDArray[np.float32]]
    k: int

    @property
    def free(self) -> NDArray[np.int64]:
        """Rows without a label, in order."""
        return np.setdiff1d(np.arange(len(self.X)), self.labelled, assume_unique=True)


@dataclass(frozen=True)
class Measured:
    """One line of the table; `stopped` is the share that was built when the time was over, or None."""

    name: str
    build: float
    found: list[NDArray[np.int64]]
    milliseconds: float
    memory: float
    stopped: float | None = None


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--features", type=int, default=64)
    parser.add_argument("--metric", choices=("euclidean", "cosine"), default="euclidean")
    parser.add_argument("--neighbors", type=int, default=50)
    parser.add_argument("--searches", type=int, default=40)
    parser.add_argument("--recall", type=float, default=0.95, help="that settings are raised to")
    parser.add_argument("--build-limit", type=float, default=120, help="seconds after which building stops")
    parser.add_argument("--only", nargs="*", default=[], help="packages to measure: faiss, hnswlib, usearch")
    parser.add_argument("--noise", action="store_true", help="a pool without clusters")
    return parser.parse_args(arguments)


def make_pool(n_items: int, n_features: int, noise: bool) -> NDArray[np.float32]:
    """Float32 ``(n_items, n_features)``: noise, or clusters along planes with a little noise."""
    rng = np.random.default_rng(0)
    if noise:
        return rng.standard_normal((n_items, n_features), np.float32)
    centres = rng.standard_normal((N_CLUSTERS, n_features), np.float32)
    planes = rng.standard_normal((N_DIMENSIONS, n_features), np.float32) / 2
    X = np.empty((n_items, n_features), np.float32)
    for piece, part in blocks(X):
        X[piece] = centres[rng.integers(N_CLUSTERS, size=len(part))]
        X[piece] += rng.standard_normal((len(part), N_DIMENSIONS), np.float32) @ planes
        X[piece] += np.float32(0.3) * rng.standard_normal(part.shape, np.float32)
    return X


def make_problem(given: argparse.Namespace) -> Problem:
    """A pool and searches around labelled items."""
    X = make_pool(given.items, given.features, given.noise)
    rng = np.random.default_rng(1)
    labelled = np.sort(rng.choice(len(X), N_LABELS, replace=False))
    searches = [X[rng.choice(labelled, N_ANCHORS, replace=False)] for _ in range(given.searches)]
    return Problem(X, given.metric, labelled, searches, given.neighbors)


def resident() -> float:
    """Megabytes of memory that belong to this process alone."""
    gc.collect()
    text = Path("/proc/self/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_")) / 1024


def timed(search: Callable[[NDArray[np.float32]], NDArray[np.int64]], problem: Problem) -> tuple[list[Any], float]:
    """What every search finds, and the 95th percentile of their milliseconds; the first one is not counted."""
    search(problem.searches[0])
    found, taken = [], []
    for queries in problem.searches:
        began = time.perf_counter()
        found.append(search(queries))
        taken.append(1_000 * (time.perf_counter() - began))
    return found, float(np.percentile(taken, 95))


def measure_exact(problem: Problem) -> Measured:
    """Our exact search."""
    index, free = ExactIndex(problem.X, problem.metric), problem.free
    found, milliseconds = timed(lambda q: free[index.nearest(q, problem.k, free)[1]], problem)
    return Measured("exact search of rareloop", 0, found, milliseconds, 0)


def measure_own(problem: Problem, recall: float) -> Measured:
    """Our index, which sets itself."""
    before, began = resident(), time.perf_counter()
    index, free = FaissIndex(problem.X, problem.metric, recall), problem.free
    build, memory = time.perf_counter() - began, resident() - before
    found, milliseconds = timed(lambda q: free[index.nearest(q, problem.k, free)[1]], problem)
    name = f"index of rareloop, {index.n_probed} of {index.n_cells} cells"
    return Measured(name, build, found, milliseconds, memory)


def measure(library: type[Library], problem: Problem, recall: float, limit: float) -> Measured:
    """A library: build, take the labelled rows out, choose the effort, search."""
    before, began = resident(), time.perf_counter()
    index = library(problem.X, problem.metric)
    for piece, values in blocks(problem.X, PIECE):
        index.add(values, np.arange(piece.start, piece.stop))
        if time.perf_counter() - began > limit and piece.stop < len(problem.X):
            share = piece.stop / len(problem.X)
            taken = time.perf_counter() - began
            return Measured(library.name, taken, [], np.nan, resident() - before, share)
    build, memory = time.perf_counter() - began, resident() - before
    index.remove(problem.labelled)
    effort = chosen_effort(index, problem, recall)
    found, milliseconds = timed(lambda q: index.search(q, problem.k, effort), problem)
    return Measured(f"{library.name} {effort or ''}".strip(), build, found, milliseconds, memory)


def chosen_effort(index: Library, problem: Problem, recall: float) -> int | None:
    """The setting, doubled until the recall suffices, for other items than those that are timed."""
    effort = index.effort
    if effort is None:
        return None
    rows = np.random.default_rng(2).choice(problem.free, 50, replace=False)
    queries, free = problem.X[rows], problem.free
    truth = free[ExactIndex(problem.X, problem.metric).nearest(queries, problem.k, free)[1]]
    while overlap(truth, index.search(queries, problem.k, effort)) < recall and effort < len(problem.X):
        effort *= 2
    return effort


def alone(call: Callable[..., Measured], *arguments: Any) -> Measured:
    """A measurement in a process of its own, which shares the pool."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as executor:
        return executor.submit(one_thread, call, *arguments).result()


def one_thread(call: Callable[..., Measured], *arguments: Any) -> Measured:
    """With one thread, whatever the library uses."""
    if find_spec("faiss"):
        import faiss

        faiss.omp_set_num_threads(1)
    with threadpool_limits(1):
        return call(*arguments)


def measurements(problem: Problem, given: argparse.Namespace) -> Iterator[Measured | str]:
    """All lines, or why there is none."""
    if find_spec("faiss") and (not given.only or "faiss" in given.only):
        yield alone(measure_own, problem, given.recall)
    for library in LIBRARIES:
        if given.only and library.package not in given.only:
            continue
        if find_spec(library.package) is None:
            yield f"{library.name}: {library.package} is not installed"
            continue
        yield alone(measure, library, problem, given.recall, given.build_limit)


def line(measured: Measured, exact: Measured) -> str:
    """A line of the table."""
    if measured.stopped is not None:
        note = f"stopped at {measured.stopped:.0%}"
        return f"| {measured.name} | > {measured.build:.0f} ({note}) | | | | {measured.memory:,.0f} so far |\n"
    recall = overlap(np.concatenate(exact.found), np.concatenate(measured.found))
    ratio = measured.milliseconds / exact.milliseconds
    values = f"{measured.milliseconds:.1f} | {ratio:.2f} | {recall:.3f} | {measured.memory:,.0f}"
    return f"| {measured.name} | {measured.build:.1f} | {values} |\n"


def main(arguments: list[str] | None = None) -> None:
    """Measure and write the table."""
    given = parse(arguments)
    write = sys.stdout.write
    with threadpool_limits(1):
        problem = make_problem(given)
        exact = measure_exact(problem)
        write(
            f"{given.items:,} x {given.features}, {given.metric}{', noise' if given.noise else ''}; one thread\n\n"
        )
        write("| search | build s | p95 ms | / exact | recall | MB |\n|---|---|---|---|---|---|\n")
        write(line(exact, exact))
        notes = []
        for result in tqdm(measurements(problem, given), total=len(LIBRARIES) + 1, file=sys.stderr):
            if isinstance(result, str):
                notes.append(result)
            else:
                write(line(result, exact))
                sys.stdout.flush()
    write("".join(f"\n{note}" for note in notes) + "\n")


if __name__ == "__main__":
    main()
