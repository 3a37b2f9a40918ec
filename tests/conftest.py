"""How the tests start processes."""

from __future__ import annotations

import multiprocessing
from multiprocessing import forkserver

import pytest

# What the package imports when it is first used.
PUT_OFF = [
    "modAL.models", "pandas", "scipy.stats", "sklearn.cluster", "sklearn.covariance", "sklearn.decomposition",
    "sklearn.ensemble", "sklearn.linear_model", "sklearn.metrics", "sklearn.model_selection", "sklearn.neighbors",
    "sklearn.pipeline", "rareloop.strategies.shrinkage",
]  # fmt: skip


@pytest.fixture(autouse=True, scope="session")
def processes_with_imports_done():
    """Workers, jobs and simulations are forked from one process that has imported what takes them seconds each.

    The command in a process of its own starts them as users have them, see `browser/test_server.py`.
    """
    real = multiprocessing.get_context

    def get_context(method=None):
        if method != "spawn" or "forkserver" not in multiprocessing.get_all_start_methods():
            return real(method)
        from rareloop.dashboard.worker import capped_threads

        context = real("forkserver")
        ours = ["rareloop.dashboard.desk", "rareloop.dashboard.jobs", "rareloop.dashboard.simulations"]
        context.set_forkserver_preload([*ours, *PUT_OFF])
        with capped_threads():
            forkserver.ensure_running()
        return context

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(multiprocessing, "get_context", get_context)
        yield
