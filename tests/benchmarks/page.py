"""How quick and how frugal the page is, in a real browser: `python tests/benchmarks/page.py --rows 1000000`.

Serves a synthetic sky in this process and labels it at a human pace. Every figure stands beside its target and the
load of the machine; times of the browser also beside the floor of the same run: how long the same browser takes to
paint a change made by a script of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
from playwright.sync_api import sync_playwright

FIND = """() => {
    const find = root => root.querySelector('section.surface') ||
        [...root.querySelectorAll('*')].map(e => e.shadowRoot && find(e.shadowRoot)).find(Boolean)
    window.surface = find(document)
    return Boolean(window.surface && window.surface.dataset.row)
}"""
# From the key's event to the frame after the one in which the card changed, as the browser sees it.
KEY = """key => new Promise(resolve => {
    const start = performance.now()
    const before = window.surface.dataset.row
    window.dispatchEvent(new KeyboardEvent('keydown', {key}))
    const look = () => window.surface.dataset.row !== before
        ? requestAnimationFrame(() => resolve(performance.now() - start)) : requestAnimationFrame(look)
    look()
})"""
FLOOR = """() => new Promise(resolve => {
    const start = performance.now()
    document.title = String(start)
    requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now() - start)))
})"""

# From a new range to the frame after the one in which the image shows it.
ZOOM = """([isDrawn, share]) => new Promise(resolve => {
    const drawn = eval(isDrawn)
    const plot = [...Bokeh.documents[0]._all_models.values()]
        .find(m => m.type === 'Figure' && m.toolbar.tools.length > 4)
    const start = performance.now()
    for (const range of [plot.x_range, plot.y_range]) {
        const middle = (range.start + range.end) / 2
        const half = (range.end - range.start) * share / 2
        range.setv({start: middle - half, end: middle + half})
    }
    const look = () => drawn(null) ? requestAnimationFrame(() => resolve(performance.now() - start))
        : requestAnimationFrame(look)
    requestAnimationFrame(look)
})"""
# From the end of a gesture to the frame after the one in which the page says how many it took.
SELECTED = """() => {
    const find = root => root.querySelector('[data-testid=map-note]') ||
        [...root.querySelectorAll('*')].map(e => e.shadowRoot && find(e.shadowRoot)).find(Boolean)
    window.selected = new Promise(resolve => window.addEventListener('pointerup', () => {
        const start = performance.now()
        const before = find(document).textContent
        const look = () => find(document).textContent !== before
            ? requestAnimationFrame(() => resolve(performance.now() - start)) : requestAnimationFrame(look)
        look()
    }, {once: true, capture: true}))
}"""
MEGABYTE = 2**20
FEWEST_FOR_GROWTH = 500  # labels; before that the first round of each part is all there is to see


class Figure(NamedTuple):
    """One line of the report; `target` in the same unit, None where there is none."""

    name: str
    value: float
    unit: str
    target: float | None = None
    n: int = 1

    def line(self) -> str:
        """As it is printed."""
        beside = "" if self.target is None else f"{self.value / self.target:7.2f} × target {self.target:g}"
        return f"{self.name:<52} {self.value:10.2f} {self.unit:<4} {beside:<24} (n={self.n})"


def load_conftest() -> Any:
    """The browser tests' server, so that the benchmark measures what they test."""
    path = Path(__file__).parents[1] / "browser" / "conftest.py"
    spec = importlib.util.spec_from_file_location("browser_conftest", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def quantiles(name: str, values: list[float], targets: tuple[float | None, float | None]) -> list[Figure]:
    """Median and 95th percentile of times in milliseconds; nothing of no values."""
    return [
        Figure(f"{name}, p{share}", float(np.percentile(values, share)), "ms", target, len(values))
        for share, target in zip((50, 95), targets, strict=True)
        if values
    ]


# ---- what is measured -------------------------------------------------------------------------------


def label(served: Any, page: Any, n_labels: int, pause: float) -> list[Figure]:
    """Press class keys at a human pace, and weigh page and server on the way."""
    times: dict[str, list[float]] = {"round": [], "idle": [], "durable": []}
    weights = [weigh(served, page, 0)]
    floor = [page.evaluate(FLOOR) for _ in range(50)]
    classes = [c.key for c in served.session.workspace.taxonomy]
    rng = np.random.default_rng(0)
    for number in range(1, n_labels + 1):
        n_events, running = len(served.session.state.items), served.session.round_running
        began = time.perf_counter()
        times["round" if running else "idle"].append(page.evaluate(KEY, str(rng.choice(classes))))
        while len(served.session.state.items) == n_events and time.perf_counter() - began < 5:
            time.sleep(0.001)
        times["durable"].append(1000 * (time.perf_counter() - began))
        page.wait_for_timeout(1000 * pause)
        if number % max(n_labels // 10, 1) == 0:
            weights.append(weigh(served, page, number))
    return [
        *quantiles("floor: two frames of this browser", floor, (None, None)),
        *quantiles("key → next item painted, a round runs", times["round"], (50, 100)),
        *quantiles("key → next item painted, idle", times["idle"], (50, 100)),
        *quantiles("key → durable, as seen from Python", times["durable"], (None, 150)),
        *growth(weights),
    ]


def weigh(served: Any, page: Any, n_labels: int) -> dict[str, float]:
    """Megabytes of the page's scripts after a collection, of this process, and of the worker."""
    client = page.context.new_cdp_session(page)
    client.send("HeapProfiler.collectGarbage")
    client.send("Performance.enable")
    heap = next(
        m["value"] for m in client.send("Performance.getMetrics")["metrics"] if m["name"] == "JSHeapUsedSize"
    )
    client.detach()
    worker = served.session.worker._process
    return {
        "labels": n_labels,
        "page": heap / MEGABYTE,
        "server": resident("self"),
        "worker": resident(worker.pid) if worker else 0.0,
    }


def resident(pid: int | str) -> float:
    """Resident megabytes of a process; 0 where the system does not tell."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
    return 0.0


def growth(weights: list[dict[str, float]]) -> list[Figure]:
    """Megabytes at the end, and of 1,000 labels more by a line through the second half of a long run."""
    late = weights[len(weights) // 2 :]
    labels = [weight["labels"] for weight in late]
    figures = []
    for part in ("page", "server", "worker"):
        values = [weight[part] for weight in late]
        figures.append(Figure(f"memory of the {part} at the end", values[-1], "MB"))
        if len(late) > 2 and labels[-1] >= FEWEST_FOR_GROWTH:
            slope = 1000 * float(np.polyfit(labels, values, 1)[0])
            figures.append(Figure(f"memory of the {part}, growth in 1,000 labels", slope, "MB", None, len(late)))
    return figures


def map_figures(page: Any, actions: Any, n_rows: int, n_zooms: int) -> list[Figure]:
    """Zooms to the repainted image, as the browser sees them, and a drawn selection to its count."""
    actions.wait_for_map(page)
    zooms = [page.evaluate(ZOOM, [actions.MAP_IS_DRAWN, 0.8]) for _ in range(n_zooms)]
    page.evaluate(SELECTED)
    frame = page.locator(".bk-Canvas").first.bounding_box()
    corners = ((0.3, 0.3), (0.6, 0.3), (0.6, 0.7), (0.3, 0.7), (0.3, 0.3))
    for number, (across, down) in enumerate(corners):
        page.mouse.move(frame["x"] + across * frame["width"], frame["y"] + down * frame["height"], steps=4)
        if number == 0:
            page.mouse.down()
    page.mouse.up()
    large = n_rows > 2_000_000
    lasso = page.evaluate("() => window.selected")
    return [
        *quantiles("zoom → map painted", zooms, (700 if large else 150, None)),
        Figure("lasso → count on the page", lasso, "ms", 1000 if large else 200),
    ]


class Traffic:
    """Counts what a page gets from its server, before decompression, and by its web socket."""

    def __init__(self, page: Any) -> None:
        self.n_bytes = 0
        client = page.context.new_cdp_session(page)
        client.send("Network.enable")
        client.on("Network.loadingFinished", lambda event: self._add(event["encodedDataLength"]))
        client.on("Network.webSocketFrameReceived", lambda event: self._add(len(event["response"]["payloadData"])))

    def _add(self, n: float) -> None:
        self.n_bytes += int(n)


# ---- the run ----------------------------------------------------------------------------------------


def make_workspace(options: argparse.Namespace, folder: Path) -> Any:
    """The sky, or the user's own table, with its classes named."""
    from rareloop.data.samples import SKY_KINDS, sky
    from rareloop.data.workspace import Workspace

    source = options.table or folder / "sky.parquet"
    if options.table is None:
        pq.write_table(sky(options.rows), source)
    workspace = Workspace.create(folder / "bench.rareloop", source)
    roles = workspace.roles
    roles.label_use = "truth"
    classes = list(SKY_KINDS)
    if options.table is not None:
        roles.label = options.label
        roles.features = [name for name in roles.features if name != options.label]
        roles.shown = [name for name in roles.shown if name != options.label]
        column = workspace.table.column(options.label).cast("string").to_pylist()
        classes = sorted({value for value in column if value})[:9]
    workspace.confirm(roles, classes, wanted=classes[-1:])
    return workspace


def run(options: argparse.Namespace, folder: Path, playwright: Any) -> list[Figure]:
    """All figures of one run."""
    from rareloop.tests.browser import actions

    conftest = load_conftest()
    workspace = make_workspace(options, folder)
    began = time.perf_counter()
    served = conftest.Served(workspace)
    served.session.update_settings(classifier=options.classifier)
    path = conftest.find_browser(playwright)
    browser = playwright.chromium.launch(executable_path=path, args=conftest.ARGUMENTS)
    try:
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.set_default_timeout(300_000)
        traffic = Traffic(page)
        page.goto(served.url)
        page.wait_for_function(FIND)
        figures = [Figure("start → first item, cold", time.perf_counter() - began, "s", 15)]
        actions.wait_for_map(page)
        figures.append(Figure("sent at the first load", traffic.n_bytes / MEGABYTE, "MB"))
        figures += label(served, page, options.labels, options.pause)
        figures += map_figures(page, actions, workspace.table.n_rows, options.zooms)
        rounds = [sum(r["seconds"].values()) for r in served.session.reports if r["has_model"]]
        if rounds:
            figures.append(Figure("labels → new queue, median", float(np.median(rounds)), "s", 5, len(rounds)))
        return figures
    finally:
        browser.close()
        served.close()


def main() -> None:
    """Measure, print, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--labels", type=int, default=1_000)
    parser.add_argument("--pause", type=float, default=0.2, help="seconds between two keys")
    parser.add_argument("--zooms", type=int, default=12)
    parser.add_argument("--table", type=Path, help="a table of your own instead of the sky")
    parser.add_argument("--label", help="its label column: where the classes come from")
    parser.add_argument("--classifier", default="logistic")
    parser.add_argument("--json", type=Path, help="the figures as a file")
    options = parser.parse_args()
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        figures = run(options, Path(folder), playwright)
    load = {"cores": os.cpu_count(), "before": before, "after": os.getloadavg()[0]}
    print(f"load of {load['cores']} cores: {load['before']:.1f} before, {load['after']:.1f} after this run")
    print("\n".join(figure.line() for figure in figures))
    if options.json is not None:
        content = {"rows": options.rows, "labels": options.labels, "load": load}
        options.json.write_text(
            json.dumps(content | {"figures": [figure._asdict() for figure in figures]}, indent=2)
        )


if __name__ == "__main__":
    main()
