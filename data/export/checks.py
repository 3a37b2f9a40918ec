"""Checks of a package against itself: files, schemas, splits, history, probabilities, licence."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from ..errors import InputError
from ..log_state import LogState, fold
from ..model_archive import MANIFEST, MOST_BYTES, SKOPS_FILE, look_into
from .columns import SELECTION, TABLES, SourceColumn, item_columns, schema_of
from .files import SUMS, file_facts
from .licences import LICENCES
from .reading import open_package, present_splits
from .replay import FACTS, Pseudonyms, answered_items, events_from, facts_of, reason_unresolved
from .safety import (
    MODEL,
    MODEL_FOLDER,
    UnsafeError,
    files_of,
    is_inside,
    open_parquet,
    plain_type,
    read_front_matter,
    read_json,
    read_table,
    read_text,
    read_yaml,
    row_groups,
)
from .splits import HELD_OUT

Verdict = Literal["pass", "fail", "not done"]
SUM_LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")
NEEDED = ("README.md", "croissant.json", "datapackage.json", "LICENSE", "CITATION.cff", "GUIDELINES.md",
          "CHANGELOG.md", "taxonomy.json", "provenance.json")  # fmt: skip
OPTIONAL_TABLES = ("data/machine_labels.parquet",)
EXACT = 1e-9
TITLES = {
    1: "files and checksums",
    2: "schemas",
    3: "splits apart",
    4: "classes and versions",
    5: "replay of the history",
    6: "probabilities",
    7: "Croissant",
    8: "Data Package",
    9: "Hugging Face",
    10: "licence",
    11: "made again",
}


@dataclass(frozen=True)
class Result:
    """What one check found: its number and title, whether it passed, and a sentence that says what and where."""

    number: int
    title: str
    verdict: Verdict
    sentence: str

    def to_dict(self) -> dict[str, Any]:
        """The result as plain values."""
        return asdict(self)


class CheckError(Exception):
    """What is wrong, in one sentence."""


def result_of(number: int, check: Callable[[], str]) -> Result:
    """Run a check: it returns a sentence, or raises what is wrong."""
    try:
        return Result(number, TITLES[number], "pass", check())
    except (CheckError, UnsafeError, InputError) as error:
        return Result(number, TITLES[number], "fail", str(error))
    except Exception as error:  # whatever a check stumbles over is a fault of the package
        said = " ".join(str(error).split())[:150]
        return Result(
            number, TITLES[number], "fail", f"something in it makes no sense ({type(error).__name__}: {said})"
        )


class PackageChecks:
    """The checks that need nothing but the package.

    Parameters
    ----------
    folder
        The package.

    Raises
    ------
    InputError
        When it is none, or a newer rareloop made it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.provenance = open_package(folder)

    # ---- what several checks read ----------------------------------------------------------------

    @cached_property
    def splits(self) -> dict[str, str]:
        """The files of the splits that are there, by split."""
        return present_splits(self.folder)

    @cached_property
    def source(self) -> list[SourceColumn]:
        """The columns of the source as the first split file has them, by the names that provenance.json tells."""
        if not self.splits:
            raise CheckError("there is no split file: a package has labels")
        schema = open_parquet(self.folder, next(iter(self.splits.values()))).schema_arrow
        columns = self.provenance["source"]["columns"]
        return [SourceColumn(c["name"], c["original"], plain_type(schema.field(c["name"]).type)) for c in columns]

    @cached_property
    def classes(self) -> list[str]:
        """The classes that a label may have."""
        classes = read_json(self.folder, "taxonomy.json")["classes"]
        return [one["name"] for one in classes if one.get("status") not in ("merged", "removed")]

    @cached_property
    def items(self) -> pa.Table:
        """Our columns of all split files together."""
        names = [c.name for c in item_columns(())]
        return pa.concat_tables([read_table(self.folder, path, names) for path in self.splits.values()])

    def table(self, name: str) -> pa.Table:
        """One of the other tables."""
        return read_table(self.folder, name)

    @cached_property
    def state(self) -> LogState:
        """The events, folded."""
        return fold(self.events)

    @cached_property
    def events(self) -> list[Any]:
        """The events of the package."""
        return events_from(self.table("data/label_events.parquet"))

    # ---- 1 and 2: files and schemas --------------------------------------------------------------

    def files(self) -> str:
        """Every file is listed with its checksum, and nothing else is there."""
        found = set(files_of(self.folder))
        missing = [name for name in (*NEEDED, SUMS) if name not in found]
        if missing:
            raise CheckError(f"{missing[0]} is missing")
        listed = self._sums()
        for name in sorted(listed.keys() ^ (found - {SUMS})):
            raise CheckError(f"{name} {'is missing' if name in listed else f'is not listed in {SUMS}'}")
        wrong = [
            name for name, digest in sorted(listed.items()) if file_facts(self.folder / name).sha256 != digest
        ]
        if wrong:
            raise CheckError(f"{wrong[0]} is not the file that was written: its checksum differs")
        if found & set(MODEL):
            self._model(found)
        return f"all {len(listed)} files are as they were written"

    def _model(self, found: set[str]) -> None:
        """A model is there as a whole, an archive of arrays as its manifest tells of; it is not loaded."""
        missing = next((name for name in MODEL if name not in found), None)
        if missing is not None:
            raise CheckError(f"{missing} is missing, and the rest of a model is there")
        archive = f"{MODEL_FOLDER}/{SKOPS_FILE}"
        if (self.folder / archive).stat().st_size > MOST_BYTES:
            raise CheckError(f"{archive} is larger than a model may be")
        sums, texts = look_into((self.folder / archive).read_bytes(), archive)
        if texts or sums != read_json(self.folder, f"{MODEL_FOLDER}/{MANIFEST}").get("members"):
            raise CheckError(f"{archive} is not the model that its manifest tells of")

    def _sums(self) -> dict[str, str]:
        listed: dict[str, str] = {}
        for number, line in enumerate(read_text(self.folder, SUMS).splitlines(), 1):
            found = SUM_LINE.fullmatch(line)
            if found is None:
                raise CheckError(f"{SUMS} line {number} is no checksum")
            if not is_inside(found[2]):
                raise CheckError(f"{SUMS} line {number} names a file outside the package")
            if found[2] in listed:
                raise CheckError(f"{SUMS} names {found[2]} twice")
            listed[found[2]] = found[1]
        return listed

    def schemas(self) -> str:
        """Every table has the columns and types that this version of packages has, and sizes that can be."""
        expected = {path: schema_of(item_columns(self.source)) for path in self.splits.values()}
        expected |= {
            path: schema_of(columns)
            for path, columns in TABLES.items()
            if path not in OPTIONAL_TABLES or (self.folder / path).exists()
        }
        n_rows = 0
        for path, schema in expected.items():
            file = open_parquet(self.folder, path)
            actual = pa.schema([pa.field(f.name, plain_type(f.type)) for f in file.schema_arrow])
            if not actual.equals(schema):
                raise CheckError(f"{path} {_schema_difference(actual, schema)}")
            raw = file.metadata.schema.to_arrow_schema()
            large = [f.name for f in raw if pa.types.is_large_string(f.type) or pa.types.is_large_binary(f.type)]
            if large:
                raise CheckError(f"{path} has '{large[0]}' as a large type, which not every reader knows")
            for block in row_groups(file, path):
                n_rows += block.num_rows
        return f"{len(expected)} tables with {n_rows:,} rows have the columns and types that they should"

    # ---- 3 and 4: splits and classes -------------------------------------------------------------

    def apart(self) -> str:
        """Every item is in one split, and near-duplicates are on one side."""
        items = self.items.select(["item_id", "split", "duplicate_group"]).to_pylist()
        twice = [item_id for item_id, n in Counter(row["item_id"] for row in items).items() if n > 1]
        if twice:
            raise CheckError(f"item '{twice[0]}' is in the splits twice")
        for split, path in self.splits.items():
            inside = set(read_table(self.folder, path, ["split"]).column("split").unique().to_pylist())
            if not inside <= {split}:
                raise CheckError(f"{path} has rows of the split '{min(inside - {split}, key=str)}'")
        sides: dict[str, set[str]] = defaultdict(set)
        for row in items:
            if row["duplicate_group"] is not None and row["split"] != HELD_OUT:
                sides[row["duplicate_group"]].add(row["split"])
        leaking = sorted(group for group, splits in sides.items() if len(splits) > 1)
        if leaking:
            raise CheckError(f"near-duplicates of '{leaking[0]}' are in {' and '.join(sorted(sides[leaking[0]]))}")
        labelled = {row["item_id"] for row in items}
        both = labelled & set(self.table("data/unresolved.parquet").column("item_id").to_pylist())
        if both:
            raise CheckError(f"item '{min(both)}' is in a split and among the unresolved")
        self._check_equal_rows()
        return f"{len(items):,} items, each in one split; {len(sides):,} groups of duplicates, each on one side"

    def _check_equal_rows(self) -> None:
        """Where the features are handed over, no row to learn from has just those of a test row."""
        called = {c.original: c for c in self.source}
        features = [called.get(name) for name in self.provenance["features"]]
        if not features or any(c is None or pa.types.is_nested(c.kind) for c in features):
            return
        names = [c.name for c in features if c is not None]
        tested: set[tuple[Any, ...]] = set()
        for split in ("test", "train", "validation"):
            if split not in self.splits:
                continue
            columns = read_table(self.folder, self.splits[split], names).to_pydict().values()
            rows = set(zip(*columns, strict=True))
            if split == "test":
                tested = rows
            elif tested & rows:
                raise CheckError(f"{split} has a row with just the features of a test row")

    def vocabulary(self) -> str:
        """Labels are classes, values are those that columns may hold, and versions are those that there are."""
        for column in item_columns((), self.classes):
            if column.values:
                self._check_values(self.items.column(column.name), column.values, column.name)
            if column.required and self.items.column(column.name).null_count:
                raise CheckError(f"the splits have rows without {column.name}")
        self._check_purity()
        for path, columns in TABLES.items():
            if (self.folder / path).exists():
                self._check_columns(path, columns)
        known = {f"round-{n}" for n in self.table("data/rounds.parquet").column("round").to_pylist()}
        self._check_values(self.items.column("model_version"), known, "model_version")
        self._check_values(
            self.items.column("guideline_version"), self.provenance["guideline_versions"], "guideline_version"
        )
        return f"all labels are of the {len(self.classes)} classes, and all versions that are named are known"

    def _check_purity(self) -> None:
        """A bulk step has one purity, an interval or nothing; other answers have none."""
        known: dict[str | None, tuple[Any, Any]] = {}
        columns = ["item_id", "label_source", "bulk_id", "bulk_purity_low", "bulk_purity_high"]
        for row in self.items.select(columns).to_pylist():
            limits = low, high = row["bulk_purity_low"], row["bulk_purity_high"]
            is_interval = limits == (None, None) or (None not in limits and 0 <= low <= high <= 1)
            of_step = (None, None)
            if row["label_source"] == "bulk":
                of_step = known.setdefault(row["bulk_id"], limits)
            if limits != of_step or not is_interval:
                raise CheckError(f"item '{row['item_id']}' has a purity that its bulk step has not")

    def _check_columns(self, path: str, columns: Sequence[Any]) -> None:
        table = self.table(path)
        for column in columns:
            values = table.column(column.name)
            if column.required and values.null_count:
                raise CheckError(f"{path} has rows without {column.name}")
            if column.values:
                self._check_values(values, column.values, f"{path}: {column.name}")
        for name in {"label", "machine_label"} & set(table.column_names) if "events" not in path else ():
            self._check_values(table.column(name), self.classes, f"{path}: {name}")

    def _check_values(self, column: pa.ChunkedArray, allowed: Any, name: str) -> None:
        strange = set(column.unique().to_pylist()) - {None, *allowed}
        if strange:
            raise CheckError(f"{name} has the value '{min(strange, key=str)}', which is not among those there are")

    # ---- 5: replay -------------------------------------------------------------------------------

    def replay(self) -> str:
        """The events lead to just these labels."""
        if len(self.events) != self.provenance["n_events"]:
            raise CheckError("the history does not have as many events as provenance.json says")
        names = {annotator: annotator for annotator in Pseudonyms(self.events, named=True).names}
        labelled, unresolved = answered_items(self.state)
        self._compare(labelled, self.items, names, ("label", *FACTS))
        table = self.table("data/unresolved.parquet")
        self._compare(unresolved, table, names, tuple(n for n in ("label", *FACTS) if n in table.column_names))
        for row in table.select(["item_id", "reason"]).to_pylist():
            if row["reason"] != reason_unresolved(self.state, row["item_id"]):
                raise CheckError(f"item '{row['item_id']}' is not {row['reason']} by its events")
        n, n_labelled, n_open = len(self.events), len(labelled), len(unresolved)
        return f"{n:,} events lead to these {n_labelled:,} labels and {n_open:,} unresolved items"

    def _compare(
        self, expected: Sequence[str], table: pa.Table, names: Mapping[str, str], columns: Sequence[str]
    ) -> None:
        rows = {row["item_id"]: row for row in table.select(["item_id", *columns]).to_pylist()}
        for item_id in sorted(set(expected) ^ rows.keys()):
            said = "has no row, though its events decide it" if item_id in expected else "has a row without events"
            raise CheckError(f"item '{item_id}' {said}")
        with_notes = "note" in self.provenance["included"]
        for item_id in expected:
            facts = facts_of(self.state, item_id, names)
            for name in columns:
                if rows[item_id][name] != facts[name] and (name != "note" or with_notes):
                    raise CheckError(
                        f"item '{item_id}' has {name} {rows[item_id][name]!r}, but its events say {facts[name]!r}"
                    )

    # ---- 6: probabilities ------------------------------------------------------------------------

    def probabilities(self) -> str:
        """Test rows are of samples, with the probabilities of these; nothing else has one."""
        samples = self.table("data/samples.parquet").to_pylist()
        _check_designs(samples, self._strata_sizes())
        members = {(row["sample"], row["item_id"]): row for row in samples}
        for row in self.items.select(["item_id", "split", *(c.name for c in SELECTION)]).to_pylist():
            if row["split"] == "test":
                _check_test_row(row, members.get((row["sample"], row["item_id"])))
            elif (row["sample"], row["inclusion_prob"], row["sample_weight"]) != (None, None, None):
                raise CheckError(f"item '{row['item_id']}' of {row['split']} has an inclusion probability")
        self._check_draws()
        tested = set(self.items.filter(pc.equal(self.items.column("split"), "test")).column("item_id").to_pylist())
        lost = {row["item_id"] for row in samples if row["answer"] == "labelled"} - tested
        if lost:
            raise CheckError(f"item '{min(lost)}' is of a sample and has a label, but is not in test")
        return f"{len(tested):,} test rows, each of a sample and with its probability; no other row claims one"

    def _strata_sizes(self) -> dict[str, list[int]]:
        return {one["sample"]: one.get("strata_sizes", []) for one in self.provenance["samples"]}

    def _check_draws(self) -> None:
        """Chances of single draws are those of the selection log, or of the events where no round was recorded."""
        log = self.table("data/selection_log.parquet").to_pylist()
        drawn = {(row["round"], row["item_id"]): row["probability"] for row in log}
        drawn_items = self.items.filter(self.items.column("selection_prob").is_valid())
        for row in drawn_items.select(
            ["item_id", "query_round", "selection_mechanism", "selection_prob"]
        ).to_pylist():
            chance = row["selection_prob"]
            event = self.state.items[row["item_id"]].event
            known = drawn.get((row["query_round"], row["item_id"]), event.probability)
            known = event.probability if known is None else known
            if row["selection_mechanism"] not in ("uniform", "stochastic") or known is None or known != chance:
                raise CheckError(f"item '{row['item_id']}' claims a selection probability that no draw had")

    # ---- 10: licence -----------------------------------------------------------------------------

    def licence(self) -> str:
        """The same licence in all places, and the package is no draft."""
        if self.provenance.get("draft"):
            raise CheckError("this is a draft: it may not be used or passed on")
        packaged = read_json(self.folder, "datapackage.json").get("licenses")
        if not isinstance(packaged, list) or len(packaged) != 1:
            raise CheckError("datapackage.json does not have one licence")
        path, head = packaged[0]["path"], read_front_matter(self.folder)
        text = read_text(self.folder, "LICENSE")
        spdx = next(iter(re.findall(r"SPDX-License-Identifier: (\S+)", text)), None)
        if spdx is None:
            raise CheckError("LICENSE does not say an SPDX id")
        known = LICENCES.get(spdx)
        address = read_json(self.folder, "croissant.json").get("license")
        expected = (known.url, known.hugging_face, known.spdx_url) if known else (path, "other", path)
        places = {"datapackage.json": path, "README.md": head.get("license"), "croissant.json": address}
        for (name, value), wanted in zip(places.items(), expected, strict=True):
            if value != wanted:
                raise CheckError(f"{name} says {value!r}, but LICENSE is of {spdx}")
        if path not in text or (known is None and head.get("license_link") != path):
            raise CheckError(f"the address of {spdx} is not the same in LICENSE, README.md and datapackage.json")
        cited = read_yaml(read_text(self.folder, "CITATION.cff"), "CITATION.cff")
        if cited.get("license", spdx) != spdx:
            raise CheckError(f"CITATION.cff says {cited['license']!r}, but LICENSE is of {spdx}")
        return f"{spdx} in all places"

    def here(self) -> list[Result]:
        """The results of all checks that need nothing but the package."""
        checks = {1: self.files, 2: self.schemas, 3: self.apart, 4: self.vocabulary, 5: self.replay,
                  6: self.probabilities, 10: self.licence}  # fmt: skip
        return [result_of(number, check) for number, check in checks.items()]


