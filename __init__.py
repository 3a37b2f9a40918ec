"""Find and label the rare classes of a large table, with active learning, in the browser."""

__version__ = "0.1.0"
