"""How long from a key to the next item on the screen, while rounds run: `python tests/benchmarks/page.py`.

Serves a synthetic sky in this process, labels it in a real browser, and prints percentiles beside the
floor of the same run: the time in which the same browser paints a change made by a script of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import resource
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

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


def load_conftest() -> Any:
    """The browser tests' server, so that the benchmark measures what they test."""
    path = Path(__file__).parents[1] / "browser" / "conftest.py"
    spec = importlib.util.spec_from_file_location("browser_conftest", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def percentiles(values: list[float]) -> str:
    """Median, 95th percentile and maximum, in milliseconds."""
    return f"p50 {np.percentile(values, 50):6.1f}  p95 {np.percentile(values, 95):6.1f}  max {max(values):6.1f} ms"


def measure(served: Any, page: Any, n_keys: int, pause: float) -> SimpleNamespace:
    """Press class keys at a human pace; returns milliseconds a key, and how many fell into a round."""
    painted, during, durable = [], [], []
    floor = [page.evaluate(FLOOR) for _ in range(50)]
    classes = [c.key for c in served.session.workspace.taxonomy]
    rng = np.random.default_rng(0)
    for _ in range(n_keys):
        n_events = len(served.session.state.items)
        running = served.session.round_running
        began = time.perf_counter()
        took = page.evaluate(KEY, str(rng.choice(classes)))
        while len(served.session.state.items) == n_events and time.perf_counter() - began < 5:
            time.sleep(0.001)
        durable.append(1000 * (time.perf_counter() - began))
        painted.append(took)
        if running:
            during.append(took)
        page.wait_for_timeout(1000 * pause)
    return SimpleNamespace(painted=painted, during=during, durable=durable, floor=floor)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--keys", type=int, default=150)
    parser.add_argument("--pause", type=float, default=0.2, help="seconds between two keys")
    parser.add_argument("--table", type=Path, help="a table of your own instead of the sky")
    parser.add_argument("--label", help="its label column: where the classes come from")
    parser.add_argument("--classifier", default="logistic")
    options = parser.parse_args()

    from rareloop.data.samples import SKY_KINDS, sky
    from rareloop.data.workspace import Workspace

    conftest = load_conftest()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        began = time.perf_counter()
        source = options.table or Path(folder) / "sky.parquet"
        if options.table is None:
            pq.write_table(sky(options.rows), source)
            print(f"the table was made in {time.perf_counter() - began:.1f} s")
        began = time.perf_counter()
        workspace = Workspace.create(Path(folder) / "bench.rareloop", source)
        roles = workspace.roles
        roles.label_use = "truth"
        if options.table is None:
            classes = list(SKY_KINDS)
        else:
            roles.label = options.label
            roles.features = [name for name in roles.features if name != options.label]
            roles.shown = [name for name in roles.shown if name != options.label]
            classes = sorted({v for v in workspace.table.column(options.label).cast("string").to_pylist() if v})[
                :9
            ]
        workspace.confirm(roles, classes, wanted=classes[-1:])
        served = conftest.Served(workspace)
        served.session.update_settings(classifier=options.classifier)
        browser = playwright.chromium.launch(
            executable_path=conftest.find_browser(playwright), args=conftest.ARGUMENTS
        )
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.goto(served.url)
        page.wait_for_function(FIND, timeout=300_000)
        print(f"start → first item, cold: {time.perf_counter() - began:.1f} s")
        result = measure(served, page, options.keys, options.pause)
        rounds = [r["seconds"] for r in served.session.reports if r["has_model"]]
        seconds = [sum(r.values()) for r in rounds]
        print(f"floor: two frames of this browser   {percentiles(result.floor)}")
        print(f"key → next item painted             {percentiles(result.painted)}  (n={len(result.painted)})")
        if result.during:
            print(f"   of these while a round ran       {percentiles(result.during)}  (n={len(result.during)})")
        print(f"key → durable, as seen from Python  {percentiles(result.durable)}")
        if seconds:
            print(f"rounds: {len(seconds)}, seconds p50 {np.median(seconds):.2f}, max {max(seconds):.2f}")
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"resident memory at most: page {own:,.0f} MB, worker {worker_memory(served):,.0f} MB")
        browser.close()
        served.close()


def worker_memory(served: Any) -> float:
    """Peak resident memory of the worker process, MB; 0 where the system does not tell."""
    process = served.session.worker._process
    with contextlib.suppress(OSError, AttributeError):
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    return 0.0


if __name__ == "__main__":
    main()
