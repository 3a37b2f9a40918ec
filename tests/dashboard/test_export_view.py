"""The Export tab: what is said of a data set, what is missing, and packages that are made beside the work."""

from __future__ import annotations

import json
import time
import zipfile

import pytest
from rareloop.dashboard import package_jobs
from rareloop.dashboard.app import VIEWS
from rareloop.dashboard.handover import verify_package
from rareloop.dashboard.items import ItemCards
from rareloop.dashboard.jobs import Job, Jobs
from rareloop.dashboard.package_jobs import make, make_zip
from rareloop.dashboard.packages import keep
from rareloop.dashboard.page import Page
from rareloop.dashboard.views.export import SingleFiles
from rareloop.dashboard.views.package import ELSEWHERE, PackagePart
from rareloop.dashboard.views.publication import PublicationPart, in_the_page
from rareloop.data.errors import InputError
from rareloop.data.export.formats import unfinished
from rareloop.data.export.versions import remembered
from rareloop.data.publication import Publication
from rareloop.data.workspace import Workspace

from .handover_sets import PUBLICATION
from .test_session import label, opened, settle, survey

PATIENCE = 120


class Browser:
    """What a component has been shown, and what it sends."""

    def __init__(self, part, component):
        self.part, self.component, self.sent = part, component, []
        component.send = self.sent.append

    @property
    def state(self):
        return self.component._state

    def tell(self, **message):
        self.part._on_message(message)

    def wait(self, condition, what):
        until = time.monotonic() + PATIENCE
        while not (self.state and condition(self.state)):
            assert time.monotonic() < until, f"never happened: {what} ({self.state})"
            time.sleep(0.02)


@pytest.fixture
def session(tmp_path):
    one = opened(survey(tmp_path))
    one.update_settings(audit_share=0.0)
    for row in (0, 40, 1, 2, 3, 4):
        label(one, row)
    settle(one)
    yield one
    one.close()


@pytest.fixture
def page(session):
    return Page(session, ItemCards(session.workspace))


@pytest.fixture
def form(page):
    part = PublicationPart(page)
    return Browser(part, part.form)


@pytest.fixture
def panel(page):
    part = PackagePart(page)
    one = Browser(part, part.panel)
    one.wait(lambda state: state["missing"]["lines"], "what is missing")
    return one


def describe(session, **changes):
    return session.packages.describe(changes).result(PATIENCE)


def finished(state):
    return not state["package"]["doing"] and (state["package"]["checks"] or state["package"]["problem"])


# ---- the form ---------------------------------------------------------------------------------------


def test_a_field_is_on_disk_when_the_form_says_saved(form, session):
    form.tell(type="save", key="title", changes={"title": "Quasars"}, number=1)
    form.wait(lambda state: state["answered"] == 1, "the answer")
    assert form.state["values"]["title"] == "Quasars" and not form.state["errors"]
    stored = Workspace.open(session.workspace.folder)
    assert Publication.of(stored.settings).title == "Quasars"
    form.tell(type="save", key="title", changes={"title": None}, number=2)
    form.wait(lambda state: state["answered"] == 2, "the answer")
    assert "title" not in session.workspace.settings["publication"]


@pytest.mark.parametrize(
    ("key", "changes", "words"),
    [
        ("creators", {"creators": [{"name": "Ann", "orcid": "0000-0002-1825-0098"}]}, "is no ORCID"),
        ("creators", {"creators": [{"orcid": "0000-0002-1825-0097"}]}, "has no name"),
        ("licence", {"licence": "free", "licence_name": None, "licence_url": None}, "is not known"),
        ("licence", {"licence": "LicenseRef-Mine", "licence_name": "Mine"}, "needs a name and an address"),
        ("url", {"url": "example.org"}, "is no address"),
        ("name", {"name": "My Set"}, "is no name of files"),
    ],
)
def test_what_cannot_be_used_stays_at_its_field_with_one_sentence(form, session, key, changes, words):
    describe(session, title="Quasars")
    form.tell(type="save", key=key, changes=changes, number=1)
    form.wait(lambda state: state["answered"] == 1, "the answer")
    assert list(form.state["errors"]) == [key]
    sentence = form.state["errors"][key]
    assert words in sentence and "publication" not in sentence and sentence.endswith(".")
    assert form.state["values"].items() >= changes.items()
    assert session.workspace.settings["publication"] == {"title": "Quasars"}


def test_a_damaged_publication_is_said_at_its_field_and_can_be_mended(session, page):
    session.workspace.settings["publication"] = {"licence": "free", "title": "Quasars"}
    part = PublicationPart(page)
    form = Browser(part, part.form)
    assert "is not known" in form.state["errors"]["licence"]
    changes = {"licence": "MIT", "licence_name": None, "licence_url": None}
    form.tell(type="save", key="licence", changes=changes, number=1)
    form.wait(lambda state: state["answered"] == 1, "the answer")
    assert not form.state["errors"]


