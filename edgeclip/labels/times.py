"""Times as camera-trap tables, EXIF and file names write them -> aware UTC."""

from __future__ import annotations

import re
from datetime import datetime, timezone

_FORMS = (
    "%Y-%m-%d %H:%M:%S",
    "%Y:%m:%d %H:%M:%S",  # EXIF
    "%Y/%m/%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y/%m/%d %H:%M",
    "%Y-%m-%d",
)
_EARLIEST, _LATEST = 1990, 2100  # a camera without a battery says 1970 or 1980
_IN_A_NAME = re.compile(
    r"(?<!\d)(\d{4})[-_.]?([01]\d)[-_.]?([0-3]\d)[-_ T]{1,3}"
    r"([0-2]\d)[-_.]?([0-5]\d)(?:[-_.]?([0-5]\d))?(?!\d)"
)


def parse_time(text: str) -> datetime | None:
    """Return the time that a table or EXIF writes, or None if it is none.

    Args:
        text: ISO 8601, or year first with `-`, `:` or `/`, seconds optional. Without a zone: UTC.
    """
    text = text.strip().strip("\0").strip()
    try:
        found: datetime | None = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        found = _by_form(text)
    if found is None or not _EARLIEST <= found.year <= _LATEST:
        return None
    return _utc(found)


def time_in_name(name: str) -> datetime | None:
    """Return the time in a file name such as `ridge_20240512_213405_1.jpg`, or None."""
    match = _IN_A_NAME.search(name)
    if match is None:
        return None
    year, month, day, hour, minute, second = (part or "00" for part in match.groups())
    return parse_time(f"{year}-{month}-{day} {hour}:{minute}:{second}")


def _by_form(text: str) -> datetime | None:
    for form in _FORMS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=timezone.utc)
        except ValueError:
            continue
    return None


def _utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        return at.replace(tzinfo=timezone.utc)
    return at.astimezone(timezone.utc)
