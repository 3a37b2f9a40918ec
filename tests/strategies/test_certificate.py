import json

import numpy as np
import pytest
from rareloop.strategies.campaign import Tally
from rareloop.strategies.certificate import HEADINGS, _between, certificate, markdown
from rareloop.strategies.intervals import Interval
from rareloop.strategies.measures import MEASURES
from rareloop.strategies.strata import NO_CLASS, Strata

NAMES = ("star", "quasar", "nova")
FACTS = {"Model": "logistic regression, round 14", "Threshold": 0.31, "Annotators": "ada, grace"}


def strata(sizes=(60, 40, 300, 9_600), predicted=(1, 1, NO_CLASS, NO_CLASS), wanted=(1,)):
    words = tuple(f"stratum {h}" for h in range(len(sizes)))
    member = np.full(len(sizes), 0.1)
    return Strata(np.empty(0, np.uint8), np.array(sizes, int), np.array(predicted, int), member, words, wanted)


def tally(answered=(30, 20, 60, 490), members=(27, 8, 6, 2), unjudged=(0, 0, 0, 0), asked=None):
    answered, members, unjudged = (np.array(x, int) for x in (answered, members, unjudged))
    found = np.column_stack([answered - members - unjudged, members, np.zeros(len(members), int)])
    return Tally(answered if asked is None else np.array(asked), answered, unjudged, found)


def made(the_strata=None, answers=None, n_found=(48,), beta=1.0):
    the_strata = strata() if the_strata is None else the_strata
    n_items = the_strata.n_rest + 100
    return certificate(
        the_strata, tally() if answers is None else answers, NAMES, n_found, n_items, 7, FACTS, beta
    )


def test_a_certificate_holds_the_numbers_and_the_design():
    result = made()
    assert json.loads(json.dumps(result)) == result
    assert result["facts"] == FACTS
    assert (result["seed"], result["n_items"], result["n_rest"]) == (7, 10_100, 10_000)
    assert (result["n_questions"], result["n_answered"], result["complete"]) == (600, 600, True)
    (one,) = result["classes"]
    assert (one["name"], one["n_found"], one["n_members"], one["n_predicted"]) == ("quasar", 48, 43, 100)
    for mode in ("default", "guarantee"):
        assert set(one[mode]) == set(MEASURES)
    assert one["default"]["precision"][0] == pytest.approx((54 + 16) / 100)
    assert result["design"][2] == {
        "description": "stratum 2", "predicted": None, "size": 300, "expected_share": 0.1, "questions": 60,
        "answered": 60, "unjudged": 0, "members": {"quasar": 6},
    }  # fmt: skip


def test_the_same_answers_give_the_same_certificate():
    assert made() == made()


def test_what_is_guaranteed_is_never_sharper():
    (one,) = made()["classes"]
    for name in MEASURES:
        (_, low, high), (_, sure_low, sure_high) = one["default"][name], one["guarantee"][name]
        assert sure_low <= low <= high <= sure_high, name


def test_the_statement_says_what_the_numbers_say():
    (one,) = made()["classes"]
    low, high = (round(100 * value) for value in one["default"]["precision"][1:])
    recall, precision, pool, catalogue = one["statement"]
    assert recall.startswith("With 95 % confidence the model finds between ")
    assert "of the remaining members of 'quasar'" in recall and "(guaranteed: between " in recall
    assert precision.startswith("Of the 100 items without a label that it calls 'quasar', between ")
    numbers = [int(word) for word in precision.split() if word.isdigit()]
    assert abs(numbers[1] - low) <= 1 and abs(numbers[2] - high) <= 1
    assert "of which 48 are labelled" in pool
    assert "of all members of 'quasar'" in catalogue


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ((0.611, 0.829), "between 61 % and 83 %"),
        ((0.0, 1.0), "between 0 % and 100 %"),
        ((0.00012, 0.0034), "between 0.01 % and 0.34 %"),
        ((0.981, 0.9987), "between 98.1 % and 99.9 %"),
        ((0.7, 0.7), "70 %"),
    ],
)
def test_percentages_are_rounded_outwards_with_the_digits_they_need(limits, words):
    assert _between(Interval(limits[0], *limits)) == words