def test_messages_that_are_none_of_the_form_change_nothing(form, session):
    form.tell(type="save", key="title", changes={"licence": "MIT"}, number=1)
    form.tell(type="save", key="seed", changes={"seed": "1"}, number=2)
    form.tell(type="save", key="title", changes="Quasars", number=3)
    session.afterwards(lambda: None).result(PATIENCE)
    assert "publication" not in session.workspace.settings


def test_all_fields_of_a_publication_are_in_the_form(form):
    keys = {field["key"] for group in form.state["groups"] for field in group["fields"]}
    with_licence = keys | {"licence_name", "licence_url"}
    assert with_licence == set(Publication.__dataclass_fields__)
    assert [c["name"] for c in form.state["columns"] if not c["usual"]] == ["object"]


def test_sentences_lose_the_names_that_fields_have_in_files():
    assert in_the_page("'x' is no address (publication.url): begin it so") == "'x' is no address: begin it so."


# ---- what is missing --------------------------------------------------------------------------------


def test_what_is_missing_follows_what_is_said(panel, form, session):
    needed = [line["key"] for line in panel.state["missing"]["lines"] if line["needed"]]
    assert needed == ["licence", "description", "creators"]
    assert panel.state["package"]["draft"]
    form.tell(type="save", key="licence", changes={"licence": "MIT"}, number=1)
    panel.wait(lambda state: "licence" not in {line["key"] for line in state["missing"]["lines"]}, "the licence")
    describe(session, **PUBLICATION)
    panel.wait(lambda state: not state["package"]["draft"], "all that is needed")
    session.write_guideline("Look at it.", annotator=session.annotator).result(PATIENCE)
    panel.wait(lambda state: "guideline" not in {line["key"] for line in state["missing"]["lines"]}, "guidelines")


def test_every_line_leads_to_a_field_of_the_form_or_to_a_view(panel, form, page):
    fields = {field["key"] for group in form.state["groups"] for field in group["fields"]}
    assert {line["key"] for line in panel.state["missing"]["lines"]} <= fields | set(ELSEWHERE)
    assert {view for view, _ in ELSEWHERE.values()} <= set(VIEWS)
    for key, view in (("guideline", "guidelines"), ("definitions", "classes"), ("audit", "audit")):
        panel.tell(type="jump", key=key)
        assert page.wanted_view[0] == view
    assert all(line["action"] for line in panel.state["missing"]["lines"])


# ---- packages ---------------------------------------------------------------------------------------


def test_a_package_is_made_checked_and_packed_while_labelling_goes_on(panel, session):
    describe(session, **PUBLICATION)
    panel.wait(lambda state: not state["package"]["draft"], "all that is needed")
    panel.tell(type="make", version=None)
    panel.wait(lambda state: state["package"]["doing"] == "checking", "the checks")
    label(session, 80)
    panel.wait(finished, "the end of the checks")
    package = panel.state["package"]
    assert not package["problem"]
    assert [one["number"] for one in package["checks"]] == list(range(1, 12))
    assert {one["verdict"] for one in package["checks"]} <= {"pass", "not done"}
    assert package["checks"][10]["verdict"] == "pass"  # made again, from the moment that it was made from
    exports = session.workspace.folder / "exports"
    assert sorted(path.name for path in exports.iterdir()) == [
        "rare-quasars-curated-1.0.0",
        "rare-quasars-curated-1.0.0.zip",
    ]
    with zipfile.ZipFile(exports / "rare-quasars-curated-1.0.0.zip") as pack:
        assert all(name.startswith("rare-quasars-curated-1.0.0/") for name in pack.namelist())
        assert pack.testzip() is None
        pack.extractall(exports / "unpacked")
    assert "fail" not in {r.verdict for r in verify_package(exports / "unpacked" / "rare-quasars-curated-1.0.0")}
    panel.wait(lambda state: state["versions"]["lines"], "the versions")
    assert panel.state["versions"]["lines"][0]["address"] == "export-file/rare-quasars-curated-1.0.0.zip"

    # The next one: what has changed is told first, and the number grows by the rules.
    panel.wait(lambda state: state["package"]["before"] == "1.0.0", "the version before")
    panel.tell(type="propose")
    panel.wait(lambda state: state["package"]["proposal"], "a proposal")
    proposal = panel.state["package"]["proposal"]
    assert proposal["version"] == "1.1.0" and "1 item was added." in proposal["sentences"]
    panel.tell(type="make", version="1.0.5")
    panel.wait(lambda state: state["package"]["problem"], "the refusal")
    assert "write 1.1.0 or more" in panel.state["package"]["problem"]
    panel.tell(type="make", version="one")
    panel.wait(lambda state: "is no version" in state["package"]["problem"], "the refusal")


def test_a_draft_says_so_and_is_not_remembered(panel, session):
    panel.tell(type="make", version=None)
    panel.wait(finished, "the end of the checks")
    assert "a draft" in panel.state["package"]["made"]["words"]
    assert panel.state["package"]["checks"][9]["verdict"] == "fail"  # the licence
    assert (session.workspace.folder / "exports" / "survey-1.0.0-draft.zip").exists()
    assert remembered(session.workspace.folder) == []


