"""How good the model is for the pool, and how much of each class there is: a table and one chart of choice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel as pn
import panel_material_ui as pmui

from ..page import Page
from ..reasons import AUDIT
from ..session import LabellingSession
from ..sway import hide_share, sway, sway_sentence
from ..training import labels_of
from . import charts, label_charts
from .drawing import Drawing, picture
from .estimates_table import (
    CROSS_VALIDATED,
    EXPLANATION,
    WARNING,
    Look,
    confusion_table,
    cross_validation_table,
    estimates_table,
    looks,
    source_sentence,
)
from .halves import halves
from .marks import SMALL, scroller
from .sentences import CHARTS, RANKING, note_html

OVER_LABELS, CURVE, RELIABILITY, DISCOVERY, COST, CONFUSION, ARMS, CROSS_VALIDATION = CHARTS
OF_ALL_LABELS = (DISCOVERY, COST)
OF_ONE_CLASS = (CURVE, RELIABILITY, *OF_ALL_LABELS)
MEASURES_OF = {OVER_LABELS: list(charts.MEASURES), CROSS_VALIDATION: list(CROSS_VALIDATED)}


class MetricsView(pn.viewable.Viewer):
    """The estimates of every class beside one chart; cross-validation takes the place of both when chosen."""

    title = "Metrics"

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self.session: LabellingSession = page.session
        self._asked = 0
        self._sway = ""
        self._build()
        self.chart_choice.param.watch(lambda _: page.hop(self._chart_chosen), "value")
        self.measure.param.watch(lambda _: page.hop(self._draw), "value")
        self.class_choice.param.watch(lambda _: page.hop(self._draw), "value")
        page.react(self._refresh, "dark")
        page.watch(self.session, self._refresh, "report", "estimates")
        page.watch(self.session, self._classes_changed, "taxonomy_revision")
        page.watch(self.session, self._write_table, "committed", "queue")
        page.watch(self.session, self._measure_sway, "report")
        self._refresh()
        page.when_shown(self._measure_sway)

    def _build(self) -> None:
        small = {"size": "small", "margin": (9, 6, 3, 6)}
        wanted, measures = self._wanted_names(), MEASURES_OF[OVER_LABELS]
        self.chart_choice = pmui.Select(label="Chart", options=list(CHARTS), value=OVER_LABELS, width=175, **small)
        self.measure = pmui.Select(
            label="Measure", options=measures, value=measures[0], width=130, **small
        )  # fmt: skip
        self.class_choice = pmui.Select(
            label="Class", options=wanted, value=wanted[0] if wanted else None, width=130, visible=False, **small
        )  # fmt: skip
        self.head = pn.pane.HTML("", sizing_mode="stretch_width", margin=(4, 10, 2, 10), styles=SMALL)
        self.table = pn.pane.HTML("", sizing_mode="stretch_both", margin=0)
        self.chart = pn.pane.HTML("", sizing_mode="stretch_both", min_height=120, margin=0)
        self.sentence = pn.pane.HTML("", sizing_mode="stretch_width", margin=(0, 10, 4, 10), styles=SMALL)

    def __panel__(self) -> pn.viewable.Viewable:
        table = pmui.Column(self.head, self.table, sizing_mode="stretch_both", margin=0)
        chart = pmui.Column(
            pmui.Row(self.chart_choice, self.measure, self.class_choice, margin=0),
            self.chart,
            self.sentence,
            sizing_mode="stretch_both",
            margin=0,
            styles={"padding-left": "8px"},
        )
        return halves(table, chart, least=(400, 335), grow=(3, 2))

    # ---- what changes ----------------------------------------------------------------------------

    @property
    def _looks(self) -> list[Look]:
        return looks(self.session.workspace.taxonomy, self.page.dark)

    def _wanted_names(self) -> list[str]:
        return [look.name for look in self._looks if look.wanted]

    def _classes_changed(self) -> None:
        wanted = self._wanted_names()
        if self.class_choice.options != wanted:
            kept = self.class_choice.value if self.class_choice.value in wanted else next(iter(wanted), None)
            self.class_choice.param.update(options=wanted, value=kept)
        self._refresh()

    def _chart_chosen(self) -> None:
        chosen = self.chart_choice.value
        options = MEASURES_OF.get(chosen)
        if options and self.measure.options != options:
            kept = self.measure.value if self.measure.value in options else options[0]
            self.measure.param.update(options=options, value=kept)
        self.measure.visible = options is not None
        self.class_choice.visible = chosen in OF_ONE_CLASS
        self._refresh()

    def _refresh(self) -> None:
        self._write_table()
        self._draw()

    # ---- table -----------------------------------------------------------------------------------

    def _write_table(self) -> None:
        session, classes, found = self.session, self._looks, self.session.found()
        if self.chart_choice.value == CROSS_VALIDATION:
            self._say(f'<b data-testid="metrics-title">{WARNING}</b><br>{EXPLANATION}')
            self._put(cross_validation_table(classes, session.report.get("metrics") or (), found))
            return
        n_queued = sum(queued.strategy == AUDIT for queued in session.queue)
        sentence = source_sentence(session.estimates, session.report.get("audit"), n_queued)
        self._say(f'<span data-testid="estimate-source">{sentence}</span>')
        table = estimates_table(classes, session.estimates, found, self.page.dark)
        style = "font-size:13px;margin:4px 0;max-width:60ch"
        self._put(f'{table}<p style="{style}">{RANKING}</p><p style="{style}" data-testid="sway">{self._sway}</p>')

    def _say(self, html: str) -> None:
        self.head.object = html

    def _put(self, html: str) -> None:
        """Show the table; it scrolls in an element of its own, which the keyboard reaches."""
        self.table.object = scroller(html, "Estimates")

    def _measure_sway(self) -> None:
        """Say how much suggestions sway the answers, from all of them: in a thread."""
        items, share = list(self.session.state.items.values()), hide_share(self.session.workspace.settings)

        def measured(sentence: str) -> None:
            if sentence != self._sway:
                self._sway = sentence
                self._write_table()

        self.page.in_background(lambda: sway_sentence(sway(items, share)), measured)

    # ---- chart -----------------------------------------------------------------------------------

    def _draw(self) -> None:
        """Show the chosen chart: at once, or where all labels are gone through, when a thread has made it.

        The threads may be busy with a raster for seconds when a page opens; what comes of one is dropped when
        another chart has been asked for since.
        """
        self._asked += 1
        asked, chosen = self._asked, self.chart_choice.value
        if chosen == CONFUSION:
            self._show_confusion()
            return
        make = self._drawing(chosen)
        if chosen not in OF_ALL_LABELS:
            self._show(chosen, make())
            return

        def show(drawing: Drawing) -> None:
            if asked == self._asked:
                self._show(chosen, drawing)

        self.page.in_background(make, show)

    def _show(self, chosen: str, drawing: Drawing) -> None:
        self.chart.object = picture(drawing, self.page.dark)
        self.sentence.object = note_html(chosen, drawing.text if drawing.is_empty else "")

    def _show_confusion(self) -> None:
        counts = self.session.estimates.get("confusion") or []
        known = bool(self.session.estimates.get("n_audit"))
        table = confusion_table(self._looks, counts, self.page.dark) if known else ""
        self.chart.object = f'<div style="position:absolute;inset:0 10px;overflow:auto">{table}</div>'
        self.sentence.object = note_html(CONFUSION, "" if known else charts.NO_ROUND)

    def _drawing(self, chosen: str) -> Callable[[], Drawing]:
        """What makes the chosen chart of what is known now."""
        session, measure = self.session, self.measure.value
        reports, estimates, n_labels = list(session.reports), session.estimates, session.state.n_labelled
        if chosen == CROSS_VALIDATION:
            return lambda: label_charts.cross_validation(reports, self._looks, measure)
        if chosen == ARMS:
            entries = session.report.get("arms") or ()
            return lambda: label_charts.arms(entries)
        wanted = [look for look in self._looks if look.wanted]
        if chosen == OVER_LABELS:
            return lambda: charts.over_labels(reports, estimates, n_labels, wanted, measure)
        look = next((look for look in wanted if look.name == self.class_choice.value), None)
        if look is None:
            return label_charts.no_class
        return self._of_class(chosen, look, estimates)

    def _of_class(self, chosen: str, look: Look, estimates: dict[str, Any]) -> Callable[[], Drawing]:
        if chosen == CURVE:
            return lambda: charts.precision_recall(estimates, look)
        if chosen == RELIABILITY:
            return lambda: charts.reliability(estimates, look)
        if chosen == COST:
            return lambda: label_charts.costs(self._is_member(look), look)
        entries = estimates.get("classes") or ()
        total = next((entry["total"] for entry in entries if entry["class"] == look.index), (None,) * 3)
        n_items = self.session.workspace.table.n_rows
        return lambda: label_charts.finds(self._is_member(look), n_items, total, look)

    def _is_member(self, look: Look) -> list[bool]:
        """Whether each label, sealed ones included, is of the class; for a thread, from a copy of the log."""
        workspace = self.session.workspace
        labels = labels_of(workspace.log.snapshot(), workspace)
        return [bool(c == look.index) for c in labels.classes]
