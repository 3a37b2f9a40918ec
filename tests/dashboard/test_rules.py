"""Rules over columns: they agree with pandas, refuse what is no rule, and say where they are wrong."""

from __future__ import annotations

import contextlib
import datetime as dt
import operator

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rareloop.dashboard.columns import Answers, Columns
from rareloop.dashboard.pool_scores import PoolValues
from rareloop.dashboard.rules import RuleError, parse, quoted
from rareloop.data.errors import InputError
from rareloop.data.events import Action, Event, new_event_id
from rareloop.data.workspace import Workspace, workspace_folder

N = 200
BIG = 4_295_806_720_123_456_789  # beyond what double precision tells apart
SCORES = np.random.default_rng(5).dirichlet([1, 1], N).astype(np.float32)
NOW = dt.datetime(2024, 5, 1, tzinfo=dt.UTC)


def cells():
    rng = np.random.default_rng(1)
    x = rng.normal(size=N).round(1)
    x[::9] = np.nan
    return {
        "object": [f"o{i}" for i in range(N)],
        "x": x,
        "y": rng.normal(size=N).round(1),
        "n": rng.integers(-5, 6, N),
        "big": [None if i % 7 == 0 else BIG + i for i in range(N)],
        "kind": [None if i % 11 == 0 else ("star", "disc galaxy", "it's")[i % 3] for i in range(N)],
        "odd name": rng.integers(0, 3, N),
        "class": ["a" if i % 2 else "b" for i in range(N)],
        "good": [None if i % 13 == 0 else i % 2 == 0 for i in range(N)],
        "seen": [NOW + dt.timedelta(days=i) for i in range(N)],
        "vector": [[float(i), 0.0] for i in range(N)],
    }


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rules")
    pq.write_table(pa.table(cells()), folder / "sky.parquet")
    one = Workspace.create(workspace_folder(folder / "sky.parquet"), folder / "sky.parquet")
    roles = one.roles
    roles.id, roles.label, roles.features = "object", None, ["x", "y"]
    one.confirm(roles, ["quasar", "star"], wanted=["quasar"])
    one.log.append(
        [
            Event(new_event_id(), Action.LABEL, "o3", "ann", NOW, label="quasar"),
            Event(new_event_id(), Action.LABEL, "o4", "ann", NOW, label="star"),
            Event(new_event_id(), Action.SKIP, "o5", "ann", NOW),
        ]
    )
    yield one
    one.close()


@pytest.fixture(scope="module")
def columns(workspace):
    p = SCORES.max(axis=1)
    predicted = SCORES.argmax(axis=1).astype(np.uint8)
    scores = PoolValues(("quasar", "star"), predicted, p, (1 - p).astype(np.float32), p, {"model": 1, "unlike": 1})
    return Columns(workspace, Answers.of(workspace), scores)


@pytest.fixture(scope="module")
def frame():
    return pd.DataFrame(cells())


def rows(text, columns):
    return parse(text, columns).rows(columns).tolist()


def where(mask):
    return np.flatnonzero(mask).tolist()


def test_rules_say_what_they_look_like(columns, frame):
    f = frame
    text = f["kind"].fillna("")
    cases = {
        "x < 0.5 and y >= 0": (f.x < 0.5) & (f.y >= 0),
        "not (x < 0 or n == 2)": ~((f.x < 0) | (f.n == 2)),
        "-1 < n <= 3": (f.n > -1) & (f.n <= 3),
        "x + 2 * y > n / 2 - 1": f.x + 2 * f.y > f.n / 2 - 1,
        "n in [1, -2, 3]": f.n.isin([1, -2, 3]),
        "kind not in ['star']": f.kind != "star",
        "kind == 'it\\'s'": text == "it's",
        "isnull(x)": f.x.isna(),
        "isnull(kind) or isnull(vector)": f.kind.isna(),
        "contains(kind, 'gal')": text.str.contains("gal"),
        "startswith(kind, 'st')": text.str.startswith("st"),
        "`odd name` == 2": f["odd name"] == 2,
        "`class` == 'a'": f["class"] == "a",
        "good": f.good.fillna(False).astype(bool),
        "good == False": f.good.eq(False),
        "seen >= '2024-06-01'": f.seen >= pd.Timestamp("2024-06-01", tz="UTC"),
        "row < 5": f.index < 5,
        "id == 'o17'": f.object == "o17",
    }
    for rule, mask in cases.items():
        assert rows(rule, columns) == where(mask), rule


def test_whole_numbers_are_compared_exactly(columns):
    assert rows(f"big == {BIG + 3}", columns) == [3]
    assert rows(f"{BIG + 1} <= big < {BIG + 4}", columns) == [1, 2, 3]
    assert len(rows(f"big < {10**30}", columns)) == N - len(range(0, N, 7))


def test_answers_and_predictions_are_columns(columns):
    assert rows("class == 'quasar'", columns) == [3]
    assert len(rows("class == '?'", columns)) == N - 2
    assert rows("status == 'skipped'", columns) == [5]
    assert rows("status != 'open' and class == '?'", columns) == [5]
    assert rows("predicted == 'quasar' and probability > 0.7", columns) == where(SCORES[:, 0] > 0.7)
    assert parse("probability > 0.7 and unlike > 1", columns).scores == {"model", "unlike"}
    assert not parse("x > 0.7", columns).scores


