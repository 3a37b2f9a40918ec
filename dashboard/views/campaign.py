"""The parts of the Audit tab that belong to campaigns: plan, progress, certificates; a question before a step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from statistics import median
from typing import Any

import panel as pn
import panel_material_ui as pmui

from ...data.campaigns import CampaignRecord
from ...strategies.campaign import PLANNED
from ..certificates import ROUTE, as_html, file_name
from ..page import Page
from ..session import LabellingSession
from .marks import SMALL

SIZES = (100, 300, 1000, 3000)
DEFAULT_SIZE = 300
RECENT = 200  # events from which the time for an answer is guessed before a campaign has its own
INTRODUCTION = (
    "For numbers in a report. The model is frozen, items are drawn at random from all that the strategies have "
    "not reached, and asked in random order without a hint. At the end there is a certificate."
)
NOTHING_KNOWN = "–"
EXACT = "exact"
NOWRAP = "white-space:nowrap"
TABLE = "border-spacing:12px 2px;margin-left:-12px;font-variant-numeric:tabular-nums"
PAGE_STYLE = """
:host { font-size: 13px; line-height: 1.45; }
h3, h4 { font-size: 15px; margin: 10px 0 4px; } ul { margin: 2px 0; padding-left: 1.3em; }
h4 { font-size: 13px; } p { margin: 4px 0; max-width: 80ch; } li { max-width: 80ch; }
table { border-collapse: collapse; margin: 4px 0; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 2px 14px 2px 0; vertical-align: top; overflow-wrap: anywhere; }
th { font-weight: 500; border-bottom: 1px solid currentColor; }
"""


class Confirm:
    """A button whose step is done after a second click, on one that says what it does.

    Attributes
    ----------
    button, question
        What is shown; the question is hidden until the button is clicked.
    """

    def __init__(self, label: str, text: str, yes: str, no: str, work: Callable[[], None]) -> None:
        self.button = pmui.Button(label=label, variant="outlined", size="small", align="end")
        self.text = pn.pane.HTML("", margin=(2, 10), styles=SMALL, sizing_mode="stretch_width")
        agree = pmui.Button(label=yes, variant="contained", size="small", color="error")
        refuse = pmui.Button(label=no, variant="outlined", size="small")
        self.question = pmui.Column(
            self.text, pmui.Row(agree, refuse), visible=False, sizing_mode="stretch_width", margin=0
        )
        self.ask(text)

        def close(_: Any) -> None:
            self.question.visible = False

        def do(_: Any) -> None:
            self.question.visible = False
            work()

        self.button.on_click(lambda _: self.question.param.update(visible=True))
        refuse.on_click(close)
        agree.on_click(do)

    def ask(self, text: str) -> None:
        """Say what the step does."""
        self.text.object = f"<span role='alert'>{escape(text)}</span>"


class CampaignPart:
    """Plans, begins and follows a campaign."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.session: LabellingSession = page.session
        small: dict[str, Any] = {"size": "small"}
        self.plan = pmui.Button(label="Plan", variant="outlined", align="end", **small)
        self.n = pmui.IntInput(label="Questions", value=DEFAULT_SIZE, start=1, step=50, width=130, **small)
        self.begin = pmui.Button(label="Freeze the model and begin", variant="contained", align="end", **small)
        self.bar = pmui.LinearProgress(variant="determinate", value=0, visible=False, width=200, align="end")
        self.note = pn.pane.HTML("", margin=(2, 10), styles=SMALL, sizing_mode="stretch_width")
        self.table = pn.pane.HTML("", margin=(2, 10), styles=SMALL, sizing_mode="stretch_width")
        self.done = pmui.LinearProgress(variant="determinate", value=0, sizing_mode="stretch_width", margin=10)
        self.words = pn.pane.HTML("", margin=(2, 10), styles=SMALL, sizing_mode="stretch_width")
        self.end = Confirm("End now", "", "End with the answers so far", "Go on", self._end)
        introduction = pn.pane.HTML(INTRODUCTION, margin=(2, 10), styles=SMALL, sizing_mode="stretch_width")
        controls = pmui.Row(self.plan, self.n, self.begin, self.bar, sizing_mode="stretch_width", margin=0)
        whole = {"sizing_mode": "stretch_width", "margin": 0}
        self.before = pmui.Column(introduction, controls, self.note, self.table, **whole)
        self.during = pmui.Column(self.words, self.done, pmui.Row(self.end.button), self.end.question, **whole)
        self.body = pmui.Column(self.before, self.during, **whole)
        page.watch(self.session, self.show, "problem")
        self.plan.on_click(lambda _: self._plan())
        self.begin.on_click(lambda _: self._begin())
        self.show()

    def show(self) -> None:
        """Show how far the campaign has got, or how to begin one."""
        status = self.session.campaign
        self.before.visible, self.during.visible = not status, bool(status)
        if not status:
            self.end.question.visible = False
            return
        n, n_answered = status["n"], status["n_answered"]
        self.done.value = int(100 * n_answered / n)
        names = ", ".join(f"'{escape(name)}'" for name in status["classes"])
        put_off = f", {status['n_put_off']:,} put off until the end" if status["n_put_off"] else ""
        seconds = status["seconds"] or self._usual_seconds()
        left = f" About {_minutes(seconds * (n - n_answered))} to go." if seconds and n_answered < n else ""
        model = f"The model of round {status['round']}" if status["round"] else "The model"
        problem = escape(self.session.problem)
        self.words.object = (
            (f"<div role='alert'><b>{problem}</b></div>" if problem else "")
            + f"<div role='status' data-testid='campaign'><b>Campaign {status['number']}</b> about {names}: "
            f"<b>{n_answered:,} of {n:,}</b> questions answered{put_off}.{left}</div>"
            f"<div>{model} is frozen: no round runs, and changes of settings wait until the end.</div>"
        )
        self.end.ask(
            f"The campaign ends with {n_answered:,} of {n:,} answers. The certificate is valid, with wider "
            "limits, unless it is these answers that made you stop. What is put off counts as not judged."
        )

    # ---- steps -----------------------------------------------------------------------------------

    def _plan(self) -> None:
        self._busy("waiting for the model")
        sizes = sorted({*SIZES, *([self.n.value] if self.n.value else [])})
        self._follow(self.session.plan_campaign(sizes, self._progress), self._planned)

    def _begin(self) -> None:
        self._busy("drawing the questions")
        self._follow(self.session.begin_campaign(self.n.value, self._progress), lambda _: self._planned(None))

    def _end(self) -> None:
        self.page.deliver(self.session.end_campaign(), lambda _: None)

    def _busy(self, text: str) -> None:
        self.plan.disabled = self.begin.disabled = True
        self.bar.param.update(visible=True, value=0)
        self.note.object = f"<span role='status'>{escape(text)}</span>"

    def _progress(self, share: float, text: str) -> None:
        def show() -> None:
            self.bar.value = int(100 * share)
            self.note.object = f"<span role='status'>{escape(text)}</span>"

        self.page.hop(show)

    def _follow(self, future: Any, then: Callable[[Any], None]) -> None:
        def done() -> None:
            self.plan.disabled = self.begin.disabled = False
            self.bar.visible = False
            error = future.exception()
            if error is None:
                self.note.object = ""
                then(future.result())
            else:
                self.note.object = f"<span role='alert'>{escape(str(error) or type(error).__name__)}</span>"

        future.add_done_callback(lambda _: self.page.hop(done))

    def _planned(self, plan: dict[str, Any] | None) -> None:
        names = self.session.workspace.taxonomy.names
        self.table.object = "" if plan is None else plan_table(plan, names, self._usual_seconds())

    def _usual_seconds(self) -> float | None:
        """The median time for an answer lately; None before there is one."""
        events = self.session.workspace.log.events(newest_first=True, limit=RECENT)
        times = [event.dwell_ms for event in events if event.dwell_ms]
        return median(times) / 1000 if times else None


