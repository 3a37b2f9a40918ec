"""Curves of a simulation as a picture or a page: what was found, and how good the model was, against labels."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..data.errors import InputError
from ..data.taxonomy import COLOURS, WANTED_COLOURS
from .simulation_report import COMBINATION

PICTURES = (".png", ".svg")
PAGES = (".html",)
MAX_POINTS = 400
N_MARKS = 8

# As many dashes and colours as have no common divisor, so that 28 curves differ.
PALETTE = (COLOURS[0], WANTED_COLOURS[0], COLOURS[1], WANTED_COLOURS[1], COLOURS[2], COLOURS[4], WANTED_COLOURS[2])
DASHES: tuple[tuple[int, ...], ...] = ((), (6, 3), (2, 2), (7, 2, 2, 2))
MARKERS = (("o", "circle"), ("s", "square"), ("^", "triangle"), ("D", "diamond"), ("v", "inverted_triangle"),
           ("P", "plus"), ("X", "x"), ("h", "hex"), ("*", "star"))  # fmt: skip
REFERENCE = "#59636e"
REFERENCE_DASHES: tuple[tuple[int, ...], ...] = ((), (9, 3, 1, 3))
X_LABEL = "labels given (items)"
FOUND_LABEL = "wanted items found (items)"
AP_LABEL = "average precision on rows held out (0 to 1)"


@dataclass(frozen=True)
class Line:
    """A mean over seeds against the number of labels, ``(n_points,)`` each; `error` is NaN with one seed."""

    labels: NDArray[np.float64]
    mean: NDArray[np.float64]
    error: NDArray[np.float64]

    @property
    def has_band(self) -> bool:
        """Whether there is an error to show."""
        return bool(np.isfinite(self.error).any())


@dataclass(frozen=True)
class Curve:
    """The two lines of a strategy and classifier, and how they are drawn."""

    name: str
    found: Line
    precision: Line
    colour: str
    dash: tuple[int, ...]
    marker: tuple[str, str]
    number: int

    def marks(self, line: Line) -> NDArray[np.int64]:
        """The points that carry a marker, at other places for each curve."""
        n = len(line.labels)
        step = max(n // N_MARKS, 1)
        return np.arange((self.number * max(step // 3, 1)) % step, n, step)


def check_plot(path: Path) -> None:
    """Raise InputError when a plot of this name cannot be made here."""
    if path.suffix not in PICTURES + PAGES:
        raise InputError(f"--plot {path} must end in {', '.join(PICTURES)} or {', '.join(PAGES)}")
    if path.suffix in PICTURES and find_spec("matplotlib") is None:
        raise InputError(
            f"--plot {path.name} needs matplotlib: install it with pip install \"rareloop[plot]\", or let the "
            "name end in .html"
        )  # fmt: skip


def plot(frame: pd.DataFrame, path: Path, title: str) -> None:
    """Draw discovery and average precision against labels, as what the name of the file ends in.

    Parameters
    ----------
    frame
        One row a strategy, classifier, seed and round.
    path
        ``.png`` or ``.svg`` (with matplotlib), or ``.html`` (with Bokeh, everything in the one file).

    Raises
    ------
    InputError
        When the file cannot be written, or matplotlib is not there.
    """
    check_plot(path)
    lines = curves(frame)
    try:
        if path.suffix in PAGES:
            path.write_text(_page(lines, reference_lines(frame), title), encoding="utf-8")
        else:
            _picture(lines, reference_lines(frame), title).savefig(path, dpi=150)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}): choose another --plot") from error


# ---- the lines --------------------------------------------------------------------------------------


def curves(frame: pd.DataFrame) -> list[Curve]:
    """The curves, by strategy and classifier; the name of a classifier is left out when there is one only."""
    one = len(frame["classifier"].unique()) == 1
    result = []
    for number, ((strategy, classifier), rounds) in enumerate(frame.groupby(COMBINATION)):
        result.append(
            Curve(
                str(strategy) if one else f"{strategy}, {classifier}",
                _discovery(rounds),
                _precision(rounds),
                PALETTE[number % len(PALETTE)],
                DASHES[number % len(DASHES)],
                MARKERS[number % len(MARKERS)],
                number,
            )
        )
    return result


def _discovery(rounds: pd.DataFrame) -> Line:
    """Wanted items found after each label, from where all runs have their start to where all have ended."""
    by_seed = rounds.sort_values("round").groupby("seed")
    low, high = by_seed["n_labels"].min().max(), by_seed["n_labels"].max().min()
    labels = np.unique(np.linspace(low, high, min(int(high - low) + 1, MAX_POINTS)).round())
    found = [
        np.searchsorted(np.array(list(itertools.chain.from_iterable(hits)), float), labels, side="right")
        for _, hits in by_seed["hits"]
    ]
    return _over_seeds(labels, np.array(found, float))


def _precision(rounds: pd.DataFrame) -> Line:
    """Average precision at the rounds in which every seed has a model: easy seeds have theirs first."""
    values = rounds.set_index(["seed", "n_labels"])["average_precision"]
    table = values.unstack().dropna(axis=1)  # noqa: PD010  (pivot_table would drop seeds without any)
    return _over_seeds(table.columns.to_numpy(float), table.to_numpy(float))


def _over_seeds(labels: NDArray[np.float64], values: NDArray[np.float64]) -> Line:
    n = len(values)
    error = values.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.full(len(labels), np.nan)
    return Line(labels, values.mean(axis=0) if n else np.empty(0), error)


def reference_lines(frame: pd.DataFrame) -> dict[str, Line]:
    """What drawing at random would find on average after the start, and what nobody can beat."""
    first = frame[frame["round"] == 0]
    start, found, total, n_items = (first[c].mean() for c in ("n_labels", "n_found", "n_total", "n_items"))
    end = frame["n_labels"].max()
    full = start + total - found
    labels = np.unique([start, min(full, end), end])
    at_random = found + (labels - start) * (total - found) / max(n_items - start, 1)
    best = np.minimum(found + labels - start, total)
    unknown = np.full(len(labels), np.nan)
    return {"perfect": Line(labels, best, unknown), "random, on average": Line(labels, at_random, unknown)}


def found_range(lines: Sequence[Curve], references: dict[str, Line]) -> tuple[float, float]:
    """From nothing to a little above the highest line."""
    highest = max(line.mean.max() for line in (*references.values(), *(curve.found for curve in lines)))
    return 0.0, 1.05 * max(highest, 1.0)


def precision_range(lines: Sequence[Curve]) -> tuple[float, float]:
    """A little around the lines, since strategies differ by far less than the whole range."""
    ends = [
        curve.precision.mean + sign * np.nan_to_num(curve.precision.error) for curve in lines for sign in (-1, 1)
    ]
    values = np.concatenate(ends)
    if not len(values):
        return 0.0, 1.0
    margin = max(0.08 * float(np.ptp(values)), 0.01)
    return max(float(values.min()) - margin, 0.0), float(values.max()) + margin


def _found(lines: Sequence[Curve]) -> list[tuple[Curve, Line]]:
    return [(curve, curve.found) for curve in lines]


def _precisions(lines: Sequence[Curve]) -> list[tuple[Curve, Line]]:
    return [(curve, curve.precision) for curve in lines if len(curve.precision.labels)]


# ---- a picture --------------------------------------------------------------------------------------


def _picture(lines: Sequence[Curve], references: dict[str, Line], title: str) -> Any:
    """A matplotlib figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5.6), layout="constrained")
    figure.suptitle(title)
    discovery, precision = figure.subplots(1, 2)
    for (name, line), dash in zip(references.items(), REFERENCE_DASHES, strict=True):
        discovery.plot(
            line.labels, line.mean, color=REFERENCE, linestyle=_dashed(dash), linewidth=1, label=name, zorder=1
        )
    for axes, pairs in ((discovery, _found(lines)), (precision, _precisions(lines))):
        for curve, line in pairs:
            if line.has_band:
                axes.fill_between(line.labels, line.mean - line.error, line.mean + line.error,
                                  color=curve.colour, alpha=0.18, linewidth=0)  # fmt: skip
        for curve, line in pairs:
            axes.plot(
                line.labels, line.mean, color=curve.colour, linestyle=_dashed(curve.dash), linewidth=1.8,
                label=curve.name, marker=curve.marker[0], markersize=6, markevery=curve.marks(line).tolist(),
            )  # fmt: skip
    for axes, label, limits in ((discovery, FOUND_LABEL, found_range(lines, references)),
                                (precision, AP_LABEL, precision_range(lines))):  # fmt: skip
        axes.set_xlabel(X_LABEL)
        axes.set_ylabel(label)
        axes.set_ylim(*limits)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    handles, names = discovery.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=min(len(names), 5), frameon=False)
    return figure


