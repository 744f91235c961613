from __future__ import annotations

import struct
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from edgeclip_device.sources.image_facts import is_whole, pixel_count, taken_at
from support.drawn_clips import ground, write_image
from support.exif import write_jpeg

NAIROBI = timezone(timedelta(hours=3))
TAKEN = datetime(2026, 5, 1, 2, 30, tzinfo=timezone.utc)


@pytest.fixture
def jpeg(tmp_path: Path) -> bytes:
    return write_jpeg(tmp_path / "a.jpg", ground(), "2026:05:01 05:30:00").read_bytes()


def test_a_time_without_zone_is_of_the_cameras_clock(jpeg: bytes) -> None:
    assert taken_at(jpeg, NAIROBI) == TAKEN


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_time_with_its_own_zone_keeps_it(tmp_path: Path, order: str) -> None:
    path = write_jpeg(
        tmp_path / "a.jpg", ground(), "2026:04:30 21:30:00", offset="-05:00", order=order
    )
    assert taken_at(path.read_bytes(), NAIROBI) == TAKEN


@pytest.mark.parametrize("text", ["0000:00:00 00:00:00", "    :  :     :  :  ", "yesterday"])
def test_a_time_that_is_none_is_none(tmp_path: Path, text: str) -> None:
    path = write_jpeg(tmp_path / "a.jpg", ground(), text)
    assert taken_at(path.read_bytes(), NAIROBI) is None


def test_files_without_exif_say_nothing(tmp_path: Path) -> None:
    plain = write_jpeg(tmp_path / "a.jpg", ground()).read_bytes()
    png = write_image(tmp_path / "a.png", ground()).read_bytes()
    assert [taken_at(data, NAIROBI) for data in (plain, png, b"", b"\xff\xd8\xff")] == [None] * 4


def test_damaged_exif_is_no_error(jpeg: bytes) -> None:
    for at in range(2, 120):
        taken_at(jpeg[:at] + b"\xff\xff\xff\xff" + jpeg[at + 4 :], NAIROBI)
        taken_at(jpeg[:at], NAIROBI)


def test_a_file_without_its_end_is_not_whole(tmp_path: Path, jpeg: bytes) -> None:
    png = write_image(tmp_path / "a.png", ground()).read_bytes()
    assert is_whole(jpeg)
    assert is_whole(jpeg + b"\0" * 5000)  # padded by the camera
    assert is_whole(png)
    assert not is_whole(jpeg[:-2])
    assert not is_whole(jpeg[: len(jpeg) // 2])
    assert not is_whole(png[:-12])
    assert not is_whole(b"")


def test_the_end_of_a_thumbnail_is_not_the_end(jpeg: bytes) -> None:
    thumbnail = b"\xff\xe2" + struct.pack(">H", 8) + b"\xff\xd9----"
    assert not is_whole((jpeg[:2] + thumbnail + jpeg[2:])[:-2])


def test_the_size_is_known_before_anything_is_decoded(tmp_path: Path, jpeg: bytes) -> None:
    png = write_image(tmp_path / "a.png", ground()).read_bytes()
    assert (pixel_count(jpeg), pixel_count(png)) == (240 * 320, 240 * 320)
    assert pixel_count(b"BM") is None
