from __future__ import annotations

import io
from datetime import timezone
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgeclip.archive.looking import Looking
from edgeclip.contract.preprocess import decode_image, prepare, shrink_of
from edgeclip.errors import DataError
from edgeclip.regions import Region, Strips, pixels_of
from edgeclip.stored_image import StoredImage
from support.samples import preprocess_spec

SPEC, SPEC_224 = preprocess_spec(32), preprocess_spec(224)
WHOLE, RANDOM, CROP = (
    Region(0, None, 0),
    Region(0, None, 2),
    Region(0, (0.3, 0.3, 0.4, 0.4), 0),
)
STRIPS = Strips(top_px=9, bottom_px=14)


def _photograph(width: int = 400, height: int = 301) -> NDArray[np.uint8]:
    """Smooth, as what a lens draws is, and a white strip at the bottom."""
    coarse = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    frame = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    frame[-14:] = 255
    return np.asarray(frame, np.uint8)


def _encoded(frame: NDArray[np.uint8], kind: str = "JPEG", orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    Image.fromarray(frame).save(out, kind, exif=exif, **({"quality": 95} if kind == "JPEG" else {}))
    return out.getvalue()


def _stored(data: bytes, shape: tuple[int, int], strips: Strips = STRIPS) -> StoredImage:
    return StoredImage(data, shape, SPEC, strips)


@pytest.mark.parametrize(
    ("shape", "by"),
    [((127, 900), 1), ((128, 900), 2), ((900, 255), 2), ((256, 256), 4), ((9000, 9000), 4)],
)
def test_a_jpeg_is_divided_while_twice_the_input_is_left(shape: tuple[int, int], by: int) -> None:
    assert shrink_of(b"\xff\xd8\xff", shape, 32) == by


def test_what_is_no_jpeg_is_decoded_whole() -> None:
    frame = _photograph()
    data = _encoded(frame, "PNG")
    assert shrink_of(data, (301, 400), 32) == 1
    wanted = pixels_of(frame, WHOLE, "", spec=SPEC, strips=STRIPS)
    assert np.array_equal(_stored(data, (301, 400)).input(WHOLE), wanted)


@pytest.mark.parametrize("by", [1, 2, 4])
def test_a_divided_frame_keeps_a_row_that_is_cut_by_the_division(by: int) -> None:
    decoded = decode_image(_encoded(_photograph()), by)
    assert decoded.shape == (-(-301 // by), -(-400 // by), 3)


def test_a_divided_frame_looks_as_the_whole_one_does() -> None:
    data = _encoded(_photograph(400, 300))
    seen = _stored(data, (300, 400), Strips()).input(WHOLE).astype(int)
    whole = pixels_of(decode_image(data), WHOLE, "", spec=SPEC, strips=Strips())
    assert np.abs(seen - whole).mean() < 1


def test_nothing_of_a_strip_is_left_where_the_division_cuts_a_row() -> None:
    frame = np.zeros((301, 400, 3), np.uint8)
    frame[:9] = frame[-14:] = 255
    assert _stored(_encoded(frame), (301, 400)).input(WHOLE).max() < 10


def test_a_part_of_the_frame_has_all_its_pixels_whatever_else_is_asked_for() -> None:
    data = _encoded(_photograph())
    image = _stored(data, (301, 400))
    before = image.input(WHOLE)
    for region in (CROP, RANDOM):
        wanted = pixels_of(decode_image(data), region, "seed", spec=SPEC, strips=STRIPS)
        assert np.array_equal(image.input(region, "seed"), wanted)
    assert np.array_equal(image.input(WHOLE), before)
    assert np.array_equal(_stored(data, (301, 400)).input(WHOLE), before)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("size", [(400, 301), (60, 50), (256, 256)])
def test_its_sides_are_told_as_a_person_sees_them(size: tuple[int, int], orientation: int) -> None:
    data = _encoded(_photograph(*size), orientation=orientation)
    found = _stored(data, size[::-1]).upright
    assert found == decode_image(data).shape[:2]


def test_an_archive_is_told_the_sides_of_the_whole_image() -> None:
    data = _encoded(_photograph(), orientation=6)
    seen = Looking(SPEC, STRIPS, timezone.utc).look("a.jpg", data, [(0.3, 0.3, 0.4, 0.4)])
    assert (seen.width, seen.height) == (301, 400)
    alone = Looking(SPEC, STRIPS, timezone.utc).look("a.jpg", data)
    assert np.array_equal(seen.views[0], alone.views[0])


def test_strips_that_leave_nothing_are_refused() -> None:
    data = _encoded(_photograph())
    with pytest.raises(DataError, match="strips of 200 and 200 px leave nothing of 301 rows"):
        _stored(data, (301, 400), Strips(200, 200)).input(WHOLE)


def test_what_strips_leave_of_the_whole_is_looked_at_where_the_division_leaves_nothing() -> None:
    data = _encoded(_photograph())
    image = _stored(data, (301, 400), Strips(150, 150))
    assert image.input(WHOLE).shape == (32, 32, 3)
    assert image.upright == (301, 400)


@pytest.mark.real_data
def test_photographs_of_8_to_20_megapixels_look_as_their_wholes_do(real_data: Path) -> None:
    differences = {}
    for path in sorted((real_data / "full-resolution").glob("*.[jJ][pP][gG]")):
        data = path.read_bytes()
        whole = decode_image(data)
        seen = StoredImage(data, (len(whole), len(whole[0])), SPEC_224, Strips()).input(WHOLE)
        assert shrink_of(data, (len(whole), len(whole[0])), 224) == 4
        differences[path.name] = np.abs(prepare(whole, SPEC_224) - seen.astype(int)).mean()
    assert len(differences) >= 3
    assert max(differences.values()) < 0.4, differences
