from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeclip.background import BackgroundCheck, check_background, cover
from edgeclip.contract.preprocess import decode_image
from edgeclip.errors import DataError
from edgeclip.labels.dataset import LabelledImage
from edgeclip.regions import Strips
from support.drawn_images import draw, save
from support.judged import Row, judged
from support.samples import preprocess_spec

NAMES = ["leopard", "blank"]
BOX = (0.25, 0.25, 0.5, 0.5)


def _images(folder: Path, *, with_box: bool = True) -> list[LabelledImage]:
    rows = [Row(name, box=BOX if with_box and name == "leopard" else None) for name in NAMES * 4]
    return [
        dataclasses.replace(
            image, path=save(folder / f"{number}.png", draw(image.class_name, number))
        )
        for number, image in enumerate(judged(rows, NAMES).images)
    ]


def _by_animal(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Call what has much orange in its middle."""
    orange = pixels[:, 8:24, 8:24, 0].mean(axis=(1, 2)) > 120
    return np.stack([orange, ~orange], axis=1).astype(np.float32)


def _checked(images: list[LabelledImage]) -> BackgroundCheck:
    return check_background(
        images, NAMES, {"leopard": 0.5}, spec=preprocess_spec(32), strips=Strips(),
        classify=_by_animal,
    )  # fmt: skip


def test_a_pack_that_looks_at_the_animal_falls_to_the_prior(tmp_path: Path) -> None:
    found = _checked(_images(tmp_path))
    leopard = found.targets["leopard"]
    assert (leopard.images, leopard.seen, leopard.covered, leopard.elsewhere) == (4, 1, 0, 0)
    assert (found.accuracy, found.covered_accuracy, found.prior) == (1, 0.5, 0.5)
    assert not leopard.looks_at_the_place


def test_a_pack_that_knows_the_files_by_their_background_is_found_out(tmp_path: Path) -> None:
    seen = iter([True, True])

    def by_place(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert next(seen)
        leopard = np.arange(len(pixels)) % 2 == 0  # the same answer with and without the animal
        return np.stack([leopard, ~leopard], axis=1).astype(np.float32)

    found = check_background(
        _images(tmp_path), NAMES, {"leopard": 0.5}, spec=preprocess_spec(32), strips=Strips(),
        classify=by_place,
    )  # fmt: skip
    assert found.targets["leopard"].covered == 1
    assert found.targets["leopard"].looks_at_the_place
    assert found.as_json()["targets"]["leopard"]["elsewhere"] == 0


def test_animals_that_cannot_be_covered_do_not_count_as_covered(tmp_path: Path) -> None:
    names = ["leopard", "hyena", "blank"]
    rows = [
        *[Row("leopard", box=BOX)] * 4,
        *[Row("hyena")] * 12,
        *[Row("blank")] * 4,
    ]
    drawn_as = {"leopard": "leopard", "hyena": "elephant", "blank": "blank"}
    images = [
        dataclasses.replace(
            image, path=save(tmp_path / f"{number}.png", draw(drawn_as[image.class_name], number))
        )
        for number, image in enumerate(judged(rows, names).images)
    ]

    def by_animal(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        middle = pixels[:, 12:20, 12:20].astype(float).mean(axis=(1, 2))
        orange, grey = middle[:, 0] > 120, middle[:, 2] > 80
        return np.stack([orange, grey & ~orange, ~grey & ~orange], axis=1).astype(np.float32)

    found = check_background(
        images, names, {"leopard": 0.5}, spec=preprocess_spec(32), strips=Strips(),
        classify=by_animal,
    )  # fmt: skip
    assert (found.images, found.accuracy) == (8, 1)
    assert found.covered_accuracy == found.prior == 0.5


def test_all_animals_of_a_file_are_covered(tmp_path: Path) -> None:
    pair = draw("leopard", 1)
    pair[:8, :8] = (255, 0, 255)
    path = save(tmp_path / "pair.png", pair)
    rows = [Row("leopard", box=BOX), Row("leopard", box=(0.0, 0.0, 0.125, 1 / 6))]
    images = [dataclasses.replace(image, path=path) for image in judged(rows, NAMES).images]
    least_green: list[int] = []

    def by_corner(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        least_green.extend(pixels[:, :3, :3, 1].min(axis=(1, 2)).tolist())
        return np.tile(np.asarray([[1, 0]], np.float32), (len(pixels), 1))

    check_background(
        images, NAMES, {"leopard": 0.5}, spec=preprocess_spec(32), strips=Strips(),
        classify=by_corner,
    )  # fmt: skip
    assert max(least_green[:2]) < 40
    assert min(least_green[2:]) > 60


def test_strips_are_cut_off_with_and_without_the_animal(tmp_path: Path) -> None:
    images = _images(tmp_path)
    height = decode_image(images[0].path.read_bytes()).shape[0]
    seen: list[int] = []

    def by_row(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        seen.append(int(np.abs(np.diff(pixels.astype(int), axis=1)).max()))
        return np.full((len(pixels), 2), 0.5, np.float32)

    check_background(
        images, NAMES, {"leopard": 0.5}, spec=preprocess_spec(32),
        strips=Strips(top_px=height - 1), classify=by_row,
    )  # fmt: skip
    with_strips = seen.copy()
    check_background(
        images, NAMES, {"leopard": 0.5}, spec=preprocess_spec(32), strips=Strips(), classify=by_row
    )
    assert len(with_strips) == 2
    assert max(with_strips) < max(seen[2:])  # the last row alone is plain ground


def test_without_boxes_nothing_can_be_covered(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no image of a target has a box"):
        _checked(_images(tmp_path, with_box=False))


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    images = _images(tmp_path)
    images[0].path.unlink()
    with pytest.raises(DataError, match=r"0\.png: cannot be read"):
        _checked(images)


@pytest.mark.parametrize("box", [BOX, (0.0, 0.0, 1.0, 1.0), (0.9, 0.9, 0.1, 0.1), (0.5, 0.5, 0, 0)])
def test_covering_changes_the_box_alone(box: tuple[float, float, float, float]) -> None:
    frame = np.zeros((40, 60, 3), np.uint8)
    frame[:, :, 1] = 90
    x, y, w, h = box
    rows, columns = slice(int(y * 40), int((y + h) * 40)), slice(int(x * 60), int((x + w) * 60))
    frame[rows, columns] = 255
    covered = cover(frame, box)
    assert (covered[rows, columns] != 255).all()
    assert covered.shape == frame.shape
    if box == BOX:
        assert (covered == [0, 90, 0]).all()
