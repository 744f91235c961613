from __future__ import annotations

import io
import struct
from datetime import timezone
from pathlib import Path

import pytest
from PIL import Image

from edgeclip.errors import DataError
from edgeclip.figures import thumbnail
from edgeclip.labels.exif import read_exif
from edgeclip.labels.scan import scan_image
from support.drawn_images import draw
from support.odd_images import animated, encoded, saved, turned


def _with_exif(block: bytes, kind: str = "JPEG") -> bytes:
    return saved(Image.fromarray(draw("leopard", 0)), kind, exif=b"Exif\0\0" + block)


def _block(*entries: bytes) -> bytes:
    """Return a little-endian EXIF block of one directory."""
    head = b"II*\0" + struct.pack("<IH", 8, len(entries))
    return head + b"".join(entries) + bytes(64)


DETAILS_NOWHERE = _block(
    struct.pack("<HHI4s", 0x0112, 3, 1, b"\6\0\0\0"),  # orientation 6, which can be read
    struct.pack("<HHI4s", 0x8769, 2, 4, b"abc\0"),  # the details' place is a text
)
DAMAGED = {"no byte order": b"nonsense" * 8, "details nowhere": DETAILS_NOWHERE}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("name", DAMAGED)
def test_an_image_with_damaged_exif_is_used_and_says_so(
    tmp_path: Path, kind: str, name: str
) -> None:
    path = tmp_path / f"ridge_20240512_213405.{kind.lower()}"
    path.write_bytes(_with_exif(DAMAGED[name], kind))
    facts = scan_image(path)
    assert any("EXIF is damaged" in oddity for oddity in facts.oddities)
    assert (str(facts.taken_at), facts.taken_from) == ("2024-05-12 21:34:05+00:00", "file name")
    assert {facts.width, facts.height} == {64, 48}
    assert thumbnail(path.read_bytes())


def test_what_can_be_read_of_damaged_exif_is_taken() -> None:
    with Image.open(io.BytesIO(_with_exif(DETAILS_NOWHERE))) as image:
        image.load()
        exif = read_exif(image, timezone.utc)
    assert (exif.is_damaged, exif.orientation, exif.is_turned) == (True, 6, True)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_an_image_without_exif_or_with_a_good_one_is_not_called_damaged(kind: str) -> None:
    for data in (encoded(draw("leopard", 0), kind), turned(draw("leopard", 0), kind)):
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            assert not read_exif(image, timezone.utc).is_damaged


def test_a_tiff_whose_second_page_has_no_width_is_named_as_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    data = animated(draw("leopard", 0), "TIFF")
    width = data.rindex(struct.pack("<HHI", 0x0100, 4, 1))
    path.write_bytes(data[:width] + b"\x01\x02" + data[width + 2 :])
    with pytest.raises(DataError, match="damaged or cut short"):
        scan_image(path)
