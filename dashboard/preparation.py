"""How a session prepares its pool: roles confirmed, features built in the worker, and broken off."""

from __future__ import annotations

import logging
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from ..data.errors import InputError

if TYPE_CHECKING:
    from .session import LabellingSession

log = logging.getLogger(__name__)

CANCELLED = "The preparation was cancelled; nothing is lost: start again when you like."


class Preparation:
    """The preparation of one session's pool; the phase says where it is."""

    def __init__(self, session: LabellingSession) -> None:
        self._session = session
        self._is_cancelled = False

    def start(self) -> None:
        """Build the features in the worker; the phase becomes ``labelling`` when they are there."""
        session = self._session
        session.problem = ""
        self._is_cancelled = False
        session.progress = (0.0, "reading the table")
        session.phase = "preparing"
        future = session.worker.submit("prepare", progress=self._show)
        future.add_done_callback(self._done)

    def cancel(self) -> None:
        """Break it off; what was chosen stays, and the page asks for it again."""
        if self._session.phase == "preparing":
            self._is_cancelled = True
            self._session.worker.stop()

    def _show(self, share: float, text: str) -> None:
        self._session.progress = (share, text)

    def _done(self, future: Future[Any]) -> None:
        session, error = self._session, future.exception()
        if session.is_closed:
            return
        if error is None:
            session.later(session.begin)
            return
        if not isinstance(error, InputError) and not self._is_cancelled:
            log.error("preparing %s failed: %s", session.workspace.folder, error)
        session.problem = CANCELLED if self._is_cancelled else str(error)
        session.workspace.unconfirm()
        session.phase = "setup"
