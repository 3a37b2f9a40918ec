"""The Parquet files of a package: streamed in blocks, rows in the order of the table, the same bytes each time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ..errors import InputError
from ..roundlog import RoundRecord
from ..tables import Progress
from .columns import (
    MACHINE_LABELS,
    METRICS,
    ROUNDS,
    SAMPLES,
    SELECTION_LOG,
    UNRESOLVED,
    item_columns,
    schema_of,
)  # fmt: skip
from .content import Content, Tally
from .replay import EVENT_SCHEMA, events_table, facts_of, reason_unresolved

MOST_ROWS = 20_000
BLOCK_BYTES = 2**26
CERTIFIED = ("default", "guarantee")
PREDICTED = {"machine_label": "suggested_label", "confidence": "suggested_confidence"}  # in predictions


class Sink:
    """One Parquet file, written block by block with fixed options.

    Parameters
    ----------
    folder, path
        The package, and the file in it.
    """

    def __init__(self, folder: Path, path: str, schema: pa.Schema, tally: Tally) -> None:
        self._tally, self._path = tally, path
        target = folder / path
        target.parent.mkdir(exist_ok=True)
        self._writer = pq.ParquetWriter(target, schema, compression="zstd", version="2.6", use_dictionary=True)
        tally.n_rows[path] = tally.n_bytes[path] = 0

    def write(self, block: pa.Table) -> None:
        """Write a block as one row group."""
        if block.num_rows:
            self._writer.write_table(block, row_group_size=block.num_rows)
            self._tally.n_rows[self._path] += block.num_rows
            self._tally.n_bytes[self._path] += block.nbytes

    def __enter__(self) -> Sink:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()


def write_tables(content: Content, folder: Path, tell: Progress) -> Tally:
    """Write all Parquet files of a package, and count what is in them."""
    tally = Tally()
    n_items, done = max(len(content.splits), 1), 0
    for split, path in content.split_files.items():
        with Sink(folder, path, schema_of(item_columns(content.source)), tally) as sink:
            for block in _blocks(content, content.items_of(split)):
                sink.write(_split_block(content, block, split, tally))
                done += len(block)
                tell(0.7 * done / n_items, f"writing {split}")
    _write_rows(folder, "data/unresolved.parquet", _unresolved(content, tally), UNRESOLVED, tally)
    _write_rows(folder, "data/samples.parquet", _samples(content), SAMPLES, tally)
    tell(0.75, "writing the history")
    _write_events(content, folder, tally)
    records = content.workspace.rounds.records()
    _write_rows(folder, "data/rounds.parquet", map(_round, records), ROUNDS, tally)
    _write_rows(folder, "metrics.parquet", _metrics(content, records, tally), METRICS, tally)
    tell(0.85, "writing what was asked")
    _write_rows(folder, "data/selection_log.parquet", _queries(content, records), SELECTION_LOG, tally)
    if content.machine_labels is not None:
        _write_machine_labels(content, content.machine_labels, folder, tally)
    return tally


# ---- rows of the table ------------------------------------------------------------------------------


def _blocks(content: Content, items: Sequence[str]) -> Iterator[NDArray[np.int64]]:
    """Rows of items in the order of the table, so many at a time that a block is about 64 MB."""
    table = content.workspace.table
    n_bytes = sum(table.column(c.original).nbytes for c in content.source)
    n = int(np.clip(BLOCK_BYTES * table.n_rows // max(n_bytes, 1), 1, MOST_ROWS))
    rows = np.sort(content.workspace.ids.rows(items))
    yield from (rows[start : start + n] for start in range(0, len(rows), n))


def _split_block(content: Content, rows: NDArray[np.int64], split: str, tally: Tally) -> pa.Table:
    item_ids = content.workspace.ids.texts(rows)
    made = [_item(content, item_id, split) for item_id in item_ids]
    for row in made:
        tally.labels[split, row["label"]] += 1
        tally.mechanisms[split, row["selection_mechanism"]] += 1
        tally.sources[row["label_source"]] += 1
        tally.statuses[row["label_status"]] += 1
        tally.annotators[row["annotator"]] += 1
        if row["agreement"] is not None:
            tally.agreements.append(row["agreement"])
    columns = item_columns(content.source)
    schema = schema_of(columns)
    theirs = _source_block(content, rows)
    ours = ((c.name, c.kind) for c in columns if c.name not in theirs)
    arrays = theirs | {name: pa.array([row[name] for row in made], kind) for name, kind in ours}
    return pa.table([arrays[name] for name in schema.names], schema=schema)


def _source_block(content: Content, rows: NDArray[np.int64]) -> dict[str, pa.ChunkedArray]:
    if not content.source:
        return {}
    block = content.workspace.table.take(rows, [c.original for c in content.source], mapped=False)
    return {c.name: block.column(i).cast(c.kind) for i, c in enumerate(content.source)}


def _item(content: Content, item_id: str, split: str) -> dict[str, Any]:
    """One row of a split file, without the columns of the table."""
    member = content.by_item.get(item_id) if split == "test" else None
    row = facts_of(content.state, item_id, content.names)
    if not content.with_notes:
        row["note"] = None
    row |= content.selections.of(item_id, member, content.uniform)
    step = content.bulks.get(row["bulk_id"] or "") if row["label_source"] == "bulk" else None
    row |= {"bulk_purity_low": step and step.low, "bulk_purity_high": step and step.high}
    return row | {"item_id": item_id, "duplicate_group": content.groups.get(item_id), "split": split}


def _unresolved(content: Content, tally: Tally) -> Iterator[dict[str, Any]]:
    for rows in _blocks(content, content.unresolved):
        for item_id in content.workspace.ids.texts(rows):
            reason = reason_unresolved(content.state, item_id)
            tally.reasons[str(reason)] += 1
            yield _item(content, item_id, "unresolved") | {"reason": reason}


def _samples(content: Content) -> Iterator[dict[str, Any]]:
    members = content.sampled.with_answers(content.state).members
    for member in sorted(members, key=lambda m: (m.sample, m.item_id)):
        yield member.__dict__


# ---- logs -------------------------------------------------------------------------------------------


def _write_events(content: Content, folder: Path, tally: Tally) -> None:
    with Sink(folder, "data/label_events.parquet", EVENT_SCHEMA, tally) as sink:
        for start in range(0, len(content.events), MOST_ROWS):
            block = content.events[start : start + MOST_ROWS]
            sink.write(events_table(block, content.names, content.with_notes))


def _round(record: RoundRecord) -> dict[str, Any]:
    settings = record.settings
    return {
        "round": record.number,
        "created_at": record.created_at,
        "n_labels": record.n_labels,
        "n_available": record.report.get("n_available"),
        "n_scored": record.report.get("n_scored"),
        "strategy": settings.get("strategy"),
        "classifier": settings.get("classifier"),
        "seed": record.seed,
        "settings": json.dumps(settings, sort_keys=True, ensure_ascii=False),
    }


def _queries(content: Content, records: Iterable[RoundRecord]) -> Iterator[dict[str, Any]]:
    for record in records:
        for query in content.workspace.rounds.queries(record.number):
            yield query.__dict__ | {"round": record.number}


# ---- estimates --------------------------------------------------------------------------------------


def _metrics(content: Content, records: Iterable[RoundRecord], tally: Tally) -> Iterator[dict[str, Any]]:
    """The estimates of all rounds, then those of the certificates; keeps the newest shares of the classes."""
    for row in _all_metrics(content, records):
        if row["measure"] == "prevalence" and row["estimate"] is not None and "guarantee" not in row["estimator"]:
            tally.prevalence[row["class"]] = row
        yield row


def _all_metrics(content: Content, records: Iterable[RoundRecord]) -> Iterator[dict[str, Any]]:
    names = [one["name"] for one in content.taxonomy]
    for record in records:
        report = record.report.get("estimates") or {}
        method = f"{report.get('method')}{', guarantee' if report.get('guarantee') else ''}"
        facts = {"sample": "audit", "round": record.number, "n": report.get("n_audit"), "estimator": method}
        for one in report.get("classes", ()):
            if one["class"] < len(names):
                yield from _measures(one, facts | {"class": names[one["class"]]})
    for campaign in content.workspace.campaigns.records():
        certificate = campaign.certificate or {}
        facts = {
            "sample": f"campaign-{campaign.number}",
            "round": int(campaign.design.get("round") or 0),
            "n": certificate.get("n_answered"),
        }
        for one in certificate.get("classes", ()):
            for mode in CERTIFIED:
                yield from _measures(one[mode], facts | {"class": one["name"], "estimator": f"stratified, {mode}"})


def _measures(one: Mapping[str, Any], facts: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A row for each measure of a class: what has a point and two ends."""
    for measure, interval in sorted(one.items()):
        if isinstance(interval, list) and len(interval) == 3:
            point, low, high = interval
            yield {**facts, "measure": measure, "estimate": point, "lower": low, "upper": high}


