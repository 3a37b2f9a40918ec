"""How the model does over the labels: per-class precision, recall and F1, and what has been found."""

from __future__ import annotations

from html import escape
from typing import Any

import holoviews as hv
import panel as pn
import panel_material_ui as pmui

from ..page import Page
from ..session import LabellingSession
from .marks import mark
from .raster import DARK, LIGHT, Theme

MEASURES = {"F1": "f1", "Precision": "precision", "Recall": "recall"}
WARNING = "On the labels you collected, not the pool"
EXPLANATION = "Cross-validated on labels that a strategy chose: shows learning, says nothing about the pool."
MOST_ROUNDS = 500


class MetricsView(pn.viewable.Viewer):
    """A table of the classes and a chart of one measure against the number of labels."""

    title = "Metrics"

    def __init__(self, page: Page) -> None:
        super().__init__()
        hv.extension("bokeh")
        self.page = page
        self.session: LabellingSession = page.session
        self.measure = pmui.RadioButtonGroup(
            label="Measure", options=list(MEASURES), value="F1", size="small", margin=(0, 10)
        )
        self.table = pn.pane.HTML("", sizing_mode="stretch_width", margin=(0, 10))
        self.chart = pn.pane.HoloViews(
            self._new_chart(), sizing_mode="stretch_both", min_height=120, linked_axes=False
        )
        self.measure.param.watch(lambda _: page.hop(self._draw), "value")
        page.react(self._draw, "dark")
        page.watch(self.session, self._draw, "report")
        page.watch(self.session, self._replace_chart, "taxonomy_revision")
        page.watch(self.session, self._write_table, "committed")
        self._write_table()

    def __panel__(self) -> pn.viewable.Viewable:
        heading = pn.pane.HTML(
            f'<b data-testid="metrics-title">{WARNING}</b><br><small>{EXPLANATION}</small>',
            sizing_mode="stretch_width",
            margin=(2, 10),
        )
        half = {"width": "50%", "min-width": "0", "height": "100%"}
        table = pmui.Column(self.table, sizing_mode="stretch_both", styles={**half, "overflow-y": "auto"})
        chart = pmui.Column(self.measure, self.chart, sizing_mode="stretch_both", styles=half)
        return pmui.Column(
            heading,
            pmui.Row(table, chart, sizing_mode="stretch_both", styles={"min-height": "0"}),
            sizing_mode="stretch_both",
        )

    def _draw(self) -> None:
        self._write_table()
        self.pipe.send(None)

    def _replace_chart(self) -> None:
        self._write_table()
        self.chart.object = self._new_chart()

    # ---- table -----------------------------------------------------------------------------------

    def _write_table(self) -> None:
        newest = {m["class"]: m for m in self.session.report.get("metrics") or []}
        rows = [
            self._row(index, c, count, newest.get(index, {}))
            for index, (c, count) in enumerate(
                zip(self.session.workspace.taxonomy, self.session.found().values(), strict=True)
            )
        ]
        head = "".join(f'<th scope="col">{name}</th>' for name in ("Class", "Labels", *MEASURES))
        self.table.object = (
            f'<table style="border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:13px" '
            f'data-testid="metrics"><thead><tr style="text-align:left">{head}</tr></thead>'
            f"<tbody>{''.join(rows)}</tbody></table>"
        )

    @staticmethod
    def _row(index: int, label_class: Any, count: int, metrics: dict[str, Any]) -> str:
        cells = [_percent(metrics.get(key)) for key in MEASURES.values()]
        star = ' <span title="a class that is looked for">wanted</span>' if label_class.wanted else ""
        name = (
            f'<span aria-hidden="true" style="color:{escape(label_class.colour)}">'
            f"{mark(index).character}</span> {escape(label_class.name)}{star}"
        )
        tds = "".join(f"<td>{cell}</td>" for cell in (f"{count:,}", *cells))
        return f'<tr><th scope="row" style="text-align:left;font-weight:500">{name}</th>{tds}</tr>'

    # ---- chart -----------------------------------------------------------------------------------

    def _new_chart(self) -> hv.DynamicMap:
        """A chart with one curve a class; rounds and the measure change its data in place.

        Replacing a plot while the browser still builds the one before breaks both, so that is done for a
        change of the classes only.
        """
        self.pipe = hv.streams.Pipe(data=None)
        return hv.DynamicMap(lambda data: self._overlay(), streams=[self.pipe])

    def _overlay(self) -> hv.Overlay:
        theme = DARK if self.page.dark else LIGHT
        measure = MEASURES[self.measure.value]
        reports = self.session.reports[-MOST_ROUNDS:]
        elements = [
            element
            for index, c in enumerate(self.session.workspace.taxonomy)
            for element in self._curve(index, c, measure, reports)
        ]
        return hv.Overlay(elements).opts(
            hv.opts.Overlay(
                responsive=True, ylim=(-0.03, 1.03), xlabel="labels", ylabel=self.measure.value,
                show_legend=False, show_grid=True, toolbar=None, framewise=True,
                hooks=[lambda plot, _: _paint(plot.state, theme)],
            )
        )  # fmt: skip

    def _curve(
        self, index: int, label_class: Any, measure: str, reports: list[dict[str, Any]]
    ) -> tuple[hv.Curve, hv.Scatter]:
        """One measure of one class over the labels, and its newest value with the mark of the class."""
        points = [
            (report["n_labels"], m[measure])
            for report in reports
            for m in report.get("metrics") or []
            if m["class"] == index and m[measure] is not None
        ]
        width = 3 if label_class.wanted else 1.5
        curve = hv.Curve(points, "labels", "value").opts(color=label_class.colour, line_width=width)
        end = hv.Scatter(points[-1:], "labels", "value").opts(
            color=label_class.colour, marker=mark(index).marker, size=9
        )
        return curve, end


def _paint(figure: Any, theme: Theme) -> None:
    """Give a figure the colours of the theme."""
    figure.background_fill_color = figure.border_fill_color = theme.ground
    figure.outline_line_color = theme.line
    figure.toolbar.logo = None
    for axis in figure.axis:
        axis.axis_label_text_color = axis.major_label_text_color = theme.ink
        axis.axis_line_color = axis.major_tick_line_color = theme.line
    figure.grid.grid_line_color = theme.line


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
