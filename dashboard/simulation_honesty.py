"""What the audit of a simulation said beside what is true, as columns of its output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

KINDS = (
    "total", "left", "prevalence", "precision", "recall", "f1", "f_beta", "completeness", "purity", "ap", "auroc",
)  # fmt: skip


def with_columns(record: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """A record with one column for each number: ``CLASS: recall``, ``… low``, ``… high``, ``… true``.

    Records without an audit, or without a model yet, have none of them.

    Parameters
    ----------
    record
        Of `simulate`.
    names
        Of the classes, by index.
    """
    flat = {name: value for name, value in record.items() if name not in ("estimates", "truth")}
    estimates = record.get("estimates")
    if estimates is None:
        return flat
    flat |= {"n_audit": estimates["n_audit"], "n_hits": estimates["n_hits"], "interval": estimates["method"]}
    for entry in estimates["classes"]:
        truth = record["truth"][str(entry["class"])]
        for kind in KINDS:
            point, low, high = entry[kind]
            column = f"{names[entry['class']]}: {kind}"
            flat |= {
                column: point,
                f"{column} low": low,
                f"{column} high": high,
                f"{column} true": truth.get(kind),
            }
    return flat
