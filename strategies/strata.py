"""Strata of the rest of the pool by prediction and probability, and how answers are shared out among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

NO_CLASS = -1
FEWEST = 20  # items in the first band below the prediction, and in a prediction that is halved, at least
BANDS = (1, 4, 16)  # where the bands below the prediction end, in lengths of the first one
MAX_STRATA = 256
BULK_SHARE = (0.35, 0.60)  # of the answers: a defence against a model that is wrong and sure of it
LEAST, LEAST_SHARE = 10, 0.04  # answers for every other stratum, at least
PREDICTED_WEIGHT, OTHER_WEIGHT = 1.5, 0.8
FLOOR = 0.25  # of the prevalence: no stratum is taken to hold fewer members when answers are shared out
CEILING = 0.9  # nor is any taken to hold nothing but members


@dataclass(frozen=True)
class Strata:
    """The rest of the pool, parted so that within a part all items have the same prediction.

    `codes` uint8 ``(n_rest,)`` are the strata of the items, empty where the strata were read back;
    `sizes` int64, `predicted` int64 (class index, −1 for none of the wanted), `member` float64 (mean
    probability of a member) and `descriptions` have one entry a stratum; `wanted` are class indices.
    """

    codes: NDArray[np.uint8]
    sizes: NDArray[np.int64]
    predicted: NDArray[np.int64]
    member: NDArray[np.float64]
    descriptions: tuple[str, ...]
    wanted: tuple[int, ...]

    @property
    def n_rest(self) -> int:
        """Items in all strata."""
        return int(self.sizes.sum())

    def to_dict(self) -> dict[str, Any]:
        """All but the codes, JSON-able."""
        return {
            "sizes": self.sizes.tolist(),
            "predicted": self.predicted.tolist(),
            "member": self.member.tolist(),
            "descriptions": list(self.descriptions),
            "wanted": list(self.wanted),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Strata:
        """Read back what `to_dict` wrote."""
        return cls(
            np.empty(0, np.uint8),
            np.array(values["sizes"], np.int64),
            np.array(values["predicted"], np.int64),
            np.array(values["member"], np.float64),
            tuple(values["descriptions"]),
            tuple(values["wanted"]),
        )


def strata_of(
    member: NDArray[np.floating],
    predicted: NDArray[np.int64],
    wanted: Sequence[int],
    names: Sequence[str] = (),
) -> Strata:
    """Part the rest of the pool by prediction and probability; sorts it.

    What is predicted as a wanted class is cut into a likelier and a less likely half; everything else is
    ranked, and cut after as many items as were predicted, four times and sixteen times as many, within the
    likelier half of it. Strata without items are left out.

    Parameters
    ----------
    member
        The largest probability of a wanted class, ``(n_rest,)``.
    predicted
        Predicted class indices, ``(n_rest,)``.
    wanted
        Class indices.
    names
        Of all classes, for the descriptions.

    Raises
    ------
    ValueError
        With more wanted classes than strata can be told apart.
    """
    parts: list[tuple[NDArray[np.int64], int, str]] = []
    for c in wanted:
        rows = _ranked(member, np.flatnonzero(predicted == c))
        name = f"predicted {_name(c, names)}"
        half = (len(rows) + 1) // 2
        if 0 < len(rows) < FEWEST:
            parts.append((rows, c, name))
        elif len(rows):
            parts += [(rows[:half], c, f"{name}, likelier half"), (rows[half:], c, f"{name}, less likely half")]
    others = _ranked(member, np.flatnonzero(~np.isin(predicted, list(wanted))))
    parts += _bands(others, len(member) - len(others))
    if len(parts) > MAX_STRATA:
        raise ValueError(f"a campaign can tell {MAX_STRATA} strata apart: choose fewer wanted classes")
    codes = np.zeros(len(member), np.uint8)
    for code, (rows, _, _) in enumerate(parts):
        codes[rows] = code
    return Strata(
        codes,
        np.array([len(rows) for rows, _, _ in parts], np.int64),
        np.array([c for _, c, _ in parts], np.int64),
        np.array([np.mean(member[rows], dtype=np.float64) for rows, _, _ in parts], np.float64),
        tuple(words for _, _, words in parts),
        tuple(int(c) for c in wanted),
    )


def _bands(others: NDArray[np.int64], n_predicted: int) -> list[tuple[NDArray[np.int64], int, str]]:
    """Bands of what is not predicted, from the likeliest on; the last one is the bulk, at least half of it."""
    first = max(n_predicted, FEWEST)
    edges = [0, *(first * times for times in BANDS if 2 * first * times <= len(others)), len(others)]
    return [
        (others[low:high], NO_CLASS, f"predicted otherwise, places {low + 1:,} to {high:,} by probability")
        for low, high in pairwise(edges)
        if high > low
    ]


def _ranked(member: NDArray[np.floating], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return rows[np.argsort(-member[rows], kind="stable")]


def _name(c: int, names: Sequence[str]) -> str:
    return f"'{names[c]}'" if c < len(names) else f"class {c}"


# ---- how many answers of each -----------------------------------------------------------------------


def allocate(strata: Strata, m: int, prevalence: ArrayLike) -> NDArray[np.int64]:
    """How many of m answers each stratum gets, int64 ``(n_strata,)``; all items where m is larger.

    In proportion to size and expected spread (Neyman, 1934), more of it where a wanted class is predicted;
    between 35 and 60 % for the bulk, and some for every stratum. What is more than a stratum has goes to
    the next one.

    Parameters
    ----------
    m
        Answers.
    prevalence
        Shares of the wanted classes in the pool, or their sum.
    """
    m = min(m, strata.n_rest)
    if m <= 0:
        return np.zeros(len(strata.sizes), np.int64)
    p = np.minimum(np.maximum(strata.member, FLOOR * float(np.sum(prevalence))), CEILING)
    emphasis = np.where(strata.predicted >= 0, PREDICTED_WEIGHT, OTHER_WEIGHT)
    weights = np.sqrt(p * (1 - p)) * emphasis * strata.sizes
    is_bulk = _bulk(strata)
    bulk = m * min(max(shares_of(weights)[is_bulk].sum(), BULK_SHARE[0]), BULK_SHARE[1]) if is_bulk.any() else 0.0
    n_others = int((~is_bulk).sum())
    if not n_others:
        bulk = float(m)
    left = m - bulk
    least = min(max(LEAST, LEAST_SHARE * m), left / max(n_others, 1))
    wished = least + (left - n_others * least) * shares_of(np.where(is_bulk, 0.0, weights))
    return _fill(_whole(np.where(is_bulk, bulk, wished), m), strata.sizes)


def _bulk(strata: Strata) -> NDArray[np.bool_]:
    """The last stratum in which nothing wanted is predicted."""
    is_bulk = np.zeros(len(strata.sizes), bool)
    is_bulk[np.flatnonzero(strata.predicted == NO_CLASS)[-1:]] = True
    return is_bulk


def shares_of(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares that add up to one; equal ones where all weights are zero."""
    total = weights.sum()
    return weights / total if total > 0 else np.full(len(weights), 1.0 / max(len(weights), 1))


def _whole(values: NDArray[np.float64], total: int) -> NDArray[np.int64]:
    """Whole numbers with this total, by largest remainders."""
    whole = np.floor(values).astype(np.int64)
    order = np.argsort(whole - values, kind="stable")
    whole[order[: total - int(whole.sum())]] += 1
    return whole


def _fill(wished: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """No more than there is: the surplus goes to the strata below, then to those above."""
    counts, surplus = wished.copy(), 0
    for h in [*range(len(sizes)), *reversed(range(len(sizes)))]:
        had = int(counts[h]) + surplus
        counts[h] = min(had, int(sizes[h]))
        surplus = had - int(counts[h])
    return counts
