"""Keys for the selects of the page."""

from __future__ import annotations

from . import HERE
from .messenger import Component


class SelectKeys(Component):
    """Has the selects of panel-material-ui open by Enter, space and the arrow keys; nothing of it is seen."""

    _esm = HERE / "selects.js"
