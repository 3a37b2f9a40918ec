"""What verify finds: a good package that is broken in one way fails in that check."""

from __future__ import annotations

import json
import pickle
import shutil
import socket

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from rareloop.dashboard.cli import main
from rareloop.dashboard.handover import verify_package
from rareloop.data.export.checks import PackageChecks
from rareloop.data.export.files import SUMS, facts_in, sums_text
from rareloop.data.export.readers import readers_results
from rareloop.data.export.safety import UnsafeError, read_table

from .handover_sets import made_package

TRAIN, TEST = "data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Not to be changed."""
    return made_package(tmp_path_factory.mktemp("made"))


@pytest.fixture
def package(made, tmp_path):
    """A copy of the package, to be broken."""
    return shutil.copytree(made.folder / "package", tmp_path / "package")


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("a check has opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def sealed(package):
    """Write the checksums anew, as somebody would who wants to deceive."""
    (package / SUMS).write_text(sums_text(facts_in(package)))


def verdict(package, number, workspace=None):
    return next(r for r in verify_package(package, workspace) if r.number == number)


def fails(package, number, words):
    checks = PackageChecks(package)
    results = readers_results(checks) if number in (7, 8, 9) else checks.here()
    found = next(r for r in results if r.number == number)
    assert found.verdict == "fail", found
    assert words in found.sentence, found
    assert not found.sentence.endswith(".") and "\n" not in found.sentence


def change(package, name, **columns):
    """Change columns of a table: each is a function of its list of values."""
    table = pq.read_table(package / name)
    for column, function in columns.items():
        field = table.schema.field(column)
        values = pa.array(function(table.column(column).to_pylist()), field.type)
        table = table.set_column(table.schema.get_field_index(column), field, values)
    pq.write_table(table, package / name)
    sealed(package)


def rewrite(package, name, function):
    document = json.loads((package / name).read_text())
    function(document)
    (package / name).write_text(json.dumps(document))
    sealed(package)


def first(value):
    return lambda values: [value, *values[1:]]


# ---- 1: files ---------------------------------------------------------------------------------------


def test_a_flipped_byte_is_found(package):
    data = bytearray((package / TRAIN).read_bytes())
    data[len(data) // 2] ^= 1
    (package / TRAIN).write_bytes(data)
    fails(package, 1, "its checksum differs")


def test_missing_and_additional_files_are_found(package):
    (package / "LICENSE").rename(package.parent / "LICENSE")
    fails(package, 1, "LICENSE is missing")
    (package.parent / "LICENSE").rename(package / "LICENSE")
    (package / "metrics.parquet").unlink()
    fails(package, 1, "metrics.parquet is missing")


def test_a_pickle_is_no_file_of_a_package(package):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("it was run",))

    (package / "data" / "model.pkl").write_bytes(pickle.dumps(Bomb()))
    sealed(package)
    fails(package, 1, "model.pkl is no file of a package")
    (package / "data" / "model.pkl").rename(package / TRAIN)
    sealed(package)
    fails(package, 2, "is no Parquet file")


@pytest.mark.parametrize("name", ["load.py", "data/setup.sh", ".hidden", "data/train.arrow", "__init__.py"])
def test_scripts_and_other_files_are_refused(package, name):
    (package / name).write_text("import os")
    sealed(package)
    fails(package, 1, "is no file of a package")


def test_files_that_may_be_executed_are_refused(package):
    (package / "GUIDELINES.md").chmod(0o755)
    fails(package, 1, "may be executed")


def test_links_are_refused(package):
    (package / "GUIDELINES.md").unlink()
    (package / "GUIDELINES.md").symlink_to("/etc/hostname")
    fails(package, 1, "no plain file")


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "data/../../x", "file:///etc/passwd", "a\\..\\b"])
def test_names_outside_the_package_are_refused(package, name):
    with (package / SUMS).open("a") as file:
        file.write(f"{'0' * 64}  {name}\n")
    fails(package, 1, "names a file outside the package")


@pytest.mark.parametrize("name", ["../outside", "https://example.org/x.parquet"])
def test_descriptions_that_name_files_outside_are_refused(package, name):
    rewrite(package, "croissant.json", lambda d: d["distribution"][0].update(contentUrl=name))
    fails(package, 7, "names a file outside the package")
    rewrite(package, "datapackage.json", lambda d: d["resources"][0].update(path=name))
    fails(package, 8, "names a file outside the package")
    text = (package / "README.md").read_text().replace("data_files: data/samples.parquet", f"data_files: '{name}'")
    (package / "README.md").write_text(text)
    sealed(package)
    fails(package, 9, "names a file outside the package")


