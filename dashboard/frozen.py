"""Campaigns in the worker: the frozen model's strata of the rest of the pool, their questions, the certificate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.errors import InputError
from ..strategies.audit import SealedAudit
from ..strategies.campaign import Tally, draw, expected_widths
from ..strategies.certificate import certificate
from ..strategies.labels import Labels
from ..strategies.scoring import Scoring, is_rest, n_reached
from ..strategies.strata import Strata, allocate, strata_of

Progress = Callable[[float, str], None]
BLOCK = 65_536


@dataclass(frozen=True)
class Scores:
    """What a model says of all items.

    `member` float32 ``(n_items,)`` is the largest probability of a wanted class, `predicted` uint8
    ``(n_items,)``, `expected` float64 ``(n_wanted,)`` the mean probability of each wanted class.
    """

    member: NDArray[np.float32]
    predicted: NDArray[np.uint8]
    expected: NDArray[np.float64]


@dataclass
class Frozen:
    """The model of a round with what it says of every item, which is found out when it is first needed.

    `number` is the round's, 0 where the model was fitted for a plan alone; `prevalence` are the shares of all
    classes as the round knew them, NaN where it did not.
    """

    scoring: Scoring
    number: int
    prevalence: NDArray[np.float64]
    n_labels: int
    _scores: Scores | None = None

    @property
    def wanted(self) -> tuple[int, ...]:
        """The classes that the model was asked to look for."""
        return self.scoring.settings.wanted

    def scores(self, progress: Progress) -> Scores:
        """What the model says of all items; touches the whole pool, once."""
        if self._scores is None:
            n_items, wanted = self.scoring.pool.n_items, list(self.wanted)
            member, predicted = np.empty(n_items, np.float32), np.empty(n_items, np.uint8)
            sums = np.zeros(len(wanted))
            for start in range(0, n_items, BLOCK):
                progress(start / n_items, "scoring the pool")
                rows = np.arange(start, min(start + BLOCK, n_items), dtype=np.int64)
                p = self.scoring.of_rows(rows)
                member[rows] = p[:, wanted].max(axis=1)
                predicted[rows] = self.scoring.thresholds.decide(p)
                sums += p[:, wanted].sum(axis=0, dtype=np.float64)
            self._scores = Scores(member, predicted, sums / n_items)
        return self._scores

    def frame(self, labels: Labels, audit: SealedAudit, names: Sequence[str], progress: Progress) -> Frame:
        """The strata of the items that the learner has not reached as of now.

        Sealed items are among them: whether an item is must not depend on the audit.

        Raises
        ------
        InputError
            When nothing is left, or too many classes are looked for.
        """
        rows = np.flatnonzero(is_rest(audit, labels))
        if not len(rows):
            raise InputError("every item has a label: there is nothing left to estimate")
        scores = self.scores(progress)
        try:
            strata = strata_of(scores.member[rows], scores.predicted[rows].astype(np.int64), self.wanted, names)
        except ValueError as error:
            raise InputError(str(error)) from error
        shares = self.prevalence[list(self.wanted)]
        shares = np.where(np.isfinite(shares), shares, scores.expected)
        n_found = n_reached(audit, labels)[list(self.wanted)]
        return Frame(rows, strata, shares, n_found, len(scores.member))


@dataclass(frozen=True)
class Frame:
    """What a campaign draws from: rows int64 ``(n_rest,)``, their strata, and what is known of the classes.

    `prevalence` float64 and `n_found` int64 have one entry a wanted class.
    """

    rows: NDArray[np.int64]
    strata: Strata
    prevalence: NDArray[np.float64]
    n_found: NDArray[np.int64]
    n_items: int

    def plan(self, sizes: Sequence[int]) -> dict[str, Any]:
        """What campaigns of several sizes can be expected to tell, JSON-able."""
        offered = sorted({min(size, len(self.rows)) for size in sizes})
        rng = np.random.default_rng(0)  # so that a plan does not flicker
        widths = expected_widths(self.strata, self.prevalence, offered, self.n_found.tolist(), self.n_items, rng)
        strata = [
            {"description": words, "size": int(size)}
            for words, size in zip(self.strata.descriptions, self.strata.sizes, strict=True)
        ]
        return {"n_rest": len(self.rows), "strata": strata, "widths": widths}

    def draw(self, n: int, seed: int) -> Drawing:
        """The questions of a campaign of n answers.

        Raises
        ------
        InputError
            When there are fewer items than that.
        """
        if n > len(self.rows):
            raise InputError(
                f"a campaign of {n:,} questions is more than the {len(self.rows):,} items without a label: "
                f"choose {len(self.rows):,} or fewer"
            )
        allocation = allocate(self.strata, n, self.prevalence)
        drawn = draw(self.strata, allocation, np.random.default_rng(seed))
        facts = {
            "strata": self.strata.to_dict(),
            "allocation": allocation.tolist(),
            "seed": seed,
            "n_found": self.n_found.tolist(),
            "n_rest": len(self.rows),
            "n_items": self.n_items,
        }
        return Drawing(self.rows[drawn.positions], drawn.strata, drawn.inclusion, facts)


@dataclass(frozen=True)
class Drawing:
    """The questions of a campaign in their order: rows, strata, probabilities; `facts` is JSON-able."""

    rows: NDArray[np.int64]
    strata: NDArray[np.int64]
    inclusion: NDArray[np.float64]
    facts: dict[str, Any]


def model_facts(frozen: Frozen, names: Sequence[str]) -> dict[str, Any]:
    """What was frozen, JSON-able: round, settings, how the probabilities were corrected, and thresholds."""
    scoring = frozen.scoring
    values, sources = scoring.thresholds.values, scoring.thresholds.sources
    return {
        "round": frozen.number,
        "n_labels": frozen.n_labels,
        "settings": scoring.settings.to_dict(),
        "correction": str(scoring.state),
        "thresholds": {
            names[c]: {"value": float(values[c]) if np.isfinite(values[c]) else None, "source": sources[c]}
            for c in frozen.wanted
        },
    }


def certified(
    design: Mapping[str, Any],
    strata: Sequence[int],
    answers: Sequence[int],
    names: Sequence[str],
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """The certificate of a campaign.

    Parameters
    ----------
    design
        What `Drawing.facts` and `model_facts` said when it began.
    strata
        Of its questions in their order.
    answers
        Class indices of the first of them, −1 where none could be given.
    names
        Of all classes.
    facts
        What else belongs to it.
    """
    parts = Strata.from_dict(design["strata"])
    tally = Tally.of(strata, answers, len(parts.sizes), len(names))
    beta = float(design["settings"]["beta"])
    return certificate(parts, tally, names, design["n_found"], design["n_items"], design["seed"], facts, beta)
