"""The worker process: answers, refusals, and being killed."""

from __future__ import annotations

import multiprocessing
import queue
import threading
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from rareloop.dashboard import worker as worker_module
from rareloop.dashboard.worker import (
    RoundTask,
    Worker,
    WorkerStoppedError,
    _take_in,
    plane_path,
)
from rareloop.data.errors import InputError, WorkCancelledError
from rareloop.data.workspace import Workspace, workspace_folder
from rareloop.strategies.pool import Pool
from rareloop.strategies.rounds import Labels, RoundSettings, run_round
from rareloop.tests.dashboard.waiting import STRATEGY, a_gate

PATIENCE = 25


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
    threading.Thread(target=_take_in, args=(theirs, asked, set()), daemon=True).start()
    for number in range(3):
        ours.send((number, "round", (b"x" * 10**6,)))  # nobody has asked for the one before
    ours.close()
    assert [asked.get(timeout=PATIENCE)[0] for _ in range(3)] == [0, 1, 2]
    assert asked.get(timeout=PATIENCE) is None


def test_a_task_that_nobody_waits_for_any_more_ends_at_its_next_step():
    ours, theirs = multiprocessing.Pipe()
    report = worker_module._reporter(theirs, 0, set())
    report(0.1, "at first")
    assert ours.recv() == (0, "progress", (0.1, "at first"))
    ours.close()
    with pytest.raises(worker_module._Cancelled):
        report(0.2, "later")
    theirs.close()


def test_a_closed_worker_takes_nothing(worker):
    worker.close()
    with pytest.raises(WorkerStoppedError):
        worker.submit("prepare")


# ---- cancelling -------------------------------------------------------------------------------------


@pytest.fixture
def gate():
    """Keeps the rounds of the waiting strategy until it is opened."""
    with a_gate() as one:
        yield one


def wait(condition):
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def slow(**more):
    settings = replace(task().settings, strategy=STRATEGY, wanted=(1,))
    return replace(task(), settings=settings, **more)


def test_a_cancelled_round_ends_at_its_next_step_and_the_model_before_it_stays(workspace, gate, worker):
    worker.submit("prepare").result(PATIENCE)
    known = replace(task(), settings=RoundSettings(wanted=(1,)), number=1)
    worker.submit("round", known).result(PATIENCE)
    process = worker._process
    future = worker.submit("round", slow(number=2))
    wait(lambda: gate.has_begun)
    worker.cancel(future)
    gate.open()
    with pytest.raises(WorkCancelledError):
        future.result(PATIENCE)
    files = worker.submit("scores", "model", ("x", "y")).result(PATIENCE)
    assert files.round == 1
    assert worker._process is process
    worker.cancel(future)  # done already: nothing happens
    assert worker.submit("round", task()).result(PATIENCE).round.queries.rows.size == 10


def test_a_round_that_does_not_listen_takes_the_process_with_it_and_the_model_comes_back(
    workspace, gate, worker, monkeypatch
):
    monkeypatch.setattr(worker_module, "GRACE", 0.2)
    worker.submit("prepare").result(PATIENCE)
    known = replace(task(), settings=RoundSettings(wanted=(1,)), number=1)
    worker.submit("round", known).result(PATIENCE)
    before = np.array(worker.submit("scores", "model", ("x", "y")).result(PATIENCE).values("p1"))
    process = worker._process
    future = worker.submit("round", slow(number=2))
    waiting = worker.submit("scores", "model", ("x", "y"), known)
    given_up = worker.submit("scores", "cluster", ("x", "y"), known)
    wait(lambda: gate.has_begun)
    worker.cancel(given_up)
    with pytest.raises(WorkCancelledError):
        given_up.result(0)  # what has not begun ends at once
    worker.cancel(future)
    with pytest.raises(WorkCancelledError):
        future.result(PATIENCE)
    files = waiting.result(PATIENCE)
    assert worker._process is not process
    assert files.round == 1
    assert np.array_equal(files.values("p1"), before)
    estimate = worker.submit("scores", "unlike", ("x", "y")).result(PATIENCE)
    assert estimate.round == 1
