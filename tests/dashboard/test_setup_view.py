"""The set-up page: what it takes of the card beside the columns, and what it refuses."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rareloop.dashboard.items import ItemCards
from rareloop.dashboard.page import Page
from rareloop.dashboard.session import LabellingSession
from rareloop.dashboard.views.setup import SetupView
from rareloop.data.workspace import Workspace

N = 30


@pytest.fixture
def view(tmp_path):
    rng = np.random.default_rng(0)
    table = {
        "object": [f"o{i}" for i in range(N)],
        "x": rng.normal(size=N),
        "y": rng.normal(size=N),
        "stamp": pa.array(rng.integers(0, 255, (N, 12)).tolist(), pa.list_(pa.uint8())),
        "flux": pa.array(rng.random((N, 5)).tolist(), pa.list_(pa.float64())),
    }
    pq.write_table(pa.table(table), tmp_path / "t.parquet")
    workspace = Workspace.create(tmp_path / "t.rareloop", tmp_path / "t.parquet")
    workspace.roles.id, workspace.roles.image, workspace.roles.image_kind = "object", None, None
    session = LabellingSession(workspace, "me")
    session.prepare = lambda: None
    page = Page(session, ItemCards(workspace))
    page.in_background = lambda work, then: then(work())
    view = SetupView(page)
    view.features.value = ["x", "y"]
    view.classes.value, view.wanted.value = "star, quasar", "quasar"
    yield view
    page.close()
    session.close()


def test_pictures_curves_and_a_link_are_on_the_card_from_the_first_item(view):
    view.image.value, view.image_kind.value = "stamp", "array"
    assert view.shape.visible and view.palette.visible
    view.shape.value = "3 × 4"
    view.curves.value = ["flux"]
    view.link_name.value = "archive"
    view.link.value_input = "https://archive.org/{object}"
    assert "For the first item: https://archive.org/o0" in view.link_preview.object
    view._start()
    assert not view.problem.visible
    workspace = Workspace.open(view.session.workspace.folder)
    card = ItemCards(workspace).card(2)
    assert card["links"] == [{"name": "archive", "link": "https://archive.org/o2"}]
    assert [curve["name"] for curve in card["curves"]] == ["flux"]
    assert card["image"].startswith("item-image/2")
    assert workspace.settings["card"]["pixels"]["shape"] == [3, 4]


@pytest.mark.parametrize(
    ("template", "sentence"),
    [("ftp://archive.org/{object}", "must begin with http"), ("https://archive.org/{<b>}", "&lt;b&gt;")],
)
def test_a_link_that_is_none_is_said_while_it_is_written_and_at_the_start(view, template, sentence):
    view.link_name.value = "archive"
    view.link.value_input = template
    assert sentence in view.link_preview.object
    view._start()
    assert view.problem.visible
    assert not view.session.workspace.is_confirmed
    view.link.value_input = ""
    view.link_name.value = view.link.value = ""
    view.link_name.value_input = ""
    view._start()
    assert not view.problem.visible
