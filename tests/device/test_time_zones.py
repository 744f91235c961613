from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from edgeclip_device.time_zones import zone_of

SUMMER = datetime(2026, 7, 1)  # noqa: DTZ001 - the zones are what is tested


@pytest.mark.parametrize(
    ("text", "hours"),
    [("+03:00", 3), ("-0330", -3.5), ("UTC", 0), ("Africa/Nairobi", 3), ("Europe/Berlin", 2)],
)
def test_a_zone_has_a_name_or_an_offset(text: str, hours: float) -> None:
    assert zone_of(text).utcoffset(SUMMER) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "Mars/Olympus", "+25:00", "../../etc/passwd", "3"])
def test_anything_else_says_what_is_expected(text: str) -> None:
    with pytest.raises(ValueError, match="an IANA name as Africa/Nairobi, or an offset"):
        zone_of(text)
