"""Where a notice stands; the words that are stored and shown."""

from __future__ import annotations

from typing import Final

WAITING: Final = "waiting"
"""To be told as soon as possible."""
QUIET: Final = "quiet"
"""To be told together with others when the quiet hours end."""
WATCHED: Final = "watched"
"""Told; escalated when its time comes and nobody has acknowledged."""
SENT: Final = "sent"
"""Told, and nothing more is due."""
ESCALATED: Final = "escalated"
"""Told further, because nobody had acknowledged."""
ACKNOWLEDGED: Final = "acknowledged"
"""Somebody has seen it."""
RETRACTING: Final = "retracting"
"""To be told that the device took its detection back."""
TAKEN_BACK: Final = "taken back"
"""That was told."""
WITHDRAWN: Final = "withdrawn"
"""Never told: taken back before, or its rule was switched off or removed."""
FAILED: Final = "failed"
"""Given up; the reasons stand beside it."""

DUE: Final = (WAITING, QUIET, WATCHED, RETRACTING)
"""The states in which the time of the next try says when something has to be done."""
UNTOLD: Final = (WAITING, QUIET)
"""The states in which usually nobody has been told yet."""
OPEN: Final = (WAITING, QUIET, WATCHED, SENT, ESCALATED, FAILED)
"""The states that somebody can acknowledge."""
