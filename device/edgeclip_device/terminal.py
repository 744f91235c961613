"""Where tables are printed: as wide as the terminal, and never wrapped into a pipe or file."""

from __future__ import annotations

import sys

from rich.console import Console

_WIDE = 2000  # columns; a table takes what it needs


def console() -> Console:
    """Return standard output for tables."""
    return Console() if sys.stdout.isatty() else Console(width=_WIDE)
