"""The two sides of the Export tab in the browser: the form of the publication, and the panel of the package."""

from __future__ import annotations

import param

from . import HERE, script
from .messenger import Shower


class PublicationForm(Shower):
    """A form whose fields are saved one by one.

    Its state has ``groups`` of fields, ``values``, ``errors`` (by field), the choices ``licences``, ``columns``
    and ``includes``, and which save was ``answered`` last. Messages from the browser: ``save`` (key, changes,
    number). The panel beside it brings a field to the user by the browser's event ``rareloop:field``.
    """

    dark = param.Boolean(default=False, doc="Whether the page's theme is dark.")

    _esm = script("elements", "publication")
    _stylesheets = [HERE / "handover.css"]  # noqa: RUF012 (Panel's own form)


class HandoverPanel(Shower):
    """What is missing, the package under way with its checks, and the versions so far.

    Messages from the browser: ``jump`` (key of what is missing and no field), ``propose``, ``make`` (version or
    None), ``cancel``. The message ``progress`` (share, text) moves the bar.
    """

    dark = param.Boolean(default=False, doc="Whether the page's theme is dark.")

    _esm = script("elements", "handover")
    _stylesheets = [HERE / "handover.css"]  # noqa: RUF012 (Panel's own form)
