"""The arms of a round: how the questions are shared among them, and what each has found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import panel as pn
import panel_material_ui as pmui

from ...strategies.mixture import ARMS
from ..reasons import plain_name
from ..session import LabellingSession

AUTOMATIC, OWN = "Automatic", "My own"


class Shares(pn.viewable.Viewer):
    """The switch between automatic shares and the user's own, and a number for each arm.

    Parameters
    ----------
    change
        Called with ``shares=...`` when the user changes them.
    """

    def __init__(self, session: LabellingSession, change: Callable[..., None]) -> None:
        super().__init__()
        self.session = session
        self._change = change
        own = per_cent(dict(session.settings.shares))
        self.switch = pmui.RadioButtonGroup(
            label="Shares of the arms",
            options=[AUTOMATIC, OWN],
            value=OWN if own else AUTOMATIC,
            size="small",
            margin=(0, 10),
        )
        self.inputs = {
            arm: pmui.IntInput(
                label=f"{spec.label} (%)", value=own.get(arm, 0), start=0, step=5, size="small", width=230
            )
            for arm, spec in ARMS.items()
        }
        self.column = pmui.Column(*self.inputs.values(), visible=bool(own), margin=0)
        self._filling = False
        self.switch.param.watch(lambda event: self._switched(event.new == OWN), "value")
        for box in self.inputs.values():
            box.param.watch(lambda _: self._send(), "value")

    def __panel__(self) -> pn.viewable.Viewable:
        return pmui.Column(self.switch, self.column, margin=0)

    def _switched(self, is_own: bool) -> None:
        if is_own:
            self._fill(dict.fromkeys(ARMS, 0.0) | current_shares(self.session))
        self.column.visible = is_own
        self._send()

    def _fill(self, shares: Mapping[str, float]) -> None:
        """Begin with what is in force, so that one number can be changed at a time."""
        self._filling = True
        for arm, value in per_cent(shares).items():
            self.inputs[arm].value = value
        self._filling = False

    def _send(self) -> None:
        if self._filling or any(box.value is None for box in self.inputs.values()):
            return
        shares = ((arm, float(box.value)) for arm, box in self.inputs.items() if box.value)
        self._change(shares=tuple(shares) if self.switch.value == OWN else ())


def per_cent(shares: Mapping[str, float]) -> dict[str, int]:
    """Shares in whole per cents of what they add up to."""
    total = sum(shares.values())
    return {arm: round(100 * share / total) for arm, share in shares.items()} if total else {}


def current_shares(session: LabellingSession) -> dict[str, float]:
    """The newest round's shares of the arms; equal ones where there is no round."""
    known = {entry["arm"]: entry["share"] for entry in session.report.get("arms") or [] if entry["arm"] in ARMS}
    return known if sum(known.values()) else dict.fromkeys(ARMS, 1.0)


def arms_table(arms: list[dict[str, Any]]) -> str:
    """The arms of a round as an HTML table: share now, labels asked for and wanted items found so far."""
    lines = "".join(
        f"<tr><th scope='row' style='text-align:left;font-weight:500'>{escape(plain_name(entry['arm']))}</th>"
        f"<td>{100 * entry['share']:.0f} %</td><td>{entry['asked']:,}</td><td>{entry['found']:,}</td>"
        f"<td>{_rate(entry)}</td></tr>"
        for entry in arms
    )
    heads = ("Asks", "Share now", "Labels", "Found", "Found per label")
    head = "".join(f"<th scope='col'>{name}</th>" for name in heads)
    return (
        "<table data-testid='arms' style='border-spacing:10px 2px;font-variant-numeric:tabular-nums'>"
        f"<thead><tr style='text-align:left'>{head}</tr></thead><tbody>{lines}</tbody></table>"
    )


def _rate(entry: dict[str, Any]) -> str:
    return f"{entry['found'] / entry['asked']:.2f}" if entry["asked"] else "–"