# ---- labels of a model alone ------------------------------------------------------------------------


def _write_machine_labels(content: Content, path: Path, folder: Path, tally: Tally) -> None:
    """Copy the labels of a model, block by block, after a look at each class and item."""
    schema = schema_of(MACHINE_LABELS)
    try:
        file = pq.ParquetFile(path)
        seen = np.zeros(content.workspace.table.n_rows, bool)
        with Sink(folder, "data/machine_labels.parquet", schema, tally) as sink:
            for batch in file.iter_batches(MOST_ROWS):
                given = _machine_columns(batch)
                empty = pa.nulls(len(next(iter(given.values()), ())))
                block = pa.table([given.get(f.name, empty).cast(f.type) for f in schema], schema=schema)
                _check_machine_labels(content, block, path, seen)
                sink.write(block)
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path.name} is no table of machine labels ({reason}): write it as Parquet") from error


def _machine_columns(batch: pa.RecordBatch) -> dict[str, pa.Array]:
    """The columns by our names; of a file of ``rareloop predict`` only items that no person has labelled."""
    if "is_labelled" in batch.schema.names and "machine_label" not in batch.schema.names:
        batch = batch.filter(pc.invert(batch.column("is_labelled")))
    given = {name: batch.column(name) for name in batch.schema.names}
    return {ours: given[name] for ours, name in PREDICTED.items() if name in given} | given


