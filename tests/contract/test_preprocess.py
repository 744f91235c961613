from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgeclip.contract.preprocess import crop_square, decode_image, prepare
from edgeclip.errors import DataError
from support.samples import preprocess_spec

SPEC = preprocess_spec(32)


def _gradient(height: int, width: int) -> NDArray[np.uint8]:
    rows = np.linspace(0, 255, height, dtype=np.uint8)[:, None, None]
    columns = np.linspace(0, 255, width, dtype=np.uint8)[None, :, None]
    return np.concatenate(
        [np.broadcast_to(rows, (height, width, 1)), np.broadcast_to(columns, (height, width, 1)),
         np.zeros((height, width, 1), np.uint8)], axis=2
    )  # fmt: skip


@given(st.integers(1, 300), st.integers(1, 300))
def test_any_frame_size_gives_the_encoders_input(height: int, width: int) -> None:
    result = prepare(_gradient(height, width), SPEC)
    assert result.shape == (32, 32, 3)
    assert result.dtype == np.uint8
    assert result.flags.c_contiguous


def test_the_whole_frame_is_squashed_not_cropped() -> None:
    result = prepare(_gradient(180, 320), SPEC)
    assert result[0, 0, 1] < 10
    assert result[0, -1, 1] > 245
    assert result[-1, 0, 0] > 245


def test_shrinking_averages_areas() -> None:
    checkers = np.indices((64, 64)).sum(0) % 2 * 255
    frame = np.repeat(checkers[:, :, None], 3, axis=2).astype(np.uint8)
    assert np.abs(prepare(frame, SPEC).astype(int) - 128).max() <= 1


@pytest.mark.parametrize("shape", [(128, 256), (130, 512), (1080, 1920), (2160, 3840)])
def test_a_large_frame_is_averaged_as_if_at_once(shape: tuple[int, int]) -> None:
    rows, columns = np.linspace(0, 30, shape[0])[:, None], np.linspace(0, 48, shape[1])
    waves = 127 + 120 * np.sin(columns) * np.cos(rows)
    frame = np.repeat(waves[:, :, None], 3, axis=2).astype(np.uint8)
    at_once = cv2.resize(frame, (32, 32), interpolation=cv2.INTER_AREA).astype(int)
    difference = np.abs(prepare(frame, SPEC) - at_once)
    assert difference.mean() < 1
    assert difference.max() <= 4


@given(
    st.floats(0, 0.99), st.floats(0, 0.99), st.floats(0.001, 1), st.floats(0.001, 1),
    st.floats(0, 2),
)  # fmt: skip
def test_a_padded_square_stays_inside_the_frame_and_holds_the_box(
    x: float, y: float, width: float, height: float, margin: float
) -> None:
    width, height = min(width, 1 - x), min(height, 1 - y)
    frame = _gradient(90, 160)
    square = crop_square(frame, (x, y, width, height), margin)
    assert 0 < square.shape[0] <= 90
    assert 0 < square.shape[1] <= 160
    assert square.shape[1] >= min(int(width * 160), 160)
    assert square.shape[0] >= min(int(height * 90), 90)


def test_a_square_at_the_edge_is_moved_not_cut() -> None:
    square = crop_square(_gradient(100, 100), (0.0, 0.9, 0.1, 0.1), 0.5)
    assert square.shape == (20, 20, 3)
    assert square[-1, 0, 0] == 255


def test_a_box_shows_its_part_of_the_frame() -> None:
    frame = np.zeros((100, 200, 3), np.uint8)
    frame[40:60, 150:170] = 255
    assert prepare(frame, SPEC, (0.75, 0.4, 0.1, 0.2)).mean() > 100
    assert prepare(frame, SPEC, (0.0, 0.4, 0.1, 0.2)).max() == 0


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((0, 5, 3), np.uint8),
        np.zeros((5, 5), np.uint8),
        np.zeros((5, 5, 4), np.uint8),
        np.zeros((5, 5, 3), np.float32),
    ],
    ids=["empty", "gray", "with alpha", "float"],
)
def test_an_array_that_is_no_rgb_frame_is_refused(image: NDArray[np.uint8]) -> None:
    with pytest.raises(DataError, match="expected an RGB image"):
        prepare(image, SPEC)


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"", "0 bytes"), (b"GIF89a", "no image"), (b"\xff\xd8\xff\xe0" + bytes(40), "no image")],
    ids=["empty", "text", "cut JPEG"],
)
def test_bytes_that_hold_no_image_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        decode_image(data)


def test_an_image_is_decoded_as_rgb() -> None:
    red = np.zeros((8, 8, 3), np.uint8)
    red[:, :, 2] = 255  # OpenCV writes BGR
    _, png = cv2.imencode(".png", red)
    assert decode_image(png.tobytes())[0, 0].tolist() == [255, 0, 0]
