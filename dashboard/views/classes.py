"""The classes: what they are, and every change of them, with what it will do before it is done."""

from __future__ import annotations

from html import escape
from typing import Any

import panel as pn
import panel_material_ui as pmui

from ...data.errors import InputError
from ...data.events import Action
from ...data.taxonomy import COLOURS, WANTED_COLOURS
from ..page import Page
from ..session import LabellingSession
from ..taxonomy_editing import (
    Change,
    TakeBack,
    changes_in_force,
    colour_warning,
    finished_splits,
    preview,
    preview_take_back,
    rows_of,
)
from .halves import halves
from .marks import SMALL, mark, scroller

TAKE_BACK = "take back a change"
KINDS: dict[str, Any] = {
    "add a class": Action.CLASS_ADD,
    "rename": Action.CLASS_RENAME,
    "merge into another": Action.CLASS_MERGE,
    "split": Action.CLASS_SPLIT,
    "retire": Action.CLASS_RETIRE,
    "restore": Action.CLASS_RESTORE,
    "look for it, or not": "wanted",
    "colour": "colour",
    "key": "key",
    "definition": "definition",
    "examples": "examples",
    "place in the order": "position",
    TAKE_BACK: "take back",
}
TABLE = "border-spacing:8px 3px;font-size:13px;text-align:left"
COLOUR_NAMES = dict(
    zip(
        (*WANTED_COLOURS, *COLOURS),
        ("vermillion", "reddish purple", "orange", "blue", "bluish green", "sky blue", "olive", "wine", "teal",
         "violet", "brown"),
        strict=True,
    )
)  # fmt: skip
OWN_COLOUR = "another colour"