def _check_machine_labels(content: Content, block: pa.Table, path: Path, seen: NDArray[np.bool_]) -> None:
    """Raise InputError when a label is of no class, or of no item or one that an earlier row, `seen`, names."""
    for name in ("item_id", "machine_label"):
        if block.column(name).null_count:
            raise InputError(f"{path.name} has rows without {name}: fill the column, or leave them out")
    strange = set(block.column("machine_label").unique().to_pylist()) - set(content.classes)
    if strange:
        raise InputError(f"{path.name} has labels of '{min(strange)}', which is no class: leave them out")
    items = block.column("item_id").to_pylist()
    rows = content.workspace.ids.find(items)
    missing = np.flatnonzero(rows < 0)
    if len(missing):
        raise InputError(f"{path.name} names item '{items[missing[0]]}', which the table has not: leave it out")
    first = np.zeros(len(rows), bool)
    first[np.unique(rows, return_index=True)[1]] = True
    again = np.flatnonzero(seen[rows] | ~first)
    if len(again):
        raise InputError(f"{path.name} names item '{items[again[0]]}' twice: keep one of its rows")
    seen[rows] = True


# ---- rows to files ----------------------------------------------------------------------------------


def _write_rows(
    folder: Path, path: str, rows: Iterable[Mapping[str, Any]], columns: Sequence[Any], tally: Tally
) -> None:
    schema = schema_of(columns)

    def made(block: list[Mapping[str, Any]]) -> pa.Table:
        return pa.table({name: [row.get(name) for row in block] for name in schema.names}, schema=schema)

    with Sink(folder, path, schema, tally) as sink:
        block: list[Mapping[str, Any]] = []
        for row in rows:
            block.append(row)
            if len(block) == MOST_ROWS:
                sink.write(made(block))
                block = []
        sink.write(made(block))
