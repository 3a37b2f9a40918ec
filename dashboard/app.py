"""One page for one visitor: reads the layout, makes the views, and follows the session's phase."""

from __future__ import annotations

import importlib
import re
import threading
from collections.abc import Callable
from html import escape
from typing import Any

import panel as pn
import panel_material_ui as pmui

from ..layouts.schema import Layout, load_layout
from .arrangement import Arrangement
from .components.searchfield import SearchField
from .components.selects import SelectKeys
from .components.status import Status
from .components.theme import ThemeButton, was_dark
from .floor_plan import FloorPlan
from .items import ItemCards
from .page import THREADS, Page
from .session import LabellingSession
from .view_links import ViewLinks
from .views.audit import AuditView
from .views.bulk import BulkView
from .views.checks import ChecksView
from .views.classes import ClassesView
from .views.distributions import DistributionsView
from .views.export import ExportView
from .views.grid import GridView
from .views.guidelines import GuidelinesView
from .views.history import HistoryView
from .views.imports import ImportView
from .views.item import ItemView
from .views.map import MapView
from .views.metrics import MetricsView
from .views.progress import ProgressView
from .views.raster import warm_up
from .views.setup import SetupView
from .views.stop import StopView, meter
from .views.strategy import StrategyView
from .views.table import TableView
from .views.time_machine import TimeMachineView
from .views.work import WorkNotes

VIEWS: dict[str, type[Any]] = {
    "item": ItemView,
    "map": MapView,
    "metrics": MetricsView,
    "table": TableView,
    "distributions": DistributionsView,
    "grid": GridView,
    "bulk": BulkView,
    "history": HistoryView,
    "progress": ProgressView,
    "strategy": StrategyView,
    "audit": AuditView,
    "stop": StopView,
    "checks": ChecksView,
    "classes": ClassesView,
    "guidelines": GuidelinesView,
    "export": ExportView,
    "import": ImportView,
    "time": TimeMachineView,
}
ACCENT = "#1f4e79"
ACCENT_ON_DARK = "#8ab4f8"
BAR_HEIGHT = 48
MAIN_HEIGHT = f"calc(100vh - {BAR_HEIGHT + 2}px)"
LESS_MOTION = "@media (prefers-reduced-motion: reduce)"
RING: dict[str, Any] = {"&:focus-visible": {"outline": "3px solid currentColor", "outlineOffset": "-3px"}}
ONE_LINE = {"whiteSpace": "nowrap", "overflow": "hidden", "textOverflow": "ellipsis"}
TITLE = ONE_LINE | {"maxWidth": "30vw", "padding": "4px 0"}
THEME = {
    "palette": {"primary": {"main": ACCENT}},
    "typography": {"fontSize": 13, "button": {"textTransform": "none"}},
    "components": {
        "MuiButtonBase": {"styleOverrides": {"root": RING | {LESS_MOTION: {"transition": "none !important"}}}},
        "MuiPaper": {"styleOverrides": {"root": {LESS_MOTION: {"transition": "none !important"}}}},
        # The buttons beside numbers have no names and can be given none; the arrow keys do the same.
        "MuiInputAdornment": {
            "styleOverrides": {
                "root": {
                    "&:has(> .MuiIconButton-root)": {"display": "none"},
                    "&:has(> .MuiIconButton-root) + input": {"paddingLeft": "14px"},
                }
            }
        },
        "MuiTouchRipple": {"styleOverrides": {"root": {LESS_MOTION: {"display": "none"}}}},
        "MuiAppBar": {
            "styleOverrides": {"root": {"backgroundColor": f"{ACCENT} !important", "backgroundImage": "none"}}
        },
        "MuiToolbar": {"styleOverrides": {"root": {"minHeight": f"{BAR_HEIGHT}px !important", "& .title": TITLE}}},
        # The shell's own bar, which Panel draws even when told not to; others get a name.
        "MuiLinearProgress": {
            "defaultProps": {"aria-label": "Progress"},
            "styleOverrides": {"root": {"header + &, header &": {"display": "none"}}},
        },
    },
}
DARK_THEME = {**THEME, "palette": {"primary": {"main": ACCENT_ON_DARK}}}


