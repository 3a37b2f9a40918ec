"""Many runs of a simulation at a time: processes, how far they are, and how they are stopped."""

from __future__ import annotations

import logging
import multiprocessing
import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from ..data.errors import InputError
from .simulation_store import Records, Run
from .worker import capped_threads

log = logging.getLogger(__name__)

POLL_SECONDS = 0.2

OnRound = Callable[[dict[str, Any]], None]
Work = Callable[[Run, OnRound], Records]
Progress = Callable[[int], object]
Finished = Generator[tuple[Run, Records], None, None]


class _StoppedError(Exception):
    """A run that was told to stop."""


def run_all(work: Work, runs: Sequence[Run], n_jobs: int, progress: Progress) -> Finished:
    """Give each run and its records as it ends; when the caller stops, so do the runs under way.

    Parameters
    ----------
    work
        Makes one run and calls back with each record. With several jobs it is pickled, and called in
        processes of one thread each, started afresh.
    n_jobs
        How many runs at a time.
    progress
        Told how many labels have been spent in all runs, as they are spent.

    Raises
    ------
    InputError
        When a run fails, naming it, or when a process ends in the middle of one.
    """
    n_jobs = min(n_jobs, len(runs))
    if n_jobs <= 1:
        yield from _one_by_one(work, runs, progress)
    else:
        yield from _in_processes(work, runs, n_jobs, progress)


def _one_by_one(work: Work, runs: Sequence[Run], progress: Progress) -> Finished:
    spent = [0] * len(runs)
    for number, run in enumerate(runs):

        def tell(record: dict[str, Any], number: int = number) -> None:
            spent[number] = record["n_labels"]
            progress(sum(spent))

        try:
            records = work(run, tell)
        except InputError:
            raise
        except Exception as error:
            raise _failed(run, error) from error
        yield run, records


def _in_processes(work: Work, runs: Sequence[Run], n_jobs: int, progress: Progress) -> Finished:
    context = multiprocessing.get_context("spawn")
    # Without locks: a process that is killed can then hold none that the others wait for. The last place
    # says that all are to stop.
    counters: Any = context.RawArray("q", len(runs) + 1)
    with capped_threads():
        pool = ProcessPoolExecutor(n_jobs, context, initializer=_begin, initargs=(work, counters))
        try:
            with _interrupts_put_off():
                futures = {pool.submit(_work, number, run): run for number, run in enumerate(runs)}
            pending: set[Future[Records]] = set(futures)
            while pending:
                done, pending = wait(pending, POLL_SECONDS, FIRST_COMPLETED)
                progress(sum(counters[:-1]))
                for future in done:
                    yield futures[future], _result(future, futures[future])
        finally:
            counters[len(runs)] = 1
            pool.shutdown(cancel_futures=True)


@contextmanager
def _interrupts_put_off() -> Iterator[None]:
    """Ctrl-C comes when the processes have been started, and not to them, who inherit that they hear none."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _result(future: Future[Records], run: Run) -> Records:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise InputError(
            "a process ended in the middle of a run (killed, or out of memory): try again with fewer --jobs"
        ) from error
    except InputError:
        raise
    except Exception as error:
        raise _failed(run, error) from error


def _failed(run: Run, error: Exception) -> InputError:
    log.debug("a run of a simulation failed", exc_info=error)
    strategy, classifier, seed = run
    return InputError(
        f"the run of {strategy} with {classifier} and seed {seed} failed ({type(error).__name__}: {error}): "
        "leave it out, or mend what it names"
    )


# ---- in the processes -------------------------------------------------------------------------------

_given: list[Any] = []


def _begin(work: Work, counters: Any) -> None:
    # Ctrl-C reaches every process of a terminal; the one that started these tells them to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _given[:] = [work, counters]


def _work(number: int, run: Run) -> Records:
    work, counters = _given

    def tell(record: dict[str, Any]) -> None:
        counters[number] = record["n_labels"]
        if counters[len(counters) - 1]:
            raise _StoppedError

    return work(run, tell)
