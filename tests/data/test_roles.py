"""Roles: what is guessed, and the sentence for every role that does not fit."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rareloop.data.errors import InputError
from rareloop.data.roles import Roles, check_roles, guess_roles, item_ids, label_counts
from rareloop.data.samples import digits, sky
from rareloop.data.tables import import_table

N = 120


def make(tmp_path, **columns):
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    return import_table(tmp_path / "t.parquet", tmp_path / "c.arrow")


def basic(**more):
    rng = np.random.default_rng(0)
    return {"id": [f"i{i}" for i in range(N)], "x": rng.normal(size=N), "y2": rng.normal(size=N)} | more


def test_a_catalogue_is_understood(tmp_path):
    pq.write_table(sky(5_000), tmp_path / "t.parquet")
    roles = guess_roles(import_table(tmp_path / "t.parquet", tmp_path / "c.arrow"))
    assert (roles.id, roles.label, roles.label_use) == ("id", "kind", "truth")
    assert {"g_r", "parallax", "ra"} <= set(roles.features)
    assert "kind" not in roles.features + roles.shown


def test_pixels_are_features_and_picture(tmp_path):
    pq.write_table(digits(), tmp_path / "t.parquet")
    roles = guess_roles(import_table(tmp_path / "t.parquet", tmp_path / "c.arrow"))
    assert (roles.image, roles.image_kind, roles.label) == ("pixels", "array", "digit")
    assert "pixels" in roles.features


def test_texts_pictures_and_partial_labels_are_understood(tmp_path):
    table = make(
        tmp_path,
        **basic(
            review=[f"this is a long sentence about a thing that somebody bought, number {i}" for i in range(N)],
            picture=[f"img/{i}.jpg" for i in range(N)],
            label=["spam" if i == 3 else "ham" if i == 5 else None for i in range(N)],
        ),
    )
    roles = guess_roles(table)
    assert roles.text == ["review"]
    assert (roles.image, roles.image_kind) == ("picture", "path")
    assert (roles.label, roles.label_use) == ("label", "start")


def test_addresses_of_pictures_are_not_paths(tmp_path):
    table = make(tmp_path, **basic(cutout=[f"https://example.org/{i}.png?size=3" for i in range(N)]))
    assert guess_roles(table).image_kind == "url"


def test_what_follows_from_the_label_is_neither_learnt_from_nor_shown(tmp_path):
    kinds = ["star", "galaxy", "quasar"] * (N // 3)
    table = make(
        tmp_path, **basic(kind=kinds, code=[kinds.index(k) for k in kinds], is_star=[k == "star" for k in kinds])
    )
    roles = guess_roles(table)
    assert not {"code", "is_star"} & set(roles.features + roles.shown)
    assert any("code" in note for note in roles.notes)


def test_constants_and_empty_columns_are_left_out_and_said(tmp_path):
    table = make(tmp_path, **basic(c=[1.0] * N, e=pa.array([None] * N, pa.float64())))
    roles = guess_roles(table)
    assert roles.features == ["x", "y2"]
    assert len([note for note in roles.notes if "'c'" in note or "'e'" in note]) == 2


@pytest.mark.parametrize(
    ("change", "column", "part"),
    [
        ({"id": "nme"}, None, "no column 'nme'.*'name'"),
        ({"id": "name"}, ["a"] * N, "'name'.*more than once.*'a' in the rows 0 and 1"),
        ({"id": "name"}, ["a", None] + [f"n{i}" for i in range(N - 2)], "'name' has no value in 1 rows.*row 1"),
        ({"features": ["name"]}, [f"n{i}" for i in range(N)], "'name' is text.*120"),
        ({"features": ["name"]}, [4.0] * N, "'name' is constant"),
        ({"features": ["name"]}, pa.array([None] * N, pa.float32()), "'name' has no values"),
        ({"features": ["name"]}, [[1.0] * (1 + i % 2) for i in range(N)], "'name' holds lists"),
        ({"features": []}, None, "no feature"),
        ({"label": "name", "label_use": "truth"}, ["only"] * N, "'name' has one class only"),
        ({"label": "name", "label_use": "start"}, pa.array([None] * N, pa.string()), "'name' is empty"),
    ],
)
def test_a_role_that_does_not_fit_is_refused_with_one_sentence(tmp_path, change, column, part):
    table = make(tmp_path, **basic(name=column if column is not None else ["x"] * N))
    roles = Roles(**{"id": "id", "features": ["x"]} | change)
    with pytest.raises(InputError, match=part) as caught:
        check_roles(table, roles)
    assert "\n" not in str(caught.value)


def test_roles_that_fit_are_accepted(tmp_path):
    table = make(tmp_path, **basic(group=["a", "b", "c", None] * (N // 4)))
    check_roles(table, Roles(id=None, features=["x", "group"], shown=["id"]))


@pytest.mark.parametrize("kind", ["text", "integer", "row"])
def test_identifiers_lead_to_rows_and_back(tmp_path, kind):
    column = {"text": [f"i{i}" for i in range(N)], "integer": list(range(1000, 1000 + N)), "row": list(range(N))}[
        kind
    ]
    table = make(tmp_path, key=column, x=np.arange(N, dtype=float))
    roles = Roles(id=None if kind == "row" else "key")
    ids = item_ids(table, roles)
    rows = np.array([5, 0, N - 1])
    assert ids.rows(item_ids(table, roles).texts(rows)).tolist() == rows.tolist()
    assert ids.text(7) == str(column[7])
    assert ids.row(ids.text(7)) == 7
    for wrong in ("nowhere", "-1", "999999"):
        with pytest.raises(KeyError):
            ids.row(wrong)


def test_an_answer_to_an_item_on_the_screen_waits_for_no_look_up(tmp_path, monkeypatch):
    ids = item_ids(make(tmp_path, key=[f"i{i}" for i in range(N)]), Roles(id="key"))
    texts = ids.texts([5, 0, 5])
    monkeypatch.setattr(ids, "_blocks", lambda: pytest.fail("the whole column was read"))
    monkeypatch.setattr(ids, "_read", lambda rows: pytest.fail("the table was read"))
    assert ids.rows(texts).tolist() == [5, 0, 5]
    assert ids.texts([0, 5]) == ["i0", "i5"]


def test_what_is_remembered_of_identifiers_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("rareloop.data.identifiers.MOST_KEPT", 3)
    ids = item_ids(make(tmp_path, key=[f"i{i}" for i in range(N)]), Roles(id="key"))
    for row in range(N):
        assert ids.row(ids.text(row)) == row
    assert len(ids._kept[0]) == len(ids._kept[1]) < 6


def test_labels_are_text_without_decimals(tmp_path):
    table = make(tmp_path, y=pa.array([3.0, 3.0, None, 1.0]), b=[True, False, True, True], s=["", "a", None, "a"])
    assert label_counts(table, "y") == {"3": 2, "1": 1}
    assert label_counts(table, "b") == {"true": 3, "false": 1}
    assert label_counts(table, "s") == {"a": 2}


def test_roles_survive_plain_values():
    roles = Roles(id="a", features=["x"], image="p", image_kind="path", notes=["n"])
    assert Roles.from_dict(roles.to_dict()) == roles


@pytest.mark.parametrize("n_scans", [0, 10], ids=["by an index", "without one"])
@pytest.mark.parametrize(
    "values",
    [[1237648704586514654, 5, -3], ["007", "7", "07"], ["NA", "", " "], [2**63 + 5, 1, 2]],
)
def test_identifiers_are_never_taken_for_one_another(tmp_path, values, n_scans, monkeypatch):
    monkeypatch.setattr("rareloop.data.identifiers.MOST_SCANS", n_scans)
    monkeypatch.setattr("rareloop.data.identifiers.BLOCK", 2)
    kind = pa.uint64() if values[0] == 2**63 + 5 else None
    ids = item_ids(make(tmp_path, key=pa.array(values, kind)), Roles(id="key"))
    assert ids.rows([str(v) for v in values]).tolist() == [0, 1, 2]
    last = str(values[-1])
    assert ids.find(["0007", last, "00", "9" * 40, str(values[1]), last]).tolist() == [-1, 2, -1, -1, 1, 2]


def test_row_numbers_are_written_in_one_way_only(tmp_path):
    ids = item_ids(make(tmp_path, x=[1.0, 2.0]), Roles())
    assert ids.find(["1", "01", "2", "-1", "9" * 40, "", "x", "\u0661"]).tolist() == [1] + [-1] * 7


def test_identifiers_whose_hashes_are_the_same_are_told_apart(tmp_path, monkeypatch):
    import rareloop.data.identifiers as identifiers

    monkeypatch.setattr(identifiers, "MOST_SCANS", 0)
    monkeypatch.setattr(identifiers, "_hashed", lambda texts: np.zeros(len(texts), np.uint64))
    ids = item_ids(make(tmp_path, key=["a", "b", "c"]), Roles(id="key"))
    assert ids.find(["c", "nowhere", "a"]).tolist() == [2, -1, 0]


def test_whole_numbers_that_another_tool_made_floats_are_still_labels(tmp_path):
    table = make(tmp_path, id=range(N), x=np.arange(N) / 3, label=[0.0, 1.0, float("nan"), None] * (N // 4))
    roles = guess_roles(table)
    assert (roles.label, roles.label_use, roles.features) == ("label", "start", ["x"])
    assert label_counts(table, "label") == {"0": N // 4, "1": N // 4}


def test_an_identifier_that_lost_its_precision_is_no_feature(tmp_path):
    table = make(tmp_path, specobjid=np.repeat([3.7e18, 4.1e18], N // 2), x=np.arange(N) / 3)
    assert guess_roles(table).features == ["x"]


def test_lists_that_are_pictures_are_seen_in_both_kinds_of_list(tmp_path):
    pixels = [[i % 200] * 64 for i in range(N)]
    for kind in (pa.list_(pa.uint8()), pa.list_(pa.uint8(), 64)):
        roles = guess_roles(make(tmp_path, p=pa.array(pixels, kind)))
        assert (roles.image, roles.image_kind, roles.features) == ("p", "array", ["p"])


@pytest.mark.parametrize(
    "kind", [pa.time64("us"), pa.duration("us"), pa.binary(16), pa.struct([("a", pa.int64())])]
)
def test_types_without_numbers_are_refused_as_features_and_guessed_around(tmp_path, kind):
    cells = {"time64[us]": list(range(N)), "duration[us]": list(range(N))}.get(str(kind))
    if cells is None:
        cells = [b"0123456789abcdef"] * N if pa.types.is_fixed_size_binary(kind) else [{"a": i} for i in range(N)]
    table = make(tmp_path, z=pa.array(cells, kind), x=np.arange(N) / 3)
    assert guess_roles(table).features == ["x"]
    with pytest.raises(InputError, match=r"'z' is .* holds no numbers"):
        check_roles(table, Roles(features=["z"]))


def test_a_feature_named_twice_is_refused(tmp_path):
    with pytest.raises(InputError, match="'x' is a feature twice"):
        check_roles(make(tmp_path, x=[1.0, 2.0]), Roles(features=["x", "x"]))