def _dashed(dash: tuple[int, ...]) -> Any:
    return (0, dash) if dash else "solid"


# ---- a page -----------------------------------------------------------------------------------------


def _page(lines: Sequence[Curve], references: dict[str, Line], title: str) -> str:
    """A Bokeh page that needs no other file."""
    from bokeh.embed import file_html
    from bokeh.layouts import column, row
    from bokeh.models import Div
    from bokeh.resources import INLINE

    discovery = _figure(FOUND_LABEL, "found", found_range(lines, references))
    precision = _figure(AP_LABEL, "AP", precision_range(lines))
    for (name, line), dash in zip(references.items(), REFERENCE_DASHES, strict=True):
        discovery.line(line.labels, line.mean, color=REFERENCE, line_dash=list(dash), legend_label=name)
    _draw(discovery, _found(lines))
    _draw(precision, _precisions(lines))
    for figure in (discovery, precision):
        if figure.legend:
            figure.legend.click_policy = "hide"
            figure.legend.update(location="left", ncols=4, spacing=14, glyph_width=34, border_line_color=None)
            figure.add_layout(figure.legend[0], "below")
    heading = Div(text=title, render_as_text=True, styles={"font": "600 16px sans-serif"})
    page = column(heading, row(discovery, precision, sizing_mode="stretch_width"), sizing_mode="stretch_width")
    return file_html(page, INLINE, title)


def _figure(label: str, value: str, limits: tuple[float, float]) -> Any:
    from bokeh.models import HoverTool
    from bokeh.plotting import figure

    made = figure(height=520, sizing_mode="stretch_width", tools="pan,box_zoom,wheel_zoom,save,reset",
                  x_axis_label=X_LABEL, y_axis_label=label, y_range=limits)  # fmt: skip
    made.toolbar.logo = None
    made.add_tools(HoverTool(tooltips=[("", "$name"), ("labels", "@x{0}"), (value, "@y{0.[000]}")], mode="mouse"))
    return made


def _draw(figure: Any, pairs: Sequence[tuple[Curve, Line]]) -> None:
    """Bands below, lines above them."""
    for curve, line in pairs:
        if line.has_band:
            figure.varea(line.labels, line.mean - line.error, line.mean + line.error, fill_alpha=0.18,
                         color=curve.colour, legend_label=curve.name)  # fmt: skip
    for curve, line in pairs:
        given = {"legend_label": curve.name, "color": curve.colour, "name": curve.name}
        figure.line(line.labels, line.mean, line_dash=list(curve.dash), line_width=2, **given)
        at = curve.marks(line)
        figure.scatter(line.labels[at], line.mean[at], marker=curve.marker[1], size=8, **given)
