"""What the page's process imports before somebody sees the page: no more than the page needs."""

from __future__ import annotations

import subprocess
import sys

from .test_session import survey

HEAVY = ("datashader", "modAL", "numba", "pandas", "scipy.stats", "shapely", "sklearn", "xarray")
SEND_A_PAGE = f"""
import contextlib, os, sys, threading, urllib.error, urllib.request
from pathlib import Path
from rareloop.dashboard.app import read_layout
from rareloop.dashboard.serve import Address, run
from rareloop.dashboard.session import LabellingSession
from rareloop.data.workspace import Workspace

def ask(url):
    answer = None
    while answer is None:
        with contextlib.suppress(urllib.error.URLError):  # not yet
            answer = urllib.request.urlopen(url, timeout=60).read()
    print(*[name for name in {HEAVY} if name in sys.modules], flush=True)
    os._exit(0 if b"bokeh" in answer else 1)

def say(text):
    threading.Thread(target=ask, args=(text.split()[3],), daemon=True).start()

session = LabellingSession(Workspace.open(Path(sys.argv[1])), "ann")
run(session, read_layout("default"), Address(), show=False, say=say)
"""


def test_a_page_is_sent_without_what_only_models_and_rasters_need(tmp_path):
    workspace = survey(tmp_path)
    workspace.close()
    command = [sys.executable, "-c", SEND_A_PAGE, str(workspace.folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
