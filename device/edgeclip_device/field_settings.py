"""Tables of the configuration that concern the field: `[health]`, `[clock]`, `[power]`."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from edgeclip.contract.settings import Settings

_MOMENT = re.compile(r"(?:([01]\d|2[0-3]):([0-5]\d)|(sunrise|sunset)([+-]\d{1,3}m)?)")
_MOST_WINDOWS = 8

Window = Annotated[str, Field(max_length=64)]


class HealthSettings(Settings):
    """Table `[health]`: what the device says of itself."""

    interval_s: float = Field(300.0, ge=1, le=86_400, description="Between two health messages.")
    alarm_interval_s: float = Field(
        60.0, ge=1, le=86_400, description="The same while an alarm stands."
    )
    tool: Literal["none", "tegrastats", "jtop"] = Field(
        "tegrastats", description="Asked, where present, for what the kernel's files do not say."
    )
    battery_label: str = Field(
        "battery", description="Label of the power monitor's channel that measures the battery."
    )
    solar_label: str = Field("solar", description="Of the channel that measures the solar panel.")
    overtemp_c: float = Field(
        95.0, ge=20, le=150, description="From this junction temperature on the alarm stands."
    )
    write_mb_day: float = Field(
        20_000.0, gt=0, description="More megabytes a day on the disk are told by `doctor`."
    )


class ClockSettings(Settings):
    """Table `[clock]`: whom to believe beside NTP."""

    rtc_has_battery: bool = Field(
        False, description="Vouches for the hardware clock: believed from the start of a boot on."
    )
    gnss_file: str | None = Field(
        None,
        description="A file that exists while a GNSS receiver disciplines the clock, as made by a"
        " script of gpsd or chrony.",
    )
    most_error_ms: int = Field(
        60_000,
        ge=1,
        le=3_600_000,
        description="A clock that may be further off is not believed; without NTP it grows by 9 s"
        " a day.",
    )


class PowerSettings(Settings):
    """Table `[power]`: when the device works."""

    mode: Literal["continuous", "windowed", "triggered"] = Field(
        "continuous", description="Always, in hours of the day, or for a while after a trigger."
    )
    windows: list[Window] = Field(
        default_factory=list,
        max_length=_MOST_WINDOWS,
        description='When to work: "05:00-09:30" in UTC, or "sunset-30m..sunrise+30m".',
    )
    latitude: float | None = Field(
        None, ge=-90, le=90, description="For the sun alone; 0.1 degree will do. Never leaves."
    )
    longitude: float | None = Field(None, ge=-180, le=180, description="The same, east positive.")
    trigger: str | None = Field(
        None,
        description="A file that turns to 1 (GPIO) or is written to, or socket:/PATH that"
        " gets a datagram.",
    )
    awake_s: float = Field(
        60.0, ge=1, le=86_400, description="How long a trigger keeps the device at work."
    )
    nvpmodel: str | None = Field(
        None, description="Name of the power mode that the board should run in."
    )

    @field_validator("windows")
    @classmethod
    def _can_be_read(cls, windows: list[str]) -> list[str]:
        for window in windows:
            if not all(_MOMENT.fullmatch(part) for part in split_window(window)):
                raise ValueError(
                    f"{window!r} is no window: write 05:00-09:30 (UTC) or sunset-30m..sunrise+30m"
                )
        return windows

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> PowerSettings:
        if self.mode == "windowed" and not self.windows:
            raise ValueError('mode = windowed needs windows, for example ["05:00-09:30"]')
        if self.mode == "triggered" and self.trigger is None:
            raise ValueError("mode = triggered needs trigger: a file, or socket:/PATH")
        of_the_sun = any("sun" in window for window in self.windows)
        if of_the_sun and (self.latitude is None or self.longitude is None):
            raise ValueError("windows of the sun need latitude and longitude; 0.1 degree will do")
        return self


def split_window(window: str) -> tuple[str, str]:
    """Return the two moments of a window."""
    if ".." in window:
        first, _, last = window.partition("..")
    else:
        first, _, last = window.partition("-")
    return first.strip(), last.strip()
