"""What is known of rows that were appended to a table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from rareloop.data.growth import rows_before
from rareloop.data.roles import Roles
from rareloop.data.tables import import_table
from rareloop.data.workspace import Workspace

FRAME = pd.DataFrame({"id": [f"i{i}" for i in range(30)], "x": np.arange(30) / 7})
FRAME.loc[4, "x"] = np.nan
MORE = pd.DataFrame({"id": [f"n{i}" for i in range(5)], "x": 0.5})


def table(tmp_path, name, frame):
    source = tmp_path / f"{name}.csv"
    frame.to_csv(source, index=False)
    return import_table(source, tmp_path / f"{name}.arrow")


@pytest.mark.parametrize("id_name", ["id", None])
@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (pd.concat([FRAME, MORE]), [10, 30]),
        (FRAME, [10]),
        (pd.concat([MORE, FRAME]), []),  # put in before the old ones
        (FRAME.iloc[:20], []),
        (pd.concat([FRAME.iloc[::-1], MORE]), []),
    ],
)
def test_rows_are_appended_where_the_old_ones_stand_first(tmp_path, id_name, frame, expected):
    old, new = table(tmp_path, "old", FRAME), table(tmp_path, "new", frame)
    assert rows_before([10], old, new, Roles(id=id_name)) == expected


def test_identifiers_name_the_rows_whatever_their_values(tmp_path):
    old, new = table(tmp_path, "old", FRAME), table(tmp_path, "new", pd.concat([FRAME.assign(x=1.0), MORE]))
    assert rows_before([], old, new, Roles(id="id")) == [30]
    assert rows_before([], old, new, Roles(id=None)) == []


def test_nothing_is_known_without_the_old_table_or_its_identifier(tmp_path):
    new = table(tmp_path, "new", FRAME)
    assert rows_before([10], None, new, Roles(id="id")) == []
    old = table(tmp_path, "old", FRAME.rename(columns={"id": "name"}))
    assert rows_before([10], old, new, Roles(id="name")) == []


def test_a_workspace_keeps_how_its_table_grew(tmp_path):
    source = tmp_path / "t.csv"
    FRAME.to_csv(source, index=False)
    made = Workspace.create(tmp_path / "t.rareloop", source)
    assert made.rows_before == []
    made.confirm(made.roles, ["rare", "other"])
    made.close()
    pd.concat([FRAME, MORE]).to_csv(source, index=False)
    Workspace.open(made.folder, accept_change=True).close()
    pd.concat([FRAME, MORE, MORE.assign(id=[f"m{i}" for i in range(5)])]).to_csv(source, index=False)
    Workspace.open(made.folder, accept_change=True).close()
    again = Workspace.open(made.folder)
    assert again.rows_before == [30, 35]
    again.close()
    FRAME.to_csv(source, index=False)
    last = Workspace.open(made.folder, accept_change=True)
    assert last.rows_before == []
    last.close()
