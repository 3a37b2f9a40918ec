"""A card of the user's own: what it shows is data, and what goes wrong in it stops nothing."""

from __future__ import annotations

import io
import json
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rareloop
from PIL import Image
from rareloop.card import Link, Number, Picture, Series, Text
from rareloop.dashboard.cards import CardRunner, load_card
from rareloop.dashboard.cli import main
from rareloop.dashboard.items import ItemCards
from rareloop.data.errors import InputError
from rareloop.data.workspace import Workspace


class Colours(rareloop.Card):
    """The example: a colour, the spectrum, a picture made of it, and a link."""

    columns = ("g", "r", "spectrum")

    def render(self, values):
        pixels = np.outer(values["spectrum"], values["spectrum"])
        return [
            Number(values["g"] - values["r"], "g - r", "mag"),
            Series(values["spectrum"], name="spectrum"),
            Picture(pixels, "spectrum squared"),
            Link("https://example.org/?g=1", "archive"),
            Text("first line\n<b>second</b>", "comment"),
        ]


class Everything(rareloop.Card):
    def render(self, values):
        return [", ".join(sorted(values))]


class Plain:
    """Any object with `render` will do."""

    def render(self, values):
        return "one text"


class Fails(rareloop.Card):
    columns = ("g",)

    def render(self, values):
        if values["g"] > 0:
            raise KeyError("<script>alert(1)</script>")
        return []


class CannotBeMade(rareloop.Card):
    def __init__(self):
        raise RuntimeError("no licence")

    def render(self, values):
        return []


class WantsTheAnswer(rareloop.Card):
    columns = ("class",)

    def render(self, values):
        return [values["class"]]


class WantsWhatIsNotThere(WantsTheAnswer):
    columns = ("nope",)


class NoCard:
    pass


@pytest.fixture
def workspace(tmp_path):
    rng = np.random.default_rng(0)
    table = pa.table(
        {
            "g": [1.5, -2.0, 3.0, -4.0],
            "r": [1.0, 1.0, 1.0, 1.0],
            "spectrum": pa.array(rng.random((4, 5)).tolist(), pa.list_(pa.float64())),
            "class": ["a", "b", "a", "b"],
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    return Workspace.create(tmp_path / "t.rareloop", tmp_path / "t.parquet")


def load(name, workspace):
    return load_card(f"{__name__}:{name}", workspace)


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or _this_module())


def _this_module():
    import types

    module = types.ModuleType(__name__)
    module.__dict__.update(globals())
    return module


def test_parts_of_all_kinds_come_as_data(workspace):
    runner = load("Colours", workspace)
    parts, problem = runner.parts(0)
    assert problem is None
    assert [part["kind"] for part in parts] == ["number", "series", "picture", "link", "text"]
    assert parts[0] == {"kind": "number", "name": "g - r", "value": "0.5 mag"}
    assert parts[2]["image"] == "card-picture/0/0"
    assert parts[4]["value"] == "first line\n<b>second</b>"  # a text, not HTML
    json.dumps(parts, allow_nan=False)
    content, kind = runner.picture(0, 0)
    assert kind == "image/png"
    assert Image.open(io.BytesIO(content)).size == (5, 5)
    with pytest.raises(InputError, match="no picture 1"):
        runner.picture(0, 1)
    assert ItemCards(workspace, runner).card(0)["parts"] == parts


def test_a_card_that_names_no_columns_gets_all_but_the_label(workspace):
    assert workspace.roles.label == "class"
    assert load("Everything", workspace).parts(0)[0][0]["value"] == "g, r, spectrum"
    assert load("Plain", workspace).parts(0)[0] == [{"kind": "text", "name": "", "value": "one text"}]


def test_an_error_is_one_sentence_on_the_card_and_in_the_log(workspace, caplog):
    cards = ItemCards(workspace, load("Fails", workspace))
    broken, whole, again = cards.card(0), cards.card(1), cards.card(2)
    assert broken["parts"] == []
    assert len(broken["problems"]) == 1
    assert "failed: KeyError" in broken["problems"][0]
    assert broken["fields"]  # all else is there
    assert whole["problems"] == []
    assert again["problems"] == broken["problems"]
    assert len(caplog.records) == 1  # said once


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ([object()], "which is no part of a card"),
        ([{"html": "<b>"}], "which is no part of a card"),
        ([Link("javascript:alert(1)")], "no http"),
        ([Number("x", "y")], "ValueError"),  # type: ignore[arg-type]
        ([Picture(b"<svg onload='alert(1)'/>")], "no format that can be shown"),
        ([Picture(np.zeros((2, 2, 7)))], "no shape of a picture"),
        ([Picture(np.zeros((0, 2)))], "no picture"),
        ([Series(["a"], name="x")], "ValueError"),
        ([Series([1.0, 2.0], x=[1.0])], "failed"),
        (["x"] * 25, "25 parts"),
        (5, "TypeError"),
    ],
)
def test_what_is_no_part_is_refused(workspace, given, what):
    class One(rareloop.Card):
        def render(self, values):
            return given

    parts, problem = CardRunner(workspace, One(), "one").parts(0)
    assert parts == []
    assert what in problem
    assert "\n" not in problem


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("no_such_module:Card", "cannot be imported"),
        ("NoCard", "no method 'render'"),
        ("Missing", "does not exist"),
        ("CannotBeMade", "no licence"),
        ("WantsTheAnswer", "gives the answer away"),
        ("WantsWhatIsNotThere", "'nope'"),
    ],
)
def test_a_card_that_cannot_be_used_is_one_sentence(workspace, name, what):
    with pytest.raises(InputError, match=what):
        load_card(name if ":" in name else f"{__name__}:{name}", workspace)
    with pytest.raises(InputError, match="module:Class"):
        load_card("nothing", workspace)


def test_on_the_command_line_it_is_exit_code_two(workspace, capsys):
    arguments = ["serve", str(workspace.source), "--no-show", "--card", "no_such_module:Card"]
    assert main(arguments) == 2
    assert "the card no_such_module:Card cannot be imported" in capsys.readouterr().err
