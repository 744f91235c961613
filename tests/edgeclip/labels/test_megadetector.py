from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgeclip.labels.dataset import read_dataset
from edgeclip.labels.detections import Detection, DetectorResults, parse_detections
from edgeclip.labels.json_text import load_object
from edgeclip.labels.megadetector import parse_megadetector
from edgeclip.labels.reading import ReadingOptions
from edgeclip.labels.sample import LabelTable
from support.drawn_images import draw, save

BOX = [0.1, 0.2, 0.3, 0.4]
CLASSES = {"7": "bobcat", "3": "uuid;mammalia;carnivora;felidae;panthera;pardus;leopard"}


def _animal(conf: float = 0.9, **fields: Any) -> dict[str, Any]:
    return {"category": "1", "conf": conf, "bbox": BOX, **fields}


def _content(*images: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "info": {"format_version": "1.5"},
        "detection_categories": {"1": "animal", "2": "person", "3": "vehicle"},
        "classification_categories": CLASSES,
        "images": list(images),
        **fields,
    }


def _parse(*images: dict[str, Any], **options: Any) -> LabelTable:
    return parse_megadetector(ReadingOptions(data=Path("md.json"), **options), _content(*images))


def _labels(*images: dict[str, Any], **options: Any) -> list[str]:
    return [sample.label for sample in _parse(*images, **options).samples]


def _detections(content: dict[str, Any]) -> tuple[Detection, ...]:
    return parse_detections(content).images[0].detections


@pytest.mark.real_data
def test_the_file_without_a_version_is_read(real_data: Path) -> None:
    path = real_data / "format-fixtures/megadetector_output_zamba.json"
    table = parse_megadetector(ReadingOptions(data=path), load_object(path))
    assert table.notes[0] == "detector results (no format version)"
    first = table.samples[0]
    assert (first.label, first.box) == ("bear", (0.0, 0.2311, 0.1422, 0.2432))
    failed = [problem for problem in table.problems if problem.kind == "unreadable"]
    assert len(failed) == 2
    assert all("left out, not taken as blank" in problem.what for problem in failed)


@pytest.mark.real_data
def test_the_file_of_version_3_with_a_category_empty_is_read(real_data: Path) -> None:
    path = real_data / "format-fixtures/animl/md_gt.json"
    results = parse_detections(load_object(path))
    assert (results.version, results.problems) == ("3.0", ())
    assert [d.category for d in results.images[0].detections] == ["animal", "animal"]
    options = ReadingOptions(data=path, data_dir=real_data / "animl-py")
    assert [sample.label for sample in parse_megadetector(options, load_object(path)).samples] == [
        "test"
    ]  # the second box has a confidence of 0.16


@pytest.mark.real_data
def test_boxes_and_classes_of_the_ena24_file_land_on_its_images(real_data: Path) -> None:
    path = real_data / "format-fixtures/zamba_ena24/md_annotations.json"
    options = ReadingOptions(data=path, data_dir=real_data / "zamba/ena24_small")
    dataset = read_dataset(options)
    assert len(dataset.images) == 21
    assert len(dataset.class_names) == 7
    assert all(image.box and image.label_source == "machine" for image in dataset.images)


def test_the_likeliest_classification_is_the_label_else_the_category() -> None:
    images = (
        {"file": "a.jpg", "detections": [_animal(classifications=[["3", 0.2], ["7", 0.8]])]},
        {"file": "b.jpg", "detections": [_animal()]},
        {"file": "c.jpg", "detections": [_animal(category="2")]},
        {"file": "d.jpg", "detections": [_animal(classifications=[["3", 0.9]])]},
    )
    assert _labels(*images) == ["bobcat", "animal", "person", "leopard"]


def test_each_box_above_the_threshold_is_a_sample_and_an_image_without_one_is_blank() -> None:
    image = {"file": "a.jpg", "detections": [_animal(0.9), _animal(0.3), _animal(0.1)]}
    assert _labels(image) == ["animal", "animal"]
    assert _labels(image, box_threshold=0.5) == ["animal"]
    assert _labels(image, box_threshold=0.95) == ["blank"]
    assert _labels({"file": "a.jpg", "detections": []}) == ["blank"]


