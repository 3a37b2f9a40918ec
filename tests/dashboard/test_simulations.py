"""Simulations: runs that are kept and gone on with, progress, processes that die, what is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rareloop.dashboard import cli, simulations
from rareloop.dashboard.simulation_jobs import run_all
from rareloop.dashboard.simulation_store import SUFFIX
from rareloop.dashboard.simulations import Plan, prepare_subject, run_plan
from rareloop.data.errors import InputError

BASE = {"label": "kind", "rare": ["rare"], "strategies": ["top", "random"], "n_labels": 40, "seeds": range(2)}
TIMES = ["seconds_fit", "seconds_query"]


@pytest.fixture
def source(tmp_path):
    rng = np.random.default_rng(0)
    rare = np.arange(400) % 20 == 0
    path = tmp_path / "survey.csv"
    frame = pd.DataFrame(
        {"a": rng.normal(size=400) + 3 * rare, "b": rng.normal(size=400), "c": rng.normal(size=400)}
    )
    frame.assign(kind=np.where(rare, "rare", "common")).to_csv(path, index=False)
    return path


@pytest.fixture
def output(tmp_path):
    return tmp_path / "runs.parquet"


@pytest.fixture
def made(monkeypatch):
    """The runs that were really made."""
    runs = []
    run_one = simulations.run_one

    def spy(plan, subject, run, on_round):
        runs.append(run)
        return run_one(plan, subject, run, on_round)

    monkeypatch.setattr(simulations, "run_one", spy)
    return runs


def go(source, output=None, **changes):
    """Run a plan in this process; returns its frame and what was said."""
    said = []
    plan = Plan(**{**BASE, "source": source, "output": output, **changes})
    plan.check()
    return run_plan(plan, said.append), said


def companion(output: Path) -> Path:
    return output.with_name(output.name + SUFFIX)


def same(one, other):
    pd.testing.assert_frame_equal(one.drop(columns=TIMES), other.drop(columns=TIMES))


# ---- kept runs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", [KeyboardInterrupt, MemoryError])
def test_what_was_stopped_goes_on_and_ends_as_if_it_had_not_been(source, output, monkeypatch, stop):
    whole, _ = go(source)
    run_one, made = simulations.run_one, []

    def stopping(plan, subject, run, on_round):
        if len(made) == 3:
            raise stop
        made.append(run)
        return run_one(plan, subject, run, on_round)

    monkeypatch.setattr(simulations, "run_one", stopping)
    with pytest.raises((KeyboardInterrupt, InputError)):
        go(source, output)
    assert not output.exists()
    kept = list(made)
    made.clear()
    monkeypatch.setattr(simulations, "run_one", lambda *given: made.append(given[2]) or run_one(*given))
    frame, said = go(source, output)
    assert len(kept) == 3
    assert not set(kept) & set(made)
    assert len(made) == 1
    assert said == ["3 of 4 runs are kept from before; 1 to go."]
    same(frame, whole)


def test_more_strategies_classifiers_and_seeds_make_only_the_new_runs(source, output, made):
    first, _ = go(source, output)
    made.clear()
    more = {"strategies": ["margin", "top", "random"], "classifiers": ["logistic", "lda"], "seeds": range(3)}
    frame, _ = go(source, output, **more)
    assert len(made) == len(set(made)) == 18 - 4
    old = frame[
        frame["strategy"].isin(["top", "random"]) & (frame["classifier"] == "logistic") & (frame["seed"] < 2)
    ]
    pd.testing.assert_frame_equal(old.reset_index(drop=True), first)  # with their times: they are the same runs
    made.clear()
    again, said = go(source, output, **more, restart=False)
    assert made == []
    assert said == ["18 of 18 runs are kept from before; 0 to go."]
    pd.testing.assert_frame_equal(again, frame)


def test_the_output_holds_only_the_runs_that_were_asked_for(source, output):
    go(source, output)
    go(source, output, strategies=["random"], seeds=range(1, 2))
    frame = pd.read_parquet(output)
    assert set(frame["strategy"]) == {"random"}
    assert set(frame["seed"]) == {1}


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"n_labels": 30}, "--labels: 40; now: 30"),
        ({"batch": 5}, "--batch: 10; now: 5"),
        ({"start": "biased"}, "--start: warm; now: biased"),
        ({"metric": "cosine"}, "--metric: euclidean; now: cosine"),
        ({"rare": ["common"]}, "--rare"),
        ({"features": ["a", "b"]}, "--features"),
        ({"test_share": 0.4}, "--test-share: 0.3; now: 0.4"),
        ({"audit_share": 0.5}, "--audit-share"),
        ({"infinite": "missing"}, "--infinite"),
    ],
)
def test_runs_of_another_plan_are_not_mixed_in(source, output, changes, part):
    go(source, output)
    with pytest.raises(InputError) as refusal:
        go(source, output, **changes)
    assert part in str(refusal.value)
    assert "--restart" in str(refusal.value)
    frame, said = go(source, output, **changes, restart=True)
    assert said == []
    assert len(frame.groupby(["strategy", "seed"])) == 4


def test_a_changed_table_is_another_plan(source, output):
    go(source, output)
    source.write_text(source.read_text().replace("rare", "common", 1))
    with pytest.raises(InputError, match=r"its table: .*--restart"):
        go(source, output)


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: [lines[0], "{" + lines[1], *lines[2:]],
        lambda lines: ["not a plan", *lines[1:]],
        lambda lines: [lines[0], '{"strategy": "top"}'],
        lambda lines: [lines[0], lines[1].replace('"round": 1,', '"round": 2,')],
        lambda lines: lines[1:],
        lambda lines: [lines[0], lines[1].replace("top", "t\x00p", 1)],
    ],
)
def test_damaged_runs_are_refused(source, output, damage):
    go(source, output)
    lines = companion(output).read_text().splitlines()
    companion(output).write_text("\n".join(damage(lines)) + "\n")
    with pytest.raises(InputError, match=r"is damaged .*--restart"):
        go(source, output)
    frame, _ = go(source, output, restart=True)
    assert len(frame.groupby(["strategy", "seed"])) == 4


def test_runs_of_another_version_of_the_file_are_refused(source, output):
    go(source, output)
    content = companion(output).read_text()
    companion(output).write_text(content.replace('"format": 1', '"format": 99', 1))
    with pytest.raises(InputError, match="another version"):
        go(source, output)


@pytest.mark.parametrize("left", [1, 40, 0.5])
def test_half_a_line_at_the_end_is_a_run_that_was_under_way(source, output, made, left):
    whole, _ = go(source, output)
    lines = companion(output).read_bytes().splitlines(keepends=True)
    cut = int(left * len(lines[-1])) if isinstance(left, float) else left
    companion(output).write_bytes(b"".join(lines[:-1]) + lines[-1][:cut])
    made.clear()
    frame, _ = go(source, output)
    assert len(made) == 1
    same(frame, whole)
    assert len(companion(output).read_bytes().splitlines()) == len(lines)


def test_a_file_that_was_stopped_at_its_first_line_is_begun_anew(source, output):
    companion(output).write_text('{"format": 1, "pl')
    frame, said = go(source, output)
    assert said == []
    assert len(frame.groupby(["strategy", "seed"])) == 4
    assert go(source, output)[1] == ["4 of 4 runs are kept from before; 0 to go."]


def test_the_output_is_one_row_a_round_with_lists_as_json(source, tmp_path):
    frames = {}
    for suffix in (".csv", ".parquet"):
        frame, _ = go(source, tmp_path / f"runs{suffix}")
        frames[suffix] = pd.read_csv(tmp_path / f"runs{suffix}") if suffix == ".csv" else pd.read_parquet(
            tmp_path / f"runs{suffix}"
        )  # fmt: skip
        assert len(frames[suffix]) == len(frame) == 12
        assert frames[suffix]["hits"].map(json.loads).tolist() == frame["hits"].tolist()
        assert frames[suffix]["arms"].map(json.loads).tolist() == frame["arms"].tolist()
    pd.testing.assert_frame_equal(frames[".csv"].drop(columns=TIMES), frames[".parquet"].drop(columns=TIMES),
                                  check_dtype=False)  # fmt: skip


# ---- processes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_progress_goes_round_by_round_up_to_all_labels(source, tmp_path, n_jobs):
    plan = Plan(**{**BASE, "source": source, "n_labels": 60, "batch": 5})
    subject = prepare_subject(plan, tmp_path)
    spent = []
    work = partial(simulations.run_one, plan, subject)
    results = dict(run_all(work, plan.runs, n_jobs, spent.append))
    assert set(results) == set(plan.runs)
    assert spent == sorted(spent)
    assert spent[-1] == 4 * 60
    if n_jobs == 1:
        assert spent == [60 * run + n for run in range(4) for n in range(30, 61, 5)]


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Strategies and classifiers of the user's own."""
    (tmp_path / "own_code.py").write_text(
        "import os\n"
        "import numpy as np\n"
        "from sklearn.linear_model import LogisticRegression\n"
        "def dies(learner, X_pool, n_instances=1):\n"
        "    os._exit(9)\n"
        "def fails(learner, X_pool, n_instances=1):\n"
        "    raise RuntimeError('no idea')\n"
        "class Never(LogisticRegression):\n"
        "    def predict_proba(self, X):\n"
        "        raise RuntimeError('cannot say')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("own_code", None)


def test_a_process_that_dies_is_one_sentence(source, output, own):
    with pytest.raises(InputError, match=r"a process ended in the middle of a run.*--jobs"):
        go(source, output, strategies=["own_code:dies"], n_jobs=2)
    frame, _ = go(source, output, strategies=["random"])
    assert len(frame.groupby("seed")) == 2


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_run_that_fails_is_named(source, own, n_jobs):
    with pytest.raises(
        InputError, match=r"random with own_code:Never and seed \d failed \(RuntimeError: cannot say"
    ):
        go(source, strategies=["random"], classifiers=["own_code:Never"], n_jobs=n_jobs)


def test_a_strategy_that_fails_is_named_in_the_report(source, own, capsys):
    flags = ["--label", "kind", "--strategy", "own_code:fails", "--labels", "40", "--seeds", "1"]
    assert cli.main(["simulate", str(source), *flags]) == 0
    printed = capsys.readouterr().out
    assert "own_code:fails, logistic: in 3 of 3 rounds: strategy own_code:fails failed" in printed


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be sent Ctrl-C there")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_loses_only_the_runs_under_way(source, output, jobs):
    command = [sys.executable, "-m", "rareloop", "simulate", str(source), "--label", "kind", "--rare", "rare",
               "--strategy", "top,random", "--labels", "100", "--batch", "2", "--seeds", "200", "--jobs", jobs,
               "--output", str(output)]  # fmt: skip
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True)  # fmt: skip
    until = time.monotonic() + 120
    while not companion(output).exists() or companion(output).read_bytes().count(b"\n") < 3:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in err
    kept = companion(output).read_bytes().count(b"\n") - 1
    assert 2 <= kept < 400
    # An interrupt may fall between the storing of a run and its counting.
    assert any(f"{n} of 400 runs are kept" in out for n in (kept - 1, kept))
    assert not output.exists()
    runs = [json.loads(line) for line in companion(output).read_text().splitlines()[1:]]
    of_seed = sum(run["seed"] == 0 for run in runs)  # two processes may end their first runs in any order
    frame, said = go(source, output, n_labels=100, batch=2, seeds=range(1))
    assert said == [f"{of_seed} of 2 runs are kept from before; {2 - of_seed} to go."]
    assert frame["n_labels"].max() == 100


