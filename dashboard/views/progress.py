"""How the labelling goes: what is found, how fast, at what cost, and a reminder of a break."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui

from ...data.errors import InputError
from ..pace import WINDOW, Pace
from ..pace_meter import BREAK, IDLE, Known
from ..page import Page
from ..session import LabellingSession
from .charts import labels_axis, nothing, thinned, up_to
from .drawing import REFERENCE, Axis, Drawing, Line, Words, picture
from .estimates_table import Look, looks
from .halves import halves
from .marks import mark

NO_LABELS = "No label has been given by hand yet."
NO_PACE = "What a find costs is known after the first round that learns from your answers."
MEANING = "Time is active time: a gap between two answers counts at most as long as you say here."
LEAST_IDLE = 5
CELL = "text-align:right;padding:1px 10px 1px 0"
PACE_COLUMNS = {
    "labels": "Labels given by hand and not taken back",
    "finds": "Items of the classes that are looked for",
    "per find": "Labels per find",
    "time": "Active time",
    "per hour": "Labels per hour of active time",
    "each": "Median time of a label",
}
COLOUR, COLOUR_ON_DARK = "#0b57d0", "#8ab4f8"


class ProgressView(pn.viewable.Viewer):
    """Counts by class and the pace on the left, new finds per 100 labels on the right."""

    title = "Progress"

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self.session: LabellingSession = page.session
        meter = self.page.pace
        self.body = pn.pane.HTML("", sizing_mode="stretch_width", margin=(4, 10))
        self.chart = pn.pane.HTML("", sizing_mode="stretch_both", min_height=120, margin=0)
        small: dict[str, Any] = {"size": "small", "width": 190, "margin": (8, 6)}
        self.idle = pmui.IntInput(
            label="Seconds a gap counts at most", value=int(meter.idle), start=LEAST_IDLE, end=3600, **small
        )
        self.rest = pmui.IntInput(
            label="Break after minutes (0: no)", value=meter.break_minutes, start=0, end=480, **small
        )
        self.idle.param.watch(lambda event: self._keep(IDLE, event.new), "value")
        self.rest.param.watch(lambda event: self._keep(BREAK, event.new), "value")
        page.watch(meter, self._draw, "known")
        page.watch(self.session, self._draw, "stopping", "taxonomy_revision")
        page.react(self._draw, "dark")
        self._draw()
        meter.ask()

    def __panel__(self) -> pn.viewable.Viewable:
        left = pmui.Column(
            self.body, pmui.Row(self.idle, self.rest, margin=0), sizing_mode="stretch_both", margin=0,
            styles={"overflow": "auto"},
        )  # fmt: skip
        right = pmui.Column(
            self.chart, sizing_mode="stretch_both", margin=0,
            styles={"padding-left": "8px"},
        )  # fmt: skip
        return halves(left, right, least=(410, 300))

    def _keep(self, name: str, value: int | None) -> None:
        if value is None:
            return
        if name == IDLE and value < LEAST_IDLE:
            self.page.complain(InputError(f"a gap counts at least {LEAST_IDLE} seconds"))
            return
        future = self.session.keep(**{name: int(value)})
        future.add_done_callback(lambda _: self.page.pace.ask())

    def _draw(self) -> None:
        known: Known = self.page.pace.known
        classes = looks(self.session.workspace.taxonomy)
        self.body.object = (
            '<div data-testid="progress" style="font-size:13px;font-variant-numeric:tabular-nums">'
            f"{pace_table(known, self.page.annotator)}{self._cost(known)}"
            f"{counts_table(classes, self.session.found())}<p><small>{MEANING}</small></p></div>"
        )
        self.chart.object = picture(curve(known, COLOUR_ON_DARK if self.page.dark else COLOUR), self.page.dark)

    def _cost(self, known: Known) -> str:
        """What a find costs, in the words of the Stop tab, and in time."""
        statements = self.session.stopping.get("classes") or []
        seconds = known.session.median_seconds or known.overall.median_seconds
        lines = [
            f"<li>{escape(sentence)}</li>" for said in statements if (sentence := cost_sentence(said, seconds))
        ]
        style = "style='margin:2px 0 6px;padding-left:1.2em'"
        return f"<b>At this pace</b><ul {style}>{''.join(lines) or f'<li>{NO_PACE}</li>'}</ul>"


def cost_sentence(said: Mapping[str, Any], seconds: float | None) -> str:
    """What a new find of one class costs in labels and in time; empty where nothing is known.

    Parameters
    ----------
    said
        A statement of `strategies.progress`.
    seconds
        Median time of a label.
    """
    sentence = said.get("pace") or ""
    labels = (said.get("labels_per_find") or [None])[0]
    if not sentence:
        return ""
    time = ""
    if seconds and labels is not None and np.isfinite(labels):
        time = f" At {seconds:.1f} s a label that is {duration(labels * seconds)} for each."
    return f"{said['class']}: {sentence}{time}"


def duration(seconds: float) -> str:
    """A time span in words."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def pace_table(known: Known, annotator: str) -> str:
    """Labels, finds, time and pace: of this session, of all time, and by annotator; as HTML."""
    lines = {"this session": known.session, "all": known.overall, **known.by_annotator}
    head = "".join(
        f'<th scope="col" title="{title}" style="{CELL};font-weight:600">{name}</th>'
        for name, title in PACE_COLUMNS.items()
    )
    rows = "".join(_pace_row(f"{name} (you)" if name == annotator else name, one) for name, one in lines.items())
    return (
        '<table aria-label="Pace" style="border-collapse:collapse;margin-bottom:6px;white-space:nowrap">'
        f'<thead><tr><th scope="col"></th>{head}</tr></thead><tbody>{rows}</tbody></table>'
    )


