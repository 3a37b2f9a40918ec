"""The pictures of the guide: a synthetic sky, labelled by its truth, on the page in both themes.

    python docs/screenshots.py

needs the extra ``test`` and a Chromium or Chrome; it writes ``docs/pictures/``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from playwright.sync_api import Page, sync_playwright
from rareloop.dashboard.session import LabellingSession
from rareloop.data.samples import sky
from rareloop.data.workspace import Workspace, workspace_folder

PICTURES = Path(__file__).parent / "pictures"
PORT = 5199
SETTLED = 3_000  # ms for pictures to be drawn
N_ROWS, N_LABELS = 20_000, 600
CLASSES, WANTED = ["quasar", "other"], ["quasar"]
DRAWER: Any = {"x": 683, "y": 410, "width": 683, "height": 358}
SIZE: Any = {"width": 1366, "height": 768}
TABS = {
    "table": "Table", "distributions": "Distributions", "grid": "Grid", "progress": "Progress",
    "classes": "Classes",
    "export": "Export", "time": "Time machine", "stop": "Stop", "metrics": "Metrics",
}  # fmt: skip
IN_BOTH_THEMES = ("stop", "metrics")
CHARTS = {"precision-recall": "Precision–recall", "discovery": "Discovery"}


def labelled(folder: Path) -> Workspace:
    """A workspace of the sky in which the first questions have been answered by the truth."""
    source = folder / "sky.parquet"
    table = sky(N_ROWS)
    pq.write_table(table, source)
    workspace = Workspace.create(workspace_folder(source), source)
    roles = workspace.roles
    roles.label, roles.label_use = None, "ignore"
    roles.features = [name for name in roles.features if name != "kind"]
    roles.shown = [name for name in roles.shown if name != "kind"]
    workspace.confirm(roles, CLASSES, wanted=WANTED)
    workspace.prepare()
    workspace.settings["round"] = {"audit_share": 0.4}
    workspace.save()
    kinds = table.column("kind").to_pylist()
    session = LabellingSession(workspace, "screenshots")
    session.start()
    while session.phase != "labelling":
        time.sleep(0.05)
    while len(session.state.items) < N_LABELS:
        if session.round_running or not session.queue:
            time.sleep(0.01)
            continue
        asked = session.queue[0]
        label = kinds[asked.row] if kinds[asked.row] in WANTED else "other"
        answer = {"row": asked.row, "action": "label", "label": label, "round": asked.round, "dwell_ms": 1_500}
        session.decide([answer], annotator=session.annotator).result(60)
    while session.round_running:
        time.sleep(0.01)
    session.close()
    return workspace


def take(page: Page, theme: str) -> None:
    """The whole page as it opens and with its tabs; most of them, and the charts, in the light theme alone."""
    page.screenshot(path=PICTURES / f"page-{theme}.png")
    for name, title in TABS.items():
        tab = page.get_by_role("tab", name=title, exact=True)
        if theme == "dark" and name not in IN_BOTH_THEMES:
            continue
        tab.click()
        page.wait_for_timeout(SETTLED)
        page.screenshot(path=PICTURES / f"{name}-{theme}.png")
    for name, title in CHARTS.items() if theme == "light" else ():
        page.get_by_label("Chart", exact=True).click()
        page.get_by_role("menuitem", name=title, exact=True).click()
        page.locator(".MuiPopover-root").wait_for(state="detached")
        page.wait_for_timeout(1_500)
        page.screenshot(
            path=PICTURES / f"{name}-{theme}.png", clip={"x": 683, "y": 410, "width": 683, "height": 358}
        )


def main() -> None:
    """Label, serve, and take the pictures."""
    PICTURES.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp())
    server = None
    try:
        workspace = labelled(folder)
        command = [sys.executable, "-m", "rareloop", "serve", str(workspace.folder), "--no-show"]
        server = subprocess.Popen([*command, "--port", str(PORT)], stdout=subprocess.PIPE, text=True)  # noqa: S603
        server.stdout.readline()  # type: ignore[union-attr]
        with sync_playwright() as playwright:
            found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
            browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--hide-scrollbars"])
            for theme in ("light", "dark"):
                page = browser.new_page(viewport=SIZE, color_scheme=theme)
                page.goto(f"http://127.0.0.1:{PORT}/")
                page.get_by_test_id("item-id").wait_for(timeout=60_000)
                page.get_by_text(f"{N_ROWS:,} items").wait_for(timeout=60_000)
                page.wait_for_timeout(2 * SETTLED)
                take(page, theme)
                page.close()
            browser.close()
    finally:
        if server is not None:
            server.terminate()
            server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
