"""The columns of a package: pinned names, Arrow types and meanings of every Parquet file."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pyarrow as pa

from ..astronomy import unit_of
from ..errors import InputError

PACKAGE_FORMAT = 1
TEXT, NUMBER, WHOLE, YES_NO = pa.string(), pa.float64(), pa.int64(), pa.bool_()
MOMENT = pa.timestamp("us", tz="UTC")

SPLITS = ("train", "validation", "test")
STATUSES = ("consensus", "single", "unseen")
SOURCES = ("manual", "accepted_suggestion", "bulk", "imported", "rule")
MECHANISMS = (
    "uniform", "stochastic", "deterministic", "search", "bulk", "duplicate", "imported", "unknown",
)  # fmt: skip
REASONS = ("unsure", "flagged", "conflict")


@dataclass(frozen=True)
class Column:
    """One column: what it is called, its Arrow type, what it means, and the texts that it may hold."""

    name: str
    kind: pa.DataType
    meaning: str
    values: tuple[str, ...] = ()
    required: bool = False


ITEM_ID = Column("item_id", TEXT, "Identifier of the item in the source table, unique over all splits.",
                 required=True)  # fmt: skip

ANSWER = (
    Column("label_status", TEXT, "consensus: two or more annotators looked and agree; single: one looked; unseen: "
           "the label came from a table or a step over many items, and nobody looked at this one.",
           STATUSES, required=True),
    Column("label_source", TEXT, "How the label was given; accepted_suggestion: the model's suggestion was shown "
           "and taken; bulk: with many others in one step; imported: with the table or by a file; "
           "rule: from items with equal features.",
           SOURCES, required=True),
    Column("annotator", TEXT, "Who gave the answer in force: a pseudonym, unless names are included; 'table' for "
           "labels that came with the table.", required=True),
    Column("n_annotators", WHOLE, "How many people looked at the item and gave it a class.", required=True),
    Column("agreement", NUMBER, "Share of these people whose newest class is the label; null below two people."),
    Column("labelled_at", MOMENT, "When the answer in force was given.", required=True),
    Column("n_events", WHOLE, "Answers and notes that the item has had, undone ones included.", required=True),
    Column("dwell_ms", WHOLE, "How long the item was looked at before the answer, at most 5 minutes (ms)."),
    Column("query_strategy", TEXT, "What asked for the item when the answer in force was given."),
    Column("query_round", WHOLE, "The round that asked for it; null where none did."),
    Column("suggested_label", TEXT, "The model's most likely class when the item was asked."),
    Column("suggested_confidence", NUMBER, "The model's probability of that class."),
    Column("suggestion_shown", YES_NO, "Whether the annotator saw the suggestion; null where it is not known."),
    Column("model_version", TEXT, "The model of the suggestion: 'round-N' is the model fitted in round N."),
    Column("bulk_id", TEXT, "The step in which many items got this answer, on one page or at once."),
    Column("guideline_version", WHOLE, "Version of the guidelines in force; null where there were none."),
    Column("note", TEXT, "The newest note on the item; null unless notes are included."),
)  # fmt: skip
PURITY = (
    Column("bulk_purity_low", NUMBER, "Of a bulk step: lower 95 % limit of the share of its items that are of the "
           "class, from a random sample that was looked at before; null where there was none."),
    Column("bulk_purity_high", NUMBER, "The upper limit."),
)  # fmt: skip
SELECTION = (
    Column("selection_mechanism", TEXT, "How the item came to be labelled: uniform or stochastic draws, "
           "deterministic picks of a strategy, search by a person, bulk steps, duplicates, labels that came with "
           "the table.",
           MECHANISMS, required=True),
    Column("selection_prob", NUMBER, "Probability with which the asking round drew the item, given all that went "
           "before; null where it did not draw. It is no inclusion probability."),
    Column("sample", TEXT, "The probability sample of the row, see samples.parquet; null outside test."),
    Column("inclusion_prob", NUMBER, "Probability with which that sample includes the item; null outside test."),
    Column("sample_weight", NUMBER, "1 / inclusion_prob, for use within one sample; null outside test, and where "
           "the item was asked otherwise as well, so that it stands for itself alone."),
)  # fmt: skip
PLACE = (
    Column("duplicate_group", TEXT, "Items with (nearly) equal features share a group; null without such."),
    Column("split", TEXT, "The split of the row.", required=True),
)

EVENT_COLUMNS = {
    "event_id": Column("event_id", TEXT, "Identifier of the event (UUIDv7).", required=True),
    "seq": Column("seq", WHOLE, "Its place in the order of the log.", required=True),
    "action": Column("action", TEXT, "What was done.", required=True),
    "item_id": Column("item_id", TEXT, "The item; empty for events that concern classes."),
    "label": Column("label", TEXT, "The class, as it was called then."),
    "note": Column("note", TEXT, "The note; null unless notes are included."),
    "target": Column("target_event_id", TEXT, "The event that an undo takes back or a redo brings again."),
    "annotator": Column("annotator", TEXT, "Who did it: a pseudonym, unless names are included.", required=True),
    "created_at": Column("created_at", MOMENT, "When it was done.", required=True),
    "dwell_ms": Column("dwell_ms", WHOLE, "Time for which the item was looked at before (ms)."),
    "input": Column("input", TEXT, "How it was entered: key, mouse, grid, bulk, table, and so on.", required=True),
    "round": Column("query_round", WHOLE, "The round that asked for the item."),
    "strategy": Column("query_strategy", TEXT, "What asked for the item."),
    "probability": Column("selection_prob", NUMBER, "Probability with which it was drawn, where it was drawn."),
    "suggested": Column("suggested_label", TEXT, "The model's most likely class when the item was asked."),
    "suggested_probability": Column("suggested_confidence", NUMBER, "The model's probability of that class."),
    "suggestion_shown": Column("suggestion_shown", YES_NO, "Whether the annotator saw it; null: not known."),
    "bulk": Column("bulk_id", TEXT, "The step in which many items got this answer."),
    "guideline": Column("guideline_version", WHOLE, "Version of the guidelines in force."),
}
MORE = Column("more", TEXT, "Further facts of the event as JSON; null where there are none.")

EVENTS = (*EVENT_COLUMNS.values(), MORE)
UNRESOLVED = (
    ITEM_ID,
    Column("reason", TEXT, "unsure and flagged as the annotator said; conflict: annotators differ.",
           REASONS, required=True),
    Column("label", TEXT, "The newest class that was given; null where none was."),
    *(c for c in ANSWER if c.name not in ("label_status", "label_source")),
    *SELECTION,
    PLACE[0],
)  # fmt: skip
SAMPLES = (
    Column("sample", TEXT, "'audit-N' for the sealed audit, 'campaign-N' for an audit campaign.", required=True),
    ITEM_ID,
    Column("stratum", WHOLE, "The stratum it was drawn from; null where there are none."),
    Column("stratum_size", WHOLE, "Items in that stratum."),
    Column("inclusion_prob", NUMBER, "Probability with which the sample includes the item.", required=True),
    Column("reached", YES_NO, "Whether the item was asked otherwise as well: it stands for itself alone then.",
           required=True),
    Column("answer", TEXT, "labelled; unresolved: unsure or flagged or in conflict; put_off: no answer counts.",
           ("labelled", "unresolved", "put_off"), required=True),
)  # fmt: skip
ROUNDS = (
    Column("round", WHOLE, "Number of the round, from 1.", required=True),
    Column("created_at", MOMENT, "When it was made.", required=True),
    Column("n_labels", WHOLE, "Labels that it had seen.", required=True),
    Column("n_available", WHOLE, "Items that it could have asked."),
    Column("n_scored", WHOLE, "Items that it scored."),
    Column("strategy", TEXT, "The strategy that was set."),
    Column("classifier", TEXT, "The classifier that was fitted."),
    Column("seed", WHOLE, "Seed of its random numbers.", required=True),
    Column("settings", TEXT, "All its settings, as JSON.", required=True),
)
SELECTION_LOG = (
    Column("round", WHOLE, "The round that asked.", required=True),
    Column("rank", WHOLE, "Place in its order of questions, from 0.", required=True),
    Column("item_id", TEXT, "The item that it asked for.", required=True),
    Column("strategy", TEXT, "The strategy, or arm of a mixture, that asked.", required=True),
    Column("selection", TEXT, "deterministic, random, unknown, or sealed (answered already, so not shown).",
           required=True),
    Column("probability", NUMBER, "Probability with which it was drawn; null where it was not drawn."),
    Column("arm_probability", NUMBER, "Probability with which its place went to that arm."),
    Column("score", NUMBER, "What the strategy gave it, in the strategy's own unit."),
)  # fmt: skip
METRICS = (
    Column("sample", TEXT, "What the estimate is made from: 'audit' or 'campaign-N'.", required=True),
    Column("round", WHOLE, "The round whose model is measured; 0 where it was fitted for the campaign alone.",
           required=True),
    Column("class", TEXT, "The class.", required=True),
    Column("measure", TEXT, "What is estimated: prevalence, total, left, precision, recall and so on.",
           required=True),
    Column("estimate", NUMBER, "The estimate; null where there is none."),
    Column("lower", NUMBER, "Lower end of the 95 % interval."),
    Column("upper", NUMBER, "Upper end of the 95 % interval."),
    Column("n", WHOLE, "Answers that it is made from."),
    Column("estimator", TEXT, "How it is made.", required=True),
)  # fmt: skip
MACHINE_LABELS = (
    Column("item_id", TEXT, "Identifier of the item in the source table.", required=True),
    Column("machine_label", TEXT, "The class that the model alone gave; no person has seen it.", required=True),
    Column("confidence", NUMBER, "The model's probability of that class."),
    Column("model_version", TEXT, "The model that gave it."),
)

TABLES: dict[str, tuple[Column, ...]] = {
    "data/label_events.parquet": EVENTS,
    "data/unresolved.parquet": UNRESOLVED,
    "data/samples.parquet": SAMPLES,
    "data/rounds.parquet": ROUNDS,
    "data/selection_log.parquet": SELECTION_LOG,
    "data/machine_labels.parquet": MACHINE_LABELS,
    "metrics.parquet": METRICS,
}


def schema_of(columns: Sequence[Column]) -> pa.Schema:
    """The Arrow schema of columns."""
    return pa.schema([pa.field(c.name, c.kind) for c in columns])


# ---- columns of the source --------------------------------------------------------------------------


@dataclass(frozen=True)
class SourceColumn:
    """A column of the table as it is handed over: its name in the files, its own, its type in them, its unit."""

    name: str
    original: str
    kind: pa.DataType
    unit: str | None = None


def item_columns(source: Sequence[SourceColumn], classes: Sequence[str] = ()) -> tuple[Column, ...]:
    """All columns of a split file in their order."""
    label = Column("label", TEXT, "The class.", tuple(classes), required=True)
    units = {c.name: f" Its unit is {c.unit}." if c.unit else "" for c in source}
    theirs = (Column(c.name, c.kind, f"Column '{c.original}' of the source table.{units[c.name]}") for c in source)
    return (ITEM_ID, *theirs, label, *ANSWER, *PURITY, *SELECTION, *PLACE)


def source_columns(
    schema: pa.Schema, chosen: Sequence[str] | None, left_out: Collection[str | None]
) -> list[SourceColumn]:
    """The columns of the table that are handed over; one whose name is ours is called ``source_NAME``.

    Parameters
    ----------
    chosen
        Their names; None for all but those that are left out.
    left_out
        The identifier, which `item_id` holds, and a column that says the labels, which would give them away.

    Raises
    ------
    InputError
        When one of them is not in the table.
    """
    missing = next((name for name in chosen or () if name not in schema.names), None)
    if missing is not None:
        raise InputError(f"publication.columns names '{missing}', which the table has not: remove it there")
    names = [name for name in schema.names if name not in left_out] if chosen is None else list(chosen)
    ours = {c.name for c in item_columns(())}
    taken, made = ours | set(names), []
    for name in names:
        new = name
        while new in ours or (new != name and new in taken):
            new = f"source_{new}"
        taken.add(new)
        field = schema.field(name)
        made.append(SourceColumn(new, name, portable(field.type), unit_of(field)))
    return made


def portable(kind: pa.DataType) -> pa.DataType:
    """The type that every reader knows in place of one that only some do."""
    types = pa.types
    if types.is_large_string(kind) or types.is_string_view(kind) or types.is_null(kind):
        return pa.string()
    if types.is_large_binary(kind) or types.is_binary_view(kind):
        return pa.binary()
    if types.is_dictionary(kind):
        return portable(kind.value_type)
    if types.is_large_list(kind) or types.is_list(kind):
        return pa.list_(portable(kind.value_type))
    if types.is_fixed_size_list(kind):
        return pa.list_(portable(kind.value_type), kind.list_size)
    if types.is_float16(kind):
        return pa.float32()
    return kind
