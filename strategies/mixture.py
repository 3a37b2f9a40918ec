"""`auto`: a mixture of strategies whose shares follow what each of them finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .base import Brief, Queries, QueryStrategy, RandomSampling, generator, rarest_class
from .coverage import Coverage
from .discovery import Similar, Top
from .exploration import Contrast, Lookout, Unlike
from .labels import Labels
from .landscape import Landscape
from .queries import draw_arms
from .retrieval import distances_to
from .rows import RememberingLearner, view
from .uncertainty import Margin

# The recipe, tuned on the benchmark sets with the seeds 0 to 19; reported on others.
EXPLOITING: dict[str, float] = {Top.name: 1.0, Similar.name: 0.9}  # what a find of each counts
LEAST_EXPLOITER = 0.05  # of what is neither exploration nor boundary, for each of them
BOUNDARY_SHARE = 0.06  # of what is not exploration, times the share of misses: it finds little, but sharpens
FIRST_LOOK: dict[str, float] = {Lookout.name: 0.7, Unlike.name: 0.1, Coverage.name: 0.1, Contrast.name: 0.1}
EXPLORING: dict[str, float] = {Lookout.name: 1.0, Unlike.name: 1.0, Coverage.name: 1.2, Contrast.name: 0.6}
LEAST_EXPLORER = 0.1  # of the exploration, for each explorer
REMEMBER = 0.99  # weight of a label, by the labels that came after it
EXPLORE_PRIOR = (2.0, 15.0)  # finds and misses that exploration begins with
EXPLOIT_PRIOR = (3.0, 1.0)  # the same of what does not explore
LEAST_EXPLORATION, MOST_EXPLORATION = 0.04, 0.8  # the least is times the share of misses
NEW_REGION = 6.0  # what a find in a new region counts beyond one
SHARPNESS = 3.0  # how sharply the share of exploration turns on its yield beside the other's
SPARE = 5  # what an arm is asked for beyond its places, for others may ask for the same items
N_DRAWS = 1_000  # of the posteriors, to see which arm is best how often

ARMS: dict[str, type[QueryStrategy]] = {
    arm.name: arm for arm in (Top, Similar, Margin, Lookout, Unlike, Contrast, Coverage, RandomSampling)
}


@dataclass(frozen=True)
class Proposals:
    """What the arms propose, in the order of asking.

    Positions in the pool int64 ``(n,)``, their scores (NaN for what was drawn at random), the arm of each,
    the probability of that arm for its place, and the selection probability within a random arm (NaN
    where the arm's choice is deterministic).
    """

    positions: NDArray[np.int64]
    scores: NDArray[np.float64]
    arms: tuple[str, ...]
    arm_probability: NDArray[np.float64]
    probability: NDArray[np.float64]


class Auto(QueryStrategy):
    """A mixture: most likely members, more like the known ones, the boundary, and four ways to explore.

    Every place of the queue goes to an arm at random, with the probability of its share. The share of
    exploration is ``v³ / (u³ + v³)``: what an exploring label has found lately, a find in a new region
    counting sevenfold, against what an exploiting one has found; so it grows as the known region runs dry,
    and falls where exploring finds nothing. A find is in a new region when it is farther from every
    earlier one than that one's 20th neighbour. Within both kinds, shares are the probabilities of being
    the best arm under Beta posteriors (Thompson, 1933; after Zhang et al., TAILOR, 2023), with a floor;
    all counts fade by 1 % with each label that an arm asked for. Before the first find, only exploring
    arms are asked.

    Parameters
    ----------
    brief
        Classes looked for, landscape, metric, the labels with the arms that asked for them, and the user's
        own shares, which replace all of the above.
    subpool
        Positions of the pool among which the arms with a model choose; all by default. Given where
        the model is slow to score.
    spread
        What is put around the arms that do not explore, so that their queries are diverse.

    Notes
    -----
    Made by hand, without a brief, it knows the labels of the learner but not who asked for them.
    """

    name = "auto"
    label = "Automatic"
    description = (
        "A mixture that follows what works: most likely members, more like these, the boundary, and a share of "
        "exploration that grows as the known region runs dry."
    )
    needs_model = False

    def __init__(
        self,
        brief: Brief = Brief(),  # noqa: B008  (frozen)
        subpool: NDArray[np.int64] | None = None,
        spread: Callable[[QueryStrategy], QueryStrategy] | None = None,
    ) -> None:
        self.brief = brief
        self.subpool = subpool
        self.spread = spread

    @classmethod
    def from_brief(cls, brief: Brief) -> Auto:
        """With all that the round knows."""
        return cls(brief)

    def __call__(
        self,
        learner: Any,
        X_pool: Any,
        n_instances: int = 1,
        random_state: np.random.Generator | None = None,
    ) -> Queries:
        """Choose by all arms; the scores are those of the arms, not comparable with each other."""
        _, proposals = self.propose(learner, X_pool, n_instances, generator(random_state))
        return proposals.positions, proposals.scores

    # ---- shares ----------------------------------------------------------------------------------

    def shares(self, learner: Any, rng: np.random.Generator) -> dict[str, float]:
        """The share of each arm, above zero, adding up to one."""
        has_model = hasattr(learner, "predict_proba")
        if self.brief.shares:
            return _given(dict(self.brief.shares), has_model)
        record = _Record.of(self.brief, learner)
        exploring = _best(record, EXPLORING, LEAST_EXPLORER, record.value, EXPLORE_PRIOR, rng)
        if not record.n_found:
            return dict(FIRST_LOOK)
        if not has_model:
            return {Similar.name: 0.5} | {arm: 0.5 * share for arm, share in exploring.items()}
        found = record.mean((*EXPLOITING, Margin.name), record.hits, EXPLOIT_PRIOR)
        explore = self._exploration(record, found)
        boundary = BOUNDARY_SHARE * (1 - found) * (1 - explore)
        exploiting = _best(record, EXPLOITING, LEAST_EXPLOITER, record.hits, EXPLOIT_PRIOR, rng)
        return (
            {arm: (1 - explore - boundary) * share for arm, share in exploiting.items()}
            | {Margin.name: boundary}
            | {arm: explore * share for arm, share in exploring.items()}
        )

    @staticmethod
    def _exploration(record: _Record, found: float) -> float:
        gained = record.mean(EXPLORING, record.value, EXPLORE_PRIOR)
        odds = (gained / found) ** SHARPNESS
        return float(np.clip(odds / (1 + odds), LEAST_EXPLORATION * (1 - found), MOST_EXPLORATION))

    # ---- proposals -------------------------------------------------------------------------------

    def propose(
        self, learner: Any, X_pool: Any, n: int, rng: np.random.Generator
    ) -> tuple[dict[str, float], Proposals]:
        """The shares, and what fills n places, or as many as there are items; touches the whole pool."""
        n = min(n, len(X_pool))
        shares = self.shares(learner, rng)
        places = draw_arms(shares, n, rng)
        if hasattr(learner, "predict_proba"):
            learner = RememberingLearner(learner)
        offers = {arm: self._offers(arm, learner, X_pool, (places.count(arm) + SPARE, n), rng) for arm in shares}
        chosen: dict[int, tuple[float, str]] = {}
        for arm in places:
            fresh = next(((p, s) for p, s in offers[arm] if p not in chosen), None)
            if fresh is not None:
                chosen[fresh[0]] = (fresh[1], arm)
        return shares, _with_random(chosen, shares, len(X_pool), n, rng)

    def _offers(
        self, arm: str, learner: Any, X_pool: Any, sizes: tuple[int, ...], rng: np.random.Generator
    ) -> Iterator[tuple[int, float]]:
        """What an arm would ask, best first; it is asked again for more when others have asked the same."""
        strategy = ARMS[arm].from_brief(self.brief)
        if self.spread is not None and (arm in EXPLOITING or arm == Margin.name):
            strategy = self.spread(strategy)
        narrowed = self.subpool if ARMS[arm].needs_model else None
        candidates = X_pool if narrowed is None else view(X_pool, narrowed)
        offered: set[int] = set()
        for size in sizes:
            positions, scores = strategy(learner, candidates, min(size, len(candidates)), random_state=rng)
            positions = positions if narrowed is None else narrowed[positions]
            for position, score in zip(positions.tolist(), scores.tolist(), strict=True):
                # What an arm filled up at random has the score −inf: the mixture draws, and names, that itself.
                if position not in offered and not np.isneginf(score):
                    offered.add(position)
                    yield position, score


def _with_random(
    chosen: Mapping[int, tuple[float, str]], shares: Mapping[str, float], n_items: int, n: int,
    rng: np.random.Generator,
) -> Proposals:  # fmt: skip
    """The choices, and random items where the arms had no more to offer."""
    positions = np.fromiter(chosen, np.int64, len(chosen))
    drawn = np.empty(0, np.int64)
    if len(positions) < n:
        drawn = rng.choice(np.setdiff1d(np.arange(n_items), positions), n - len(positions), replace=False)
    arms = [arm for _, arm in chosen.values()]
    is_random = np.array([arm == RandomSampling.name for arm in arms] + [True] * len(drawn), bool)
    chance = is_random.sum() / max(n_items - np.count_nonzero(~is_random), 1)
    scores = np.r_[[score for score, _ in chosen.values()], np.full(len(drawn), np.nan)]
    return Proposals(
        np.r_[positions, drawn].astype(np.int64),
        np.where(is_random, np.nan, scores),
        (*arms, *[RandomSampling.name] * len(drawn)),
        np.r_[[shares[arm] for arm in arms], np.full(len(drawn), shares.get(RandomSampling.name, 0.0))],
        np.where(is_random, chance, np.nan),
    )


def _given(shares: Mapping[str, float], has_model: bool) -> dict[str, float]:
    """The user's own shares of the arms that can be asked; the explorers' where none can."""
    usable = {
        arm: share for arm, share in shares.items() if share > 0 and (has_model or not ARMS[arm].needs_model)
    }
    total = sum(usable.values())
    return {arm: share / total for arm, share in usable.items()} if total else dict(FIRST_LOOK)


# ---- what the arms have found -----------------------------------------------------------------------


@dataclass(frozen=True)
class _Record:
    """The labels so far, seen by the arms: which asked, what it found, and how much that still weighs."""

    arms: NDArray[np.object_]
    hits: NDArray[np.float64]
    value: NDArray[np.float64]
    weight: NDArray[np.float64]

    @property
    def n_found(self) -> int:
        return int(self.hits.sum())

    @classmethod
    def of(cls, brief: Brief, learner: Any) -> _Record:
        labels = brief.labels
        classes = np.asarray(getattr(learner, "y_training", ())) if labels is None else labels.classes
        n = len(classes)
        wanted = brief.wanted or ((rarest_class(classes),) if len(np.unique(classes)) > 1 else ())
        hits = np.isin(classes, wanted)
        known = labels is not None and len(labels.arms) == n
        arms = np.array(labels.arms if labels is not None and known else [""] * n, dtype=object)
        new = np.zeros(n)
        if labels is not None and brief.landscape is not None:
            explored = np.flatnonzero(hits & np.isin(arms, list(EXPLORING)))
            new[explored] = in_new_region(brief.landscape, labels, hits, explored)
        # Labels that no arm asked for, as those of thousands of duplicates, push nothing into the past.
        asked = np.isin(arms, list(ARMS))
        later = asked.sum() - np.cumsum(asked)
        return cls(arms, hits.astype(float), hits + NEW_REGION * new, REMEMBER**later)

    def counts(self, arm: str, gains: NDArray[np.float64]) -> tuple[float, float]:
        """What an arm gained, and how much it was asked, both faded."""
        mine = self.arms == arm
        return float(self.weight[mine] @ gains[mine]), float(self.weight[mine].sum())

    def mean(self, arms: Any, gains: NDArray[np.float64], prior: tuple[float, float]) -> float:
        """The mean gain of a label that some arms asked for, with a prior of gains and misses."""
        counts = np.array([self.counts(arm, gains) for arm in arms])
        return float((prior[0] + counts[:, 0].sum()) / (sum(prior) + counts[:, 1].sum()))


def _best(
    record: _Record,
    arms: Mapping[str, float],
    floor: float,
    gains: NDArray[np.float64],
    prior: tuple[float, float],
    rng: np.random.Generator,
) -> dict[str, float]:
    """The probability of each arm to be the best, by its posterior times a handicap; they add up to one.

    No arm has less than the floor.
    """
    counts = [(record.counts(arm, gains), handicap) for arm, handicap in arms.items()]
    draws = np.stack(
        [
            handicap * rng.beta(prior[0] + gain, prior[1] + max(asked - gain, 0.0), N_DRAWS)
            for (gain, asked), handicap in counts
        ]
    )
    wins = np.bincount(draws.argmax(axis=0), minlength=len(arms)) / N_DRAWS
    return dict(zip(arms, (floor + (1 - floor * len(arms)) * wins).tolist(), strict=True))


def in_new_region(
    landscape: Landscape, labels: Labels, hits: NDArray[np.bool_], which: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which finds are farther from every earlier find than that one's 20th neighbour, bool ``(n_which,)``.

    Parameters
    ----------
    hits
        Bool ``(n_labels,)``, true for the finds.
    which
        Indices into the labels, of finds.
    """
    found = np.flatnonzero(hits)
    if not len(which):
        return np.empty(0, bool)
    vectors = landscape.X[labels.rows[found]]
    radii = np.array([landscape.neighbourhood(vector).radius for vector in vectors])
    places = landscape.project(vectors)
    distances = np.sqrt(distances_to(places[np.searchsorted(found, which)], places, "euclidean"))
    earlier = found[None, :] < which[:, None]
    return np.all(~earlier | (distances > radii[None, :]), axis=1)
