"""Workspaces whose model is predicted with or saved: numbers, texts and arrays, some of them missing."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
from rareloop.data.labels import Action, Event, new_event_id
from rareloop.data.workspace import Workspace, workspace_folder

N = 300
RARE = range(0, N, 20)


def rows(n=N, seed=0):
    """A table of objects, of which each 20th is rare."""
    rng = np.random.default_rng(seed)
    mag, colour = rng.normal(size=(2, n))
    mag[::20] += 5
    colour[3::50] = np.nan
    band = rng.choice(["g", "r", "=1+1"], n).astype(object)
    band[7] = None
    spectrum = rng.normal(size=(n, 4))
    return pd.DataFrame(
        {
            "object": [f"o{i}" for i in range(n)],
            "mag": mag,
            "colour": colour,
            "band": band,
            "spectrum": list(spectrum),
            "seen": rng.random(n) < 0.5,
        }
    )


def labelled(tmp_path, labels=None, **settings):
    """A prepared workspace of `rows` with some labels, without an audit unless the settings say so."""
    source = tmp_path / "objects.parquet"
    rows().to_parquet(source, index=False)
    workspace = Workspace.create(workspace_folder(source), source)
    roles = workspace.roles
    roles.id, roles.features = "object", ["mag", "colour", "band", "spectrum", "seen"]
    workspace.confirm(roles, ["=rare", "common", "other"], wanted=["=rare"])
    workspace.settings["round"] = {"audit_share": 0.0, **settings}
    workspace.save()
    workspace.prepare()
    chosen = [*RARE[:8], *range(1, 40, 2)] if labels is None else labels
    add_labels(workspace, chosen)
    return workspace


def add_labels(workspace, chosen):
    workspace.log.append([label_event(row, "=rare" if row in RARE else "common") for row in chosen])


def label_event(row, name):
    now = datetime.now(UTC)
    return Event(new_event_id(), Action.LABEL, f"o{row}", "ann", now, label=name, input="key")
