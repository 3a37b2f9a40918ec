"""What is asked next and how: strategy, classifier, prior correction, classes that are looked for."""

from __future__ import annotations

import math
from html import escape
from typing import Any

import panel as pn
import panel_material_ui as pmui

from ...data.errors import InputError
from ...strategies import STRATEGIES
from ...strategies.classifiers import CLASSIFIERS
from ...strategies.mixture import Auto
from ...strategies.priors import Correction
from ...strategies.subpools import Subpooled
from ..distances import METRICS
from ..page import Page
from ..session import LabellingSession
from .arms import Shares, arms_table
from .halves import halves
from .marks import scroller

CORRECTIONS = {
    "None: as the model says": Correction.NONE,
    "Matched to the prevalence": Correction.MATCHED,
    "Ratio of prevalence to prior": Correction.RATIO,
}
SHOWN = {"By the audit, or matched until it is large enough": Correction.AUDIT} | CORRECTIONS
OBJECTIVES = {
    "The best F1": "f1",
    "A cost ratio: what a missed member costs": "cost",
    "A target precision": "precision",
    "A target recall": "recall",
    "None: the most likely class": "none",
}
# What the value of an objective begins with.
VALUES = {"cost": 10.0, "precision": 0.9, "recall": 0.9}


class StrategyView(pn.viewable.Viewer):
    """The controls of the rounds, and the priors and corrections in force."""

    title = "Strategy"

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self.session: LabellingSession = page.session
        self._build()
        self._wire()
        page.watch(self.session, self._describe, "report", "round_running", "problem", "duplicates")
        page.watch(self.session, self._classes_changed, "taxonomy_revision")
        self._describe()

    def _build(self) -> None:
        settings = self.session.settings
        strategies = {spec.label: name for name, spec in STRATEGIES.items()}
        bases = {label: name for label, name in strategies.items() if not is_subpooled(name)}
        classifiers = {spec.label: name for name, spec in CLASSIFIERS.items()}
        small = {"size": "small", "width": 230}
        self.strategy = pmui.Select(
            label="Strategy", options=_with(strategies, settings.strategy), value=settings.strategy, **small
        )
        self.base = pmui.Select(
            label="Around which strategy", options=_with(bases, settings.base), value=settings.base,
            visible=is_subpooled(settings.strategy), **small,
        )  # fmt: skip
        self.shares = Shares(self.session, self._change)
        self.shares_box = pmui.Column(self.shares, visible=settings.strategy == Auto.name, margin=(0, 0, 10, 0))
        self.metric = pmui.Select(label="What is near what", options=METRICS, value=settings.metric, **small)
        self.classifier = pmui.Select(
            label="Classifier", options=_with(classifiers, settings.classifier), value=settings.classifier, **small
        )
        self.query_correction = pmui.Select(
            label="Boundary that is queried",
            options=CORRECTIONS,
            value=Correction(settings.query_correction),
            **small,
        )
        self.correction = pmui.Select(
            label="Probabilities that are shown",
            options=SHOWN,
            value=Correction(settings.correction),
            **small,
        )
        self.audit_share = pmui.FloatInput(
            label="Audit share (0 to 1)", value=settings.audit_share, start=0, end=1, step=0.05, **small
        )
        self.objective = pmui.Select(
            label="Threshold chosen for", options=OBJECTIVES, value=settings.objective, **small
        )
        self.objective_value = pmui.FloatInput(
            label="Its value",
            value=settings.objective_value,
            start=0,
            visible=settings.objective in VALUES,
            **small,
        )
        self.guarantee = pmui.Checkbox(
            label="Guaranteed intervals", value=settings.guarantee, size="small", width=230
        )
        self.diverse = pmui.Checkbox(
            label="Spread out each batch", value=settings.diverse, size="small", width=230
        )
        self.quota = pmui.FloatInput(
            label="From one cell at most (0.01 to 1)", value=settings.quota, start=0.01, end=1, step=0.1, **small
        )
        self.retrain_every = pmui.IntInput(
            label="A round after how many labels", value=self.session.retrain_every, start=1, **small
        )
        self.anchors_above = pmui.IntInput(
            label="Anchors for pools above", value=settings.anchors_above, start=0, step=10_000, **small
        )
        classes = self.session.workspace.taxonomy.offered
        names = [c.name for _, c in classes]
        self.wanted = pmui.MultiChoice(
            label="Classes that are looked for", options=names, value=self._wanted(), width=230
        )
        self.new_class = pmui.TextInput(label="New class", size="small", width=150)
        self.add_class = pmui.Button(label="Add", size="small", variant="outlined")
        self.prevalence = {place: self._prevalence_input(place, c.name) for place, c in classes}
        self.info = pn.pane.HTML("", sizing_mode="stretch_both", margin=0, styles={"font-size": "13px"})

    def _prevalence_input(self, index: int, name: str) -> pmui.TextInput:
        given = next(((low, high) for i, low, high in self.session.settings.prevalence if i == index), None)
        return pmui.TextInput(
            label=f"Share of '{name}' in %", value="" if given is None else _range_text(*given),
            placeholder="unknown; e.g. 0.1 to 1", size="small", width=230,
        )  # fmt: skip

    def _wire(self) -> None:
        for name in ("strategy", "base", "classifier", "metric", "query_correction", "correction", "audit_share",
                     "diverse", "quota", "anchors_above", "retrain_every", "guarantee"):  # fmt: skip
            getattr(self, name).param.watch(lambda event, name=name: self._change(**{name: event.new}), "value")
        self.strategy.param.watch(lambda event: self._strategy_chosen(event.new), "value")
        self.objective.param.watch(lambda event: self._objective_chosen(event.new), "value")
        self.objective_value.param.watch(lambda event: self._objective_changed(event.new), "value")
        self.wanted.param.watch(lambda event: self._change_wanted(event.new), "value")
        self.add_class.on_click(lambda _: self._add_class())
        for box in self.prevalence.values():
            box.param.watch(lambda _: self._change_prevalence(), "value")

    def __panel__(self) -> pn.viewable.Viewable:
        self.prevalence_column = pmui.Column(*self.prevalence.values())
        controls = pmui.Column(
            self.strategy, self.base, self.shares_box, self.classifier, self.wanted,
            pmui.Row(self.new_class, self.add_class), self.retrain_every, self.metric,
            self.query_correction, self.correction, self.objective, self.objective_value, self.guarantee,
            self.audit_share, self.diverse, self.quota,
            self.anchors_above,
            pn.pane.HTML("<b>Your own guess of the prevalence</b>", margin=(5, 10)), self.prevalence_column,
            sizing_mode="stretch_both",
            styles={"overflow": "hidden auto", "padding-top": "8px", "box-sizing": "border-box"},
        )  # fmt: skip
        info = pmui.Column(
            self.info,
            sizing_mode="stretch_both",
            margin=0,
        )
        return halves(controls, info, least=(270, 300), grow=(0, 1))

    # ---- changes ---------------------------------------------------------------------------------

    def _strategy_chosen(self, name: str) -> None:
        self.base.visible = is_subpooled(name)
        self.shares_box.visible = name == Auto.name

    def _objective_chosen(self, kind: str) -> None:
        """The value that belongs to an objective comes with it, in one change."""
        value = VALUES.get(kind)
        self.objective_value.param.update(visible=value is not None)
        self._change(objective=kind, objective_value=value)
        self.objective_value.value = value

    def _objective_changed(self, value: float | None) -> None:
        if value is not None and value != self.session.settings.objective_value:
            self._change(objective_value=value)

    def _change(self, **changes: Any) -> None:
        if any(value is None for value in changes.values()):
            return
        try:
            self.session.update_settings(
                **{k: str(v) if isinstance(v, Correction) else v for k, v in changes.items()}
            )
        except InputError as error:
            self.page.complain(error)

    def _change_prevalence(self) -> None:
        ranges = []
        try:
            for index, box in self.prevalence.items():
                if box.visible and box.value.strip():
                    ranges.append((index, *parse_range(box.value)))
        except InputError as error:
            self.page.complain(error)
            return
        self._change(prevalence=tuple(ranges))

    def _add_class(self) -> None:
        self.page.deliver(
            self.session.add_class(self.new_class.value, annotator=self.page.annotator),
            lambda _: setattr(self.new_class, "value", ""),
        )

    def _change_wanted(self, names: list[str]) -> None:
        if set(names) != set(self._wanted()):
            self.page.deliver(self.session.set_wanted(names, annotator=self.page.annotator), lambda _: None)

    def _wanted(self) -> list[str]:
        return [c.name for _, c in self.session.workspace.taxonomy.offered if c.wanted]

    def _classes_changed(self) -> None:
        classes = dict(self.session.workspace.taxonomy.offered)
        names = [c.name for c in classes.values()]
        if self.wanted.options != names:
            self.wanted.param.update(options=names, value=self._wanted())
        elif self.wanted.value != self._wanted():
            self.wanted.value = self._wanted()
        for index, c in classes.items():
            if index not in self.prevalence:
                box = self.prevalence[index] = self._prevalence_input(index, c.name)
                box.param.watch(lambda _: self._change_prevalence(), "value")
                self.prevalence_column.append(box)
        for index, box in self.prevalence.items():
            box.visible = index in classes
            if index in classes:
                box.label = classes[index].name

    # ---- what is in force ------------------------------------------------------------------------

    def _describe(self) -> None:
        report = self.session.report
        parts = [f"<p role='alert'><b>{escape(self.session.problem)}</b></p>"] if self.session.problem else []
        if not report:
            parts.append("<p>No round has run yet. Items come at random until the first one is ready.</p>")
        else:
            parts += [f"<p><b>{escape(message)}</b></p>" for message in report.get("messages", ())]
            parts += [self._sentences(report), self._twins(report)]
            if report.get("arms"):
                parts.append(arms_table(report["arms"]))
            parts.append(self._table(report))
        chosen = STRATEGIES.get(self.session.settings.strategy)
        if chosen is not None:
            parts.append(f"<p><b>{escape(chosen.label)}.</b> {escape(chosen.description)}</p>")
        notes = self.session.workspace.feature_report.notes()
        if notes:
            listed = "".join(f"<li>{escape(note)}</li>" for note in notes)
            parts.append(f"<p><b>Features.</b></p><ul style='padding-left:1.2em'>{listed}</ul>")
        self.info.object = scroller(f"<div data-testid='strategy-info'>{''.join(parts)}</div>", "The newest round")

    def _sentences(self, report: dict[str, Any]) -> str:
        seconds = report["seconds"]
        scored = f"{report['n_scored']:,} of {report['n_available']:,} items scored"
        if report.get("subpool_size"):
            scored += f", a subpool of {report['subpool_size']:,} near labelled ones"
        times = ", ".join(f"{name} {value:.2f} s" for name, value in seconds.items() if value)
        running = " A new round is running." if self.session.round_running else ""
        return (
            f"<p><b>Round {report['round']}</b> on {report['n_labels']:,} labels: {scored}; {times}.{running}</p>"
            f"<p>Correction in force: probabilities <b>{escape(report['correction'])}</b>, queried boundary "
            f"<b>{escape(report['query_correction'])}</b>. Prevalence: {escape(report['prevalence_source'])}.</p>"
            f"{self._thresholds(report)}"
        )

    def _thresholds(self, report: dict[str, Any]) -> str:
        """From which probability on each wanted class is predicted."""
        classes = list(self.session.workspace.taxonomy)
        entries = (report.get("estimates") or {}).get("classes") or ()
        said = [threshold_words(classes[e["class"]].name, e) for e in entries if classes[e["class"]].wanted]
        return "".join(f"<p>{escape(sentence)}</p>" for sentence in said)

    def _twins(self, report: dict[str, Any]) -> str:
        """Items that are not asked because a labelled one has the same features."""
        n, n_agreeing = report.get("n_duplicates") or 0, len(self.session.duplicates)
        if not n:
            return ""
        can = f" {n_agreeing:,} of them can be labelled like their twins, on the card." if n_agreeing else ""
        return (
            f"<p>{n:,} item{' has' if n == 1 else 's have'} exactly the features of a labelled one, and "
            f"{'is' if n == 1 else 'are'} not asked.{can}</p>"
        )

    def _table(self, report: dict[str, Any]) -> str:
        """Class prior of the fit beside the prevalence of the pool."""
        names = self.session.workspace.taxonomy.names
        learnt = [c.is_learnt for c in self.session.workspace.taxonomy]
        columns = [report[key] for key in ("class_prior", "prevalence", "prevalence_low", "prevalence_high")]
        lines = "".join(
            f"<tr><th scope='row' style='text-align:left;font-weight:500'>{escape(name)}</th>"
            f"<td>{_share(prior)}</td><td>{_share(point)}</td><td>{_share(low)} – {_share(high)}</td></tr>"
            for is_learnt, name, prior, point, low, high in zip(learnt, names, *columns, strict=False)
            if is_learnt
        )
        return (
            "<table style='border-spacing:10px 2px;font-variant-numeric:tabular-nums'>"
            "<thead><tr style='text-align:left'><th scope='col'>Class</th><th scope='col'>Prior of the fit</th>"
            "<th scope='col'>Prevalence of the pool</th><th scope='col'>95 % interval</th></tr></thead>"
            f"<tbody>{lines}</tbody></table>"
        )


