"""Large files with labels: read in a process of their own, and put together again."""

from __future__ import annotations

from rareloop.dashboard.imports import Imported, import_into, put_together, read_apart
from rareloop.data.import_files import Choice
from rareloop.data.imports import read_file
from rareloop.tests.dashboard.test_session import N


def test_a_file_that_was_read_apart_says_what_it_says(session, tmp_path):
    file = tmp_path / "labels.csv"
    file.write_text("object,label\n" + "".join(f"o{i},star\n" for i in range(N)) + "x,star\n" * 2_000)
    workspace = session.workspace
    job = session.jobs.start("Reading", read_apart, file, workspace.folder, Choice())
    assert job.wait(60) == "done"
    read, parts = job.result
    assert (read.labels, len(parts)) == ((), 1)
    whole = put_together(read, parts)
    assert whole == read_file(file, workspace, Choice())
    plan = Imported(file, workspace, read=whole).plan(workspace)
    assert plan.n_fresh == N


def test_an_import_is_shown_while_it_is_stored_and_cannot_be_cancelled(session, tmp_path):
    file = tmp_path / "labels.csv"
    file.write_text("object,label\n" + "".join(f"o{i},star\n" for i in range(N)))
    source = Imported(file, session.workspace)
    seen = []
    session.tasks.param.watch(lambda event: seen.extend(event.new), "running")
    plan = source.plan(session.workspace)
    import_into(session, source, plan, "keep", add_classes=False).result(60)
    shown = next(task for task in seen if task.title == "Import of labels.csv")
    assert (shown.is_cancellable, "cannot be cancelled" in shown.text) == (False, True)
    assert shown not in session.tasks.running
    assert session.state.n_labelled == N
