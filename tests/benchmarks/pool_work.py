"""What the server does without a browser, timed: redrawing a map, finding similar items, labelling in bulk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rareloop.tests.benchmarks.figures import Deadline, Figure, quantiles, timed

LARGE = 2_000_000  # rows from which the targets of large tables count
BLOCK = 100_000
N_BULK = 100_000


def redraws(n_rows: int, n_views: int, deadline: Deadline) -> Iterator[Figure]:
    """Images of random views of n points: their density, and coloured by class and by a column."""
    from rareloop.dashboard.views.raster import Colouring, Handlers, RasterScatter, warm_up

    warm_up()
    rng = np.random.default_rng(0)
    nothing: Any = SimpleNamespace(hop=lambda work: None, complain=print)
    scatter = RasterScatter(nothing, "bench", Handlers(*[lambda *_: None] * 4))
    scatter.is_shown = False  # only what is asked for here is drawn
    x, y = (rng.normal(size=n_rows).astype("f4") for _ in range(2))
    scatter.set_points(x, y, ("x", "y"))
    palette = np.zeros((256, 3), np.uint8)
    classes = np.where(rng.random(n_rows) < 0.01, rng.integers(0, 6, n_rows), np.nan).astype("f4")
    levels = (255 * rng.random(n_rows)).astype("f4")
    colourings = {
        "density": None,
        "by class": Colouring(classes, (palette, palette)),
        "mean of a column": Colouring(levels, (palette, palette), is_mean=True),
    }
    target = 700 if n_rows > LARGE else 150
    for name, colouring in colourings.items():
        scatter.set_colouring(colouring)

        def draw() -> None:
            half = 4 * 0.5 ** rng.uniform(0, 4)
            scatter.shade((-half, half, -half, half))

        draw()
        taken = timed(draw, n_views, deadline)
        yield from quantiles(f"redraw of {n_rows:,} points, {name}", taken, (target, None))


def similar(n_rows: int, n_columns: int, folder: Path, n_queries: int, deadline: Deadline) -> Iterator[Figure]:
    """The items nearest to one in a matrix on disk: the first search, and those after it."""
    from rareloop.strategies.nearest_items import Nearest

    path = folder / "similar.npy"
    rng = np.random.default_rng(0)
    matrix = np.lib.format.open_memmap(path, "w+", np.float32, (n_rows, n_columns))
    for start in range(0, n_rows, BLOCK):
        piece = matrix[start : start + BLOCK]
        piece[:] = rng.standard_normal(piece.shape, np.float32)
    matrix.flush()
    del matrix
    nearest = Nearest(np.load(path, mmap_mode="r"))
    what = f"similar items, {n_rows:,} × {n_columns}"

    def find() -> None:
        nearest.to(rng.integers(0, n_rows, 1), 50)

    yield Figure(f"{what}, the first search", timed(find, 1, deadline)[0], "ms")
    targets = (None, 500 if n_rows > LARGE else 150)
    yield from quantiles(what, timed(find, n_queries, deadline), targets)
    path.unlink()


def bulk(session: Any, deadline: Deadline) -> Iterator[Figure]:
    """One step of 100,000 labels, its undo and its redo, until they are durable; the log is left without them."""
    rows = _unanswered(session, N_BULK)
    name, by = session.workspace.taxonomy.names[0], session.annotator
    steps = {
        "label": lambda: session.bulker.label(rows, "the benchmark", name, annotator=by, unchecked=True),
        "undo": lambda: session.undo(annotator=by),
        "redo": lambda: session.redo(annotator=by),
    }
    for what, step in steps.items():
        taken = timed(lambda step=step: step().result(deadline.left), 1, deadline)  # type: ignore[misc]
        yield Figure(f"bulk {what} of {len(rows):,} items", taken[0] / 1000, "s", 1.0)
    session.undo(annotator=by).result(deadline.left)


def _unanswered(session: Any, n: int) -> NDArray[np.int64]:
    """The last rows of the table that have no answer, n at most."""
    n_rows = session.workspace.table.n_rows
    known = session.workspace.ids.rows(list(session.state.items)) if session.state.items else []
    free = np.setdiff1d(np.arange(max(n_rows - 2 * n, 0), n_rows), known)
    return free[-n:]
