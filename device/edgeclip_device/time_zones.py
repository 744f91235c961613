"""The time zone of a clock that says none, as a camera's."""

from __future__ import annotations

import re
from datetime import timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

_OFFSET = re.compile(r"([+-])(\d{2}):?(\d{2})")


def zone_of(text: str) -> tzinfo:
    """Return a zone by its IANA name, or an offset as +03:00.

    Raises:
        ValueError: It is neither; the message says what is expected.
    """
    offset = _OFFSET.fullmatch(text)
    if offset:
        sign, hours, minutes = offset.groups()
        if int(hours) <= 14 and int(minutes) < 60:
            away = timedelta(hours=int(hours), minutes=int(minutes))
            return timezone(-away if sign == "-" else away)
    try:
        return ZoneInfo(text)
    except (KeyError, OSError, ValueError) as error:  # also where a machine has no zones
        raise ValueError(
            f"{text} is no time zone here: an IANA name as Africa/Nairobi, or an offset as +03:00"
        ) from error
