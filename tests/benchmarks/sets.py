"""The data sets of the benchmarks, split and thinned by a seed.

The files are not part of the project. Their folder is the environment variable RARELOOP_BENCHMARK_DATA, or
is given; anyone can get the tables where they were published: HTRU2, Statlog (Shuttle) and Covertype at UCI
(Covertype as ADBench has it, class 4 against class 2), mammography at OpenML (310), CLINC150 from its
authors (as embeddings of all-MiniLM-L6-v2), 10,000 spectra of SDSS DR14 from Kaggle, MNIST, and the
catalogue of the Southern California Earthquake Data Center. `digits` and `synth` need no file.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray
from rareloop.strategies.retrieval import Metric
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

FOLDER_VARIABLE = "RARELOOP_BENCHMARK_DATA"
POOL_SHARE = 0.7
PCA_AXES = 50
SYNTH_FEATURES = 10
SYNTH_COMMON = 14_143  # 9,900 in the pool, so that 1 % is 100 of 10,000
SYNTH_COMPONENTS = 12
SYNTH_CLUSTERS = 4


@dataclass(frozen=True)
class BenchmarkSet:
    """A pool with true classes, and rows held out from the same population.

    Parameters
    ----------
    name
        One of `SETS`.
    X, X_test
        Float32 ``(n, n_features)`` and ``(n_test, n_features)``; standardised by mean and standard deviation
        of the pool, except embeddings, which are as they are.
    y, y_test
        Class indices, int64.
    parts
        Int64 ``(n,)``: to which sub-cluster of what is looked for an item of the pool belongs, counted from
        0 over all wanted classes; −1 for items of other classes.
    wanted
        The classes that are looked for.
    metric
        In which items are near each other.
    names
        Of the classes.
    """

    name: str
    X: NDArray[np.float32]
    y: NDArray[np.int64]
    X_test: NDArray[np.float32]
    y_test: NDArray[np.int64]
    parts: NDArray[np.int64]
    wanted: tuple[int, ...]
    metric: Metric
    names: tuple[str, ...]


@dataclass(frozen=True)
class _Table:
    """All rows of a set before they are split; `scale` is whether columns are standardised one by one."""

    X: NDArray[np.floating]
    y: NDArray[np.int64]
    parts: NDArray[np.int64]
    wanted: tuple[int, ...]
    names: tuple[str, ...]
    metric: Metric = "euclidean"
    scale: bool = True


def load(name: str, folder: Path | None = None, seed: int = 0) -> BenchmarkSet:
    """A set by name: 70 % of each class is the pool, the others are held out.

    Parameters
    ----------
    name
        One of `SETS`; ``@1`` means that the wanted class is thinned to 1 % of the pool and of the rows held
        out, the same number of each of its parts.
    folder
        Where the files are; by default the environment variable RARELOOP_BENCHMARK_DATA.
    seed
        Of the split, the thinning and the order of the rows.

    Raises
    ------
    ValueError
        Naming the set that does not exist, or the file that is missing.
    """
    if name not in SETS:
        raise ValueError(f"there is no benchmark set '{name}': choose {', '.join(SETS)}")
    return SETS[name](folder, seed)


# ---- tables ------------------------------------------------------------------------------------------


def _path(folder: Path | None, file: str) -> Path:
    given = os.environ.get(FOLDER_VARIABLE) if folder is None else folder
    if not given:
        raise ValueError(f"{file} is needed: set {FOLDER_VARIABLE} to the folder of the benchmark data")
    path = Path(given) / file
    if not path.is_file():
        raise ValueError(f"{path} is missing: set {FOLDER_VARIABLE} to the folder that has {file}")
    return path


def _read(folder: Path | None, file: str, columns: list[str]) -> pd.DataFrame:
    return pq.read_table(_path(folder, file), columns=columns).to_pandas()


def _two_classes(
    X: NDArray[np.floating], is_wanted: NDArray[np.bool_], name: str, parts: NDArray[np.int64] | None = None
) -> _Table:
    """What is looked for, against everything else."""
    inside = np.where(is_wanted, 0, -1) if parts is None else parts
    return _Table(X, is_wanted.astype(np.int64), inside.astype(np.int64), (1,), ("other", name))


def _htru(folder: Path | None, seed: int) -> _Table:
    curves = ("integrated profile", "DM-SNR curve")
    statistics = ("Mean", "Standard deviation", "Excess kurtosis", "Skewness")
    features = [f"{statistic} of the {curve}" for curve in curves for statistic in statistics]
    frame = _read(folder, "htru2.parquet", [*features, "target_class"])
    return _two_classes(frame[features].to_numpy(), frame["target_class"].to_numpy() == 1, "pulsar")


def _shuttle(folder: Path | None, seed: int) -> _Table:
    features = [f"A{i}" for i in range(1, 10)]
    frame = _read(folder, "shuttle.parquet", [*features, "class_name"])
    counts = frame["class_name"].value_counts()
    names = tuple(str(name) for name in counts.index)
    y = pd.Categorical(frame["class_name"], categories=list(names)).codes.astype(np.int64)
    wanted = tuple(range(len(names) - 4, len(names)))
    parts = np.where(y >= wanted[0], y - wanted[0], -1)
    return _Table(frame[features].to_numpy(np.float64), y, parts, wanted, names)


def _mammography(folder: Path | None, seed: int) -> _Table:
    features = [f"attr{i}" for i in range(1, 7)]
    frame = _read(folder, "mammography.parquet", [*features, "class"])
    return _two_classes(frame[features].to_numpy(), frame["class"].to_numpy() == 1, "microcalcification")


def _clinc(folder: Path | None, seed: int) -> _Table:
    with np.load(_path(folder, "clinc150_minilm.npz")) as file:
        X, intents, names = file["X"].astype(np.float32), file["y"], [str(name) for name in file["names"]]
    parts = np.full(len(intents), -1, np.int64)
    for part, name in enumerate(("report_fraud", "carry_on", "calories")):
        parts[intents == names.index(name)] = part
    y = (parts >= 0).astype(np.int64)
    return _Table(X, y, parts, (1,), ("other", "three intents"), metric="cosine", scale=False)


def _sdss(folder: Path | None, seed: int) -> _Table:
    """Magnitudes and colours; the redshift would give the answer away."""
    bands = ["u", "g", "r", "i", "z"]
    frame = _read(folder, "sdss_dr14_skyserver10k.parquet", [*bands, "class"])
    magnitudes = frame[bands].to_numpy(np.float64)
    X = np.hstack([magnitudes, magnitudes[:, :-1] - magnitudes[:, 1:]])
    return _two_classes(X, frame["class"].to_numpy() == "QSO", "QSO")


def _cover(folder: Path | None, seed: int) -> _Table:
    features = [f"f{i:02d}" for i in range(10)]
    frame = _read(folder, "adbench_cover.parquet", [*features, "y"])
    return _two_classes(frame[features].to_numpy(np.float64), frame["y"].to_numpy() == 1, "cover type 4")


def _mnist(folder: Path | None, seed: int) -> _Table:
    table = pq.read_table(_path(folder, "mnist_70k.parquet"), columns=["pixels", "label"])
    flat = table["pixels"].combine_chunks().flatten().to_numpy()
    X = flat.reshape(table.num_rows, -1).astype(np.float32) / 255
    return _two_classes(X, table["label"].to_numpy() == 4, "digit 4")


def _scedc(folder: Path | None, seed: int) -> _Table:
    """Without the running number of the event, which grows with time."""
    features = ["MAG", "LAT", "LON", "DEPTH", "NPH", "NGRM"]
    frame = _read(folder, "scedc_events.parquet", [*features, "event_class"])
    X = frame[features].to_numpy(np.float64)
    return _two_classes(X, frame["event_class"].to_numpy() == "qb/r", "qb/r")


def _digits(folder: Path | None, seed: int) -> _Table:
    X, digits = load_digits(return_X_y=True)
    return _two_classes(X, digits == 8, "digit 8")


def _synth(folder: Path | None, seed: int) -> _Table:
    """Correlated normal components, and compact clusters at their edges that belong to one rare class."""
    rng = np.random.default_rng([seed, 1])
    centres = rng.normal(0, 2, (SYNTH_COMPONENTS, SYNTH_FEATURES))
    mixed = rng.normal(size=(SYNTH_COMPONENTS, SYNTH_FEATURES, SYNTH_FEATURES)) / np.sqrt(SYNTH_FEATURES)
    which = rng.choice(SYNTH_COMPONENTS, SYNTH_COMMON, p=rng.dirichlet(np.full(SYNTH_COMPONENTS, 4.0)))
    X = centres[which]
    for c in range(SYNTH_COMPONENTS):
        X[which == c] += rng.normal(size=(int((which == c).sum()), SYNTH_FEATURES)) @ mixed[c]
    hosts = rng.choice(SYNTH_COMPONENTS, SYNTH_CLUSTERS, replace=False)
    away = rng.normal(size=(SYNTH_CLUSTERS, SYNTH_FEATURES))
    away *= rng.uniform(2.5, 4, (SYNTH_CLUSTERS, 1)) / np.linalg.norm(away, axis=1, keepdims=True)
    parts = np.repeat(np.arange(SYNTH_CLUSTERS), SYNTH_COMMON // 50)
    rare = (centres[hosts] + away)[parts] + 0.4 * rng.normal(size=(len(parts), SYNTH_FEATURES))
    parts = np.r_[np.full(SYNTH_COMMON, -1), parts].astype(np.int64)
    return _two_classes(np.vstack([X, rare]), parts >= 0, "rare", parts)


# ---- pools -------------------------------------------------------------------------------------------


def _thinned(parts: list[NDArray[np.int64]], n_common: int, prevalence: float) -> list[NDArray[np.int64]]:
    """As many rows of each part, at least one, that together they are the prevalence of what results."""
    each = max(round(prevalence / (1 - prevalence) * n_common / len(parts)), 1)
    return [rows[:each] for rows in parts]


def _rows(
    table: _Table, prevalence: float | None, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the pool and rows held out, each in random order."""
    strata = np.unique(np.c_[table.y, table.parts], axis=0)
    sides: tuple[list[NDArray[np.int64]], ...] = ([], [])
    common: tuple[list[NDArray[np.int64]], ...] = ([], [])
    for y, part in strata:
        rows = rng.permutation(np.flatnonzero((table.y == y) & (table.parts == part)))
        cut = round(POOL_SHARE * len(rows))
        for side, piece in enumerate((rows[:cut], rows[cut:])):
            (sides if part >= 0 else common)[side].append(piece)
    chosen = []
    for side in (0, 1):
        n_common = sum(len(rows) for rows in common[side])
        rare = sides[side] if prevalence is None else _thinned(sides[side], n_common, prevalence)
        chosen.append(rng.permutation(np.concatenate([*common[side], *rare])))
    return chosen[0], chosen[1]


