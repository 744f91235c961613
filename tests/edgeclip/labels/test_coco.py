from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from edgeclip.errors import DataError
from edgeclip.labels.classes import is_blank_label, normal
from edgeclip.labels.coco import parse_coco, read_coco
from edgeclip.labels.dataset import read_dataset
from edgeclip.labels.json_text import load_object
from edgeclip.labels.reading import ReadingOptions
from edgeclip.labels.sample import LabelTable, Sample
from edgeclip.labels.several import choose_samples
from support.drawn_images import draw, save

IMAGE: dict[str, Any] = {"id": "i1", "file_name": "a.jpg", "width": 200, "height": 100}


def _content(**changes: Any) -> dict[str, Any]:
    """A file with one image of 200 x 100 pixels and one annotation; lists may be replaced."""
    usual: dict[str, Any] = {
        "info": {"version": "1.0"},
        "images": [IMAGE],
        "categories": [{"id": 1, "name": "leopard"}, {"id": 30, "name": "empty"}],
        "annotations": [{"id": "a1", "image_id": "i1", "category_id": 1}],
    }
    return usual | changes


def _annotation(**fields: Any) -> dict[str, Any]:
    return {"id": "a1", "image_id": "i1", "category_id": 1, **fields}


def _parse(content: dict[str, Any], **options: Any) -> LabelTable:
    return parse_coco(ReadingOptions(data=Path("x.json"), **options), content)


def _one(content: dict[str, Any], **options: Any) -> Sample:
    (sample,) = _parse(content, **options).samples
    return sample


@pytest.fixture(scope="module")
def cct20(real_data: Path) -> LabelTable:
    """The real annotations of CCT-20's cis_val, without pixels."""
    path = real_data / "format-fixtures/cct20_cis_val_annotations.json"
    return parse_coco(ReadingOptions(data=path), load_object(path))


@pytest.mark.real_data
def test_cct20_is_read_whole_by_names_and_never_by_ids(cct20: LabelTable) -> None:
    samples = cct20.samples
    assert len(samples) == 3582
    assert len({sample.path for sample in samples}) == 3484
    assert len({sample.label for sample in samples}) == 15  # of 16 categories one does not occur
    assert sum(is_blank_label(sample.label) for sample in samples) == 995
    assert cct20.problems == ()


@pytest.mark.real_data
def test_cct20_has_its_places_bursts_times_and_frame_numbers(cct20: LabelTable) -> None:
    samples = cct20.samples
    assert len({sample.location for sample in samples}) == 10
    assert len({sample.seq_id for sample in samples}) == 1421
    assert all(sample.captured_at and sample.location and sample.seq_id for sample in samples)
    assert min(sample.frame_num or 0 for sample in samples) == 1
    assert len({(sample.seq_id, sample.location) for sample in samples}) == 1421


@pytest.mark.real_data
def test_cct20_has_boxes_in_pixels_of_the_size_that_the_file_says(cct20: LabelTable) -> None:
    boxed = [sample for sample in cct20.samples if sample.pixel_box]
    assert len(boxed) == 1763
    assert all(sample.frame_size and min(sample.frame_size) > 0 for sample in boxed)


@pytest.mark.real_data
@pytest.mark.parametrize(("policy", "kept"), [("drop", 3484), ("first", 3484), ("multi", 3582)])
def test_cct20_keeps_what_the_policy_for_several_annotations_says(
    cct20: LabelTable, policy: Any, kept: int
) -> None:
    per_image = Counter(sample.path for sample in cct20.samples)
    assert sum(count > 1 for count in per_image.values()) == 76
    chosen = choose_samples(cct20.samples, policy, normal)
    assert len(chosen.samples) == kept
    assert chosen.problems == []  # in this file each image has one class


@pytest.mark.real_data
def test_without_its_pixels_each_image_of_cct20_is_one_problem(real_data: Path) -> None:
    path = real_data / "format-fixtures/cct20_cis_val_annotations.json"
    table = read_coco(ReadingOptions(data=path), load_object(path))
    assert table.samples == ()
    assert Counter(problem.kind for problem in table.problems) == {"path": 3484}
    with pytest.raises(DataError, match="none of 3484 labelled files can be used: path 3484"):
        read_dataset(ReadingOptions(data=path))


@pytest.mark.real_data
def test_the_real_images_are_read_with_their_places(real_data: Path) -> None:
    path = real_data / "coco_camera_traps.json"
    table = read_coco(ReadingOptions(data=path), load_object(path))
    assert (len(table.samples), table.problems) == (485, ())
    assert sum(sample.captured_at is not None for sample in table.samples) == 350
    assert sum(is_blank_label(sample.label) for sample in table.samples) == 102


@pytest.mark.parametrize("field", ["datetime", "date_captured"])
def test_both_names_of_the_time_are_read_in_the_asked_zone(field: str) -> None:
    content = _content(images=[IMAGE | {field: "2012-05-08 19:23:36"}])
    assert str(_one(content).captured_at) == "2012-05-08 19:23:36+00:00"
    assert str(_one(content, tz="-05:00").captured_at) == "2012-05-09 00:23:36+00:00"


def test_numbers_are_ids_and_places_as_good_as_texts() -> None:
    content = _content(
        images=[IMAGE | {"id": 7, "location": 33}],
        annotations=[_annotation(image_id="7", category_id="1")],
    )
    assert (_one(content).location, _one(content).label) == ("33", "leopard")


