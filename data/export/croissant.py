"""The description of a package as Croissant 1.1 with the RAI vocabulary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .columns import SPLITS, TABLES, Column, item_columns
from .content import Content, Tally
from .descriptions import croissant_type
from .files import FileFacts
from .splits import HELD_OUT

CONFORMS_TO = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
PARQUET = "application/x-parquet"
URLS = {"train": "cr:TrainingSplit", "validation": "cr:ValidationSplit", "test": "cr:TestSplit"}
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "description": {"@container": "@language"},
    "name": {"@container": "@language"},
    **{
        name: f"cr:{name}"
        for name in (
            "annotation", "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract",
            "field", "fileObject", "fileProperty", "fileSet", "format", "includes", "isArray", "isLiveDataset",
            "jsonPath",
            "key", "md5", "parentField", "path", "recordSet", "references", "regex", "repeated", "replace",
            "samplingRate", "sdVersion", "separator", "source", "subField", "transform",
        )
    },
}  # fmt: skip


def croissant(content: Content, tally: Tally, version: str, files: Mapping[str, FileFacts]) -> dict[str, Any]:
    """The document; `files` are all files but itself and the list of checksums."""
    p, terms = content.publication, content.publication.terms
    document: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": content.name,
        "alternateName": content.title,
        "description": p.description or f"Labels of {content.title}.",
        "conformsTo": CONFORMS_TO,
        "version": version,
        "datePublished": f"{content.moment:%Y-%m-%d}",
        "dateModified": f"{content.moment:%Y-%m-%d}",
        "url": p.url or f"urn:rareloop:{content.name}:{version}",
        "isLiveDataset": False,
        "sdVersion": version,
        "citeAs": content.citation(version),
        "keywords": ["active learning", "rare classes", *p.keywords],
        "inLanguage": p.language or "en",
    }
    if terms is not None:
        document["license"] = terms.spdx_url
        document["sdLicense"] = terms.spdx_url
    if p.creators:
        document["creator"] = [_person(c.name, c.orcid, c.affiliation) for c in p.creators]
    document |= _provenance(content)
    document |= _responsible(content, tally)
    document["distribution"] = _distribution(content, tally, files)
    document["recordSet"] = _record_sets(content, tally)
    return document


def _person(name: str, orcid: str, affiliation: str) -> dict[str, Any]:
    person: dict[str, Any] = {"@type": "sc:Person", "name": name}
    if orcid:
        person["identifier"] = orcid if orcid.startswith("https://") else f"https://orcid.org/{orcid}"
    if affiliation:
        person["affiliation"] = {"@type": "sc:Organization", "name": affiliation}
    return person


def _provenance(content: Content) -> dict[str, Any]:
    return {
        "prov:wasDerivedFrom": {"@id": f"urn:sha256:{content.workspace.fingerprint.sha256}"},
        "prov:wasGeneratedBy": {
            "@type": "prov:Activity",
            "prov:label": "labelling with active learning",
            "prov:endedAtTime": content.moment.isoformat(),
        },
    }


def _responsible(content: Content, tally: Tally) -> dict[str, Any]:
    """The RAI fields that can be filled: what was counted, and what the authors said."""
    p = content.publication
    n_people = sum(name != "table" for name in tally.annotators)
    fields = {
        "rai:dataCollection": p.collection,
        "rai:dataAnnotationProtocol": "People labelled items one at a time; GUIDELINES.md has the guidelines."
        if content.guidelines
        else "People labelled items one at a time; there were no written guidelines.",
        "rai:dataAnnotationPlatform": "rareloop",
        "rai:dataAnnotationAnalysis": f"{len(tally.agreements)} labelled items were looked at by several people; "
        f"{tally.reasons['conflict']} items on which people differ are kept apart as unresolved.",
        "rai:annotationsPerItem": "1, where not said otherwise in n_annotators",
        "rai:annotatorDemographics": f"{n_people} annotator{'' if n_people == 1 else 's'}; nothing else "
        "was recorded of them.",
        "rai:machineAnnotationTools": "Suggestions of a classifier that was fitted again and again; the column "
        "suggestion_shown says where one was shown.",
        "rai:dataBiases": "Rows of train and validation were picked by active learning: class frequencies are not "
        f"those of the population. {p.limitations}".strip(),
        "rai:dataLimitations": p.limitations,
        "rai:dataUseCases": p.uses or "Training and testing classifiers.",
        "rai:personalSensitiveInformation": p.personal,
        "rai:dataReleaseMaintenancePlan": "Versions follow semantic versioning: a changed label, a removed row or "
        "a moved split is a new major version.",
    }
    return {key: value for key, value in fields.items() if value}


# ---- files ------------------------------------------------------------------------------------------


def _distribution(content: Content, tally: Tally, files: Mapping[str, FileFacts]) -> list[dict[str, Any]]:
    objects = [
        {
            "@type": "cr:FileObject",
            "@id": path,
            "name": path.rpartition("/")[2],
            "contentUrl": path,
            "contentSize": f"{files[path].size} B",
            "encodingFormat": PARQUET,
            "sha256": files[path].sha256,
        }
        for path in sorted(tally.n_rows)
    ]
    if any(split in SPLITS for split in content.split_files):
        objects.append(
            {
                "@type": "cr:FileSet",
                "@id": "split-files",
                "name": "split-files",
                "encodingFormat": PARQUET,
                "includes": "data/*-00000-of-00001.parquet",
            }
        )
    return objects


def _record_sets(content: Content, tally: Tally) -> list[dict[str, Any]]:
    splits = [split for split in content.split_files if split in SPLITS]
    items = item_columns(content.source)
    sets = [_classes(content)]
    if splits:
        sets += [_splits(splits), _table("items", items, {"fileSet": {"@id": "split-files"}})]
    tables = {f"items-{split}": (path, items) for split, path in content.split_files.items() if split == HELD_OUT}
    tables |= {
        path.rpartition("/")[2].removesuffix(".parquet"): (path, columns) for path, columns in TABLES.items()
    }
    sets += [
        _table(name, columns, {"fileObject": {"@id": path}})
        for name, (path, columns) in tables.items()
        if tally.n_rows.get(path)
    ]
    return sets


def _splits(splits: Sequence[str]) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [
            _field("splits", "name", "sc:Text", "The split."),
            _field("splits", "url", "sc:URL", "Its kind."),
        ],
        "data": [{"splits/name": split, "splits/url": URLS[split]} for split in splits],
    }


def _classes(content: Content) -> dict[str, Any]:
    meaning = {one["name"]: one.get("definition", "") for one in content.taxonomy}
    fields = [
        _field("classes", "name", "sc:Text", "The class."),
        _field("classes", "definition", "sc:Text", "What is one of it."),
    ]
    return {
        "@type": "cr:RecordSet",
        "@id": "classes",
        "name": "classes",
        "dataType": "sc:Enumeration",
        "key": {"@id": "classes/name"},
        "field": fields,
        "data": [{"classes/name": name, "classes/definition": meaning[name]} for name in content.classes],
    }


def _field(record_set: str, name: str, kind: Any, meaning: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{record_set}/{name}",
        "name": name,
        "description": meaning,
        "dataType": kind,
    }


def _table(name: str, columns: Sequence[Column], source: Mapping[str, Any]) -> dict[str, Any]:
    """A record set of a Parquet file; columns that only Parquet can describe are left out."""
    fields = []
    for column in columns:
        kind: Any = croissant_type(column.kind)
        if kind is None:
            continue
        is_label = column.name == "label" and name == "items"
        field = _field(name, column.name, [kind, "cr:Label"] if is_label else kind, column.meaning)
        if is_label:
            field["references"] = {"field": {"@id": "classes/name"}}
        if column.name == "annotator":
            field["equivalentProperty"] = "prov:wasAttributedTo"
        fields.append(field | {"source": {**source, "extract": {"column": column.name}}})
    record_set: dict[str, Any] = {"@type": "cr:RecordSet", "@id": name, "name": name, "field": fields}
    if columns[0].name in ("item_id", "event_id") and columns[0].name == fields[0]["name"]:
        record_set["key"] = {"@id": f"{name}/{columns[0].name}"}
    return record_set
