"""The layout in use and the user's own layouts, kept in the workspace."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import yaml

from ..data.errors import InputError
from ..layouts.schema import FOLDER, Layout, LayoutError, Node, check_layout, layout_names, load_layout
from ..layouts.tree import resize
from .session import LabellingSession

log = logging.getLogger(__name__)

OWN = "layouts"  # folder in the workspace
SETTING = "layout"
STANDARD = "default"
SAVED_NAME = re.compile(r"[\w][\w .\-]{0,59}")


class Arrangement:
    """Which layout the pages of one annotator show, and what they have changed of it.

    The layout in use is kept for each annotator in the setting ``layout`` of the workspace, named layouts as
    files in its folder ``layouts``.

    Parameters
    ----------
    layout
        What is shown until the user arranges something else. One with another name than ``default`` was
        asked for by whoever started the server, and goes before what was kept.
    views
        The names of the views that exist.
    """

    def __init__(self, session: LabellingSession, annotator: str, layout: Layout, views: Collection[str]) -> None:
        self.session = session
        self.annotator = annotator
        self.views = views
        self.note = ""  # what the user should know about a layout that could not be used
        self._standard = layout
        self._layout: Layout | None = None if layout.name == STANDARD else layout

    @property
    def layout(self) -> Layout:
        """The layout in use."""
        if self._layout is None:
            self._layout = self._kept() or self._standard
        return self._layout

    @property
    def folder(self) -> Path:
        """Where the user's own layouts are."""
        return self.session.workspace.folder / OWN

    # ---- named layouts -----------------------------------------------------------------------------

    def shipped(self) -> list[dict[str, str]]:
        """Name and description of the layouts that come with rareloop, the standard one first."""
        names = sorted(layout_names(), key=lambda name: (name != STANDARD, name))
        return [{"name": name, "description": self._described(FOLDER / f"{name}.yaml")} for name in names]

    def yours(self) -> list[dict[str, str]]:
        """Name and description of the layouts that the user has saved."""
        names = layout_names(self.folder)
        return [{"name": name, "description": self._described(self.folder / f"{name}.yaml")} for name in names]

    def choose(self, name: str) -> None:
        """Use a layout by name, and keep that.

        Raises
        ------
        LayoutError
            When there is none, or its file cannot be used.
        """
        own = name in layout_names(self.folder)
        chosen = load_layout(self.folder / f"{name}.yaml" if own else name, self.views)
        self._use(Layout(name, chosen.description, chosen.root))

    def save(self, name: str) -> None:
        """Keep the layout in use as one of the user's own; one of the same name is replaced.

        Raises
        ------
        InputError
            When the name cannot be one, or the file cannot be written.
        """
        if not SAVED_NAME.fullmatch(name):
            raise InputError(
                f"'{name}' cannot be the name of a layout: use up to 60 letters, digits, spaces, dots and dashes, "
                "and begin with a letter or digit"
            )
        if name in layout_names():
            raise InputError(f"'{name}' comes with rareloop: choose another name for your layout")
        layout = Layout(name, f"Saved by {self.annotator}.", self.layout.root)
        text = yaml.safe_dump(layout.to_dict(), sort_keys=False, allow_unicode=True)
        path = self.folder / f"{name}.yaml"
        try:
            self.folder.mkdir(exist_ok=True)
            partial = path.with_suffix(".partial")
            partial.write_text(text, encoding="utf-8")
            partial.replace(path)
        except OSError as error:
            raise InputError(
                f"{path} cannot be written ({error.strerror}): free space or choose another name"
            ) from error
        self._use(layout)

    def delete(self, name: str) -> None:
        """Remove one of the user's own layouts; what is shown stays.

        Raises
        ------
        InputError
            When there is none of that name, or its file cannot be removed.
        """
        if name not in layout_names(self.folder):
            raise InputError(f"there is no layout '{name}' of yours: reload the page")
        try:
            (self.folder / f"{name}.yaml").unlink()
        except OSError as error:
            raise InputError(f"the layout '{name}' cannot be removed: {error.strerror}") from error

    def _described(self, path: Path) -> str:
        try:
            return load_layout(path, self.views).description
        except LayoutError as error:
            return str(error)

    def read(self, text: str) -> Layout:
        """The layout of a text that `written` made; raises LayoutError or ValueError where it is none any more."""
        return check_layout(json.loads(text), "of the view", self.views)

    def use(self, layout: Layout) -> None:
        """Use a layout, and keep that."""
        if layout != self.layout:
            self._use(layout)

    # ---- what the user changes ---------------------------------------------------------------------

    def change(self, root: Node) -> None:
        """Use other places under the name of the present layout, and keep that."""
        if root is not self.layout.root:
            self._use(Layout(self.layout.name, self.layout.description, root))

    def resize(self, path: Sequence[int], sizes: Sequence[float]) -> None:
        """Change the sizes inside one row or column, see `layouts.tree.resize`."""
        self.change(resize(self.layout.root, path, sizes))

    # ---- keeping -----------------------------------------------------------------------------------

    def _use(self, layout: Layout) -> None:
        self._layout = layout
        kept = self._all_kept() | {self.annotator: written(layout)}
        self.session.keep(**{SETTING: kept})

    def _kept(self) -> Layout | None:
        text = self._all_kept().get(self.annotator)
        if text is None:
            return None
        try:
            return check_layout(json.loads(str(text)), "that was in use", self.views)
        except (LayoutError, ValueError, RecursionError) as error:
            log.warning("the kept layout of %s cannot be used: %s", self.annotator, error)
            self.note = (
                f"The layout that you used last cannot be shown any more, this is the standard one: {error}."
            )
            return None

    def _all_kept(self) -> dict[str, Any]:
        kept = self.session.workspace.settings.get(SETTING)
        return dict(kept) if isinstance(kept, dict) else {}


def written(layout: Layout) -> str:
    """A layout as one line of text."""
    return json.dumps(layout.to_dict(), ensure_ascii=False)