def test_a_missing_value_is_unlike_everything(columns, frame):
    missing = set(where(frame.x.isna()))
    assert not missing & set(rows("x < 0 or x >= 0 or x == 1 or x in [1]", columns))
    assert missing <= set(rows("x != 1", columns))


def test_names_are_quoted_where_they_have_to_be(columns):
    assert [quoted(name, columns) for name in ("x", "odd name", "class", "in")] == [
        "x", "`odd name`", "`class`", "`in`",
    ]  # fmt: skip


NUMBERS = st.sampled_from(["x", "y", "n", "`odd name`"])
AMOUNTS = st.one_of(
    st.integers(-5, 5).map(str), st.floats(-3, 3, allow_nan=False).map(lambda v: f"{v:.1f}"), NUMBERS
)
COMPARISONS = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def _amount(draw, frame):
    """A calculation as text, and its values."""
    text = draw(AMOUNTS)
    values = frame[text.strip("`")].astype(float) if text.strip("`") in frame else float(text)
    for _ in range(draw(st.integers(0, 2))):
        sign, other = draw(st.sampled_from("+-*/")), draw(NUMBERS)
        by = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}[sign]
        text, values = f"({text}) {sign} {other}", by(values, frame[other.strip("`")].astype(float))
    return text, values


@st.composite
def conditions(draw, depth=0):
    """A rule as text, and what pandas says of it."""
    frame = pd.DataFrame(cells())
    kind = draw(st.sampled_from(["compare", "not", "and", "or", "isnull"] if depth < 3 else ["compare"]))
    if kind == "compare":
        text, values = draw(NUMBERS), None
        values = frame[text.strip("`")].astype(float)
        if draw(st.booleans()):
            text, values = _amount(draw, frame)
        if isinstance(values, float):
            text, values = "y", frame["y"]
        sign, (other, others) = draw(st.sampled_from(list(COMPARISONS))), _amount(draw, frame)
        return f"{text} {sign} {other}", COMPARISONS[sign](values, others).to_numpy()
    if kind == "isnull":
        name = draw(st.sampled_from(["x", "kind", "good"]))
        return f"isnull({name})", frame[name].isna().to_numpy()
    text, mask = draw(conditions(depth=depth + 1))
    if kind == "not":
        return f"not ({text})", ~mask
    other, others = draw(conditions(depth=depth + 1))
    return f"({text}) {kind} ({other})", (mask & others) if kind == "and" else (mask | others)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=conditions())
def test_any_rule_agrees_with_pandas(columns, case):
    text, mask = case
    assert rows(text, columns) == where(mask), text


WRONG = {
    "mag < 3": "there is no column 'mag'",
    "objct == 'o1'": "the nearest is 'object'",
    "y > 0 and objct == 'o1'": "character 11",
    "`odd nam` == 1": "the nearest is 'odd name'",
    "x = 3": "write == instead",
    "x == 3 && y == 2": "and, or, not",
    "x <": "cannot be read near character",
    "x == 'three'": "compares a number with a text",
    "kind < 3": "compares a number with a text",
    "kind + 1 > 2": "calculates with a text",
    "x": "compare it",
    "x is None": "isnull",
    "x == None": "isnull(column)",
    "1 < 2": "two constants",
    "vector == 3": "isnull only",
    "contains(x, 'a')": "no text",
    "contains(kind)": "contains(column, 'text')",
    "x in y": "no list after 'in'",
    "x in [y]": "write them out",
    "`x == 3": "backtick",
    "seen > 'soon'": "2024-12-31",
    "x > 1/0": "arithmetic",
    "x > 1e400": "too large",
    "": "empty",
    "   ": "empty",
}


@pytest.mark.parametrize("text", WRONG)
def test_an_error_says_where_and_what_to_do(columns, text):
    with pytest.raises(RuleError) as error:
        parse(text, columns)
    assert WRONG[text] in str(error.value)
    assert "\n" not in str(error.value)
    assert isinstance(error.value, InputError)


HOSTILE = [
    "__import__('os').system('x')", "x.__class__ == 1", "(lambda: 1)() == x", "open('/etc/passwd') == x",
    "x ** 9 ** 9 ** 9 > 1", "[y for y in x] == 1", "x if y else n", "f'{x}' == 'a'", "x[0] == 1", "(x := 3) == 3",
    "import os", "x == 1; y == 2", "x << 99999999 > 1", "{1: 2} == x", "x == 1j", "x == b'a'", "x == ...",
    "contains(kind, 'a' * 999999999)", "isnull(*x)", "contains(kind, part='a')", "x @ y == 1", "~x == 1",
    "(" * 300 + "x" + ")" * 300 + " < 1", "not " * 4_000 + "good", "-" * 15_000 + "x < 1", "x < " + "9" * 19_000,
    "x\x00 < 1", "x < 1 or " * 4000 + "y < 1", "`" * 999, "ꀀ == 1",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_no_rule_is_refused(columns, text):
    with pytest.raises(RuleError):
        parse(text, columns)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=60) | st.text("xyn<>=!()[]'`+-*/ andornt1.,_class", max_size=40))
def test_any_text_is_a_rule_or_refused_and_nothing_else(columns, text):
    with contextlib.suppress(RuleError):
        parse(text, columns).rows(columns)