def stall(progress, folder, stage, version):
    (stage / "half").mkdir()
    progress(0.5, "half of it")
    time.sleep(3600)


def test_a_cancelled_package_leaves_nothing(panel, session, monkeypatch):
    monkeypatch.setattr(package_jobs, "make", stall)
    panel.tell(type="make", version=None)
    panel.wait(lambda state: session.packages.progress[1] == "half of it", "the half of it")
    assert list((session.workspace.folder / "exports").iterdir())
    panel.tell(type="make", version=None)  # one at a time
    panel.tell(type="cancel")
    panel.wait(lambda state: state["package"]["note"].startswith("Cancelled"), "the end")
    assert list((session.workspace.folder / "exports").iterdir()) == []
    assert session.jobs.running == ()


def test_without_labels_there_is_nothing_to_make(tmp_path):
    session = opened(survey(tmp_path))
    page = Page(session, ItemCards(session.workspace))
    part = PackagePart(page)
    panel = Browser(part, part.panel)
    panel.wait(lambda state: state["missing"]["lines"], "what is missing")
    assert not panel.state["package"]["can_make"]
    left = session.workspace.folder / "exports" / ".making-old"  # by a server that was killed
    (left / "half").mkdir(parents=True)
    panel.tell(type="make", version=None)
    panel.wait(finished, "the refusal")
    assert "has no labels yet" in panel.state["package"]["problem"]
    assert list((session.workspace.folder / "exports").iterdir()) == []
    session.close()


# ---- keeping ----------------------------------------------------------------------------------------


@pytest.fixture
def staged(tmp_path):
    """A workspace, and a package of it in a stage."""
    session = opened(survey(tmp_path))
    for row in (0, 40, 1, 2):
        label(session, row)
    settle(session)
    workspace = session.workspace
    workspace.settings["publication"] = PUBLICATION
    workspace.save()
    session.close()
    stage = workspace.folder / "exports" / ".making-1"
    stage.mkdir(parents=True)
    return workspace.folder, stage, make(lambda share, text: None, workspace.folder, stage, None)


def test_a_package_takes_the_place_of_its_like_and_of_nothing_else(staged):
    folder, stage, made = staged
    target = folder / "exports" / made.name
    target.mkdir()
    (target / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        keep(made, stage, folder)
    assert (target / "mine.txt").exists() and remembered(folder) == []
    (target / "provenance.json").write_text(json.dumps({"package_format": 1, "digest": made.digest}))
    assert keep(made, stage, folder) == target
    assert not (target / "mine.txt").exists() and (target / "README.md").exists()
    assert [release.version for release in remembered(folder)] == ["1.0.0"]


def test_what_cannot_be_moved_as_a_whole_is_not_moved_at_all(staged):
    folder, stage, made = staged
    (stage / "releases" / "1.0.0.parquet").unlink()
    with pytest.raises(InputError, match="cannot be put in its place"):
        keep(made, stage, folder)
    assert [path.name for path in (folder / "exports").iterdir()] == [stage.name]
    assert (stage / made.name).is_dir()


def test_the_same_folder_gives_the_same_zip(tmp_path):
    folder = tmp_path / "set-1.0.0"
    (folder / "data").mkdir(parents=True)
    (folder / "README.md").write_text("# Set")
    (folder / "data" / "größe.bin").write_bytes(bytes(range(256)) * 9000)
    shares = []
    size = make_zip(folder, shares.append)
    first = (tmp_path / "set-1.0.0.zip").read_bytes()
    assert len(first) == size and shares == sorted(shares) and shares[-1] == 1.0
    (folder / "README.md").touch()
    make_zip(folder)
    assert (tmp_path / "set-1.0.0.zip").read_bytes() == first


def test_a_closed_session_makes_nothing(session):
    session.jobs.close()
    session.jobs = Jobs()
    session.jobs.close()
    session.packages.make()
    assert "is being closed" in session.packages.status.problem
    assert not session.packages.status.doing


def test_a_single_file_is_written_by_a_job_and_one_that_is_cancelled_leaves_nothing(session, page, monkeypatch):
    files, folder = SingleFiles(page), session.workspace.folder / "exports"
    files._export()
    assert files.button.disabled
    assert session.jobs.running[0].wait(PATIENCE) == "done"
    assert "6 labelled items" in files.note.object
    assert [path.name for path in folder.iterdir()] == ["survey-labels.csv"]

    endless = Job("Exporting the labels")
    monkeypatch.setattr(session.jobs, "start", lambda *arguments: endless)
    files.format.value = "Parquet"
    files._export()
    unfinished(folder / "survey-labels.parquet").write_text("half")
    endless.cancel()
    assert "cancelled" in files.note.object
    assert not files.button.disabled
    assert [path.name for path in folder.iterdir()] == ["survey-labels.csv"]
