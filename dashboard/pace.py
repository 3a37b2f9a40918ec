"""How fast one gets on: labels, finds and time, from the columns of the label log.

Time is active time: what lies between two answers of the same annotator, at most the idle limit each, so that a
coffee does not count. A session ends with a gap of half an hour.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .log_columns import IS_LABEL, Columns

IDLE_SECONDS = 60.0
SESSION_GAP = 1800.0  # s without an answer that end a session
BREAK_GAP = 300.0  # s without an answer that count as a break
WINDOW = 100  # labels


@dataclass(frozen=True)
class Pace:
    """Labels by hand that were not taken back, finds among them, and the time that they took.

    `seconds` are active ones; `per_hour` and `median_seconds` are None where nothing is known of the time.
    """

    n_labels: int
    n_finds: int
    seconds: float
    per_hour: float | None
    median_seconds: float | None

    @property
    def labels_per_find(self) -> float | None:
        """Labels that one find has cost; None without a find."""
        return self.n_labels / self.n_finds if self.n_finds else None


def active_seconds(columns: Columns, idle: float = IDLE_SECONDS) -> NDArray[np.float64]:
    """The active time that ended with each event, float64 ``(n_events,)``; 0 for what was not by hand.

    The time since the annotator's event before, at most `idle`; where there is none for half an hour, the time for
    which the item was looked at, at most `idle` too, 0 where that is not known; the same for answers of one step.
    """
    hand = np.flatnonzero(columns.by_hand)
    order = hand[np.argsort(columns.annotator[hand], kind="stable")]
    out = np.zeros(len(columns))
    if not len(order):
        return out
    gaps = np.diff(columns.at[order], prepend=-np.inf)
    gaps[np.diff(columns.annotator[order], prepend=-1) != 0] = np.inf
    looked = np.nan_to_num(columns.dwell[order].astype(np.float64), nan=0.0)
    # What is stored together has no gaps of its own.
    out[order] = np.clip(np.where(columns.together[order] | (gaps > SESSION_GAP), looked, gaps), 0.0, idle)
    return out


def is_find(columns: Columns, wanted: Collection[str]) -> NDArray[np.bool_]:
    """Whether each event is the label by hand in force on an item of a wanted class, bool ``(n_events,)``."""
    in_force = columns.labelled()
    member = np.array([name in wanted for name in (*columns.labels, None)])  # the last one is no label
    finds = np.zeros(len(columns), bool)
    finds[in_force] = member[columns.label[in_force]]
    return finds & columns.by_hand


def pace(
    columns: Columns,
    wanted: Collection[str],
    idle: float = IDLE_SECONDS,
    *,
    since: float = -np.inf,
    annotator: str | None = None,
) -> Pace:
    """The pace of everybody or one annotator, from a moment on.

    Parameters
    ----------
    wanted
        Names of the classes whose members are finds.
    idle
        Seconds that a gap counts at most.
    since
        Seconds since 1970.
    """
    chosen = columns.by_hand & (columns.at >= since)
    if annotator is not None:
        place = columns.annotators.index(annotator) if annotator in columns.annotators else -2
        chosen &= columns.annotator == place
    labels = chosen & IS_LABEL[columns.action] & ~columns.undone()
    seconds = active_seconds(columns, idle)
    n, total = int(labels.sum()), float(seconds[chosen].sum())
    each = np.where(np.isnan(columns.dwell), seconds, columns.dwell)[labels]
    each = each[each > 0]
    return Pace(
        n_labels=n,
        n_finds=int((is_find(columns, wanted) & chosen).sum()),
        seconds=total,
        per_hour=3600.0 * n / total if total > 0 else None,
        median_seconds=float(np.median(each)) if len(each) else None,
    )


def session_began(columns: Columns, server_began: float, annotator: str | None = None) -> float:
    """When the present session began, in seconds since 1970: with the server, or after the last long gap."""
    at = _times(columns, annotator)
    long = np.flatnonzero(np.diff(at) > SESSION_GAP)
    return max(server_began, float(at[long[-1] + 1]) if len(long) else -np.inf)


def since_break(columns: Columns, annotator: str, now: float, idle: float = IDLE_SECONDS) -> float:
    """Active seconds of an annotator since they last paused for five minutes; 0 while they pause."""
    at = _times(columns, annotator)
    if not len(at) or now - at[-1] > BREAK_GAP:
        return 0.0
    gaps = np.diff(at)
    pauses = np.flatnonzero(gaps > BREAK_GAP)
    return float(np.minimum(gaps[pauses[-1] + 1 if len(pauses) else 0 :], idle).sum())


def finds_curve(
    columns: Columns, wanted: Collection[str], window: int = WINDOW
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """New finds per 100 labels.

    Returns
    -------
    n_labels : int64 (n_points,)
        Numbers of labels by hand in force, in the order in which they were given.
    finds : float64 (n_points,)
        Finds among the last `window` of them, or all where there are fewer, scaled to 100 labels.
    """
    in_force = columns.labelled()
    in_force = in_force[columns.by_hand[in_force]]
    if not len(in_force):
        return np.empty(0, np.int64), np.empty(0)
    total = np.concatenate([[0], np.cumsum(is_find(columns, wanted)[in_force])])
    n = np.arange(1, len(total))
    before = np.maximum(n - window, 0)
    return n, 100.0 * (total[n] - total[before]) / (n - before)


def _times(columns: Columns, annotator: str | None) -> NDArray[np.float64]:
    """When somebody's events by hand, or all of them, were stored, in order."""
    chosen = columns.by_hand
    if annotator is not None:
        place = columns.annotators.index(annotator) if annotator in columns.annotators else -2
        chosen = chosen & (columns.annotator == place)
    return np.sort(columns.at[chosen])
