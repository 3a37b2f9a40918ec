"""A preparation that the user breaks off leads back to the set-up, and can be started again."""

from __future__ import annotations

import time

from rareloop.dashboard.preparation import CANCELLED
from rareloop.dashboard.session import LabellingSession
from rareloop.data.workspace import Workspace
from rareloop.tests.dashboard.test_session import survey


def wait(condition):
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_cancelled_preparation_asks_for_the_roles_again_and_can_be_started_again(tmp_path):
    folder = survey(tmp_path).folder
    for path in (folder / "cache").glob("features*"):
        path.unlink()
    session = LabellingSession(Workspace.open(folder), "tester")
    try:
        session.start()
        assert session.phase == "preparing"
        session.cancel_preparing()
        wait(lambda: session.phase == "setup")
        assert session.problem == CANCELLED
        assert not session.workspace.is_confirmed
        session.cancel_preparing()  # nothing is under way: nothing happens
        session.confirm(session.workspace.roles, ["quasar", "star"], wanted=["quasar"])
        wait(lambda: session.phase == "labelling")
        assert session.problem == ""
    finally:
        session.close()
