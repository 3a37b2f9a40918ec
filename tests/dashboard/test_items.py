"""What the item card says of a row: its values in their place in the pool, texts, links and curves."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rareloop.dashboard.card_editing import change_card
from rareloop.dashboard.curves import pairs, reduced
from rareloop.dashboard.distributions import Distributions, as_number
from rareloop.dashboard.items import ItemCards
from rareloop.dashboard.links import as_link, filled
from rareloop.data.errors import InputError
from rareloop.data.workspace import Workspace

N = 1000


def make(tmp_path, columns, **card):
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    workspace = Workspace.create(tmp_path / "t.rareloop", tmp_path / "t.parquet")
    if card:
        workspace.settings["card"] = card
    return workspace


def field(card, name):
    return next(one for one in card["fields"] if one["name"] == name)


def test_a_number_has_its_place_among_those_of_the_pool(tmp_path):
    cards = ItemCards(make(tmp_path, {"x": np.arange(N, dtype=float)}))
    found = field(cards.card(930), "x")
    assert found["place"] == pytest.approx(0.9305)
    assert found["at"] == pytest.approx(930 / 999, abs=1e-4)
    assert found["odd"] == pytest.approx(0.139)
    plot = cards.description()["plots"]["x"]
    assert len(plot["bins"]) == 24
    assert (plot["low"], plot["high"], plot["cut"]) == (0, 999, [False, False])


def test_a_long_tail_is_cut_and_what_is_in_it_is_marked(tmp_path):
    values = np.random.default_rng(0).normal(size=N)
    values[7] = 1e6
    cards = ItemCards(make(tmp_path, {"x": values}))
    plot = cards.description()["plots"]["x"]
    assert plot["high"] < 5
    assert plot["cut"] == [True, True]
    assert (field(cards.card(7), "x")["at"], field(cards.card(7), "x")["beyond"]) == (1.0, 1)


def test_a_category_has_its_share_of_the_pool(tmp_path):
    kinds = ["common"] * 970 + ["rare"] * 30
    cards = ItemCards(
        make(tmp_path, {"x": np.arange(N, dtype=float), "morph": kinds, "flag": [True] + [False] * 999})
    )
    change_card(cards, {"columns": ["morph", "flag"]}, 0)
    assert field(cards.card(990), "morph") == {"name": "morph", "value": "rare", "share": 0.03, "odd": 0.03}
    assert field(cards.card(0), "morph")["odd"] == 1
    assert field(cards.card(0), "flag")["share"] == 0.001


def test_identifiers_and_missing_values_have_no_place(tmp_path):
    x = np.arange(N, dtype=float)
    x[3] = np.nan
    names = [f"o{i}" for i in range(N)]
    cards = ItemCards(make(tmp_path, {"id": names, "x": x, "all_different": [f"t {i}" for i in range(N)]}))
    change_card(cards, {"columns": ["x", "all_different"]}, 0)
    assert field(cards.card(3), "x") == {"name": "x", "value": "–"}
    assert set(field(cards.card(1), "all_different")) == {"name", "value"}


@pytest.mark.parametrize(
    "values", [[5.0] * 4, [np.inf, -np.inf, 1.0, 2.0], [1e308, -1e308, 0.0, 1.0], [2**62, 1, 2, 3]]
)
def test_odd_columns_have_plots_that_can_be_drawn(tmp_path, values):
    spread = Distributions(make(tmp_path, {"x": np.array(values), "y": [1.0, 2.0, 3.0, 4.0]}).table).of("x")
    json.dumps(spread.facts(), allow_nan=False)
    for value in values:
        json.dumps(spread.place(value), allow_nan=False)


def test_dates_are_placed_as_numbers_are(tmp_path):
    days = [dt.datetime(2020, 1, 1) + dt.timedelta(days=i) for i in range(100)]
    spread = Distributions(make(tmp_path, {"t": days, "x": np.arange(100.0)}).table).of("t")
    assert spread.place(days[49])["place"] == pytest.approx(0.495)
    assert as_number(dt.datetime(1970, 1, 2, tzinfo=dt.UTC)) == as_number(dt.date(1970, 1, 2)) == 1.0


def test_the_choice_of_columns_holds_for_all_cards_and_is_kept(tmp_path):
    workspace = make(tmp_path, {"x": np.arange(9.0), "y": np.arange(9.0) ** 2, "z": np.sin(np.arange(9.0))})
    cards = ItemCards(workspace)
    before = [one["name"] for one in cards.card(0)["fields"]]
    change_card(cards, {"columns": ["z"], "order": "unusual"}, 0)
    assert before == ["x", "y", "z"]
    assert [one["name"] for one in cards.card(0)["fields"]] == ["z"]
    assert cards.revision == 1
    again = ItemCards(Workspace.open(workspace.folder))
    assert again.description()["columns"] == ["z"]
    assert again.description()["order"] == "unusual"
    with pytest.raises(InputError, match="reload"):
        change_card(cards, {"columns": ["not there"]}, 0)


def test_what_gives_the_label_away_is_not_offered(tmp_path):
    rng = np.random.default_rng(0)
    label = rng.choice(["a", "b"], N)
    code = (label == "a").astype(int)
    workspace = make(tmp_path, {"x": rng.normal(size=N), "code": code, "class": label})
    assert workspace.roles.label == "class"
    assert ItemCards(workspace).offered == ["x"]


def test_long_texts_are_cut_and_it_is_said(tmp_path):
    long = "word " * 200_000
    workspace = make(tmp_path, {"x": np.arange(3.0), "comment": [long, "", None]})
    workspace.roles.text, workspace.roles.shown = ["comment"], ["x", "comment"]
    cards = ItemCards(workspace)
    text = cards.card(0)["texts"][0]
    assert len(text["value"]) == 20_000
    assert text["cut"] == "The first 20,000 of 1,000,000 characters."
    assert cards.card(2)["texts"] == [{"name": "comment", "value": ""}]
    workspace.settings["card"] = {"columns": ["comment"]}
    assert len(field(ItemCards(workspace).card(0), "comment")["value"]) == 200


# ---- links ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        "javascript:alert(1)", "JAVASCRIPT:alert(1)", "data:text/html,<script>", "http://a b", "https://x.org/<script>",
        "https://", "http:///path", "https://a.org/\"onmouseover=1", "vbscript:x", " https://a.org", "https://[",
        None, 3, "https://a.org/" + "x" * 3000,
    ],
)  # fmt: skip
def test_only_whole_web_addresses_are_links(value):
    assert as_link(value) is None


def test_a_cell_with_an_address_is_a_link(tmp_path):
    cards = ItemCards(
        make(tmp_path, {"id": ["a", "b"], "x": [1.0, 2.0], "page": ["https://example.org/a?b=c", "no"]})
    )
    change_card(cards, {"columns": ["page"]}, 0)
    assert field(cards.card(0), "page")["link"] == "https://example.org/a?b=c"
    assert "link" not in field(cards.card(1), "page")


def test_templates_are_filled_with_encoded_values(tmp_path):
    links = {"SIMBAD": "https://simbad.example/q?ra={ra}&name={name}"}
    columns = {"ra": [10.5, np.nan, 1.0], "name": ["a&b=<c>/é", "x", None]}
    cards = ItemCards(make(tmp_path, columns, links=links))
    address = "https://simbad.example/q?ra=10.5&name=a%26b%3D%3Cc%3E%2F%C3%A9"
    assert cards.card(0)["links"] == [{"name": "SIMBAD", "link": address}]
    assert cards.card(1)["links"] == cards.card(2)["links"] == []  # a value is missing


@pytest.mark.parametrize(
    ("template", "what"),
    [
        ("javascript:{ra}", "must begin"),
        ("https://{ra}/x", "host"),
        ("https://a{ra}.org/", "host"),
        ("https://a.org/{nope}", "'nope'"),
        ("https://a.org/{ra", "cannot be read"),
    ],
)
def test_a_wrong_template_is_left_out_and_said(tmp_path, template, what):
    cards = ItemCards(make(tmp_path, {"ra": [1.0, 2.0]}, links={"L": template}))
    assert cards.card(0)["links"] == []
    assert any(what in problem for problem in cards.description()["problems"])


@given(st.text(max_size=60))
def test_no_value_leaves_its_place_in_a_link(value):
    link = filled("https://a.org/q?name={name}&end=1", {"name": value})
    assert link.startswith("https://a.org/q?name=")
    assert link.endswith("&end=1")
    assert link.count("&") == 1
    assert not set(link) & set(" <>\"'#")


# ---- curves -----------------------------------------------------------------------------------------


def test_spectra_are_drawn_against_their_wavelength(tmp_path):
    flux = pa.array([[1.0, None, 3.0], [1.0, 2.0, float("inf")], None], pa.list_(pa.float32()))
    wave = pa.array([[10.0, 20.0, 30.0]] * 3, pa.list_(pa.float64()))
    workspace = make(tmp_path, {"x": np.arange(3.0), "flux": flux, "wavelength": wave})
    assert workspace.roles.series == ["flux"]
    cards = ItemCards(workspace)
    assert cards.card(0)["curves"] == [
        {"x": [10, 20, 30], "y": [1, None, 3], "n": 3, "against": "wavelength", "name": "flux"}
    ]
    assert cards.card(1)["curves"][0]["y"] == [1, 2, None]
    assert cards.card(2)["curves"] == []


def test_lists_that_make_no_curve_are_said(tmp_path):
    lists = pa.array([[1.0, 2.0], [3.0]], pa.list_(pa.float64()))
    others = pa.array([[1.0, 2.0], [3.0, 4.0]], pa.list_(pa.float64()))
    workspace = make(tmp_path, {"x": [1.0, 2.0], "a": lists, "b": others}, series={"a": "b"})
    cards = ItemCards(workspace)
    assert cards.card(0)["problems"] == []
    assert cards.card(1)["problems"] == ["'a' has 1 values and 'b' 2: they make no curve"]


def test_which_columns_are_drawn_can_be_set(tmp_path):
    lists = pa.array([[1.0, 2.0]], pa.list_(pa.float64()))
    table = make(tmp_path, {"x": [1.0], "time": lists, "flux": lists, "other": lists}).table
    assert pairs(table, ["flux"], {}) == [("flux", "time")]
    assert pairs(table, ["flux"], {"other": "", "flux": "other"}) == [("other", None), ("flux", "other")]


def test_a_long_curve_keeps_its_extremes_and_gaps():
    y = np.sin(np.linspace(0, 50, 100_000))
    y[31_234], y[77_777] = 9.0, -9.0
    y[50_000:60_000] = np.nan
    short = reduced(None, y)
    known = [value for value in short["y"] if value is not None]
    assert short["n"] == 100_000
    assert len(short["y"]) <= 600
    assert (max(known), min(known)) == (9.0, -9.0)
    assert short["y"].count(None) >= 29
    assert short["x"] == sorted(short["x"])
    json.dumps(short, allow_nan=False)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), max_size=2000))
def test_any_numbers_make_a_curve_that_can_be_sent(values):
    json.dumps(reduced(None, values), allow_nan=False)
    short = reduced(values, np.arange(len(values)))
    assert short["x"] == sorted(short["x"])


# ---- settings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "card",
    [
        "nonsense",
        {"columns": "x", "order": "sideways", "suggestions": "no", "links": [], "series": 3, "pixels": "big"},
        {"columns": ["gone", "x"], "links": {"a": 3}, "series": {"x": 1}, "pixels": {"shape": [0, "2"]}},
    ],
)
def test_settings_that_make_no_sense_are_left_out(tmp_path, card):
    workspace = make(tmp_path, {"x": np.arange(3.0)})
    workspace.settings["card"] = card
    described = ItemCards(workspace).description()
    assert described["columns"] == ["x"]
    assert described["order"] == "table"
    assert described["suggestions"] is True
    assert ItemCards(workspace).card(0)["fields"][0]["value"] == "0"


def test_a_series_of_no_column_is_said(tmp_path):
    workspace = make(tmp_path, {"x": np.arange(3.0)}, series={"flux": "x"})
    assert ItemCards(workspace).description()["problems"] == [
        "the series setting names the column 'flux', which the table has not"
    ]


def test_cards_are_built_as_many_as_time_allows(tmp_path, monkeypatch):
    cards = ItemCards(make(tmp_path, {"x": np.arange(50.0)}))
    monkeypatch.setattr("rareloop.dashboard.items.AT_A_TIME", -1.0)
    cards.build(range(50))
    assert [row for row in range(50) if cards.has(row)] == [0]
    monkeypatch.setattr("rareloop.dashboard.items.AT_A_TIME", 60.0)
    cards.build(range(50))
    assert all(cards.has(row) for row in range(50))
    assert json.loads(cards.text(7)) == cards.card(7)
