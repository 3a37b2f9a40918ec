"""Checks: whether labels, features and audit are fit for use, rule by rule."""

from __future__ import annotations

from concurrent.futures import Future
from datetime import datetime
from html import escape
from typing import Any

import panel as pn
import panel_material_ui as pmui

from ...data.errors import InputError
from ...strategies.fitness import counted
from ..checks import WORDS
from ..page import Page
from ..session import LabellingSession
from ..worker import WorkerStoppedError
from .marks import SMALL

# Symbol, and colours on the light and the dark ground (WCAG AA for text of this size).
LOOKS = {
    "pass": ("✓", "#1b6e20", "#7bd181"),
    "warn": ("!", "#8a4b00", "#ffb74d"),
    "fail": ("✗", "#b00020", "#ff8a95"),
    "open": ("–", "#555555", "#b5b5b5"),
}
ORDER = ("fail", "warn", "pass", "open")
NOTE = "Looks at labels, features, audit and new rows. Nothing is changed."


class ChecksView(pn.viewable.Viewer):
    """A button that has the worker run the checks, and a table of what each of them says."""

    title = "Checks"

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self.session: LabellingSession = page.session
        self.report: dict[str, Any] | None = None
        self.button = pmui.Button(label="Run the checks", variant="contained", size="small")
        self.bar = pmui.LinearProgress(variant="determinate", value=0, visible=False, width=200)
        self.note = pn.pane.HTML(NOTE, margin=(8, 10), sizing_mode="stretch_width", styles=SMALL)
        self.table = pn.pane.HTML("", margin=(0, 10), sizing_mode="stretch_width")
        self.button.on_click(lambda _: self._run())
        page.react(self._draw, "dark")
        page.watch(self.session, self._describe, "committed")

    def __panel__(self) -> pn.viewable.Viewable:
        head = pmui.Row(self.button, self.bar, self.note, sizing_mode="stretch_width")
        body = pmui.Column(
            self.table, sizing_mode="stretch_both", styles={"overflow-y": "auto", "min-height": "0"}
        )
        return pmui.Column(head, body, sizing_mode="stretch_both")

    def _run(self) -> None:
        try:
            future = self.session.tasks.submit("checks", progress=self._show)
        except WorkerStoppedError as error:
            self.page.complain(error)
            return
        self.button.disabled = True
        self.bar.param.update(visible=True, value=0)
        self._say("waiting for the round under way" if self.session.round_running else "starting")
        future.add_done_callback(lambda done: self.page.hop(lambda: self._done(done)))

    def _show(self, share: float, text: str) -> None:
        def show() -> None:
            self.bar.value = int(100 * share)
            self._say(text)

        self.page.hop(show)

    def _say(self, text: str) -> None:
        self.note.object = f'<span role="status">{escape(text)}</span>'

    def _done(self, future: Future[dict[str, Any]]) -> None:
        self.button.disabled = False
        self.bar.visible = False
        error = future.exception()
        if error is None:
            self.report = future.result()
            self._draw()
            self._describe()
            return
        why = str(error) if isinstance(error, InputError) else f"the checks stopped ({error}): run them again"
        self.note.object = f'<span role="alert">{escape(why)}</span>'

    def _describe(self) -> None:
        """Say what the table is of, and what has been labelled since."""
        if self.report is None or self.button.disabled:
            return
        counts = self.report["counts"]
        total = ", ".join(f"{counts[verdict]} {WORDS[verdict]}" for verdict in ORDER if counts[verdict])
        more = self.session.state.n_labelled - self.report["labels"]
        since = f"; {counted(abs(more), 'label')} {'more' if more > 0 else 'fewer'} since" if more else ""
        made = datetime.fromisoformat(self.report["made_at"])
        self._say(f"{total} · at {made:%H:%M} UTC, {counted(self.report['labels'], 'label')}{since}")

    def _draw(self) -> None:
        if self.report is not None:
            self.table.object = findings_table(self.report["findings"], self.page.dark)


def findings_table(findings: list[dict[str, Any]], dark: bool) -> str:
    """Findings as an HTML table, the most serious first; each verdict has a symbol, a word and a colour."""
    ordered = sorted(findings, key=lambda finding: ORDER.index(finding["verdict"]))
    lines = "".join(_line(finding, dark) for finding in ordered)
    head = "".join(f"<th scope='col'>{name}</th>" for name in ("Verdict", "Check", "What was found"))
    return (
        "<table data-testid='checks' style='border-spacing:10px 3px;font-size:13px'>"
        f"<thead><tr style='text-align:left'>{head}</tr></thead><tbody>{lines}</tbody></table>"
    )


def _line(finding: dict[str, Any], dark: bool) -> str:
    verdict = finding["verdict"]
    symbol, on_light, on_dark = LOOKS[verdict]
    style = f"color:{on_dark if dark else on_light};font-weight:600;white-space:nowrap"
    rule = escape(finding["rule"])
    return (
        f"<tr data-verdict='{verdict}' style='vertical-align:top'>"
        f"<td style='{style}'><span aria-hidden='true'>{symbol}</span> {WORDS[verdict]}</td>"
        f"<th scope='row' style='text-align:left;font-weight:500;white-space:nowrap'>{rule}</th>"
        f"<td>{escape(finding['text'])}</td></tr>"
    )
