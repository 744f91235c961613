from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgeclip.errors import DataError
from edgeclip.evaluation.result import evaluate
from edgeclip.figures import (
    confusion_matrix,
    precision_recall,
    probability_histogram,
    thumbnail,
)
from support.drawn_images import draw

NAMES = ["leopard", "blank"]
RESULT = evaluate(
    np.asarray([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]], np.float32), np.asarray([0, 0, 1]),
    ["A", "A", "B"], class_names=NAMES, on={"leopard": 0.5},
)  # fmt: skip


def _decoded(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1])))


def test_each_figure_is_a_picture_and_the_same_each_time() -> None:
    first, second = (
        [
            precision_recall({"zero-shot": RESULT, "adapter": RESULT}, NAMES),
            confusion_matrix(RESULT, NAMES),
            probability_histogram(RESULT, NAMES),
        ]
        for _ in range(2)
    )
    assert first == second
    assert all(min(_decoded(uri).size) > 100 for uri in first)


def test_a_thumbnail_is_small_upright_and_without_exif(tmp_path: Path) -> None:
    image = Image.fromarray(draw("leopard", 0)).resize((1200, 900))
    exif = image.getexif()
    exif[0x0112] = 6  # turned by 90 degrees
    exif[0x010F] = "a camera"
    image.save(tmp_path / "a.jpg", exif=exif)
    small = _decoded(thumbnail((tmp_path / "a.jpg").read_bytes()))
    assert small.size == (270, 360)
    assert not small.getexif()


def test_a_thumbnail_of_no_image_is_refused() -> None:
    with pytest.raises(DataError, match="cannot be decoded"):
        thumbnail(b"no image")