def _standardised(
    pool: NDArray[np.floating], test: NDArray[np.floating]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Both by mean and standard deviation of the pool, without the columns that are constant there."""
    spread = pool.std(axis=0)
    kept = spread > 0
    mean, spread = pool.mean(axis=0)[kept], spread[kept]
    return (pool[:, kept] - mean) / spread, (test[:, kept] - mean) / spread


def _principal(
    pool: NDArray[np.floating], test: NDArray[np.floating]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """The first principal components of the pool, all divided by one number: their root mean variance."""
    pca = PCA(PCA_AXES, svd_solver="covariance_eigh").fit(pool)
    scale = np.sqrt(pca.explained_variance_.mean())
    return pca.transform(pool) / scale, pca.transform(test) / scale


def _make(
    folder: Path | None,
    seed: int,
    *,
    name: str,
    read: Callable[[Path | None, int], _Table],
    prevalence: float | None = None,
    principal: bool = False,
) -> BenchmarkSet:
    table = read(folder, seed)
    pool, test = _rows(table, prevalence, np.random.default_rng([seed, 0]))
    X, X_test = table.X[pool], table.X[test]
    if table.scale:
        X, X_test = (_principal if principal else _standardised)(X, X_test)
    return BenchmarkSet(
        name=name,
        X=np.ascontiguousarray(X, np.float32),
        y=table.y[pool],
        X_test=np.ascontiguousarray(X_test, np.float32),
        y_test=table.y[test],
        parts=table.parts[pool],
        wanted=table.wanted,
        metric=table.metric,
        names=table.names,
    )


#: Name → a function of the folder and the seed.
SETS: dict[str, Callable[[Path | None, int], BenchmarkSet]] = {
    name: partial(_make, name=name, read=read, prevalence=prevalence, principal=read is _mnist)
    for name, read, prevalence in (
        ("htru@1", _htru, 0.01),
        ("htru@0.2", _htru, 0.002),
        ("shuttle", _shuttle, None),
        ("mammography", _mammography, None),
        ("clinc3@1", _clinc, 0.01),
        ("clinc3@0.2", _clinc, 0.002),
        ("sdss@1", _sdss, 0.01),
        ("cover", _cover, None),
        ("mnist@1", _mnist, 0.01),
        ("digits@2", _digits, 0.02),
        ("synth@1", _synth, 0.01),
        ("synth@0.2", _synth, 0.002),
        ("scedc", _scedc, None),
    )
}
#: What benchmarks run by default: all but the set that takes hours.
DEFAULT: tuple[str, ...] = tuple(name for name in SETS if name != "scedc")
