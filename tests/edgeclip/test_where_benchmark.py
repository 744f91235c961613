"""The figures of `benchmarks.where`, on boxes and maps whose worth is known."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import where
from benchmarks._where_data import Boxed, real, rendered
from benchmarks._where_figures import difference, figures, iou, judged, of_map
from edgeclip.scenes.image_sets import ImageSetPlan
from support.drawn_images import draw, save, write_table
from support.samples import preprocess_spec

LEFT = (0.0, 0.0, 0.5, 1.0)


def _boxed(*boxes: tuple[float, float, float, float]) -> Boxed:
    return Boxed(np.zeros((8, 8, 3), np.uint8), "leopard", boxes, "ridge")


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (LEFT, 1.0),
        ((0.25, 0.0, 0.5, 1.0), 1 / 3),
        ((0.5, 0.0, 0.5, 1.0), 0.0),
        ((0.0, 0.0, 1.0, 1.0), 0.5),
    ],
)
def test_iou_is_what_is_shared_over_what_is_covered(
    other: tuple[float, float, float, float], expected: float
) -> None:
    assert iou(LEFT, other) == pytest.approx(expected)
    assert iou(other, LEFT) == pytest.approx(expected)


def test_of_several_animals_the_best_matched_counts() -> None:
    found = judged(_boxed((0.9, 0.9, 0.1, 0.1), LEFT), LEFT, (0.95, 0.95))
    assert found == {"pointing": 1.0, "iou": 1.0}
    assert judged(_boxed(LEFT), None, (0.7, 0.5)) == {"pointing": 0.0, "iou": 0.0}


def test_overlapping_boxes_are_covered_once() -> None:
    assert _boxed(LEFT, (0.25, 0.0, 0.5, 1.0)).covered == pytest.approx(0.75)
    assert _boxed(LEFT, (0.9, 0.9, 0.1, 0.1)).area == 0.5


def test_a_map_points_where_it_is_hottest() -> None:
    likeness = np.zeros((4, 4), np.float32)
    likeness[2, 1] = 1
    assert of_map(_boxed((0.25, 0.5, 0.25, 0.25)), likeness)["pointing"] == 1
    assert of_map(_boxed((0.5, 0.0, 0.5, 0.5)), likeness) == {"pointing": 0.0, "iou": 0.0}


def test_a_difference_has_an_interval_over_places() -> None:
    ours, theirs = ([{"iou": value}] * 6 for value in (0.75, 0.25))
    found = difference(ours, theirs, list("aabbcc"), "iou")
    assert found == {"mean": 0.5, "interval": [0.5, 0.5]}


def test_figures_are_those_of_the_chosen_images() -> None:
    rows = [
        {"pointing": 1.0, "iou": 0.6},
        {"pointing": 0.0, "iou": 0.3},
        {"pointing": 0.0, "iou": 0.0},
    ]
    found = figures(rows, np.array([True, True, False]))
    assert found == {"pointing": 0.5, "mean_iou": 0.45, "iou_0.3": 1.0, "iou_0.5": 0.5}


def test_scenes_have_boxes_of_their_own_species_alone() -> None:
    plan = ImageSetPlan({"zebra": 2}, locations=1, first_location=9, size=(90, 160), strip=False)
    found = rendered(plan, preprocess_spec())
    assert [image.label for image in found] == ["zebra", "zebra"]
    assert all(0 < image.area <= 1 and image.covered > 0 for image in found)


def test_real_images_are_those_that_the_detector_is_sure_of(tmp_path: Path) -> None:
    animl = tmp_path / "format-fixtures" / "animl"
    header = ("filename", "category", "conf", "bbox_x", "bbox_y", "bbox_w", "bbox_h")
    rows: list[tuple[object, ...]] = [header, ("A 1.png", "1", 0.9, 0.1, 0.2, 0.3, 0.4)]
    rows += [("A 1.png", "1", 0.5, 0, 0, 1, 1), ("A 2.png", "2", 0.9, 0, 0, 1, 1)]
    write_table(animl / "jaguar_reid_manifest.csv", [*rows, ("A 3.png", "0", "", "", "", "", "")])
    for name in ("Detections.csv", "buow_detections.csv"):
        write_table(animl / name, [header])
    table: list[tuple[object, ...]] = [("path", "label", "location")]
    for number in (1, 2, 3):
        save(tmp_path / f"animl-py/A_{number}.png", draw("leopard", number))
        table.append((f"animl-py/A_{number}.png", "big_cat", ""))
    write_table(tmp_path / "manifest.csv", table)
    [found] = real(tmp_path, preprocess_spec())
    assert (found.label, found.place) == ("big cat", "A_1.png")
    assert found.boxes == ((0.1, 0.2, 0.3, 0.4),)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--real", "."], "belong together"),
        (["--real", "gone", "--weights", "."], "gone has no manifest.csv"),
    ],
)
def test_folders_that_cannot_be_used_are_refused_at_once(
    options: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["where", *options])
    with pytest.raises(SystemExit):
        where.main()
    assert message in capsys.readouterr().err
