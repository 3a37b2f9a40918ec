"""The description of a package as a Data Package (version 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .columns import TABLES, Column, item_columns
from .content import Content, Tally
from .descriptions import frictionless_type
from .files import FileFacts

PROFILE = "https://datapackage.org/profiles/2.0/datapackage.json"
KEYS = {"data/label_events.parquet": ["event_id"], "data/unresolved.parquet": ["item_id"],
        "data/samples.parquet": ["sample", "item_id"], "data/rounds.parquet": ["round"],
        "data/selection_log.parquet": ["round", "rank"]}  # fmt: skip


def datapackage(content: Content, tally: Tally, version: str, files: Mapping[str, FileFacts]) -> dict[str, Any]:
    """The document; checksums are in the property ``sha256``, since no reader checks ``hash`` of Parquet files."""
    p, terms = content.publication, content.publication.terms
    document: dict[str, Any] = {
        "$schema": PROFILE,
        "name": content.name,
        "id": f"urn:rareloop:{content.name}:{version}",
        "title": content.title,
        "description": p.description or f"Labels of {content.title}.",
        "version": version,
        "created": content.moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "keywords": ["active learning", "rare classes", *p.keywords],
    }
    if p.url:
        document["homepage"] = p.url
    if terms is not None:
        name = terms.open_definition or terms.spdx
        document["licenses"] = [{"name": name, "path": terms.url, "title": terms.name}]
    if p.creators:
        document["contributors"] = [{"title": c.name, "roles": ["creator", "dataCurator"]} for c in p.creators]
    source = {"title": p.source_title or content.workspace.source.name,
              "version": f"sha256:{content.workspace.fingerprint.sha256}"}  # fmt: skip
    document["sources"] = [source | ({"path": p.source_url} if p.source_url else {})]
    document["resources"] = [
        _resource(path, _columns(content, path), files[path])
        for path in sorted(tally.n_rows)
        if tally.n_rows[path]
    ]
    return document


def _columns(content: Content, path: str) -> Sequence[Column]:
    return TABLES.get(path) or item_columns(content.source, content.classes)


def _resource(path: str, columns: Sequence[Column], facts: FileFacts) -> dict[str, Any]:
    name = path.rpartition("/")[2].removesuffix(".parquet").partition("-")[0].replace("_", "-")
    schema: dict[str, Any] = {"fields": [_field(column) for column in columns]}
    schema["primaryKey"] = KEYS.get(path, ["item_id"]) if path != "metrics.parquet" else None
    return {
        "name": name,
        "type": "table",
        "path": path,
        "format": "parquet",
        "mediatype": "application/vnd.apache.parquet",
        "sha256": facts.sha256,
        "schema": {key: value for key, value in schema.items() if value},
    }


def _field(column: Column) -> dict[str, Any]:
    field: dict[str, Any] = {"name": column.name, "description": column.meaning,
                             "type": frictionless_type(column.kind, may_be_null=not column.required)}  # fmt: skip
    constraints: dict[str, Any] = {"required": True} if column.required else {}
    if column.values:
        constraints["enum"] = list(column.values)
    if column.name == "inclusion_prob" and column.required:
        constraints |= {"minimum": 0, "maximum": 1}
    if column.name == "label" and column.values:
        field["categories"] = list(column.values)
    return field | ({"constraints": constraints} if constraints else {})
