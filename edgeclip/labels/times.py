"""Times as camera-trap tables, EXIF and file names write them -> aware UTC."""

from __future__ import annotations

import re
from datetime import datetime, timezone, tzinfo

_FORMS = (
    "%Y-%m-%d %H:%M:%S",
    "%Y:%m:%d %H:%M:%S",  # EXIF
    "%Y/%m/%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y:%m:%d %H:%M",
    "%Y/%m/%d %H:%M",
    "%Y-%m-%d",
    "%Y%m%d%H%M%S",
    "%d-%b-%Y %H:%M:%S",  # Timelapse and older COCO files; months in English
    "%d-%b-%Y %H:%M",
    "%a %b %d %H:%M:%S %Y",
)
_EARLIEST, _LATEST = 1990, 2100  # a camera without a battery says 1970 or 1980
_LONGEST = 64
_ISO = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)[T ](\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d+))?)?"
    r"([Zz]|[+-]\d\d:?\d\d)?"
)
_IN_A_NAME = re.compile(
    r"(?<!\d)(\d{4})[-_.]?([01]\d)[-_.]?([0-3]\d)[-_ T]{1,3}"
    r"([0-2]\d)[-_.]?([0-5]\d)(?:[-_.]?([0-5]\d))?(?!\d)"
)


def parse_time(text: str, zone: tzinfo = timezone.utc) -> datetime | None:
    """Return the time that a table or EXIF writes, or None if it is none.

    Args:
        text: ISO 8601, or year first with `-`, `:` or `/`, or `12-May-2024`; seconds optional.
        zone: Of a time that has none.
    """
    text = text.strip().strip("\0").strip()
    if not text or len(text) > _LONGEST:
        return None
    try:
        found: datetime | None = datetime.fromisoformat(_plain_iso(text))
    except ValueError:
        found = _by_form(text)
    if found is None or not _EARLIEST <= found.year <= _LATEST:
        return None
    return _utc(found, zone)


def _plain_iso(text: str) -> str:
    """Return ISO 8601 in the one spelling that Python 3.10 reads: separators, 6 digits, +00:00."""
    match = _ISO.fullmatch(text)
    if match is None:
        return text.replace("Z", "+00:00")
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    digits = f".{fraction[:6]:0<6}" if fraction else ""
    offset = "" if not zone else "+00:00" if zone in "Zz" else f"{zone[:3]}:{zone[-2:]}"
    return f"{year}-{month}-{day}T{hour}:{minute}:{second or '00'}{digits}{offset}"


def time_in_name(name: str, zone: tzinfo = timezone.utc) -> datetime | None:
    """Return the time in a file name such as `ridge_20240512_213405_1.jpg`, or None."""
    match = _IN_A_NAME.search(name)
    if match is None:
        return None
    year, month, day, hour, minute, second = (part or "00" for part in match.groups())
    return parse_time(f"{year}-{month}-{day} {hour}:{minute}:{second}", zone)


def _by_form(text: str) -> datetime | None:
    for form in _FORMS:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007  # the zone follows in _utc
        except ValueError:
            continue
    return None


def _utc(at: datetime, zone: tzinfo) -> datetime:
    if at.tzinfo is None:
        at = at.replace(tzinfo=zone)
    return at.astimezone(timezone.utc)
