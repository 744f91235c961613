"""The clock of a place: its time zone, where a person has noted one."""

from __future__ import annotations

from datetime import tzinfo
from typing import Final
from zoneinfo import ZoneInfo

NOT_NOTED: Final = "UTC"
"""The time zone of a deployment that nobody has written one for."""


def noted_zone(name: str, elsewhere: tzinfo | None = None) -> tzinfo | None:
    """Return a deployment's time zone.

    Args:
        name: As a person has written it, or `NOT_NOTED`.
        elsewhere: The project's (`[page].time_zone`), where none is noted, or one that is unknown
            here; None is UTC.
    """
    if name in ("", NOT_NOTED):
        return elsewhere
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return elsewhere
