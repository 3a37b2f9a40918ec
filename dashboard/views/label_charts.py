"""Charts of the labels themselves: finds, their cost, what each strategy yields, and cross-validation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ...strategies.curves import cost_per_find, discovery
from ...strategies.intervals import wilson
from ..reasons import plain_name
from .charts import SHARES, labels_axis, nothing, short, thinned, up_to
from .drawing import REFERENCE, Axis, Band, Drawing, Line, Point, Whisker, Words
from .estimates_table import CROSS_VALIDATED, Look, interval_text
from .marks import mark

COSTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
NO_LABELS = "No label has been given yet."


def finds(is_member: Sequence[bool], n_items: int, total: Sequence[float | None], look: Look) -> Drawing:
    """Finds of one class over labels, beside a random and a perfect search.

    Parameters
    ----------
    is_member
        Whether each label was of the class, in the order of labelling.
    total
        Members in the pool: point and limits, None where unknown.
    """
    curve = discovery(is_member, n_items, [math.nan if value is None else value for value in total])
    labels, found = curve["labels"], curve["found"]
    highest = max(found[-1], *(value or 0 for value in curve["random_high"]), 1)
    x, y = labels_axis(labels[-1]), Axis(f"found: {short(look.name)}", up_to(highest))
    if labels[-1] == 0:
        return nothing(x, y, NO_LABELS)
    lines, bands = [Line(labels, found, look.colour, 2.5)], []
    words = [Words(labels[-1], found[-1], f"  {found[-1]:,} found")]
    says = f"{found[-1]:,} of '{look.name}' found among {labels[-1]:,} labels."
    if total[0] is not None:
        lines += _compared(curve)
        words += [Words(labels[-1], curve["random"][-1], "  random")]
        says += f" A random search would have found about {curve['random'][-1]:.1f}"
        says += f", a perfect one {curve['perfect'][-1]:,.0f}."
        steepest = min(0.9 * y.span[1], curve["perfect"][-1])
        words += [Words(steepest, steepest, " perfect")]
    if total[1] is not None and total[2] is not None:
        bands.append(Band(labels, curve["random_low"], curve["random_high"], REFERENCE))
    tip = f"{found[-1]:,} found among {labels[-1]:,} labels"
    end = Point(labels[-1], found[-1], look.colour, mark(look.index).marker, 10, tip)
    return Drawing(x, y, says, lines=tuple(lines), bands=tuple(bands), points=(end,), words=tuple(words))


def _compared(curve: Mapping[str, Any]) -> list[Line]:
    return [
        Line(curve["labels"], curve["random"], REFERENCE, 1.5, "dashed"),
        Line(curve["labels"], curve["perfect"], REFERENCE, 1.5, "dotted"),
    ]


def no_class() -> Drawing:
    """Axes alone, for there is no class to draw."""
    return nothing(
        Axis("", (0, 1)),
        Axis("", (0, 1)),
        "No class is looked for: choose one in the Strategy tab to see its chart.",
    )


def costs(is_member: Sequence[bool], look: Look) -> Drawing:
    """How many labels a find took, by window, on a logarithmic scale; open above where nothing was found."""
    windows = cost_per_find(is_member)
    ends, n_all = windows["labels"], len(is_member)
    columns = (windows[name] for name in ("labels", "n", "found", "low", "high", "labels_per_find"))
    dearest = max([10.0, *(1 / low for low in windows["low"] if low > 0)])
    top = math.log10(dearest) + 0.1
    x = labels_axis(n_all)
    y = Axis("labels per find", (-0.08, top), {math.log10(cost): f"{cost:,}" for cost in COSTS})
    if not n_all:
        return nothing(x, y, NO_LABELS)
    points, whiskers, says = [], [], []
    for begin, (end, n, found, low, high, cost) in zip([0, *ends], zip(*columns, strict=True), strict=False):
        middle, limits = (begin + end) / 2, (1 / high, 1 / low if low > 0 else math.inf)
        sentence = _window_words(begin, end, found, n, cost, limits)
        says.append(sentence)
        ends_at = min(math.log10(limits[1]), top)
        whiskers.append(Whisker((middle, middle), (math.log10(limits[0]), ends_at), look.colour))
        height, marker = (top - 0.05, "triangle") if cost is None else (math.log10(cost), mark(look.index).marker)
        points.append(Point(middle, height, look.colour, marker, 9, sentence))
    says_all = f"Labels per find of '{look.name}'. " + " ".join(says)
    return Drawing(x, y, says_all, points=tuple(points), whiskers=tuple(whiskers))


def _window_words(
    begin: int, end: int, found: int, n: int, cost: float | None, limits: tuple[float, float]
) -> str:
    span = f"Labels {begin + 1:,} to {end:,}: "
    if cost is None:
        return f"{span}no find among {n}, at least {limits[0]:.1f} labels per find."
    return f"{span}{found} found, {cost:.1f} labels per find ({limits[0]:.1f}–{limits[1]:.1f})."


def arms(entries: Sequence[Mapping[str, Any]]) -> Drawing:
    """Finds per label of each strategy with their limits, the best one on top."""
    x = Axis("wanted items found per label", (-0.03, 1.3), {k / 5: f"{k / 5:g}" for k in range(6)})
    asked = sorted(
        (entry for entry in entries if entry["asked"]), key=lambda entry: entry["found"] / entry["asked"]
    )
    if not asked:
        return nothing(x, Axis("", (0, 1)), "No strategy has asked for a label yet.")
    points, whiskers, words, says = [], [], [], []
    for place, entry in enumerate(asked):
        limits = wilson(entry["found"], entry["asked"]).to_list()
        name = plain_name(entry["arm"])
        sentence = f"{name}: {interval_text(limits)}, {entry['found']:,} of {entry['asked']:,}"
        says.append(sentence)
        points.append(Point(entry["found"] / entry["asked"], place, REFERENCE, "circle", 8, sentence))
        whiskers.append(Whisker((limits[1] or 0.0, limits[2] or 1.0), (place, place), REFERENCE))
        words.append(Words(1.28, place - 0.35, f"{entry['found']:,} of {entry['asked']:,}", ends=True))
    names = {float(place): short(plain_name(entry["arm"])) for place, entry in enumerate(asked)}
    y = Axis("", (-0.6, len(asked) - 0.4), names)
    return Drawing(
        x, y, "Yield by strategy. " + "; ".join(reversed(says)) + ".",
        points=tuple(points), whiskers=tuple(whiskers), words=tuple(words),
    )  # fmt: skip


def cross_validation(reports: Sequence[Mapping[str, Any]], classes: Sequence[Look], measure: str) -> Drawing:
    """One measure on the collected labels over their number, a line a class; without limits, for it has none."""
    key = CROSS_VALIDATED[measure]
    by_class = {
        look: [
            (report["n_labels"], entry[key])
            for report in thinned(reports)
            for entry in report.get("metrics") or ()
            if entry["class"] == look.index and entry[key] is not None
        ]
        for look in classes
    }
    known = {look: rows for look, rows in by_class.items() if rows}
    x = labels_axis(max((rows[-1][0] for rows in known.values()), default=1))
    y = Axis(f"{measure} on the labels", SHARES)
    if not known:
        return nothing(x, y, "There are too few labels for cross-validation yet.")
    return Drawing(
        x,
        y,
        f"Cross-validated {measure} on the collected labels. "
        + " ".join(f"{look.name}: {rows[-1][1]:.2f}." for look, rows in known.items()),
        lines=tuple(
            Line([at for at, _ in rows], [value for _, value in rows], look.colour, 2.5 if look.wanted else 1)
            for look, rows in known.items()
        ),
        points=tuple(
            Point(*rows[-1], look.colour, mark(look.index).marker, 9, f"{look.name}: {rows[-1][1]:.2f}")
            for look, rows in known.items()
        ),
        words=tuple(Words(*rows[-1], f"  {short(look.name)}") for look, rows in known.items() if look.wanted),
    )
