"""What EXIF says of an image: when it was taken, and which way up it is; a damaged one nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo

from PIL import ExifTags, Image

from edgeclip.labels.times import parse_time

_TIMES = (
    (ExifTags.Base.DateTimeOriginal, ExifTags.Base.OffsetTimeOriginal),
    (ExifTags.Base.DateTimeDigitized, ExifTags.Base.OffsetTimeDigitized),
)
_TURNS = {  # EXIF orientation -> what makes the image upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = (5, 6, 7, 8)  # those that swap width and height
_HEADER = 14  # bytes of an EXIF block without tags: byte order, offset, a count, the next offset

Tags = Mapping[int, object]


@dataclass(frozen=True)
class ExifFacts:
    """What EXIF says.

    Attributes:
        taken_at: Aware UTC, or None.
        dead_clock: The time where it is none that a camera with a battery writes, else None.
        orientation: 1 to 8; 1 is upright.
        is_damaged: Whether a part of it cannot be read, so that something may be missing here.
    """

    taken_at: datetime | None
    dead_clock: str | None
    orientation: int
    is_damaged: bool

    @property
    def is_turned(self) -> bool:
        """Whether the image is to be turned by a quarter, so that width and height swap."""
        return self.orientation in _SIDEWAYS


def read_exif(image: Image.Image, zone: tzinfo) -> ExifFacts:
    """Return what an image's EXIF says; it never fails, since the pixels are good without.

    Args:
        image: Decoded, so that EXIF behind the pixels is known too.
        zone: Of times that have none.
    """
    exif, details = _tags(image.getexif), _tags(lambda: image.getexif().get_ifd(ExifTags.IFD.Exif))
    taken_at, dead_clock = _time(exif or {}, details or {}, zone)
    turn = (exif or {}).get(ExifTags.Base.Orientation)
    known = isinstance(turn, int) and turn in _TURNS and image.format != "TIFF"
    return ExifFacts(
        taken_at=taken_at,
        dead_clock=dead_clock,
        orientation=turn if isinstance(turn, int) and known else 1,  # Pillow turned a TIFF already
        is_damaged=(
            exif is None
            or details is None
            or (not exif and _holds_exif(image))
            or (not details and ExifTags.IFD.Exif in exif)
        ),
    )


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """Return an image turned as its EXIF orientation says."""
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def _holds_exif(image: Image.Image) -> bool:
    """Say whether there is more than the header of an EXIF block."""
    block = image.info.get("exif")
    return isinstance(block, bytes) and len(block.removeprefix(b"Exif\0\0").strip(b"\0")) > _HEADER


def _tags(read: Callable[[], Mapping[int, object]]) -> Tags | None:
    try:
        return dict(read())
    except Exception:  # damaged offsets and types fail in any way: struct.error, TypeError
        return None


def _time(exif: Tags, details: Tags, zone: tzinfo) -> tuple[datetime | None, str | None]:
    """Return the first time that can be believed, and the first that cannot, as written."""
    pairs = [(details.get(tag), details.get(offset)) for tag, offset in _TIMES]
    pairs.append((exif.get(ExifTags.Base.DateTime), details.get(ExifTags.Base.OffsetTime)))
    dead = None
    for text, offset in pairs:
        if not isinstance(text, str) or not text.strip("\0 :0"):
            continue  # "0000:00:00 00:00:00" and spaces are how a camera says nothing
        own = _with_offset(text, offset)
        found = own or parse_time(text, zone)
        if found:
            return found, None
        dead = dead or text.strip("\0 ")[:40]
    return None, dead


def _with_offset(text: str, offset: object) -> datetime | None:
    """Return EXIF's time with EXIF's offset, such as `+03:00`, or None where it has none."""
    if not isinstance(offset, str) or offset[:1] not in ("+", "-"):
        return None
    day, _, clock = text.strip("\0 ").partition(" ")
    return parse_time(f"{day.replace(':', '-')}T{clock}{offset.strip(chr(0)).strip()}")
