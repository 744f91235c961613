from __future__ import annotations

import io
from datetime import timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgeclip.contract.hashing import sha256_file
from edgeclip.errors import DataError
from edgeclip.labels.scan import ImageFacts, scan_image, scan_images
from support.drawn_images import draw, save
from support.odd_images import ODD_FILES, huge_png, odd_file, turned


def _ico() -> bytes:
    out = io.BytesIO()
    Image.fromarray(draw("leopard", 0)).save(out, "ICO")
    return out.getvalue()


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "tif"])
def test_a_readable_image_gives_its_facts(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / f"a.{suffix}", draw("leopard", 0))
    facts = scan_image(path)
    assert (facts.width, facts.height, facts.sha256) == (64, 48, sha256_file(path))
    assert not facts.is_infrared


def test_a_frame_without_colour_is_infrared(tmp_path: Path) -> None:
    grey = np.repeat(draw("zebra", 0).mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    assert scan_image(save(tmp_path / "night.jpg", grey)).is_infrared


def test_the_time_comes_from_exif_before_the_name(tmp_path: Path) -> None:
    image = Image.fromarray(draw("leopard", 0))
    exif = image.getexif()
    exif[0x0132] = "2023:01:02 03:04:05"
    path = tmp_path / "ridge_20240512_213405.jpg"
    image.save(path, exif=exif)
    assert str(scan_image(path).taken_at) == "2023-01-02 03:04:05+00:00"
    image.save(path)
    assert str(scan_image(path).taken_at) == "2024-05-12 21:34:05+00:00"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "0 bytes"),
        (b"this is text", "not of a known image format"),
        (_ico(), "not of a known image format"),
        (huge_png(60_000, 60_000), "too large|cut short"),
        (huge_png(20_000, 8_000), "too large"),
        (huge_png(64, 64), "cut short"),
    ],
    ids=["empty", "text", "icon named jpg", "bomb", "huge", "no pixels"],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    with pytest.raises(DataError, match=message):
        scan_image(path)


def test_a_truncated_jpeg_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", draw("leopard", 0))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match="damaged or cut short"):
        scan_image(path)


def test_bad_files_among_good_ones_stop_nothing(tmp_path: Path) -> None:
    good = save(tmp_path / "a.jpg", draw("leopard", 0))
    bad = tmp_path / "b.jpg"
    bad.write_bytes(b"")
    done: list[int] = []
    found = scan_images([good, bad, tmp_path / "gone.jpg"], advance=lambda: done.append(1))
    assert [type(item) for item in found] == [ImageFacts, DataError, DataError]
    assert len(done) == 3


@pytest.mark.parametrize("name", [name for name, odd in ODD_FILES.items() if odd[1] == "odd"])
def test_an_odd_file_is_used_and_says_what_is_odd(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(odd_file(name, 3))
    (oddity,) = scan_image(tmp_path / name).oddities
    assert ODD_FILES[name][2] in oddity


@pytest.mark.parametrize("name", [name for name, odd in ODD_FILES.items() if odd[1] != "odd"])
def test_a_damaged_file_is_refused_with_its_reason(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(odd_file(name, 3))
    with pytest.raises(DataError, match=ODD_FILES[name][2]):
        scan_image(tmp_path / name)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_width_and_height_are_those_of_the_upright_image(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind.lower()}"
    path.write_bytes(turned(draw("leopard", 0), kind))
    facts = scan_image(path)
    assert (facts.width, facts.height, facts.oddities) == (64, 48, ())


def test_a_clock_without_a_battery_is_remembered_and_gives_no_time(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0132] = "1970:01:01 00:00:12"
    path = tmp_path / "a.jpg"
    Image.fromarray(draw("leopard", 0)).save(path, exif=exif)
    facts = scan_image(path)
    assert (facts.taken_at, facts.dead_clock) == (None, "1970:01:01 00:00:12")


def test_exif_with_a_zone_of_its_own_keeps_it_and_else_the_asked_one_counts(tmp_path: Path) -> None:
    exif = Image.Exif()
    details = {0x9003: "2024:05:12 21:34:05", 0x9011: "+03:00"}
    exif[0x8769] = details
    path = tmp_path / "a.jpg"
    zone = timezone(timedelta(hours=-5))
    Image.fromarray(draw("leopard", 0)).save(path, exif=exif)
    assert str(scan_image(path, zone).taken_at) == "2024-05-12 18:34:05+00:00"
    exif[0x8769] = {0x9003: "2024:05:12 21:34:05"}
    Image.fromarray(draw("leopard", 0)).save(path, exif=exif)
    assert str(scan_image(path, zone).taken_at) == "2024-05-13 02:34:05+00:00"
