"""Numbers with their words and units, as people read them."""

from __future__ import annotations


def counted(number: int, word: str) -> str:
    """Return a number with its word: `1 visit`, `2 visits`."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def megabytes(size_bytes: int) -> str:
    """Return a size: `0.3 MB`, in 10^6 bytes."""
    return f"{size_bytes / 1e6:.1f} MB"
