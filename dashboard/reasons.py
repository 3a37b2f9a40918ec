"""Why an item is asked: what each strategy looks for in words, and what speaks about one item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..data.features import FeatureReport
from ..data.identifiers import ItemIds
from ..strategies import STRATEGIES
from ..strategies.reasons import Reason

AUDIT = "audit"
CAMPAIGN = "campaign"
WITHOUT_HINT = frozenset({AUDIT, CAMPAIGN})  # whose questions come with nothing that might sway the answer
OPENED = "opened"
SKIPPED = "skipped before"
DUPLICATE = "duplicate"
BULK = "bulk"
PURITY = "purity check"
MOST_NEIGHBOURS = 8

# What an item is, where the description of its strategy says what the strategy does.
WORDS = {
    "top": "Among the most likely members of a class that is looked for",
    "similar": "More like the ones you found",
    "margin": "Close to the boundary between the two most likely classes",
    "entropy": "The model is least sure about it",
    "least_confidence": "Even its most likely class is not very likely",
    "direct": "Close to where a class that is looked for begins",
    "committee": "Models fitted to different labels disagree about it",
    "vote_entropy": "Models fitted to different labels vote for different classes",
    "tail": "Unlike the common classes in what the model says of it, and leaning to a rare one",
    "search": "A good bet for the labels that are left: likely, and among others that may be",
    "lookout": "Stands apart from the whole pool",
    "contrast": "Stands apart from its own neighbourhood",
    "unlike": "Far from everything labelled",
    "coverage": "From a part of the pool of which least is labelled",
    "probcover": "Typical of a dense part of the pool near which nothing is labelled",
    "typiclust": "The most typical item of a part of the pool of which least is labelled",
    "random": "Drawn at random",
    AUDIT: "Asked without a hint: only what you see counts",
    CAMPAIGN: "Audit campaign: asked without a hint, only what you see counts",
    OPENED: "Opened by you",
    PURITY: "Drawn at random to see how pure a selection is",
    SKIPPED: "You skipped it before, and nothing else is left",
}
AMONG = {
    "anchors": "among the neighbours of labelled items",
    "seals": "among the neighbours of all labelled items",
}
NAMES = {
    AUDIT: "Sealed audit",
    CAMPAIGN: "Audit campaign",
    OPENED: "Opened by you",
    "imported": "Labels that existed before",
    DUPLICATE: "Like their twins",
    BULK: "Labelled at once",
    PURITY: "Purity check",
}


def in_words(strategy: str) -> str:
    """What an item is that a strategy, or an arm of one, asks for; one phrase without a full stop."""
    around, name = _parted(strategy)
    if around:
        return f"{in_words(name)}, {AMONG[around]}"
    if name in WORDS:
        return WORDS[name]
    if name in STRATEGIES:
        return STRATEGIES[name].description.rstrip(".")
    return f"Asked by your own strategy {name}" if ":" in name else f"Asked by {name}"


def plain_name(strategy: str) -> str:
    """A short name of a strategy or an arm, for tables."""
    around, name = _parted(strategy)
    if around:
        return f"{plain_name(name)} ({AMONG[around]})"
    return str(STRATEGIES[name].label) if name in STRATEGIES else NAMES.get(name, name)


def _parted(strategy: str) -> tuple[str, str]:
    """What is put around a strategy, or nothing, and the strategy: ``"anchors: margin"``."""
    around, _, name = strategy.partition(": ")
    return (around, name) if name and around in AMONG else ("", strategy)


def described(
    reason: Reason, names: Sequence[str], wanted: Sequence[int], ids: ItemIds, features: FeatureReport
) -> dict[str, Any]:
    """A reason as JSON-able values that hold in later sessions as well.

    Parameters
    ----------
    names, wanted
        The classes, and the indices of those that are looked for, whose neighbours are always named.

    Returns
    -------
    dict
        ``neighbours``: lists of class name, item id and distance, nearest first; ``unusual``: lists of
        feature name and deviation from the median in robust standard deviations. Single values of arrays
        (pixels, embeddings) mean nothing to a reader and are left out.
    """
    near = reason.neighbours[:MOST_NEIGHBOURS]
    near += tuple(n for n in reason.neighbours[MOST_NEIGHBOURS:] if n.class_index in wanted)
    texts = ids.texts([n.row for n in near])
    parts = set(array_columns(features))
    return {
        "neighbours": [
            [names[n.class_index], text, float(f"{n.distance:.4g}")] for n, text in zip(near, texts, strict=True)
        ],
        "unusual": [
            [features.names[u.feature], round(u.deviation, 1)] for u in reason.unusual if u.feature not in parts
        ],
    }


def array_columns(features: FeatureReport) -> tuple[int, ...]:
    """The columns of the feature matrix that are single values of arrays."""
    parts = {f"{name}[{i}]" for name, width in features.widths.items() for i in range(width)}
    return tuple(column for column, name in enumerate(features.names) if name in parts)