@pytest.mark.parametrize(
    "image",
    [
        {"file": "a.jpg", "failure": "Failure image access"},
        {"file": "a.jpg", "detections": None, "failure": "x"},
        {"file": "a.jpg", "failure": "x", "detections": []},
        {"file": "a.jpg"},
        {"file": "a.jpg", "detections": "none"},
        {"filepath": "a.jpg", "failures": ["DETECTOR"], "detections": []},
    ],
    ids=["no detections", "null", "empty list", "neither", "no list", "SpeciesNet"],
)
def test_a_failed_image_is_a_failure_and_never_blank(image: dict[str, Any]) -> None:
    table = _parse(image)
    assert table.samples == ()
    (problem,) = table.problems
    assert (problem.kind, problem.where) == ("unreadable", "a.jpg")
    assert "not taken as blank" in problem.what


@pytest.mark.parametrize(
    ("categories", "number"),
    [({"0": "animal", "1": "person"}, "0"), ({"5": "Animal"}, "5"), ({}, "1"), (None, 1)],
    ids=["from zero", "other numbers", "none", "numbers as numbers"],
)
def test_categories_go_by_name(categories: object, number: object) -> None:
    content = _content({"file": "a.jpg", "detections": [_animal(category=number)]})
    content["detection_categories"] = categories
    assert [detection.category for detection in _detections(content)] == ["animal"]


def test_a_box_of_the_category_empty_is_nothing() -> None:
    empty = {"category": "0", "conf": "", "bbox": []}
    image = {"file": "a.jpg", "detections": [empty], "max_detection_conf": ""}
    content = _content(image, detection_categories={"0": "empty", "1": "animal"})
    table = parse_megadetector(ReadingOptions(data=Path("x")), content)
    assert [sample.label for sample in table.samples] == ["blank"]
    assert table.problems == ()


@pytest.mark.parametrize(
    "detection",
    [
        {"category": "1", "conf": 0.9},
        _animal(bbox=[1, 2, 3]),
        _animal(bbox=[0.5, 0.5, 0.9, 0.9]),
        _animal(category="9"),
        {"category": "1", "conf": None, "bbox": BOX},
        "text",
    ],
    ids=["no box", "three numbers", "outside", "no such category", "no conf", "no object"],
)
def test_a_detection_that_does_not_fit_is_named(detection: Any) -> None:
    results: DetectorResults = parse_detections(
        _content({"file": "a.jpg", "detections": [detection, _animal()]})
    )
    assert len(results.images[0].detections) == 1
    assert [(p.kind, p.where) for p in results.problems] == [("box", "a.jpg")]


def test_speciesnet_predictions_are_read() -> None:
    content = {
        "predictions": [
            {
                "filepath": "a.jpg",
                "prediction": "u;aves;;;;;bird",
                "detections": [{"category": "1", "label": "animal", "conf": 0.9, "bbox": BOX}],
            }
        ]
    }
    table = parse_megadetector(ReadingOptions(data=Path("x")), content)
    assert [sample.label for sample in table.samples] == ["bird"]


def test_times_are_read_in_the_asked_zone() -> None:
    image = {"file": "a.jpg", "datetime": "2024:05:12 21:34:05", "detections": []}
    (sample,) = _parse(image, tz="+03:00").samples
    assert str(sample.captured_at) == "2024-05-12 18:34:05+00:00"


def test_videos_are_skipped_and_counted() -> None:
    table = _parse({"file": "a.mp4", "frame_rate": 30, "detections": [_animal(frame_number=3)]})
    assert table.samples == ()
    assert "1 files are no images by their suffix: skipped" in table.notes


def test_the_place_is_the_first_folder_that_differs() -> None:
    files = ("p/ridge/100RECNX/a.jpg", "p/ridge/101RECNX/a.jpg", "p\\stream\\a.jpg")
    table = _parse(*({"file": file, "detections": [_animal()]} for file in files))
    assert [sample.location for sample in table.samples] == ["ridge", "ridge", "stream"]


def test_paths_of_another_computer_match_by_their_end(tmp_path: Path) -> None:
    save(tmp_path / "ridge/a.jpg", draw("leopard", 0))
    save(tmp_path / "b.jpg", draw("blank", 1))
    path = tmp_path / "md.json"
    images: list[dict[str, Any]] = [
        {"file": "/home/ana/cams/ridge/a.jpg", "detections": [_animal()]},
        {"file": "C:\\cams\\b.jpg", "detections": []},
    ]
    path.write_text(json.dumps(_content(*images)))
    dataset = read_dataset(ReadingOptions(data=path))
    assert [image.class_name for image in dataset.images] == ["animal", "blank"]
    assert "LABELS ARE A MACHINE'S: what the detector missed counts as blank" in dataset.notes
