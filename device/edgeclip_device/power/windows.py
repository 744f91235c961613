"""Windows of work: is now inside one, and when does the next begin?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Literal, cast

from edgeclip_device.field_settings import PowerSettings, split_window
from edgeclip_device.power.sun import sun_time

_CLOCK = re.compile(r"(\d\d):(\d\d)")
_SUN = re.compile(r"(sunrise|sunset)(?:([+-]\d+)m)?")
_DAYS_AHEAD = 3

Span = tuple[datetime, datetime]


def next_window(settings: PowerSettings, now: datetime) -> datetime | None:
    """Return when work begins: `now` inside a window, else the next one's start.

    None where no window begins within three days, as in a polar night.

    Args:
        settings: The table `[power]`.
        now: Aware.
    """
    spans = _spans(settings, now.astimezone(timezone.utc))
    if any(begins <= now < ends for begins, ends in spans):
        return now
    return min((begins for begins, _ in spans if begins > now), default=None)


def _spans(settings: PowerSettings, now: datetime) -> Sequence[Span]:
    """Return all windows of the days around now; one that ends before it begins goes overnight."""
    found = []
    for offset in range(-2, _DAYS_AHEAD + 1):  # a night's window began yesterday
        day = now.date() + timedelta(days=offset)
        for window in settings.windows:
            first, last = split_window(window)
            begins, ends = _moment(first, day, settings), _moment(last, day, settings)
            if begins is not None and ends is not None and ends <= begins:
                ends = _moment(last, day + timedelta(days=1), settings)
            if begins is not None and ends is not None:
                found.append((begins, ends))
    return found


def _moment(text: str, day: date, settings: PowerSettings) -> datetime | None:
    if clock := _CLOCK.fullmatch(text):
        midnight = datetime(day.year, day.month, day.day, tzinfo=timezone.utc)
        return midnight + timedelta(hours=int(clock[1]), minutes=int(clock[2]))
    sun = _SUN.fullmatch(text)
    if sun is None or settings.latitude is None or settings.longitude is None:
        return None
    event = cast(Literal["sunrise", "sunset"], sun[1])
    at = sun_time(event, day, settings.latitude, settings.longitude)
    return None if at is None else at + timedelta(minutes=int(sun[2] or 0))