# ---- bad input --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (["--against", "entropy"], "--against entropy is not among the strategies (top, random)"),
        (["--restart"], "--output"),
        (["--plot", "curves.pdf"], ".png, .svg or .html"),
        (["--plot", "nowhere/curves.html"], "no folder nowhere"),
        (["--output", "nowhere/runs.csv"], "no folder nowhere"),
        (["--first-seed", "-1"], "--first-seed"),
        (["--jobs", "0"], "--jobs"),
        (["--start", "biased", "--rare", "nope"], "no class 'nope'"),
    ],
)
def test_bad_input_is_one_sentence(source, capsys, flags, part):
    command = ["simulate", str(source), "--label", "kind", "--strategy", "top,random", *flags]
    assert cli.main(command) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert part in line


def test_a_picture_without_matplotlib_is_refused_before_anything_runs(source, capsys, monkeypatch):
    monkeypatch.setattr("rareloop.dashboard.simulation_plots.find_spec", lambda name: None)
    assert cli.main(["simulate", str(source), "--label", "kind", "--plot", "curves.png"]) == 2
    assert 'pip install "rareloop[plot]"' in capsys.readouterr().err


def test_an_output_that_cannot_be_written_is_refused_before_anything_runs(source, output, made):
    companion(output).mkdir()
    with pytest.raises(InputError, match="--output"):
        go(source, output)
    assert made == []


def test_it_starts_biased_with_the_metric_given(source):
    frame, _ = go(source, start="biased", metric="cosine", strategies=["random"])
    first = frame[frame["round"] == 0]
    assert (first["n_found"] == 5).all()
    assert (first["n_parts_found"] == 1).all()


# ---- the audit --------------------------------------------------------------------------------------


def test_with_an_audit_every_estimate_stands_beside_the_truth(source, output):
    settings = {"strategies": ["top"], "seeds": range(1), "n_labels": 120, "audit_share": 0.5}
    go(source, output, **settings)
    frame = pd.read_parquet(output)
    last = frame.iloc[-1]
    assert last["n_audit"] > 20
    for kind in ("total", "precision", "recall", "prevalence", "completeness", "ap"):
        columns = [f"rare: {kind}{limit}" for limit in ("", " low", " high", " true")]
        assert set(columns) <= set(frame.columns)
    assert last["rare: total true"] == 14  # of the twenty, what is not held out
    assert last["rare: total low"] <= 14 <= last["rare: total high"]
    without, _ = go(source, n_labels=60, seeds=range(1))
    assert not [name for name in without.columns if name.startswith("rare: ")]
