"""Back in time: the counts, the estimates and the map as of an earlier entry of the label log."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui

from ..components.player import Player
from ..log_columns import Columns
from ..page import Page
from ..session import LabellingSession
from ..time_machine import Moment, found_over_log, moment
from .charts import nothing, short, thinned, up_to
from .drawing import REFERENCE, Axis, Drawing, Line, Point, Words, picture
from .estimates_table import Look, estimates_table, looks
from .halves import halves
from .marks import mark, scroller

NOTHING_YET = "The log has no entry yet: there is no past to go back to."
NOW = "This is now. Move the slider to see the counts, the estimates and the map as they were."
NO_ROUND = "No round was ready then."


class TimeMachineView(pn.viewable.Viewer):
    """A slider over the log, with counts and estimates on the left and what was found on the right.

    The card is not affected: answers are given for now.
    """

    title = "Time machine"

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self.session: LabellingSession = page.session
        self._busy = self._again = self._follows = self._is_going = self._plays = False
        self._goal: int | None = None  # where the slider is, while the place before is being counted
        self.slider = pmui.IntSlider(
            label="Entries of the log", value=0, start=0, end=1, sizing_mode="stretch_width", margin=(4, 20),
            tooltips=False,
        )  # fmt: skip
        self.back = pmui.Button(
            label="Back to now", size="small", variant="outlined", disabled=True, margin=(10, 10)
        )
        self.player = Player(self._on_player, margin=(10, 0, 10, 10))
        self.banner = pn.pane.HTML("", sizing_mode="stretch_width", margin=(2, 10))
        self.table = pn.pane.HTML("", sizing_mode="stretch_both", margin=0)
        self.chart = pn.pane.HTML("", sizing_mode="stretch_both", min_height=120, margin=0)
        self.slider.param.watch(lambda event: self._moved(event.new), "value")
        self.back.on_click(lambda _: self._back_to_now())
        page.react(self._went, "at_label")
        page.react(self._refresh, "dark")
        page.watch(self.session, self._refresh, "committed", "estimates", "taxonomy_revision")
        page.when_shown(self._refresh)

    def __panel__(self) -> pn.viewable.Viewable:
        left = pmui.Column(
            self.banner, self.table, sizing_mode="stretch_both", margin=0,
        )  # fmt: skip
        right = pmui.Column(
            self.chart, sizing_mode="stretch_both", margin=0,
            styles={"padding-left": "8px"},
        )  # fmt: skip
        return pmui.Column(
            pmui.Row(self.player, self.slider, self.back, sizing_mode="stretch_width", margin=0),
            halves(left, right, least=(400, 300), grow=(3, 2)),
            sizing_mode="stretch_both",
            margin=0,
            styles={"min-height": "0"},
        )

    # ---- the slider --------------------------------------------------------------------------------

    def _moved(self, n: int) -> None:
        """Go where the slider is; while the last place is being counted, only the newest one waits."""
        if self._follows:
            return  # set by this view
        self._stop_playing()  # the user goes where they want
        self._goal = n
        if not self._busy:
            self._go()

    def _back_to_now(self) -> None:
        self._goal = None
        self._stop_playing()
        self.page.at_label = None

    def _go(self) -> None:
        n, self._goal = self._goal, None
        if n is not None:
            target = None if n >= self.slider.end else int(n)
            self._is_going = target != self.page.at_label
            self.page.at_label = target

    def _on_player(self, message: Mapping[str, Any]) -> None:
        n = message.get("n")
        if message.get("type") == "go" and isinstance(n, int):
            self.page.hop(lambda: self._play(min(max(n, 0), self.slider.end)))

    def _play(self, n: int) -> None:
        """Show the next place that is played; places that come while one is being counted are left out."""
        self._plays = n < self.slider.end
        self._set_slider(value=n)
        self._goal = n
        if not self._busy:
            self._go()

    def _stop_playing(self) -> None:
        if self._plays:
            self._plays = False
            self.page.hop(self.player.pause)

    def _went(self) -> None:
        """Whoever else than this view goes somewhere else, such as back to now, ends what is being played."""
        if not self._is_going:
            self._stop_playing()
        self._is_going = False
        self._refresh()

    def _set_slider(self, **values: int) -> None:
        self._follows = True
        try:
            self.slider.param.update(**values)
        finally:
            self._follows = False

    def _follow(self, known: Moment) -> None:
        """Have the slider span the log; it stands at its end unless the user has moved it."""
        end = max(known.n_events, 1)
        is_past = self.page.at_label is not None
        self._set_slider(end=end, **({} if is_past or self._goal is not None else {"value": known.n_events}))
        self.back.disabled = not is_past
        self.player.show_place(at=known.n, end=known.n_events, is_past=is_past, dark=self.page.dark)

    # ---- drawing -----------------------------------------------------------------------------------

    def _refresh(self) -> None:
        """Count in a thread; while it counts, only the newest place of the slider waits."""
        if self._busy:
            self._again = True
            return
        self._busy, self._again = True, False
        self.page.in_background(self._known, self._take)

    def _known(self) -> tuple[Moment, Drawing] | Exception:
        try:
            session, columns = self.session, self.session.columns.now()
            n = len(columns) if self.page.at_label is None else self.page.at_label
            names = session.workspace.taxonomy.names
            known = moment(columns, n, names, list(session.reports), session.workspace.rounds.moments())
            return known, discovery(columns, known, looks(session.workspace.taxonomy))
        except Exception as error:
            return error

    def _take(self, result: tuple[Moment, Drawing] | Exception) -> None:
        self._busy = False
        self._go()
        if self._again:
            self._refresh()
        elif isinstance(result, Exception):
            self.page.complain(result)
        else:
            self._show(*result)

    def _show(self, known: Moment, drawing: Drawing) -> None:
        self._follow(known)
        is_past = self.page.at_label is not None
        text = f"<b>{as_of(known)}</b>" if is_past else (NOW if known.n_events else NOTHING_YET)
        report = known.report if is_past else self.session.report
        estimates = (report.get("estimates") if is_past else self.session.estimates) or {}
        number = report.get("round")
        round_text = NO_ROUND if number is None else f"Estimates of round {number}."
        self.banner.object = (
            f'<div role="status" data-testid="time-banner" style="font-size:13px">{text}<br>{round_text}</div>'
        )
        classes = looks(self.session.workspace.taxonomy)
        table = estimates_table(classes, estimates, known.counts, self.page.dark)
        self.table.object = scroller(table, "Estimates as of then")
        self.chart.object = picture(drawing, self.page.dark)


def as_of(known: Moment) -> str:
    """Where one is in the log, in words."""
    when = "" if known.at is None else f", {known.at:%Y-%m-%d %H:%M:%S} UTC"
    return escape(
        f"As of label {known.n_labels:,} of {known.n_labels_now:,} (entry {known.n:,} of {known.n_events:,}{when})"
    )


def discovery(columns: Columns, known: Moment, classes: list[Look]) -> Drawing:
    """What was found of the wanted classes over the log, and a line where one is."""
    end = max(known.n_events, 1)
    x = Axis("entries of the log", (-0.02 * end, 1.24 * end))
    wanted = [look for look in classes if look.wanted]
    curves = {look: found_over_log(columns, look.name) for look in wanted}
    highest = max((int(found[-1]) for _, found in curves.values()), default=0)
    y = Axis("found", up_to(max(highest, 1)))
    if not known.n_events or not wanted:
        return nothing(x, y, NOTHING_YET if wanted else "No class is looked for: choose one in the Strategy tab.")
    lines, points, words, said = [Line((known.n, known.n), y.span, REFERENCE, 2, "dashed")], [], [], []
    for look, (entries, found) in curves.items():
        then = int(np.searchsorted(entries[1:-1], known.n, side="right"))
        kept = thinned(range(len(entries)), 400)
        lines.append(Line(*_steps(entries[kept].tolist(), found[kept].tolist()), look.colour))
        tip = f"{look.name}: {then:,} found by entry {known.n:,}"
        points.append(Point(known.n, then, look.colour, mark(look.index).marker, 10, tip))
        words.append(Words(end, int(found[-1]), f"  {short(look.name)}"))
        said.append(tip)
    text = f"Found over the log. {'; '.join(said)}."
    return Drawing(x, y, text, lines=tuple(lines), points=tuple(points), words=tuple(words))


def _steps(entries: list[int], found: list[int]) -> tuple[list[Any], list[Any]]:
    """A curve that rises where something was found, and not before."""
    x = [entries[0], *(value for entry in entries[1:] for value in (entry, entry))]
    y = [value for count in found[:-1] for value in (count, count)]
    return x, [*y, found[-1]]
