"""What the demos use: handwritten digits with one of them made rare, and a synthetic sky of any size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.datasets import load_digits

SKY_KINDS = ("main sequence", "giant", "galaxy", "quasar", "white dwarf", "cataclysmic")
MISSING_SHARE = 0.004


def digits(rare: int = 8, share: float = 0.01, seed: int = 0) -> pa.Table:
    """Scikit-learn's digits with one digit thinned.

    Parameters
    ----------
    rare
        The digit that becomes rare.
    share
        Its share of the rows that are left.

    Returns
    -------
    pyarrow.Table
        ``id``, ``pixels`` (64 bytes, 8 × 8, 0 to 255), ``ink`` (mean brightness, 0 to 255), ``width`` of the
        ink (pixels), ``symmetry`` (correlation with the mirror image), ``digit`` (text).
    """
    images, names = load_digits(return_X_y=True)
    rng = np.random.default_rng(seed)
    members = np.flatnonzero(names == rare)
    others = np.flatnonzero(names != rare)
    n_kept = max(round(share * len(others) / (1 - share)), 1)
    chosen = rng.permutation(
        np.concatenate([others, rng.choice(members, min(n_kept, len(members)), replace=False)])
    )
    pixels = np.clip(np.round(images[chosen] * 255 / 16), 0, 255).astype(np.uint8)
    squares = pixels.reshape(-1, 8, 8)
    return pa.table(
        {
            "id": [f"d{number:04d}" for number in range(len(chosen))],
            "pixels": pa.FixedSizeListArray.from_arrays(pa.array(pixels.ravel()), 64),
            "ink": pixels.mean(axis=1).round(2),
            "width": (squares.max(axis=1) > 60).sum(axis=1),
            "symmetry": _mirror_correlation(squares).round(3),
            "digit": [str(name) for name in names[chosen]],
        }
    )


def _mirror_correlation(squares: NDArray[np.uint8]) -> NDArray[np.float64]:
    flat = squares.reshape(len(squares), -1).astype(float)
    mirrored = squares[:, :, ::-1].reshape(len(squares), -1).astype(float)
    a, b = flat - flat.mean(axis=1, keepdims=True), mirrored - mirrored.mean(axis=1, keepdims=True)
    scale = np.sqrt(np.square(a).sum(axis=1) * np.square(b).sum(axis=1))
    return np.divide((a * b).sum(axis=1), scale, out=np.zeros(len(flat)), where=scale > 0)


@dataclass(frozen=True)
class Population:
    """Stars or galaxies of one kind: means and deviations of what is measured.

    ``colours`` are g − r, r − i, u − g (mag); ``magnitude`` is r (mag); ``parallax`` (mas), ``motion`` (log10 of
    mas a year) and ``amplitude`` (log10 of mag) have a mean and a deviation each.
    """

    kind: str
    share: float
    colours: tuple[float, float, float]
    spread: tuple[float, float, float]
    magnitude: tuple[float, float]
    parallax: tuple[float, float]
    motion: tuple[float, float]
    amplitude: tuple[float, float]


# Invented numbers of the right order for a survey of the whole sky; the rare class has two clusters.
POPULATIONS = (
    Population("main sequence", 0.50, (0.65, 0.28, 1.25), (0.30, 0.14, 0.40),
               (17.6, 1.5), (1.0, 0.5), (0.7, 0.35), (-2.0, 0.25)),
    Population("giant", 0.20, (0.85, 0.34, 1.75), (0.16, 0.07, 0.30),
               (15.2, 1.3), (0.3, 0.2), (0.4, 0.30), (-1.9, 0.30)),
    Population("galaxy", 0.245, (0.95, 0.42, 1.55), (0.30, 0.12, 0.40),
               (19.4, 0.9), (0.0, 0.25), (-0.3, 0.35), (-1.9, 0.25)),
    Population("quasar", 0.039, (0.20, 0.15, 0.20), (0.16, 0.12, 0.25),
               (19.6, 0.8), (0.0, 0.25), (-0.4, 0.30), (-0.9, 0.25)),
    Population("white dwarf", 0.015, (-0.15, -0.18, 0.25), (0.16, 0.10, 0.30),
               (18.8, 1.0), (6.0, 2.5), (1.6, 0.30), (-2.0, 0.25)),
    Population("cataclysmic", 0.0006, (0.10, 0.08, -0.35), (0.10, 0.08, 0.14),
               (18.9, 0.9), (1.8, 0.7), (1.0, 0.25), (-0.15, 0.16)),
    Population("cataclysmic", 0.0004, (0.55, 0.45, 0.30), (0.10, 0.08, 0.16),
               (17.2, 0.8), (2.6, 0.8), (1.3, 0.20), (0.05, 0.14)),
)  # fmt: skip


def sky(n_rows: int, seed: int = 0) -> pa.Table:
    """A synthetic sky catalogue with a class of one in a thousand in two clusters.

    Parameters
    ----------
    n_rows
        Number of objects.

    Returns
    -------
    pyarrow.Table
        ``id``, ``ra`` and ``dec`` (degrees), magnitudes ``mag_u`` to ``mag_i`` (four bands, mag), colours ``u_g``,
        ``g_r`` and ``r_i`` (mag), ``parallax`` (mas), ``proper_motion`` (log10 of mas a year), ``amplitude``
        (log10 of mag), and the true ``kind``. A few measurements are missing.
    """
    rng = np.random.default_rng(seed)
    population = _draw_populations(rng, n_rows)

    def draw(values: list[tuple[float, float]]) -> NDArray[np.float64]:
        means, deviations = np.array(values).T
        return rng.normal(means[population], deviations[population])

    g_r, r_i, u_g = (draw([(p.colours[band], p.spread[band]) for p in POPULATIONS]) for band in range(3))
    mag_r = np.clip(draw([p.magnitude for p in POPULATIONS]), 12, 21.5)
    noise = 0.01 + 0.03 * 10 ** (0.25 * (mag_r - 20))  # fainter objects are measured less well
    g_r, r_i, u_g = (colour + rng.normal(0, noise) for colour in (g_r, r_i, u_g))
    columns = {
        "ra": rng.uniform(0, 360, n_rows),
        "dec": np.degrees(np.arcsin(rng.uniform(-1, 1, n_rows))),
        "mag_u": mag_r + g_r + u_g,
        "mag_g": mag_r + g_r,
        "mag_r": mag_r,
        "mag_i": mag_r - r_i,
        "u_g": u_g,
        "g_r": g_r,
        "r_i": r_i,
        "parallax": draw([p.parallax for p in POPULATIONS]) + rng.normal(0, 8 * noise),
        "proper_motion": draw([p.motion for p in POPULATIONS]),
        "amplitude": draw([p.amplitude for p in POPULATIONS]),
    }
    kinds = pa.DictionaryArray.from_arrays(pa.array(population), pa.array([p.kind for p in POPULATIONS]))
    return pa.table(
        {"id": pa.array(np.arange(n_rows) + 10_000_000)}
        | {name: _measured(name, values, rng) for name, values in columns.items()}
        | {"kind": kinds.dictionary_decode()}
    )


def _draw_populations(rng: np.random.Generator, n_rows: int) -> NDArray[np.int8]:
    """Which population each object is of: exact shares in random order, at least one of each."""
    counts = np.maximum(np.round(n_rows * np.array([p.share for p in POPULATIONS])), 1).astype(int)
    counts[0] += n_rows - counts.sum()
    return rng.permutation(np.repeat(np.arange(len(POPULATIONS), dtype=np.int8), counts))


def _measured(name: str, values: NDArray[np.float64], rng: np.random.Generator) -> pa.Array:
    """A column as single precision; measurements other than positions are sometimes missing."""
    if name in ("ra", "dec"):
        return pa.array(values.round(5))
    missing = rng.random(len(values)) < MISSING_SHARE
    return pa.array(values.astype(np.float32), mask=missing if name in ("mag_u", "u_g", "parallax") else None)
