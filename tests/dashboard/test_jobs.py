"""Long work in processes of its own: progress, results, failures, cancelling, and no trace at the end."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from rareloop.dashboard.jobs import Jobs
from rareloop.dashboard.worker import NICENESS
from rareloop.data.errors import InputError

PATIENCE = 120


def count(progress, n):
    for i in range(n):
        progress(i / n, f"at {i}")
        time.sleep(0.15)
    return {"counted": n, "niceness": os.nice(0), "threads": os.environ["OMP_NUM_THREADS"]}


def refuse(progress):
    raise InputError("the table has no rows: choose another")


def fail(progress):
    raise KeyError("what")


def unsendable(progress):
    return threading.Lock()


def sleep(progress):
    progress(0.5, str(os.getpid()))
    time.sleep(3600)


@pytest.fixture
def jobs():
    all_jobs = Jobs()
    yield all_jobs
    all_jobs.close()


def pid_of(job):
    until = time.monotonic() + PATIENCE
    while not job.text:
        assert time.monotonic() < until
        time.sleep(0.02)
    return int(job.text)


def is_there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def is_gone(pid):
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if not is_there(pid):
            return True
        time.sleep(0.02)
    return False


def test_a_job_tells_its_progress_and_gives_its_result(jobs):
    shares = []
    here = os.nice(0)
    job = jobs.start("Counting", count, 3)
    job.param.watch(lambda event: shares.append(event.new), "share")
    assert jobs.running == (job,)
    assert job.wait(PATIENCE) == "done"
    assert job.result == {"counted": 3, "niceness": here + NICENESS, "threads": "1"}
    assert shares == sorted(shares) and len(shares) >= 2 and shares[-1] == 1.0
    assert jobs.running == ()
    assert job.error == ""


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (refuse, "the table has no rows: choose another"),
        (fail, "KeyError: 'what'"),
        (unsendable, "cannot be sent"),
    ],
)
def test_a_failure_is_one_sentence(jobs, function, sentence):
    job = jobs.start("Trying", function)
    assert job.wait(PATIENCE) == "failed"
    assert sentence in job.error
    assert "\n" not in job.error
    assert job.result is None


def test_cancelling_kills_the_process(jobs):
    job = jobs.start("Sleeping", sleep)
    pid, was_gone = pid_of(job), []
    job.param.watch(lambda _: was_gone.append(not is_there(pid)), "state")
    job.cancel()
    assert job.state == "cancelled"
    assert was_gone == [True]
    assert jobs.running == ()
    job.cancel()
    assert job.state == "cancelled"


def test_a_killed_process_is_said(jobs):
    job = jobs.start("Sleeping", sleep)
    os.kill(pid_of(job), signal.SIGKILL)
    assert job.wait(PATIENCE) == "failed"
    assert job.error == "Sleeping stopped: its process was killed, start it again"


def test_closing_leaves_no_process_and_takes_no_more_jobs():
    jobs = Jobs()
    running = [jobs.start("Sleeping", sleep) for _ in range(2)]
    pids = [pid_of(job) for job in running]
    jobs.close()
    assert all(is_gone(pid) for pid in pids)
    assert [job.state for job in running] == ["cancelled", "cancelled"]
    assert jobs.start("Late", sleep).state == "failed"
