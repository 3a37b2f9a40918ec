"""How far the search for a class is, in words and numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .stopping import FIRST_LOOK, ROUNDING, MoreAnswers, Pace, ShareFound

USEFUL = 0.5  # the share found that a mere bound must make sure of to be worth a word


def statement(
    share: ShareFound | None,
    pace: Pace,
    needed: MoreAnswers | None,
    target: float,
    class_name: str,
    n_audited: int,
    n_unjudged: int,
) -> dict[str, Any]:
    """How far one is, in words and numbers, JSON-able.

    `status` is ``green`` where the target has been reached for certain, ``grey`` where nothing useful can be
    said, ``amber`` otherwise. That finds have become rare makes nothing green.

    Parameters
    ----------
    share
        None without an audit.
    n_audited, n_unjudged
        All answers of the audit, and those of which no class could be told.
    """
    status = _status(share, target, n_audited)
    if share is None or (status == "grey" and n_audited < FIRST_LOOK):
        headline = f"Cannot say yet: {n_audited} of {FIRST_LOOK} audit questions answered."
        sentences = []
    else:
        headline, *sentences = _of_share(share, status, f"'{class_name}'")
    if share is None or share.n_rest:
        sentences += [_of_pace(pace)] if pace.n_queries else []
        sentences += _of_needed(needed, target) if n_audited >= FIRST_LOOK else []
    if n_unjudged:
        sentences.append(f"{n_unjudged:,} audited items could not be judged; they count as members of no class.")
    return {
        "status": status,
        "headline": headline,
        "sentences": sentences,
        "pace": _of_pace(pace) if pace.n_queries else "",
        "class": class_name,
        "target": target,
        "n_audited": n_audited,
        "n_unjudged": n_unjudged,
        "n_found": share.n_found if share else None,
        "total": share.total.to_list() if share else None,
        "left": share.left.to_list() if share else None,
        "share": share.share.to_list() if share else None,
        "certain": share.certain if share else None,
        "labels_per_find": pace.labels.to_list(),
        "to_narrow": needed.to_narrow if needed else None,
        "to_certify": needed.to_certify if needed else None,
    }


def _status(share: ShareFound | None, target: float, n_audited: int) -> str:
    if share is not None and (not share.n_rest or share.certain >= target):
        return "green"
    only_a_bound = share is None or (not share.n_members and share.share.low < USEFUL)
    return "grey" if n_audited < FIRST_LOOK or only_a_bound else "amber"


def _of_share(share: ShareFound, status: str, name: str) -> list[str]:
    if not share.n_rest:
        known = f"all {share.n_found:,} members of {name} are known" if share.n_found else f"none is {name}"
        return [f"Every item has a label: {known}."]
    confidence = f"{100 * share.confidence:g} %"
    if share.n_members:
        least, middle, most = (
            max(_two_digits(value, how), share.n_found)
            for value, how in (
                (share.total.low, math.floor), (share.total.point, round), (share.total.high, math.ceil),
            )
        )  # fmt: skip
        sentences = [f"Found {share.n_found:,} of an estimated {middle:,} ({least:,}–{most:,})."]
    else:
        most = min(_two_digits(share.left.high, math.ceil), share.n_rest)
        sentences = [
            f"Found {share.n_found:,}; the audit has met no other member of {name}, so that at most {most:,} "
            f"are left ({confidence} confidence)."
        ]
    if share.certain >= 0.01:
        per_cent = math.floor(100 * share.certain + ROUNDING)
        sentences.append(f"With {confidence} confidence at least {per_cent} % of {name} has been found.")
    if status == "green":
        sentences.reverse()
    if status == "grey":
        sentences.insert(0, f"Cannot say yet: the audit has met no member of {name} that was not found before.")
    return sentences


def _of_pace(pace: Pace) -> str:
    if not pace.n_found:
        least = math.floor(pace.labels.low)
        queries = f"{pace.n_queries:,} queries" if pace.n_queries != 1 else "query"
        labels = f"{least:,} label{'s' if least != 1 else ''}"
        return (
            f"No find among the last {queries}: a new find takes at least {labels} (95 %). "
            "That alone is no reason to stop."
        )
    low, high = math.floor(pace.labels.low), math.ceil(pace.labels.high)
    n_labels = max(round(pace.labels.point), 1)
    noun = "label" if n_labels == 1 else "labels"
    return f"About {n_labels:,} {noun} per new find at the present pace (95 %: {low:,}–{high:,})."


def _of_needed(needed: MoreAnswers | None, target: float) -> list[str]:
    sentences = []
    if needed is not None and needed.to_certify:
        sentences.append(
            f"About {_two_digits(needed.to_certify, math.ceil):,} more audit labels without another missed "
            f"member would make sure of {100 * target:g} %."
        )
    if needed is not None and needed.to_narrow:
        more = _two_digits(needed.to_narrow, math.ceil)
        sentences.append(f"About {more:,} more audit labels would narrow the interval to ±10 points.")
    return sentences


def _two_digits(value: float, how: Callable[[float], int]) -> int:
    """A number with two digits that matter, rounded by `how`."""
    unit = 10 ** max(math.floor(math.log10(value)) - 1, 0) if value >= 1 else 1
    return how(value / unit - ROUNDING if how is math.ceil else value / unit + ROUNDING) * unit
