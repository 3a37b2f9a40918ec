"""The settings of a round, and what is said of bad ones."""

import json
import re

import pytest
from rareloop.strategies.settings import RoundSettings


def test_there_and_back_through_json():
    settings = RoundSettings(
        strategy="anchors", base="entropy", prevalence=((1, 0.001, 0.01), (2, 0.02, 0.02)), wanted=(1, 2)
    )
    assert RoundSettings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


def test_what_is_left_out_has_its_default():
    assert RoundSettings.from_dict({}) == RoundSettings()


@pytest.mark.parametrize(("values", "message"), [
    ({"strategie": "margin"}, "no setting 'strategie': the settings are anchors_above"),
    ({"strategy": "margins"}, "no strategy 'margins': choose auto, top, similar"),
    ({"strategy": 3}, "strategy is 3: it must be a name"),
    ({"strategy": "no_such:thing"}, "the strategy no_such:thing cannot be imported"),
    ({"strategy": "math:pi"}, "not callable"),
    ({"base": "anchors"}, "no strategy 'anchors'"),
    ({"classifier": "svm"}, "no classifier 'svm': choose logistic"),
    ({"classifier": None}, "classifier is None: it must be a name"),
    ({"n_queries": 0}, "n_queries is 0: it must be a whole number from 1 to 10,000"),
    ({"n_queries": 1.5}, "n_queries is 1.5: it must be a whole number"),
    ({"n_anchors": True}, "n_anchors is True"),
    ({"audit_share": 1.1}, "audit_share is 1.1: it must be a number from 0 to 1"),
    ({"audit_share": float("nan")}, "audit_share is nan"),
    ({"correction": "em"}, "correction is 'em': it must be one of none, ratio, matched"),
    ({"query_correction": "em"}, "query_correction is 'em'"),
    ({"metric": "manhattan"}, "metric is 'manhattan': it must be one of euclidean, cosine"),
    ({"prevalence": "1%"}, "prevalence is '1%': it must be a list of"),
    ({"prevalence": None}, "prevalence is None: it must be a list of"),
    ({"prevalence": [[1, 0.1, 0.01]]}, "low first"),
    ({"prevalence": [[1, 0, 0.01]]}, "between 0 and 1"),
    ({"prevalence": [[0, 0.6, 0.9], [1, 0.45, 0.9]]}, "more than 100 %"),
    ({"wanted": None}, "wanted is None: it must be a list of class indices"),
    ({"shares": "all"}, "shares is 'all': it must be a list of (arm, weight)"),
    ({"shares": [["entropy", 1]]}, "auto has no arm 'entropy': choose top, similar, margin"),
    ({"shares": [["top", -1]]}, "the share of top is -1.0: it must be a number from 0"),
    ({"shares": [["top", float("nan")]]}, "the share of top is nan"),
    ({"shares": [["top", 1], ["top", 2]]}, "an arm has two shares"),
    ({"shares": [["top", 0]]}, "the shares are all zero"),
    ({"diverse": 1}, "diverse is 1: it must be true or false"),
    ({"quota": 0}, "quota is 0: it must be a number from 0.01 to 1"),
    ({"cross_validate": "no"}, "cross_validate is 'no': it must be true or false"),
])  # fmt: skip
def test_bad_settings_are_named(values, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        RoundSettings.from_dict(values)
