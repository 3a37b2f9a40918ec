"""Guidelines: numbered versions that never change."""

from __future__ import annotations

import pytest
from rareloop.data.errors import InputError
from rareloop.data.guidelines import LONGEST, Guidelines


def test_versions_are_numbered_and_stay(tmp_path):
    kept = Guidelines(tmp_path)
    assert kept.newest is None
    kept.add("# One\n", "ann")
    kept.add("---\nauthor: x\n---\n# Two 🦉\r\nline", 'bob "b"')
    assert kept.newest == 2
    again = Guidelines(tmp_path)
    assert again.newest == 2
    assert again.read(1).text == "# One\n"
    two = again.read(2)
    assert (two.text, two.author) == ("---\nauthor: x\n---\n# Two 🦉\nline\n", 'bob "b"')
    assert two.created_at.tzinfo is not None
    assert sorted(path.name for path in (tmp_path / "guidelines").iterdir()) == ["0001.md", "0002.md"]


def test_two_processes_never_write_the_same_version(tmp_path):
    one, other = Guidelines(tmp_path), Guidelines(tmp_path)
    one.add("a", "ann")
    other.add("b", "bob")
    assert one.numbers() == [1, 2]
    assert one.read(1).text == "a\n"


def test_what_has_not_changed_is_not_saved_again(tmp_path):
    kept = Guidelines(tmp_path)
    kept.add("same", "ann")
    with pytest.raises(InputError, match="nothing has changed since version 1"):
        kept.add("same \n", "ann")
    with pytest.raises(InputError, match="more than"):
        kept.add("x" * (LONGEST + 1), "ann")
    assert kept.numbers() == [1]


def test_a_version_that_is_missing_or_damaged_is_said(tmp_path):
    kept = Guidelines(tmp_path)
    with pytest.raises(InputError, match="no version 3"):
        kept.read(3)
    (tmp_path / "guidelines").mkdir()
    (tmp_path / "guidelines" / "0001.md").write_text("no head")
    with pytest.raises(InputError, match="cannot be read"):
        kept.read(1)
