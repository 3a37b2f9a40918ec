"""What the authors say of a data set: title, description, creators, licence, and what may be handed over."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from .errors import InputError
from .export.licences import LICENCES, OWN, Licence, own_licence

KEY = "publication"  # in the settings of a workspace
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
URL = re.compile(r"(https?://|mailto:|doi:)\S+")
ORCID = re.compile(r"(https://orcid\.org/)?([0-9]{4}-){3}[0-9]{3}[0-9X]")
EXAMPLE = "0000-0002-1825-0097"
LONGEST = 20_000
INCLUDABLE = ("note", "annotators")


@dataclass(frozen=True)
class Creator:
    """One author of the data set: a name, and where they have them an ORCID and an affiliation."""

    name: str
    orcid: str = ""
    affiliation: str = ""


@dataclass(frozen=True)
class Publication:
    """What is said of a data set; empty where it has not been said.

    `name` is the short name of files (lower case), `licence` an SPDX id or ``LicenseRef-...`` with
    `licence_name` and `licence_url`; `columns` are the columns of the table that are handed over, None for all
    and an empty tuple for none of them; `include` may hold ``note`` and ``annotators``. `collection` says how
    the table came to be, `uses` and `unsuited` what the data are for and what not, `limitations` and `personal`
    what a user must know of biases and of people in the data.
    """

    name: str = ""
    title: str = ""
    description: str = ""
    creators: tuple[Creator, ...] = ()
    licence: str = ""
    licence_name: str = ""
    licence_url: str = ""
    citation: str = ""
    contact: str = ""
    url: str = ""
    keywords: tuple[str, ...] = ()
    language: str = ""
    source_title: str = ""
    source_url: str = ""
    collection: str = ""
    uses: str = ""
    unsuited: str = ""
    limitations: str = ""
    personal: str = ""
    columns: tuple[str, ...] | None = None
    include: tuple[str, ...] = ()

    @property
    def terms(self) -> Licence | None:
        """The licence with its names and addresses; None where there is none yet."""
        if not self.licence:
            return None
        return LICENCES.get(self.licence) or own_licence(self.licence, self.licence_name, self.licence_url)

    def to_dict(self) -> dict[str, Any]:
        """What has been said, as plain values."""
        values = {k: v for k, v in asdict(self).items() if v or (k == "columns" and v is not None)}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Publication:
        """Read what `to_dict` wrote, or a person did.

        Raises
        ------
        InputError
            When a field is not known or its value cannot be used; names it, and what to do.
        """
        known = {f.name for f in fields(cls)}
        unknown = next((key for key in values if key not in known), None)
        if unknown is not None:
            raise InputError(f"publication has no field '{unknown}': the fields are {', '.join(sorted(known))}")
        made: dict[str, Any] = {}
        for key, value in values.items():
            if key == "creators":
                made[key] = tuple(_creator(each) for each in _list(key, value))
            elif key in ("keywords", "include", "columns"):
                made[key] = tuple(_text(key, each) for each in _list(key, value))
            else:
                made[key] = _text(key, value)
        publication = cls(**made)
        _check(publication)
        return publication

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Publication:
        """What the settings of a workspace hold; raises InputError as `from_dict` does."""
        return cls.from_dict(settings.get(KEY) or {})


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST or "\0" in value:
        raise InputError(f"that is no text of at most {LONGEST:,} characters (publication.{key}): shorten it")
    return value.strip()


def _list(key: str, value: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise InputError(f"publication.{key} is no list: write it in square brackets")
    return list(value)


def _creator(value: Any) -> Creator:
    if isinstance(value, Creator):
        return value
    given = {"name": value} if isinstance(value, str) else value
    if not isinstance(given, Mapping) or not set(given) <= {"name", "orcid", "affiliation"}:
        raise InputError("publication.creators has an entry that is no person: give name, orcid, affiliation")
    person = Creator(**{"name": ""} | {key: _text("creators", each) for key, each in given.items()})
    if not person.name:
        raise InputError("a creator has no name (publication.creators): write one")
    if person.orcid and not is_orcid(person.orcid):
        raise InputError(
            f"'{person.orcid}' is no ORCID (publication.creators): copy it from orcid.org, as in {EXAMPLE}"
        )
    return person


def is_orcid(text: str) -> bool:
    """Whether a text is an ORCID, with or without its address: 16 digits of which the last checks the others.

    Examples
    --------
    >>> is_orcid("0000-0002-1825-0097"), is_orcid("0000-0002-1825-0098")
    (True, False)
    """
    if not ORCID.fullmatch(text):
        return False
    digits = text.removeprefix("https://orcid.org/").replace("-", "")
    total = 0
    for digit in digits[:-1]:  # ISO 7064, MOD 11-2
        total = 2 * (total + int(digit))
    return "0123456789X"[(12 - total) % 11] == digits[-1]


def _check(publication: Publication) -> None:
    """Raise InputError for values that files could not hold."""
    p = publication
    if p.name and not NAME.fullmatch(p.name):
        raise InputError(f"'{p.name}' is no name of files (publication.name): use a-z, 0-9, '.', '-' and '_'")
    if p.licence and p.licence not in LICENCES:
        if not p.licence.startswith(OWN):
            raise InputError(
                f"the licence '{p.licence}' is not known (publication.licence): use one of {', '.join(LICENCES)}, "
                f"or {OWN}NAME with licence_name and licence_url"
            )
        if not (p.licence_name and p.licence_url):
            raise InputError(
                "a licence of your own needs a name and an address (publication.licence_name and licence_url): "
                "write both"
            )
    for key in ("url", "licence_url", "source_url"):
        value = getattr(p, key)
        if value and not URL.fullmatch(value):
            raise InputError(f"'{value[:60]}' is no address (publication.{key}): begin it with https://")
    wrong = next((each for each in p.include if each not in INCLUDABLE), None)
    if wrong is not None:
        raise InputError(f"'{wrong}' cannot be included: choose among {', '.join(INCLUDABLE)}")
