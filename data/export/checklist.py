"""What a data set still lacks before it can be published."""

from __future__ import annotations

from ..log_state import LogState
from ..publication import Publication
from ..workspace import Workspace
from .replay import TABLE
from .selection import AUDIT, CAMPAIGN

REQUIRED = ("labels", "licence", "description", "creators")  # without these a package is a draft
SENTENCES = {
    "licence": "There is no licence, so nobody may use the data: choose one.",
    "description": "There is no description: say in a few sentences what the rows are and what the classes mean.",
    "creators": "There are no creators: name those who made the data set.",
    "title": "There is no title: the name of the workspace stands in for it.",
    "contact": "There is no contact: say whom to ask.",
    "citation": "There is no citation: it is made up from creators, year and title.",
    "url": "There is no address under which the data set can be found.",
    "collection": "It is not said how the rows of the table were collected.",
    "limitations": "Nothing is said of biases and limitations beyond the selection of rows.",
    "personal": "It is not said whether there is personal or sensitive information in the rows.",
}


def what_is_missing(workspace: Workspace, state: LogState | None = None) -> list[tuple[str, str]]:
    """What a data set lacks, the most needed first, each with a key and one sentence.

    The keys of `REQUIRED` are those without which a package is a draft. The keys of `SENTENCES` are fields of the
    publication; ``labels``, ``audit``, ``guideline``, ``definitions`` and ``annotators`` are none.

    Raises
    ------
    InputError
        When what is stored of the publication cannot be used.
    """
    state = workspace.log.state() if state is None else state
    publication = Publication.of(workspace.settings)
    missing = [] if state.counts else [("labels", "There are no labels.")]
    missing += [(key, said) for key, said in SENTENCES.items() if not getattr(publication, key)]
    return missing + _of_the_work(workspace, state)


def _of_the_work(workspace: Workspace, state: LogState) -> list[tuple[str, str]]:
    """What labelling itself has not done."""
    missing = []
    answers = [item.event for item in state.items.values() if item.status == "labelled"]
    if not any(event.strategy in (AUDIT, CAMPAIGN) for event in answers):
        missing.append(
            ("audit", "No labelled item is of an audit or a campaign: there is no test split, and nothing that "
             "can tell how frequent a class is.")
        )  # fmt: skip
    if not workspace.guidelines.numbers():
        missing.append(("guideline", "There are no guidelines: others cannot know how you decided."))
    used = [c for c in workspace.taxonomy if c.name in state.counts and not c.definition]
    if used:
        names = ", ".join(f"'{c.name}'" for c in used[:5]) + (" and others" if len(used) > 5 else "")
        missing.append(("definitions", f"There is no definition of {names}."))
    if len({event.annotator for event in answers} - {TABLE}) == 1:
        missing.append(("annotators", "Only one person has labelled: how far people agree is not known."))
    return missing
