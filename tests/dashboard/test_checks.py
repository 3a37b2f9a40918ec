"""The checks of a workspace: what they are given, and what they say of one in which something is wrong."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from rareloop.dashboard.checks import checks_report, checks_text, run_checks
from rareloop.dashboard.worker import Worker
from rareloop.data.errors import InputError
from rareloop.data.labels import Action, Event, new_event_id
from rareloop.data.roundlog import RoundRecord
from rareloop.data.workspace import Workspace, workspace_folder
from rareloop.strategies.audit import permanent_numbers

N = 400
RARE = np.arange(N) % 10 == 0
PATIENCE = 120


def frame(seed=0, shift=0.0, prefix="o"):
    rng = np.random.default_rng(seed)
    numbers = {"mag": rng.normal(size=N) + 2 * RARE + shift, "colour": rng.normal(size=N)}
    return pd.DataFrame({"object": [f"{prefix}{i}" for i in range(N)], **numbers})


def make(tmp_path, content, features=None):
    source = tmp_path / "survey.csv"
    content.to_csv(source, index=False)
    workspace = Workspace.create(workspace_folder(source), source)
    roles = workspace.roles
    roles.features = features or roles.features
    workspace.confirm(roles, ["quasar", "star"], wanted=["quasar"])
    workspace.prepare()
    return workspace


def answer(workspace, rows, strategy="margin", probability=None, names=None, action=Action.LABEL):
    """Labels by the truth, unless names are given."""
    names = [("star", "quasar")[int(RARE[row % N])] for row in rows] if names is None else names
    return workspace.log.append(
        [
            Event(new_event_id(), action, workspace.ids.text(int(row)), "ann", datetime.now(UTC),
                  label=name if action == Action.LABEL else None, strategy=strategy, probability=probability)
            for row, name in zip(rows, names, strict=True)
        ]
    )  # fmt: skip


@pytest.fixture
def workspace(tmp_path):
    made = make(tmp_path, frame())
    answer(made, range(200))
    yield made
    made.close()


def verdicts(workspace):
    return {finding.rule: finding.verdict.value for finding in run_checks(workspace)}


def texts(workspace):
    return {finding.rule: finding.text for finding in run_checks(workspace)}


def test_a_sound_workspace_passes_or_says_what_it_has_not_got(workspace):
    shares = []
    findings = run_checks(workspace, progress=lambda share, text: shares.append(share))
    assert {f.rule: f.verdict.value for f in findings} == {
        "class counts": "pass", "conflicting duplicates": "pass", "audit duplicates": "open",
        "constant features": "pass", "missing values": "pass", "leaks": "pass", "identifiers": "pass",
        "time order": "pass", "coverage": "pass", "audit independence": "open", "propensities": "open",
        "prior state": "open", "prior by period": "open", "new rows": "open",
    }  # fmt: skip
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_the_same_workspace_has_the_same_findings(workspace):
    assert [f.to_dict() for f in run_checks(workspace)] == [f.to_dict() for f in run_checks(workspace)]


def test_one_that_is_not_set_up_is_refused(tmp_path):
    source = tmp_path / "t.csv"
    frame().to_csv(source, index=False)
    with pytest.raises(InputError, match="rareloop serve"):
        run_checks(Workspace.create(workspace_folder(source), source))


def test_settings_that_are_not_allowed_are_named(workspace):
    workspace.settings["round"] = {"classifier": "no_such_module:thing"}
    with pytest.raises(InputError, match=r"no_such_module.*workspace\.toml"):
        run_checks(workspace)


def test_without_labels_only_the_class_counts_fail(tmp_path):
    made = make(tmp_path, frame())
    found = verdicts(made)
    assert [rule for rule, verdict in found.items() if verdict not in ("pass", "open")] == ["class counts"]
    assert found["coverage"] == "open"
    made.close()


def test_columns_that_are_no_measurements_are_named(tmp_path):
    content = frame().assign(
        target_id=np.arange(N) * 3 + 100,
        mjd=59_000 + np.arange(N) / 7,
        seen=pd.Timestamp("2024-01-01") + pd.to_timedelta(np.random.default_rng(1).permutation(N), "D"),
        leaked=RARE + np.random.default_rng(2).normal(size=N) / 100,
        patchy=np.where(np.arange(N) % 3 == 0, np.nan, frame(5)["mag"]),
    )
    made = make(tmp_path, content, ["mag", "colour", "target_id", "mjd", "seen", "leaked", "patchy"])
    answer(made, range(200))
    said = texts(made)
    assert "'target_id'" in said["identifiers"]
    assert "'seen', 'mjd'" in said["time order"]
    assert "'leaked'" in said["leaks"]
    assert "'patchy' (up to 34 %)" in said["missing values"]
    assert verdicts(made)["missing values"] == "warn"
    made.close()


def test_a_feature_that_became_constant_is_named(tmp_path):
    made = make(tmp_path, frame())
    features = np.array(made.features)
    features[:, 1] = 0
    np.save(made.folder / "cache" / "features.npy", features)
    made.reload()
    assert "'colour'" in texts(made)["constant features"]
    made.close()


def test_equal_items_with_several_labels_are_found(tmp_path):
    content = frame()
    content.loc[50, ["mag", "colour"]] = content.loc[40, ["mag", "colour"]]
    made = make(tmp_path, content)
    answer(made, [40, 50, 7], names=["quasar", "star", "star"])
    found = {f.rule: f for f in run_checks(made)}["conflicting duplicates"]
    assert (found.verdict, found.details["conflicting"]) == ("warn", 1)
    made.close()


# ---- the audit --------------------------------------------------------------------------------------


def questions(workspace, n):
    """Begin an audit; the rows of its first questions in their order."""
    workspace.audits.begin(seed=5, n_items=workspace.table.n_rows)
    labelled = workspace.ids.rows(list(workspace.log.state().items))
    order = np.argsort(permanent_numbers(workspace.ids.keys(), 5))
    return order[~np.isin(order, labelled)][:n].tolist()


def test_a_sound_audit_passes(workspace):
    first, *rest = questions(workspace, 101)
    answer(workspace, rest, "audit", 0.25)
    answer(workspace, [first], "audit", 0.25, names=[None], action=Action.UNSURE)
    found = {f.rule: f for f in run_checks(workspace)}
    for rule in ("audit independence", "audit duplicates", "propensities", "prior by period"):
        assert found[rule].verdict == "pass", found[rule]
    assert found["propensities"].details["audited"] == 101
    assert found["class counts"].details["labels"] == {"quasar": 20, "star": 180}  # without the audit's


def test_an_audited_item_that_gets_another_label_stays_sealed(workspace):
    rows = questions(workspace, 40)
    answer(workspace, rows, "audit", 0.25)
    answer(workspace, rows[:1], "top")
    found = {f.rule: f for f in run_checks(workspace)}
    assert found["audit independence"].details == {"audited": 40, "trained_on": 0}
    assert found["class counts"].details["labels"] == {"quasar": 20, "star": 180}


def test_an_audit_answer_that_was_undone_does_not_count(workspace):
    rows = questions(workspace, 40)
    answer(workspace, rows, "audit", 0.25)
    workspace.log.undo("ann")
    assert {f.rule: f for f in run_checks(workspace)}["propensities"].details["audited"] == 39
    workspace.log.redo("ann")
    assert {f.rule: f for f in run_checks(workspace)}["propensities"].details["audited"] == 40


def test_answers_that_were_unsealed_are_labels_like_any_other(workspace):
    answer(workspace, questions(workspace, 40), "audit", 0.25)
    workspace.audits.begin(seed=6, n_items=workspace.table.n_rows)
    found = {f.rule: f for f in run_checks(workspace)}
    assert found["audit independence"].verdict == "open"
    assert sum(found["class counts"].details["labels"].values()) == 240


def test_an_audited_twin_of_a_training_label_warns(tmp_path):
    content = frame()
    probe = make(tmp_path, content)
    first = questions(probe, 2)[0]
    probe.close()
    content.loc[first, ["mag", "colour"]] = content.loc[3 if first != 3 else 4, ["mag", "colour"]]
    (tmp_path / "again").mkdir()
    made = make(tmp_path / "again", content)
    rows = questions(made, 2)
    assert rows[0] == first
    answer(made, [row for row in range(60) if row not in rows])
    answer(made, rows, "audit", 0.1)
    found = {f.rule: f for f in run_checks(made)}
    assert found["audit duplicates"].details == {"audited": 2, "with_equals": 1}
    assert found["conflicting duplicates"].verdict == "pass"  # an audit answer does not contradict a label
    made.close()


def test_an_annotator_who_changes_their_mind_is_noticed(workspace):
    rows = questions(workspace, 100)
    answer(workspace, rows[:50], "audit", 0.25, names=["star"] * 50)
    answer(workspace, rows[50:], "audit", 0.25, names=["quasar", "star"] * 25)
    found = {f.rule: f for f in run_checks(workspace)}["prior by period"]
    assert found.verdict == "warn"
    assert "second half" in found.text


def test_the_correction_of_the_newest_round_needs_its_prevalence(workspace):
    def record(number, **report):
        now = datetime.now(UTC)
        workspace.rounds.add(RoundRecord(number, now, 200, 0, {}, report, ()))

    known = {"prevalence": [0.1, 0.9], "prevalence_low": [0.05, 0.8], "prevalence_high": [0.2, 0.95]}
    record(1, correction="matched", **known)
    assert verdicts(workspace)["prior state"] == "pass"
    record(2, correction="matched", **(known | {"prevalence": [None, None]}))
    assert verdicts(workspace)["prior state"] == "fail"


# ---- rows that were added ---------------------------------------------------------------------------


def grown(tmp_path, shift):
    made = make(tmp_path, frame())
    answer(made, range(200))
    made.close()
    pd.concat([frame(), frame(1, shift, "n")]).to_csv(tmp_path / "survey.csv", index=False)
    again = Workspace.open(made.folder, accept_change=True)
    again.prepare()
    return again


@pytest.mark.parametrize(("shift", "expected"), [(0.0, "pass"), (1.5, "fail")])
def test_new_rows_are_compared_with_old_ones(tmp_path, shift, expected):
    made = grown(tmp_path, shift)
    finding = {f.rule: f for f in run_checks(made)}["new rows"]
    assert finding.verdict == expected, finding
    assert finding.details["domain"]["n_new"] == N
    assert (finding.details["scores"]["psi"] > 0.25) == (expected == "fail")
    made.close()


def test_prevalences_are_compared_between_old_and_new_rows(tmp_path):
    made = grown(tmp_path, 0.0)
    rows = questions(made, 100)
    earlier = [row for row in rows if row < N]
    later = [row for row in rows if row >= N]
    answer(made, earlier, "audit", 0.2, names=["star"] * len(earlier))
    answer(made, later, "audit", 0.2, names=[("quasar", "star")[i % 2] for i in range(len(later))])
    finding = {f.rule: f for f in run_checks(made)}["prior by period"]
    assert finding.verdict == "warn"
    assert finding.details["earlier"] == len(earlier)
    assert "the new rows" in finding.text
    made.close()


def test_few_new_rows_are_not_compared(tmp_path):
    made = make(tmp_path, frame())
    made.close()
    pd.concat([frame(), frame(1, 5.0, "n").iloc[:7]]).to_csv(tmp_path / "survey.csv", index=False)
    again = Workspace.open(made.folder, accept_change=True)
    again.prepare()
    finding = {f.rule: f for f in run_checks(again)}["new rows"]
    assert finding.verdict == "open"
    assert "7 rows" in finding.text
    again.close()


def test_a_classifier_that_fails_costs_the_scores_only(tmp_path):
    made = grown(tmp_path, 0.0)
    made.settings["round"] = {"classifier": "rareloop.tests.dashboard.test_checks:Broken"}
    finding = {f.rule: f for f in run_checks(made)}["new rows"]
    assert finding.details["scores"] is None
    assert finding.verdict == "pass"
    made.close()


class Broken:
    """A classifier that cannot be fitted."""

    def get_params(self, deep=True):
        return {}

    def fit(self, X, y):
        raise RuntimeError("no luck")

    def predict_proba(self, X):
        raise RuntimeError("no luck")


# ---- the report -------------------------------------------------------------------------------------


def test_the_report_is_json_and_counts_its_findings(workspace):
    report = json.loads(json.dumps(checks_report(workspace, run_checks(workspace)), allow_nan=False))
    assert (report["labels"], report["items"]) == (200, N)
    assert sum(report["counts"].values()) == len(report["findings"]) == 14


def test_the_text_is_a_table_with_a_word_for_each_verdict(workspace):
    lines = checks_text(checks_report(workspace, run_checks(workspace))).splitlines()
    assert max(map(len, lines)) <= 110
    assert lines[0] == "survey: 200 labels on 400 items"
    column = next(line for line in lines if "propensities" in line).index("propensities")
    rules = [line[column:] for line in lines[1:-1] if line[2] != " "]
    assert len(rules) == 14
    assert all(rule[0].isalpha() for rule in rules)
    assert "8 passed, 6 not yet" in lines[-1]
    assert next(line for line in lines if "propensities" in line).strip().startswith("not yet")


def test_the_worker_runs_them(workspace):
    worker = Worker(workspace.folder)
    shares = []
    report = worker.submit("checks", progress=lambda share, text: shares.append(share)).result(PATIENCE)
    worker.close()
    here = checks_report(workspace, run_checks(workspace))
    assert report["findings"] == here["findings"]
    assert shares[-1] == 1
