from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgeclip.errors import DataError
from edgeclip.evaluation.comparison import Comparison, Scope, compare
from edgeclip.figures import (
    blanks_curve,
    confusion_matrix,
    precision_recall,
    probability_histogram,
    reliability_plot,
    thumbnail,
)
from support.drawn_images import draw
from support.judged import Row, contender, judged, many, noisy

IMAGES = many()


def _compared(names: tuple[str, ...] = ("adapter", "zero-shot")) -> Comparison:
    contenders = [
        contender(
            noisy(IMAGES, 3 - seed, seed=seed), name=name, uncalibrated=noisy(IMAGES, 1, seed=seed)
        )
        for seed, name in enumerate(names)
    ]
    return compare(contenders, IMAGES, targets=["leopard"], is_known_place=None)


SCOPE = _compared().headline
PICTURES: dict[str, Callable[[Scope], str]] = {
    "precision and recall": lambda scope: precision_recall(scope, "leopard"),
    "blanks": blanks_curve,
    "reliability": lambda scope: reliability_plot(scope.main, scope.judged.classes),
    "confusion": lambda scope: confusion_matrix(scope.main, scope.judged.class_names),
    "histogram": lambda scope: probability_histogram(scope, "leopard"),
}


def _decoded(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1])))


@pytest.mark.parametrize("draw_picture", PICTURES.values(), ids=PICTURES)
def test_each_picture_is_one_and_the_same_each_time(draw_picture: Callable[[Scope], str]) -> None:
    first, second = draw_picture(SCOPE), draw_picture(SCOPE)
    assert first == second
    assert min(_decoded(first).size) > 300


def test_names_are_drawn_as_they_are_and_never_read_as_formulas() -> None:
    hostile = ("$\\frac{", "_hidden", "猫" * 60)
    rows = [Row(name) for name in hostile for _ in range(4)]
    images = judged(rows, hostile)
    said = contender(noisy(images, 2), name="$x_", on={hostile[0]: 0.5})
    scope = compare([said], images, targets=[hostile[0]], is_known_place=None).headline
    for picture in (
        precision_recall(scope, hostile[0]),
        confusion_matrix(scope.main, hostile),
        probability_histogram(scope, hostile[0]),
    ):
        assert _decoded(picture).size


def test_one_image_and_one_class_can_be_drawn() -> None:
    images = judged([Row("leopard")], ("leopard", "deer"))
    scope = compare(
        [contender([[0.9, 0.1]])], images, targets=["leopard"], is_known_place=None
    ).headline
    for picture in (
        precision_recall(scope, "leopard"),
        reliability_plot(scope.main, images.classes),
        confusion_matrix(scope.main, images.class_names),
        probability_histogram(scope, "leopard"),
    ):
        assert _decoded(picture).size


def test_of_very_many_classes_the_commonest_are_shown() -> None:
    names = [f"species {number}" for number in range(60)]
    images = judged([Row(name) for name in names], names)
    said = contender(np.eye(60), on={names[0]: 0.5})
    scope = compare([said], images, targets=[names[0]], is_known_place=None).headline
    assert max(_decoded(confusion_matrix(scope.main, names)).size) < 2200


def test_more_contenders_than_colours_are_drawn_as_far_as_they_go() -> None:
    names = ("adapter", *(f"baseline {number}" for number in range(9)))
    assert _decoded(precision_recall(_compared(names).headline, "leopard")).size


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
