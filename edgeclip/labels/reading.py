"""How a label source is read: the one set of options of check, train and evaluate."""

from __future__ import annotations

import re
from datetime import timedelta, timezone, tzinfo
from pathlib import Path
from typing import Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from edgeclip.contract.settings import Settings
from edgeclip.errors import ConfigError

Layout = Literal["label", "location/label", "location/camera/label", "split/label"]
Multi = Literal["drop", "first", "largest-box", "multi"]
BoxUnit = Literal["relative", "pixels"]
ObservationLevel = Literal["media", "event"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
EVERYWHERE = "*"
_OFFSET = re.compile(r"(?:UTC)?([+-])(\d{1,2}):?(\d{2})?")
_SHIFT = re.compile(r"([+-]?)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


class ReadingOptions(Settings):
    """What is read, and how: paths, names of classes, and what to do in doubt."""

    data: Path = Field(strict=False, description="Folder, table, JSON or Camtrap DP package.")
    data_dir: Path | None = Field(None, strict=False, description="Where its paths start.")
    layout: Layout | None = Field(None, description="Of folders; None: guessed, and said.")
    classes: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Class name -> labels; empty: a class a label."
    )
    multi: Multi = Field("drop", description="What becomes of an image with several labels.")
    boxes: Path | None = Field(None, strict=False, description="MegaDetector JSON to add boxes.")
    box_threshold: float = Field(0.2, ge=0, le=1, description="Least confidence of a box.")
    box_unit: BoxUnit | None = Field(None, description="Of a table's boxes; None: relative.")
    use_split: bool | None = Field(
        None,
        description="Take the source's split though it tears places, or never; None: if it does"
        " not.",
    )
    sequence_labels: bool = Field(
        False, description="Take labels of whole bursts as those of each frame."
    )
    observation_level: ObservationLevel | None = Field(None, description="Of Camtrap DP.")
    tz: str = Field("UTC", description="Zone of times that have none.")
    time_offset: dict[str, float] = Field(
        default_factory=dict, description="Location, or *, -> seconds to add to its times."
    )
    columns: tuple[str, ...] = Field(
        (), description="Further columns of a table that are kept with each image."
    )
    mtime: bool = Field(False, description="Where nothing else tells the time, the file's own.")

    @field_validator("tz")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        zone_named(value)
        return value

    @property
    def zone(self) -> tzinfo:
        """Zone of times without one."""
        return zone_named(self.tz)

    def shift_of(self, location: str | None) -> timedelta:
        """Return what is added to the times of a location."""
        everywhere = self.time_offset.get(EVERYWHERE, 0.0)
        return timedelta(seconds=self.time_offset.get(location or EVERYWHERE, everywhere))


def zone_named(text: str) -> tzinfo:
    """Return a time zone by its name in the tz database, or by its offset such as `+03:00`.

    Raises:
        ConfigError: There is no such zone.
    """
    match = _OFFSET.fullmatch(text)
    if match and int(match[2]) <= 14:
        offset = timedelta(hours=int(match[2]), minutes=int(match[3] or 0))
        return timezone(-offset if match[1] == "-" else offset)
    if text == "UTC":
        return timezone.utc
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(f"--tz {text!r} is no zone: write Africa/Nairobi or +03:00") from error


def parse_time_offsets(options: list[str]) -> dict[str, float]:
    """Return location -> seconds from options such as `-12h` or `ridge=+1h30m`.

    Raises:
        ConfigError: An option is no duration.
    """
    offsets = {}
    for option in options:
        place, equals, text = option.rpartition("=")
        match = _SHIFT.fullmatch(text.strip())
        if match is None or not any(match.groups()[1:]) or (equals and not place.strip()):
            raise ConfigError(f"--time-offset {option!r}: write -12h, +1h30m or place=+1d")
        days, hours, minutes, seconds = (int(part or 0) for part in match.groups()[1:])
        total = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds()
        offsets[place.strip() or EVERYWHERE] = -total if match[1] == "-" else total
    return offsets


def parse_layout(text: str | None) -> Layout | None:
    """Return the layout that an option names; None, to guess it, for no option.

    Raises:
        ConfigError: There is no such layout.
    """
    if text is None:
        return None
    for layout in LAYOUTS:
        if text == layout:
            return layout
    known = ", ".join(repr(layout) for layout in LAYOUTS)
    raise ConfigError(f"--layout {text!r} is not known: use one of {known}")
