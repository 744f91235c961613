"""What a camera's file says of itself before it is decoded: taken when, how large, whole or not."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import datetime, timezone, tzinfo

_SIZES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # JPEG's markers that hold height and width
_EXIF = b"Exif\0\0"
_EXIF_FOLDER = 0x8769
_TIMES = ((0x9003, 0x9011), (0x9004, 0x9012), (0x0132, 0x9010))  # original, digitised, changed
_MOST_ENTRIES = 512
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 7: 1, 9: 4}
_PNG = b"\x89PNG\r\n\x1a\n"

Tags = dict[int, bytes]


def is_whole(data: bytes) -> bool:
    """Say whether a JPEG or PNG has its end; of other files nothing is known, and that is yes.

    Cameras and their cards pad files, so the end need not be the last bytes.
    """
    if data.startswith(b"\xff\xd8"):
        return data.rfind(b"\xff\xd9") > _scan_start(data)
    if data.startswith(_PNG):
        return b"IEND" in data[-4096:]
    return bool(data)


def pixel_count(data: bytes) -> int | None:
    """Return height times width of a JPEG or PNG; None where it does not say so."""
    if data.startswith(_PNG) and len(data) >= 24:
        width, height = struct.unpack_from(">II", data, 16)
        return int(width * height)
    for marker, body in _segments(data):
        if marker in _SIZES and len(body) >= 5:
            height, width = struct.unpack_from(">HH", body, 1)
            return int(width * height)
    return None


def taken_at(data: bytes, zone: tzinfo) -> datetime | None:
    """Return when an image was taken, by its EXIF; None where that holds no time.

    Args:
        data: The file.
        zone: Of the camera's clock, where the file states none of its own.
    """
    tags = _exif_tags(data)
    for time_tag, zone_tag in _TIMES:
        at = _time(tags.get(time_tag, b""), tags.get(zone_tag, b""), zone)
        if at is not None:
            return at
    return None


def _time(text: bytes, offset: bytes, zone: tzinfo) -> datetime | None:
    words = text.rstrip(b"\0 ").decode("ascii", "replace")
    away = offset.rstrip(b"\0 ").decode("ascii", "replace")
    for suffix, form in ((away, "%Y:%m:%d %H:%M:%S%z"), ("", "%Y:%m:%d %H:%M:%S")):
        try:
            at = datetime.strptime(words + suffix, form)  # noqa: DTZ007 - the zone follows
        except ValueError:
            continue
        return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(timezone.utc)
    return None


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Give a JPEG's segments before its pixels: marker, and bytes without the length."""
    at = 2
    while data.startswith(b"\xff\xd8") and at + 4 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], struct.unpack_from(">H", data, at + 2)[0]
        if marker == 0xFF:  # fill
            at += 1
            continue
        if marker == 0xDA:  # the pixels begin
            return
        yield marker, data[at + 4 : at + 2 + length]
        at += 2 + max(length, 2)


def _scan_start(data: bytes) -> int:
    """Return where a JPEG's pixels begin: an end before it is the thumbnail's."""
    at = 2
    for _, body in _segments(data):
        at += 4 + len(body)
    return at


def _exif_tags(data: bytes) -> Tags:
    for marker, body in _segments(data):
        if marker == 0xE1 and body.startswith(_EXIF):
            return _tiff_tags(body[len(_EXIF) :])
    return {}


def _tiff_tags(tiff: bytes) -> Tags:
    """Return the tags of the first folder and of EXIF's own; damage ends the reading."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return {}
    tags: Tags = {}
    try:
        tags |= _folder(tiff, order, struct.unpack_from(order + "I", tiff, 4)[0])
        if _EXIF_FOLDER in tags:
            tags |= _folder(tiff, order, struct.unpack(order + "I", tags[_EXIF_FOLDER])[0])
    except struct.error:
        return tags
    return tags


def _folder(tiff: bytes, order: str, at: int) -> Tags:
    tags: Tags = {}
    (count,) = struct.unpack_from(order + "H", tiff, at)
    for n in range(min(count, _MOST_ENTRIES)):
        entry = at + 2 + 12 * n
        tag, kind, length = struct.unpack_from(order + "HHI", tiff, entry)
        size = _TYPE_BYTES.get(kind, 0) * length
        if 0 < size <= 64:  # times and the offset of a folder; nothing else is asked for
            (pointer,) = struct.unpack_from(order + "I", tiff, entry + 8)
            start = entry + 8 if size <= 4 else pointer
            tags[tag] = tiff[start : start + size]
    return tags
