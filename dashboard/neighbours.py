"""The items nearest to the one on the card: those that have a label, and those that have none yet."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from ..strategies.retrieval import Metric
from .reasons import WITHOUT_HINT
from .session import LabellingSession
from .training import labels_of

N_OF_EACH = 5
FEW_LABELS = 5_000  # up to here the labelled rows are read anew after each answer,
OLD = 30.0  # beyond, after so many seconds
FIRST_LOOK = 64  # unlabelled candidates that are looked at first

_known: WeakKeyDictionary[LabellingSession, Neighbourhood] = WeakKeyDictionary()


def neighbourhood(session: LabellingSession) -> Neighbourhood:
    """What finds the neighbours in a session's pool; one for all pages."""
    return _known.setdefault(session, Neighbourhood(session))


def may_be_told(session: LabellingSession, row: int) -> bool:
    """Whether the neighbours of a row may be shown: never for the questions of an audit or a campaign."""
    if session.campaign:
        return False
    queued = next((q for q in session.queue if q.row == row), None) or session.asked(row)
    answered = session.state.items.get(session.workspace.ids.text(row))
    asked_by = {None if queued is None else queued.strategy, None if answered is None else answered.event.strategy}
    return not asked_by & WITHOUT_HINT


@dataclass(frozen=True)
class _Labelled:
    n_events: int
    read_at: float
    rows: NDArray[np.int64]


class Neighbourhood:
    """Finds the nearest items in the feature space, for use in threads."""

    def __init__(self, session: LabellingSession) -> None:
        self.session = session
        self._lock = threading.Lock()
        self._labelled: _Labelled | None = None

    def of(self, row: int) -> dict[str, Any]:
        """The nearest items of a row; touches the whole pool.

        Returns
        -------
        dict
            ``labelled`` (with ``class``) and ``unlabelled``: lists of ``row``, ``id`` and ``distance``,
            nearest first; what the audit has sealed is in neither.
        """
        metric: Metric = self.session.settings.metric  # type: ignore[assignment]
        with self._lock:  # one at a time: each has the memory of a column of the pool
            nearest = self.session.nearest
            centre = nearest.centre(np.array([row]), metric)
            far = nearest.rough(centre, metric)
            labelled = self._labelled_rows()
            near = labelled[labelled != row]
            near = near[np.argsort(far[near], kind="stable")[:N_OF_EACH]]
            far[row] = np.inf
            items = self.session.state.items
            known = [
                one | {"class": state.label}
                for one in self._described(near, centre, metric)
                if (state := items.get(one["id"])) is not None and state.label is not None
            ]
            return {"labelled": known, "unlabelled": self._described(self._unlabelled(far), centre, metric)}

    def _labelled_rows(self) -> NDArray[np.int64]:
        """Rows with a label that the audit has not sealed."""
        session, known = self.session, self._labelled
        n_events = session.state.n_events
        if known is not None and (
            known.n_events == n_events or (len(known.rows) > FEW_LABELS and time.monotonic() - known.read_at < OLD)
        ):
            return known.rows
        rows = labels_of(session.workspace.log.snapshot(), session.workspace, session.auditor.audit).rows
        self._labelled = _Labelled(n_events, time.monotonic(), rows)
        return rows

    def _unlabelled(self, far: NDArray[np.float32]) -> NDArray[np.int64]:
        """The nearest that nothing was said of; looks further where most of the nearest have an answer."""
        wanted, n = FIRST_LOOK, len(far)
        while True:
            wanted = min(wanted, n)
            found = np.argpartition(far, wanted - 1)[:wanted] if wanted < n else np.arange(n)
            found = found[np.isfinite(far[found])]
            found = found[np.argsort(far[found], kind="stable")]
            items = self.session.state.items
            is_open = np.array([text not in items for text in self.session.workspace.ids.texts(found)], bool)
            if is_open.sum() >= N_OF_EACH or wanted == n:
                return found[is_open][:N_OF_EACH]
            wanted *= 16

    def _described(
        self, rows: NDArray[np.int64], centre: NDArray[np.float64], metric: Metric
    ) -> list[dict[str, Any]]:
        """Rows with their identifiers and distances, in double precision: equal items are at none."""
        distances = self.session.nearest.exact(rows, centre, metric)
        texts = self.session.workspace.ids.texts(rows)
        return [
            {"row": int(rows[i]), "id": texts[i], "distance": max(float(f"{distances[i]:.4g}"), 0.0)}
            for i in np.argsort(distances, kind="stable")
        ]
