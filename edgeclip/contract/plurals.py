"""Numbers with their words."""

from __future__ import annotations


def counted(number: int, word: str) -> str:
    """Return a number with its word: `1 visit`, `2 visits`."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
