from __future__ import annotations

from pathlib import Path

import pytest

from edgeclip.errors import DataError
from edgeclip.labels.csv_table import read_csv
from edgeclip.labels.dataset import read_dataset
from edgeclip.labels.reading import ReadingOptions
from edgeclip.labels.sample import LabelTable
from support.drawn_images import draw, save


def _options(folder: Path, text: str, **options: object) -> ReadingOptions:
    for number, name in enumerate("ab"):
        save(folder / f"{name}.jpg", draw("leopard", number))  # 64 x 48
    path = folder / "labels.csv"
    path.write_text(text)
    return ReadingOptions.model_validate({"data": path, **options})


def _read(folder: Path, text: str, **options: object) -> LabelTable:
    return read_csv(_options(folder, text, **options))


PIXELS = "path,label,x_min,y_min,x_max,y_max\na.jpg,leopard,16,12,48,36\n"


def test_boxes_above_one_are_refused_until_their_unit_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="1 of 1 boxes have values above 1: say --box-unit pixels"):
        _read(tmp_path, PIXELS)
    left_out = _read(tmp_path, PIXELS, box_unit="relative")
    assert (left_out.samples[0].box, left_out.problems[0].kind) == (None, "box")


def test_pixels_count_in_the_images_own_size_else_in_that_of_the_table(tmp_path: Path) -> None:
    (image,) = read_dataset(_options(tmp_path, PIXELS, box_unit="pixels")).images
    assert image.box == (0.25, 0.25, 0.5, 0.5)
    sized = (
        "path,label,bbox1,bbox2,bbox3,bbox4,Width,Height\na.jpg,leopard,160,120,320,240,640.0,480\n"
    )
    (image,) = read_dataset(_options(tmp_path, sized, box_unit="pixels")).images
    assert image.box == (0.25, 0.25, 0.5, 0.5)


def test_one_odd_box_among_relative_ones_is_left_out_alone(tmp_path: Path) -> None:
    rows = ["a.jpg,leopard,0.1,0.1,0.5,0.5"] * 3 + ["b.jpg,leopard,10,10,50,50"]
    table = _read(tmp_path, "\n".join(["path,label,x1,y1,x2,y2", *rows]))
    assert [sample.box is not None for sample in table.samples] == [True] * 3 + [False]
    assert [problem.where for problem in table.problems] == ["labels.csv row 5"]


def test_boxes_below_the_threshold_are_left_out_and_counted(tmp_path: Path) -> None:
    text = "path,label,bbox1,bbox2,bbox3,bbox4,conf\n"
    text += "a.jpg,leopard,0.1,0.1,0.2,0.2,0.9\nb.jpg,leopard,0.1,0.1,0.2,0.2,0.1\n"
    table = _read(tmp_path, text)
    assert [sample.box is not None for sample in table.samples] == [True, False]
    assert "1 boxes below --box-threshold 0.2: left out" in table.notes
    assert all(sample.box for sample in _read(tmp_path, text, box_threshold=0.05).samples)


def test_labels_of_speciesnet_become_their_last_name(tmp_path: Path) -> None:
    labels = {
        "u;mammalia;carnivora;felidae;panthera;pardus;leopard": "leopard",
        "u;mammalia;carnivora;felidae;panthera;pardus;": "panthera pardus",
        "u;mammalia;carnivora;felidae;;;": "felidae",
        "u;;;;;;blank": "blank",
        "a;b": "a;b",
    }
    text = "path\tlabel\n" + "".join(f"a.jpg\t{label}\n" for label in labels)
    assert [sample.label for sample in _read(tmp_path, text).samples] == list(labels.values())


@pytest.mark.real_data
def test_the_results_of_animl_are_read_by_the_ends_of_their_paths(real_data: Path) -> None:
    options = ReadingOptions(
        data=real_data / "format-fixtures/animl/Results.csv", data_dir=real_data / "animl-py"
    )
    table = read_csv(options)
    assert len(table.samples) == 13
    assert {problem.kind for problem in table.problems} == {"path"}  # renamed here, and videos
    assert any(sample.box for sample in table.samples)
    assert "label = column prediction" in table.notes


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["Detections.csv", "FileManifest.csv", "buow_detections.csv"])
def test_tables_of_detections_without_labels_say_what_is_missing(
    real_data: Path, name: str
) -> None:
    with pytest.raises(DataError, match="no column for label"):
        read_csv(ReadingOptions(data=real_data / "format-fixtures/animl" / name))


def test_a_file_that_is_missing_is_named_once_however_many_rows_it_has(tmp_path: Path) -> None:
    table = _read(tmp_path, "path,label\n" + "gone.jpg,leopard\n" * 3 + "clip.MOV,leopard\n")
    assert [problem.what for problem in table.problems] == [
        "gone.jpg: no such file",
        "clip.MOV: a video: images are read",
    ]