def plan_table(plan: dict[str, Any], names: Sequence[str], seconds: float | None) -> str:
    """Expected intervals by number of answers as HTML, one line a size and class."""
    several = len(plan["widths"][0]["classes"]) > 1
    columns = ["Questions", *(["Time"] if seconds else []), *(["Class"] if several else []),
               *(name.capitalize() for name in PLANNED)]  # fmt: skip
    lines = []
    for entry in plan["widths"]:
        for place, one in enumerate(entry["classes"]):
            n, time = f"{entry['labels']:,}", _minutes((seconds or 0) * entry["labels"])
            cells = [n if not place else "", *([time if not place else ""] if seconds else [])]
            cells += [escape(names[one["class"]])] if several else []
            cells += [_range(one[name]) for name in PLANNED]
            lines.append(f"<tr>{''.join(f'<td style={NOWRAP!r}>{cell}</td>' for cell in cells)}</tr>")
    about = "" if several else f" of '{escape(names[plan['widths'][0]['classes'][0]['class']])}'"
    head = "".join(f"<th scope='col'>{name}</th>" for name in columns)
    note = "<div>Exact: all items on which it depends would be asked.</div>" if EXACT in "".join(lines) else ""
    return (
        f"<div>What to expect{about}, if the model's probabilities are right: 95 % intervals, in per cent. "
        f"{plan['n_rest']:,} items can be drawn.</div>"
        f"<table data-testid='plan' style='{TABLE}'><thead><tr style='text-align:left'>{head}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table>{note}"
    )


