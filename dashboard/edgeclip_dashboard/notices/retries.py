"""When what could not be told is tried again: soon first, then hourly, for about a day."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

_FIRST_S: Final = 30
_LONGEST_S: Final = 3600
MOST_TRIES: Final = 30
"""Eight in the first hours, then one an hour: about a day."""


def next_try(tries: int, now: datetime) -> datetime:
    """Return when to try again.

    Args:
        tries: How many have failed, 1 or more.
        now: When the last one did.
    """
    return now + timedelta(seconds=min(_LONGEST_S, _FIRST_S * 2 ** min(tries - 1, 10)))
