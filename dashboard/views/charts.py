"""Charts of what the sealed audit says: measures over labels, precision and recall, reliability."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .drawing import FAINT, REFERENCE, Axis, Band, Drawing, Line, Point, Whisker, Words
from .estimates_table import Look, interval_text, is_narrow, share_text
from .marks import mark

MEASURES = {
    "Recall": "recall",
    "Precision": "precision",
    "F1": "f1",
    "Completeness": "completeness",
    "Purity": "purity",
    "Prevalence": "prevalence",
    "AP": "ap",
    "AUROC": "auroc",
}
MOST_ROUNDS = 200
LONGEST_NAME = 16
SHARES = (-0.03, 1.03)
LEAST = -4.0  # log10 of the smallest probability of the reliability chart
NO_ROUND = "No round has estimated this yet: answer audit questions."


def nothing(x: Axis, y: Axis, why: str) -> Drawing:
    """Axes without anything, and why."""
    return Drawing(x, y, why)


def thinned(items: Sequence[Any], most: int = MOST_ROUNDS) -> list[Any]:
    """At most so many of them, evenly spaced, the first and the last included."""
    if len(items) <= most:
        return list(items)
    return [items[int(i)] for i in np.linspace(0, len(items) - 1, most).round()]


def up_to(highest: float) -> tuple[float, float]:
    """What an axis from zero spans for values up to this one, with room for a word above."""
    return -0.03 * highest, 1.12 * highest


def labels_axis(highest: float) -> Axis:
    """The axis of numbers of labels, with room for names at its end."""
    return Axis("labels", (-0.02 * max(highest, 1), 1.24 * max(highest, 1)))


# ---- measures over labels ---------------------------------------------------------------------------


def history(
    reports: Iterable[Mapping[str, Any]], newest: Mapping[str, Any], n_labels: int, index: int, key: str
) -> list[tuple[int, Sequence[Any]]]:
    """One measure of one class by number of labels, where it has limits.

    Parameters
    ----------
    reports
        Of the rounds; those without estimates, or without the class, are passed over.
    newest
        The newest estimates, which may know more answers than the last round's; empty where there are none.
    n_labels
        How many labels there are now.
    """
    known = [(report["n_labels"], report.get("estimates")) for report in reports]
    if newest and (not known or known[-1][1] is not newest):
        known = [entry for entry in known if entry[0] < n_labels] + [(n_labels, newest)]
    out = []
    for at, estimates in known:
        entries = (estimates or {}).get("classes") or ()
        limits = next((entry.get(key) for entry in entries if entry["class"] == index), None)
        if limits is not None and limits[1] is not None and limits[2] is not None:
            out.append((at, limits))
    return out


def over_labels(
    reports: Sequence[Mapping[str, Any]],
    newest: Mapping[str, Any],
    n_labels: int,
    classes: Sequence[Look],
    measure: str,
) -> Drawing:
    """One measure of the wanted classes over the number of labels, with its limits.

    Parameters
    ----------
    classes
        Those that are drawn.
    measure
        One of `MEASURES`.
    """
    key = MEASURES[measure]
    kept = thinned(reports)
    known = {look: history(kept, newest, n_labels, look.index, key) for look in classes}
    y = Axis(f"{measure} (95 % limits)", SHARES)
    if key == "prevalence":
        y = Axis(y.label, up_to(max((limits[2] for rows in known.values() for _, limits in rows), default=1.0)))
    x = labels_axis(max((at for rows in known.values() for at, _ in rows), default=1))
    known = {look: rows for look, rows in known.items() if rows}
    if not known:
        return nothing(x, y, NO_ROUND)
    return Drawing(
        x,
        y,
        f"{measure} over labels. " + " ".join(_newest(look, rows) for look, rows in known.items()),
        lines=tuple(_line(look, rows) for look, rows in known.items()),
        bands=tuple(_band(look, rows) for look, rows in known.items()),
        points=tuple(point for look, rows in known.items() for point in _marks(look, measure, rows)),
        words=tuple(_name(look, rows) for look, rows in known.items()),
    )


Rows = Sequence[tuple[int, Sequence[Any]]]


def _line(look: Look, rows: Rows) -> Line:
    return Line([at for at, _ in rows], [_or_nan(limits[0]) for _, limits in rows], look.colour, 1)


def _band(look: Look, rows: Rows) -> Band:
    low, high = ([limits[place] for _, limits in rows] for place in (1, 2))
    return Band([at for at, _ in rows], low, high, look.colour)


def _marks(look: Look, measure: str, rows: Rows) -> list[Point]:
    """Points at the rounds, small where the limits are far apart, and the mark of the class at the newest."""
    shown = [(at, limits) for at, limits in rows if limits[0] is not None]
    last = len(shown) - 1
    return [
        Point(
            at,
            limits[0],
            look.colour,
            mark(look.index).marker if i == last else "circle",
            10 if i == last else 5 if is_narrow(limits) else 2,
            f"{look.name}: {measure} {interval_text(limits)} at {at:,} labels",
        )
        for i, (at, limits) in enumerate(shown)
    ]


def _name(look: Look, rows: Rows) -> Words:
    at, limits = rows[-1]
    height = (limits[1] + limits[2]) / 2 if limits[0] is None else limits[0]
    return Words(at, height, f"  {short(look.name)}")


def _newest(look: Look, rows: Rows) -> str:
    at, limits = rows[-1]
    return f"{look.name}: {interval_text(limits)} at {at:,} labels."


def short(name: str) -> str:
    """A name that fits into a chart."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


