"""The parts of a package by themselves: splits, replay, versions, licences, paths, texts."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from rareloop.data.errors import InputError
from rareloop.data.events import Action, Event
from rareloop.data.export.columns import item_columns, portable, source_columns
from rareloop.data.export.licences import LICENCES, notice
from rareloop.data.export.markdown import markdown_table
from rareloop.data.export.replay import (
    Pseudonyms,
    answered_items,
    events_from,
    events_table,
    facts_of,
    reason_unresolved,
)
from rareloop.data.export.safety import UnsafeError, is_inside, open_parquet, read_json, read_yaml
from rareloop.data.export.selection import Member, Sampled, uniform_samples
from rareloop.data.export.splits import VALIDATION_SHARE, assign_splits, hash_share
from rareloop.data.export.versions import (
    Change,
    Release,
    compare,
    decide,
    entries_so_far,
    next_version,
    remember,
    remembered,
)
from rareloop.data.log_state import fold
from rareloop.data.publication import Publication

NOW = datetime(2026, 3, 4, 5, 6, 7, 891011, tzinfo=UTC)
ITEMS, PEOPLE, CLASSES = ("p", "q", "r"), ("ann", "bob", "table"), ("rare", "other")


def event(number, action, item, annotator="ann", **more):
    moment = NOW + timedelta(seconds=number)
    return Event(f"e{number}", action, item, annotator, moment, seq=number + 1, **more)


# ---- splits -----------------------------------------------------------------------------------------


@given(
    labelled=st.lists(st.integers(0, 50), unique=True, max_size=40),
    tested=st.sets(st.integers(0, 50)),
    pending=st.sets(st.integers(0, 50)),
    groups=st.dictionaries(st.integers(0, 50), st.integers(0, 5)),
)
def test_no_group_is_on_both_sides_whatever_the_items(labelled, tested, pending, groups):
    items, of = [f"i{i}" for i in labelled], {f"i{i}": f"g{g}" for i, g in groups.items()}
    tests, waiting = {f"i{i}" for i in tested}, {f"i{i}" for i in pending - tested}
    splits = assign_splits(items, tests, waiting, of)
    assert list(splits) == items
    assert {i for i, split in splits.items() if split == "test"} == tests & set(items)
    learnt = {i for i, split in splits.items() if split in ("train", "validation")}
    assert not learnt & waiting
    assert not {of.get(i) for i in learnt} & {of[i] for i in tests | waiting if i in of}
    sides = {}
    for item in learnt:
        sides.setdefault(of.get(item, item), set()).add(splits[item])
    assert all(len(side) == 1 for side in sides.values())


def test_a_tenth_is_validation_and_others_do_not_move_it():
    items = [f"i{i}" for i in range(5_000)]
    splits = assign_splits(items, (), (), {})
    share = sum(split == "validation" for split in splits.values()) / len(items)
    assert share == pytest.approx(VALIDATION_SHARE, abs=0.015)
    fewer = assign_splits(items[::3], (), (), {})
    assert all(splits[item] == split for item, split in fewer.items())
    assert 0 <= hash_share("") < 1


def test_an_item_stands_in_a_sample_that_gives_it_a_weight():
    members = (
        Member("audit-1", "p", 0.1, reached=True),
        Member("campaign-1", "p", 0.5),
        Member("audit-1", "q", 0.1),
    )
    chosen = Sampled(members).by_item()
    assert (chosen["p"].sample, chosen["p"].weight) == ("campaign-1", 2)
    assert (chosen["q"].sample, chosen["q"].weight) == ("audit-1", 10)
    assert uniform_samples(members) == {"audit-1": True, "campaign-1": True}
    assert Member("audit-1", "p", 0.1, reached=True).weight is None


# ---- replay -----------------------------------------------------------------------------------------

DONE = [Action.LABEL, Action.SKIP, Action.UNSURE, Action.FLAG, Action.DEFER, Action.NOTE, Action.UNDO]
ANSWERS = st.builds(
    lambda action, item, person, label, entered, shown: (action, item, person, label, entered, shown),
    st.sampled_from(
        [Action.LABEL, Action.SKIP, Action.UNSURE, Action.FLAG, Action.DEFER, Action.NOTE, Action.UNDO]
    ),
    st.sampled_from(ITEMS),
    st.sampled_from(PEOPLE),
    st.sampled_from(CLASSES),
    st.sampled_from(["key", "propagated", "table"]),
    st.sampled_from([None, True, False]),
)


def log_of(answers):
    """A log of which undo events take back what was answered before."""
    events = []
    for number, (action, item, person, label, entered, shown) in enumerate(answers):
        if action == Action.UNDO:
            targets = [e for e in events if e.action != Action.UNDO]
            if targets:
                target = targets[number % len(targets)]
                events.append(event(number, action, target.item_id, person, target=target.event_id))
            continue
        events.append(
            event(
                number,
                action,
                item,
                person,
                label=label if action == Action.LABEL else None,
                note="remark" if action == Action.NOTE else None,
                input=entered,
                suggested=label,
                suggestion_shown=shown,
            )
        )
    return events


@given(st.lists(ANSWERS, max_size=25), st.booleans())
def test_events_that_are_written_and_read_back_say_the_same(answers, named):
    events = log_of(answers)
    names = Pseudonyms(events, named)
    again = events_from(events_table(events, names, with_notes=True))
    assert again == [replace(e, annotator=names[e.annotator]) for e in events]
    state, replayed = fold(events), fold(again)
    assert answered_items(state) == answered_items(replayed)
    same = {name: name for name in names.names.values()}
    for item_id in (item for items in answered_items(state) for item in items):
        assert facts_of(state, item_id, names) == facts_of(replayed, item_id, same)


def test_people_who_differ_make_a_conflict_and_who_thinks_again_does_not():
    first = event(0, Action.LABEL, "p", label="rare", input="key")
    again = event(1, Action.RELABEL, "p", label="other", input="key")
    assert reason_unresolved(fold([first, again]), "p") is None
    other = replace(again, annotator="bob")
    assert reason_unresolved(fold([first, other]), "p") == "conflict"
    of_table = replace(first, annotator="table", input="table")
    assert reason_unresolved(fold([of_table, other]), "p") is None
    propagated = replace(first, annotator="bob", input="propagated")
    assert reason_unresolved(fold([propagated, again]), "p") is None


def test_people_are_numbered_by_their_first_event():
    events = [event(n, Action.SKIP, "p", who) for n, who in enumerate(["table", "zoe", "ann", "zoe"])]
    assert Pseudonyms(events, named=False).names == {"table": "table", "zoe": "a1", "ann": "a2"}
    assert Pseudonyms(events, named=True)["zoe"] == "zoe"


def test_a_suggestion_was_taken_only_if_it_was_shown():
    def source(**more):
        return facts_of(fold([event(0, Action.LABEL, "p", label="rare", **more)]), "p", {"ann": "a1"})[
            "label_source"
        ]

    assert source(suggested="rare", suggestion_shown=True, input="key") == "accepted_suggestion"
    assert source(suggested="rare", suggestion_shown=False, input="key") == "manual"
    assert source(suggested="rare", input="key") == "manual"
    assert source(suggested="other", suggestion_shown=True, input="key") == "manual"
    assert source(bulk="b", input="bulk") == "bulk"
    assert source(bulk="b", input="grid") == "manual"
    assert source(input="propagated") == "rule"
    assert source(input="table") == "imported"


# ---- versions ---------------------------------------------------------------------------------------

RELEASE = Release("1.2.3", {"p": ("rare", "train"), "q": ("other", "test")}, ("a", "b"), 5, "digest")


@pytest.mark.parametrize(
    ("changed", "level"),
    [
        ({}, "none"),
        ({"digest": "x"}, "patch"),
        ({"digest": "x", "n_events": 6}, "minor"),
        ({"digest": "x", "columns": ("a", "b", "c")}, "minor"),
        ({"digest": "x", "index": {**RELEASE.index, "r": ("rare", "train")}}, "minor"),
        ({"digest": "x", "columns": ("a",)}, "major"),
        ({"digest": "x", "index": {"p": ("rare", "train")}}, "major"),
        ({"digest": "x", "index": {**RELEASE.index, "p": ("other", "train")}}, "major"),
        ({"digest": "x", "index": {**RELEASE.index, "p": ("rare", "validation")}}, "major"),
    ],
)
def test_the_level_follows_from_what_changed(changed, level):
    change = compare(RELEASE, replace(RELEASE, **changed))
    assert change.level == level
    assert change.sentences() and all(sentence.endswith(".") for sentence in change.sentences())


@given(st.tuples(*[st.integers(0, 99)] * 3), st.sampled_from(["patch", "minor", "major"]))
def test_the_next_version_is_greater(numbers, level):
    before = ".".join(map(str, numbers))
    assert tuple(map(int, next_version(before, level).split("."))) > numbers
    assert next_version(before, "none") == before


def test_a_version_that_is_none_is_refused():
    for wrong in ("1", "1.0", "1.0.0.0", "v1.0.0", "01.0.0", "1.0.x", "", "1.0.0\n"):
        with pytest.raises(InputError, match="three numbers"):
            decide(wrong, None, None)
    assert decide(None, None, None) == "1.0.0"
    with pytest.raises(InputError, match="Nothing has changed"):
        decide("9.0.0", RELEASE, Change(is_same=True))


def test_versions_are_remembered_in_their_order(tmp_path):
    releases = [replace(RELEASE, version=v, entries=({"version": v},)) for v in ("1.10.0", "1.9.0", "2.0.0")]
    for release in releases:
        remember(tmp_path, release)
    assert remembered(tmp_path) == [releases[1], releases[0], releases[2]]
    assert entries_so_far(tmp_path) == list(remembered(tmp_path)[-1].entries)
    (tmp_path / "releases" / "2.0.0.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="is damaged"):
        remembered(tmp_path)
    assert entries_so_far(tmp_path / "nowhere") == []


# ---- publication and licences -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"licence": "free"}, "is not known"),
        ({"licence": "LicenseRef-Mine"}, "licence_name and licence_url"),
        ({"name": "My Set"}, "no name of files"),
        ({"url": "example.org"}, "no address"),
        ({"creators": [{"orcid": "0000-0001-2345-6789"}]}, "name"),
        ({"creators": [{"name": "A", "orcid": "12"}]}, "no ORCID"),
        ({"creators": [{"name": "A", "orcid": "0000-0002-1825-0098"}]}, "no ORCID"),
        ({"creators": "A"}, "no list"),
        ({"creators": [7]}, "no person"),
        ({"titel": "A"}, "no field 'titel'"),
        ({"title": 3}, "no text"),
        ({"include": ["everything"]}, "cannot be included"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(values, words):
    with pytest.raises(InputError, match=words) as found:
        Publication.from_dict(values)
    assert "\n" not in str(found.value)


def test_a_publication_is_read_back_as_it_was():
    values = {
        "title": " T ",
        "creators": ["A", {"name": "B", "affiliation": "C"}],
        "columns": [],
        "licence": "MIT",
    }
    publication = Publication.from_dict(values)
    assert Publication.from_dict(publication.to_dict()) == publication
    assert publication.title == "T" and publication.columns == ()
    assert Publication.from_dict({}).columns is None and Publication.from_dict({}).terms is None


def test_every_licence_is_named_in_every_form():
    for spdx, licence in LICENCES.items():
        text = notice(licence, "T", "A", 2026)
        assert f"SPDX-License-Identifier: {spdx}\n" in text and licence.url in text
        assert licence.spdx_url == f"https://spdx.org/licenses/{spdx}.html"
        assert licence.hugging_face == licence.hugging_face.lower()


# ---- columns ----------------------------------------------------------------------------------------


def test_a_column_of_the_source_that_has_our_name_gets_another():
    schema = pa.schema(
        [("id", pa.int64()), ("label", pa.string()), ("source_label", pa.string()), ("x", pa.float32())]
    )
    made = source_columns(schema, None, {"id"})
    assert [(c.name, c.original) for c in made] == [
        ("source_source_label", "label"),
        ("source_label", "source_label"),
        ("x", "x"),
    ]
    names = [c.name for c in item_columns(made)]
    assert len(set(names)) == len(names)
    with pytest.raises(InputError, match="'y', which the table has not"):
        source_columns(schema, ["y"], ())


def test_types_that_few_readers_know_become_common_ones():
    odd = pa.large_list(pa.dictionary(pa.int8(), pa.large_string()))
    assert portable(odd) == pa.list_(pa.string())
    assert portable(pa.float16()) == pa.float32()
    assert portable(pa.list_(pa.large_binary(), 3)) == pa.list_(pa.binary(), 3)
    assert portable(pa.timestamp("ns")) == pa.timestamp("ns")


# ---- what is not trusted ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["", "/a", "../a", "a/../../b", "a\\b", "C:/a", "file:a", "https://x/y", "~/a", "$HOME", "a\nb", None],
)
def test_paths_outside_are_told(path):
    assert not is_inside(path)


def test_paths_inside_are_told():
    assert is_inside("data/train-00000-of-00001.parquet") and is_inside("a..b") and is_inside("data/*.parquet")


@given(st.binary(max_size=200))
def test_whatever_stands_in_a_file_is_refused_in_one_sentence(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("any")
    for body in (data, b"PAR1" + data + b"PAR1"):
        (folder / "x").write_bytes(body)
        with pytest.raises(UnsafeError) as found:
            open_parquet(folder, "x")
        assert "\n" not in str(found.value)
    (folder / "x").write_bytes(data)
    with contextlib.suppress(UnsafeError):  # and nothing else
        read_json(folder, "x")


@pytest.mark.parametrize(
    "text", ["a: &b 1\nc: *b", "a: !!python/object:os.system x", "[" * 5000, "- a", "a: [", ""]
)
def test_yaml_that_is_no_plain_mapping_is_refused(text):
    with pytest.raises(UnsafeError):
        read_yaml(text, "README.md")


def test_a_table_is_not_read_through_a_link(tmp_path):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "real")
    (tmp_path / "x").symlink_to(tmp_path / "real")
    with pytest.raises(UnsafeError, match="is a link"):
        open_parquet(tmp_path, "x")


def test_cells_of_the_card_stay_cells():
    text = markdown_table(("class", "n"), [("a | b\n<script>", "1")])
    assert text.splitlines()[2] == "| a \\| b &lt;script&gt; | 1 |"
    assert yaml.safe_load(yaml.safe_dump({"pretty_name": "a: b # c"})) == {"pretty_name": "a: b # c"}
