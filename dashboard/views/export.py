"""Export: the labels so far as one file, to keep in the workspace and to download."""

from __future__ import annotations

from html import escape
from pathlib import Path
from urllib.parse import quote

import panel as pn
import panel_material_ui as pmui
from bokeh.server.views.auth_request_handler import AuthRequestHandler
from tornado.web import HTTPError, authenticated

from ...data.export.formats import export_labels
from ...data.workspace import Workspace
from ..page import Page
from ..session import LabellingSession

ROUTE = "export-file"
FOLDER = "exports"
FORMATS = {
    "CSV": ".csv", "Parquet": ".parquet", "JSON lines": ".jsonl", "FITS": ".fits", "VOTable": ".vot",
    "Label Studio": ".json",
}  # fmt: skip
CHUNK = 2**20


class ExportView(pn.viewable.Viewer):
    """Writes the labelled items to ``exports/`` in the workspace and offers the file for download."""

    title = "Export"

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self.session: LabellingSession = page.session
        self.format = pmui.Select(label="Format", options=list(FORMATS), value="CSV", size="small", width=160)
        self.button = pmui.Button(label="Export labels", variant="contained", size="small")
        self.bar = pmui.LinearProgress(variant="determinate", value=0, visible=False, width=300)
        self.note = pn.pane.HTML(
            "One row for each labelled item: the columns of the table, the label, who, when, and how the "
            "item was chosen.",
            sizing_mode="stretch_width",
            margin=(5, 10),
        )
        self.button.on_click(lambda _: self._export())

    def __panel__(self) -> pn.viewable.Viewable:
        return pmui.Column(pmui.Row(self.format, self.button, self.bar), self.note, sizing_mode="stretch_both")

    def _export(self) -> None:
        suffix = FORMATS[self.format.value]
        workspace = self.session.workspace
        target = workspace.folder / FOLDER / f"{workspace.name}-labels{suffix}"
        self.button.disabled = True
        self.bar.param.update(visible=True, value=0)

        def work() -> tuple[Path | None, int, str]:
            try:
                target.parent.mkdir(exist_ok=True)
                return target, export_labels(workspace, target, progress=self._show), ""
            except (OSError, ValueError) as error:
                return None, 0, str(error)

        self.page.in_background(work, self._done)

    def _show(self, share: float, text: str) -> None:
        self.page.hop(lambda: self.bar.param.update(value=int(100 * share)))

    def _done(self, result: tuple[Path | None, int, str]) -> None:
        target, n_rows, problem = result
        self.button.disabled = False
        self.bar.visible = False
        if target is None:
            self.note.object = f'<span role="alert">Nothing was exported: {escape(problem)}</span>'
            return
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
