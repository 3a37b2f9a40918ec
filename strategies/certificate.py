"""The certificate of an audit campaign: its design, its numbers, and what they mean in plain words."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .campaign import Tally, campaign_measures
from .intervals import Interval
from .measures import MEASURES
from .strata import NO_CLASS, Strata

VERSION = 1
MODES = ("default", "guarantee")
COUNTS = ("total", "left")
HEADINGS = {
    "prevalence": "Share of the class in the whole pool",
    "total": "Members in the whole pool",
    "left": "Members without a label",
    "precision": "Precision of the model on the rest",
    "recall": "Recall of the model on the rest",
    "f1": "F1 of the model on the rest",
    "f_beta": "F-beta of the model on the rest",
    "completeness": "Completeness of the catalogue",
    "purity": "Purity of the catalogue",
}


def certificate(
    strata: Strata,
    tally: Tally,
    names: Sequence[str],
    n_found: Sequence[int],
    n_items: int,
    seed: int,
    facts: Mapping[str, Any],
    beta: float = 1.0,
) -> dict[str, Any]:
    """All that a campaign says, JSON-able; the same arguments give the same certificate.

    Parameters
    ----------
    strata
        What the pool was parted into before the first question.
    tally
        Questions and answers by stratum. The answers must be those of the first questions in their order.
    names
        Of all classes.
    n_found
        Labelled members of each wanted class when the campaign began.
    n_items
        Items in the pool.
    seed
        Of the sample, and of the draws that the limits come from.
    facts
        What else belongs to it, by name: model, threshold, dates, table, annotators.
    beta
        How many times as much recall weighs as precision in F-beta.
    """
    classes = [
        _class(strata, tally, names, k, found, n_items, seed, beta)
        for k, found in enumerate(int(n) for n in n_found)
    ]
    n_asked, n_answered = int(tally.asked.sum()), int(tally.answered.sum())
    result = {
        "version": VERSION,
        "facts": dict(facts),
        "seed": seed,
        "confidence": 0.95,
        "beta": beta,
        "n_items": n_items,
        "n_rest": strata.n_rest,
        "n_questions": n_asked,
        "n_answered": n_answered,
        "n_unjudged": int(tally.unjudged.sum()),
        "complete": n_answered == n_asked,
        "design": _design(strata, tally, names),
        "classes": classes,
    }
    return result | {"statement": _statement(result)}


def _class(
    strata: Strata,
    tally: Tally,
    names: Sequence[str],
    k: int,
    n_found: int,
    n_items: int,
    seed: int,
    beta: float,
) -> dict[str, Any]:
    c = strata.wanted[k]
    result: dict[str, Any] = {
        "class": c,
        "name": names[c],
        "n_found": n_found,
        "n_members": int(tally.found[:, c].sum()),
        "n_predicted": int(strata.sizes[strata.predicted == c].sum()),
    }
    by_mode = {}
    for number, mode in enumerate(MODES):
        rng = np.random.default_rng([seed, k, number, 1])  # not the generator of the sample
        guarantee = mode == "guarantee"
        by_mode[mode] = campaign_measures(
            strata.sizes, strata.predicted, tally, c, n_found, n_items, guarantee, rng, beta
        )
    usual = by_mode["default"]
    by_mode["guarantee"] = {name: _wider(one, usual[name]) for name, one in by_mode["guarantee"].items()}
    for mode in MODES:
        result[mode] = {name: by_mode[mode][name].to_list() for name in MEASURES}
    return result | {"statement": _sentences(result, usual, by_mode["guarantee"], strata.n_rest)}


def _wider(interval: Interval, other: Interval) -> Interval:
    """An interval with both in it: two sets of draws may differ by a little in the wrong direction."""
    low, high = np.minimum(interval.low, other.low), np.maximum(interval.high, other.high)
    return Interval(interval.point, float(low), float(high))


def _design(strata: Strata, tally: Tally, names: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "description": strata.descriptions[h],
            "predicted": None if c == NO_CLASS else names[c],
            "size": int(strata.sizes[h]),
            "expected_share": float(strata.member[h]),
            "questions": int(tally.asked[h]),
            "answered": int(tally.answered[h]),
            "unjudged": int(tally.unjudged[h]),
            "members": {names[w]: int(tally.found[h, w]) for w in strata.wanted},
        }
        for h, c in enumerate(strata.predicted.tolist())
    ]


# ---- in words ---------------------------------------------------------------------------------------


def _statement(result: Mapping[str, Any]) -> list[str]:
    """What holds for all classes."""
    asked, answered = result["n_questions"], result["n_answered"]
    if not result["n_rest"]:
        return ["Every item of the pool has a label: there is nothing to estimate."]
    if not answered:
        return ["No question has been answered: the campaign says nothing yet."]
    sentences = [
        f"All {asked:,} questions have been answered."
        if result["complete"]
        else f"The campaign was broken off after {answered:,} of {asked:,} questions. The questions came in "
        "random order, so that the numbers hold, with wider limits, provided that it was not the answers which "
        "made it stop."
    ]
    empty = [stratum["size"] for stratum in result["design"] if not stratum["answered"]]
    if empty:
        strata, items = _many(len(empty), "stratum has", "strata have"), _many(sum(empty), "item", "items")
        sentences.append(f"{strata} no answer: of {items} in them, none or all may be members.")
    if result["n_unjudged"]:
        sentences.append(
            f"{_many(result['n_unjudged'], 'item', 'items')} could not be judged and "
            f"{'counts' if result['n_unjudged'] == 1 else 'count'} as members of no class."
        )
    if answered == result["n_unjudged"]:
        sentences.append("No answer names a class: have the items judged again before you use these numbers.")
    return [
        *sentences,
        "Each range holds by itself with 95 % confidence; the guaranteed ones with no less, whatever is true.",
    ]


def _sentences(
    one: Mapping[str, Any], usual: Mapping[str, Interval], sure: Mapping[str, Interval], n_rest: int
) -> list[str]:
    """What holds for one class."""
    name = f"'{one['name']}'"
    total, n_found = usual["total"], one["n_found"]
    whole = (
        f"The pool holds between {_count(total.low, math.floor)} and {_count(total.high, math.ceil)} members of "
        f"{name}, of which {n_found:,} {'is' if n_found == 1 else 'are'} labelled."
    )
    if not n_rest:
        return [f"The pool holds {_many(n_found, 'member', 'members')} of {name}, all of them labelled."]
    of_all = f"{_between(usual['completeness'])} of all members of {name}"
    if not one["n_predicted"]:
        return [
            f"The model calls no item without a label {name}, so that it finds none of the remaining members.",
            whole,
            f"The labels hold {of_all}.",
        ]
    items = _many(one["n_predicted"], "item", "items")
    return [
        f"With 95 % confidence the model finds {_between(usual['recall'])} of the remaining members of {name} "
        f"(guaranteed: {_between(sure['recall'])}).",
        f"Of the {items} without a label that it calls {name}, {_between(usual['precision'])} "
        f"are right (guaranteed: {_between(sure['precision'])}).",
        whole,
        f"Labels together with the model's word for the rest hold {of_all}, and {_between(usual['purity'])} of "
        f"what they call {name} is right.",
    ]


def _between(interval: Interval) -> str:
    low, high = _per_cent(interval.low, interval.high)
    return f"{low} %" if low == high else f"between {low} % and {high} %"


def _per_cent(low: float, high: float) -> tuple[str, str]:
    """Percentages, rounded outwards, with as many digits as the narrower end needs."""
    digits = 0
    while digits < 4 and 0 < min(max(high, 1e-9), max(1 - low, 1e-9)) * 100 * 10**digits < 10:
        digits += 1
    scale = 100 * 10**digits
    ends = math.floor(low * scale + 1e-9) / 10**digits, math.ceil(high * scale - 1e-9) / 10**digits
    return f"{ends[0]:.{digits}f}", f"{ends[1]:.{digits}f}"


def _count(value: float, rounded: Callable[[float], int]) -> str:
    return f"{rounded(round(value, 6)):,}"


def _many(n: int, singular: str, plural: str) -> str:
    return f"{n:,} {singular if n == 1 else plural}"


# ---- as a page --------------------------------------------------------------------------------------


def markdown(certificate: Mapping[str, Any]) -> str:
    """A certificate as a page of Markdown, for an appendix."""
    lines = ["# Certificate of an audit campaign", ""]
    lines += [f"- {_text(s)}" for s in certificate["statement"]]
    for one in certificate["classes"]:
        lines += ["", f"## {_text(one['name'])}", ""]
        lines += [f"- {_text(s)}" for s in one["statement"]]
        rows = [
            [
                _heading(name, certificate["beta"]),
                *_cells(name, one["default"][name]),
                _range(name, *one["guarantee"][name][1:]),
            ]
            for name in MEASURES
            if name != "f_beta" or certificate["beta"] != 1
        ]
        lines += ["", *_table(["Measure", "Estimate", "95 % range", "Guaranteed range"], rows)]
    lines += ["", "## What was measured", ""]
    facts = {
        **certificate["facts"],
        "Items in the pool": f"{certificate['n_items']:,}",
        "Items without a label (the rest)": f"{certificate['n_rest']:,}",
        "Seed of the sample": certificate["seed"],
    }
    lines += _table(["Fact", "Value"], [[key, value] for key, value in facts.items()])
    lines += ["", "## How it was measured", "", _METHOD, ""]
    lines += _design_table(certificate)
    return "\n".join(lines) + "\n"


_METHOD = (
    "Model and threshold were frozen. The items without a label were parted into strata by prediction and "
    "probability, a simple random sample was drawn in each, and all questions were asked in one random order. "
    "Estimates are sums over the strata of their size times the share of members among the answers. The 95 % "
    "ranges come from beta-binomial draws: with Jeffreys' prior in the strata with the prediction, and with it "
    "once for all others. The guaranteed ranges come from the limits of Clopper and Pearson in each stratum; "
    "every measure takes the worse end of each of them."
)


def _heading(name: str, beta: float) -> str:
    return HEADINGS[name].replace("F-beta", f"F-beta (beta = {beta:g})")


def _cells(name: str, values: Sequence[float | None]) -> list[str]:
    point, low, high = values
    return ["unknown" if point is None else _number(name, point), _range(name, low, high)]


def _range(name: str, low: float | None, high: float | None) -> str:
    return "unknown" if low is None or high is None else f"{_number(name, low)} to {_number(name, high)}"


def _number(name: str, value: float) -> str:
    if name in COUNTS:
        return f"{value:,.0f}"
    return f"{value:.3f}" if value >= 0.1 or not value else f"{value:.3g}"


def _design_table(certificate: Mapping[str, Any]) -> list[str]:
    names = [one["name"] for one in certificate["classes"]]
    rows = [
        [
            stratum["description"],
            *(f"{stratum[key]:,}" for key in ("size", "questions", "answered")),
            *(f"{stratum['members'][name]:,}" for name in names),
            f"{stratum['unjudged']:,}",
        ]
        for stratum in certificate["design"]
    ]
    return _table(["Stratum", "Items", "Questions", "Answered", *names, "Not judged"], rows)


def _table(header: Sequence[Any], rows: Sequence[Sequence[Any]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(_text(cell) for cell in line) + " |" for line in lines]


def _text(value: Any) -> str:
    """Words that a table cell or a line can hold, whatever the names are."""
    return html.escape(" ".join(str(value).split()), quote=False).replace("|", "\\|")