def test_a_campaign_that_was_broken_off_says_so():
    result = made(answers=tally(asked=(30, 40, 100, 830)))
    assert not result["complete"]
    assert result["statement"][0].startswith("The campaign was broken off after 600 of 1,000 questions.")
    assert made()["statement"][0] == "All 600 questions have been answered."


def test_strata_without_answers_and_items_that_could_not_be_judged_are_named():
    result = made(answers=tally((30, 0, 60, 490), (27, 0, 6, 2), (1, 0, 2, 0), asked=(30, 20, 60, 490)))
    words = " ".join(result["statement"])
    assert "1 stratum has no answer: of 40 items in them, none or all may be members." in words
    assert "3 items could not be judged and count as members of no class." in words
    (one,) = result["classes"]
    assert one["default"]["precision"][0] is None


def test_a_campaign_without_a_useful_answer_says_so():
    none = made(answers=tally((0,) * 4, (0,) * 4, asked=(30, 20, 60, 490)))
    assert none["statement"] == ["No question has been answered: the campaign says nothing yet."]
    assert none["classes"][0]["default"]["recall"] == [None, 0.0, 1.0]
    unsure = made(answers=tally(members=(0,) * 4, unjudged=(30, 20, 60, 490)))
    assert any(s.startswith("No answer names a class") for s in unsure["statement"])
    assert "unknown" in markdown(none)


def test_a_class_that_the_model_never_predicts():
    result = made(strata(predicted=(NO_CLASS,) * 4), tally(), n_found=(1,))
    sentences = result["classes"][0]["statement"]
    assert sentences[0].startswith("The model calls no item without a label 'quasar'")
    assert "of which 1 is labelled" in sentences[1]
    assert result["classes"][0]["default"]["precision"] == [None, None, None]


def test_a_pool_without_a_rest():
    result = made(strata((), ()), tally((), (), ()), n_found=(5,))
    assert result["statement"] == ["Every item of the pool has a label: there is nothing to estimate."]
    assert result["classes"][0]["statement"] == ["The pool holds 5 members of 'quasar', all of them labelled."]
    assert "Every item of the pool" in markdown(result)


def test_the_page_has_every_number_of_every_class():
    result = made(strata(predicted=(1, 2, NO_CLASS, NO_CLASS), wanted=(1, 2)), n_found=(48, 3))
    page = markdown(result)
    assert page.startswith("# Certificate of an audit campaign\n")
    for heading in ("## quasar", "## nova", "## What was measured", "## How it was measured"):
        assert f"\n{heading}\n" in page
    for name, heading in HEADINGS.items():
        assert page.count(f"| {heading} |") == (0 if name == "f_beta" else 2)
    for sentence in [*result["statement"], *result["classes"][1]["statement"]]:
        assert f"- {sentence}\n" in page
    assert "| Threshold | 0.31 |" in page
    assert "| Stratum | Items | Questions | Answered | quasar | nova | Not judged |" in page
    assert "| stratum 3 | 9,600 | 490 | 490 | 2 | 0 | 0 |" in page


def test_f_beta_is_on_the_page_where_it_is_not_f1():
    assert "| F-beta (beta = 2) of the model on the rest |" in markdown(made(beta=2.0))


def test_names_cannot_break_the_page():
    wild = ("star", "a|b\n<script>alert(1)</script>")
    result = certificate(strata(), tally(), wild, [1], 10_100, 7, {"x|y": "<b>"})
    page = markdown(result)
    assert "<script>" not in page and "<b>" not in page
    (header,) = (line for line in page.splitlines() if line.startswith("| Stratum"))
    assert "| Answered | a\\|b &lt;script&gt;alert(1)&lt;/script&gt; | Not judged |" in header
