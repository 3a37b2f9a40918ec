"""The texts of a package: licence, citation, guidelines, history of versions, classes, provenance."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from collections.abc import Mapping, Sequence
from datetime import date
from html import escape
from typing import Any

import yaml

from ...version import __version__
from ..settings_file import plain
from .columns import PACKAGE_FORMAT
from .content import Content
from .licences import notice
from .replay import events_table

PACKAGES = ("numpy", "pandas", "pyarrow", "scikit-learn", "scipy", "modAL-python")
NO_LICENCE = "There is no licence yet: this package is a draft, and nobody may use or pass on its files.\n"
NO_GUIDELINES = "# Guidelines\n\nThere were no written guidelines.\n"


def licence_text(content: Content) -> str:
    """The text of LICENSE."""
    terms = content.publication.terms
    if terms is None:
        return NO_LICENCE
    holders = ", ".join(c.name for c in content.publication.creators) or content.title
    return notice(terms, content.title, holders, content.moment.year)


def citation_text(content: Content, version: str) -> str:
    """The text of CITATION.cff."""
    p, terms = content.publication, content.publication.terms
    values: dict[str, Any] = {
        "cff-version": "1.2.0",
        "message": p.citation or "If you use this data set, please cite it as below.",
        "type": "dataset",
        "title": content.title,
        "version": version,
        "date-released": content.moment.strftime("%Y-%m-%d"),
        "authors": [_author(c.name, c.orcid, c.affiliation) for c in p.creators] or [{"name": "Anonymous"}],
    }
    if terms is not None and not terms.spdx.startswith("LicenseRef-"):
        values["license"] = terms.spdx
    elif terms is not None:
        values["license-url"] = terms.url
    if p.url:
        values["url"] = p.url
    if p.keywords:
        values["keywords"] = list(p.keywords)
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def _author(name: str, orcid: str, affiliation: str) -> dict[str, str]:
    author = {"name": name}
    if orcid:
        author["orcid"] = orcid if orcid.startswith("https://") else f"https://orcid.org/{orcid}"
    return author | ({"affiliation": affiliation} if affiliation else {})


def guidelines_text(content: Content) -> str:
    """The newest version of the guidelines, or that there were none."""
    if not content.guidelines:
        return NO_GUIDELINES
    return content.workspace.guidelines.read(content.guidelines[-1]).text


def changelog_text(content: Content, entries: Sequence[Mapping[str, Any]]) -> str:
    """The text of CHANGELOG.md: versions, the newest first, then what happened on each day of the log."""
    lines = ["# Changes", ""]
    for entry in reversed(entries):
        lines += [f"## {entry['version']} ({entry['date']})", ""]
        lines += [f"- {escape(sentence, quote=False)}" for sentence in entry["sentences"]] + [""]
    lines += ["## Days of labelling", "", "| day (UTC) | events | items answered |", "| --- | --- | --- |"]
    days: dict[date, list[str]] = {}
    for event in content.events:
        days.setdefault(event.created_at.date(), []).append(event.item_id)
    lines += [f"| {day} | {len(items):,} | {len(set(items) - {''}):,} |" for day, items in sorted(days.items())]
    return "\n".join(lines) + "\n"


def taxonomy_json(content: Content) -> dict[str, Any]:
    """The content of taxonomy.json: the classes, and the events that made, renamed or merged them."""
    events = [event for event in content.events if not event.item_id]
    rows = events_table(events, content.names, content.with_notes).to_pylist() if events else []
    return {"classes": content.taxonomy, "events": [_event(row) for row in rows]}


def _event(row: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in row.items() if value is not None and key != "item_id"}
    return kept | {"created_at": row["created_at"].isoformat()}


def provenance_json(
    content: Content, version: str, digest: str, entries: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The content of provenance.json: what made the package from what; no paths, no names of people."""
    workspace = content.workspace
    settings = workspace.settings
    return {
        "package_format": PACKAGE_FORMAT,
        "name": content.name,
        "version": version,
        "draft": content.is_draft,
        "state_of": content.moment.isoformat(),
        "n_events": len(content.events),
        "digest": digest,
        "versions": list(entries),
        "tool": {"name": "rareloop", "version": __version__, "python": platform.python_version()},
        "packages": {name: _version(name) for name in PACKAGES},
        "source": {
            "file": workspace.source.name,
            "size": workspace.fingerprint.size,
            "sha256": workspace.fingerprint.sha256,
            "n_rows": workspace.table.n_rows,
            "identifier": workspace.roles.id,
            "columns": [{"name": c.name, "original": c.original, "type": str(c.kind)} for c in content.source],
        },
        "features": list(workspace.roles.features),
        "infinite": workspace.infinite,
        "seed": int(settings.get("seed", 0)),
        "round_settings": dict(sorted(plain(settings.get("round") or {}).items())),
        "included": list(content.publication.include),
        "guideline_versions": content.guidelines,
        "samples": _designs(content),
    }


def _designs(content: Content) -> list[dict[str, Any]]:
    """What was drawn from what, for each sample."""
    campaigns = [
        {
            "sample": f"campaign-{record.number}",
            "status": record.status,
            "strata_sizes": record.design["strata"]["sizes"],
            "seed": record.design["seed"],
            "n_items": record.design["n_items"],
            "n_rest": record.design["n_rest"],
        }
        for record in content.workspace.campaigns.records()
    ]
    audit = content.workspace.audits.current()
    if audit is None:
        return campaigns
    stages = [
        {"number": stage.number, "levels": list(stage.levels), "reach": stage.reach} for stage in audit.stages
    ]
    return [{"sample": f"audit-{audit.number}", "seed": audit.seed, "n_items": audit.n_items, "stages": stages},
            *campaigns]  # fmt: skip


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def as_json(value: Any) -> str:
    """JSON for people and programs; numbers that JSON does not have are refused."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=str) + "\n"
