"""Runs the command line as `python -m rareloop`."""

import sys

from .dashboard.cli import main

if __name__ == "__main__":
    sys.exit(main())
