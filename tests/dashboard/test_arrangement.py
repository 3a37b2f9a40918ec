"""The layout in use: kept per annotator, saved under names, and never a reason for a page not to open."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace

import pytest
from rareloop.dashboard.app import VIEWS, read_layout
from rareloop.dashboard.arrangement import Arrangement, written
from rareloop.data.errors import InputError
from rareloop.layouts.schema import LayoutError, layout_names, load_layout
from rareloop.layouts.tree import close, closed, open_tab, places


class Session:
    """What an arrangement needs of a session; `kept` counts the writes."""

    def __init__(self, folder, annotator="ada", settings=None):
        self.workspace = SimpleNamespace(folder=folder, settings={} if settings is None else settings)
        self.annotator = annotator
        self.kept = 0

    def keep(self, **settings):
        self.workspace.settings.update(settings)
        self.kept += 1
        return Future()


def arrangement(session, name="default"):
    return Arrangement(session, session.annotator, read_layout(name), VIEWS)


def test_every_layout_that_is_shipped_has_the_card_and_only_views_that_exist():
    assert {"default", "focus", "images", "text", "sky", "review"} <= set(layout_names())
    for name in layout_names():
        assert "item" in load_layout(name, VIEWS).root.views()


def test_what_is_changed_is_there_after_a_restart_for_the_same_annotator(tmp_path):
    session = Session(tmp_path)
    one = arrangement(session)
    one.change(close(one.layout.root, "export"))
    one.resize((), [30, 70])
    again = arrangement(Session(tmp_path, settings=session.workspace.settings)).layout.root
    assert "export" not in again.views()
    assert [child.size for child in again.children] == [30, 70]
    assert arrangement(Session(tmp_path, "bob", session.workspace.settings)).layout == read_layout("default")
    assert session.kept == 2


def test_a_layout_that_was_asked_for_at_the_start_goes_before_what_was_kept(tmp_path):
    session = Session(tmp_path)
    arrangement(session).choose("sky")
    assert arrangement(session).layout.name == "sky"
    assert arrangement(session, "review").layout.name == "review"


def test_a_saved_layout_can_be_chosen_replaced_and_deleted(tmp_path):
    one = arrangement(Session(tmp_path))
    one.choose("sky")
    one.save("my sky")
    one.choose("default")
    one.choose("my sky")
    assert one.layout.root == read_layout("sky").root
    assert [own["name"] for own in one.yours()] == ["my sky"]
    assert load_layout(tmp_path / "layouts" / "my sky.yaml", VIEWS).name == "my sky"
    one.delete("my sky")
    assert one.yours() == []
    assert places(one.layout.root)  # what is shown stays
    with pytest.raises(InputError, match="no layout 'my sky'"):
        one.delete("my sky")
    with pytest.raises(LayoutError, match="no layout"):
        one.choose("my sky")


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "x" * 61, "default"])
def test_a_name_that_is_no_file_of_ones_own_is_refused(tmp_path, name):
    with pytest.raises(InputError):
        arrangement(Session(tmp_path)).save(name)
    assert not (tmp_path / "layouts").exists()


@pytest.mark.parametrize("text", ["", "{", '{"arrange": "gone"}', "3", '{"arrange": {"row": []}}'])
def test_a_kept_layout_that_cannot_be_read_gives_way_to_the_standard_one(tmp_path, text):
    one = arrangement(Session(tmp_path, settings={"layout": {"ada": text}}))
    assert one.layout == read_layout("default")
    assert "cannot be shown" in one.note


def test_a_damaged_file_of_ones_own_is_listed_with_what_is_wrong(tmp_path):
    (tmp_path / "layouts").mkdir()
    (tmp_path / "layouts" / "bad.yaml").write_text("arrange: {row: [gone]}", encoding="utf-8")
    assert "names the view 'gone'" in arrangement(Session(tmp_path)).yours()[0]["description"]


def test_a_layout_comes_back_from_its_text_and_tells_open_tabs_from_other_places(tmp_path):
    one = arrangement(Session(tmp_path))
    standard = one.layout
    one.choose("sky")
    text = written(one.layout)
    one.use(standard)
    again = one.read(text)
    assert (again.name, closed(again.root)) == ("sky", closed(read_layout("sky").root))
    opened = open_tab(standard.root, "export")
    assert opened != open_tab(standard.root, "table")
    assert closed(opened) == closed(standard.root) != closed(again.root)
    with pytest.raises(LayoutError, match="gone"):
        one.read('{"arrange": "gone"}')
