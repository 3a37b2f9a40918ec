"""What is said of how far the search is."""

from __future__ import annotations

import json

import numpy as np
import pytest
from rareloop.strategies.progress import statement
from rareloop.strategies.stopping import Look, MoreAnswers, labels_per_find, more_answers, share_found

PACE = labels_per_find(np.tile([True, False, False, False, False], 10))
PLATEAU = labels_per_find(np.zeros(50, bool))


def look(n_found, n_members, n_audited, n_rest):
    weight = (n_audited + n_rest) / n_audited if n_audited else 1.0
    return Look(n_found, (weight,) * n_members, True, n_audited, n_rest, weight)


def said(now, history=(), target=0.8, pace=PACE, n_unjudged=0):
    share = share_found(history, now)
    needed = more_answers(history, now, target)
    made = statement(share, pace, needed, target, "arc", now.n_audited, n_unjudged)
    json.dumps(made, allow_nan=False)
    return made


def test_before_the_audit_nothing_can_be_said():
    without = statement(None, PACE, None, 0.8, "arc", 0, 0)
    begun = said(look(5, 1, 12, 900))
    assert without["status"] == begun["status"] == "grey"
    assert without["headline"] == "Cannot say yet: 0 of 50 audit questions answered."
    assert begun["headline"] == "Cannot say yet: 12 of 50 audit questions answered."
    assert without["sentences"] == begun["sentences"]
    assert without["sentences"] == ["About 5 labels per new find at the present pace (95 %: 3–9)."]


def test_in_between():
    now = look(148, 5, 600, 19_400)
    made = said(now, [now], n_unjudged=3)
    assert made["status"] == "amber"
    assert made["headline"] == "Found 148 of an estimated 310 (190–530)."
    assert made["sentences"] == [
        "With 95 % confidence at least 27 % of 'arc' has been found.",
        "About 5 labels per new find at the present pace (95 %: 3–9).",
        f"About {made_of(made['to_certify']):,} more audit labels without another missed member would make sure "
        "of 80 %.",
        f"About {made_of(made['to_narrow']):,} more audit labels would narrow the interval to ±10 points.",
        "3 audited items could not be judged; they count as members of no class.",
    ]
    assert made["total"][1] <= 310 <= made["total"][2]
    assert made["certain"] < made["share"][0]


def made_of(number):
    """A number of more than a hundred, rounded up to two digits."""
    unit = 10 ** (len(str(number)) - 2)
    return -(-number // unit) * unit


def test_green_when_the_target_is_certain():
    now = look(900, 4, 2_000, 18_000)
    made = said(now, [now])
    assert made["status"] == "green"
    assert made["headline"] == "With 95 % confidence at least 90 % of 'arc' has been found."
    assert made["certain"] >= 0.9
    assert made["sentences"][0] == "Found 900 of an estimated 940 (900–1,000)."
    assert made["to_certify"] == 0
    assert said(now, [now], target=0.95)["status"] == "amber"


@pytest.mark.parametrize("history", [0, 1])
def test_a_plateau_makes_nothing_green(history):
    now = look(148, 5, 600, 19_400)
    made = said(now, [now] * history, pace=PLATEAU)
    assert made["status"] == "amber"
    assert (
        "No find among the last 50 queries: a new find takes at least 14 labels (95 %). "
        "That alone is no reason to stop."
    ) in made["sentences"]


def test_no_audited_member_leaves_a_bound():
    now = look(20, 0, 120, 19_880)
    made = said(now, [now])
    assert made["status"] == "grey"
    assert made["headline"] == "Cannot say yet: the audit has met no member of 'arc' that was not found before."
    assert made["sentences"][0] == (
        "Found 20; the audit has met no other member of 'arc', so that at most 610 are left (95 % confidence)."
    )
    assert any(f"{made_of(made['to_certify']):,} more audit labels without" in s for s in made["sentences"])
    assert "make sure of 80 %" in " ".join(made["sentences"])


def test_a_bound_that_is_worth_a_word_is_amber():
    now = look(700, 0, 120, 19_880)
    assert said(now, [now])["status"] == "amber"


def test_none_found_at_all_is_grey_with_nothing_to_aim_at():
    now = look(0, 0, 400, 19_600)
    made = said(now, [now], pace=PLATEAU)
    assert made["status"] == "grey"
    assert made["to_certify"] is None
    assert not any("make sure" in sentence for sentence in made["sentences"])


@pytest.mark.parametrize(("n_found", "known"), [(30, "all 30 members of 'arc' are known"), (0, "none is 'arc'")])
def test_everything_labelled_is_green(n_found, known):
    made = said(look(n_found, 0, 10, 0), pace=PLATEAU, n_unjudged=2)
    assert made["status"] == "green"
    assert made["headline"] == f"Every item has a label: {known}."
    assert made["share"] == [1, 1, 1]
    assert made["sentences"] == ["2 audited items could not be judged; they count as members of no class."]


def test_a_pool_that_is_nearly_labelled_is_certain_without_an_audit():
    made = said(look(90, 0, 0, 5))
    assert made["status"] == "green"
    assert made["headline"] == "With 95 % confidence at least 94 % of 'arc' has been found."


def test_a_pace_of_one_label_is_singular():
    pace = labels_per_find(np.ones(50, bool))
    made = statement(None, pace, MoreAnswers(None, None), 0.8, "arc", 0, 0)
    assert made["sentences"] == ["About 1 label per new find at the present pace (95 %: 1–2)."]
