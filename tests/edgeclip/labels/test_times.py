from __future__ import annotations

from datetime import datetime, timezone

import pytest

from edgeclip.labels.times import parse_time, time_in_name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-05-12 21:34:05", "2024-05-12T21:34:05+00:00"),
        ("2024-05-12T21:34:05Z", "2024-05-12T21:34:05+00:00"),
        ("2024-05-12T23:34:05+02:00", "2024-05-12T21:34:05+00:00"),
        ("2024:05:12 21:34:05\0", "2024-05-12T21:34:05+00:00"),
        ("2024/05/12 21:34", "2024-05-12T21:34:00+00:00"),
    ],
)
def test_the_usual_forms_become_utc(text: str, expected: str) -> None:
    found = parse_time(text)
    assert found is not None
    assert found.isoformat() == expected


@pytest.mark.parametrize(
    "text", ["", "yesterday", "0000:00:00 00:00:00", "12.05.2024", "2024-13-01"]
)
def test_what_is_no_time_or_of_a_dead_clock_is_none(text: str) -> None:
    assert parse_time(text) is None


@pytest.mark.parametrize(
    "name", ["ridge_20240512_213405_1.jpg", "StationB__2024-05-12__21-34-05(3).JPG"]
)
def test_a_time_in_a_file_name_is_found(name: str) -> None:
    assert str(time_in_name(name)) == "2024-05-12 21:34:05+00:00"


@pytest.mark.parametrize("name", ["IMG_0001.jpg", "20240512.jpg", "1234567890_99999999.jpg"])
def test_a_number_in_a_file_name_is_no_time(name: str) -> None:
    assert time_in_name(name) is None


@pytest.mark.parametrize(
    "text",
    [
        "2024-05-12T21:34:05Z",
        "2024-05-12T23:34:05+0200",
        "2024-05-12T23:34:05+02:00",
        "20240512T213405",
        "20240512T213405Z",
        "2024-05-12T21:34:05.0",
        "2024-05-12T21:34:05,000Z",
        "2024-05-12 21:34:05.0000000",
        "2024-05-12T16:34:05-0500",
    ],
)
def test_iso_times_of_every_spelling_are_one_time_on_every_python(text: str) -> None:
    assert parse_time(text) == datetime(2024, 5, 12, 21, 34, 5, tzinfo=timezone.utc)
