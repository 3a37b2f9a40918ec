"""Work that is asked for again and again: one at a time, and none that is needed is lost."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from rareloop.dashboard.latest import Latest

PATIENCE = 30


def test_askings_during_the_work_are_one_and_the_newest_is_seen():
    begun, go_on, seen, wanted = threading.Semaphore(0), threading.Semaphore(0), [], [0]

    def work():
        seen.append(wanted[0])
        begun.release()
        go_on.acquire(timeout=PATIENCE)

    with ThreadPoolExecutor(1) as threads:
        latest = Latest(work, threads, lambda error: None)
        latest.ask()
        assert begun.acquire(timeout=PATIENCE)
        for wanted[0] in (1, 2, 3):
            latest.ask()
        go_on.release(2)
    assert seen == [0, 3]


def test_what_goes_wrong_is_told_and_does_not_end_it():
    told, tries = [], []

    def work():
        tries.append(1)
        raise ValueError("no")

    with ThreadPoolExecutor(1) as threads:
        latest = Latest(work, threads, told.append)
        latest.ask()
    with ThreadPoolExecutor(1) as threads:
        latest._threads = threads
        latest.ask()
    assert [str(error) for error in told] == ["no", "no"]
    assert len(tries) == 2
