"""The form of the publication: what is said of the data set, saved field by field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import fields
from typing import Any

from ...data.errors import InputError
from ...data.export.licences import LICENCES
from ...data.publication import INCLUDABLE, KEY, Publication
from ...data.workspace import Workspace
from ..components.handover import PublicationForm
from ..handover_commands import TEXTS
from ..page import Page
from ..session import LabellingSession

# Field, its name in the form, its kind there; what it is for is told by TEXTS, or here.
GROUPS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "What it is": (
        ("title", "Title", "text"),
        ("description", "Description", "long"),
        ("keywords", "Keywords", "words"),
    ),
    "Who made it, and the licence": (
        ("creators", "Creators", "creators"),
        ("licence", "Licence", "licence"),
        ("citation", "Citation", "text"),
        ("contact", "Contact", "text"),
        ("url", "Web address", "text"),
    ),
    "What is handed over": (
        ("name", "Short name", "text"),
        ("columns", "Columns of the table", "chosen"),
        ("include", "Only if you wish", "include"),
    ),
    "Source, uses and limits": (
        ("source_title", "Source", "text"),
        ("source_url", "Address of the source", "text"),
        ("collection", "Collection", "long"),
        ("uses", "Uses", "long"),
        ("unsuited", "Not for", "long"),
        ("limitations", "Limitations", "long"),
        ("personal", "Personal information", "long"),
        ("language", "Language", "text"),
    ),
}
HINTS = TEXTS | {
    "title": "",
    "keywords": "separated by commas",
    "creators": "who made the data set",
    "licence": "",
    "columns": "which go with the labels",
    "include": "left out otherwise",
}
INCLUDES = (
    ("note", "Notes on items", "Most are written for oneself: read them before others do."),
    ("annotators", "Names of annotators", "They are a1, a2, … otherwise: ask them before you name them."),
)
OPEN = 2  # groups that are open from the start
SAVED_TOGETHER = {"licence": ("licence", "licence_name", "licence_url")}
FIELDS = {f.name for f in fields(Publication)}


class PublicationPart:
    """The form on one page; what could not be saved stays in it, with the reason beside it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.session: LabellingSession = page.session
        self.form = PublicationForm(
            self._on_message, dark=page.dark, sizing_mode="stretch_width", margin=(0, 8, 0, 10)
        )
        self._refused: dict[str, tuple[dict[str, Any], str]] = {}  # field → what was written, and why not
        self._answered = 0
        self._choices = choices(self.session.workspace)
        page.react(lambda: setattr(self.form, "dark", page.dark), "dark")
        page.watch(self.session.packages, self._show, "saved")
        self._show()

    def _show(self) -> None:
        values = stored_values(self.session.workspace)
        errors = stored_errors(self.session.workspace)
        for key, (changes, error) in self._refused.items():
            values |= changes
            errors[key] = error
        state = {"type": "state", "values": values, "errors": errors, "answered": self._answered}
        self.form.show(self._choices | state)

    def _on_message(self, message: Mapping[str, Any]) -> None:
        key, changes, number = message.get("key"), message.get("changes"), message.get("number")
        if message.get("type") != "save" or key not in FIELDS or not isinstance(number, int):
            return
        if not isinstance(changes, dict) or not set(changes) <= set(SAVED_TOGETHER.get(key, (key,))):
            return
        future = self.session.packages.describe(changes)
        future.add_done_callback(lambda done: self.page.hop(lambda: self._answer(done, key, changes, number)))

    def _answer(self, done: Future[Publication], key: str, changes: dict[str, Any], number: int) -> None:
        error = done.exception()
        if error is None:
            self._refused.pop(key, None)
        else:
            self._refused[key] = (changes, in_the_page(str(error)))
            if not isinstance(error, InputError):
                self.page.complain(error)
        self._answered = max(self._answered, number)
        self._show()


def choices(workspace: Workspace) -> dict[str, Any]:
    """The groups of fields, and what can be chosen in them."""
    roles = workspace.roles
    label = roles.label if roles.label_use != "ignore" else None
    notes = {roles.id: "the identifier: it is there as item_id", label: "gives the labels away"}
    return {
        "groups": [
            {
                "title": title,
                "open": place < OPEN,
                "fields": [{"key": k, "label": label, "kind": kind, "hint": HINTS[k]} for k, label, kind in group],
            }
            for place, (title, group) in enumerate(GROUPS.items())
        ],
        "licences": [{"id": one.spdx, "name": one.name, "gist": one.gist} for one in LICENCES.values()],
        "columns": [
            {"name": name, "usual": name not in notes, "note": notes.get(name, "")}
            for name in workspace.table.names
        ],
        "includes": [{"name": n, "label": label, "why": why} for n, label, why in INCLUDES if n in INCLUDABLE],
    }


def stored_values(workspace: Workspace) -> dict[str, Any]:
    """What the settings hold of the publication, as it was written; damaged values are left out."""
    stored = workspace.settings.get(KEY) or {}
    lists = {"creators", "keywords", "columns", "include"}
    return {
        str(key): value
        for key, value in stored.items()
        if isinstance(value, list if key in lists else str) and key in FIELDS
    }


def stored_errors(workspace: Workspace) -> dict[str, str]:
    """What is wrong with what the settings hold, by field; somebody may have edited the file by hand."""
    try:
        Publication.of(workspace.settings)
    except InputError as error:
        found = re.search(r"publication\.(\w+)", str(error))
        key = found.group(1) if found else ""
        key = next((whole for whole, parts in SAVED_TOGETHER.items() if key in parts), key)
        return {key if key in FIELDS else "title": in_the_page(str(error))}
    return {}


def in_the_page(sentence: str) -> str:
    """A sentence about a field without the name that the field has in files, and as a sentence of its own."""
    plain = re.sub(r" \(publication\.[^)]*\)", "", sentence).replace("publication.", "")
    return f"{plain[:1].upper()}{plain[1:]}."
