"""Changing the card in the page: what is taken is on all cards and kept, what is not is one sentence."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rareloop.dashboard.card_editing import CardEditor, change_card, parse_shape
from rareloop.dashboard.images import image_bytes
from rareloop.dashboard.items import ItemCards
from rareloop.data.errors import InputError
from rareloop.data.workspace import Workspace

N = 40


@pytest.fixture
def cards(tmp_path):
    rng = np.random.default_rng(0)
    table = {
        "object": [f"o {i}" for i in range(N)],
        "x": np.arange(N, dtype=float),
        "y": rng.normal(size=N),
        "comment": [f"some words on number {i}" for i in range(N)],
        "kind": ["star", "quasar"] * (N // 2),
        "code": [0, 1] * (N // 2),
        "stamp": pa.array(rng.integers(0, 255, (N, 12)).tolist(), pa.list_(pa.uint8())),
        "flux": pa.array(rng.random((N, 5)).tolist(), pa.list_(pa.float64())),
        "wavelength": pa.array([[1.0, 2.0, 3.0, 4.0, 5.0]] * N, pa.list_(pa.float64())),
        "short": pa.array([[1.0, 2.0]] * N, pa.list_(pa.float64())),
    }
    pq.write_table(pa.table(table), tmp_path / "t.parquet")
    workspace = Workspace.create(tmp_path / "t.rareloop", tmp_path / "t.parquet")
    workspace.roles.label, workspace.roles.label_use = "kind", "truth"
    workspace.roles.id, workspace.roles.image, workspace.roles.image_kind = "object", None, None
    workspace.roles.text, workspace.roles.series = [], []
    workspace.save()
    return ItemCards(workspace)


def again(cards):
    return ItemCards(Workspace.open(cards.workspace.folder))


def test_texts_links_and_curves_are_on_all_cards_and_kept(cards):
    before = cards.card(1)
    assert not before["texts"] and not before["links"] and not before["curves"]
    changes = {
        "texts": ["comment"],
        "links": [["in <b>the</b> archive", "https://archive.org/o?id={object}&x={x}"]],
        "curves": [["flux", "wavelength"], ["short", ""]],
    }
    change_card(cards, changes, 1)
    for one in (cards, again(cards)):
        card = one.card(1)
        assert card["texts"] == [{"name": "comment", "value": "some words on number 1"}]
        assert card["links"] == [{"name": "in <b>the</b> archive", "link": "https://archive.org/o?id=o%201&x=1.0"}]
        assert [(c["name"], c["against"], c["n"]) for c in card["curves"]] == [
            ("flux", "wavelength", 5), ("short", None, 2),
        ]  # fmt: skip
        state = CardEditor(one.workspace).state()
        assert (state["texts"], state["curves"]) == (changes["texts"], changes["curves"])
        assert state["links"] == changes["links"]
    change_card(cards, {"texts": [], "links": [], "curves": []}, 1)
    card = again(cards).card(1)
    assert not card["texts"] and not card["links"] and not card["curves"]
    assert cards.revision == 2


def test_a_picture_of_numbers_has_the_shape_that_was_given_and_is_asked_for_anew(cards):
    picture = {"column": "stamp", "kind": "array", "shape": "3 x 4", "palette": "viridis"}
    change_card(cards, {"picture": picture}, 0)
    first = cards.card(0)["image"]
    assert image_bytes(cards.workspace, 0)[1] == "image/png"
    assert again(cards).workspace.roles.image_kind == "array"
    assert CardEditor(cards.workspace).state()["picture"] == picture | {"shape": "3 × 4"}
    change_card(cards, {"picture": picture | {"shape": "2 × 6"}}, 0)
    assert cards.card(0)["image"] != first  # the browser keeps pictures by their address
    change_card(cards, {"picture": {"column": ""}}, 0)
    assert cards.card(0)["image"] is None


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"texts": ["x"]}, "'x' is no column of texts"),
        ({"texts": ["kind"]}, "'kind' is no column of texts"),
        ({"picture": {"column": "x", "kind": "array"}}, "'x' holds no pictures"),
        ({"picture": {"column": "comment", "kind": "array"}}, "choose path or url"),
        ({"picture": {"column": "stamp", "kind": "array", "shape": "wide"}}, "height × width"),
        ({"picture": {"column": "stamp", "kind": "array", "shape": "5 × 5"}}, "12 numbers do not fill"),
        ({"picture": {"column": "flux", "kind": "array"}}, "no square picture"),
        ({"links": [["a", "ftp://archive.org/{x}"]]}, r"must begin with http\(s\)://"),
        ({"links": [["a", "javascript:alert({x})"]]}, r"must begin with http\(s\)://"),
        ({"links": [["a", "https://{object}/"]]}, "a host of its own"),
        ({"links": [["a", "https://archive.org/{gone}"]]}, "'gone', which the table has not"),
        ({"links": [["a", "https://archive.org/{kind}"]]}, "gives the label away"),
        ({"links": [["a", "https://archive.org/{code}"]]}, "gives the label away"),
        ({"links": [["a", "https://archive.org/{x"]]}, "cannot be read"),
        ({"links": [["", "https://archive.org/{x}"]]}, "has no name"),
        ({"links": [["a", "https://archive.org/{x}"]] * 2}, "two links named 'a'"),
        ({"links": [[str(i), "https://archive.org/{x}"] for i in range(13)]}, "12 is the most"),
        ({"links": [3]}, "has no name"),
        ({"curves": [["x", ""]]}, "'x' holds no lists"),
        ({"curves": [["flux", "y"]]}, "'y' holds no lists"),
        ({"curves": [["flux", "flux"]]}, "against itself"),
        ({"curves": [["flux", ""], ["flux", ""]]}, "a curve twice"),
        ({"curves": [["flux", "short"]]}, "make no curve"),
        ({"columns": ["kind"]}, "reload the page"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence_and_nothing_changes(cards, changes, sentence):
    before = (cards.workspace.roles, cards.workspace.settings.get("card"), cards.card(0))
    with pytest.raises(InputError, match=sentence):
        change_card(cards, {"suggestions": False} | changes, 0)
    assert (cards.workspace.roles, cards.workspace.settings.get("card"), cards.card(0)) == before
    assert cards.settings.suggestions


def test_links_are_tried_on_an_item_before_they_are_kept(cards):
    links = [["a", "https://archive.org/{object}"], ["b", "https://archive.org/{gone}"], ["c", ""], "nonsense"]
    first, second, third, fourth = CardEditor(cards.workspace).previews(links, 2)
    assert first == {"link": "https://archive.org/o%202"}
    assert "'gone', which the table has not" in second["text"]
    assert third == fourth == {"text": ""}


@pytest.mark.parametrize(
    ("text", "shape"), [("", None), (" 28 × 28 ", (28, 28)), ("16x8x3", (16, 8, 3)), ("4, 5", (4, 5))]
)
def test_shapes_are_read_as_people_write_them(text, shape):
    assert parse_shape(text) == shape


def test_what_is_of_no_use_is_left_out(cards):
    change_card(cards, {"columns": 3, "order": "up", "suggestions": "no", "other": 1}, 0)
    assert cards.settings.order == "table"
    assert cards.settings.suggestions
