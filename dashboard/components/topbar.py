"""Notes of the top bar: work under way, the moment one is back in, and a break."""

from __future__ import annotations

from typing import Any

from . import HERE, script
from .messenger import Shower


class TopBar(Shower):
    """A badge with what is being computed, and two notes that are there when they have something to say.

    Parameters
    ----------
    on_message
        Called with what the user does: ``type`` is cancel (with the `id` of the work), now, or dismiss.
    """

    _esm = script("elements", "topbar")
    _stylesheets = [HERE / "topbar.css"]  # noqa: RUF012 (Panel's own form)

    _state = {"work": [], "past": "", "pause": ""}  # noqa: RUF012 (never changed in place)

    def show_parts(self, **parts: Any) -> None:
        """Show other `work`, `past` or `pause` (sentences).

        Each piece of work has id, title, share or None, text, cancellable, and patient: shown after two seconds.
        """
        self.show(self._state | parts)