# ---- 2: schemas and sizes ---------------------------------------------------------------------------


def test_large_strings_and_other_columns_are_found(package):
    table = pq.read_table(package / TRAIN)
    large = [f.with_type(pa.large_string()) if f.type == pa.string() else f for f in table.schema]
    pq.write_table(table.cast(pa.schema(large)), package / TRAIN)
    sealed(package)
    fails(package, 2, "as a large type")
    pq.write_table(table.drop_columns(["n_events"]), package / TRAIN)
    sealed(package)
    fails(package, 2, "other columns")


def test_blocks_of_too_many_rows_are_not_read(package):
    schema = pq.read_schema(package / "data/samples.parquet")
    n = 2**20 + 1  # nothing but nulls: a few bytes on disk
    table = pa.table([pa.nulls(n, f.type) for f in schema], schema=schema)
    pq.write_table(table, package / "data/samples.parquet", row_group_size=n)
    sealed(package)
    fails(package, 2, "more than any package has")
    assert verdict(package, 9).verdict == "not done"


def test_texts_that_grow_when_they_are_read_are_not_read(package):
    path = package / "data/label_events.parquet"
    table = pq.read_table(path).slice(0, 1)
    n = 2_000  # a text of 1 MB, 2,000 times
    bomb = pa.DictionaryArray.from_arrays(pa.array([0] * n, pa.int32()), pa.array(["x" * 2**20]))
    rows = table.take(pa.array([0] * n))
    rows = rows.set_column(rows.schema.get_field_index("note"), "note", bomb)
    pq.write_table(rows, path, compression="zstd")
    sealed(package)
    fails(package, 2, "grows to more than 1 GB")


def test_constant_columns_that_grow_when_they_are_read_are_not_read(package, monkeypatch):
    table = pq.read_table(package / TRAIN)
    n, n_columns = 2**18, 600  # of zeros: 1.2 GB in memory
    wide = table.slice(0, 1).take(pa.array([0] * n))
    zeros = pa.array([0.0]).take(pa.array([0] * n))
    for number in range(n_columns):
        wide = wide.append_column(f"c{number}", zeros)
    pq.write_table(wide, package / TRAIN, row_group_size=n)
    sealed(package)
    assert (package / TRAIN).stat().st_size < 2**22
    monkeypatch.setattr(pq.ParquetFile, "read_row_group", lambda *_, **__: pytest.fail("it was read"))
    with pytest.raises(UnsafeError, match="grows to more than 1 GB"):
        read_table(package, TRAIN)


def test_texts_in_lists_that_grow_when_they_are_read_are_not_read(package):
    def words(n_rows):
        n = 2_000 // n_rows + 1  # so many texts of 1 MB in each row
        one = pa.DictionaryArray.from_arrays(pa.array([0] * n * n_rows, pa.int32()), pa.array(["x" * 2**20]))
        return pa.ListArray.from_arrays(pa.array(range(0, n * n_rows + 1, n), pa.int32()), one)

    path = package / "data/held_out.parquet"
    table = pq.read_table(path)
    pq.write_table(table.append_column("words", words(table.num_rows)), path)
    with pytest.raises(UnsafeError, match="grows to more than 1 GB"):
        read_table(package, "data/held_out.parquet")


def test_a_file_of_many_blocks_is_not_read_into_memory_as_a_whole(package, monkeypatch):
    monkeypatch.setattr("rareloop.data.export.safety.MOST_TABLE", 1_000)
    with pytest.raises(UnsafeError, match="grows to more"):
        read_table(package, TRAIN)


def test_a_package_behind_a_link_is_not_compared(package, made, capsys):
    (package / "data").rename(package.parent / "elsewhere")
    (package / "data").symlink_to(package.parent / "elsewhere", target_is_directory=True)
    fails(package, 1, "no plain file")
    assert main(["diff", str(made.folder / "package"), str(package)]) == 2
    said = capsys.readouterr().err
    assert "is a link" in said and said.count("\n") == 1


@pytest.mark.parametrize("place", [0, 1])
def test_a_footer_that_tells_of_more_than_there_is_is_refused(package, place):
    data = bytearray((package / TRAIN).read_bytes())
    data[-8:-4] = (2**31 - 1, len(data) - 12)[place].to_bytes(4, "little")
    (package / TRAIN).write_bytes(data)
    sealed(package)
    fails(package, 2, "Parquet")


