"""The worker process: answers, refusals, and being killed."""

from __future__ import annotations

import multiprocessing
import queue
import threading

import numpy as np
import pandas as pd
import pytest
from rareloop.dashboard.worker import RoundTask, Worker, WorkerStoppedError, _take_in, plane_path
from rareloop.data.errors import InputError
from rareloop.data.workspace import Workspace, workspace_folder
from rareloop.strategies.pool import Pool
from rareloop.strategies.rounds import Labels, RoundSettings, run_round

PATIENCE = 120


@pytest.fixture
def workspace(tmp_path):
    rng = np.random.default_rng(0)
    source = tmp_path / "t.csv"
    pd.DataFrame({"a": rng.normal(size=300), "b": rng.normal(size=300)}).to_csv(source, index=False)
    made = Workspace.create(workspace_folder(source), source)
    made.confirm(made.roles, ["x", "y"])
    yield made
    made.close()


@pytest.fixture
def worker(workspace):
    one = Worker(workspace.folder)
    yield one
    one.close()


def task():
    rows = np.arange(20)
    labels = Labels(rows, rows % 2, np.empty(0, np.int64), 2)
    return RoundTask(labels, RoundSettings(n_queries=10), seed=5)


def test_it_prepares_with_progress_and_gives_the_round_that_the_function_gives(workspace, worker):
    shares = []
    worker.submit("prepare", progress=lambda share, text: shares.append(share)).result(PATIENCE)
    assert workspace.is_ready
    assert plane_path(workspace).exists()
    assert shares[-1] == 1.0
    done = worker.submit("round", task()).result(PATIENCE)
    assert (done.stage, done.stopping) == (None, None)
    result = done.round
    one = task()
    here = run_round(Pool(workspace.features), one.labels, one.settings, np.random.default_rng(one.seed))
    assert result.queries.rows.tolist() == here.queries.rows.tolist()
    assert result.estimator is None


def test_bad_input_comes_back_as_one_sentence(tmp_path):
    worker = Worker(tmp_path)
    with pytest.raises(InputError, match="is no workspace"):
        worker.submit("prepare").result(PATIENCE)
    worker.close()


def test_a_killed_process_fails_its_task_and_the_next_one_works(workspace, worker):
    worker.submit("prepare").result(PATIENCE)
    lost = worker.submit("round", task())
    worker._process.kill()
    with pytest.raises(WorkerStoppedError):
        lost.result(PATIENCE)
    result = worker.submit("round", task()).result(PATIENCE).round
    assert len(result.queries.rows) == 10


def test_large_tasks_are_taken_in_while_another_one_is_under_way():
    """Whoever hands them in is the thread that stores answers, and a pipe holds 64 KB."""
    ours, theirs = multiprocessing.Pipe()
    asked = queue.SimpleQueue()
    threading.Thread(target=_take_in, args=(theirs, asked), daemon=True).start()
    for number in range(3):
        ours.send((number, "round", (b"x" * 10**6,)))  # nobody has asked for the one before
    ours.close()
    assert [asked.get(timeout=PATIENCE)[0] for _ in range(3)] == [0, 1, 2]
    assert asked.get(timeout=PATIENCE) is None


def test_a_closed_worker_takes_nothing(worker):
    worker.close()
    with pytest.raises(WorkerStoppedError):
        worker.submit("prepare")
