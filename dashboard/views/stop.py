"""When to stop: what share of each wanted class has been found, and what more would cost."""

from __future__ import annotations

from html import escape
from typing import Any

import panel as pn
import panel_material_ui as pmui

from ..page import Page
from ..session import LabellingSession

# Word, symbol, and colours on the light and the dark ground (WCAG AA for text of this size).
LIGHTS = {
    "green": ("target reached", "●", "#1b6e20", "#7bd181"),
    "amber": ("not yet", "◐", "#8a4b00", "#ffb74d"),
    "grey": ("cannot say yet", "○", "#555555", "#b5b5b5"),
}
TARGET = "Share of the class to be found (0.01 to 0.999)"
NO_CLASS = "No class is marked as looked for: choose one in the Strategy tab."
MEANING = (
    "Green means: with 95 % confidence, the share found has reached your target, however often you have looked. "
    "A pause in the finds never makes it green."
)


class StopView(pn.viewable.Viewer):
    """One statement for each wanted class, with a bar of what has been found, and the target."""

    title = "Stop"

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self.session: LabellingSession = page.session
        self.target = pmui.FloatInput(
            label=TARGET, value=self.session.settings.target, start=0.01, end=0.999, step=0.05, size="small",
            width=330, margin=(8, 10),
        )  # fmt: skip
        self.body = pn.pane.HTML("", sizing_mode="stretch_width", margin=(0, 10))
        self.target.param.watch(lambda event: self._retarget(event.new), "value")
        page.react(self._draw, "dark")
        page.watch(self.session, self._draw, "stopping", "taxonomy_revision")
        self._draw()

    def __panel__(self) -> pn.viewable.Viewable:
        body = pmui.Column(self.body, sizing_mode="stretch_both", styles={"overflow-y": "auto", "min-height": "0"})
        return pmui.Column(self.target, body, sizing_mode="stretch_both")

    def _retarget(self, value: float | None) -> None:
        if value is None:
            return
        try:
            self.session.update_settings(target=float(value))
        except Exception as error:
            self.page.complain(error)
            self.target.value = self.session.settings.target

    def _draw(self) -> None:
        statements = self.session.stopping.get("classes") or []
        parts = [self._class(said) for said in statements]
        if not any(c.wanted for c in self.session.workspace.taxonomy):
            parts = [f"<p>{NO_CLASS}</p>"]
        elif not parts:
            parts = ["<p>The first round is under way.</p>"]
        self.body.object = (
            f'<div data-testid="stop" style="font-size:13px">{"".join(parts)}<p><small>{MEANING}</small></p></div>'
        )

    def _class(self, said: dict[str, Any]) -> str:
        word, symbol, light, dark = LIGHTS[said["status"]]
        colour = dark if self.page.dark else light
        sentences = "".join(f"<li>{escape(sentence)}</li>" for sentence in said["sentences"])
        return (
            f'<section data-testid="stop-class" data-status="{said["status"]}" '
            f'aria-label="{escape(said["class"])}">'
            f'<p style="margin:4px 0"><b style="color:{colour}">{symbol} {escape(said["class"])}: {word}</b><br>'
            f'<span style="font-size:15px">{escape(said["headline"])}</span></p>'
            f'{found_bar(said, colour)}<ul style="padding-left:1.2em;margin:4px 0">{sentences}</ul></section>'
        )


def found_bar(said: dict[str, Any], colour: str) -> str:
    """A bar from none to all of the class: certain share, interval of the share, and the target; as HTML."""
    share, certain = said["share"], said["certain"]
    if share is None or certain is None or None in share[1:]:
        return ""
    low, high = 100 * share[1], 100 * share[2]
    text = f"found {low:.0f} to {high:.0f} %, certain {100 * certain:.0f} %, target {100 * said['target']:.0f} %"
    return (
        f'<div role="img" aria-label="{text}" title="{text}" style="position:relative;height:14px;max-width:480px;'
        f'border:1px solid {colour};border-radius:3px;overflow:hidden">'
        f'<div style="position:absolute;left:{low:.1f}%;width:{max(high - low, 0.5):.1f}%;height:100%;'
        f'background:{colour};opacity:.35"></div>'
        f'<div style="position:absolute;left:0;width:{100 * certain:.1f}%;height:100%;background:{colour}"></div>'
        f'<div style="position:absolute;left:{100 * said["target"]:.1f}%;width:0;height:100%;'
        f'border-left:2px dashed currentColor"></div></div>'
    )


def meter(stopping: dict[str, Any]) -> str:
    """How far one is, for the top bar: the share that is certain, of the class that has least; or nothing."""
    known = [s for s in stopping.get("classes") or [] if s["status"] != "grey" and s["certain"] is not None]
    if not known or len(known) < len(stopping["classes"]):
        return ""
    last = min(known, key=lambda said: said["certain"])
    return f"{LIGHTS[last['status']][1]} at least {100 * last['certain']:.0f} % found"
