"""Labelling the selection at once, after a look at a random sample of it."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui

from ...data.errors import InputError
from ..bulk import MOST, SAMPLE, SAMPLES, Contents, Verdict, contents_of
from ..page import Page
from ..session import Commit, LabellingSession
from .marks import SMALL, mark

MOST_CLASSES = 12
UNKNOWN = "Label it unchecked: the purity stays unknown, and is recorded so"


class BulkView(pn.viewable.Viewer):
    """What is in ``page.selection``, the check of a sample, and the step."""

    title = "Bulk"

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self.session: LabellingSession = page.session
        self._contents: Contents | None = None
        self._asked = 0
        small: dict[str, Any] = {"size": "small", "margin": (6, 10)}
        names = self._names()
        self.what = pn.pane.HTML("", sizing_mode="stretch_width", margin=(2, 10), styles=SMALL)
        self.state = pn.pane.HTML("", sizing_mode="stretch_width", margin=(2, 10), styles=SMALL)
        self.label = pmui.Select(label="Class", options=names, value=next(iter(names), None), width=200, **small)
        self.n = pmui.IntInput(
            label="Sample", value=SAMPLE, start=SAMPLES[0], end=SAMPLES[1], step=5, width=110, **small
        )
        self.relabel = pmui.Checkbox(label="Also change labels there are", margin=(0, 10))
        self.unchecked = pmui.Checkbox(label=UNKNOWN, margin=(0, 10))
        self.check = pmui.Button(label="Check a sample", variant="contained", **small)
        self.stop = pmui.Button(label="Give the check up", variant="text", visible=False, **small)
        self.commit = pmui.Button(label="Label all", variant="outlined", visible=False, **small)
        for box in (self.label, self.relabel, self.unchecked):
            box.param.watch(lambda _: page.hop(self._show), "value")
        self.check.on_click(lambda _: self._begin())
        self.stop.on_click(lambda _: self.session.bulker.stop())
        self.commit.on_click(lambda _: self._commit())
        page.react(self._load, "selection")
        page.watch(self.session, self._load, "committed", "taxonomy_revision", "campaign")
        page.watch(self.session.bulker, self._show, "check")
        self._load()

    def __panel__(self) -> pn.viewable.Viewable:
        return pmui.Column(
            self.what, pmui.Row(self.label, self.n, self.check, self.stop), self.relabel, self.state,
            self.unchecked, self.commit, sizing_mode="stretch_both", styles={"overflow": "auto"},
        )  # fmt: skip

    def _names(self) -> list[str]:
        return [c.name for _, c in self.session.workspace.taxonomy.offered]

    # ---- what is there ---------------------------------------------------------------------------

    def _load(self) -> None:
        """Look at the selection anew."""
        self._asked += 1
        asked, rows = self._asked, self.page.selection
        names = self._names()
        if self.label.options != names:
            value = self.label.value if self.label.value in names else next(iter(names), None)
            self.label.param.update(options=names, value=value)
        self.page.in_background(lambda: contents_of(self.session, rows), lambda found: self._take(asked, found))

    def _take(self, asked: int, contents: Contents) -> None:
        if asked == self._asked:
            self._contents = contents
            self._show()

    def _show(self) -> None:
        contents = self._contents
        if contents is None or not contents.n:
            self.what.object = (
                "<div data-testid='bulk'>Nothing is selected. Draw a lasso on the map, filter, search, or "
                "list the items of a class: what is selected can be labelled at once here.</div>"
            )
            self.state.object = ""
        else:
            self.what.object = self._words(contents)
            self.state.object = self._state_words()
        self._allow(contents)

    def _words(self, contents: Contents) -> str:
        taxonomy = self.session.workspace.taxonomy
        looks = {c.name: (c.colour, mark(place).character) for place, c in taxonomy.shown}
        shown = list(contents.counts.items())[:MOST_CLASSES]
        mix = " ".join(
            f"<span style='white-space:nowrap'><span aria-hidden='true' style='color:{escape(looks[name][0])}'>"
            f"{looks[name][1]}</span> {escape(name)} {n:,}</span> ·"
            for name, n in shown
            if name in looks
        )
        left = [
            f"{contents.n_others:,} unsure or flagged" if contents.n_others else "",
            f"{contents.n_sealed:,} answered for the sealed audit" if contents.n_sealed else "",
            f"{len(contents.waiting):,} that the audit is about to ask" if len(contents.waiting) else "",
        ]
        said = ", ".join(part for part in left if part)
        return (
            f"<div role='status' data-testid='bulk'><b>{contents.n:,} items</b> from "
            f"{escape(self.page.selection_name or 'the selection')}: {mix} without a label "
            f"{len(contents.free):,}.{f' Left out: {said}.' if said else ''}</div>"
        )

    # ---- the check -------------------------------------------------------------------------------

    def _verdict(self) -> Verdict | None:
        """How the check stands, where it is of this selection and class."""
        check = self.session.bulker.check
        if (
            check is None
            or (check.label, check.relabel) != (self.label.value, self.relabel.value)
            or not np.array_equal(check.rows, self.page.selection)
        ):
            return None
        return self.session.bulker.verdict()

    def _state_words(self) -> str:
        check, verdict = self.session.bulker.check, self._verdict()
        if verdict is None:
            if check is None:
                return ""
            return (
                f"<div role='status' data-testid='purity'>A check for '{escape(check.label)}' is under way on "
                f"another selection, {escape(check.source)}, or for another class.</div>"
            )
        name = escape(check.label)
        if verdict.purity is None:
            return (
                f"<div role='status' data-testid='purity'>{verdict.n_answered:,} of {len(check.sample):,} are "
                f"answered. The card asks them one by one; use the usual keys.</div>"
            )
        purity = verdict.purity
        return (
            f"<div role='status' data-testid='purity'><b>{verdict.n_right:,} of {verdict.n_answered:,} are "
            f"'{name}': the others are between {_floor(purity.low)} and {_ceil(purity.high)} pure</b> "
            "(95 % confidence, exact, for a sample drawn at random without replacement).</div>"
        )

    def _begin(self) -> None:
        rows, source, label = self.page.selection, self.page.selection_name or "the selection", self.label.value
        n, relabel = int(self.n.value or SAMPLE), bool(self.relabel.value)
        self.page.in_background(
            lambda: self.session.bulker.begin(rows, source, str(label), n, relabel=relabel),
            lambda check: self.page.work_through(check.sample, "purity check"),
        )

    # ---- the step --------------------------------------------------------------------------------

    def _allow(self, contents: Contents | None) -> None:
        """Offer what can be done now."""
        is_under_way = bool(self.session.campaign)
        verdict = self._verdict()
        is_checked = verdict is not None and verdict.purity is not None
        n = 0 if contents is None else len(contents.to_label(bool(self.relabel.value)))
        if is_checked and self.relabel.value:
            n -= len(self.session.bulker.check.sample)
        self.stop.visible = self.session.bulker.check is not None
        self.unchecked.visible = not is_checked and n > 0
        self.check.disabled = is_under_way or n == 0
        can = is_checked or bool(self.unchecked.value)
        # Gone rather than disabled: a disabled button would keep the focus, and with it the keys.
        self.commit.visible = not is_under_way and can and 0 < n <= MOST
        self.commit.label = f"Label {n:,} item{'s' if n != 1 else ''} as '{self.label.value}'"
        if is_under_way:
            self.state.object = "<div role='status'>During a campaign nothing is labelled at once.</div>"
        elif n > MOST:
            self.state.object = f"<div role='status'>One step labels {MOST:,} items at most: select fewer.</div>"

    def _commit(self) -> None:
        rows, source, label = (
            self.page.selection,
            self.page.selection_name or "the selection",
            str(self.label.value),
        )
        verdict = self._verdict()
        unchecked = verdict is None or verdict.purity is None
        if unchecked and not self.unchecked.value:
            self.page.complain(InputError("check a sample first, or say that the purity may stay unknown"))
            return
        self.commit.visible = False
        self.state.object = "<div role='status' data-testid='purity'>Labelling …</div>"
        future = self.session.bulker.label(
            rows,
            source,
            label,
            annotator=self.page.annotator,
            relabel=bool(self.relabel.value),
            unchecked=unchecked,
        )
        self.page.deliver(future, lambda commit: self._done(commit, label))
        future.add_done_callback(lambda _: self.page.hop(self._load))

    def _done(self, commit: Commit, label: str) -> None:
        self.unchecked.value = False
        self.page.tell(f"{len(commit.rows):,} items are labelled '{label}'; one undo takes it back.")


def _floor(share: float) -> str:
    """A lower limit in whole per cents that does not say too much."""
    return f"{np.floor(100 * share + 1e-9):.0f} %"


def _ceil(share: float) -> str:
    return f"{np.ceil(100 * share - 1e-9):.0f} %"