class ClassesView(pn.viewable.Viewer):
    """A table of the classes, and a form for one change at a time."""

    title = "Classes"

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self.session: LabellingSession = page.session
        self._asked = 0  # previews asked for; only the newest is shown
        self._ready: Change | TakeBack | None = None
        self.table = pn.pane.HTML(scroller(self._table(), "Classes"), sizing_mode="stretch_both", styles=SMALL)
        self.effects = pn.pane.HTML("", sizing_mode="stretch_width", margin=(2, 10), styles=SMALL)
        self._make_offer()
        self._make_inputs()
        for box in self._inputs:
            is_text = isinstance(box, pmui.TextInput | pmui.TextAreaInput)  # which have each key at once
            box.param.watch(lambda _: self._changed(), "value_input" if is_text else "value")
        self.kind.param.watch(lambda _: page.hop(self._show_inputs), "value")
        self.which.param.watch(lambda _: page.hop(self._fill), "value")
        self.do.on_click(lambda _: self._do())
        self.use_current.on_click(lambda _: self._add_current())
        self.list_items.on_click(lambda _: self._list_items())
        page.watch(self.session, self._refresh, "taxonomy_revision", "committed")
        self._show_inputs()
        self._show_offer()

    def _make_offer(self) -> None:
        """What is put before the user of itself: to retire a class whose items have all gone to its parts."""
        self._offered = ""
        self._told: set[str] = set()
        self.offered_effects = pn.pane.HTML("", sizing_mode="stretch_width", margin=(4, 10), styles=SMALL)
        self.retire = pmui.Button(label="Retire it", size="small", variant="contained", margin=(0, 10, 6, 10))
        self.retire.on_click(lambda _: self._retire_offered())
        self.offer = pmui.Column(
            self.offered_effects, self.retire, sizing_mode="stretch_width", margin=(4, 10), visible=False,
            styles={"border": "1px solid currentColor", "border-radius": "4px"},
        )  # fmt: skip

    def _make_inputs(self) -> None:
        classes = self._classes()
        small: dict[str, Any] = {"size": "small", "sizing_mode": "stretch_width", "margin": (6, 10)}
        self.kind = pmui.Select(label="Change", options=list(KINDS), value="rename", **small)
        self.which = pmui.Select(label="Class", options=classes, value=next(iter(classes.values()), None), **small)
        self.title_box = pmui.TextInput(label="Name", max_length=200, **small)
        self.into = pmui.Select(label="Into", options=classes, value=next(iter(classes.values()), None), **small)
        self.parts = pmui.TextInput(label="New classes, separated by commas", **small)
        self.at_once = pmui.Checkbox(label="Models learn from the old labels no more", margin=(0, 10))
        self.wanted = pmui.Checkbox(label="It is looked for", margin=(0, 10))
        self.palette = pmui.Select(
            label="Colour", options={name: c for c, name in COLOUR_NAMES.items()} | {OWN_COLOUR: ""},
            value=WANTED_COLOURS[0], **small,
        )  # fmt: skip
        self.own_colour = pmui.TextInput(label="Colour as #rrggbb", value="#0072B2", **small)
        self.key = pmui.TextInput(label="Key (one character, or none)", max_length=1, **small)
        self.definition = pmui.TextAreaInput(label="Definition", max_length=4000, rows=3, **small)
        self.examples = pmui.TextInput(label="Items that are good examples, separated by commas", **small)
        self.use_current = pmui.Button(label="Add the item on the card", size="small", variant="outlined")
        self.position = pmui.IntInput(label="Place, from 1", value=1, start=1, **small)
        changes = changes_in_force(self.session)
        self.taken_back = pmui.Select(
            label="Which change", options=changes, value=next(iter(changes.values()), None), **small
        )
        self.do = pmui.Button(label="Do it", size="small", variant="contained", visible=False)
        self.list_items = pmui.Button(label="List its items", size="small", variant="outlined")
        self._inputs = [
            self.title_box, self.into, self.parts, self.at_once, self.wanted, self.palette, self.own_colour,
            self.key, self.definition, self.examples, self.position, self.taken_back,
        ]  # fmt: skip

    def __panel__(self) -> pn.viewable.Viewable:
        scroll = {"overflow": "auto", "min-width": "0"}
        form = pmui.Column(
            self.kind, self.which, *self._inputs, self.use_current, self.effects,
            pmui.Row(self.do, self.list_items), sizing_mode="stretch_both",
            styles=scroll | {"padding-top": "8px", "box-sizing": "border-box"},
        )  # fmt: skip
        table = pmui.Column(self.offer, self.table, sizing_mode="stretch_both", styles={"min-width": "0"})
        return halves(form, table, least=(300, 320), grow=(1, 20))

    # ---- what there is ---------------------------------------------------------------------------

    def _classes(self) -> dict[str, int]:
        return {c.name: place for place, c in self.session.workspace.taxonomy.shown}

    def _table(self) -> str:
        counts = self.session.state.counts
        rows = "".join(
            f"<tr><td style='color:{escape(c.colour)};font-size:16px' aria-hidden='true'>"
            f"{mark(place).character}</td><th scope='row' style='overflow-wrap:anywhere'>{escape(c.name)}</th>"
            f"<td><kbd>{escape(c.key)}</kbd></td>"
            f"<td>{_standing(c, counts.get(c.name, 0))}</td>"
            f"<td style='text-align:right'>{counts.get(c.name, 0):,}</td>"
            f"<td style='overflow-wrap:anywhere'>{escape(c.definition[:200])}</td></tr>"
            for place, c in self.session.workspace.taxonomy.shown
        )
        head = "".join(f"<th scope='col'>{h}</th>" for h in ("", "Class", "Key", "", "Labels", "Definition"))
        return (
            f"<table data-testid='classes' style='{TABLE}'><thead><tr>{head}</tr></thead>"
            f"<tbody>{rows}</tbody></table>"
        )

    def _refresh(self) -> None:
        self.table.object = scroller(self._table(), "Classes")
        classes = self._classes()
        if self.which.options != classes:
            for box in (self.which, self.into):
                value = box.value if box.value in classes.values() else next(iter(classes.values()), None)
                box.param.update(options=classes, value=value)
                box.param.trigger("value")  # the browser knows it by its name, which may be another now
        changes = changes_in_force(self.session)
        if self.taken_back.options != changes:
            self.taken_back.param.update(options=changes, value=next(iter(changes.values()), None))
        self._changed()
        self._show_offer()

    def _show_offer(self) -> None:
        """Offer to retire the first class that was split and has no items left."""
        names = [] if self.session.campaign else finished_splits(self.session)
        self._offered = names[0] if names else ""
        self.offer.visible = bool(self._offered)
        self._told &= set(names)
        if not self._offered:
            return
        if self._offered not in self._told:
            self._told.add(self._offered)
            self.page.tell(f"No item of '{self._offered}' is left to split: the Classes tab offers to retire it.")
        lines = preview(self.session, Change(Action.CLASS_RETIRE, self._offered))
        self.offered_effects.object = (
            f"<div role='status' data-testid='offer'><b>The split of '{escape(self._offered)}' is done</b>"
            f"{_list(lines)}</div>"
        )
        self.retire.label = f"Retire '{self._offered}'"

    def _retire_offered(self) -> None:
        change = Change(Action.CLASS_RETIRE, self._offered)
        if change.name:
            self.offer.visible = False  # the keys go to the card again
            self.page.deliver(
                self.session.change_classes([change], annotator=self.page.annotator), lambda _: self._done(change)
            )

    # ---- the form --------------------------------------------------------------------------------

    def _show_inputs(self) -> None:
        kind = KINDS[self.kind.value]
        shown: dict[Any, tuple[Any, ...]] = {
            Action.CLASS_ADD: (self.title_box, self.wanted),
            Action.CLASS_RENAME: (self.title_box,),
            Action.CLASS_MERGE: (self.into,),
            Action.CLASS_SPLIT: (self.parts, self.at_once),
            "wanted": (self.wanted,),
            "colour": (self.palette, self.own_colour),
            "key": (self.key,),
            "definition": (self.definition,),
            "examples": (self.examples,),
            "position": (self.position,),
            "take back": (self.taken_back,),
        }
        for box in self._inputs:
            box.visible = box in shown.get(kind, ())
        self.which.visible = kind not in (Action.CLASS_ADD, "take back")
        self.use_current.visible = kind == "examples"
        self._fill()

    def _fill(self) -> None:
        """Put what a class has now into the form."""
        place, taxonomy = self.which.value, self.session.workspace.taxonomy
        if place is None or place >= len(taxonomy):
            return
        c, kind = taxonomy[place], KINDS[self.kind.value]
        self.title_box.value = "" if kind == Action.CLASS_ADD else c.name
        self.wanted.value = False if kind == Action.CLASS_ADD else c.wanted
        self.palette.value = c.colour if c.colour in COLOUR_NAMES else ""
        self.own_colour.value, self.key.value, self.definition.value = c.colour, c.key, c.definition
        self.examples.value = ", ".join(c.examples)
        self.position.value = next((i for i, (p, _) in enumerate(taxonomy.shown, 1) if p == place), 1)
        self._changed()

    def _change(self) -> Change | TakeBack | None:
        """The change that the form asks for; None when there is nothing in it."""
        kind, place = KINDS[self.kind.value], self.which.value
        if kind == "take back":
            return TakeBack(self.taken_back.value) if self.taken_back.value else None
        if kind == Action.CLASS_ADD:
            return Change(Action.CLASS_ADD, _text(self.title_box), {"wanted": self.wanted.value})
        if place is None:
            return None
        taxonomy = self.session.workspace.taxonomy
        c = taxonomy[place]
        facts: dict[Any, Any] = {
            Action.CLASS_RENAME: lambda: {"to": _text(self.title_box)},
            Action.CLASS_MERGE: lambda: {"into": taxonomy[self.into.value].name},
            Action.CLASS_SPLIT: lambda: {"into": _listed(_text(self.parts)), "wanted": c.wanted,
                                         "at_once": self.at_once.value},
            Action.CLASS_RETIRE: dict,
            Action.CLASS_RESTORE: dict,
            "wanted": lambda: {"wanted": self.wanted.value},
            "colour": lambda: {"colour": self._colour()},
            "key": lambda: {"key": _text(self.key)},
            "definition": lambda: {"definition": _text(self.definition).strip()},
            "examples": lambda: {"examples": _listed(_text(self.examples))},
            "position": lambda: {"position": (self.position.value or 1) - 1},
        }  # fmt: skip
        action = kind if isinstance(kind, Action) else Action.CLASS_CHANGE
        made = Change(action, c.name, facts[kind]())
        is_same = kind in ("wanted", "colour", "key", "definition", "examples") and all(
            getattr(c, name) == value for name, value in made.facts.items()
        )
        return (
            None
            if is_same or (action == Action.CLASS_RENAME and _text(self.title_box).strip() == c.name)
            else made
        )

    def _colour(self) -> str:
        return str(self.palette.value or _text(self.own_colour).strip())

    def _changed(self) -> None:
        """Say what the change in the form will do."""
        self._asked += 1
        asked, change = self._asked, self._change()
        self._ready = None
        self.own_colour.disabled = bool(self.palette.value)
        if change is None:
            self.effects.object, self.do.visible = "", False
            return
        self.page.in_background(lambda: self._lines(change), lambda lines: self._say(asked, change, *lines))

    def _lines(self, change: Change | TakeBack) -> tuple[list[str], bool]:
        """What a change will do, or why it cannot be, and whether it can."""
        try:
            if isinstance(change, TakeBack):
                return preview_take_back(self.session, change.event_id), True
            self._check_examples(change)
            lines = preview(self.session, change)
        except InputError as error:
            return [str(error)], False
        if "colour" in change.facts:
            taken = {c.name: c.colour for _, c in self.session.workspace.taxonomy.offered if c.name != change.name}
            warning = colour_warning(str(change.facts["colour"]), taken)
            if warning.startswith("Write"):
                return [warning], False
            lines += [warning] if warning else []
        return lines, True

    def _check_examples(self, change: Change) -> None:
        examples = list(change.facts.get("examples", ()))
        rows = self.session.workspace.ids.find(examples)
        missing = [item_id for item_id, row in zip(examples, rows, strict=True) if row < 0]
        if missing:
            raise InputError(f"there is no item '{missing[0]}': write the ids as the card shows them")

    def _say(self, asked: int, change: Change | TakeBack, lines: list[str], can: bool) -> None:
        if asked != self._asked:
            return
        # Gone rather than disabled: a disabled button would keep the focus, and with it the keys.
        self._ready, self.do.visible = (change if can else None), can
        head = "This will happen" if can else "This cannot be done"
        self.effects.object = f"<div role='status' data-testid='effects'><b>{head}</b>{_list(lines)}</div>"

    # ---- doing it --------------------------------------------------------------------------------

    def _do(self) -> None:
        change, self._ready = self._ready, None
        if change is None:
            return
        self.do.visible = False
        changed = self.session.change_classes([change], annotator=self.page.annotator)
        self.page.deliver(changed, lambda _: self._done(change))

    def _done(self, change: Change | TakeBack) -> None:
        self.page.tell("The classes have changed; 'take back a change' undoes it.")
        if isinstance(change, Change) and change.action == Action.CLASS_SPLIT:
            self._select(change.name, f"to split '{change.name}'")
        self._show_inputs()

    def _add_current(self) -> None:
        row = self.page.current
        if row is None:
            return
        known = _listed(_text(self.examples))
        item_id = self.session.workspace.ids.text(row)
        if item_id not in known:
            self.examples.value = ", ".join([*known, item_id])

    def _list_items(self) -> None:
        place = self.which.value
        if place is not None:
            name = self.session.workspace.taxonomy[place].name
            self._select(name, f"the class '{name}'")

    def _select(self, name: str, words: str) -> None:
        """Make the items of a class the selection."""

        def take(rows: Any) -> None:
            if len(rows):
                self.page.param.update(selection=rows, selection_name=words)
            else:
                self.page.tell(f"No item is of the class '{name}'.")

        self.page.in_background(lambda: rows_of(self.session, name), take)


def _list(lines: list[str]) -> str:
    listed = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<ul style='margin:2px 0;padding-left:1.2em'>{listed}</ul>"


def _standing(c: Any, n: int) -> str:
    if c.status == "splitting":
        return f"to split: {n:,} left" if n else "split"
    return "retired" if c.status == "retired" else "looked for" if c.wanted else ""


def _text(box: Any) -> str:
    """What is in a text box as of the last key."""
    return str(box.value_input or "")


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
