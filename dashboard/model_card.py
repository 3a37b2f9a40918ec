"""The model card: what a saved model predicts, how good it was measured to be, and what it is not for."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import yaml

from ..data.campaigns import CampaignRecord
from ..data.export.card import NOT_SAID, said_front_matter
from ..data.export.markdown import bullets, code, markdown_table, plain
from ..data.publication import Publication
from ..data.recipes import IN_WORDS
from ..strategies.certificate import HEADINGS
from ..strategies.priors import Correction
from .newest_model import NewestModel, correction_in_words
from .reasons import plain_name

SHOWN = ("prevalence", "precision", "recall", "f1", "completeness", "purity")
SHARES = ("prevalence", "precision", "recall", "completeness", "purity")
NOT_TRAINING = (
    "Scores on the labels that the model has learned from are not given: those were picked, and would flatter it."
)


def model_card(model: NewestModel, manifest: Mapping[str, Any], name: str) -> str:
    """The whole of MODEL_CARD.md.

    Parameters
    ----------
    manifest
        Of the model.
    name
        What its file or folder is called.
    """
    said = Publication.of(model.workspace.settings)
    head = yaml.safe_dump(_front_matter(model, said), sort_keys=False, allow_unicode=True, width=110)
    title = said.title or model.workspace.name
    sections = [
        f"# A classifier from {plain(title)}",
        *_details(model, manifest, said),
        *_use(model, manifest, name),
        *_columns(model),
        *_measured(model),
        *_labels(model),
        *_limits(model, said),
        *_ending(said),
    ]
    return f"---\n{head}---\n\n" + "\n\n".join(sections) + "\n"


def _front_matter(model: NewestModel, said: Publication) -> dict[str, Any]:
    return said_front_matter(said) | {
        "library_name": "rareloop",
        "pipeline_tag": "tabular-classification",
        "tags": ["sklearn", "skops", "tabular-classification", "active-learning", "rare-class", *said.keywords],
    }


# ---- what it is -------------------------------------------------------------------------------------


def _details(model: NewestModel, manifest: Mapping[str, Any], said: Publication) -> list[str]:
    terms, origin = said.terms, manifest["provenance"]
    people = ", ".join(c.name + (f" ({c.affiliation})" if c.affiliation else "") for c in said.creators)
    wanted = f" Those looked for: {_names(model.wanted)}." if model.wanted else ""
    unlearnt = f" Without a label, and so never predicted: {_names(model.unlearnt)}." if model.unlearnt else ""
    made = ", ".join(f"{name} {version}" for name, version in manifest["software"].items())
    facts = [
        ("Version", code(manifest["version"])),
        ("Classifier", code(manifest["classifier"])),
        ("Made by", plain(people) or "not said"),
        ("Licence", plain(terms.name) if terms is not None else "not said"),
        ("Made with", made),
        (
            "Made from",
            f"{sum(origin['labels'].values()):,} labels of {code(origin['source'])} ({origin['n_items']:,} items, "
            f"SHA-256 {code(origin['source_sha256'])}), the state of the log after {origin['n_events']:,} events, "
            f"with the seed {origin['seed']}",
        ),
    ]
    return [
        plain(said.description) or NOT_SAID,
        "## Model Details",
        bullets(f"**{name}:** {value}" for name, value in facts),
        f"It predicts one of the classes {_names(model.classes)}.{wanted}{unlearnt}",
        "### Probabilities",
        f"{plain(correction_in_words(manifest['correction'], model.classes))} "
        "The numbers of the correction are in manifest.json, under `correction`.",
        _thresholds(model),
    ]


def _thresholds(model: NewestModel) -> str:
    cuts = [
        (name, f"{value:.4g}", source)
        for name, value, source in zip(
            model.classes, model.fitted.thresholds, model.fitted.threshold_sources, strict=True
        )
        if math.isfinite(value)
    ]
    if not cuts:
        return "The class with the largest probability is predicted."
    table = markdown_table(("class", "predicted from", "chosen for"), cuts)
    return f"A class is predicted from its threshold on, of several the one furthest above it.\n\n{table}"


def _use(model: NewestModel, manifest: Mapping[str, Any], name: str) -> list[str]:
    trusted = f", trusted={manifest['trusted']!r}" if manifest["trusted"] else ""
    lines = ["import rareloop", "", f"model = rareloop.load_model({name!r}{trusted})",
             "model.predict(frame)        # a DataFrame with the columns below, as they are in the source",
             "model.predict_proba(frame)  # a DataFrame, one column a class"]  # fmt: skip
    needs = "It needs `pip install 'rareloop[model]'`, and neither the workspace nor the source table."
    if manifest["format"] == "onnx":
        lines = ["import onnxruntime", "", 'session = onnxruntime.InferenceSession("model.onnx")',
                 'session.run(["shown_probabilities"], {"features": features})']  # fmt: skip
        needs = (
            "The graph takes float32 features, which are made from the columns as manifest.json says under "
            "`features`: numbers less their mean over their deviation, missing ones being the median; a column "
            "of 0 "
            "and 1 for each category; arrays less their mean over their deviation. Names are in `names`."
        )
    return ["## How to Get Started with the Model", "```python\n" + "\n".join(lines) + "\n```", needs]


def _columns(model: NewestModel) -> list[str]:
    recipe, rows = model.recipe, []
    for name in recipe.columns:
        more = ""
        if name in recipe.report.categories:
            known = recipe.report.categories[name]
            more = f": {', '.join(known[:12])}{', ...' if len(known) > 12 else ''}"
        elif name in recipe.report.widths:
            more = f", {recipe.report.widths[name]:,} in each"
        rows.append((name, IN_WORDS[recipe.kinds[name]] + more))
    return ["## Columns", markdown_table(("column", "values"), rows)]


# ---- how good it is ---------------------------------------------------------------------------------


def _measured(model: NewestModel) -> list[str]:
    """The newest estimates and the newest certificate; or that there are none."""
    sections = ["## Evaluation", *_estimated(model), *_certified(model)]
    if len(sections) == 1:
        sections.append(
            "**How good this model is has not been measured.** There is neither a sealed audit of the rounds "
            "of its "
            "classifier nor a campaign."
        )
    return [*sections, NOT_TRAINING]


def _estimated(model: NewestModel) -> list[str]:
    record = model.round
    report = None if record is None else record.report.get("estimates")
    if record is None or not report or not report.get("n_audit") or not _has_same_classifier(model):
        return []
    names = model.workspace.taxonomy.names
    known = [one for one in report["classes"] if one["class"] in model.fitted.classes]
    rows = [row for one in known for row in _rows(one, names[one["class"]])]
    whose = (
        "these are of the very labels and settings that this model has"
        if model.is_of_round
        else f"{record.n_labels:,} items had a label then, and {model.n_labels:,} have one now"
    )
    return [
        f"From the sealed audit, {report['n_audit']:,} answers to items drawn at random that no model learns "
        "from, for "
        f"the model of round {record.number}: {whose}. With 95 % intervals.",
        markdown_table(("class", "measure", "estimate", "95 % interval"), rows),
    ]


def _certified(model: NewestModel) -> list[str]:
    record = next((r for r in reversed(model.workspace.campaigns.records()) if r.certificate is not None), None)
    if record is None or record.certificate is None or _classifier_of(record) != model.settings.classifier:
        return []
    rows = [row for one in record.certificate["classes"] for row in _rows(one["default"], one["name"])]
    return [
        f"From the certificate of campaign {record.number}, {record.certificate['n_answered']:,} answers to "
        "items drawn "
        f"at random, for the model of round {record.design.get('round')}, frozen for it; this model may have "
        "learned from more labels since. With 95 % intervals.",
        markdown_table(("class", "measure", "estimate", "95 % interval"), rows),
    ]


def _has_same_classifier(model: NewestModel) -> bool:
    return model.round is not None and model.round.settings.get("classifier") == model.settings.classifier


def _classifier_of(record: CampaignRecord) -> str | None:
    return (record.design.get("settings") or {}).get("classifier")


def _rows(one: Mapping[str, Any], name: str) -> Iterator[tuple[str, str, str, str]]:
    """A row for each measure of a class that has limits."""
    for measure in SHOWN:
        point, low, high = one.get(measure) or (None, None, None)
        if low is None and high is None:
            continue
        shown = [_number(measure, value) for value in (point, low, high)]
        yield name, HEADINGS[measure], shown[0], f"{shown[1]} to {shown[2]}"


def _number(measure: str, value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{100 * value:.3g} %" if measure in SHARES else f"{value:.3g}"


# ---- what it has learned from, and what it does not know --------------------------------------------


def _labels(model: NewestModel) -> list[str]:
    counts = model.workspace.taxonomy.names
    by_class = Counter(counts[c] for c in model.labels.classes.tolist())
    by_arm = Counter(plain_name(arm) if arm else "not known" for arm in model.labels.arms)
    sealed = 0 if model.audit is None else len(model.audit.answers.rows)
    return [
        "## Training Data",
        markdown_table(("class", "labels"), [(name, f"{by_class[name]:,}") for name in model.classes]),
        "The labels were chosen by active learning, to find and tell apart rare classes: they are no random "
        "sample, "
        "and their shares are not those of the population. What chose them:",
        markdown_table(("chosen by", "labels"), [(name, f"{n:,}") for name, n in by_arm.most_common()]),
        f"{sealed:,} answers of the sealed audit were left out."
        + (
            " Probabilities or thresholds were set by them, so that scores on these items would flatter the model."
            if model.fitted.correction == Correction.AUDIT or np.isfinite(model.fitted.thresholds).any()
            else ""
        ),
    ]


def _limits(model: NewestModel, said: Publication) -> list[str]:
    return [
        "## Bias, Risks, and Limitations",
        plain(said.limitations) or NOT_SAID,
        "The model gives probabilities to every row, also to one unlike anything labelled, where they mean "
        "nothing. "
        "`rareloop predict` says of each row how far it is from the nearest labelled item (`unlike_labelled`): "
        "look "
        "at the farthest before you trust what is said of them. A class that nobody has found is never predicted. "
        "Values outside the range of the source table, and another prevalence than that above, make the "
        "probabilities wrong.",
        f"**Uses:** {plain(said.uses) or NOT_SAID} **Not for:** {plain(said.unsuited) or NOT_SAID}",
        f"**Personal information:** {plain(said.personal) or NOT_SAID}",
    ]


def _ending(said: Publication) -> list[str]:
    return [
        "## Citation",
        plain(said.citation) or NOT_SAID,
        "## Model Card Contact",
        plain(said.contact) or NOT_SAID,
    ]


def _names(names: Sequence[str]) -> str:
    return ", ".join(plain(name) for name in names)