def _schema_difference(actual: pa.Schema, expected: pa.Schema) -> str:
    if actual.names != expected.names:
        odd = sorted(set(actual.names) ^ set(expected.names))
        return f"has other columns than it should ({odd[0] if odd else 'in another order'})"
    wrong = next(f for f in expected if actual.field(f.name).type != f.type)
    return f"has '{wrong.name}' as {actual.field(wrong.name).type}, not as {wrong.type}"


def _check_designs(samples: Sequence[Mapping[str, Any]], sizes: Mapping[str, Sequence[int]]) -> None:
    """Inclusion probabilities are ones, and those of strata are as many as were drawn of as many as there are."""
    drawn = Counter((row["sample"], row["stratum"]) for row in samples)
    for row in samples:
        p, name = row["inclusion_prob"], f"item '{row['item_id']}' of {row['sample']}"
        if p is None or not 0 < p <= 1:
            raise CheckError(f"{name} has the inclusion probability {p}")
        if row["stratum"] is None:
            continue
        size = sizes.get(row["sample"], [])[row["stratum"]]
        if row["stratum_size"] != size or abs(p - drawn[row["sample"], row["stratum"]] / size) > EXACT:
            raise CheckError(f"{name} does not have the inclusion probability of its stratum")


def _check_test_row(row: Mapping[str, Any], member: Mapping[str, Any] | None) -> None:
    name = f"item '{row['item_id']}' of test"
    if member is None:
        raise CheckError(f"{name} is of no sample: it may have been picked by a model")
    if row["selection_mechanism"] not in ("uniform", "stochastic"):
        raise CheckError(f"{name} was not drawn but picked ({row['selection_mechanism']})")
    p = member["inclusion_prob"]
    weight = None if member["reached"] else 1 / p
    if row["inclusion_prob"] != p:
        raise CheckError(f"{name} has the inclusion probability {row['inclusion_prob']}, its sample says {p}")
    given = row["sample_weight"]
    if (given is None) != (weight is None) or (weight and abs(given / weight - 1) > EXACT):
        raise CheckError(f"{name} has the weight {given}, not one over its inclusion probability")
