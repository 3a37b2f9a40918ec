"""The keys of the page: which command has which, how they are changed, and what no key can be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..data.errors import InputError
from ..data.taxonomy import DIGIT_KEYS, Taxonomy
from ..data.workspace import Workspace


@dataclass(frozen=True)
class Command:
    """Something that a key does: its default key as the browser names it, and its words for the sheet."""

    name: str
    key: str
    words: str


COMMANDS = (
    Command("skip", " ", "skip: not now"),
    Command("defer", "d", "defer: put aside for a second look"),
    Command("unsure", "u", "unsure: looked, cannot say"),
    Command("flag", "f", "flag: bad data"),
    Command("accept", "Enter", "accept the suggestion"),
    Command("note", "n", "note"),
    Command("why", "w", "why this item: show more, or less"),
    Command("undo", "z", "undo"),
    Command("redo", "Z", "redo"),
    Command("back", "ArrowLeft", "back to what you have answered"),
    Command("forward", "ArrowRight", "forward again, up to the queue"),
    Command("similar", "s", "items like this one"),
    Command("search", "/", "search"),
    Command("guideline", "g", "guideline of the classes"),
    Command("grid", "r", "grid: many items at once"),
    Command("sheet", "?", "this sheet"),
)
NAMED_KEYS = frozenset(
    ("Enter", "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown", "Insert")
)  # fmt: skip
SETTING = "keys"


def keys_of(workspace: Workspace) -> dict[str, str]:
    """The key of each command by its name, in the order of the sheet; empty where it has none.

    Classes keep their keys: a command whose key a class has, in a workspace that is older than the command,
    or was edited by hand, has its default one, or none.
    """
    stored = workspace.settings.get(SETTING)
    own = {str(name): str(key) for name, key in stored.items()} if isinstance(stored, Mapping) else {}
    taken = {c.key for c in workspace.taxonomy if c.key}
    wished = {name: key for name, key in own.items() if not problem_of(key) and not _is_digit(key)}
    names, keys = {c.name for c in COMMANDS}, dict[str, str]()
    # What the user has chosen goes before defaults, wherever it stands in the list.
    for source in (wished, {c.name: c.key for c in COMMANDS}):
        for name, key in source.items():
            if name not in keys and key not in taken and name in names:
                keys[name] = key
                taken.add(key)
    return {c.name: keys.get(c.name, "") for c in COMMANDS}


def problem_of(key: str) -> str:
    """Why a key, as the browser names it, cannot be used for a command or class; empty when it can."""
    if key in NAMED_KEYS or (len(key) == 1 and (key.isprintable() or key == " ")):
        return ""
    return f"the key {key[:20]!r} belongs to the browser or changes other keys: press a letter, a sign or an arrow"


def set_command_key(workspace: Workspace, name: str, key: str) -> None:
    """Give a command another key, and keep it in the workspace.

    Raises
    ------
    InputError
        When there is no such command, or the key cannot be used, is a digit, or belongs to something else.
    """
    if all(c.name != name for c in COMMANDS):
        raise InputError(f"there is no command {name!r}: reload the page")
    if _is_digit(key):
        raise InputError(f"the digit {key} is kept for classes: press another key")
    keys = keys_of(workspace)
    _check(workspace, keys, key, lambda other: other == ("command", name))
    workspace.settings[SETTING] = _changed(keys | {name: key})
    workspace.save()


def set_class_key(workspace: Workspace, name: str, key: str) -> None:
    """Give a class another key, or none, and keep it in the workspace.

    Raises
    ------
    InputError
        When there is no such class, or the key cannot be used or belongs to something else.
    """
    if name not in workspace.taxonomy.names:
        raise InputError(f"the class {name!r} does not exist (any more): reload the page")
    if key:
        _check(workspace, keys_of(workspace), key, lambda other: other == ("class", name))
    workspace.taxonomy[workspace.taxonomy.index(name)].key = key
    workspace.save()


def reset_keys(workspace: Workspace) -> None:
    """Give all commands their default keys, and the classes theirs: their own letter, or digits in their order."""
    workspace.settings.pop(SETTING, None)
    fresh = Taxonomy(workspace.taxonomy.names)
    for label_class, default in zip(workspace.taxonomy, fresh, strict=True):
        label_class.key = default.key
    workspace.save()


def command_list(workspace: Workspace) -> list[dict[str, Any]]:
    """The commands as the browser needs them: name, key, default key and words of each."""
    keys = keys_of(workspace)
    return [{"name": c.name, "key": keys[c.name], "default": c.key, "what": c.words} for c in COMMANDS]


def _is_digit(key: str) -> bool:
    return len(key) == 1 and key in DIGIT_KEYS


def _changed(keys: Mapping[str, str]) -> dict[str, str]:
    """The keys that are not the default ones: these alone are kept."""
    return {c.name: keys[c.name] for c in COMMANDS if keys[c.name] and keys[c.name] != c.key}


def _check(workspace: Workspace, keys: Mapping[str, str], key: str, is_itself: Any) -> None:
    problem = problem_of(key)
    if problem:
        raise InputError(problem)
    shown = "space" if key == " " else key
    for c in COMMANDS:
        if keys[c.name] == key and not is_itself(("command", c.name)):
            raise InputError(f"the key {shown} is taken by the command '{c.words}': change that one first")
    for label_class in workspace.taxonomy:
        if label_class.key == key and not is_itself(("class", label_class.name)):
            raise InputError(f"the key {shown} is taken by the class '{label_class.name}': change that one first")
