"""The badges of the top bar: saved, round, found so far."""

from __future__ import annotations

from pathlib import Path

import param
from panel.custom import JSComponent

HERE = Path(__file__).parent


class Status(JSComponent):
    """Badges of the top bar; whether all is saved comes from the labelling surface in the same page."""

    round_text = param.String(default="", doc="Which round ranked the queue.")
    running = param.Boolean(default=False, doc="Whether a round is under way.")
    found_text = param.String(default="", doc="How much has been found.")

    _esm = HERE / "status.js"
    _stylesheets = [HERE / "status.css"]  # noqa: RUF012 (Panel's own form)