def _range(limits: Sequence[float | None]) -> str:
    low, high = limits
    if low is None or high is None:
        return NOTHING_KNOWN
    if high - low < 1e-9:
        return EXACT
    digits = 0 if high - low >= 0.05 else 1 if high - low >= 0.005 else 2
    return f"{100 * low:.{digits}f} – {100 * high:.{digits}f}"


def _minutes(seconds: float) -> str:
    minutes = seconds / 60
    if minutes < 1:
        return "1 min"
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"


class CertificatePart:
    """The certificates of a workspace, to read and to download."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.session: LabellingSession = page.session
        self.records: dict[int, CampaignRecord] = {}
        self.choice = pmui.Select(label="Certificate", options={}, size="small", width=300, visible=False)
        self.links = pn.pane.HTML("", margin=(14, 10), styles=SMALL)
        self.text = pn.pane.HTML(
            "", margin=(0, 10), sizing_mode="stretch_width", stylesheets=[PAGE_STYLE], styles=SMALL
        )
        row = pmui.Row(self.choice, self.links, sizing_mode="stretch_width", margin=0)
        self.body = pmui.Column(row, self.text, sizing_mode="stretch_width", margin=0)
        self.choice.param.watch(lambda event: self._show(event.new), "value")
        self.load(lambda _: None)

    def load(self, then: Callable[[list[int]], None]) -> None:
        """Read the certificates, show the newest, and hand over the numbers of their campaigns."""

        def take(records: list[CampaignRecord]) -> None:
            self.records = {record.number: record for record in records}
            options = {_title(record): record.number for record in records}
            self.choice.param.update(
                options=options, value=next(iter(self.records), None), visible=len(records) > 1
            )
            self._show(self.choice.value)
            then(list(self.records))

        self.page.in_background(self.session.certificates, take)

    def _show(self, number: int | None) -> None:
        record = self.records.get(number) if number is not None else None
        if record is None or record.certificate is None:
            self.links.object = ""
            self.text.object = "<p>There is no certificate yet: a campaign ends with one.</p>"
            return
        files = [(suffix, file_name(record.number, suffix)) for suffix in ("md", "json")]
        names = {"md": "Markdown", "json": "JSON"}
        self.links.object = "Download " + " · ".join(
            f"<a style='color:inherit' href='{ROUTE}/{name}' download>{names[suffix]}</a>"
            for suffix, name in files
        )
        self.text.object = f"<div data-testid='certificate'>{as_html(record.certificate)}</div>"


def _title(record: CampaignRecord) -> str:
    n = (record.certificate or {}).get("n_answered", 0)
    return f"Campaign {record.number}, {record.ended_at or record.started_at:%Y-%m-%d}, {n:,} answers"
