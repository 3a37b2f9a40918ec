"""Work that is asked for more often than it can be done: one at a time, and the newest asking counts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor


class Latest:
    """Runs work in a thread whenever it is asked for; askings while it runs are one, which it runs for again.

    Parameters
    ----------
    work
        What is done; it reads for itself what is wanted by then.
    threads
        Where.
    on_error
        Called, in that thread, with what went wrong.
    """

    def __init__(self, work: Callable[[], None], threads: Executor, on_error: Callable[[Exception], None]) -> None:
        self._do, self._threads, self._on_error = work, threads, on_error
        self._lock = threading.Lock()
        self._busy = self._again = False

    def ask(self) -> None:
        """Have the work done, once more if it is under way."""
        with self._lock:
            self._again = True
            if self._busy:
                return
            self._busy = True
        self._threads.submit(self._work)

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._again:
                    self._busy = False
                    return
                self._again = False
            try:
                self._do()
            except Exception as error:
                self._on_error(error)
