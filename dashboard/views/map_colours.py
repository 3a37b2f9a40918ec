"""What a map can be coloured by, and the colours: classes, what the model says, columns of the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ...data.errors import InputError
from ...data.taxonomy import COLOURS, WANTED_COLOURS
from ..pool_scores import MODEL, UNLIKE, ScoreFiles
from ..session import LabellingSession
from .map_legend import Entry, Legend
from .marks import mark, on_ground
from .raster import Colouring

DENSITY, CLASS, PREDICTED, UNCERTAINTY, DISTANCE = "density", "class", "predicted", "uncertainty", "unlike"
PROBABILITY, COLUMN = "probability: ", "column: "

# From low to high: the high end stands out from the ground (viridis, cut where it would vanish).
RAMPS = (
    ("#7ad151", "#35b779", "#1f9e89", "#26828e", "#31688e", "#3e4989", "#482878", "#440154"),
    ("#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6dcd59", "#b4de2c", "#fde725"),
)
# For values of a column; Okabe & Ito (2008), then Tol's muted and light ones.
MANY = (
    *COLOURS, *WANTED_COLOURS,
    "#88CCEE", "#332288", "#999933", "#CC6677", "#117733", "#AA4499", "#DDCC77", "#661100", "#6699CC",
)  # fmt: skip
OTHER = ("#8c959f", "#768390")
MOST_COLOURS = 20
MOST_VALUES = 1_000
PERCENTILES = (1, 99)
SAMPLE = 200_000


@dataclass(frozen=True)
class Coloured:
    """The colours of a map and their legend; `colouring` is None for density, and where there is nothing yet."""

    colouring: Colouring | None
    legend: Legend


def choices(session: LabellingSession) -> list[tuple[str, str, str]]:
    """What a map can be coloured by: ``(value, text, group)``."""
    taxonomy = session.workspace.taxonomy
    wanted = [c.name for c in taxonomy if c.wanted] or list(taxonomy.names)
    return [
        (DENSITY, "density of points", "pool"),
        (CLASS, "given class", "labels"),
        (DISTANCE, "unlike anything labelled", "labels"),
        (PREDICTED, "predicted class", "model"),
        *((PROBABILITY + name, f"probability of {name}", "model") for name in wanted),
        (UNCERTAINTY, "uncertainty", "model"),
        *((COLUMN + name, name, "columns") for name in _columns(session)),
    ]


def kind_of(choice: str) -> str | None:
    """Which scores a choice needs: ``model``, ``unlike``, or None."""
    if choice == DISTANCE:
        return UNLIKE
    return MODEL if choice in (PREDICTED, UNCERTAINTY) or choice.startswith(PROBABILITY) else None


def coloured(session: LabellingSession, choice: str) -> Coloured:
    """The colours of a choice as of now; touches the whole pool, so not for the page's loop.

    Raises
    ------
    InputError
        When the choice has no colours: a column of texts with too many values, an unknown column.
    """
    if choice == CLASS:
        return _given(session)
    if choice.startswith(COLUMN):
        return _column(session, choice.removeprefix(COLUMN))
    kind = kind_of(choice)
    if kind is None:
        return Coloured(None, Legend("density", note="points in a pixel, few to many"))
    files: ScoreFiles | None = getattr(session.scores, kind)
    title = next((text for value, text, _ in choices(session) if value == choice), choice)
    if files is None:
        return Coloured(None, Legend(title, note=session.scores.why.get(kind, "being worked out …")))
    as_of = f"as of round {files.round}"
    if choice == PREDICTED:
        return _predicted(session, files, as_of)
    if choice == UNCERTAINTY:
        return _ramp("uncertainty", files.values("uncertainty"), (0.0, 1.0), ("0 sure", "1 undecided"), as_of)
    if choice == DISTANCE:
        distance = np.asarray(files.values(UNLIKE), np.float32)
        high = _percentile(distance, 99.9)
        return _ramp(title, distance, (0.0, high), ("0", f"{high:.3g}"), f"distance to a label, {as_of}")
    return _probability(session, choice, files, as_of)


# ---- classes -------------------------------------------------------------------------------------


def _given(session: LabellingSession) -> Coloured:
    labels = session.all_labels()
    codes = np.full(session.workspace.table.n_rows, -1, np.int16)
    codes[labels.rows] = labels.classes
    return _by_class(session, codes, "given class", "grey: no label; where points overlap, the rarer class")


def _predicted(session: LabellingSession, files: ScoreFiles, as_of: str) -> Coloured:
    names = list(session.workspace.taxonomy.names)
    place_of = np.array([names.index(name) if name in names else -1 for name in files.names], np.int16)
    codes = place_of[np.asarray(files.values("predicted"))]
    return _by_class(session, codes, "predicted class", f"{as_of}; where points overlap, the rarer class")


def _by_class(session: LabellingSession, codes: NDArray[Any], title: str, note: str) -> Coloured:
    """Colours of the taxonomy; wanted classes, then rarer ones, lie on top."""
    taxonomy = list(session.workspace.taxonomy)
    counts = np.bincount(codes[codes >= 0], minlength=len(taxonomy))[: len(taxonomy)]
    order = sorted(range(len(taxonomy)), key=lambda c: (taxonomy[c].wanted, -counts[c]))
    level_of = np.full(max(len(taxonomy), int(codes.max(initial=0)) + 1) + 1, np.nan, np.float32)  # last: code -1
    level_of[order] = np.arange(len(order))
    pairs = [_pair(taxonomy[c].colour) for c in order]
    entries = tuple(
        Entry(_pair(c.colour), f"{c.name} {counts[i]:,}", mark(i).character)
        for i, c in enumerate(taxonomy)
        if counts[i]
    )
    return Coloured(Colouring(level_of[codes], _palettes(pairs)), Legend(title, entries, note=note))


# ---- numbers -------------------------------------------------------------------------------------


def _probability(session: LabellingSession, choice: str, files: ScoreFiles, as_of: str) -> Coloured:
    name = choice.removeprefix(PROBABILITY)
    number = files.names.index(name) if name in files.names else -1
    if number not in files.classes:
        return Coloured(None, Legend(f"probability of {name}", note="known after the next round"))
    values = np.asarray(files.values(f"p{number}"), np.float32)
    high = max(_percentile(values, 99.99), 0.01)
    note = f"{as_of}; where points overlap, the largest"
    return _ramp(f"probability of {name}", values, (0.0, high), ("0", f"{high:.2g}"), note)


def _ramp(
    title: str,
    values: NDArray[Any],
    limits: tuple[float, float],
    ends: tuple[str, str],
    note: str,
    *,
    is_mean: bool = False,
) -> Coloured:
    low, high = limits
    levels = np.clip((np.asarray(values, np.float32) - np.float32(low)) / np.float32((high - low) or 1), 0, 1)
    levels *= 255
    palettes = tuple(_interpolated(ramp) for ramp in RAMPS)
    legend = Legend(title, ramps=RAMPS, low=ends[0], high=ends[1], note=note)
    return Coloured(Colouring(levels, palettes, is_mean), legend)  # type: ignore[arg-type]


def _percentile(values: NDArray[np.float32], percent: float) -> float:
    finite = values[np.isfinite(values)]
    if percent < 99.9 and len(finite) > SAMPLE:
        finite = np.random.default_rng(0).choice(finite, SAMPLE)
    return float(np.percentile(finite, percent)) if len(finite) else 1.0


def _interpolated(ramp: tuple[str, ...]) -> NDArray[np.uint8]:
    stops = np.array([_rgb(colour) for colour in ramp], float)
    at = np.linspace(0, len(ramp) - 1, 256)
    return np.stack([np.interp(at, np.arange(len(ramp)), stops[:, i]) for i in range(3)], axis=1).astype(np.uint8)


# ---- columns -------------------------------------------------------------------------------------


def _columns(session: LabellingSession) -> list[str]:
    """Columns that can be colours; not the labels of the table where they are hidden or known as classes."""
    roles, table = session.workspace.roles, session.workspace.table
    hidden = {roles.label} if roles.label_use != "ignore" else set()
    return [n for n in table.names if n not in hidden and (_is_number(table.column(n).type) or _is_text(table, n))]


def _is_number(kind: pa.DataType) -> bool:
    numbers = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    return any(test(kind) for test in numbers) or _is_date(kind)


def _is_date(kind: pa.DataType) -> bool:
    return bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def _is_text(table: Any, name: str) -> bool:
    kind = table.column(name).type
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_dictionary, pa.types.is_boolean)
    return any(test(kind) for test in tests)


def _column(session: LabellingSession, name: str) -> Coloured:
    table = session.workspace.table
    column = table.column(name)
    if not _is_number(column.type):
        return _categories(column, name)
    values = table.doubles(name)
    n_missing = int((~np.isfinite(values)).sum())
    finite = values[np.isfinite(values)]
    if len(finite) > SAMPLE:
        finite = np.random.default_rng(0).choice(finite, SAMPLE)
    low, high = (float(v) for v in np.percentile(finite, PERCENTILES)) if len(finite) else (0.0, 1.0)
    ends = tuple(str(np.datetime64(int(v), "D")) if _is_date(column.type) else f"{v:.4g}" for v in (low, high))
    missing = f"; grey: {n_missing:,} missing" if n_missing else ""
    note = f"mean in a pixel, 1st to 99th percentile{missing}"
    scaled = ((values - low) / ((high - low) or 1)).astype(np.float32)
    return _ramp(name, scaled, (0.0, 1.0), ends, note, is_mean=True)  # type: ignore[arg-type]


def _categories(column: pa.ChunkedArray, name: str) -> Coloured:
    """A colour for each value, or for the most frequent ones; rare ones lie on top.

    Raises
    ------
    InputError
        When there are too many values for that.
    """
    many = InputError(
        f"column '{name}' has more than {MOST_VALUES:,} different values: choose a column with fewer, or a number"
    )
    if len(column) > SAMPLE and len(pc.unique(column.slice(0, SAMPLE))) > MOST_VALUES + 1:
        raise many
    encoded = column if pa.types.is_dictionary(column.type) else pc.dictionary_encode(column)
    encoded = encoded.unify_dictionaries()
    values = encoded.chunk(0).dictionary.to_pylist() if encoded.num_chunks else []
    if len(values) > MOST_VALUES:
        raise many
    codes = np.concatenate(
        [pc.fill_null(chunk.indices, -1).to_numpy(zero_copy_only=False) for chunk in encoded.chunks]
    ).astype(np.int32)
    counts = np.bincount(codes[codes >= 0], minlength=len(values))
    order = np.argsort(-counts, kind="stable")
    kept = order if len(order) <= MOST_COLOURS else order[: MOST_COLOURS - 1]
    pairs = [OTHER, *(_pair(colour) for colour in MANY[: len(kept)])]
    level_of = np.zeros(len(values) + 1, np.float32)
    level_of[kept] = np.arange(1, len(kept) + 1)
    level_of[-1] = np.nan  # code -1: missing
    entries = [Entry(pairs[i + 1], f"{values[v]} {counts[v]:,}") for i, v in enumerate(kept)]
    if len(kept) < len(order):
        others = order[len(kept) :]
        entries.append(Entry(OTHER, f"{len(others):,} other values {int(counts[others].sum()):,}"))
    n_missing = int((codes < 0).sum())
    note = "where points overlap, the rarer value" + (f"; grey: {n_missing:,} missing" if n_missing else "")
    return Coloured(Colouring(level_of[codes], _palettes(pairs)), Legend(name, tuple(entries), note=note))


# ---- colours -------------------------------------------------------------------------------------


def _rgb(colour: str) -> tuple[int, int, int]:
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))  # type: ignore[return-value]


def _pair(colour: str) -> tuple[str, str]:
    """A colour for a light and for a dark page."""
    return on_ground(colour, dark=False), on_ground(colour, dark=True)


def _palettes(pairs: list[tuple[str, str]]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    light, dark = (np.array([_rgb(pair[i]) for pair in pairs] or [(0, 0, 0)], np.uint8) for i in (0, 1))
    return light, dark
