"""Other keys than the default ones: kept in the workspace, never given twice."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rareloop.dashboard.keys import COMMANDS, keys_of, reset_keys, set_class_key, set_command_key
from rareloop.data.errors import InputError
from rareloop.data.taxonomy import RESERVED_KEYS
from rareloop.data.workspace import Workspace


@pytest.fixture
def workspace(tmp_path):
    source = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": [0.0, 1.0, 2.0], "b": [2.0, 1.0, 0.0]}), source)
    one = Workspace.create(tmp_path / "w", source)
    one.confirm(one.roles, ["cat", "dog"])
    yield one
    one.close()


def test_no_class_is_given_the_key_of_a_command():
    assert {c.key for c in COMMANDS if len(c.key) == 1} <= RESERVED_KEYS


def test_a_changed_key_is_there_when_the_workspace_is_opened_again(workspace):
    set_command_key(workspace, "skip", "k")
    set_class_key(workspace, "dog", "ArrowUp")
    again = Workspace.open(workspace.folder)
    assert keys_of(again)["skip"] == "k"
    assert [c.key for c in again.taxonomy] == ["1", "ArrowUp"]
    again.close()


def test_two_commands_can_swap_their_keys(workspace):
    set_command_key(workspace, "unsure", "x")
    set_command_key(workspace, "flag", "u")
    set_command_key(workspace, "unsure", "f")
    keys = keys_of(workspace)
    assert (keys["unsure"], keys["flag"]) == ("f", "u")


@pytest.mark.parametrize(
    ("kind", "name", "key", "words"),
    [
        ("command", "flag", "u", "unsure"),
        ("command", "flag", "5", "classes"),
        ("command", "flag", "F1", "browser"),
        ("command", "flag", "Tab", "browser"),
        ("command", "flag", "", "browser"),
        ("command", "nothing", "x", "no command"),
        ("class", "dog", "1", "'cat'"),
        ("class", "dog", "Enter", "accept"),
        ("class", "cow", "x", "does not exist"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence_that_says_why(workspace, kind, name, key, words):
    change = set_class_key if kind == "class" else set_command_key
    with pytest.raises(InputError, match=words):
        change(workspace, name, key)
    assert "keys" not in workspace.settings


def test_a_class_keeps_the_key_that_a_newer_command_would_have(workspace):
    workspace.taxonomy[0].key = "d"
    assert keys_of(workspace)["defer"] == ""
    set_command_key(workspace, "defer", "x")
    assert keys_of(workspace)["defer"] == "x"


@pytest.mark.parametrize("stored", ["x", {"flag": 3}, {"flag": "F5"}, {"flag": ""}, {"other": "x"}, {"flag": "1"}])
def test_settings_that_make_no_sense_are_passed_over(workspace, stored):
    workspace.settings["keys"] = stored
    assert keys_of(workspace)["flag"] in ("f", "3")
    assert len(set(keys_of(workspace).values())) == len(COMMANDS)


def test_defaults_come_back(workspace):
    set_command_key(workspace, "flag", "x")
    set_class_key(workspace, "cat", "c")
    reset_keys(workspace)
    assert keys_of(workspace)["flag"] == "f"
    assert [c.key for c in workspace.taxonomy] == ["1", "2"]
