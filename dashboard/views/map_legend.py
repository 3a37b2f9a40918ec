"""The legend of a map: what its colours mean, in words and numbers."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

QUIET = ("#57606a", "#a5b0bb")  # on a light page, on a dark one
MOST_SHOWN = 12


@dataclass(frozen=True)
class Entry:
    """One colour, for a light and a dark page, with its character and what it stands for."""

    colours: tuple[str, str]
    text: str
    character: str = "■"


@dataclass(frozen=True)
class Legend:
    """What the colours of a map mean: single colours, or a ramp of colours between two numbers.

    `ramps` are the colours for a light and for a dark page, from low to high; `note` says what else there is
    to know.
    """

    title: str
    entries: tuple[Entry, ...] = ()
    ramps: tuple[tuple[str, ...], tuple[str, ...]] | None = None
    low: str = ""
    high: str = ""
    note: str = ""

    def words(self) -> str:
        """The legend without colours, for those who do not see them."""
        ramp = [] if self.ramps is None else [f"from {self.low} to {self.high}"]
        between = ", ".join(ramp + [entry.text for entry in self.entries[:MOST_SHOWN]])
        return ": ".join(part for part in (self.title, between) if part) + (f"; {self.note}" if self.note else "")

    def html(self, *, dark: bool) -> str:
        """The legend as one or two short lines of HTML."""
        quiet = QUIET[dark]
        parts = [f"<b>{escape(self.title)}</b>"]
        if self.ramps is not None:
            gradient = ", ".join(self.ramps[dark])
            parts.append(
                f'<span>{escape(self.low)}</span><i style="display:inline-block;width:90px;height:10px;'
                f'border-radius:2px;background:linear-gradient(90deg, {gradient})"></i>'
                f"<span>{escape(self.high)}</span>"
            )
        parts.extend(
            f'<span style="white-space:nowrap"><span style="color:{entry.colours[dark]}">{entry.character}'
            f"</span> {escape(entry.text)}</span>"
            for entry in self.entries[:MOST_SHOWN]
        )
        if len(self.entries) > MOST_SHOWN:
            parts.append(f"<span>and {len(self.entries) - MOST_SHOWN} more</span>")
        if self.note:
            parts.append(f'<span style="color:{quiet}">{escape(self.note)}</span>')
        return (
            '<div data-testid="map-legend" style="display:flex;flex-wrap:wrap;gap:2px 10px;align-items:center;'
            f'max-height:38px;overflow:auto">{"".join(parts)}</div>'
        )