# ---- precision and recall ---------------------------------------------------------------------------


def curves_of(estimates: Mapping[str, Any], look: Look) -> Mapping[str, Any]:
    """The curves of one class; empty where there are none."""
    return (estimates.get("curves") or {}).get(str(look.index)) or {}


def precision_recall(estimates: Mapping[str, Any], look: Look) -> Drawing:
    """The precision-recall curve of one class with its limits, the base rate, lines of equal F1, and the model."""
    x, y = Axis("recall", SHARES), Axis("precision", SHARES)
    curves = curves_of(estimates, look)
    curve = curves.get("pr") or {}
    if not curve.get("recall"):
        return nothing(x, y, f"No member of '{look.name}' has been audited yet: there is no curve to draw.")
    entry = next(entry for entry in estimates["classes"] if entry["class"] == look.index)
    base = curves.get("base_rate")
    lines = [*_equal_f1(), Line(curve["recall"], curve["precision"], look.colour, 2.5)]
    words = [Words(0.98, _height(f, 0.98), f"F1 {f:g}", ends=True) for f in (0.2, 0.4, 0.6, 0.8)]
    if base is not None:
        lines.append(Line(SHARES, [base, base], REFERENCE, 1.5, "dashed"))
        words.append(Words(0.0, base, f"base rate {share_text(base)}"))
    points, whiskers = _operating_point(entry, look)
    return Drawing(
        x,
        y,
        f"Precision over recall of '{look.name}', {entry['n_members']:,} audited members. The model decides with "
        f"precision {interval_text(entry['precision'])}, recall {interval_text(entry['recall'])}. AP "
        f"{interval_text(entry['ap'])}, base rate {'unknown' if base is None else share_text(base)}.",
        lines=tuple(lines),
        bands=(Band(curve["recall"], curve["low"], curve["high"], look.colour),),
        points=points,
        whiskers=whiskers,
        words=tuple(words),
    )


def _equal_f1() -> list[Line]:
    """Lines of equal F1, ``precision = F r / (2 r - F)``."""
    lines = []
    for f in (0.2, 0.4, 0.6, 0.8):
        recall = np.linspace(f / (2 - f), 1, 50)
        lines.append(Line(recall.tolist(), [_height(f, r) for r in recall], FAINT, 1))
    return lines


def _height(f: float, recall: float) -> float:
    return float(f * recall / (2 * recall - f))


def _operating_point(entry: Mapping[str, Any], look: Look) -> tuple[tuple[Point, ...], tuple[Whisker, ...]]:
    """Where the model stands as it decides, with the limits of both."""
    (recall, r_low, r_high), (precision, p_low, p_high) = entry["recall"], entry["precision"]
    if None in (recall, r_low, r_high, precision, p_low, p_high):
        return (), ()
    tip = f"as it decides: precision {interval_text(entry['precision'])}, recall {interval_text(entry['recall'])}"
    return (
        (Point(recall, precision, look.colour, mark(look.index).marker, 11, tip),),
        (
            Whisker((r_low, r_high), (precision, precision), look.colour),
            Whisker((recall, recall), (p_low, p_high), look.colour),
        ),
    )


# ---- reliability ------------------------------------------------------------------------------------


def reliability(estimates: Mapping[str, Any], look: Look) -> Drawing:
    """What is observed over what is predicted, both in logarithms, with limits and the diagonal."""
    ticks = {
        float(k): text for k, text in zip(range(-4, 1), ("≤ 0.01 %", "0.1 %", "1 %", "10 %", "100 %"), strict=True)
    }
    span = (LEAST - 0.15, 0.1)
    x, y = Axis("predicted probability", span, ticks), Axis("observed share", span, ticks)
    bins = curves_of(estimates, look).get("reliability") or {}
    shown = [
        values
        for values in zip(
            *(bins.get(name, ()) for name in ("predicted", "observed", "low", "high", "n")), strict=True
        )
        if values[-1]
    ]
    if not shown:
        return nothing(
            x, y, f"No audited item has a probability of '{look.name}' yet: there is nothing to compare."
        )
    points = tuple(
        Point(_log(p), _log(o), look.colour, mark(look.index).marker, 8, _bin_words(p, o, low, high, n))
        for p, o, low, high, n in shown
    )
    return Drawing(
        x,
        y,
        f"Reliability of '{look.name}': " + "; ".join(_bin_words(*values) for values in shown) + ".",
        lines=(Line(span, span, REFERENCE, 1.5, "dashed"),),
        points=points,
        whiskers=tuple(
            Whisker((_log(p), _log(p)), (_log(low), _log(high)), look.colour) for p, _, low, high, _ in shown
        ),
        words=(Words(-0.9, -0.85, "as predicted ", ends=True),),
    )


def _bin_words(predicted: float, observed: float, low: float, high: float, n: int) -> str:
    limits = f"{share_text(low)} to {share_text(high)}"
    return f"predicted {share_text(predicted)}, observed {share_text(observed)} ({limits}) of {n:,} audited"


def _log(value: float) -> float:
    """The logarithm to base 10, at the edge for what is smaller than the chart shows."""
    return max(math.log10(max(value, 1e-300)), LEAST)
