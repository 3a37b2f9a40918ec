"""What astropy is needed for, and how to say that it is not there."""

from __future__ import annotations

import importlib.util

from .errors import InputError


def need_astropy(what: str) -> None:
    """Raise InputError, which says how to get it, when astropy is not installed."""
    if importlib.util.find_spec("astropy") is None:
        raise InputError(f'{what} needs astropy: pip install "rareloop[astro]"')
