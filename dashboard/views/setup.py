"""The set-up page: what each column is for, and which classes there are, before the first label."""

from __future__ import annotations

import csv
from html import escape
from typing import Any

import panel as pn
import panel_material_ui as pmui
import pyarrow.compute as pc

from ...data.errors import InputError
from ...data.roles import Roles, is_list
from ..card_editing import CardEditor
from ..card_settings import PALETTES, pixel_settings, read
from ..distances import METRICS, embeddings, usual_metric
from ..items import format_value
from ..page import Page
from ..session import LabellingSession

ROW_NUMBER = "(row number)"
NONE = "(none)"
LABEL_USES = {
    "Labels to start from": "start",
    "Hidden truth, for simulations": "truth",
    "Ignore it": "ignore",
}
IMAGE_KINDS = ["path", "url", "bytes", "array"]
PREVIEW_ROWS = 5
MOST_CLASSES = 40


class SetupView(pn.viewable.Viewer):
    """Shows the guessed roles, takes corrections, and starts the preparation."""

    title = "Set-up"

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self.session: LabellingSession = page.session
        workspace = self.session.workspace
        roles, names = workspace.roles, workspace.table.names
        wide = {"sizing_mode": "stretch_width"}
        self.id = pmui.Select(
            label="Identifier", options=[ROW_NUMBER, *names], value=roles.id or ROW_NUMBER, **wide
        )
        self.label = pmui.Select(label="Label column", options=[NONE, *names], value=roles.label or NONE, **wide)
        self.label_use = pmui.RadioBoxGroup(
            label="Use it as", options=list(LABEL_USES), value=_key_of(LABEL_USES, roles.label_use),
            visible=roles.label is not None, inline=True,
        )  # fmt: skip
        self.features = pmui.MultiChoice(
            label="Features (what the model learns from)", options=names, value=list(roles.features), **wide
        )
        self.shown = pmui.MultiChoice(label="Shown on the card", options=names, value=list(roles.shown), **wide)
        self.text = pmui.MultiChoice(label="Texts", options=names, value=list(roles.text), **wide)
        self.image = pmui.Select(label="Picture", options=[NONE, *names], value=roles.image or NONE, **wide)
        self.image_kind = pmui.Select(
            label="The picture is a", options=IMAGE_KINDS, value=roles.image_kind or "path",
            visible=roles.image is not None, **wide,
        )  # fmt: skip
        self._make_card_parts(names)
        self.classes = pmui.TextInput(
            label="Classes, separated by commas", value=", ".join(c.name for _, c in workspace.taxonomy.offered),
            placeholder="for example: quasar, star", **wide,
        )  # fmt: skip
        self.wanted = pmui.TextInput(
            label="Which of them are rare and looked for?", placeholder="for example: quasar",
            value=", ".join(c.name for _, c in workspace.taxonomy.offered if c.wanted), **wide,
        )  # fmt: skip
        self.metric = pmui.Select(label="What is near what", options=METRICS, **wide)
        self._guess_metric()
        self.infinite = pmui.Checkbox(label="Treat infinite values as missing", value=False)
        self.start = pmui.Button(label="Start labelling", variant="contained", color="primary", align="center")
        self.problem = pmui.Alert(alert_type="error", visible=False, sizing_mode="stretch_width")
        self._wire()
        if not len(workspace.taxonomy):
            self._fill_classes()
        self._show_problem(self.session.problem)

    def _make_card_parts(self, names: list[str]) -> None:
        """What else is on the card: the shape of pictures in lists, curves, and a link."""
        workspace = self.session.workspace
        kept, (shape, palette) = read(workspace), pixel_settings(workspace)
        lists = [name for name in names if is_list(workspace.table.schema.field(name).type)]
        is_array = workspace.roles.image_kind == "array"
        wide = {"sizing_mode": "stretch_width"}
        self.shape = pmui.TextInput(
            label="Height × width of the picture", value=" × ".join(map(str, shape or ())), visible=is_array,
            placeholder="empty for a square", **wide,
        )  # fmt: skip
        self.palette = pmui.Select(
            label="Palette", options=list(PALETTES), value=palette, visible=is_array, **wide
        )
        self.curves = pmui.MultiChoice(
            label="Drawn as curves", options=lists, value=[n for n in workspace.roles.series if n in lists],
            visible=bool(lists), **wide,
        )  # fmt: skip
        self._links = dict(kept.links)
        name, template = next(iter(self._links.items()), ("", ""))
        self.link_name = pmui.TextInput(label="A link on the card: its name", value=name, **wide)
        self.link = pmui.TextInput(
            label="Its address, with columns in braces", value=template,
            placeholder="https://archive.org/object?id={object}", **wide,
        )  # fmt: skip
        self.link_preview = pn.pane.HTML("", margin=(0, 10), **wide)
        self._link_before = name

    def _wire(self) -> None:
        self.image_kind.param.watch(lambda _: self._show_pixels(), "value")
        self.image.param.watch(lambda _: self._show_pixels(), "value")
        for box in (self.link, self.link_name):
            box.param.watch(lambda _: self._try_link(), "value_input")
        self.label.param.watch(lambda _: self._label_changed(), "value")
        self.label_use.param.watch(lambda _: self._fill_classes(), "value")
        self.image.param.watch(lambda e: setattr(self.image_kind, "visible", e.new != NONE), "value")
        for choice in (self.features, self.image):
            choice.param.watch(lambda _: self._guess_metric(), "value")
        self.start.on_click(lambda _: self._start())
        self.page.watch(self.session, lambda: self._show_problem(self.session.problem), "problem")

    def __panel__(self) -> pn.viewable.Viewable:
        workspace = self.session.workspace
        table = workspace.table
        size = f"{table.n_rows:,} rows, {len(table.names):,} columns"
        heading = pn.pane.HTML(
            f"<h2 style='margin:0'>{escape(workspace.source.name)}</h2><p style='margin:4px 0'>{size}. "
            "Check what each column is for, name the classes, and start. Nothing is changed in your file.</p>",
            sizing_mode="stretch_width",
        )
        notes = "".join(f"<li>{escape(note)}</li>" for note in workspace.roles.notes)
        remarks = pn.pane.HTML(f"<ul style='margin:0;padding-left:1.2em'>{notes}</ul>" if notes else "",
                               sizing_mode="stretch_width")  # fmt: skip
        return pmui.Container(
            pmui.Row(heading, self.start, sizing_mode="stretch_width"),
            self.problem,
            pmui.Row(self.classes, self.wanted, sizing_mode="stretch_width"),
            pmui.Row(self.id, self.label, sizing_mode="stretch_width"),
            self.label_use,
            self.features,
            self.shown,
            pmui.Row(
                self.text, self.image, self.image_kind, self.shape, self.palette, sizing_mode="stretch_width"
            ),
            self.curves,
            pmui.Row(self.link_name, self.link, sizing_mode="stretch_width"),
            self.link_preview,
            self.metric,
            self.infinite,
            remarks,
            self._preview(),
            width_option="lg",
            sizing_mode="stretch_width",
        )

    def _preview(self) -> pn.viewable.Viewable:
        """The first rows, so that a column is recognised by its values."""
        table = self.session.workspace.table
        rows = [table.row(i) for i in range(min(PREVIEW_ROWS, table.n_rows))]
        head = "".join(f"<th style='text-align:left;padding:2px 10px 2px 0'>{escape(n)}</th>" for n in table.names)
        body = "".join(
            "<tr>" + "".join(f"<td style='padding:2px 10px 2px 0;white-space:nowrap'>"
                             f"{escape(format_value(row[n])[:40])}</td>" for n in table.names) + "</tr>"
            for row in rows
        )  # fmt: skip
        return pn.pane.HTML(
            "<div style='overflow-x:auto' tabindex='0' role='region' aria-label='First rows'>"
            f"<table style='border-collapse:collapse'><thead><tr>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table></div>",
            sizing_mode="stretch_width",
        )

    # ---- reactions -------------------------------------------------------------------------------

    def _show_pixels(self) -> None:
        is_array = self.image.value != NONE and self.image_kind.value == "array"
        self.shape.visible = self.palette.visible = is_array

    def _try_link(self) -> None:
        """Show what the link becomes for the first item, or why it becomes none."""
        template = _typed(self.link)
        if not template:
            self.link_preview.object = ""
            return
        pair, roles = [_typed(self.link_name), template], self._roles()
        self.page.in_background(
            lambda: CardEditor(self.session.workspace, roles).previews([pair], 0)[0], self._show_link
        )

    def _show_link(self, found: dict[str, str]) -> None:
        said = f"For the first item: {found['link']}" if "link" in found else found["text"]
        self.link_preview.object = f"<span role='status' data-testid='link-preview'>{escape(said)}</span>"

    def _card_changes(self, roles: Roles) -> dict[str, Any]:
        """What the card shows beside its columns, as `CardEditor.checked` takes it."""
        kept = read(self.session.workspace).series
        changes: dict[str, Any] = {
            "picture": {
                "column": roles.image or "", "kind": roles.image_kind or "", "shape": _typed(self.shape),
                "palette": self.palette.value,
            },
        }  # fmt: skip
        if list(self.curves.value) != list(self.session.workspace.roles.series):
            changes["curves"] = [[name, kept.get(name, "")] for name in roles.series]
        link = (_typed(self.link_name), _typed(self.link))
        if any(link):
            others = [pair for pair in self._links.items() if pair[0] != self._link_before]
            changes["links"] = [link, *others]
        return changes

    def _label_changed(self) -> None:
        has_label = self.label.value != NONE
        self.label_use.visible = has_label
        for choice in (self.features, self.shown):
            choice.value = [name for name in choice.value if name != self.label.value]
        self._fill_classes()

    def _guess_metric(self) -> None:
        """Ask in which distance items are near each other where the features hold an embedding."""
        table, features = self.session.workspace.table, list(self.features.value)
        image = None if self.image.value == NONE else self.image.value
        found = embeddings(table, features, image)
        self.metric.param.update(value=usual_metric(table, features, image), visible=bool(found))

    def _fill_classes(self) -> None:
        """Offer the values of the label column as classes, the most frequent first."""
        if self.label.value == NONE or LABEL_USES[self.label_use.value] == "ignore":
            return
        column = self.session.workspace.table.column(self.label.value)

        def count() -> list[tuple[str, int]]:
            counted = pc.value_counts(column.cast("string")).to_pylist()
            pairs = [(entry["values"], entry["counts"]) for entry in counted if entry["values"] not in (None, "")]
            return sorted(pairs, key=lambda pair: -pair[1])

        self.page.in_background(count, self._take_classes)

    def _take_classes(self, counted: list[tuple[str, int]]) -> None:
        if len(counted) > MOST_CLASSES:
            self.page.tell(f"Column '{self.label.value}' has {len(counted):,} values: name the classes yourself.")
            return
        total = sum(n for _, n in counted)
        self.classes.value = ", ".join(_quoted(name) for name, _ in counted)
        self.wanted.value = ", ".join(_quoted(name) for name, n in counted if n < 0.05 * total)

    def _start(self) -> None:
        self._show_problem("")
        try:
            classes, wanted = _names(self.classes.value), _names(self.wanted.value)
            infinite = "missing" if self.infinite.value else "error"
            roles = self._roles()
            roles, card = CardEditor(self.session.workspace, roles).checked(self._card_changes(roles), 0)
            before = self.session.workspace.settings.get("card")
            self.session.workspace.settings["card"] = card
            try:
                self.session.confirm(roles, classes, wanted, infinite, self.metric.value)
            except InputError:
                self.session.workspace.settings["card"] = before or {}
                raise
        except InputError as error:
            self._show_problem(str(error))

    def _roles(self) -> Roles:
        has_label = self.label.value != NONE
        has_image = self.image.value != NONE
        return Roles(
            id=None if self.id.value == ROW_NUMBER else self.id.value,
            label=self.label.value if has_label else None,
            label_use=LABEL_USES[self.label_use.value] if has_label else "ignore",  # type: ignore[arg-type]
            features=list(self.features.value),
            shown=list(self.shown.value),
            text=list(self.text.value),
            image=self.image.value if has_image else None,
            image_kind=self.image_kind.value if has_image else None,
            notes=list(self.session.workspace.roles.notes),
            series=[name for name in self.curves.value if name != self.image.value],
        )

    def _show_problem(self, text: str) -> None:
        self.problem.param.update(object=text, visible=bool(text))


def _names(text: str) -> list[str]:
    """Names between commas; quotes keep a comma inside a name."""
    row = next(csv.reader([text or ""], skipinitialspace=True), [])
    return [name.strip() for name in row if name.strip()]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if "," in name or '"' in name else name


def _typed(box: pmui.TextInput) -> str:
    """What is in a text box as of the last key."""
    return str(box.value_input or "").strip()


def _key_of(options: dict[str, str], value: str) -> str:
    return next(key for key, known in options.items() if known == value)
