"""The labelling guidelines beside the item: read, written, and compared with earlier versions."""

from __future__ import annotations

from html import escape
from typing import Any

import panel as pn
import panel_material_ui as pmui

from ...data.guidelines import LONGEST, Guideline
from ...data.taxonomy import LabelClass
from ..guideline_text import difference, rendered
from ..page import Page
from ..session import LabellingSession
from .marks import SMALL, mark

NONE_YET = (
    "<p>There are no guidelines yet. They say how hard cases are decided, and answers remember the version in "
    "force: choose <b>Write</b>.</p>"
)
START = """# What is asked

What an item is, and what you look at first.

# Doubtful cases

When to answer *unsure*, and when to *flag* an item.
"""
READ, WRITE, COMPARE = "Read", "Write", "Compare"


class GuidelinesView(pn.viewable.Viewer):
    """The version in force with the definitions of the classes; a box to write the next one; what has changed."""

    title = "Guidelines"

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self.session: LabellingSession = page.session
        small: dict[str, Any] = {"size": "small", "margin": (6, 10)}
        self.mode = pmui.RadioButtonGroup(options=[READ, WRITE, COMPARE], value=READ, **small)
        self.version = pmui.Select(label="Version", width=320, visible=False, **small)
        self.head = pn.pane.HTML("", sizing_mode="stretch_width", margin=(2, 10), styles=SMALL)
        self.body = pn.pane.HTML("", sizing_mode="stretch_width", margin=(2, 10), styles=SMALL)
        self.examples = pmui.Column(sizing_mode="stretch_width", margin=(0, 4))
        self.text = pmui.TextAreaInput(
            label="Guidelines in Markdown", rows=8, max_length=LONGEST, sizing_mode="stretch_width", visible=False,
            margin=(8, 10),
        )  # fmt: skip
        self.save = pmui.Button(label="Save", variant="contained", visible=False, **small)
        self.mode.param.watch(lambda _: page.hop(self._show), "value")
        self.version.param.watch(lambda _: page.hop(self._show), "value")
        self.text.param.watch(lambda _: page.hop(self._preview), "value_input")
        self.save.on_click(lambda _: self._save())
        page.watch(self.session, self._load, "guideline_revision")
        page.watch(self.session, self._show, "taxonomy_revision")
        self._load()

    def __panel__(self) -> pn.viewable.Viewable:
        return pmui.Column(
            pmui.Row(self.mode, self.version, self.save), self.text, self.head, self.body, self.examples,
            sizing_mode="stretch_both", styles={"overflow": "auto"},
        )  # fmt: skip

    # ---- what is shown ---------------------------------------------------------------------------

    def _load(self) -> None:
        """Take the versions there are; the newest is shown."""
        self.page.in_background(self._versions, self._take)

    def _versions(self) -> list[Guideline]:
        kept = self.session.workspace.guidelines
        return [kept.read(number) for number in reversed(kept.numbers())]

    def _take(self, versions: list[Guideline]) -> None:
        self.versions = {v.number: v for v in versions}
        options = {f"{v.number}: {v.created_at:%Y-%m-%d %H:%M} UTC, {v.author}": v.number for v in versions}
        newest = versions[0] if versions else None
        self.version.value = None
        self.version.param.update(options=options, value=None if newest is None else newest.number)
        self.text.value = START if newest is None else newest.text
        self._show()

    def _show(self) -> None:
        if not hasattr(self, "versions"):
            return
        mode, newest = self.mode.value, self.session.guideline
        self.version.visible = bool(self.versions) and mode != WRITE
        self.text.visible = self.save.visible = mode == WRITE
        self.save.label = f"Save as version {(newest or 0) + 1}"
        if mode == WRITE:
            self.head.object = (
                "Answers remember the version in force when they were given. This is how it will look:"
            )
            self._preview()
        elif not self.versions:
            self.head.object, self.body.object = "", NONE_YET
        else:
            self._show_version(self.versions.get(self.version.value) or self.versions[max(self.versions)], mode)
        self._show_classes(mode == READ)

    def _show_version(self, one: Guideline, mode: str) -> None:
        is_newest = one.number == max(self.versions)
        said = f"Version {one.number}{', in force' if is_newest else ', not in force any more'}"
        self.head.object = (
            f"<div role='status' data-testid='guideline-head'>{said}: {one.created_at:%Y-%m-%d %H:%M} UTC, "
            f"{escape(one.author)}.</div>"
        )
        if mode == READ:
            self.body.object = f"<div data-testid='guideline'>{rendered(one.text)}</div>"
            return
        before = self.versions.get(one.number - 1)
        what = difference(before.text if before else "", one.text)
        self.body.object = f"<div data-testid='guideline-diff'>{what}</div>"

    def _preview(self) -> None:
        if self.mode.value == WRITE:
            text = str(self.text.value_input or "")
            self.body.object = f"<div data-testid='guideline-preview'>{rendered(text)}</div>"

    # ---- the classes -----------------------------------------------------------------------------

    def _show_classes(self, is_shown: bool) -> None:
        """The classes with their definitions; their examples can be opened."""
        parts: list[Any] = []
        for place, c in self.session.workspace.taxonomy.offered if is_shown else ():
            if c.definition or c.examples:
                parts.append(pn.pane.HTML(_definition(place, c), styles=SMALL, margin=(2, 10)))
            if c.examples:
                parts.append(pmui.FlexBox(*(self._opener(item_id) for item_id in c.examples)))
        self.examples[:] = parts

    def _opener(self, item_id: str) -> pmui.Button:
        button = pmui.Button(label=item_id, size="small", variant="text", margin=(0, 2))
        button.on_click(lambda _: self._open(item_id))
        return button

    def _open(self, item_id: str) -> None:
        row = int(self.session.workspace.ids.find([item_id])[0])
        if row >= 0:
            self.page.open(row)
        else:
            self.page.tell(f"The table has no item {item_id} any more.")

    # ---- writing ---------------------------------------------------------------------------------

    def _save(self) -> None:
        text = str(self.text.value_input or "")
        self.page.deliver(self.session.write_guideline(text, annotator=self.page.annotator), self._saved)

    def _saved(self, one: Guideline) -> None:
        self.mode.value = READ
        self.page.tell(f"Version {one.number} of the guidelines is in force.")


def _definition(place: int, c: LabelClass) -> str:
    return (
        f"<div><span aria-hidden='true' style='color:{escape(c.colour)}'>{mark(place).character}</span> "
        f"<b>{escape(c.name)}</b> {rendered(c.definition)}</div>"
    )
