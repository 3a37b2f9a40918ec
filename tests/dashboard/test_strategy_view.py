"""What the Strategy tab says of a threshold."""

from rareloop.dashboard.views.strategy import threshold_words


def test_a_threshold_is_told_with_its_reason_and_so_is_that_there_is_none():
    chosen = {"threshold": 0.3125, "threshold_source": "the best F1 on 14 audited members"}
    assert threshold_words("quasar", chosen) == (
        "'quasar' is predicted from 31 % on: the best F1 on 14 audited members."
    )
    none = {"threshold": None, "threshold_source": "the largest probability"}
    assert threshold_words("quasar", none) == "'quasar' is predicted by the largest probability."
