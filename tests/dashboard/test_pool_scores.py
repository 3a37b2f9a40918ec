"""What the model says of the whole pool, in rules and in the table: as it says it, when it is there or not yet."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future

import numpy as np
import pandas as pd
import pytest
from rareloop.dashboard.desk import Desk
from rareloop.dashboard.items import ItemCards
from rareloop.dashboard.listing import exported
from rareloop.dashboard.page import Page
from rareloop.dashboard.pool_scores import MODEL, NO_MODEL, NO_ROUND, UNLIKE, NotScoredYetError
from rareloop.dashboard.search import find
from rareloop.dashboard.session import LabellingSession
from rareloop.dashboard.views.table import TableView
from rareloop.dashboard.views.work import WorkNotes
from rareloop.dashboard.worker import RoundTask
from rareloop.data.workspace import Workspace, workspace_folder
from rareloop.strategies.labels import Labels
from rareloop.strategies.rounds import RoundSettings

N = 300


class HereWorker:
    """Does what the worker process does in this one, a task at a time, and only when it is let."""

    def __init__(self, folder):
        self.desk, self.may_work = Desk(folder), threading.Event()
        self.may_work.set()

    def submit(self, task, *arguments, progress=None):
        future: Future = Future()

        def work():
            self.may_work.wait(30)
            try:
                future.set_result(getattr(self.desk, task)(progress or (lambda share, text: None), *arguments))
            except Exception as error:
                future.set_exception(error)

        threading.Thread(target=work, daemon=True).start()
        return future

    def close(self):
        pass


@pytest.fixture
def session(tmp_path):
    rng = np.random.default_rng(0)
    truth = np.arange(N) % 10 == 0
    source = tmp_path / "t.parquet"
    pd.DataFrame({"a": rng.normal(size=N) + 2 * truth, "b": rng.normal(size=N)}).to_parquet(source)
    workspace = Workspace.create(workspace_folder(source), source)
    workspace.confirm(workspace.roles, ["common", "rare"], wanted=["rare"])
    workspace.prepare()
    session = LabellingSession(workspace, "ann")
    session.worker = HereWorker(workspace.folder)
    yield session
    session.close()


@pytest.fixture
def page(session):
    page = Page(session, ItemCards(session.workspace))
    page.told = []
    page.tell = lambda text, kind="info": page.told.append(text)
    yield page
    page.close()


def a_round(session, number):
    """Let the worker know a model, and the pages of its round; returns its probabilities of all items."""
    rows = np.arange(20 + number)
    labels = Labels(rows, (rows % 10 == 0).astype(np.int64), np.empty(0, np.int64), 2)
    task = RoundTask(labels, RoundSettings(wanted=(1,), audit_share=0.0), seed=5, number=number)
    session.worker.submit("round", task).result(30)
    session.report = {"round": number, "has_model": True}
    return np.asarray(session.worker.desk._judge.scoring.of_rows(np.arange(N)))


def wait(condition):
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_a_rule_finds_what_the_model_itself_says_of_the_whole_pool(session, page):
    p = a_round(session, 1)
    rare = p[:, 1] > p[:, 0]
    page.finder.search("predicted == 'rare' and probability > 0.8")
    wait(lambda: page.found is not None)
    assert page.selection.tolist() == np.flatnonzero(rare & (p[:, 1] > 0.8)).tolist()
    assert 0 < len(page.selection) < rare.sum()
    page.finder.filter(["uncertainty >= 0.5"])
    wait(lambda: "uncertainty" in page.found.name)
    assert page.selection.tolist() == np.flatnonzero(1 - np.abs(p[:, 1] - p[:, 0]) >= 0.5).tolist()
    X = np.asarray(session.workspace.features)
    nearest = np.sqrt(((X[:, None] - X[:21][None]) ** 2).sum(axis=2)).min(axis=1)
    page.finder.filter(["unlike > 0.25", "class == '?'"])
    wait(lambda: "unlike" in page.found.name)
    assert page.selection.tolist() == np.flatnonzero(nearest > 0.25).tolist()


def test_the_cluster_of_an_item_is_its_cell_of_the_whole_pool(session, page):
    page.finder.cluster_of_item(7)
    wait(lambda: page.told)
    wait(lambda: not page.finder.is_asking)
    assert NO_ROUND in page.told[-1]
    a_round(session, 1)
    page.finder.cluster_of_item(7)
    wait(lambda: page.found is not None)
    landscape = session.worker.desk.pool.landscape("euclidean")
    cells = landscape.cell_of(np.asarray(session.workspace.features))
    assert page.selection.tolist() == np.flatnonzero(cells == cells[7]).tolist()
    assert 1 < len(page.selection) < N
    assert page.selection_name == f"{len(page.selection)} items of the cluster of item 7"
    page.finder.search(f"cluster == {cells[7]} and row < 100")
    wait(lambda: "rule" in page.found.source)
    assert page.selection.tolist() == np.flatnonzero(cells[:100] == cells[7]).tolist()


def test_what_is_not_scored_yet_is_said_shown_as_work_and_found_when_it_is(session, page):
    p = a_round(session, 1)
    notes = WorkNotes(page)
    session.worker.may_work.clear()
    page.finder.search("probability > 0.9")
    wait(lambda: [work["title"] for work in notes.bar._state["work"]] == ["Scoring the pool"])
    wait(lambda: page.told)
    assert page.told == ["The pool is being scored; what is found is shown when that is done."]
    assert page.finder.is_asking and page.found is None
    session.worker.may_work.set()
    wait(lambda: page.found is not None)
    assert page.selection.tolist() == np.flatnonzero(p.max(axis=1) > 0.9).tolist()
    assert page.found.note == ""
    wait(lambda: not notes.bar._state["work"])


def test_a_newer_question_makes_the_one_that_waits_void(session, page):
    a_round(session, 1)
    session.worker.may_work.clear()
    page.finder.search("probability > 0.9")
    wait(lambda: page.told)
    page.finder.search("a > 100 or b > -100")
    wait(lambda: page.found is not None)
    session.worker.may_work.set()
    wait(lambda: not session.tasks.running)
    assert (len(page.selection), page.finder.is_asking) == (N, False)


def test_without_a_model_one_sentence_says_what_to_do(session, page):
    page.finder.search("predicted == 'rare'")
    wait(lambda: NO_ROUND in page.told)
    rows = np.empty(0, np.int64)
    nothing = RoundTask(Labels(rows, rows, rows, 2), RoundSettings(wanted=(1,), audit_share=0.0), seed=5)
    session.worker.submit("round", nothing).result(30)
    page.finder.search("predicted == 'rare'")
    wait(lambda: NO_MODEL in page.told)
    assert not page.finder.is_asking


def test_a_rule_wants_the_scores_of_the_newest_round_or_says_which_they_are(session):
    a_round(session, 1)
    session.scores.wanted([MODEL, UNLIKE]).result(30)
    source = {"rule": "probability > 0.5"}
    assert not find(session, session.nearest, source).note
    a_round(session, 2)
    with pytest.raises(NotScoredYetError) as missing:
        find(session, session.nearest, source)
    assert missing.value.kinds == (MODEL,)
    assert find(session, session.nearest, source, as_scored=True).note == "The scores are those of round 1."
    session.scores.wanted([MODEL]).result(30)
    assert not find(session, session.nearest, source).note


def test_the_classes_have_their_names_of_now(session):
    p = a_round(session, 1)
    session.scores.wanted([MODEL]).result(30)
    from rareloop.dashboard.taxonomy_editing import Change
    from rareloop.data.events import Action

    session.change_classes(
        [Change(Action.CLASS_RENAME, "rare", {"to": "quasar"})], annotator=session.annotator
    ).result(30)
    found = find(session, session.nearest, {"rule": "predicted == 'quasar'"})
    assert found.rows.tolist() == np.flatnonzero(p[:, 1] > p[:, 0]).tolist()


def test_a_table_that_is_opened_after_a_round_shows_what_its_model_says(session, page):
    a_round(session, 1)
    view = TableView(page)
    sent = {}
    view.listing.send = sent.update
    wait(lambda: sent.get("rows") and sent["rows"][0]["cells"][3])


def test_the_table_sorts_by_scores_and_exports_them(session, page):
    view = TableView(page)
    sent = {}
    view.listing.send = sent.update
    p = a_round(session, 1)  # the pool is small: it is scored without being asked
    wait(lambda: sent.get("rows") and sent["rows"][0]["cells"][3])
    assert [column["title"] for column in sent["columns"]][2:6] == [
        "predicted", "probability", "uncertainty", "unlike",
    ]  # fmt: skip
    assert {line["cells"][5] for line in sent["rows"]} == {""}  # nobody has asked for the distances
    view._on_message({"type": "sort", "key": "uncertainty"})
    wait(lambda: sent["sort"] == {"key": "uncertainty", "ascending": False})
    uncertainty = (1 - np.abs(p[:, 1] - p[:, 0])).astype(np.float32)
    assert (np.diff(uncertainty[view.order]) <= 0).all()
    first = view.order.tolist()
    view._on_message({"type": "sort", "key": "unlike"})
    wait(lambda: sent["sort"]["key"] == "unlike")
    assert sent["rows"][0]["cells"][5]
    view._on_message({"type": "sort", "key": "uncertainty"})
    wait(lambda: sent["sort"]["key"] == "uncertainty")
    a_round(session, 2)
    wait(lambda: session.scores.is_fresh(MODEL))
    assert view.order.tolist() == first  # the list does not jump under one's eyes
    table = exported(session, view.order, view.items)
    assert table.column("uncertainty").to_pylist() == uncertainty[view.order].tolist()
    assert table.column("probability").to_pylist() == p.max(axis=1).astype(np.float32)[view.order].tolist()
    assert (
        table.column("predicted").to_pylist() == np.where(p[:, 1] > p[:, 0], "rare", "common")[view.order].tolist()
    )
    assert table.column("unlike").null_count == 0
