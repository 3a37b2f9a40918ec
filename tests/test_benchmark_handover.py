"""The benchmark of handing over: that it runs, and what it says."""

from __future__ import annotations

import pytest
from rareloop.tests.benchmarks.handover import Measured, main, report

pytestmark = pytest.mark.slow


def test_a_small_sky_is_handed_over_and_measured(tmp_path, capsys):
    arguments = ["--rows", "3000", "--labels", "300", "--formats", "csv", "--folder", str(tmp_path / "kept")]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "300 labels of 3,000 rows" in said
    assert "the same bytes" in said
    assert all(f"| {name} |" in said for name in ("export package", "verify", "export again", "export csv"))
    assert (tmp_path / "kept" / "sky.rareloop" / "workspace.toml").exists()


def test_what_is_too_slow_or_fails_is_said():
    slow = Measured("verify", 0, 61.0, 40.0, 900.0, 1.0)
    failed = Measured("export package", 2, 1.0, 1.0, 90.0, 1.0)
    said = report([slow, failed], is_same=False, n_rows=10, n_labels=5)
    assert "over 60 s" in said and "failed (2)" in said and "OTHER BYTES" in said