def _pace_row(name: str, one: Pace) -> str:
    cost = "–" if one.labels_per_find is None else f"{one.labels_per_find:,.1f}"
    per_hour = "–" if one.per_hour is None else f"{one.per_hour:,.0f}"
    median = "–" if one.median_seconds is None else f"{one.median_seconds:.1f} s"
    cells = (f"{one.n_labels:,}", f"{one.n_finds:,}", cost, duration(one.seconds), per_hour, median)
    return (
        f'<tr><th scope="row" style="text-align:left;padding:1px 10px 1px 0;font-weight:600">{escape(name)}</th>'
        + "".join(f'<td style="{CELL}">{cell}</td>' for cell in cells)
        + "</tr>"
    )


def counts_table(classes: list[Look], found: Mapping[str, int]) -> str:
    """Labels by class as numbers and bars, the classes that are looked for first, then the rarest; as HTML."""
    ordered = sorted(classes, key=lambda look: (not look.wanted, found.get(look.name, 0)))
    most = max(found.values(), default=0) or 1
    return (
        '<table aria-label="Labels by class" style="border-collapse:collapse;width:100%;max-width:420px">'
        + "".join(_count_row(look, found.get(look.name, 0), most) for look in ordered)
        + "</table>"
    )


def _count_row(look: Look, n: int, most: int) -> str:
    wanted, weight = (" <small>wanted</small>", 600) if look.wanted else ("", 400)
    return (
        f'<tr data-class="{escape(look.name)}"><th scope="row" style="text-align:left;font-weight:{weight};'
        f'padding:1px 8px 1px 0;white-space:nowrap;max-width:16ch;overflow:hidden;text-overflow:ellipsis">'
        f'<span aria-hidden="true" style="color:{escape(look.colour)}">{mark(look.index).character}</span> '
        f"{escape(look.name)}{wanted}</th>"
        f'<td style="text-align:right;padding-right:8px">{n:,}</td><td style="width:60%">'
        f'<div style="height:9px;border-radius:2px;background:{escape(look.colour)};'
        f'width:{100 * n / most:.1f}%"></div>'
        "</td></tr>"
    )


def curve(known: Known, colour: str) -> Drawing:
    """New finds per 100 labels over the labels."""
    n, finds = known.curve
    x = labels_axis(int(n[-1]) if len(n) else 1)
    if not len(n):
        return nothing(x, Axis("new finds per 100 labels", (0, 100)), NO_LABELS)
    kept = thinned(range(len(n)), 400)
    ready = [i for i in kept if n[i] >= min(10, n[-1])]  # the first few labels say nothing of a rate
    y = Axis("new finds per 100 labels", up_to(max(float(finds[ready].max()), 1.0)))
    overall = 100 * known.overall.n_finds / max(known.overall.n_labels, 1)
    text = (
        f"{finds[-1]:.0f} finds per 100 labels among the last {min(int(n[-1]), WINDOW):,}, {overall:.1f} over all."
    )
    return Drawing(
        x, y, f"New finds per 100 labels. {text}",
        lines=(
            Line(n[ready].tolist(), finds[ready].tolist(), colour),
            Line((0, int(n[-1])), (overall, overall), REFERENCE, 1.5, "dashed"),
        ),
        words=(Words(int(n[-1]), float(finds[-1]), f"  {finds[-1]:.0f}"), Words(0, overall, f"all {overall:.1f}")),
    )  # fmt: skip
