"""Find and label the rare classes of a large table, with active learning, in the browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import card
from .card import Card
from .version import __version__

if TYPE_CHECKING:
    from .dashboard.notebook import Dashboard
    from .dashboard.notebook import open_dashboard as open  # noqa: A004 (rareloop.open, like the word)
    from .dashboard.saved_model import SavedModel, load_model

__all__ = ["Card", "Dashboard", "SavedModel", "__version__", "card", "load_model", "open"]


def __getattr__(name: str) -> Any:
    """Load what shows the page, or opens a model, only when it is asked for: ``import rareloop`` stays light."""
    if name in ("open", "Dashboard"):
        from .dashboard import notebook

        return notebook.open_dashboard if name == "open" else notebook.Dashboard
    if name in ("load_model", "SavedModel"):
        from .dashboard import saved_model

        return getattr(saved_model, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