class App:
    """The page of one visitor.

    Parameters
    ----------
    session
        What is labelled; shared by all pages.
    cards
        Contents of the item cards; shared by all pages.
    arrangement
        Which views stand where; shared by all pages of its annotator, who the visitor is.
    """

    def __init__(self, session: LabellingSession, cards: ItemCards, arrangement: Arrangement) -> None:
        self.session = session
        self.page = Page(session, cards, arrangement.annotator)
        titles = {name: view.title for name, view in VIEWS.items()}
        self.plan = FloorPlan(self.page, arrangement, titles, lambda name: VIEWS[name](self.page))
        self.status = Status(align="center")
        self.notes = WorkNotes(self.page)
        self.theme = ThemeButton(self._set_theme, align="center")
        self.main = pn.Column(sizing_mode="stretch_both", margin=0, styles={"height": MAIN_HEIGHT})
        self.shell = pmui.Page(
            title=f"rareloop · {session.workspace.name}",
            meta_title=escape(f"rareloop · {session.workspace.name}"),  # the template takes it as markup
            header=[
                pn.Row(
                    pn.HSpacer(),
                    self.notes.bar,
                    self._search_field(),
                    self.status,
                    self.plan.arranger,
                    self.theme,
                    SelectKeys(margin=0),
                    sizing_mode="stretch_width",
                )
            ],
            theme_toggle=False,
            dark_theme=was_dark(pn.state.cookies),
            main=[self.main],
            busy_indicator=None,
            sidebar_variant="temporary",
            theme_config={"light": THEME, "dark": DARK_THEME},
        )
        self.shell.param.watch(lambda event: setattr(self.page, "dark", event.new), "dark_theme")
        self.page.dark = bool(self.shell.dark_theme)
        self.page.watch(session, self._phase_changed, "phase")
        self.page.watch(session, self._show_progress, "progress")
        self._told: set[str] = set()
        self.page.watch(session, self._tell_messages, "report")
        self.page.watch(
            session, self._show_status, "report", "round_running", "committed", "taxonomy_revision", "campaign",
            "stopping",
        )  # fmt: skip
        self.page.watch(session, self.page.pace.ask, "committed", "phase")
        self.page.watch(self.page.pace, self._show_status, "known")
        self.page.watch(session.visitors, self._show_status, "revision")
        self._is_loaded, self._wants_dark = not self.page.is_served, self.page.dark
        self._show_phase()
        if self.page.is_served:
            pn.state.onload(self._loaded)
            pn.state.on_session_destroyed(lambda _: self.page.close())

    def __panel__(self) -> pn.viewable.Viewable:
        return self.shell

    def _set_theme(self, dark: bool) -> None:
        """Take the theme that the browser wants; what changes while the page is being built, it would not see."""
        self._wants_dark = dark
        if self._is_loaded:
            self.shell.dark_theme = dark

    # ---- phases ----------------------------------------------------------------------------------

    def _phase_changed(self) -> None:
        """Labelling starts with a fresh page: plots that are put into a page being shown may not build."""
        if not self._is_loaded or self._shown == self.session.phase:
            return
        if self.session.phase == "labelling" and pn.state.location is not None:
            pn.state.location.reload = True
        else:
            self._show_phase()

    def _loaded(self) -> None:
        """The browser has the page: catch up with a phase that changed on the way, which it would not notice."""
        self._is_loaded = True
        self.shell.dark_theme = self._wants_dark
        threading.Thread(target=self._make_ready, daemon=True).start()
        if self._shown != "labelling":
            THREADS.submit(warm_up)  # while the user reads; a map that is there already compiles by itself
        self._phase_changed()
        if self._shown == "labelling":
            self._tell_messages()

    def _make_ready(self) -> None:
        """Get what other views need as soon as they are opened, and the first page does not: in a thread."""
        importlib.import_module("scipy.stats")
        if self.session.phase == "labelling":
            self.session.workspace.ids.make_index()

    def _show_phase(self) -> None:
        show: dict[str, Callable[[], Any]] = {
            "setup": lambda: SetupView(self.page),
            "preparing": self._preparing,
            "labelling": self._labelling,
        }
        self._shown = self.session.phase
        self.main[:] = [show[self._shown]()]
        self._show_status()

    def _preparing(self) -> pn.viewable.Viewable:
        self.bar = pmui.LinearProgress(variant="determinate", value=0, sizing_mode="stretch_width")
        self.doing = pn.pane.HTML("", sizing_mode="stretch_width")
        self._show_progress()
        cancel = pmui.Button(label="Cancel", variant="outlined", size="small", margin=(10, 0))
        cancel.on_click(lambda _: self.session.cancel_preparing())
        heading = pn.pane.HTML("<h2>Preparing the pool</h2>")
        return pmui.Container(heading, self.bar, self.doing, cancel, width_option="md")

    def _show_progress(self) -> None:
        if self.session.phase == "preparing" and hasattr(self, "bar"):
            share, text = self.session.progress
            self.bar.value = int(100 * share)
            self.doing.object = f"<p role='status'>{text}</p>"

    def _show_status(self) -> None:
        if self.session.phase != "labelling":
            self.status.show_badges()
            return
        wanted = [c.name for c in self.session.workspace.taxonomy if c.wanted]
        counts = self.session.found()
        per_hour = self.page.pace.known.session.per_hour
        found = f"found {sum(counts[name] for name in wanted):,} · " if wanted else ""
        self.status.show_badges(
            round_text=self._stage(),
            running=self.session.round_running,
            found=f"{found}{sum(counts.values()):,} labels",
            stop=meter(self.session.stopping),
            pace="" if per_hour is None else f"{per_hour:,.0f} labels/h",
            annotator=self.page.annotator,
            here=self.session.visitors.names,
        )

    def _stage(self) -> str:
        """Where the loop is: in a round, or in a campaign."""
        campaign, number = self.session.campaign, self.session.report.get("round")
        if campaign:
            return f"campaign: {campaign['n_answered']:,} of {campaign['n']:,}"
        return "first look" if number is None else f"round {number}"

    def _tell_messages(self) -> None:
        """Show what a round has to say once, however often it says it with other numbers."""
        for message in self.session.report.get("messages") or ():
            kind = re.sub(r"\d+", "", message)
            if kind not in self._told:
                self._told.add(kind)
                self.page.tell(message, kind="warning")

    # ---- layout ----------------------------------------------------------------------------------

    def _labelling(self) -> pn.viewable.Viewable:
        report = self.session.workspace.feature_report
        if report.imputed and not self.session.state.n_events:
            n_missing, n_columns = sum(report.imputed.values()), len(report.imputed)
            self.page.tell(
                f"{n_missing:,} missing values in {n_columns:,} feature columns count as the median of their "
                "column; the Strategy tab lists them."
            )
        if self.plan.arrangement.note:
            self.page.tell(self.plan.arrangement.note, kind="warning")
        built, self.page.places = self.plan.build(), self.plan
        self.page.when_shown(ViewLinks(self.page).open_address)
        return built

    def _search_field(self) -> SearchField:
        return SearchField(
            self.page,
            width=210,
            height=30,
            align="center",
            margin=(0, 10),
            visible=self.session.phase == "labelling",
        )


def read_layout(name_or_path: str) -> Layout:
    """Read a layout for the views that exist; raises LayoutError."""
    return load_layout(name_or_path, VIEWS)
