"""The page inside a notebook or a script: one call on a table, and the labels as a data frame meanwhile."""

from __future__ import annotations

import atexit
import contextlib
import io
import multiprocessing
import re
import socket
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..data.errors import InputError
from ..data.roles import guess_roles
from ..data.workspace import SOURCE_FILE, Workspace
from .app import read_layout
from .cli import open_or_create, roles_from_flags
from .distances import keep_metric
from .serve import Address, choose_port, page_factory, server_options
from .session import LabellingSession

if TYPE_CHECKING:
    import pandas as pd

STARTS_WITHIN = 60  # seconds in which a server thread listens, or something is wrong
STATUSES = ("labelled", "skipped", "unsure", "flagged", "deferred")


class Dashboard:
    """A page that is served from this process, and what is labelled on it; made by `open_dashboard`.

    In a notebook it shows the page; ``with`` closes it at the end.

    Parameters
    ----------
    workspace
        What is labelled; locked until `close`.
    session
        Its session; this object starts it.
    layout
        Name or path of the layout.
    height
        Of the page in a notebook, in pixels.
    """

    def __init__(self, workspace: Workspace, session: LabellingSession, layout: str, height: int) -> None:
        import panel as pn

        self.workspace, self.session, self.height = workspace, session, height
        arrangement = read_layout(layout)
        port = choose_port(Address(port=0))
        self.url = f"http://127.0.0.1:{port}/"
        self._closed = threading.Event()
        workspace.lock(self.url)
        session.start()
        atexit.register(self.close)
        options = server_options(session, Address(port=port), port)
        factory = page_factory(session, arrangement)
        self._thread: Any = pn.serve({"/": factory}, threaded=True, show=False, **options)
        try:
            _wait_for(port)
        except InputError:
            self.close()
            raise

    # ---- what is there ---------------------------------------------------------------------------

    @property
    def folder(self) -> Path:
        """The workspace's folder, which holds the labels and outlives this process."""
        return self.workspace.folder

    @property
    def labels(self) -> pd.DataFrame:
        """The answers in force, one row an item in the order of the first answer.

        Returns
        -------
        pandas.DataFrame
            ``id`` (text), ``row`` (place in the table, −1 where the item is gone), ``label`` (None where there is
            none), ``status``, ``annotator``, ``labelled_at`` (UTC) and ``note``.
        """
        import pandas as pd

        state = self.workspace.log.snapshot()
        events = [item.event for item in state.items.values()]
        return pd.DataFrame(
            {
                "id": pd.Series(list(state.items), dtype=object),
                "row": self.workspace.ids.rows(list(state.items)),
                "label": pd.Series([item.label for item in state.items.values()], dtype=object),
                "status": pd.Categorical([item.status for item in state.items.values()], categories=STATUSES),
                "annotator": pd.Series([event.annotator for event in events], dtype=object),
                "labelled_at": pd.to_datetime([event.created_at for event in events], utc=True),
                "note": pd.Series([state.notes.get(item_id) for item_id in state.items], dtype=object),
            }
        )

    @property
    def queue(self) -> pd.DataFrame:
        """The items that are asked next, in their order.

        Returns
        -------
        pandas.DataFrame
            ``id``, ``row``, ``round``, ``strategy``, ``suggested`` and ``suggested_probability`` (None where
            the question comes without a hint).
        """
        import pandas as pd

        queue = self.session.queue
        names = ("row", "round", "strategy", "suggested", "suggested_probability")
        ids = self.workspace.ids.texts([queued.row for queued in queue]) if queue else []
        return pd.DataFrame({"id": ids} | {name: [getattr(queued, name) for queued in queue] for name in names})

    @property
    def estimates(self) -> pd.DataFrame:
        """What is known of each class for the whole pool, by the sealed audit.

        Returns
        -------
        pandas.DataFrame
            ``class``, ``measure``, ``value``, ``low`` and ``high`` (95 % limits; missing where unknown); empty
            before the first estimates.
        """
        import pandas as pd

        names = self.workspace.taxonomy.names
        rows = [
            (names[entry["class"]], measure, *limits)
            for entry in self.session.estimates.get("classes") or ()
            for measure, limits in entry.items()
            if isinstance(limits, list) and len(limits) == 3
        ]
        return pd.DataFrame(rows, columns=["class", "measure", "value", "low", "high"])

    # ---- in a notebook ---------------------------------------------------------------------------

    def _repr_html_(self) -> str:
        if self._closed.is_set():
            return f"<p>{escape(repr(self))}</p>"
        return (
            f'<iframe src="{self.url}" title="rareloop" width="100%" height="{self.height}" '
            'style="border:1px solid #8884;border-radius:6px" allow="fullscreen"></iframe>'
            f"<p><small>Labels are kept in <code>{escape(str(self.folder))}</code> · "
            f'<a href="{self.url}" target="_blank" rel="noopener">open in a tab</a></small></p>'
        )

    def __repr__(self) -> str:
        state = "closed" if self._closed.is_set() else self.url
        return f"<rareloop: {state}, labels are kept in {self.folder}>"

    # ---- life ------------------------------------------------------------------------------------

    def wait(self) -> None:
        """Wait until Ctrl-C, or until another thread closes it; then all is stored."""
        with contextlib.suppress(KeyboardInterrupt):
            while not self._closed.wait(1):
                pass
        self.close()

    def close(self) -> None:
        """End the server, store what is under way and release the workspace; again is harmless."""
        if self._closed.is_set():
            return
        self._closed.set()
        atexit.unregister(self.close)
        self._thread.stop()
        self.session.close()

    def __enter__(self) -> Dashboard:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_dashboard(
    table: pd.DataFrame | str | Path,
    *,
    workspace: str | Path | None = None,
    classes: Sequence[str] | None = None,
    rare: Sequence[str] | None = None,
    annotator: str | None = None,
    classifier: str | None = None,
    strategy: str | None = None,
    infinite: str = "error",
    layout: str = "default",
    height: int = 768,
    **roles: Any,
) -> Dashboard:
    """Show the page for a table, in a notebook or from a script.

    Parameters
    ----------
    table
        A data frame, a file that ``rareloop serve`` reads, or a workspace. A data frame is written to the
        workspace; its index is the items' id unless it only counts the rows.
    workspace
        The folder that keeps the labels. By default a new temporary folder for a data frame, which is not
        deleted, and ``NAME.rareloop`` beside a file. A folder that was made for the same table is gone on
        with, and what it holds wins over what is said here of columns and classes.
    classes, rare
        The classes, and those of them that are looked for. Without classes, and without a label column, the
        page asks for them.
    annotator
        Whose answers these are; the operating system's user by default.
    classifier, strategy
        Instead of those of the workspace.
    infinite
        What infinite values mean: ``"error"`` or ``"missing"``.
    layout
        Name or path of the page's layout.
    height
        Of the page in a notebook, in pixels.
    **roles
        What columns are for: ``id``, ``label``, ``label_use`` (``"start"``, ``"truth"``, ``"ignore"``),
        ``features``, ``shown``, ``text``, ``image``, ``image_kind``; what is not said is guessed.

    Returns
    -------
    Dashboard
        Shows itself in a notebook; ``wait()`` keeps a script alive.

    Raises
    ------
    InputError
        When the table cannot be read, or a column, class or folder does not fit.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise InputError(
            "rareloop.open was called while a process of rareloop itself starts, which reads the script again: "
            "put the call under `if __name__ == '__main__':`"
        )
    _check_roles(roles)
    given = {name: value for name, value in roles.items() if value is not None}
    given |= {"classes": list(classes)} if classes is not None else {}
    given |= {"rare": list(rare)} if rare is not None else {}
    opened = _workspace_of(table, workspace, given)
    if not opened.is_confirmed:
        _confirm(opened, given, infinite)
    session = LabellingSession(opened, annotator)
    changes = {"classifier": classifier, "strategy": strategy}
    changes = {name: value for name, value in changes.items() if value is not None}
    if changes:
        session.update_settings(**changes)
    return Dashboard(opened, session, layout, height)


ROLES = ("id", "label", "label_use", "features", "shown", "text", "image", "image_kind")


def _check_roles(roles: Mapping[str, Any]) -> None:
    """Refuse what is no role, and lists of columns that are no lists."""
    for name, value in roles.items():
        if name not in ROLES:
            raise InputError(f"rareloop.open has no argument '{name}': columns have the roles {', '.join(ROLES)}")
        if name in ("features", "shown", "text") and isinstance(value, str):
            raise InputError(f"{name}='{value}' is one text: give a list of columns, such as ['{value}']")


def _confirm(workspace: Workspace, given: dict[str, Any], infinite: str) -> None:
    """Take the roles; with classes or labels to start from the page begins with the first item."""
    roles = roles_from_flags(guess_roles(workspace.table), given)
    if "classes" in given or (roles.label and roles.label_use == "start"):
        workspace.confirm(roles, given.get("classes", []), wanted=given.get("rare", []), infinite=infinite)
        keep_metric(workspace)
    else:
        workspace.roles = roles


# ---- tables ------------------------------------------------------------------------------------------


def _workspace_of(table: Any, folder: str | Path | None, given: dict[str, Any]) -> Workspace:
    """Open the workspace of a file or a data frame, or make it."""
    target = None if folder is None else Path(folder)
    if isinstance(table, str | Path):
        return open_or_create(Path(table), target)
    if not hasattr(table, "reset_index"):
        raise InputError(
            f"rareloop.open takes a data frame or a path, not a {type(table).__name__}: give one of them"
        )
    content = _file_of(table, given)
    target = target or Path(tempfile.mkdtemp(prefix="rareloop-")) / "table.rareloop"
    source = target / SOURCE_FILE
    if source.exists() and source.read_bytes() != content:
        raise InputError(f"{target} was made for another table: choose another folder with workspace=")
    if not source.exists():
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise InputError(f"{target} exists and was not made for a data frame: choose another folder")
        try:
            target.mkdir(parents=True, exist_ok=True)
            source.write_bytes(content)
        except OSError as error:
            raise InputError(f"{target} cannot be written ({error.strerror}): choose another folder") from error
    return open_or_create(source, target)


def _file_of(frame: pd.DataFrame, given: dict[str, Any]) -> bytes:
    """A data frame as Parquet; an index that says more than the place becomes the id."""
    import pandas as pd

    if isinstance(frame.index, pd.MultiIndex):
        raise InputError(
            "the data frame has an index of several levels: call its reset_index() and name the id column"
        )
    if frame.index.name is not None or not frame.index.equals(pd.RangeIndex(len(frame))):
        name = "index" if frame.index.name is None else str(frame.index.name)
        if name in frame.columns:
            raise InputError(f"the index and a column are both called '{name}': rename one of them")
        frame = frame.rename_axis(index=name).reset_index()
        given.setdefault("id", name)
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise InputError(f"the data frame has two columns '{twice[0]}': rename one of them")
    frame = frame.rename(columns=str)
    buffer = io.BytesIO()
    try:
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), buffer)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise InputError(f"{_column_of(error)} cannot be written as Parquet: {_short(error)}") from error
    return buffer.getvalue()


def _column_of(error: Exception) -> str:
    found = re.search(r"column (\S+)", str(error))
    return f"the column '{found[1]}'" if found else "the data frame"


def _short(error: Exception) -> str:
    return " ".join(str(error.args[0] if error.args else error).split())[:200]


def _wait_for(port: int) -> None:
    """Wait until the server listens; raises InputError when it does not."""
    until = time.monotonic() + STARTS_WITHIN
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if time.monotonic() > until:
            raise InputError(f"the page's server did not start within {STARTS_WITHIN} s: try again")
        time.sleep(0.02)
