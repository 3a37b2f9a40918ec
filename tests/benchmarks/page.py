"""How quick and how frugal the page is, in a real browser: `python tests/benchmarks/page.py --rows 1000000`.

Starts the command on a synthetic sky, cold and warm; then serves it in this process and labels it at a human
pace. Every figure is printed as it comes, beside its target and the load of the machine; times of the browser also
beside the floor of the same run: how long the same browser takes to paint a change made by a script of its own.
`--output` keeps all as JSON after each case; a case that fails or takes too long leaves the others alone.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from playwright.sync_api import sync_playwright
from rareloop.tests.benchmarks import pool_work
from rareloop.tests.benchmarks.figures import Deadline, Figure, Report, quantiles
from rareloop.tests.browser import actions

FIND = """() => {
    const find = root => root.querySelector('section.surface') ||
        [...root.querySelectorAll('*')].map(e => e.shadowRoot && find(e.shadowRoot)).find(Boolean)
    window.surface = find(document)
    return Boolean(window.surface && window.surface.dataset.row)
}"""
# From the key's event to the frame after the one in which the card changed, as the browser sees it; when it was.
KEY = """([key, most]) => new Promise((resolve, reject) => {
    const start = performance.now(), at = Date.now()
    const before = window.surface.dataset.row
    window.dispatchEvent(new KeyboardEvent('keydown', {key}))
    const done = () => requestAnimationFrame(() => resolve([performance.now() - start, at]))
    const look = () => window.surface.dataset.row !== before ? done()
        : performance.now() - start > most ? reject(new Error('the key has moved nothing'))
        : requestAnimationFrame(look)
    look()
})"""
FLOOR = """() => new Promise(resolve => {
    const start = performance.now()
    document.title = String(start)
    requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now() - start)))
})"""
# From a new range to the frame after the one in which the image shows it.
ZOOM = """([isDrawn, share, most]) => new Promise((resolve, reject) => {
    const drawn = eval(isDrawn)
    const plot = [...Bokeh.documents[0]._all_models.values()].find(m => m.type === 'Figure' && m.name === 'map 1')
    const start = performance.now()
    for (const range of [plot.x_range, plot.y_range]) {
        const middle = (range.start + range.end) / 2
        const half = (range.end - range.start) * share / 2
        range.setv({start: middle - half, end: middle + half})
    }
    const look = () => drawn([null, 'map 1']) ? requestAnimationFrame(() => resolve(performance.now() - start))
        : performance.now() - start > most ? reject(new Error('the map is not drawn'))
        : requestAnimationFrame(look)
    requestAnimationFrame(look)
})"""
# From the end of a gesture to the frame after the one in which the page says how many it took.
SELECTED = """most => {
    const find = root => root.querySelector('[data-testid=map-note]') ||
        [...root.querySelectorAll('*')].map(e => e.shadowRoot && find(e.shadowRoot)).find(Boolean)
    window.selected = new Promise((resolve, reject) => window.addEventListener('pointerup', () => {
        const start = performance.now()
        const before = find(document)?.textContent
        const look = () => find(document)?.textContent !== before
            ? requestAnimationFrame(() => resolve(performance.now() - start))
            : performance.now() - start > most ? reject(new Error('nothing is selected'))
            : requestAnimationFrame(look)
        look()
    }, {once: true, capture: true}))
}"""
MEGABYTE = 2**20
PATIENCE = 60_000  # ms that one thing may take in the browser
WINDOW = {"width": 1366, "height": 768}
GROWTH_OVER = 500  # labels: before the last ones, the first round of each part is all there is to see
WEIGHINGS = 40  # in a run


def load_conftest() -> Any:
    """The browser tests' server, so that the benchmark measures what they test."""
    path = Path(__file__).parents[1] / "browser" / "conftest.py"
    spec = importlib.util.spec_from_file_location("browser_conftest", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ---- from the command to the first item -------------------------------------------------------------


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


def start(
    browser: Any, port: int, command: list[str], name: str, target: float, deadline: Deadline
) -> Iterator[Figure]:
    """Seconds from the command to the first item, by a process of its own; what the browser got for it."""
    began = time.monotonic()
    command = [sys.executable, "-m", "rareloop", "serve", *command]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        if not _listens(port, process, deadline):
            ended = process.poll()
            raise RuntimeError("no answer in time" if ended is None else f"the server ended with {ended}")
        page = browser.new_page(viewport=WINDOW)
        traffic = Traffic(page)
        page.goto(f"http://127.0.0.1:{port}/", timeout=1000 * deadline.left)
        page.wait_for_function(FIND, timeout=1000 * deadline.left)
        yield Figure(f"start → first item, {name}", time.monotonic() - began, "s", target)
        page.set_default_timeout(1000 * deadline.left)
        actions.wait_for_map(page)
        yield Figure(f"start → map, {name}", time.monotonic() - began, "s")
        yield Figure("sent at the first load", traffic.n_bytes / MEGABYTE, "MB")
        yield Figure(f"memory of the server, {name}", resident(process.pid), "MB")
        page.close()
    finally:
        process.terminate()
        process.wait()


def _listens(port: int, process: Any, deadline: Deadline) -> bool:
    """Wait until the server takes connections; whether it does. Asking it for more would have it make a page."""
    while process.poll() is None and not deadline.is_over:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=10):
            return True
        time.sleep(0.02)
    return False


