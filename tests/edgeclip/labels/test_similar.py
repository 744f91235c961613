from __future__ import annotations

import io
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgeclip.labels.dataset import LabelledImage, load_dataset, read_dataset, read_labels
from edgeclip.labels.reading import ReadingOptions
from edgeclip.labels.scan import scan_image
from edgeclip.labels.similar import MOST_CHANGE, Thumbnail, same_shots
from edgeclip.splits import split_images
from support.drawn_images import save, write_table

LEAST_PX = 300


def _cells(seed: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(40, 200, (16, 16), np.uint8)


def _scene(seed: int, size: tuple[int, int] = (640, 480)) -> Image.Image:
    """A landscape of soft shapes, unlike that of any other seed."""
    small = np.random.default_rng(seed).integers(20, 235, (9, 12, 3), np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def test_a_thumbnail_is_the_same_shot_as_itself_and_as_a_copy_with_small_changes() -> None:
    cells = _cells(1)
    changed = cells + np.uint8(MOST_CHANGE) * (np.arange(256).reshape(16, 16) % 17 == 0)
    thumbnails = [Thumbnail.of(c.astype(np.uint8)) for c in (cells, _cells(2), changed, cells)]
    assert same_shots(thumbnails, [False] * 4) == [0, None, 0, 0]


def test_one_cell_that_changes_more_than_encoding_does_is_another_shot_if_times_are_known() -> None:
    cells = _cells(1)
    changed = cells.copy()
    changed[8, 8] += 20
    thumbnails = [Thumbnail.of(cells), Thumbnail.of(changed)]
    assert same_shots(thumbnails, [False, False]) == [None, None]
    assert same_shots(thumbnails, [False, True]) == [0, 0]


def test_a_frame_without_contrast_is_like_no_other() -> None:
    flat = np.full((16, 16), 90, np.uint8)
    assert Thumbnail.of(flat) is None
    assert same_shots([None, None, Thumbnail.of(_cells(1))], [True] * 3) == [None] * 3
    assert same_shots([], []) == []


def test_a_shot_saved_again_smaller_under_another_name_class_and_place_is_never_torn_off(
    tmp_path: Path,
) -> None:
    rows: list[tuple[object, ...]] = [("path", "label", "location")]
    for number in range(24):
        label, place = ("leopard", "blank")[number % 2], f"P{number // 2 % 6}"
        _scene(number).save(tmp_path / f"{number}.jpg")
        rows.append((f"{number}.jpg", label, place))
    _scene(0).resize((320, 240)).save(tmp_path / "copy.jpg", quality=40)
    rows.append(("copy.jpg", "blank", "P5"))
    dataset = load_dataset(read_labels(write_table(tmp_path / "labels.csv", rows)), {})
    tied = [image.path.name for image in dataset.images if image.near_duplicate]
    assert tied == ["0.jpg", "copy.jpg"]
    for seed in range(4):
        split = split_images(dataset.images, ["leopard"], seed=seed)
        assert split.parts[0] == split.parts[-1]


def test_frames_of_one_scene_without_any_time_are_kept_together(tmp_path: Path) -> None:
    scene = np.asarray(_scene(3), np.int16)
    for number in range(3):
        noise = np.random.default_rng(number).normal(0, 6, scene.shape)
        moved = scene + noise.astype(np.int16)
        moved[200:240, 100 * number : 100 * number + 60] -= 15  # something faint walks by
        save(tmp_path / f"leopard/{number}.png", np.clip(moved, 0, 255).astype(np.uint8))
    images = read_dataset(ReadingOptions(data=tmp_path)).images
    assert len({image.sequence for image in images}) == 3
    assert len({image.near_duplicate for image in images}) == 1
    assert images[0].near_duplicate


@pytest.fixture(scope="module")
def real_images(real_data: Path) -> tuple[LabelledImage, ...]:
    return load_dataset(read_labels(real_data / "manifest.csv"), {}).images


@pytest.mark.real_data
def test_of_the_real_images_none_is_joined_with_one_of_another_burst(
    real_images: tuple[LabelledImage, ...],
) -> None:
    groups = defaultdict(set)
    for image in real_images:
        if image.near_duplicate and image.captured_at:
            groups[image.near_duplicate].add(image.sequence)
    assert len(groups) > 10
    assert [names for names in groups.values() if len(names) > 1] == []


@pytest.mark.real_data
def test_of_the_real_images_none_is_joined_with_one_of_another_place_even_without_times(
    real_images: tuple[LabelledImage, ...],
) -> None:
    heads = same_shots([i.facts.thumbnail for i in real_images], [True] * len(real_images))
    places = defaultdict(set)
    for image, head in zip(real_images, heads, strict=True):
        places[head].add((image.location, image.path.parent))
    assert [names for head, names in places.items() if head is not None and len(names) > 1] == []


@pytest.mark.real_data
def test_copies_of_real_images_saved_again_and_resized_are_found(
    real_images: tuple[LabelledImage, ...], tmp_path: Path
) -> None:
    large = [i for i in real_images if min(i.facts.width, i.facts.height) >= LEAST_PX][::12]
    found = 0
    for image in large:
        with Image.open(io.BytesIO(image.path.read_bytes())) as original:
            original.convert("RGB").resize((320, 240)).save(tmp_path / "c.jpg", quality=50)
        pair = [image.facts.thumbnail, scan_image(tmp_path / "c.jpg").thumbnail]
        found += same_shots(pair, [False, False])[1] is not None
    assert found >= len(large) - 1 > 20