def threshold_words(name: str, entry: dict[str, Any]) -> str:
    """From which probability on a class is predicted, and why; `entry` is that of the class in the estimates."""
    if entry["threshold"] is None:
        return f"'{name}' is predicted by {entry['threshold_source']}."
    return f"'{name}' is predicted from {_share(entry['threshold'])} on: {entry['threshold_source']}."


def is_subpooled(name: str) -> bool:
    """Whether a strategy is put around another one."""
    strategy = STRATEGIES.get(name)
    return strategy is not None and issubclass(strategy, Subpooled)


def _share(value: float | None) -> str:
    """A share as per cent with two significant digits."""
    if value is None or not math.isfinite(value):
        return "unknown"
    return f"{float(f'{100 * value:.2g}'):g} %"


def _range_text(low: float, high: float) -> str:
    low, high = (float(f"{100 * value:.6g}") for value in (low, high))
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def parse_range(text: str) -> tuple[float, float]:
    """Read a share in per cent, ``"0.5"`` or ``"0.1 to 1"``, as two fractions.

    Raises
    ------
    InputError
        When it is no number or range between 0 and 100.
    """
    parts = text.replace("%", "").replace("–", " to ").split(" to ")
    try:
        low, high = (float(parts[0]) / 100, float(parts[-1]) / 100)
    except ValueError:
        low = high = math.nan
    if len(parts) > 2 or not 0 < low <= high < 1:
        raise InputError(f"'{text}' is no share: write a percentage such as 0.5, or a range such as 0.1 to 1")
    return low, high


def _with(options: dict[str, str], value: str) -> dict[str, str]:
    """The options and, when it is none of them, the user's own value."""
    return options if value in options.values() else {**options, value: value}