def test_a_truncated_table_is_found(package):
    data = (package / TEST).read_bytes()
    (package / TEST).write_bytes(data[: len(data) // 2])
    sealed(package)
    fails(package, 2, "is no Parquet file")


# ---- 3: splits --------------------------------------------------------------------------------------


def move(package, source, target, row=0):
    """Move a row from one split file to another, and let it say so."""
    table = pq.read_table(package / source)
    kept = table.take([i for i in range(table.num_rows) if i != row])
    moved = table.slice(row, 1)
    there = pq.read_table(package / target)
    split = there.column("split").slice(0, 1)
    moved = moved.set_column(moved.schema.get_field_index("split"), moved.schema.field("split"), split)
    pq.write_table(kept, package / source)
    pq.write_table(pa.concat_tables([there, moved]), package / target)
    sealed(package)


def test_an_item_in_two_splits_is_found(package):
    table = pq.read_table(package / TRAIN)
    test = pq.read_table(package / TEST)
    pq.write_table(pa.concat_tables([table, test.slice(0, 1)]), package / TRAIN)
    sealed(package)
    fails(package, 3, "is in the splits twice")


def test_a_row_that_leaks_what_the_test_knows_is_found(package):
    move(package, "data/held_out.parquet", TRAIN)
    fails(package, 3, "near-duplicates of")
    change(package, TRAIN, duplicate_group=lambda values: [None] * len(values))
    change(package, TEST, duplicate_group=lambda values: [None] * len(values))
    fails(package, 3, "just the features of a test row")


# ---- 4 and 5: labels and history --------------------------------------------------------------------


def test_labels_that_are_no_class_are_found(package):
    change(package, TRAIN, label=first("comet"))
    fails(package, 4, "label has the value 'comet'")


def test_versions_that_there_are_not_are_found(package):
    change(package, TRAIN, model_version=first("round-999"))
    fails(package, 4, "round-999")


def test_a_changed_label_is_found_though_the_checksums_are_new(package):
    change(package, TRAIN, label=lambda v: ["star" if v[0] == "quasar" else "quasar", *v[1:]])
    fails(package, 5, "but its events say")


@pytest.mark.parametrize("column", ["annotator", "n_events", "label_source"])
def test_changed_facts_of_an_answer_are_found(package, column):
    change(package, TRAIN, **{column: first({"annotator": "a2", "n_events": 7, "label_source": "bulk"}[column])})
    fails(package, 5, f"has {column}")


def test_a_removed_row_is_found(package):
    table = pq.read_table(package / TRAIN)
    pq.write_table(table.slice(1), package / TRAIN)
    sealed(package)
    fails(package, 5, "has no row")


def test_a_removed_event_is_found(package):
    path = package / "data/label_events.parquet"
    pq.write_table(pq.read_table(path).slice(1), path)
    sealed(package)
    fails(package, 5, "")


# ---- 6: probabilities -------------------------------------------------------------------------------


def test_a_faked_probability_is_found(package):
    change(package, TEST, inclusion_prob=first(0.9))
    fails(package, 6, "its sample says")


def test_a_faked_weight_is_found(package):
    table = pq.read_table(package / TEST)
    table = table.sort_by([("sample_weight", "ascending")])
    pq.write_table(table, package / TEST)
    change(package, TEST, sample_weight=first(1.0))
    fails(package, 6, "has the weight 1.0")


def test_a_probability_that_is_faked_in_the_sample_too_is_found(package):
    samples = pq.read_table(package / "data/samples.parquet")
    place = pc.index(samples.column("sample"), "campaign-1").as_py()
    item = samples.column("item_id")[place].as_py()

    def faked(table, name, values):
        rows = pq.read_table(package / table).to_pylist()
        hit = [r["item_id"] == item and r["sample"] == "campaign-1" for r in rows]
        change(package, table, **{name: lambda v: [values if h else x for h, x in zip(hit, v, strict=True)]})

    faked("data/samples.parquet", "inclusion_prob", 0.5)
    faked(TEST, "inclusion_prob", 0.5)
    faked(TEST, "sample_weight", 2.0)
    fails(package, 6, "of its stratum")


def test_a_row_that_a_model_picked_may_not_be_in_test(package):
    move(package, TRAIN, TEST)
    fails(package, 6, "of no sample")


def test_a_test_row_that_is_moved_to_train_is_found(package):
    move(package, TEST, TRAIN)
    fails(package, 6, "")


def test_a_draw_that_never_was_is_found(package):
    change(package, TRAIN, selection_prob=first(0.5), selection_mechanism=first("uniform"))
    fails(package, 6, "that no draw had")


# ---- 7 to 9: what others read -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "damage"),
    [
        ("has no creator", lambda d: d.pop("creator")),
        ("has no url", lambda d: d.pop("url")),
        ("@context", lambda d: d.update({"@context": "https://example.org/context.json"})),
        ("'transform'", lambda d: d["recordSet"][1]["field"][0].update(transform={"regex": "(a+)+"})),
        ("", lambda d: d["recordSet"][2]["field"][0]["source"]["extract"].update(column="nowhere")),
    ],
)
def test_a_bad_croissant_is_found(package, words, damage):
    pytest.importorskip("mlcroissant")
    rewrite(package, "croissant.json", damage)
    fails(package, 7, words)


@pytest.mark.parametrize(
    ("words", "damage"),
    [
        ("licenses", lambda d: d.pop("licenses")),
        ("", lambda d: d["resources"][0].update(schema="https://example.org/schema.json")),
        ("", lambda d: d["resources"][5]["schema"]["fields"][0]["constraints"].update(enum=["x"])),
        ("", lambda d: d.update({"$schema": "https://example.org/profile.json"})),
    ],
)
def test_a_bad_data_package_is_found(package, words, damage):
    pytest.importorskip("frictionless")
    rewrite(package, "datapackage.json", damage)
    fails(package, 8, words)


@pytest.mark.parametrize(
    ("words", "old", "new"),
    [
        ("More Information Needed", "## Glossary", "## Glossary [More Information Needed]"),
        ("aliases", "pretty_name: ", "a: &a [x, x]\nb: [*a, *a]\npretty_name: "),
        ("other classes", "        names:\n", "        names:\n          '2': comet\n"),
        ("settings of no package", "- config_name: samples", "- config_name: samples\n  sep: ','"),
        ("", "num_examples: ", "num_examples: 9"),
    ],
)
def test_a_bad_card_is_found(package, words, old, new):
    pytest.importorskip("datasets")
    text = (package / "README.md").read_text()
    assert old in text
    (package / "README.md").write_text(text.replace(old, new))
    sealed(package)
    fails(package, 9, words)


def test_without_the_readers_their_checks_are_not_done(package, monkeypatch):
    import builtins

    real = builtins.__import__
    names = dict.fromkeys(("mlcroissant", "frictionless", "datasets"), "no_such_module")
    monkeypatch.setattr("importlib.import_module", lambda name: real(names.get(name, name)))
    found = {r.number: r for r in verify_package(package)}
    assert [found[n].verdict for n in (7, 8, 9)] == ["not done"] * 3
    assert "rareloop[publish]" in found[7].sentence
    assert main(["verify", str(package)]) == 0


# ---- 10 and 11: licence, made again -----------------------------------------------------------------


def test_licences_that_differ_are_found(package):
    text = (package / "README.md").read_text().replace("license: cc-by-4.0", "license: mit")
    (package / "README.md").write_text(text)
    sealed(package)
    fails(package, 10, "README.md says 'mit'")


def test_a_package_that_the_workspace_does_not_give_is_found(made, package):
    text = (package / "README.md").read_text().replace("Made up.", "None at all.")
    (package / "README.md").write_text(text)
    sealed(package)
    found = verdict(package, 11, made.folder / "survey.rareloop")
    assert found.verdict == "fail" and "README.md" in found.sentence


def test_a_package_of_a_newer_version_is_not_judged(package, capsys):
    rewrite(package, "provenance.json", lambda d: d.update(package_format=2))
    assert main(["verify", str(package)]) == 2
    assert "newer rareloop" in capsys.readouterr().err


def test_a_broken_package_has_the_exit_code_1(package, capsys):
    (package / "LICENSE").write_text("mine")
    assert main(["verify", str(package), "--json"]) == 1
    checks = {c["number"]: c for c in json.loads(capsys.readouterr().out)["checks"]}
    assert len(checks) == 11 and checks[1]["verdict"] == "fail"


@pytest.mark.parametrize("text", ["[]", "{", "{}", '{"package_format": "1"}', "[" * 100_000])
def test_a_damaged_provenance_is_said_in_one_sentence(package, text, capsys):
    (package / "provenance.json").write_text(text)
    assert main(["verify", str(package)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
