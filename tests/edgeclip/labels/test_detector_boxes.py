from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgeclip.errors import DataError
from edgeclip.labels.dataset import Dataset, read_dataset
from edgeclip.labels.reading import ReadingOptions
from support.drawn_images import draw, save, write_table

SURE = {"category": "1", "conf": 0.9, "bbox": [0.1, 0.2, 0.3, 0.4]}
LESS = {"category": "1", "conf": 0.5, "bbox": [0.5, 0.5, 0.1, 0.1]}
PERSON = {"category": "2", "conf": 0.95, "bbox": [0.0, 0.0, 0.2, 0.9]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Folders leopard, human and blank with an image each."""
    for number, label in enumerate(("leopard", "human", "blank")):
        save(tmp_path / f"images/{label}/{label}.jpg", draw(label, number))
    return tmp_path / "images"


def _read(source: Path, images: list[dict[str, Any]], **options: Any) -> Dataset:
    path = source.parent / "md.json"
    path.write_text(json.dumps({"images": images, "detection_categories": {}}))
    return read_dataset(ReadingOptions(data=source, boxes=path, **options))


def _all(*detections: dict[str, Any]) -> list[dict[str, Any]]:
    """Say the same of each image."""
    names = ("leopard", "human", "blank")
    return [{"file": f"{n}/{n}.jpg", "detections": list(detections)} for n in names]


def test_folders_of_images_get_the_surest_box_of_their_kind(folder: Path) -> None:
    dataset = _read(folder, _all(LESS, SURE, PERSON))
    boxes = {image.class_name: image.box for image in dataset.images}
    assert boxes == {"leopard": (0.1, 0.2, 0.3, 0.4), "human": (0.0, 0.0, 0.2, 0.9), "blank": None}
    assert "boxes of md.json: 2 of 3 labels got one" in dataset.notes


def test_a_blank_in_which_the_detector_sees_an_animal_is_named(folder: Path) -> None:
    dataset = _read(folder, _all(SURE))
    (problem,) = dataset.problems
    assert problem.kind == "doubt"
    assert "blank.jpg is labelled blank, but the detector sees an animal (0.90)" in problem.what


def test_under_multi_each_box_is_an_image_of_its_own(folder: Path) -> None:
    dataset = _read(folder, _all(SURE, LESS), multi="multi")
    leopards = [image for image in dataset.images if image.class_name == "leopard"]
    assert [image.box for image in leopards] == [(0.1, 0.2, 0.3, 0.4), (0.5, 0.5, 0.1, 0.1)]


def test_boxes_below_the_threshold_are_not_taken(folder: Path) -> None:
    dataset = _read(folder, _all(LESS), box_threshold=0.6)
    assert [image.box for image in dataset.images] == [None] * 3
    assert "2 show nothing to the detector: used without a box" in dataset.notes[-1]


def test_what_the_results_do_not_hold_or_failed_on_is_used_without_a_box(folder: Path) -> None:
    images: list[dict[str, Any]] = [
        {"file": "leopard/leopard.jpg", "failure": "cut short"},
        {"file": "elsewhere/z.jpg", "detections": [SURE]},
    ]
    dataset = _read(folder, images)
    assert len(dataset.images) == 3
    assert dataset.problems[0].what == "the detector failed (cut short): used without a box"
    assert "2 are not in it; 1 of its files are not here" in dataset.notes[-1]


def test_a_box_of_the_labels_own_stands(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg", draw("leopard", 0))
    rows: list[tuple[object, ...]] = [
        ("path", "label", "bbox_x", "bbox_y", "bbox_w", "bbox_h"),
        ("a.jpg", "leopard", 0.6, 0.6, 0.2, 0.2),
    ]
    table = write_table(tmp_path / "labels.csv", rows)
    dataset = _read(table, [{"file": "a.jpg", "detections": [SURE]}])
    assert dataset.images[0].box == (0.6, 0.6, 0.2, 0.2)
    assert "1 have one of their own" in dataset.notes[-1]


@pytest.mark.real_data
def test_the_real_labels_and_the_real_boxes_of_ena24_meet(real_data: Path) -> None:
    fixtures = real_data / "format-fixtures/zamba_ena24"
    options = ReadingOptions(
        data=fixtures / "labels.csv",
        data_dir=real_data / "zamba/ena24_small",
        boxes=fixtures / "md_annotations.json",
    )
    dataset = read_dataset(options)
    assert len(dataset.images) == 21
    assert all(image.box for image in dataset.images)
    assert {image.class_name for image in dataset.images} >= {"Virginia Opossum", "Chicken"}


def test_boxes_of_another_kind_of_file_are_refused(folder: Path) -> None:
    path = folder.parent / "x.json"
    path.write_text('{"type": "FeatureCollection"}')
    with pytest.raises(DataError, match="no detector results: --boxes takes MegaDetector's JSON"):
        read_dataset(ReadingOptions(data=folder, boxes=path))
