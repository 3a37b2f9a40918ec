"""Export: handing the data set over, as a package or as one file, to keep in the workspace and to download."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import panel as pn
import panel_material_ui as pmui
from bokeh.server.views.auth_request_handler import AuthRequestHandler
from tornado.web import HTTPError, authenticated

from ...data.export.formats import unfinished
from ...data.workspace import Workspace
from ..export_job import write_labels
from ..jobs import Job
from ..packages import FOLDER
from ..page import Page
from ..session import LabellingSession
from .halves import halves
from .marks import SMALL
from .package import ROUTE, PackagePart
from .publication import PublicationPart

FORMATS = {
    "CSV": ".csv", "Parquet": ".parquet", "JSON lines": ".jsonl", "FITS": ".fits", "VOTable": ".vot",
    "Label Studio": ".json",
}  # fmt: skip
CHUNK = 2**20
TITLE = "Exporting the labels"
SCROLLS = {"overflow-y": "auto", "overflow-x": "hidden", "min-width": "0", "min-height": "0"}
NOTE = (
    "One row for each labelled item: the columns of the table, the label, who, when, and how the item was chosen. "
    "<i>Export a view</i> opens the table, whose <i>Export</i> writes just the rows and columns that it lists."
)


class ExportView(pn.viewable.Viewer):
    """Where a data set is handed over: what is said of it on the left, what is missing and made on the right."""

    title = "Export"

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.publication = PublicationPart(page)
        self.package = PackagePart(page)
        self.files = SingleFiles(page)

    def __panel__(self) -> pn.viewable.Viewable:
        column: dict[str, Any] = {"sizing_mode": "stretch_both", "margin": 0, "styles": SCROLLS}
        about = pmui.Column(self.publication.form, **column)
        package = pmui.Column(self.package.panel, self.files, **column)
        return halves(about, package, least=(330, 330))


class SingleFiles(pn.viewable.Viewer):
    """Writes the labelled items to ``exports/`` in the workspace and offers the file for download."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self.session: LabellingSession = page.session
        self.format = pmui.Select(label="Format", options=list(FORMATS), value="CSV", size="small", width=130)
        self.button = pmui.Button(label="Export labels", variant="outlined", size="small", align="center")
        self.view = pmui.Button(label="Export a view…", variant="text", size="small", align="center")
        self.bar = pmui.LinearProgress(variant="determinate", value=0, visible=False, sizing_mode="stretch_width")
        self.note = pn.pane.HTML(NOTE, sizing_mode="stretch_width", margin=(0, 10), styles=SMALL)
        self.button.on_click(lambda _: self._export())
        self.view.on_click(lambda _: page.show_view("table"))

    def __panel__(self) -> pn.viewable.Viewable:
        return pmui.Column(
            pn.pane.HTML("<b>Single files</b>", margin=(0, 10), styles=SMALL),
            pmui.Row(self.format, self.button, self.view, margin=0),
            self.bar,
            self.note,
            sizing_mode="stretch_width",
            margin=(0, 0, 8, 0),
        )

    def _export(self) -> None:
        suffix = FORMATS[self.format.value]
        workspace = self.session.workspace
        target = workspace.folder / FOLDER / f"{workspace.name}-labels{suffix}"
        self.button.disabled = True
        self.bar.param.update(visible=True, value=0)
        job = self.session.jobs.start(TITLE, write_labels, workspace.folder, target)
        self.page.watch(job, lambda: self._show(job, target), "share", "state")
        self._show(job, target)

    def _show(self, job: Job, target: Path) -> None:
        """Show how far the file is, or what came of it; a job that has ended changes no more."""
        self.bar.value = int(100 * job.share)
        if job.state == "running":
            return
        self.button.disabled = False
        self.bar.visible = False
        if job.state != "done":
            unfinished(target).unlink(missing_ok=True)
            why = job.error or "it was cancelled"
            self.note.object = f'<span role="alert">Nothing was exported: {escape(why)}</span>'
            return
        n_rows = int(job.result)
        self.note.object = (
            f'<span role="status" data-testid="exported">{n_rows:,} labelled items are in '
            f"<code>{escape(str(target))}</code>. "
            f'<a href="{ROUTE}/{quote(target.name)}" download>Download</a></span>'
        )


class ExportHandler(AuthRequestHandler):
    """Serves the files of one folder of the workspace, behind the same login as the page."""

    def initialize(self, workspace: Workspace, folder: str = FOLDER) -> None:
        """Take the workspace, and the name of the folder whose files are served."""
        self.folder = workspace.folder / folder

    @authenticated
    async def get(self, name: str) -> None:
        """Send one file in pieces, or 404."""
        path = self.folder / name
        if path.name != name or not path.is_file():
            raise HTTPError(404)
        self.set_header("Content-Type", "application/octet-stream")
        self.set_header("Content-Disposition", f"attachment; filename*=UTF-8''{quote(name)}")
        self.set_header("X-Content-Type-Options", "nosniff")
        with path.open("rb") as file:
            while piece := file.read(CHUNK):
                self.write(piece)
                await self.flush()
