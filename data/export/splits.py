"""Which split each labelled item goes to; near-duplicates stay on one side."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping

VALIDATION_SHARE = 0.1
HELD_OUT = "held_out"


def assign_splits(
    labelled: Collection[str],
    tested: Collection[str],
    pending: Collection[str],
    groups: Mapping[str, str],
) -> dict[str, str]:
    """The split of each labelled item: test, validation, train or held_out.

    Items of a probability sample are ``test``. Others of which one is a near-duplicate, or which such a sample
    may still take, are ``held_out``, so that nothing can be learnt of the test from them. Of the rest, a
    tenth by the hash of their group (of their identifier, where they have none) is ``validation``: it is no
    random sample of the pool.

    Parameters
    ----------
    labelled
        Items with a label.
    tested
        Items of samples with known inclusion probabilities.
    pending
        Items that a sample under way has asked for.
    groups
        The group of each item that has near-duplicates.

    Examples
    --------
    >>> assign_splits(["a", "b", "c"], ["a"], [], {"a": "a", "c": "a"})
    {'a': 'test', 'b': 'train', 'c': 'held_out'}
    """
    closed = {groups[item_id] for item_id in {*tested, *pending} if item_id in groups}
    return {item_id: _split(item_id, groups.get(item_id), tested, pending, closed) for item_id in labelled}


def _split(
    item_id: str, group: str | None, tested: Collection[str], pending: Collection[str], closed: Collection[str]
) -> str:
    if item_id in tested:
        return "test"
    if item_id in pending or group in closed:
        return HELD_OUT
    return "validation" if hash_share(group or item_id) < VALIDATION_SHARE else "train"


def hash_share(text: str) -> float:
    """A number in [0, 1) that depends on a text alone."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") / 2**64
