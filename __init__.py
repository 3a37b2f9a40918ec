"""Find and label the rare classes of a large table, with active learning, in the browser."""

from . import card
from .card import Card

__version__ = "0.1.0"
__all__ = ["Card", "__version__", "card"]