# ---- labelling --------------------------------------------------------------------------------------


def label(served: Any, page: Any, truth: list[str], n_labels: int, pause: float, deadline: Deadline) -> Any:
    """Press the right keys at a human pace, and weigh page and server on the way."""
    session = served.session
    times: dict[str, list[float]] = {"round": [], "idle": [], "durable": []}
    commits: list[float] = []
    watcher = session.param.watch(lambda _: commits.append(1000 * time.time()), "committed")
    weights = [weigh(served, page, 0)]
    yield from quantiles("floor: two frames", [page.evaluate(FLOOR) for _ in range(50)], (None, None))
    keys = {c.name: c.key for c in session.workspace.taxonomy}
    number = 0
    while number < n_labels and not deadline.is_over:
        number += 1
        row, running, before = actions.current_row(page), session.round_running, len(commits)
        painted, at = page.evaluate(KEY, [keys[truth[row]], PATIENCE])
        times["round" if running else "idle"].append(painted)
        until = time.monotonic() + PATIENCE / 1000
        while len(commits) == before and time.monotonic() < until:
            time.sleep(0.005)
        times["durable"].append(commits[before] - at)
        page.wait_for_timeout(1000 * pause)
        if number % max(n_labels // WEIGHINGS, 1) == 0:
            weights.append(weigh(served, page, number))
    session.param.unwatch(watcher)
    yield Figure("labels given", number, "", n_labels)
    yield from quantiles("key → next item painted, a round runs", times["round"], (50, 100))
    yield from quantiles("key → next item painted, idle", times["idle"], (50, 100))
    yield from quantiles("key → durable", times["durable"], (None, 150))
    yield from growth(weights)
    rounds = [sum(r["seconds"].values()) for r in session.reports if r["has_model"]]
    if rounds:
        yield Figure("labels → new queue, median", float(np.median(rounds)), "s", 5, len(rounds))


def weigh(served: Any, page: Any, n_labels: int) -> dict[str, float]:
    """Megabytes of the page's scripts after a collection, of this process, and of the worker."""
    client = page.context.new_cdp_session(page)
    client.send("HeapProfiler.collectGarbage")
    client.send("Performance.enable")
    metrics = {m["name"]: m["value"] for m in client.send("Performance.getMetrics")["metrics"]}
    client.detach()
    worker = served.session.worker._process
    return {
        "labels": n_labels,
        "page": metrics["JSHeapUsedSize"] / MEGABYTE,
        "nodes": metrics["Nodes"],
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


def growth(weights: list[dict[str, float]]) -> Iterator[Figure]:
    """What there is at the end, and what 1,000 labels more would add by a line through the last 500."""
    late = [w for w in weights if w["labels"] >= max(weights[-1]["labels"] - GROWTH_OVER, 1)]
    labels = [weight["labels"] for weight in late]
    for part, unit in {"page": "MB", "nodes": "", "server": "MB", "worker": "MB"}.items():
        values = [weight[part] for weight in late]
        what = "nodes of the page" if part == "nodes" else f"memory of the {part}"
        yield Figure(f"{what} at the end", weights[-1][part], unit)
        if len(late) > 2:
            slope = 1000 * float(np.polyfit(labels, values, 1)[0])
            name = f"{what}, growth in 1,000 labels by the last {labels[-1] - labels[0]:g}"
            yield Figure(name, slope, unit, None, len(late))


# ---- the map ----------------------------------------------------------------------------------------


def map_figures(page: Any, n_rows: int, n_zooms: int, n_lassos: int, deadline: Deadline) -> Iterator[Figure]:
    """Zooms to the repainted image, as the browser sees them, and a drawn selection to its count."""
    large = n_rows > pool_work.LARGE
    actions.wait_for_map(page)
    zooms: list[float] = []
    while len(zooms) < n_zooms and not deadline.is_over:
        zooms.append(page.evaluate(ZOOM, [actions.MAP_IS_DRAWN, 0.8, PATIENCE]))
    yield from quantiles("zoom → map painted", zooms, (700 if large else 150, None))
    page.evaluate(ZOOM, [actions.MAP_IS_DRAWN, 0.8 ** -len(zooms), PATIENCE])  # there is something in each of them
    lassos = [_lasso(page, 0.2 + 0.02 * i) for i in range(n_lassos) if not deadline.is_over]
    yield from quantiles("lasso → count on the page", lassos, (1000 if large else 200, None))


def _lasso(page: Any, left: float) -> float:
    """Milliseconds from the end of a drawn gesture to the count; `left` is where it begins, as a share."""
    page.evaluate(SELECTED, PATIENCE)
    frame = page.locator(".bk-Canvas").first.bounding_box()
    corners = ((left, 0.3), (left + 0.3, 0.3), (left + 0.3, 0.7), (left, 0.7), (left, 0.3))
    for number, (across, down) in enumerate(corners):
        page.mouse.move(frame["x"] + across * frame["width"], frame["y"] + down * frame["height"], steps=4)
        if number == 0:
            page.mouse.down()
    page.mouse.up()
    taken: float = page.evaluate("() => window.selected")
    actions.wait_for_map(page)
    page.wait_for_timeout(1000)  # the next gesture begins where nothing of this one is under way
    return taken


# ---- the run ----------------------------------------------------------------------------------------


def table_of(options: argparse.Namespace, folder: Path) -> tuple[Path, str, list[str], list[str]]:
    """The sky, or the user's own table: its file, its label column, the label of each row, and the classes."""
    from rareloop.data.samples import SKY_KINDS, sky

    if options.table is None:
        source, name, classes = folder / "sky.parquet", "kind", list(SKY_KINDS)
        pq.write_table(sky(options.rows), source)
    else:
        source, name, classes = options.table.resolve(), options.label, []
    truth = [str(value) for value in pq.read_table(source, columns=[name]).column(0).to_pylist()]
    return source, name, truth, classes or sorted(set(truth))[:9]


def run(options: argparse.Namespace, folder: Path, playwright: Any, report: Report) -> None:
    """All cases of one run."""
    from rareloop.data.workspace import Workspace

    conftest = load_conftest()
    for n_rows in options.redraw:
        report.run(f"redraw {n_rows}", partial(pool_work.redraws, n_rows, options.views))
    size = (options.similar, options.columns)
    report.run("similar", partial(pool_work.similar, *size, folder, options.views))
    source, column, truth, classes = table_of(options, folder)
    target, port = folder / "bench.rareloop", free_port()
    server = ["--no-show", "--port", str(port)]
    roles = ["--label", column, "--label-use", "truth", "--classes", ",".join(classes), "--rare", classes[-1]]
    browser = playwright.chromium.launch(
        executable_path=conftest.find_browser(playwright), args=conftest.ARGUMENTS
    )
    served = None
    try:
        cold = [str(source), "--workspace", str(target), *roles, *server]
        report.run("start cold", partial(start, browser, port, cold, "cold", 15))
        report.run("start warm", partial(start, browser, port, [str(target), *server], "warm", 5))
        workspace = Workspace.open(target) if target.exists() else _made(source, target, column, classes)
        served = conftest.Served(workspace)
        served.session.update_settings(classifier=options.classifier)
        page = browser.new_page(viewport=WINDOW)
        page.set_default_timeout(1000 * options.limit)
        page.goto(served.url)
        page.wait_for_function(FIND)
        report.run("label", partial(label, served, page, truth, options.labels, options.pause))
        report.run("map", partial(map_figures, page, workspace.table.n_rows, options.zooms, options.lassos))
        report.run("bulk", partial(pool_work.bulk, served.session))
    finally:
        browser.close()
        if served is not None:
            served.close()


def _made(source: Path, target: Path, column: str, classes: list[str]) -> Any:
    """The workspace that the cold start makes, where that was not measured."""
    from rareloop.data.workspace import Workspace

    workspace = Workspace.create(target, source)
    roles = workspace.roles
    roles.label, roles.label_use = column, "truth"
    roles.features = [name for name in roles.features if name != column]
    roles.shown = [name for name in roles.shown if name != column]
    workspace.confirm(roles, classes, wanted=classes[-1:])
    return workspace


def free_port() -> int:
    """A port that is free now."""
    from rareloop.dashboard.serve import Address, choose_port

    return choose_port(Address(port=0))


def _numbers(text: str) -> list[int]:
    return [int(float(part)) for part in text.split(",") if part]


def main() -> None:
    """Measure, print, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=lambda text: int(float(text)), default=1_000_000)
    parser.add_argument("--labels", type=int, default=1_000)
    parser.add_argument("--pause", type=float, default=0.2, help="seconds between two keys")
    parser.add_argument("--zooms", type=int, default=12)
    parser.add_argument("--lassos", type=int, default=10)
    parser.add_argument("--views", type=int, default=20, help="images, and searches, of each kind")
    parser.add_argument("--redraw", type=_numbers, default=[1_000_000, 10_000_000], help="points of the images")
    parser.add_argument("--similar", type=lambda text: int(float(text)), default=1_000_000, help="rows searched")
    parser.add_argument("--columns", type=int, default=64, help="columns searched")
    parser.add_argument("--table", type=Path, help="a table of your own instead of the sky")
    parser.add_argument("--label", help="its label column: where the classes come from")
    parser.add_argument("--classifier", default="logistic")
    parser.add_argument("--limit", type=float, default=900, help="seconds that a case may take")
    parser.add_argument("--only", nargs="*", default=[], help="words of the names of the cases to run")
    parser.add_argument("--output", type=Path, help="the figures as a JSON file, written after each case")
    options = parser.parse_args()
    facts = {"rows": options.rows, "labels": options.labels, "table": str(options.table or "sky")}
    report = Report(facts, options.output, options.limit, options.only)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; limit {options.limit:g} s a case")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        run(options, Path(folder), playwright, report)


if __name__ == "__main__":
    main()
