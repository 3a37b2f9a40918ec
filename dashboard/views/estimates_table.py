"""What the sealed audit says of the pool as HTML: numbers with their limits, class by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, NamedTuple

from .marks import mark, on_ground
from .raster import DARK, LIGHT, Theme

Limits = Sequence[float | None]

NARROW = 0.3  # an interval at most so wide lets its point speak first
METHODS = {
    "beta-binomial": "beta-binomial limits",
    "gamma": "gamma limits",
    "guarantee": "guaranteed limits",
}
AUDIT, LABELS = "audit", "labels"
FIRST_STAGE = 50
WARNING = "On the labels you collected, not the pool"
EXPLANATION = "Cross-validated on labels that a strategy chose: shows learning, says nothing about the pool."
CROSS_VALIDATED = {"F1": "f1", "Precision": "precision", "Recall": "recall"}
CELL = "padding:1px 10px 1px 0;white-space:nowrap;text-align:left;vertical-align:top"
MOST_FITTED = 3  # classes that are made to fit the width; more are scrolled through


@dataclass(frozen=True)
class Look:
    """A class as it is shown: its place in the taxonomy, name, colour, and whether it is looked for."""

    index: int
    name: str
    colour: str
    wanted: bool

    @property
    def html(self) -> str:
        """Its mark and its name, escaped."""
        sign = f'<span aria-hidden="true" style="color:{escape(self.colour)}">{mark(self.index).character}</span>'
        return f"{sign} {escape(self.name)}"


class Row(NamedTuple):
    """One line of the table: its words, where its numbers come from, and what it means."""

    words: str
    key: str
    source: str
    meaning: str
    counts: bool = False
    per_cent: bool = False


ROWS = (
    Row("Found", "found", LABELS, "Labels of this class, those of the audit included"),
    Row("In the pool", "total", AUDIT, "Members of the class in the whole table", counts=True),
    Row("Prevalence", "prevalence", AUDIT, "Share of the class in the whole table", per_cent=True),
    Row("Left", "unlabelled", AUDIT, "Members that have no label yet", counts=True),
    Row("Precision", "precision", AUDIT, "Of the items that the model calls members, the share that are"),
    Row("Recall", "recall", AUDIT, "Of the members without a training label, the share that the model calls so"),
    Row("F1", "f1", AUDIT, "Between precision and recall, nearer to the lower one"),
    Row("Completeness", "completeness", AUDIT, "Recall of your labels with the model's word for the rest"),
    Row("Purity", "purity", AUDIT, "Precision of your labels with the model's word for the rest"),
    Row("Precision@{k}", "precision_at_k", AUDIT, "Of the next items by score, the share of members"),
    Row("Recall@{k}", "recall_at_k", AUDIT, "Of the members that are left, the share among those"),
    Row("AP", "ap", AUDIT, "Average precision: the top of the ranking; depends on how common the class is"),
    Row("AUROC", "auroc", AUDIT, "The chance that a member is ranked above an item that is none"),
)

AT_K = {"precision_at_k": "precision", "recall_at_k": "recall"}


def looks(taxonomy: Any, dark: bool = False) -> list[Look]:
    """The classes as they are shown in a theme, those that are looked for first."""
    every = [Look(i, c.name, on_ground(c.colour, dark), bool(c.wanted)) for i, c in taxonomy.shown if c.is_learnt]
    return sorted(every, key=lambda look: not look.wanted)


# ---- numbers ----------------------------------------------------------------------------------------


def interval_text(limits: Limits, counts: bool = False) -> str:
    """A point with its limits, ``0.83 (0.71–0.92)``; the limits first where they are far apart.

    Parameters
    ----------
    limits
        Point, low and high, None where unknown.
    counts
        Whether they are numbers of items rather than shares.
    """
    point, span = _parts(limits, counts)
    if span is None:
        return "–" if point is None else point
    if point is None:
        return span
    return f"{point} ({span})" if is_narrow(limits, counts) else f"{span}, perhaps {point}"


def interval_html(limits: Limits, counts: bool = False) -> str:
    """`interval_text` with the point in bold where the limits let it speak."""
    text = interval_text(limits, counts)
    if not is_narrow(limits, counts):
        return text
    point, _, span = text.partition(" ")
    return f"<b>{point}</b> {span}"


def is_narrow(limits: Limits, counts: bool = False) -> bool:
    """Whether all three are known and at most 30 points apart; 30 % of the upper limit for counts."""
    point, low, high = limits
    if point is None or low is None or high is None:
        return False
    return high - low <= NARROW * (high if counts else 1.0) + 1e-9


def _parts(limits: Limits, counts: bool) -> tuple[str | None, str | None]:
    point, low, high = (None if value is None else number(value, counts) for value in limits)
    return point, None if low is None or high is None else f"{low}–{high}"


def number(value: float, counts: bool = False) -> str:
    """A share with two digits after the point, or a number of items without any."""
    return f"{value:,.0f}" if counts else f"{value:.2f}"


def share_text(value: float) -> str:
    """A share in per cent with two significant digits, as small ones need."""
    return f"{float(f'{100 * value:.2g}'):g} %"


def unlabelled(entry: Mapping[str, Any]) -> list[float | None]:
    """Members of a class without any label: what is left beside the training labels, less the sealed ones."""
    return [None if value is None else max(value - entry["n_members"], 0.0) for value in entry["left"]]


# ---- where they come from ---------------------------------------------------------------------------


def source_sentence(estimates: Mapping[str, Any], audit: Mapping[str, Any] | None, n_queued: int) -> str:
    """What the numbers are of and how they were obtained, or why there are none yet.

    Parameters
    ----------
    estimates
        The newest report of the estimates, empty where there is none.
    audit
        What the newest round says of the audit, None without an audit or a round.
    n_queued
        Questions of the audit in the queue.
    """
    more = f"{n_queued:,} more in the queue" if n_queued else "none in the queue"
    if estimates.get("n_audit"):
        return _source(estimates, more)
    answered = (audit or {}).get("n_answered", 0)
    if audit is None and not n_queued:
        return (
            "No numbers for the pool yet: they come from the sealed audit. It begins with the first round; if the "
            "audit share in the Strategy tab is 0, raise it."
        )
    begin = "numbers begin with the first" if not answered else "numbers begin when two classes have a label"
    return f"{answered:,} of the first {FIRST_STAGE} audit questions answered ({more}); {begin}."


def _source(estimates: Mapping[str, Any], more: str) -> str:
    n, method = estimates["n_audit"], estimates["method"]
    answers = "answer" if n == 1 else "answers"
    parts = [
        f"From {n:,} sealed audit {answers} ({more}), method: {METHODS.get(method, method)}; model on the "
        f"{estimates['n_rest']:,} of {estimates['n_items']:,} items it did not learn from."
    ]
    if estimates["n_unjudged"]:
        parts.append(f"{estimates['n_unjudged']:,} unsure or flagged answers count as members of no class.")
    return " ".join(parts)


# ---- tables -----------------------------------------------------------------------------------------


def estimates_table(
    classes: Sequence[Look], estimates: Mapping[str, Any], found: Mapping[str, int], dark: bool
) -> str:
    """Classes side by side, measures below each other, and under them what has to be known of each class.

    Parameters
    ----------
    classes
        In the order in which they are shown.
    found
        Labels by the name of the class.
    """
    theme = DARK if dark else LIGHT
    entries = {entry["class"]: entry for entry in estimates.get("classes") or ()}
    fixed = f"position:sticky;left:0;background:{theme.ground}"
    cell = f"{CELL};white-space:normal" if len(classes) <= MOST_FITTED else CELL
    head = "".join(f'<th scope="col" style="{cell}">{look.html}{_wanted(look)}</th>' for look in classes)
    body = "".join(
        f'<tr data-measure="{row.key}"><th scope="row" style="{CELL};font-weight:400;{fixed}" '
        f'title="{escape(row.meaning)}; from the {row.source}">{_words(row, entries)}'
        f"{_source_mark(row, theme)}</th>"
        + "".join(f'<td style="{cell}">{_cell(row, look, entries, found)}</td>' for look in classes)
        + "</tr>"
        for row in ROWS
    )
    return (
        f'<table style="border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:13px" '
        f'data-testid="estimates"><thead><tr><th scope="col" style="{CELL};{fixed};font-weight:400">'
        f"95 % intervals</th>{head}</tr></thead><tbody>{body}</tbody></table>"
        f"{_notes(classes, entries)}"
    )


def _wanted(look: Look) -> str:
    return ' <span style="font-weight:400" title="a class that is looked for">wanted</span>' if look.wanted else ""


def _source_mark(row: Row, theme: Theme) -> str:
    """Where its numbers come from, at the first row of each source: below it they come from there too."""
    is_first = row is next(one for one in ROWS if one.source == row.source)
    return f' <small style="color:{theme.points[1]}">{row.source}</small>' if is_first else ""


def _cell(row: Row, look: Look, entries: Mapping[int, Mapping[str, Any]], found: Mapping[str, int]) -> str:
    if row.key == "found":
        return f"{found.get(look.name, 0):,}"
    entry = entries.get(look.index)
    if entry is None:
        return "–"
    if row.per_cent:
        return _breakable(_per_cent(entry[row.key]))
    return _breakable(interval_html(_limits(row.key, entry), row.counts))


def _breakable(html: str) -> str:
    """The point and the limits, of which neither is broken into two lines."""
    first, _, second = html.partition(" ")
    whole = '<span style="white-space:nowrap">'
    return f"{whole}{first}</span> {whole}{second}</span>" if second else html


def _limits(key: str, entry: Mapping[str, Any]) -> Limits:
    if key == "unlabelled":
        return unlabelled(entry)
    if key in AT_K:
        at_k = entry["precision_at"]
        return (None, None, None) if at_k is None else at_k[AT_K[key]]
    limits: Limits = entry[key]
    return limits


def _per_cent(limits: Limits) -> str:
    """A small share: the limits in per cent, and the point where there is one."""
    point, low, high = (None if value is None else share_text(value).removesuffix(" %") for value in limits)
    span = "–" if low is None or high is None else f"{low}–{high}\u00a0%"
    return span if point is None else f"{span}, perhaps {point}"


def _words(row: Row, entries: Mapping[int, Mapping[str, Any]]) -> str:
    """The words of a row, with how many items are meant by the best ones."""
    known = [entry["precision_at"]["k"] for entry in entries.values() if entry.get("precision_at")]
    return row.words.format(k=f"{known[0]:,}" if known else "k")


def _notes(classes: Sequence[Look], entries: Mapping[int, Mapping[str, Any]]) -> str:
    """The notes of the wanted classes, then those of the others, as a list."""
    lines = "".join(
        f'<li style="margin:0">{look.html}: {escape(entries[look.index]["note"])}</li>'
        for look in classes
        if look.index in entries and entries[look.index]["note"]
    )
    return f'<ul data-testid="estimate-notes" style="{NOTES}">{lines}</ul>' if lines else ""


NOTES = "list-style:none;margin:4px 0;padding:0;font-size:13px;max-width:60ch"


def confusion_table(classes: Sequence[Look], counts: Sequence[Sequence[float]], dark: bool) -> str:
    """Estimated items by true class (rows) and predicted class (columns); the ground tells the share of a row."""
    shown = [look for look in classes if look.index < len(counts)]
    theme = DARK if dark else LIGHT
    fixed = f"position:sticky;left:0;background:{theme.ground}"
    head = "".join(f'<th scope="col" style="{CELL};text-align:right">{look.html}</th>' for look in shown)
    lines = []
    for look in shown:
        row = [counts[look.index][other.index] for other in shown]
        total = sum(counts[look.index])
        cells = "".join(_confused(value, total, look is other) for value, other in zip(row, shown, strict=True))
        lines.append(f'<tr><th scope="row" style="{CELL};font-weight:500;{fixed}">{look.html}</th>{cells}</tr>')
    return (
        f'<table style="border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:13px" '
        f'data-testid="confusion"><thead><tr><th scope="col" style="{CELL};font-weight:400;{fixed}">'
        f"true ↓ predicted →</th>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    )


def _confused(value: float, total: float, is_right: bool) -> str:
    share = value / total if total else 0.0
    ground = (
        f"background:rgba({'0,114,178' if is_right else '213,94,0'},{0.1 + 0.25 * share:.2f})" if value else ""
    )
    text = "·" if not value else "< 1" if value < 0.5 else f"{value:,.0f}"
    return f'<td style="padding:1px 8px;text-align:right;{ground}">{text}</td>'


def cross_validation_table(
    classes: Sequence[Look], metrics: Sequence[Mapping[str, Any]], found: Mapping[str, int]
) -> str:
    """Precision, recall and F1 on the collected labels, one line a class."""
    newest = {entry["class"]: entry for entry in metrics}
    lines = []
    for look in classes:
        entry = newest.get(look.index, {})
        values = ("–" if entry.get(key) is None else f"{entry[key]:.2f}" for key in CROSS_VALIDATED.values())
        cells = "".join(f'<td style="{CELL}">{text}</td>' for text in (f"{found.get(look.name, 0):,}", *values))
        lines.append(
            f'<tr><th scope="row" style="{CELL};font-weight:500">{look.html}{_wanted(look)}</th>{cells}</tr>'
        )
    head = "".join(f'<th scope="col" style="{CELL}">{name}</th>' for name in ("Class", "Labels", *CROSS_VALIDATED))
    return (
        f'<table style="border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:13px" '
        f'data-testid="metrics"><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table>'
    )
