"""The one preprocessing of trainer, exporter and device, and the one use of OpenCV for it.

Normalisation is not here: the graph subtracts the mean and divides by the standard deviation.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.preprocess_spec import Box, PreprocessSpec
from edgeclip.errors import DataError

_JPEG = b"\xff\xd8"
_REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
}


def shrink_of(data: bytes, shape: tuple[int, int], size: int) -> int:
    """Return by what a frame's sides may be divided while it is decoded: 1, 2 or 4.

    A JPEG's blocks of 8 x 8 pixels can be decoded as blocks of 4 x 4 or 2 x 2, which is quicker.
    What is left has twice the pixels of the encoder's input on its shorter side, at least.

    Args:
        data: A whole file; only a JPEG is divided.
        shape: Height and width of the frame, px, in any order.
        size: Side of the encoder's input, px.
    """
    if not data.startswith(_JPEG):
        return 1
    return max(by for by in _REDUCED if by == 1 or min(shape) >= 2 * by * size)


def decode_image(data: bytes, shrink: int = 1) -> NDArray[np.uint8]:
    """Return the pixels of an encoded image, turned upright by its EXIF orientation.

    Args:
        data: A whole JPEG, PNG, WebP, BMP or TIFF file.
        shrink: What `shrink_of` says, or 1.

    Returns:
        `(H, W, 3)` uint8, RGB; each side divided by `shrink`, rounded up.

    Raises:
        DataError: No image can be decoded from the bytes.
    """
    if not data:
        raise DataError("the file is empty: 0 bytes")
    try:
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), _REDUCED[shrink])
    except cv2.error as error:  # for example more pixels than OpenCV accepts
        raise DataError(f"the image cannot be decoded ({error.err})") from error
    if decoded is None:
        raise DataError("the file holds no image that can be decoded")
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)


def crop_square(image: NDArray[np.uint8], box: Box, margin: float) -> NDArray[np.uint8]:
    """Return the padded square around a box, moved (not cut) to stay inside the frame.

    Args:
        image: `(H, W, 3)` uint8.
        box: Relative to the frame.
        margin: Padding on each side, as a part of the box's longer side.

    Returns:
        A view of `image`; where the square is larger than the frame, the frame's full side.
    """
    (left, right), (top, bottom) = _square(image, box, margin)
    return image[top:bottom, left:right]


def square_box(image: NDArray[np.uint8], box: Box, margin: float) -> Box:
    """Return where on the frame `crop_square` cuts, relative to it; arguments as there."""
    height, width = image.shape[:2]
    (left, right), (top, bottom) = _square(image, box, margin)
    return left / width, top / height, (right - left) / width, (bottom - top) / height


def _square(
    image: NDArray[np.uint8], box: Box, margin: float
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return from which column to which, and from which row to which, the end not included."""
    height, width = image.shape[:2]
    x, y, box_width, box_height = box
    side = max(box_width * width, box_height * height, 1.0) * (1 + 2 * margin)
    across = _span((x + box_width / 2) * width, side, width)
    return across, _span((y + box_height / 2) * height, side, height)


def _span(centre: float, side: float, limit: int) -> tuple[int, int]:
    length = min(max(round(side), 1), limit)
    start = min(max(round(centre - length / 2), 0), limit - length)
    return start, start + length


def prepare(
    image: NDArray[np.uint8], spec: PreprocessSpec, box: Box | None = None
) -> NDArray[np.uint8]:
    """Return the encoder's input for a frame, or for the part of it around a box.

    Args:
        image: `(H, W, 3)` uint8, RGB, any size.
        spec: The bundle's or pack's preprocessing.
        box: Where given, the padded square around it is taken; else the whole frame is squashed.

    Returns:
        `(size, size, 3)` uint8, RGB, contiguous.

    Raises:
        DataError: The image is empty or not `(H, W, 3)` uint8.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise DataError(f"expected an RGB image (H, W, 3) uint8, found {image.shape} {image.dtype}")
    region = image if box is None else crop_square(image, box, spec.margin)
    shrinks = min(region.shape[:2]) >= spec.size
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    resized = cv2.resize(_halved(region, spec.size), (spec.size, spec.size), interpolation=method)
    return np.ascontiguousarray(resized, np.uint8)


def _halved(region: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return a region by means of 2 x 2 pixels, while it stays twice the encoder's input.

    OpenCV means 2 x 2 pixels many times faster than areas of another size; a 1080p frame takes
    less than half of the time, and differs by a part of one grey level from areas of all pixels.
    """
    height, width = region.shape[:2]
    while min(height, width) >= 4 * size and height % 2 == 0 and width % 2 == 0:
        height, width = height // 2, width // 2
        halved = cv2.resize(region, (width, height), interpolation=cv2.INTER_AREA)
        region = np.asarray(halved, np.uint8)
    return region
