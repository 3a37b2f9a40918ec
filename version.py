"""The version of rareloop."""

__version__ = "0.1.0"
