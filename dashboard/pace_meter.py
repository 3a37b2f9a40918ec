"""The pace of a session, counted in a thread of its own whenever something new is in the log."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import param
from numpy.typing import NDArray

from ..data.workspace import Workspace
from .latest import Latest
from .log_columns import LogColumns
from .pace import IDLE_SECONDS, Pace, finds_curve, pace, session_began, since_break

log = logging.getLogger(__name__)

THREAD = ThreadPoolExecutor(1, thread_name_prefix="pace")
IDLE, BREAK = "idle_seconds", "break_minutes"  # settings of a workspace
NOTHING = Pace(0, 0, 0.0, None, None)


@dataclass(frozen=True)
class Known:
    """What is known of the pace: of this session, of all time, and by annotator where there are several.

    `curve` has the finds per 100 labels, `since_break` the active seconds since the annotator's last break.
    """

    session: Pace = NOTHING
    overall: Pace = NOTHING
    by_annotator: dict[str, Pace] = field(default_factory=dict)
    curve: tuple[NDArray[np.int64], NDArray[np.float64]] = (np.empty(0, np.int64), np.empty(0))
    since_break: float = 0.0


class PaceMeter(param.Parameterized):
    """Counts the pace of one annotator anew when asked; more askings while it counts are one.

    Parameters
    ----------
    began
        When the server began, in seconds since 1970.
    """

    known = param.Parameter(default=Known(), doc="The newest Known; it changes in a thread.")

    def __init__(self, workspace: Workspace, columns: LogColumns, annotator: str, began: float) -> None:
        super().__init__()
        self.workspace = workspace
        self.columns = columns
        self.annotator = annotator
        self._began = began
        self._counting = Latest(
            self._count, THREAD, lambda error: log.error("the pace could not be counted", exc_info=error)
        )

    @property
    def idle(self) -> float:
        """Seconds that a gap between two answers counts at most."""
        return float(self.workspace.settings.get(IDLE, IDLE_SECONDS))

    @property
    def break_minutes(self) -> int:
        """Active minutes after which a break is suggested; 0 for never."""
        return int(self.workspace.settings.get(BREAK, 0))

    def ask(self) -> None:
        """Have the pace counted anew."""
        self._counting.ask()

    def _count(self) -> None:
        self.known = self.measure()

    def measure(self) -> Known:
        """Count now."""
        columns, idle = self.columns.now(), self.idle
        wanted = [c.name for c in self.workspace.taxonomy if c.wanted]
        workers = [
            name for i, name in enumerate(columns.annotators) if (columns.annotator[columns.by_hand] == i).any()
        ]
        return Known(
            session=pace(
                columns,
                wanted,
                idle,
                since=session_began(columns, self._began, self.annotator),
                annotator=self.annotator,
            ),
            overall=pace(columns, wanted, idle),
            by_annotator={name: pace(columns, wanted, idle, annotator=name) for name in workers}
            if len(workers) > 1
            else {},
            curve=finds_curve(columns, wanted),
            since_break=since_break(columns, self.annotator, time.time(), idle),
        )
