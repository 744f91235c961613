"""Sunrise and sunset by NOAA's solar equations, within about two minutes below the polar circles.

Source: NOAA Global Monitoring Laboratory, "General Solar Position Calculations" (after Meeus,
Astronomical Algorithms): fractional year, equation of time, declination, hour angle at a zenith of
90.833 degrees (refraction and the sun's radius).
"""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta, timezone
from typing import Literal

_ZENITH_DEG = 90.833


def sun_time(
    event: Literal["sunrise", "sunset"], day: date, latitude: float, longitude: float
) -> datetime | None:
    """Return when the sun rises or sets; None where it does not on that day (polar day or night).

    Args:
        event: Which.
        day: In local solar time; the moment in UTC may lie on the day before or after.
        latitude: Degrees, north positive.
        longitude: Degrees, east positive.
    """
    equation_min, declination = _sun_of(day)
    cosine = math.cos(math.radians(_ZENITH_DEG)) / (
        math.cos(math.radians(latitude)) * math.cos(declination)
    ) - math.tan(math.radians(latitude)) * math.tan(declination)
    if not -1.0 <= cosine <= 1.0:
        return None
    hour_angle_deg = math.degrees(math.acos(cosine))
    if event == "sunset":
        hour_angle_deg = -hour_angle_deg
    minutes = 720.0 - 4.0 * (longitude + hour_angle_deg) - equation_min
    midnight = datetime(day.year, day.month, day.day, tzinfo=timezone.utc)
    return midnight + timedelta(minutes=minutes)


def _sun_of(day: date) -> tuple[float, float]:
    """Return the equation of time, min, and the declination, rad, at noon of a day."""
    days = 366 if (date(day.year, 12, 31) - date(day.year, 1, 1)).days == 365 else 365
    gamma = 2 * math.pi / days * (day.timetuple().tm_yday - 1)
    equation_min = 229.18 * (
        0.000075
        + 0.001868 * math.cos(gamma)
        - 0.032077 * math.sin(gamma)
        - 0.014615 * math.cos(2 * gamma)
        - 0.040849 * math.sin(2 * gamma)
    )
    declination = (
        0.006918
        - 0.399912 * math.cos(gamma)
        + 0.070257 * math.sin(gamma)
        - 0.006758 * math.cos(2 * gamma)
        + 0.000907 * math.sin(2 * gamma)
        - 0.002697 * math.cos(3 * gamma)
        + 0.00148 * math.sin(3 * gamma)
    )
    return equation_min, declination
