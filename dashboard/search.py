"""What a search finds: an item by its id, or the items of a rule, of filters, of a value, or near others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..data.errors import InputError
from ..strategies.nearest_items import FEWEST, MOST, Nearest
from .columns import Columns
from .pool_scores import CLUSTER, NotScoredYetError
from .rules import RuleError, parse
from .session import LabellingSession

USUAL = 100
LONGEST_NAMED = 60
TOO_MANY_NEAR = f"There are more than {MOST:,} items so near: these are the nearest."
# What nobody writes in a value that they look for.
_RULE_SIGNS = re.compile(r"[<>=`]|\b(and|or|not|in)\b|\b(isnull|contains|startswith)\s*\(")


@dataclass(frozen=True)
class Found:
    """Items that were found.

    `rows` int64, sorted; `name` says in words what they are; `source` is what to look for to find them again,
    as `find` takes it, empty when that is not possible; `distances` float64 are those of the rows, for items
    near others; `note` is what has to be said with them.
    """

    rows: NDArray[np.int64]
    name: str
    source: dict[str, Any] = field(default_factory=dict)
    distances: NDArray[np.float64] | None = None
    note: str = ""


def find(
    session: LabellingSession, nearest: Nearest, source: Mapping[str, Any], *, as_scored: bool = False
) -> Found:
    """Find items; touches all rows.

    Parameters
    ----------
    source
        ``{"rule": text}``, ``{"value": text}``, ``{"filters": [rule, ...]}``, ``{"similar": id, "k": n}`` or
        ``{"similar": source, "k": n}``, either also with ``"within": distance``, or ``{"cluster": id}``.
    as_scored
        Take the scores of the pool as they are, also those of an earlier round.

    Raises
    ------
    NotScoredYetError
        When a rule needs scores of the pool that have to be made first.
    InputError
        When a rule cannot be read, or an item is not there.
    """
    if "rule" in source:
        return _by_rules(session, [str(source["rule"])], "the rule", dict(source), as_scored)
    if "filters" in source:
        rules = [str(rule) for rule in source["filters"]]
        return _by_rules(
            session, rules, "the filters" if len(rules) > 1 else "the filter", dict(source), as_scored
        )
    if "value" in source:
        return _by_value(session, str(source["value"]))
    if "similar" in source:
        return _by_likeness(session, nearest, source, as_scored)
    if "cluster" in source:
        return _by_cluster(session, str(source["cluster"]), as_scored)
    raise InputError("there is nothing to look for: write an id, a value or a rule")


def search(session: LabellingSession, nearest: Nearest, text: str, *, as_scored: bool = False) -> int | Found:
    """Find what a text means: the row of an item, or the items of a rule, or those that hold it as a value.

    Raises
    ------
    NotScoredYetError
        See `find`.
    RuleError
        When it looks like a rule and is none.
    InputError
        When it is empty.
    """
    text = text.strip()
    if not text:
        raise InputError("there is nothing to look for: write an id, a value or a rule")
    row = int(session.workspace.ids.find([text])[0])
    if row >= 0:
        return row
    try:
        return find(session, nearest, {"rule": text}, as_scored=as_scored)
    except RuleError:
        if _RULE_SIGNS.search(text):
            found = _by_value(session, text)
            if len(found.rows):
                return found
            raise
    return _by_value(session, text)


def near_rows(
    session: LabellingSession,
    nearest: Nearest,
    rows: NDArray[np.int64],
    name: str,
    how_many: Mapping[str, Any],
    source: dict[str, Any],
) -> Found:
    """The items nearest to the mean of some rows; touches all rows.

    Parameters
    ----------
    how_many
        ``{"k": n}`` for the n nearest, or ``{"within": distance}`` for all that are so near, 1,000 at most.
    source
        What finds them again, see `Found`.
    """
    within = how_many.get("within")
    k = MOST if within is not None else min(max(int(how_many.get("k", USUAL)), FEWEST), MOST)
    near = nearest.to(rows, k, session.settings.metric)  # type: ignore[arg-type]
    if within is None:
        found, words, note = np.ones(len(near.rows), bool), f"most like {name}", ""
    else:
        found = near.distances <= float(within)
        words, note = f"within {float(within):g} of {name}", TOO_MANY_NEAR if found.sum() == MOST else ""
    order = np.flatnonzero(found)[np.argsort(near.rows[found])]
    return Found(near.rows[order], f"{len(order):,} items {words}", source, near.distances[order], note)


def _by_rules(
    session: LabellingSession, texts: list[str], what: str, source: dict[str, Any], as_scored: bool
) -> Found:
    columns = Columns.of(session)
    rules = [parse(text, columns) for text in texts]
    kinds = sorted({kind for rule in rules for kind in rule.scores})
    old = [kind for kind in kinds if not (columns.scores.has(kind) and session.scores.is_fresh(kind))]
    if old and not (as_scored and all(columns.scores.has(kind) for kind in kinds)):
        raise NotScoredYetError(old)
    mask = np.ones(columns.n_rows, bool)
    for rule in rules:
        mask &= rule.mask(columns)
    note = f"The scores are those of round {min(columns.scores.rounds[kind] for kind in old)}." if old else ""
    return Found(np.flatnonzero(mask).astype(np.int64), f"{what} {' and '.join(texts)}", source, note=note)


def _by_value(session: LabellingSession, text: str) -> Found:
    """The items that hold a text, in upper or lower case, in a shown column of texts."""
    columns = Columns.of(session)
    roles = session.workspace.roles
    names = dict.fromkeys([roles.id, *roles.shown, *roles.text])
    keys = [f".{name}" for name in names if name not in (None, columns.hidden)]
    keys = [key for key in keys if columns.kind(key) == "text"]
    mask = np.zeros(columns.n_rows, bool)
    for key in keys:
        holds = pc.match_substring(columns.table.column(key[1:]).cast("large_string"), text, ignore_case=True)
        mask |= np.asarray(pc.fill_null(holds, False).to_numpy(), bool)
    short = text if len(text) <= LONGEST_NAMED else text[:LONGEST_NAMED] + "…"
    return Found(np.flatnonzero(mask).astype(np.int64), f"the search for '{short}'", {"value": text})


def _by_likeness(session: LabellingSession, nearest: Nearest, source: Mapping[str, Any], as_scored: bool) -> Found:
    target = source["similar"]
    if isinstance(target, Mapping):
        base = find(session, nearest, target, as_scored=as_scored)
        if not len(base.rows):
            raise InputError(f"{base.name} finds nothing, so nothing is like it: change it")
        return near_rows(session, nearest, base.rows, f"the mean of {base.name}", source, dict(source))
    return near_rows(session, nearest, _rows_of(session, str(target)), f"item {target}", source, dict(source))


def _by_cluster(session: LabellingSession, item_id: str, as_scored: bool) -> Found:
    """The items of the cluster in which an item lies."""
    row = _rows_of(session, item_id)[0]
    cluster = session.scores.values.cluster
    if cluster is None or not (as_scored or session.scores.is_fresh(CLUSTER)):
        raise NotScoredYetError([CLUSTER])
    rows = np.flatnonzero(np.asarray(cluster) == cluster[row]).astype(np.int64)
    return Found(rows, f"{len(rows):,} items of the cluster of item {item_id}", {"cluster": item_id})


def _rows_of(session: LabellingSession, item_id: str) -> NDArray[np.int64]:
    rows = session.workspace.ids.find([item_id])
    if rows[0] < 0:
        raise InputError(f"there is no item {item_id!r} any more: choose another one")
    return rows
