"""The strategies on offer by name, and the user's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .active_search import ActiveSearch
from .anchors import Anchors
from .base import Brief, Queries, QueryStrategy, RandomSampling
from .classifiers import load_object
from .committee import BootstrapCommittee, VoteEntropy
from .coverage import Coverage, ProbCover, TypiClust
from .discovery import Similar, Top
from .exploration import Contrast, Lookout, Unlike
from .mixture import Auto
from .seals import Seals
from .subpools import Subpooled
from .tail import Tail
from .threshold import Direct
from .uncertainty import Entropy, LeastConfidence, Margin

STRATEGIES: dict[str, type[QueryStrategy]] = {
    strategy.name: strategy
    for strategy in (
        Auto, Top, Similar, Margin, Entropy, LeastConfidence, Direct, BootstrapCommittee, VoteEntropy, Tail,
        ActiveSearch, Lookout, Contrast, Unlike, Coverage, ProbCover, TypiClust, RandomSampling, Anchors, Seals,
    )
}  # fmt: skip


class StrategyError(ValueError):
    """A strategy that failed or returned nonsense, in one sentence that names it."""


@dataclass(frozen=True)
class Foreign:
    """A strategy that is not ours, called as modAL would: with a copy of the candidates as an array."""

    name: str
    function: Callable[..., Any]

    def __call__(
        self,
        learner: Any,
        X_pool: Any,
        n_instances: int = 1,
        random_state: np.random.Generator | None = None,
    ) -> Queries:
        """Call it and check what it returns; raises StrategyError."""
        try:
            result = self.function(learner, np.asarray(X_pool), n_instances=n_instances)
        except Exception as error:
            raise StrategyError(f"strategy {self.name} failed ({type(error).__name__}: {error})") from error
        return _checked(self.name, result, len(X_pool), n_instances)


def _checked(name: str, result: Any, n_items: int, n_instances: int) -> Queries:
    """Positions and scores from what a strategy returned; raises StrategyError when they make no sense."""
    pair = isinstance(result, tuple) and len(result) == 2
    positions, scores = result if pair else (result, None)
    try:
        found = np.asarray(positions)
        given = np.full(len(found), np.nan) if scores is None else np.asarray(scores, np.float64)
    except (TypeError, ValueError) as error:
        raise StrategyError(f"strategy {name} returned no indices ({error})") from error
    if found.ndim != 1 or not np.issubdtype(found.dtype, np.integer):
        raise StrategyError(f"strategy {name} returned {found.dtype} of shape {found.shape} instead of indices")
    if len(found) and (found.min() < 0 or found.max() >= n_items):
        raise StrategyError(f"strategy {name} returned an index outside the {n_items:,} candidates")
    if len(np.unique(found)) < len(found):
        raise StrategyError(f"strategy {name} returned an index twice")
    if not len(found):
        raise StrategyError(f"strategy {name} returned nothing")
    if given.shape != found.shape:
        given = np.full(len(found), np.nan)
    return found[:n_instances].astype(np.int64), given[:n_instances]


def check_strategy(name: str, allow_anchors: bool = True) -> None:
    """Raise ValueError when a name is neither on offer nor a callable that can be imported.

    Without `allow_anchors`, strategies that are put around another one are not on offer.
    """
    offered = [n for n, strategy in STRATEGIES.items() if allow_anchors or not issubclass(strategy, Subpooled)]
    if name in offered:
        return
    if ":" not in name:
        known = ", ".join(offered)
        raise ValueError(f"there is no strategy '{name}': choose {known}, or module:function of your own")
    if not callable(load_object(name, "strategy")):
        raise ValueError(f"the strategy {name} is not callable: name a function")


def make_strategy(name: str, brief: Brief = Brief()) -> Callable[..., Queries]:  # noqa: B008  (frozen)
    """A strategy by name, as a round uses it.

    Raises
    ------
    ValueError
        When there is none of that name.
    """
    check_strategy(name)
    if name in STRATEGIES:
        return STRATEGIES[name].from_brief(brief)
    return Foreign(name, load_object(name, "strategy"))
