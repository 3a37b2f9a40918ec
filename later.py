"""Packages that are imported when they are first used: whoever waits for the first page need not wait for them."""

from __future__ import annotations

import importlib
from typing import Any

_put_off: dict[str, None] = {}


class Later:
    """Stands for a module, which is imported when something of it is used.

    The page's process offers strategies and classifiers by name without fitting anything: it has no need of
    scikit-learn and all of SciPy, which take seconds to import, before somebody sees the page.

    Parameters
    ----------
    name
        Of the module, in full.

    Examples
    --------
    >>> special = Later("scipy.special")
    >>> float(special.expit(0.0))
    0.5
    """

    def __init__(self, name: str) -> None:
        self._name = name
        _put_off[name] = None

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)


def import_all() -> None:
    """Import what has been put off so far: for a process that will need it, and that nobody waits for yet."""
    for name in list(_put_off):
        importlib.import_module(name)