def test_backslashes_in_paths_are_slashes() -> None:
    content = _content(images=[IMAGE | {"file_name": "Set1\\1.02-Agouti\\IMG_0002.JPG"}])
    assert _one(content).path == Path("Set1/1.02-Agouti/IMG_0002.JPG")


def test_a_relative_box_is_taken_as_it_is_and_a_pixel_box_waits_for_its_size() -> None:
    relative = _content(annotations=[_annotation(bbox_relative=[0.1, 0.2, 0.3, 0.4])])
    assert _one(relative).box == (0.1, 0.2, 0.3, 0.4)
    pixels = _one(_content(annotations=[_annotation(bbox=[20, 10, 100, 50])]))
    assert (pixels.box, pixels.pixel_box, pixels.frame_size) == (
        None, (20, 10, 100, 50), (200, 100),
    )  # fmt: skip


def test_pixels_count_in_the_size_that_the_file_states_not_in_that_of_a_smaller_copy(
    tmp_path: Path,
) -> None:
    save(tmp_path / "a.jpg", draw("leopard", 0))  # 64 x 48, the file says 200 x 100
    content = _content(annotations=[_annotation(bbox=[20, 10, 100, 50])])
    path = tmp_path / "x.json"
    path.write_text(json.dumps(content))
    (image,) = read_dataset(ReadingOptions(data=path)).images
    assert image.box == (0.1, 0.1, 0.5, 0.5)


def test_a_box_outside_its_frame_is_left_out_and_named(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg", draw("leopard", 0))
    path = tmp_path / "x.json"
    path.write_text(json.dumps(_content(annotations=[_annotation(bbox=[20, 10, 1000, 50])])))
    dataset = read_dataset(ReadingOptions(data=path))
    assert dataset.images[0].box is None
    assert dataset.problems[0].what == (
        "20, 10, 1000, 50 does not lie in 200 x 100 pixels: left out"
    )


def test_a_label_of_a_whole_sequence_gives_way_to_the_frame_s_own_and_is_marked() -> None:
    own = _annotation(id="a2", sequence_level_annotation=False)
    content = _content(annotations=[_annotation(sequence_level_annotation=True), own])
    table = _parse(content)
    assert [sample.sequence_level for sample in table.samples] == [False]
    said = "1 annotations are of whole sequences: a frame may lack the animal"
    assert said in table.notes
    taken = _parse(content, sequence_labels=True)
    assert [sample.sequence_level for sample in taken.samples] == [True, False]


def test_a_frame_with_the_label_of_its_sequence_alone_is_read_and_marked() -> None:
    content = _content(annotations=[_annotation(sequence_level_annotation=True)])
    assert [sample.sequence_level for sample in _parse(content).samples] == [True]


def test_images_without_annotation_are_not_taken_as_blank() -> None:
    table = _parse(_content(images=[IMAGE, IMAGE | {"id": "i2", "file_name": "b.jpg"}]))
    assert len(table.samples) == 1
    assert "1 images have no annotation: left out, not taken as blank" in table.notes


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"annotations": [_annotation(), _annotation(image_id="none")]}, "row", "no image 'none'"),
        ({"annotations": [_annotation(), _annotation(category_id=9)]}, "label", "no category '9'"),
        ({"annotations": [_annotation(), "text"]}, "row", "there is no image ''"),
        ({"images": [IMAGE, IMAGE]}, "row", "a second image 'i1'"),
        ({"images": [IMAGE, {"file_name": "b.jpg"}]}, "row", "has no id"),
        ({"images": [IMAGE, IMAGE | {"id": 2, "corrupt": True}]}, "unreadable", "corrupt"),
        ({"categories": [{"id": 1, "name": "leopard"}, {"id": 2}]}, "row", "lacks an id"),
        ({"annotations": [_annotation(bbox=[1, 2])]}, "box", "not four numbers"),
        ({"images": [IMAGE | {"datetime": "soon"}]}, "date", "'soon' is not a time"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_named_and_stops_nothing(
    changes: dict[str, Any], kind: str, message: str
) -> None:
    table = _parse(_content(**changes))
    assert len(table.samples) == 1
    assert [problem.kind for problem in table.problems] == [kind]
    assert message in table.problems[0].what


def test_a_file_without_annotations_is_refused() -> None:
    with pytest.raises(DataError, match="is this COCO Camera Traps"):
        _parse(_content(annotations=[]))


@pytest.mark.real_data
def test_ena24_has_neither_places_nor_sequences_and_says_so(real_data: Path) -> None:
    path = real_data / "format-fixtures/zamba_ena24/coco_annotations.json"
    options = ReadingOptions(data=path, data_dir=real_data / "zamba/ena24_small")
    dataset = read_dataset(options)
    assert len(dataset.images) == 21
    assert len(dataset.class_names) == 7
    assert all(image.box and image.location is None for image in dataset.images)
    assert "no image has a location" in dataset.notes


def test_the_option_takes_labels_of_sequences_as_those_of_each_frame(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg", draw("leopard", 1))
    path = tmp_path / "coco.json"
    content = _content(annotations=[_annotation(sequence_level_annotation=True)])
    path.write_text(json.dumps(content))
    for taken in (False, True):
        dataset = read_dataset(ReadingOptions(data=path, sequence_labels=taken))
        assert [image.sequence_level for image in dataset.images] == [not taken]
