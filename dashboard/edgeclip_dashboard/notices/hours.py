"""Hours of the day in a time zone: windows that may go over midnight."""

from __future__ import annotations

from datetime import datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo


def is_within(at: datetime, begin: str, end: str, zone: str) -> bool:
    """Say whether a time lies in a window; the end is excluded, equal ends are the whole day.

    Args:
        at: Aware.
        begin: `HH:MM` in the zone; later than `end` where the window goes over midnight.
        end: `HH:MM` in the zone.
        zone: An IANA name.
    """
    local = at.astimezone(ZoneInfo(zone)).time()
    first, last = time.fromisoformat(begin), time.fromisoformat(end)
    if first < last:
        return first <= local < last
    return local >= first or local < last


def next_time(after: datetime, hour: str, zone: str) -> datetime:
    """Return when a clock in the zone next shows an hour, as aware UTC, after a given time."""
    there = ZoneInfo(zone)
    local = after.astimezone(there)
    found = datetime.combine(local.date(), time.fromisoformat(hour), there)
    if found <= local:
        found = datetime.combine(local.date() + timedelta(days=1), found.time(), there)
    return found.astimezone(timezone.utc)
