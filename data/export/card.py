"""The dataset card: README.md with what Hugging Face reads, and what a person must know before using the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from ..publication import Publication
from .columns import MECHANISMS, SPLITS, Column, item_columns, schema_of
from .content import Content, Tally
from .descriptions import hugging_face_features, type_words
from .markdown import bullets, code, markdown_table, plain
from .replay import TABLE
from .selection import AUDIT
from .splits import HELD_OUT

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))
NOT_SAID = "The authors have not said anything on this."
NOT_FREQUENCIES = (
    "Class frequencies in train and validation are **not** population frequencies: their rows were picked to find "
    "and tell apart rare classes."
)
TEST = (
    "**test** has items of probability samples alone (`data/samples.parquet`), drawn by chance with known "
    "probabilities, not picked by a model."
)
NO_TEST = "There is no **test** split: no labelled item is of a probability sample."
MEASURE = "Measure models on test with `sample_weight`, sample by sample, and give intervals."
NO_MEASURE = "Label a random sample of your own before you say how good a model is."
CONFIGS = {
    "label_events": "data/label_events.parquet",
    "unresolved": "data/unresolved.parquet",
    "samples": "data/samples.parquet",
    "rounds": "data/rounds.parquet",
    "selection_log": "data/selection_log.parquet",
    "machine_labels": "data/machine_labels.parquet",
    "metrics": "metrics.parquet",
    HELD_OUT: f"data/{HELD_OUT}.parquet",
}


def card(content: Content, tally: Tally, version: str, sizes: Mapping[str, int]) -> str:
    """The whole of README.md; `sizes` are the bytes of the files."""
    head = yaml.safe_dump(front_matter(content, tally, sizes), sort_keys=False, allow_unicode=True, width=110)
    sections = [
        f"# {plain(content.title)}, version {version}",
        *(["**This is a draft. It is not meant to be used or passed on.**"] if content.is_draft else []),
        *_details(content, version),
        *_uses(content),
        *_structure(content, tally),
        *_creation(content, tally),
        *_limits(content, tally),
        *_ending(content, version),
    ]
    return f"---\n{head}---\n\n" + "\n\n".join(sections) + "\n"


# ---- what Hugging Face reads ------------------------------------------------------------------------


def front_matter(content: Content, tally: Tally, sizes: Mapping[str, int]) -> dict[str, Any]:
    """The YAML of the card."""
    publication = content.publication
    n_rows = sum(tally.n_rows[path] for path in content.split_files.values())
    values: dict[str, Any] = {"pretty_name": content.title} | said_front_matter(publication)
    values |= {
        "annotations_creators": ["expert-generated"],
        "source_datasets": ["original"],
        "task_categories": ["tabular-classification"],
        "size_categories": [next((name for most, name in SIZES if n_rows < most), "10M<n<100M")],
        "tags": ["active-learning", "rare-class", "tabular", "mlcroissant", *publication.keywords],
        "configs": _configs(content, tally),
    }
    info = _dataset_info(content, tally, sizes)
    return values | ({"dataset_info": [info]} if info else {})


def said_front_matter(publication: Publication) -> dict[str, Any]:
    """Licence and language, where they have been said, in the words of Hugging Face."""
    values: dict[str, Any] = {}
    terms = publication.terms
    if terms is not None:
        values["license"] = terms.hugging_face
        if terms.hugging_face == "other":
            values |= {"license_name": terms.spdx, "license_link": terms.url}
    if publication.language:
        values["language"] = [publication.language]
    return values


def _configs(content: Content, tally: Tally) -> list[dict[str, Any]]:
    files = [{"split": split, "path": path} for split, path in content.split_files.items() if split in SPLITS]
    others = [(name, path) for name, path in CONFIGS.items() if tally.n_rows.get(path)]
    main = [{"config_name": "default", "default": True, "data_files": files}] if files else []
    return main + [{"config_name": name, "data_files": path} for name, path in others]


def _dataset_info(content: Content, tally: Tally, sizes: Mapping[str, int]) -> dict[str, Any] | None:
    features = hugging_face_features(schema_of(item_columns(content.source)), content.classes)
    files = {split: path for split, path in content.split_files.items() if split in SPLITS}
    if features is None or not files:
        return None
    return {
        "config_name": "default",
        "features": features,
        "splits": [
            {"name": split, "num_bytes": tally.n_bytes[path], "num_examples": tally.n_rows[path]}
            for split, path in files.items()
        ],
        "download_size": sum(sizes[path] for path in files.values()),
        "dataset_size": sum(tally.n_bytes[path] for path in files.values()),
    }


# ---- what a person reads ----------------------------------------------------------------------------


def _details(content: Content, version: str) -> list[str]:
    p, terms = content.publication, content.publication.terms
    people = ", ".join(c.name + (f" ({c.affiliation})" if c.affiliation else "") for c in p.creators)
    facts = [
        ("Version", version),
        ("Made from the state of", f"{content.moment:%Y-%m-%d %H:%M:%S} UTC"),
        ("Curated by", people or "not said"),
        ("Licence", f"{terms.name} ({terms.spdx}), {terms.url}" if terms else "none: nobody may use the data yet"),
        ("Address", p.url or "none"),
    ]
    source = p.source_title or content.workspace.source.name
    return [
        "## Dataset Details",
        "### Dataset Description",
        plain(p.description) or NOT_SAID,
        bullets(f"**{name}:** {plain(value)}" for name, value in facts),
        "### Dataset Sources",
        f"The rows are from the table {code(source)}{f' ({p.source_url})' if p.source_url else ''}, of "
        f"{content.workspace.table.n_rows:,} rows; the SHA-256 of its file is "
        f"{code(content.workspace.fingerprint.sha256)}.",
    ]


def _uses(content: Content) -> list[str]:
    p = content.publication
    direct = plain(p.uses) or "Training and testing classifiers of the classes below on the columns of the source."
    unsuited = (
        "Reading class frequencies, or anything else about the population, off the rows of train or validation; "
        "mixing the labels of a model with those of people."
    )
    return [
        "## Uses",
        "### Direct Use",
        direct,
        "### Out-of-Scope Use",
        f"{unsuited} {plain(p.unsuited)}".strip(),
    ]


def _structure(content: Content, tally: Tally) -> list[str]:
    files = [(path, f"{n:,}") for path, n in sorted(tally.n_rows.items())]
    columns = item_columns(content.source)
    n_held = tally.of_split(HELD_OUT)
    return [
        "## Dataset Structure",
        "One row of a split file is one labelled item. `data/label_events.parquet` is the whole history, from "
        "which the labels follow; undone and corrected answers are in it. `data/unresolved.parquet` has the items "
        "that annotators were unsure of, flagged, or do not agree on: they are in no split.",
        markdown_table(("file", "rows"), files),
        "### Splits",
        f"{TEST if tally.of_split('test') else NO_TEST} **validation** is the tenth of the other labels with the "
        "smallest hashes of their identifiers: it is not a random sample of the population. **train** is the "
        "rest. Items with (nearly) the same features share a `duplicate_group` and stand on one side.",
        *(
            [f"**held_out** has {n_held:,} labelled items that may not be learnt from: near-duplicates of test "
             "items, and answers to samples that are under way."] if n_held else []
        ),
        _class_table(content, tally),
        NOT_FREQUENCIES,
        "### Columns",
        _column_table(columns),
    ]  # fmt: skip


def _class_table(content: Content, tally: Tally) -> str:
    """Labels of each class by split, and its share of the pool where it has been estimated."""
    splits = [split for split in (*SPLITS, HELD_OUT) if tally.of_split(split)]
    rows = []
    for one in content.taxonomy:
        if one["name"] not in content.classes:
            continue
        counts = [f"{tally.labels[split, one['name']]:,}" for split in splits]
        rows.append((one["name"], *counts, _share(tally.prevalence.get(one["name"])), one.get("definition", "")))
    head = ("class", *splits, "estimated share of the pool (95 % interval)", "definition")
    return markdown_table(head, rows)


def _share(estimate: Mapping[str, Any] | None) -> str:
    if estimate is None:
        return "not estimated"
    ends = [f"{100 * estimate[end]:.3g}" if estimate[end] is not None else "?" for end in ("lower", "upper")]
    return (
        f"{100 * estimate['estimate']:.3g} % ({ends[0]} to {ends[1]} %; {estimate['sample']}, n = {estimate['n']})"
    )


def _creation(content: Content, tally: Tally) -> list[str]:
    p = content.publication
    return [
        "## Dataset Creation",
        "### Curation Rationale",
        _rationale(content),
        "### Source Data",
        "#### Data Collection and Processing",
        plain(p.collection) or NOT_SAID,
        f"Handed over are {_source_words(content)}, as they are in the table.",
        "#### Who are the source data producers?",
        f"{plain(p.source_title)} {p.source_url}".strip() or NOT_SAID,
        "### How rows were selected",
        *_selection(content, tally),
        "### Annotations",
        "#### Annotation process",
        *_process(content, tally),
        "#### Who are the annotators?",
        _annotators(content, tally),
        "### Personal and Sensitive Information",
        plain(p.personal) or NOT_SAID,
    ]


def _rationale(content: Content) -> str:
    wanted = [f"'{one['name']}'" for one in content.taxonomy if one.get("wanted")]
    words = "The class looked for was" if len(wanted) == 1 else "The classes looked for were"
    looked_for = f"{words} {plain(', '.join(wanted))}. " if wanted else ""
    return (
        f"{looked_for}Items were labelled one after another by people with rareloop, which asks for the items "
        "that help most to find and tell apart rare classes."
    )


def _source_words(content: Content) -> str:
    n = len(content.source)
    return f"{n} column{'s' if n > 1 else ''} of the table" if n else "no columns of the table but the identifiers"


def _selection(content: Content, tally: Tally) -> list[str]:
    used = [m for m in MECHANISMS if any(m == each for _, each in tally.mechanisms)]
    splits = [split for split in (*SPLITS, HELD_OUT) if tally.of_split(split)]
    rows = [(m, *(f"{tally.mechanisms[split, m]:,}" for split in splits)) for m in used]
    paragraphs = [markdown_table(("selection_mechanism", *splits), rows)]
    members = content.sampled.members
    if not members:
        return [
            *paragraphs,
            "There is no probability sample, and so no test split: nothing in these rows can tell how well a "
            "model does on the population, or how frequent a class is.",
        ]
    for sample in sorted({m.sample for m in members}):
        inside = [m for m in members if m.sample == sample]
        n_reached = sum(m.reached for m in inside)
        kind = "sealed audit" if sample.startswith(AUDIT) else "audit campaign"
        design = "with one probability for all" if content.uniform[sample] else "with probabilities that differ"
        paragraphs.append(
            f"**{sample}** is a {kind} of {len(inside):,} answers, drawn {design} from the items that nothing "
            f"else had asked for. {n_reached:,} of them were asked otherwise as well: these have no weight and "
            "stand for themselves alone, as the rows of train and validation do."
        )
    paragraphs.append(
        "`sample_weight` is one over the inclusion probability. Use the weights within one `sample`. For numbers "
        "of the whole table take the audit: its weighted shares hold for the rows without another answer, and "
        "every other labelled row counts once. A campaign measured what was unlabelled when it began: see "
        "metrics.parquet. Items of a sample without a class (unsure, flagged, in conflict) are in "
        "`data/samples.parquet` and have no row in test. `selection_prob` in train and validation is the chance "
        "in one draw, given everything before it: do not weight by it."
    )
    return paragraphs


def _process(content: Content, tally: Tally) -> list[str]:
    """How labels were given: facts that were counted."""
    parts = [
        markdown_table(("label_source", "rows"), [(name, f"{k:,}") for name, k in sorted(tally.sources.items())])
    ]
    n_agreed, n_differing = len(tally.agreements), tally.reasons["conflict"]
    parts.append(
        f"Two or more people looked at {n_agreed + n_differing:,} items: they agree on {n_agreed:,} of them, and "
        f"differ on {n_differing:,}, which are unresolved."
        if n_agreed + n_differing
        else "No item was looked at by two people: how far annotators agree is not known."
    )
    shown = "Questions of the audit and of campaigns were asked without a suggestion of the model. "
    guide = (
        f"The guidelines are in GUIDELINES.md (version {content.guidelines[-1]})."
        if content.guidelines
        else "There were no written guidelines."
    )
    return [*parts, f"{shown if content.sampled.members else ''}{guide}"]


def _annotators(content: Content, tally: Tally) -> str:
    people = {name: n for name, n in sorted(tally.annotators.items()) if name != TABLE}
    said = ", ".join(f"{plain(name)} ({n:,})" for name, n in people.items()) or "nobody"
    named = "by name" if "annotators" in content.publication.include else "by pseudonym"
    table = tally.annotators.get(TABLE, 0)
    return f"Labels in force, {named}: {said}." + (f" {table:,} labels came with the table." if table else "")


def _limits(content: Content, tally: Tally) -> list[str]:
    reasons = ", ".join(f"{n:,} {reason}" for reason, n in sorted(tally.reasons.items())) or "none"
    return [
        "## Bias, Risks, and Limitations",
        plain(content.publication.limitations) or NOT_SAID,
        f"{NOT_FREQUENCIES} Parts of the population that no strategy looked into are missing. Unresolved items: "
        f"{reasons}. What annotators find hard is therefore rarer in the splits than in the population.",
        "### Recommendations",
        f"{MEASURE if tally.of_split('test') else NO_MEASURE} Keep the near-duplicates together "
        "(`duplicate_group`) in splits of your own.",
    ]


def _ending(content: Content, version: str) -> list[str]:
    p = content.publication
    people = ", ".join(c.name for c in p.creators)
    model = (
        "A model that has learned from these labels is in model/, described in model/MODEL_CARD.md. What it "
        "predicts may have been set by the audit, which is in test: do not measure it there. "
        if content.model is not None
        else ""
    )
    return [
        "## Citation",
        plain(content.citation(version)),
        "## Glossary",
        "pool: all rows of the source table. query: the question for the class of one item. round: fitting a "
        "model and choosing the next queries. sealed audit: a random sample whose answers no model learns from. "
        "campaign: a random sample drawn in one go to measure a frozen model. prevalence: the share of a class in "
        "the pool.",
        "## More Information",
        f"{model}Check this package with `rareloop verify`. "
        f"Version {version} is described in CHANGELOG.md, the classes "
        "in taxonomy.json, software, seeds and settings in provenance.json.",
        "## Dataset Card Authors",
        f"Written by rareloop from the log{f', with texts of {plain(people)}' if people else ''}.",
        "## Dataset Card Contact",
        plain(p.contact) or NOT_SAID,
    ]


# ---- columns ----------------------------------------------------------------------------------------


def _column_table(columns: Sequence[Column]) -> str:
    rows = [(f"`{c.name}`", type_words(c.kind), c.meaning + _values(c)) for c in columns]
    return markdown_table(("column", "type", "meaning"), rows)


def _values(column: Column) -> str:
    return f" One of: {', '.join(column.values)}." if column.values else ""
