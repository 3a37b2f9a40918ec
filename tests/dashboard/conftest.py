"""What several tests of the dashboard start from."""

from __future__ import annotations

import pytest

from .test_session import opened, survey


@pytest.fixture
def session(tmp_path):
    """A session that labels a small survey, without questions of the audit."""
    workspace = survey(tmp_path)
    workspace.settings["round"] = {"audit_share": 0.0}
    workspace.save()
    one = opened(workspace)
    yield one
    one.close()
