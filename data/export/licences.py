"""The licences that a package can name in every form that its files need, and their notices."""

from __future__ import annotations

from dataclasses import dataclass

OWN = "LicenseRef-"  # SPDX ids of licences that are none of the list


@dataclass(frozen=True)
class Licence:
    """One licence: SPDX id, name, canonical address, its id at Hugging Face and in the Open Definition."""

    spdx: str
    name: str
    url: str
    hugging_face: str
    open_definition: str | None
    gist: str

    @property
    def spdx_url(self) -> str:
        """The address that Croissant has: of the SPDX list, or the licence's own."""
        return self.url if self.spdx.startswith(OWN) else f"https://spdx.org/licenses/{self.spdx}.html"


_ATTRIBUTION = "You may share and adapt the data for any purpose if you give credit and say what you changed."
_ALIKE = f"{_ATTRIBUTION} What you make of them must have the same licence."
_SOFTWARE = "You may use, copy, change and pass on the data if the licence and its copyright line go with them."

LICENCES: dict[str, Licence] = {
    licence.spdx: licence
    for licence in (
        Licence("CC0-1.0", "Creative Commons Zero v1.0 Universal",
                "https://creativecommons.org/publicdomain/zero/1.0/legalcode", "cc0-1.0", "CC0-1.0",
                "The authors waive their rights: you may use the data for any purpose without asking."),
        Licence("CC-BY-4.0", "Creative Commons Attribution 4.0 International",
                "https://creativecommons.org/licenses/by/4.0/legalcode", "cc-by-4.0", "CC-BY-4.0", _ATTRIBUTION),
        Licence("CC-BY-SA-4.0", "Creative Commons Attribution Share Alike 4.0 International",
                "https://creativecommons.org/licenses/by-sa/4.0/legalcode", "cc-by-sa-4.0", "CC-BY-SA-4.0",
                _ALIKE),
        Licence("CC-BY-NC-4.0", "Creative Commons Attribution Non Commercial 4.0 International",
                "https://creativecommons.org/licenses/by-nc/4.0/legalcode", "cc-by-nc-4.0", "CC-BY-NC-4.0",
                f"{_ATTRIBUTION} Commercial use is not allowed."),
        Licence("ODbL-1.0", "Open Data Commons Open Database License v1.0",
                "https://opendatacommons.org/licenses/odbl/1-0/", "odbl", "ODbL-1.0", _ALIKE),
        Licence("ODC-By-1.0", "Open Data Commons Attribution License v1.0",
                "https://opendatacommons.org/licenses/by/1-0/", "odc-by", "ODC-BY-1.0", _ATTRIBUTION),
        Licence("PDDL-1.0", "Open Data Commons Public Domain Dedication & License 1.0",
                "https://opendatacommons.org/licenses/pddl/1-0/", "pddl", "ODC-PDDL-1.0",
                "The authors waive their rights: you may use the data for any purpose without asking."),
        Licence("CDLA-Permissive-2.0", "Community Data License Agreement Permissive 2.0",
                "https://cdla.dev/permissive-2-0/", "cdla-permissive-2.0", None,
                "You may use and pass on the data for any purpose if the text of the licence goes with them."),
        Licence("MIT", "MIT License", "https://opensource.org/license/mit", "mit", "MIT", _SOFTWARE),
        Licence("Apache-2.0", "Apache License 2.0", "https://www.apache.org/licenses/LICENSE-2.0", "apache-2.0",
                "Apache-2.0", _SOFTWARE),
        Licence("BSD-3-Clause", "BSD 3-Clause \"New\" or \"Revised\" License",
                "https://opensource.org/license/bsd-3-clause", "bsd-3-clause", None, _SOFTWARE),
    )
}  # fmt: skip


def own_licence(spdx: str, name: str, url: str) -> Licence:
    """A licence that is none of the list, by its name and address."""
    return Licence(spdx, name, url, "other", None, "What you may do is said at that address.")


def notice(licence: Licence, title: str, holders: str, year: int) -> str:
    """The text of the file LICENSE: which licence, where its full text is, and in one sentence what it allows."""
    return (
        f"{title}\nCopyright {year} {holders}\n\n"
        f"The files of this package are available under\n\n"
        f"    {licence.name}\n    SPDX-License-Identifier: {licence.spdx}\n    {licence.url}\n\n"
        f"In short, and without legal force: {licence.gist}\n"
        "The text at the address above is the licence.\n"
    )
