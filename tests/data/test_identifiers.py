"""Identifiers of items, looked up many at a time."""

from __future__ import annotations

import numpy as np
from rareloop.data.identifiers import FEW, ItemIds
from rareloop.data.tables import Table, import_table


def test_items_of_large_look_ups_are_found_again_whatever_was_looked_up_before(tmp_path):
    n = 3 * FEW
    (tmp_path / "t.csv").write_text("name,x\n" + "".join(f"J{i:05d},1\n" for i in range(n)))
    import_table(tmp_path / "t.csv", tmp_path / "t.arrow")
    ids, rng = ItemIds(Table(tmp_path / "t.arrow"), "name"), np.random.default_rng(0)
    for _ in range(4):
        rows = rng.permutation(n)[: 2 * FEW]
        texts = [f"J{row:05d}" for row in rows]
        assert ids.texts(rows) == ids.texts(rows.tolist()) == texts
        assert ids.find(texts).tolist() == ids.rows(texts[::-1]).tolist()[::-1] == rows.tolist()
        ids.texts(rows).clear()
        rows_before, rows[:] = rows.copy(), 0
        assert ids.texts(rows_before) == texts
        assert ids.find([*texts, "J", f"J{n:05d}"]).tolist() == [*rows_before, -1, -1]
