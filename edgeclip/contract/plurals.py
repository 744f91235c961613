"""Numbers with their words and units, as people read them."""

from __future__ import annotations

from collections.abc import Sequence


def counted(number: int, word: str) -> str:
    """Return a number with its word: `1 visit`, `2 visits`."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def first_of(texts: Sequence[str], most: int, between: str = ", ") -> str:
    """Return the first of some texts, and how many more there are: `a, b and 3 more`."""
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return between.join(texts[:most]) + more


def megabytes(size_bytes: int) -> str:
    """Return a size: `0.3 MB`, in 10^6 bytes."""
    return f"{size_bytes / 1e6:.1f} MB"
