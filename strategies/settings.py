"""The settings of a round, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from math import sqrt
from typing import Any

from .calibration import Objective
from .classifiers import classifier_spec
from .mixture import ARMS
from .priors import Correction
from .registry import check_strategy

METRICS = ("euclidean", "cosine")
BOUNDS: dict[str, tuple[float, float]] = {
    "audit_share": (0, 1),
    "quota": (0.01, 1),
    "beta": (0.01, 100),
    "target": (0.01, 0.999),
}
FORMER = {"random_share": "audit_share"}  # names in earlier versions
WITHOUT = ("min_uniform",)  # settings that only earlier versions have
COUNTS: dict[str, tuple[int, int]] = {
    "n_queries": (1, 10_000),
    "anchors_above": (0, 10**12),
    "n_anchors": (1, 1_000),
    "n_neighbors": (1, 100_000),
    "subpool_size": (1, 10**7),
}


@dataclass(frozen=True)
class RoundSettings:
    """What a round does; `from_dict` checks it.

    Parameters
    ----------
    strategy, base
        What chooses the queries, and what the strategies `anchors` and `seals` are put around.
    shares
        The user's own shares of the arms of `auto`: arm and weight; empty where it chooses them itself.
    diverse
        Whether the queries of an arm are spread out, see `diversity.Diverse`.
    quota
        The largest share of an arm's queries that may come from one cell of the pool; 1 for no limit.
    classifier
        What is fitted.
    n_queries
        How many queries a round ranks.
    audit_share
        Share of the questions for the sealed audit; 0 switches it off.
    correction, query_correction
        How the probabilities that are shown, and those that are queried, are moved to the prevalence.
    prevalence
        The user's own ranges: class index, low and high share.
    anchors_above
        Pools larger than this are scored through anchors when the classifier is slow to score.
    n_anchors, n_neighbors, subpool_size, metric
        See `anchors.Anchors`.
    wanted
        Indices of the classes that are looked for.
    unexplained
        Columns of the matrix that mean nothing to a reader, such as those of embeddings: no reason names them.
    budget
        How many labels there will be in all, for strategies that plan ahead; None where it is not known.
    cross_validate
        Whether to measure the classifier on the labels.
    objective, objective_value
        What thresholds are chosen for, see `calibration.Objective`; the value is None where it has none.
    beta
        How many times as much recall weighs as precision in F-beta.
    guarantee
        Whether intervals hold whatever the truth is, and are wider.
    target
        The share of a class that is to be found before one stops.
    """

    strategy: str = "auto"
    base: str = "margin"
    shares: tuple[tuple[str, float], ...] = ()
    diverse: bool = False
    quota: float = 1.0
    classifier: str = "logistic"
    n_queries: int = 50
    audit_share: float = 0.1
    correction: str = Correction.AUDIT.value
    query_correction: str = Correction.NONE.value
    prevalence: tuple[tuple[int, float, float], ...] = ()
    anchors_above: int = 50_000
    n_anchors: int = 10
    n_neighbors: int = 50
    subpool_size: int = 1000
    metric: str = "euclidean"
    wanted: tuple[int, ...] = ()
    unexplained: tuple[int, ...] = ()
    budget: int | None = None
    cross_validate: bool = True
    objective: str = "f1"
    objective_value: float | None = None
    beta: float = 1.0
    guarantee: bool = False
    target: float = 0.9

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain values."""
        return asdict(self) | {
            "prevalence": [list(entry) for entry in self.prevalence],
            "wanted": list(self.wanted),
            "unexplained": list(self.unexplained),
            "shares": [list(entry) for entry in self.shares],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RoundSettings:
        """Settings from plain values; what is left out has its default.

        Raises
        ------
        ValueError
            Naming the setting, what it was, and what is allowed.
        """
        known = {f.name for f in fields(cls)}
        values = {FORMER.get(name, name): value for name, value in values.items() if name not in WITHOUT}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(f"there is no setting '{unknown[0]}': the settings are {', '.join(sorted(known))}")
        given = dict(values)
        for name, shape, parse in (
            ("prevalence", "a list of (class index, low share, high share)", _ranges),
            ("wanted", "a list of class indices", _indices),
            ("unexplained", "a list of column indices", _indices),
            ("shares", "a list of (arm, weight)", _shares),
        ):
            if name in given:
                try:
                    given[name] = parse(given[name])
                except (TypeError, ValueError) as error:
                    raise ValueError(f"{name} is {given[name]!r}: it must be {shape}") from error
        settings = cls(**given)
        settings.check()
        return settings

    def n_left(self, n_labels: int) -> int | None:
        """How many labels will still be given, at least one, where a budget is set."""
        return None if self.budget is None else max(self.budget - n_labels, 1)

    def threshold_objective(self) -> Objective:
        """What thresholds are chosen for; raises ValueError where it is not allowed."""
        value = float("nan") if self.objective_value is None else self.objective_value
        return Objective(self.objective, value, self.beta)  # type: ignore[arg-type]

    def check(self) -> None:
        """Raise ValueError for a setting that is not allowed."""
        for limits, kinds, what in ((COUNTS, int, "a whole number"), (BOUNDS, int | float, "a number")):
            for name, (low, high) in limits.items():
                value = getattr(self, name)
                if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
                    raise ValueError(f"{name} is {value!r}: it must be {what} from {low:,} to {high:,}")
        self._check_names()
        self._check_shares()
        self._check_prevalence()

    def _check_names(self) -> None:
        for name in ("strategy", "base", "classifier"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"{name} is {getattr(self, name)!r}: it must be a name")
        if self.budget is not None and (
            isinstance(self.budget, bool) or not isinstance(self.budget, int) or self.budget < 1
        ):
            raise ValueError(f"budget is {self.budget!r}: it must be a whole number from 1, or nothing")
        for name in ("cross_validate", "diverse", "guarantee"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} is {getattr(self, name)!r}: it must be true or false")
        for name in ("correction", "query_correction"):
            if getattr(self, name) not in list(Correction):
                allowed = ", ".join(Correction)
                raise ValueError(f"{name} is {getattr(self, name)!r}: it must be one of {allowed}")
        self.threshold_objective()
        if self.metric not in METRICS:
            raise ValueError(f"metric is {self.metric!r}: it must be one of {', '.join(METRICS)}")
        check_strategy(self.strategy)
        check_strategy(self.base, allow_anchors=False)
        classifier_spec(self.classifier)

    def _check_shares(self) -> None:
        for arm, share in self.shares:
            if arm not in ARMS:
                raise ValueError(f"auto has no arm '{arm}': choose {', '.join(ARMS)}")
            if not 0 <= share <= 1e6:
                raise ValueError(f"the share of {arm} is {share!r}: it must be a number from 0")
        if len({arm for arm, _ in self.shares}) < len(self.shares):
            raise ValueError("an arm has two shares: give one")
        if self.shares and not any(share for _, share in self.shares):
            raise ValueError("the shares are all zero: give one arm at least something")

    def _check_prevalence(self) -> None:
        for index, low, high in self.prevalence:
            if index < 0 or not 0 < low <= high < 1:
                raise ValueError(
                    f"prevalence has {(index, low, high)}: shares must lie between 0 and 1, low first"
                )
        # Rounds work with the geometric means, so it is those that have to fit.
        if sum(sqrt(low * high) for _, low, high in self.prevalence) > 1 + 1e-9:
            raise ValueError("the prevalences given add up to more than 100 %: lower one of them")


def _ranges(values: Any) -> tuple[tuple[int, float, float], ...]:
    return tuple((int(i), float(low), float(high)) for i, low, high in values)


def _shares(values: Any) -> tuple[tuple[str, float], ...]:
    return tuple((str(arm), float(share)) for arm, share in values)


def _indices(values: Any) -> tuple[int, ...]:
    return tuple(int(i) for i in values)
